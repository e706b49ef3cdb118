"""Gemini as passthrough needs it: peek, edits, taps, errors, lists; see `formats.base.Dialect`.

Source: Gemini API reference v1beta, `models.generateContent`, `models.countTokens`, `models.list`.
The model and the wish to stream stand in the path, so a body goes on as it came. Upstream is always
asked for server-sent events; a client that asked for the JSON array gets the same chunks as its
elements, and white space where others get a comment.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final
from urllib.parse import quote

import msgspec

from omniroute.errors import ErrorKind, GatewayError
from omniroute.formats import conversation, faults, ir, prompts, referring
from omniroute.formats.base import (
    ChoiceCount,
    ModelEntry,
    PathFacts,
    Peek,
    TargetModel,
    Temperature,
    TokenCount,
    UpstreamError,
    larger,
)
from omniroute.formats.gemini import errors, reasons, wire
from omniroute.formats.gemini.decoding import decode_request
from omniroute.formats.gemini.encoding import encode_request
from omniroute.formats.gemini.identity import FORMAT, MARK_BYTES
from omniroute.formats.gemini.writing import ARRAY_BETWEEN, ARRAY_END
from omniroute.usage import Usage
from omniroute.wire.jsonscan import (
    DuplicateMember,
    JsonScanError,
    find_members,
    replace_value,
)
from omniroute.wire.sse import SseReader, event_data

# Every top-level member whose meaning the gateway acts on, in both spellings.
PEEKED: Final = (
    b"model",
    b"contents",
    b"generationConfig",
    b"generation_config",
    b"tools",
)
_METHOD: Final = ":generateContent"
_STREAM: Final = ":streamGenerateContent"
_COUNT: Final = ":countTokens"
_SPACE: Final = b" "


class _Config(msgspec.Struct, gc=False):
    """What is read of generationConfig, in both spellings; a bound in both counts by the greater"""

    maxOutputTokens: TokenCount | None = None
    max_output_tokens: TokenCount | None = None
    candidateCount: ChoiceCount | None = None
    candidate_count: ChoiceCount | None = None
    temperature: Temperature | None = None


_CONFIG_PEEKED: Final = tuple(name.encode() for name in _Config.__struct_fields__)


class _Peeked(msgspec.Struct, gc=False):
    generationConfig: _Config | None = None
    generation_config: _Config | None = None


# Lenient: proto3 JSON writes numbers as strings and whole numbers as floats, and so do SDKs.
_decode_peeked = msgspec.json.Decoder(_Peeked, strict=False).decode


class _Usage(msgspec.Struct, gc=False):
    usageMetadata: wire.UsageMetadata | None = None


_decode_usage = msgspec.json.Decoder(_Usage).decode


class StreamTap:
    """Reads a Gemini stream as it passes; see `formats.base.Tap`.

    With `sse` false the events leave as the elements of one JSON array; `feed` opens it with the
    first, `finish` closes it, and so does `fail`, which knows whether it was opened.
    """

    __slots__ = (
        "_opened",
        "_reader",
        "_sse",
        "characters",
        "done",
        "error",
        "finish_reason",
        "generated",
        "usage",
    )

    def __init__(self, *, max_event_bytes: int, sse: bool = True) -> None:
        self._reader = SseReader(max_event_bytes)
        self._sse = sse
        self._opened = False
        self.generated = False
        self.done = False
        self.usage: Usage | None = None
        self.error: UpstreamError | None = None
        self.characters = 0
        self.finish_reason: str | None = None

    @property
    def complete(self) -> bool:
        """Gemini has no terminator: a finish reason, or a blocked prompt, is the end."""
        return self.done

    def feed(self, data: bytes) -> bytes:
        events = self._reader.feed(data)
        if len(events) == 1:
            return self._event(events[0])
        return b"".join([self._event(raw) for raw in events])

    def finish(self) -> bytes:
        events = self._reader.finish()
        tail = self._reader.tail
        if tail.strip():
            events = [*events, tail + b"\n\n"]
        out = b"".join([self._event(raw) for raw in events])
        if self._sse or self.error is not None:
            return out
        return out + (ARRAY_END if self._opened else b"[]")

    def fail(self, error: GatewayError) -> bytes:
        """How this very stream ends when it fails."""
        body = errors.error_body(error)
        if self._sse:
            return b"data: " + body + b"\n\n"
        return (ARRAY_BETWEEN if self._opened else b"[") + body + ARRAY_END

    def _event(self, raw: bytes) -> bytes:
        payload = event_data(raw)
        if not payload:
            # The service writes an error that comes late as bare JSON, not as an event.
            if raw.lstrip()[:1] in (b"{", b"["):
                self.error = errors.upstream_error(raw.strip())
                return b""
            return raw if self._sse else b""
        try:
            answer = wire.decode_answer(payload)
        except (msgspec.MsgspecError, UnicodeDecodeError):
            self.generated = True  # something this version cannot read still is something
            return self._given(raw, payload)
        if answer.error != wire.NOTHING:
            self.error = errors.upstream_error(payload)
            return b""
        if answer.usageMetadata is not None:
            self.usage = reasons.usage_of(answer.usageMetadata)
        for candidate in answer.candidates or ():
            content = candidate.content
            for part in (content.parts if content is not None else None) or ():
                if part.text is None or part.text or part.thoughtSignature:
                    self.generated = True
                self.characters += len(part.text or "")
            if candidate.finishReason:
                self.finish_reason = candidate.finishReason
                self.generated = self.done = True
        feedback = answer.promptFeedback
        if feedback is not None and feedback.blockReason:
            self.finish_reason = feedback.blockReason
            self.generated = self.done = True
        return self._given(raw, payload)

    def _given(self, raw: bytes, payload: bytes) -> bytes:
        if self._sse:
            return raw
        opening = ARRAY_BETWEEN if self._opened else b"["
        self._opened = True
        return opening + payload


class GeminiDialect:
    """The one instance serves all requests; it holds nothing."""

    __slots__ = ()

    @property
    def format(self) -> str:
        return FORMAT

    @property
    def terminator(self) -> bytes:
        return b""

    def peek(self, body: bytes, path: PathFacts) -> Peek:
        try:
            members = find_members(body, PEEKED)
            read = _decode_peeked(body)
            config = read.generationConfig or read.generation_config
            if config is not None:
                span = members.get(b"generationConfig") or members[b"generation_config"]
                find_members(body[span.value_start : span.value_end], _CONFIG_PEEKED)
        except DuplicateMember as error:
            raise GatewayError(
                ErrorKind.BAD_REQUEST,
                f"{error}; a request must name each of its parameters once.",
            ) from None
        except (msgspec.ValidationError, JsonScanError) as error:
            _, found, param = str(error).rpartition("`$.")
            raise GatewayError(
                ErrorKind.BAD_REQUEST,
                f"The request body is not a generateContent request: {error}.",
                param=param.rstrip("`") if found else None,
            ) from None
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise GatewayError(
                ErrorKind.BAD_REQUEST, f"The request body is not valid JSON: {error}."
            ) from None
        if b"generationConfig" in members and b"generation_config" in members:
            raise GatewayError(
                ErrorKind.BAD_REQUEST,
                "`generationConfig` stands in the request in two spellings.",
                param="generationConfig",
            )
        model = path.model.removeprefix("models/")
        if not model:
            raise GatewayError(
                ErrorKind.BAD_REQUEST,
                "The path names no model; it is /v1beta/models/{model}:generateContent.",
                param="model",
            )
        if config is None:
            return Peek(model, path.stream, True, members)
        return Peek(
            model,
            path.stream,
            True,
            members,
            larger(config.maxOutputTokens, config.max_output_tokens),
            larger(config.candidateCount, config.candidate_count) or 1,
            config.temperature,
        )

    def refers(self, body: bytes, peeked: Peek) -> bool:
        return referring.GEMINI.found(body)

    def fingerprint(self, body: bytes, peeked: Peek) -> bytes:
        return conversation.fingerprint(body, conversation.of_contents)

    def upstream_path(self, url_path: str, model: str, *, stream: bool) -> str:
        return _target(url_path, model, _STREAM if stream else _METHOD, sse=stream)

    def counting_path(self, url_path: str, model: str) -> str:
        return _target(url_path, model, _COUNT, sse=False)

    def counted(self, tokens: int) -> bytes:
        return msgspec.json.encode({"totalTokens": tokens})

    def upstream_body(self, body: bytes, peeked: Peek, model: str, *, ask_usage: bool) -> bytes:
        """The client's bytes, but for signatures of other formats that the client keeps under seal.

        A model named in the body, too, must be the same as in the path.
        """
        if MARK_BYTES in body:
            rewritten = _rewritten(body, model, stream=peeked.stream)
            if rewritten is not None:
                return rewritten
        member = peeked.members.get(b"model")
        if member is None:
            return body
        return replace_value(body, member, msgspec.json.encode(f"models/{model}"))

    def with_prompt(self, body: bytes, prefix: str, suffix: str) -> bytes | None:
        return prompts.with_prompt(body, prompts.GEMINI, prefix, suffix)

    def tap(
        self,
        *,
        strip_usage: bool,
        max_event_bytes: int,
        sse: bool = True,
        sanitises: bool = False,
        model: str = "",
    ) -> StreamTap:
        """Usage is part of every stream here, so there never is any to take out."""
        return StreamTap(max_event_bytes=max_event_bytes, sse=sse)

    def sanitised(self, body: bytes) -> bytes:
        return body  # its SDKs take what they do not know as it is

    def answer_usage(self, body: bytes) -> Usage | None:
        try:
            read = _decode_usage(body).usageMetadata
        except (msgspec.MsgspecError, UnicodeDecodeError):
            return None  # not ours to judge: the bytes go to the client as they are
        return None if read is None else reasons.usage_of(read)

    def upstream_error(self, body: bytes) -> UpstreamError:
        return errors.upstream_error(body)

    def answer_fault(self, body: bytes) -> UpstreamError | None:
        return faults.gemini_fault(body, errors.upstream_error)

    def error_body(self, error: GatewayError) -> bytes:
        return errors.error_body(error)

    def error_headers(self, error: GatewayError, now_ms: int) -> bytes:
        return b""  # its errors tell the limit in their details

    def error_event(self, error: GatewayError, *, sse: bool = True) -> bytes:
        """For a stream of which nothing but keepalives went out; else the tap's or encoder's
        `fail`, which knows whether the array was opened."""
        body = errors.error_body(error)
        return b"data: " + body + b"\n\n" if sse else b"[" + body + ARRAY_END

    def keepalive(self, *, sse: bool = True) -> bytes:
        return b": keepalive\n\n" if sse else _SPACE

    def stream_content_type(self, *, sse: bool = True) -> bytes:
        return b"text/event-stream" if sse else b"application/json; charset=UTF-8"

    def model_list(self, entries: Sequence[ModelEntry]) -> bytes:
        return msgspec.json.encode({"models": [_model(entry) for entry in entries]})

    def model_entry(self, entry: ModelEntry) -> bytes:
        return msgspec.json.encode(_model(entry))


def _rewritten(body: bytes, model: str, *, stream: bool) -> bytes | None:
    """The request without what other formats left in it; None where it is no such request.

    A call that lost its signature by that gets the service's own word for "none".
    """
    try:
        request = decode_request(body, PathFacts(model, stream))
        return encode_request(request, TargetModel(model)).body
    except (ir.FormatError, ir.CannotCarry):
        return None  # the upstream says what is wrong with it in its own words


def _target(url_path: str, model: str, method: str, *, sse: bool) -> str:
    """The path with its model and method; a slash in a model's name stays one."""
    path, _, query = url_path.partition("?")
    path = path.replace("{model}", quote(model, safe="/:@!$&'()*+,;=~"))
    if "{method}" in path:
        path = path.replace(":{method}", method)
    else:
        path = path.removesuffix(_STREAM).removesuffix(_METHOD) + method
    if sse:
        query = f"{query}&alt=sse" if query else "alt=sse"
    return f"{path}?{query}" if query else path


def _model(entry: ModelEntry) -> Mapping[str, Any]:
    made: dict[str, Any] = {
        "name": f"models/{entry.id}",
        "version": "001",
        "displayName": entry.name or entry.id,
        "description": f"{entry.name or entry.id}, by {entry.owned_by}.",
    }
    if entry.context_tokens is not None:
        made["inputTokenLimit"] = entry.context_tokens
    if entry.max_output_tokens is not None:
        made["outputTokenLimit"] = entry.max_output_tokens
    made["supportedGenerationMethods"] = [
        "generateContent",
        "streamGenerateContent",
        "countTokens",
    ]
    return made
