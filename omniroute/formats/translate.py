"""From one format to another: a request's translation, and that of its answer on the way back.

A `Translation` belongs to one attempt: it holds what the way back needs (tool names that were
mapped, whether usage was asked for). `TranslatedStream` has the interface of a passthrough tap, so
the pipeline relays both alike. Pure: time and ids come from the caller by way of `Shown`.

What an upstream leaves out is filled in here, once for all formats: reasoning that a model inlines
as think tags is taken apart, and usage that was not reported is estimated and marked so.
"""

from collections.abc import Sequence
from typing import Final, Literal

from omniroute.errors import ErrorKind, GatewayError
from omniroute.formats import custom_tools, ir
from omniroute.formats.base import Codec, PathFacts, Shown, TargetModel, UpstreamError
from omniroute.formats.fold import fold, unfold
from omniroute.formats.ir import ReasoningDelta, TextDelta
from omniroute.formats.quirks import SYSTEM_TO_USER, THINK_TAGS
from omniroute.formats.think import ThinkStage, without_think_tags
from omniroute.usage import Usage, estimate_usage

UsageSource = Literal["upstream", "estimated", "none"]

_SAID: Final = (TextDelta, ReasoningDelta)

# A pair of one format is translated all the same where the bytes as they are would not do: the
# request's for a service without the system role, the answer's where tags hold its reasoning.
TRANSLATED_QUIRKS: Final = frozenset({THINK_TAGS, SYSTEM_TO_USER})


def decode_request(codec: Codec, body: bytes, path: PathFacts) -> ir.Request:
    """The client's request. GatewayError (400) says what is wrong with it."""
    try:
        return codec.decode_request(body, path)
    except ir.FormatError as error:
        raise GatewayError(ErrorKind.BAD_REQUEST, error.message, param=error.param) from None


def cannot_carry(target: TargetModel, format_: str, error: ir.CannotCarry) -> GatewayError:
    """What a client is told whose request needs what the target's format has not."""
    return GatewayError(
        ErrorKind.BAD_REQUEST,
        f"{target.model} ({format_}) cannot carry {error}.",
        param=error.feature,
    )


class Translation:
    """One request on its way to one target, and the answer on its way back."""

    __slots__ = (
        "_client",
        "_custom",
        "_names",
        "_request_bytes",
        "_shown",
        "_splits_thinking",
        "_target",
        "body",
        "losses",
    )

    def __init__(
        self,
        client: Codec,
        target: Codec,
        request: ir.Request,
        target_model: TargetModel,
        shown: Shown,
    ) -> None:
        """GatewayError (400) when the target cannot do what the request depends on."""
        try:
            encoded = target.encode_request(request, target_model)
        except ir.CannotCarry as error:
            raise cannot_carry(target_model, target.format, error) from None
        self.body = encoded.body
        self.losses: Sequence[str] = encoded.losses
        self._names = encoded.tool_names
        self._custom = custom_tools.names_of(request.tools)
        self._client = client
        self._target = target
        self._shown = shown
        self._request_bytes = len(encoded.body)
        self._splits_thinking = client.format != target.format or THINK_TAGS in target_model.quirks

    def answer(self, body: bytes) -> tuple[bytes, Usage, UsageSource]:
        """A whole answer in the client's format. FormatError when it is not what it should be."""
        return self._answer(self._target.decode_response(body))

    def folded(self, stream: bytes, max_event_bytes: int) -> tuple[bytes, Usage, UsageSource]:
        """A whole answer out of a stream that came although none was asked for."""
        decoder = self._target.stream_decoder(max_event_bytes)
        events = decoder.feed(stream) + decoder.finish()
        for event in events:
            if isinstance(event, ir.Failure):
                raise ir.FormatError(f"the stream reports an error: {event.message}")
        return self._answer(fold(events))

    def restore(self, response: ir.Response) -> ir.Response:
        """The upstream's answer in the words of the client's request: its own names of tools, its
        own kinds of them, and reasoning that came as think tags. Changes `response` itself."""
        for choice in response.choices:
            if self._splits_thinking:
                choice.parts = without_think_tags(choice.parts)
            for part in choice.parts:
                if isinstance(part, ir.ToolCall):
                    part.name = self._names.get(part.name, part.name)
            custom_tools.restore(choice.parts, self._custom)
        return response

    def _answer(self, response: ir.Response) -> tuple[bytes, Usage, UsageSource]:
        source: UsageSource = "upstream"
        response = self.restore(response)
        if response.usage is None:
            source = "estimated"
            response.usage = estimate_usage(self._request_bytes, _characters(response))
        return self._client.encode_response(response, self._shown), response.usage, source

    def stream(self, max_event_bytes: int) -> "TranslatedStream":
        """The translation of a stream, piece by piece."""
        return TranslatedStream(
            self._target,
            self._client,
            self._shown,
            max_event_bytes,
            tool_names=self._names,
            custom=self._custom,
            splits_thinking=self._splits_thinking,
            request_bytes=self._request_bytes,
        )

    def unfolded(self, body: bytes) -> tuple[bytes, Usage, UsageSource]:
        """A whole stream out of an answer that came in one piece although a stream was asked."""
        response = self._target.decode_response(body)
        stream = self.stream(max(len(body), 1))
        out = stream.take(unfold(response)) + stream.end()
        usage = stream.usage if stream.usage is not None else Usage()
        return out, usage, stream.usage_source


