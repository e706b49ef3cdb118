"""The legacy text completions of OpenAI, for clients only: `POST /v1/completions`.

A prompt becomes one user message, and the answer's text the completion. No provider is asked in
this format. What chat has no place for (`suffix`, `echo`, `best_of`, a number of `logprobs`) stays
in `extra` under this format's name, so every target reports it as a loss. A prompt of token numbers
or of several texts is refused: tokens mean nothing to another model, and one request is one answer.

Source: the API reference of OpenAI, "Create completion (legacy)", and the types of its Python SDK.
"""

from collections.abc import Sequence
from typing import Any, Final

import msgspec
from msgspec import Raw, Struct

from omniroute.errors import GatewayError
from omniroute.formats import ir
from omniroute.formats.base import Codec, Dialect, PathFacts, Shown, StreamDecoder, TargetModel
from omniroute.formats.misread import UNREADABLE
from omniroute.formats.openai_chat.counts import usage_out
from omniroute.formats.openai_chat.dialect import OpenAIChatDialect
from omniroute.formats.openai_chat.errors import error_event
from omniroute.formats.openai_chat.wire import DONE, NOTHING
from omniroute.usage import Usage

FORMAT: Final = "openai-completions"

_FINISHES: Final[dict[ir.FinishReason, str]] = {
    "length": "length",
    "content_filter": "content_filter",
    "refusal": "content_filter",
}
_encode = msgspec.json.Encoder().encode


class _StreamOptions(Struct):
    include_usage: bool | None = None


class _Request(Struct):
    prompt: Raw = NOTHING
    stream: bool | None = None
    stream_options: _StreamOptions | None = None
    max_tokens: int | None = None
    temperature: float | None = None
    top_p: float | None = None
    n: int | None = None
    seed: int | None = None
    presence_penalty: float | None = None
    frequency_penalty: float | None = None
    stop: str | list[str] | None = None
    user: str | None = None


_KNOWN: Final = frozenset(_Request.__struct_fields__) | {"model"}
# Members that say what is so anyhow.
_NEUTRAL: Final = {"echo": b"false", "best_of": b"1"}
_decode_request = msgspec.json.Decoder(_Request).decode
_decode_members = msgspec.json.Decoder(dict[str, Raw]).decode
_decode_prompt = msgspec.json.Decoder(str | list[str]).decode


def decode_request(body: bytes) -> ir.Request:
    """FormatError names the member that is wrong."""
    try:
        given = _decode_request(body)
        members = _decode_members(body)
    except UNREADABLE as error:
        raise ir.FormatError(f"The request body is not a completion request: {error}.") from None
    prompt = _prompt(given.prompt)
    stop = [given.stop] if isinstance(given.stop, str) else given.stop or []
    options = given.stream_options
    return ir.Request(
        origin=FORMAT,
        messages=[ir.Message("user", [ir.Text(prompt)])],
        sampling=ir.Sampling(
            max_tokens=given.max_tokens,
            temperature=given.temperature,
            top_p=given.top_p,
            n=given.n,
            seed=given.seed,
            presence_penalty=given.presence_penalty,
            frequency_penalty=given.frequency_penalty,
            stop=stop,
        ),
        stream=given.stream is True,
        include_usage=options is not None and options.include_usage is True,
        user=given.user or "",
        extra={
            name: raw
            for name, raw in members.items()
            if name not in _KNOWN and bytes(raw) not in (b"null", _NEUTRAL.get(name))
        },
    )


def _prompt(raw: Raw) -> str:
    if raw == NOTHING:
        raise ir.FormatError("`prompt` is missing.", "prompt")
    try:
        prompt: str | list[str] = _decode_prompt(raw)
    except UNREADABLE:
        raise ir.FormatError(
            "`prompt` has to be a text: numbers of tokens mean nothing to another model.", "prompt"
        ) from None
    if isinstance(prompt, str):
        return prompt
    if len(prompt) != 1:
        raise ir.FormatError(
            f"`prompt` holds {len(prompt)} texts; send each as a request of its own.", "prompt"
        )
    return prompt[0]


