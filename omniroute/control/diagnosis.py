"""What an upstream's answer says about a connection: a fault, a sentence, what would help. Pure.

Vendors word refusals in their own ways; here are the words by which the causes are known.
"""

from collections.abc import Mapping
from typing import Final, Literal, NamedTuple

import msgspec

_SAID_CHARACTERS: Final = 300

Fault = Literal[
    "",
    "bad key",
    "wrong base URL",
    "no such model",
    "region block",
    "no credit",
    "rate limit",
    "TLS",
    "proxy",
    "unreachable",
    "refused by policy",
    "upstream error",
    "not configured",
]

# What would help, by fault.
HELP: Final[Mapping[str, str]] = {
    "bad key": "Check the key: that it is whole, not revoked, and of this provider.",
    "wrong base URL": "Check the base URL: it is the root as the vendor's SDK takes it.",
    "no such model": "Ask for another model, or check what the account may use.",
    "region block": "The provider does not serve this region; a proxy elsewhere may help.",
    "no credit": "The account has no credit or quota left.",
    "rate limit": "The key works; the account is at a limit right now.",
    "TLS": "Check the certificate, the system's clock, and ca_file where authorities are private.",
    "proxy": "Check the proxy's address, its sign-in, and that it runs.",
    "unreachable": "Check the host name and the network of this machine.",
    "refused by policy": "A private address must be named in base_url, or allowed by "
    "allow_private.",
    "upstream error": "The provider has trouble; try again later.",
    "not configured": "",
}

_REGION_WORDS: Final = (
    "unsupported_country",
    "location is not supported",
    "not available in your country",
    "not available in your region",
    "region is not supported",
    "country, region",
)
_CREDIT_WORDS: Final = ("insufficient_quota", "credit balance", "insufficient balance", "billing")
_MODEL_WORDS: Final = ("model",)


class Answer(NamedTuple):
    status: int
    content: bytes


class Unanswered(Exception):
    def __init__(self, fault: Fault, message: str) -> None:
        super().__init__(message)
        self.fault = fault


def read_models(format_: str, content: bytes) -> list[str] | None:
    """The ids in a list of models; None for what is none."""
    try:
        document = msgspec.json.decode(content)
    except (msgspec.DecodeError, RecursionError):
        return None
    key, name = ("models", "name") if format_ == "gemini" else ("data", "id")
    items = document.get(key) if isinstance(document, dict) else None
    if not isinstance(items, list):
        return None
    ids = (item.get(name) for item in items if isinstance(item, dict))
    return [id_.removeprefix("models/") for id_ in ids if isinstance(id_, str) and id_]


def fault_of(answer: Answer, *, of_models: bool) -> Fault:
    """What an answer that is no success means."""
    status, text = answer.status, answer.content[:65536].decode("utf-8", "replace").lower()
    if any(words in text for words in _REGION_WORDS):
        return "region block"
    if status == 402 or (status in (400, 403, 429) and any(each in text for each in _CREDIT_WORDS)):
        return "no credit"
    if status in (401, 403) or (status == 400 and "api key" in text):
        return "bad key"
    if status == 429:
        return "rate limit"
    if status in (404, 400, 422) and not of_models and any(each in text for each in _MODEL_WORDS):
        return "no such model"
    if status < 400 or status in (404, 405, 410):
        return "wrong base URL"
    return "upstream error"


def said_by(content: bytes) -> str:
    """The sentence of an error in any of the formats, or the begin of what it is instead."""
    try:
        document = msgspec.json.decode(content)
    except (msgspec.DecodeError, RecursionError):
        return _cut(content[:2048].decode("utf-8", "replace"))
    error = document.get("error", document) if isinstance(document, dict) else document
    message = error.get("message", "") if isinstance(error, dict) else error
    return _cut(message if isinstance(message, str) else "")


def _cut(text: str) -> str:
    plain = " ".join(text.split())
    return plain if len(plain) <= _SAID_CHARACTERS else plain[: _SAID_CHARACTERS - 1] + "…"


def sentence_of(fault: Fault, answer: Answer, model: str = "") -> str:
    status = answer.status
    return {
        "bad key": f"The provider refuses the key (status {status}).",
        "region block": f"The provider refuses this region (status {status}).",
        "no credit": f"The account has no credit left (status {status}).",
        "rate limit": "The provider takes the key, but its limit is reached (status 429).",
        "no such model": f"The provider does not know the model {model} (status {status}).",
        "wrong base URL": f"There is no such endpoint at this base URL (status {status}).",
    }.get(fault, f"The provider answers with status {status}.")


def unanswered(error: Exception, *, proxied: bool) -> Unanswered:
    text = str(error) or type(error).__name__
    fault: Fault = "unreachable"
    if "by way of the proxy" in text or ("proxy" in text and proxied):
        fault = "proxy"
    if "certificate" in text or "TLS" in text or "CA file" in text:
        fault = "TLS"
    if "address" in text and ("is a " in text or "that the configuration" in text):
        fault = "refused by policy"
    return Unanswered(fault, f"It cannot be reached: {text}.")