def _characters(response: ir.Response) -> int:
    count = 0
    for choice in response.choices:
        for part in choice.parts:
            if isinstance(part, ir.Text | ir.Reasoning | ir.Refusal):
                count += len(part.text)
            elif isinstance(part, ir.ToolCall):
                count += len(part.arguments)
    return count


class TranslatedStream:
    """A tap that translates: bytes of the upstream's stream in, bytes of the client's out."""

    __slots__ = (
        "_custom",
        "_decoder",
        "_encoder",
        "_ended",
        "_finished",
        "_names",
        "_request_bytes",
        "_thinking",
        "characters",
        "done",
        "error",
        "generated",
        "usage",
        "usage_source",
    )

    def __init__(
        self,
        target: Codec,
        client: Codec,
        shown: Shown,
        max_event_bytes: int,
        *,
        tool_names: dict[str, str],
        custom: frozenset[str],
        splits_thinking: bool,
        request_bytes: int,
    ) -> None:
        self._decoder = target.stream_decoder(max_event_bytes)
        self._encoder = client.stream_encoder(shown)
        self._thinking = ThinkStage() if splits_thinking else None
        self._names = tool_names
        self._custom = custom_tools.CustomToolStage(custom) if custom else None
        self._request_bytes = request_bytes
        self._finished = False  # a finish reason has passed
        self._ended = False
        self.generated = False
        self.done = False
        self.usage: Usage | None = None
        self.usage_source: UsageSource = "none"
        self.error: UpstreamError | None = None
        self.characters = 0

    @property
    def complete(self) -> bool:
        """Did the upstream's stream end as one of its format should?"""
        return self._finished or self._decoder.done

    def feed(self, data: bytes) -> bytes:
        out = self.take(self._decoder.feed(data))
        return out + self.end() if self._decoder.done and self.error is None else out

    def finish(self) -> bytes:
        """The upstream's bytes have ended."""
        out = self.take(self._decoder.finish())
        return out + self.end() if self.complete and self.error is None else out

    def end(self) -> bytes:
        """The proper end of the client's stream, with usage if none has come so far."""
        if self._ended:
            return b""
        self._ended = True
        out = b""
        if self._thinking is not None:
            out = self._encode(self._thinking.finish())
        if self.usage is None:
            self.usage = estimate_usage(self._request_bytes, self.characters)
            self.usage_source = "estimated"
            out += self._encoder.feed([ir.UsageEvent(self.usage)])
        self.done = True
        return out + self._encoder.finish()

    def fail(self, error: GatewayError) -> bytes:
        """How the client's stream ends when it fails."""
        return self._encoder.fail(error)

    def take(self, events: list[ir.Event]) -> bytes:
        """Events of the upstream, as bytes for the client."""
        if self._thinking is not None:
            events = self._thinking.feed(events)
        return self._encode(events)

    def _encode(self, events: list[ir.Event]) -> bytes:
        for event in events:
            # Nearly all events are these, and what one costs counts.
            if isinstance(event, _SAID):
                self.characters += len(event.text)
                self.generated = True
                continue
            match event:
                case ir.ToolCallDelta():
                    self.characters += len(event.arguments)
                    self.generated = True
                case ir.PartStart():
                    part = event.part
                    if isinstance(part, ir.ToolCall):
                        part.name = self._names.get(part.name, part.name)
                        self.generated = True
                case ir.PartEnd(part=ir.ToolCall() as call):
                    call.name = self._names.get(call.name, call.name)
                case ir.UsageEvent():
                    self.usage = event.usage
                    self.usage_source = "upstream"
                case ir.Finish():
                    self._finished = True
                    self.generated = True
                case ir.Failure():
                    self.error = UpstreamError(
                        event.message, event.type or None, event.code or None
                    )
                    events = events[: events.index(event)]
                    break
                case _:
                    pass
        if self._custom is not None:
            events = self._custom.feed(events)
        return self._encoder.feed(events) if events else b""
