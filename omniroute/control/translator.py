"""The translator for people: which format a body is in, and what it is in another one.

It is the data plane's own code (`formats`), so what is shown here is what a request would become;
what the target cannot carry is named. Pure: time and ids are constants, the same body gives the
same translation.

A format is recognised by what only it has at the top of a request, an answer or a stream. Where
more than one could be meant, `is_certain` is false: the plain case is a chat that Claude and OpenAI
write alike.
"""

from collections.abc import Callable, Mapping
from typing import Any, Final, Literal

import msgspec

from omniroute.errors import GatewayError
from omniroute.formats import ir
from omniroute.formats.base import PathFacts, Shown, TargetModel
from omniroute.formats.table import CODECS
from omniroute.formats.translate import Translation, decode_request

Kind = Literal["request", "response", "stream"]

MOST_EVENT_BYTES: Final = 1 << 20
_SHOWN_ID: Final = "translated"


class TranslationRefused(Exception):
    """What was given cannot be translated; the message says why, `field` what of it."""

    def __init__(self, message: str, field: str = "body") -> None:
        super().__init__(message)
        self.field = field


class Detected(msgspec.Struct, kw_only=True):
    """What a body is. `signs` are the members that say so."""

    format: str
    kind: Kind
    is_certain: bool
    signs: list[str]


class Translated(msgspec.Struct, kw_only=True):
    """The body in the other format, as JSON or, of a stream, as its text; what was lost."""

    source: str
    target: str
    kind: Kind
    body: msgspec.Raw | None = None
    text: str | None = None
    losses: list[str] = []


class _Sign:
    """What speaks for a format: a member, and what it must be like."""

    def __init__(
        self, format_: str, name: str, is_so: Callable[[Any], bool], *, proves: bool = True
    ) -> None:
        self.format = format_
        self.name = name
        self.is_so = is_so
        self.proves = proves


def _is_list(value: Any) -> bool:
    return isinstance(value, list)


def _is_given(value: Any) -> bool:
    return value is not None


def _holds(path: str, *wanted: object) -> Callable[[Any], bool]:
    """Does any item of the list, or of lists inside of its items, have one of these values?"""

    def found(value: Any) -> bool:
        if isinstance(value, list):
            return any(found(item) for item in value)
        if not isinstance(value, Mapping):
            return False
        return value.get(path) in wanted or found(value.get("content"))

    return found


def _has(path: str) -> Callable[[Any], bool]:
    """Has any item of the list this member?"""
    return lambda value: (
        _is_list(value) and any(isinstance(item, Mapping) and path in item for item in value)
    )


# A format is asked for its signs in this order; the first that proves it decides.
_REQUESTS: Final = (
    _Sign("gemini", "contents", _is_list),
    _Sign("gemini", "systemInstruction", _is_given),
    _Sign("openai-responses", "input", _is_given),
    _Sign("openai-completions", "prompt", _is_given),
    _Sign("claude", "anthropic_version", _is_given),
    _Sign("claude", "system", _is_given),
    _Sign("claude", "stop_sequences", _is_list),
    _Sign("claude", "top_k", _is_given),
    _Sign("claude", "tools", _has("input_schema")),
    _Sign(
        "claude",
        "messages",
        _holds("type", "tool_use", "tool_result", "thinking", "redacted_thinking", "image"),
    ),
    _Sign("openai", "messages", _holds("role", "system", "developer", "tool", "function")),
    _Sign("openai", "messages", _holds("type", "image_url", "input_audio")),
    _Sign("openai", "tools", _has("function")),
    *(
        _Sign("openai", name, _is_given)
        for name in (
            "max_completion_tokens",
            "stream_options",
            "response_format",
            "reasoning_effort",
            "logprobs",
            "frequency_penalty",
            "presence_penalty",
            "n",
            "stop",
        )
    ),
    _Sign("claude", "max_tokens", _is_given, proves=False),
    _Sign("openai", "messages", _is_list, proves=False),
)
_RESPONSES: Final = (
    _Sign("gemini", "candidates", _is_list),
    _Sign("openai-responses", "output", _is_list),
    _Sign("claude", "stop_reason", lambda value: True),
    _Sign("openai", "choices", _has("message")),
    _Sign("openai-completions", "choices", _has("text")),
)
_STREAMS: Final = (
    _Sign("gemini", "candidates", _is_list),
    _Sign("openai-responses", "type", lambda value: str(value).startswith("response.")),
    _Sign("claude", "type", lambda value: value in ("message_start", "ping")),
    _Sign("openai-completions", "choices", _has("text")),
    _Sign("openai", "choices", _is_list),
)