def encode_response(response: ir.Response, shown: Shown) -> bytes:
    """The answer in the shape of text_completion; what is no text has no place in it."""
    out: dict[str, Any] = {
        "id": shown.id,
        "object": "text_completion",
        "created": response.created or shown.created,
        "model": shown.model,
        "choices": [_choice_out(choice) for choice in response.choices or [ir.Choice()]],
    }
    if response.usage is not None:
        out["usage"] = usage_out(response.usage)
    return _encode(out)


def _choice_out(choice: ir.Choice) -> dict[str, Any]:
    texts = [part.text for part in choice.parts if isinstance(part, ir.Text | ir.Refusal)]
    return {
        "text": "".join(texts),
        "index": choice.index,
        "logprobs": None,
        "finish_reason": _FINISHES.get(choice.finish, "stop"),
    }


class StreamEncoder:
    """See `base.StreamEncoder`."""

    __slots__ = ("_finished", "_prefix", "_shown", "_suffix", "_usage")

    def __init__(self, shown: Shown) -> None:
        self._shown = shown
        self._prefix = b'data: {"id":%b,"object":"text_completion","created":%d,"model":%b' % (
            _encode(shown.id),
            shown.created,
            _encode(shown.model),
        )
        self._suffix = b',"usage":null}\n\n' if shown.include_usage else b"}\n\n"
        self._finished: set[int] = set()
        self._usage: Usage | None = None

    def feed(self, events: Sequence[ir.Event]) -> bytes:
        return b"".join([self._event(event) for event in events])

    def finish(self) -> bytes:
        out = b"" if self._finished else self._chunk(0, "", b'"stop"')
        if self._shown.include_usage and self._usage is not None:
            out += b'%b,"choices":[],"usage":%b}\n\n' % (
                self._prefix,
                _encode(usage_out(self._usage)),
            )
        return out + DONE

    def fail(self, error: GatewayError) -> bytes:
        return error_event(error)

    def _event(self, event: ir.Event) -> bytes:
        match event:
            case ir.TextDelta():
                return self._chunk(event.choice, event.text, b"null")
            case ir.PartStart(part=ir.Text(text=text) | ir.Refusal(text=text)) if text:
                return self._chunk(event.choice, text, b"null")
            case ir.UsageEvent():
                self._usage = event.usage
            case ir.Finish() if event.choice not in self._finished:
                self._finished.add(event.choice)
                return self._chunk(event.choice, "", _encode(_FINISHES.get(event.reason, "stop")))
            case _:
                pass  # reasoning, calls and the like: this format shows text alone
        return b""

    def _chunk(self, choice: int, text: str, finish: bytes) -> bytes:
        return b'%b,"choices":[{"text":%b,"index":%d,"logprobs":null,"finish_reason":%b}]%b' % (
            self._prefix,
            _encode(text),
            choice,
            finish,
            self._suffix,
        )


class CompletionsCodec:
    """See `base.Codec`; the half that concerns providers refuses."""

    format: str = FORMAT

    def decode_request(self, body: bytes, path: PathFacts) -> ir.Request:
        return decode_request(body)

    def encode_request(self, request: ir.Request, target: TargetModel) -> ir.Encoded:
        raise ir.CannotCarry(FORMAT, "no provider is asked in this format")

    def decode_response(self, body: bytes) -> ir.Response:
        raise ir.FormatError(f"no provider answers in the format {FORMAT}")

    def encode_response(self, response: ir.Response, shown: Shown) -> bytes:
        return encode_response(response, shown)

    def stream_decoder(self, max_event_bytes: int) -> StreamDecoder:
        raise ir.FormatError(f"no provider answers in the format {FORMAT}")

    def stream_encoder(self, shown: Shown) -> StreamEncoder:
        return StreamEncoder(shown)


class CompletionsDialect(OpenAIChatDialect):
    """Errors, keepalives and the peek are those of chat."""

    format: str = FORMAT


def dialect() -> Dialect:
    """The format's dialect."""
    return CompletionsDialect()


def codec() -> Codec:
    """The format's codec."""
    return CompletionsCodec()
