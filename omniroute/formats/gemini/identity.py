"""What must come back unchanged through a client that knows only Gemini's shapes: ids, signatures.

Ids of calls are optional in this format. Where one is missing it is derived from what is known, so
that the same bytes always give the same id and two calls of a conversation never share one.

A `thoughtSignature` holds the state of the model that made it. A signature of another format can
ride in it through a Gemini client, sealed together with the name of its origin; when it comes back
it is opened and belongs to that origin again. A sealed one is never sent to Gemini, and Gemini's
own are never sealed.
"""

import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from hashlib import blake2b
from typing import Final

import msgspec

FORMAT: Final = "gemini"

NO_SIGNATURE: Final = "skip_thought_signature_validator"
"""The service's own documented word for "this call has no signature".

Gemini 3 refuses the current turn's function calls without a signature. For a history that another
model made, the guide "Thought signatures" (Gemini API, FAQs; Vertex AI, "Using REST or manual
handling") names this value. It claims nothing: it switches the check off and says so.
"""

_MARK: Final = b"omniroute:v1"  # twelve bytes, so that its base64 is a prefix of the whole's
_PREFIX: Final = urlsafe_b64encode(_MARK).decode()
MARK_BYTES: Final = _PREFIX.encode()
"""In every sealed signature, whichever alphabet its base64 is in."""


class Sealed(msgspec.Struct, omit_defaults=True, gc=False):
    """State of another format on its way through a Gemini client.

    On a call it is the call's own, or with `before` that of the thought before the call, words
    included: clients send calls back as they were, and thoughts not at all.
    """

    origin: str
    signature: str = ""
    data: str = ""
    id: str = ""
    summary: bool = False
    before: bool = False
    text: str = ""


_decode = msgspec.json.Decoder(Sealed).decode


def seal(state: Sealed) -> str:
    """The state as the text of a thoughtSignature (base64, as bytes are in proto3 JSON)."""
    return urlsafe_b64encode(_MARK + msgspec.json.encode(state)).decode()


def unseal(signature: str) -> Sealed | None:
    """What `seal` closed; None for a signature of Gemini's own, or a damaged one."""
    # Clients decode and encode again, in either alphabet, with or without padding.
    text = signature.replace("+", "-").replace("/", "_").rstrip("=")
    if not text.startswith(_PREFIX):
        return None
    try:
        closed = urlsafe_b64decode(text + "=" * (-len(text) % 4))
        return _decode(closed[len(_MARK) :])
    except (ValueError, msgspec.MsgspecError):
        return None


def is_sealed(signature: str) -> bool:
    """Did this gateway make it, readable or not? Then it must not reach Gemini."""
    return signature.startswith(_PREFIX)


def derived_id(*known: str | int) -> str:
    """An id for a call that came without one, from what sets the call apart.

    Letters, digits and underscore only, 29 characters: every format takes that.
    """
    text = "\0".join(str(part) for part in known)
    return "call_" + blake2b(text.encode("utf-8", "surrogatepass"), digest_size=12).hexdigest()


def is_derived(call_id: str) -> bool:
    """Has an id the shape of derived ones? Gemini itself never saw such a one."""
    return _DERIVED.match(call_id) is not None


_DERIVED: Final = re.compile(r"call_[0-9a-f]{24}\Z")