def detect(body: Any) -> Detected:
    """What a body is: decoded JSON, or the text of a stream. Raises TranslationRefused."""
    if isinstance(body, str):
        return _detected(_first_event(body), "stream", _STREAMS)
    if not isinstance(body, Mapping):
        raise TranslationRefused("a body is a JSON object, or the text of a stream")
    if any(sign.name in body and sign.is_so(body[sign.name]) for sign in _RESPONSES):
        return _detected(body, "response", _RESPONSES)
    return _detected(body, "request", _REQUESTS)


def _detected(body: Mapping[str, Any], kind: Kind, signs: tuple[_Sign, ...]) -> Detected:
    found = [sign for sign in signs if sign.name in body and sign.is_so(body[sign.name])]
    if not found:
        raise TranslationRefused("nothing in it says which format it is in")
    proof = next((sign for sign in found if sign.proves), None)
    decided = proof or found[-1]
    names = dict.fromkeys(sign.name for sign in found if sign.format == decided.format)
    return Detected(
        format=decided.format, kind=kind, is_certain=proof is not None, signs=list(names)
    )


def _first_event(text: str) -> Mapping[str, Any]:
    """The data of the first event of a stream, or the first item of a Gemini array."""
    for line in text.splitlines():
        data = line.removeprefix("data:") if line.startswith("data:") else ""
        if data.strip() and data.strip() != "[DONE]":
            return _object(data)
    if text.lstrip().startswith("["):
        try:
            items = msgspec.json.decode(text)
        except msgspec.DecodeError as error:
            raise TranslationRefused(f"the stream is no JSON array: {error}") from None
        if items and isinstance(items[0], Mapping):
            return items[0]
    raise TranslationRefused("there is no event with data in it")


def _object(data: str) -> Mapping[str, Any]:
    try:
        decoded = msgspec.json.decode(data)
    except msgspec.DecodeError as error:
        raise TranslationRefused(f"the first event is no JSON: {error}") from None
    if not isinstance(decoded, Mapping):
        raise TranslationRefused("the first event is no JSON object")
    return decoded


def translate(
    body: Any, target: str, *, source: str = "", model: str = "", kind: Kind | None = None
) -> Translated:
    """A body in another format. What is not given of source and kind is detected.

    `model` is the name that the translation has: that of the target, or the one that a client asked
    for; without it the body's own. Raises TranslationRefused.
    """
    if not source or kind is None:
        found = detect(body)
        source, kind = source or found.format, kind or found.kind
    for name, field in ((source, "sourceFormat"), (target, "targetFormat")):
        if name not in CODECS:
            raise TranslationRefused(f"the formats are {', '.join(sorted(CODECS))}", field)
    if (kind == "stream") != isinstance(body, str):
        raise TranslationRefused("a stream is given as text, everything else as JSON")
    try:
        if kind == "request":
            return _request(body, source, target, model)
        if kind == "response":
            return _response(body, source, target, model)
        return _stream(body, source, target, model)
    except ir.FormatError as error:
        raise TranslationRefused(f"this is no {kind} in the format {source}: {error}") from None
    except GatewayError as error:
        raise TranslationRefused(error.message) from None


def _request(body: Any, source: str, target: str, model: str) -> Translated:
    named = model or str(body.get("model") or "model")
    path = PathFacts(model=named, stream=bool(body.get("stream", False)))
    request = decode_request(CODECS[source], msgspec.json.encode(body), path)
    translation = Translation(
        CODECS[source], CODECS[target], request, TargetModel(named), _shown(named)
    )
    return Translated(
        source=source,
        target=target,
        kind="request",
        body=msgspec.Raw(translation.body),
        losses=list(translation.losses),
    )


def _response(body: Any, source: str, target: str, model: str) -> Translated:
    response = CODECS[source].decode_response(msgspec.json.encode(body))
    encoded = CODECS[target].encode_response(response, _shown(model or response.model))
    return Translated(source=source, target=target, kind="response", body=msgspec.Raw(encoded))


def _stream(text: str, source: str, target: str, model: str) -> Translated:
    decoder = CODECS[source].stream_decoder(MOST_EVENT_BYTES)
    events = decoder.feed(text.encode()) + decoder.finish()
    encoder = CODECS[target].stream_encoder(_shown(model or "model"))
    encoded = encoder.feed(events) + encoder.finish()
    return Translated(
        source=source, target=target, kind="stream", text=encoded.decode("utf-8", "replace")
    )


def _shown(model: str) -> Shown:
    return Shown(model=model, id=_SHOWN_ID, created=0)
