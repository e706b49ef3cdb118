"""What every format provides, in two views: the codec (translation) and the dialect (passthrough).

A format module (`openai_chat`, `openai_responses`, `claude`, `gemini`) has one `Codec` and one
`Dialect`; `omniroute.formats.table` is the one table of them. Both are pure: bytes in, bytes out,
no clock, no I/O. Streams are small state machines that are fed and asked; cutting the bytes
differently never changes what comes out.
"""

from collections.abc import Mapping, Sequence
from typing import Annotated, Final, NamedTuple, Protocol, TypeAlias

import msgspec
from msgspec import Meta

from omniroute.errors import GatewayError
from omniroute.formats.ir import Encoded, Event, Request, Response
from omniroute.usage import Usage
from omniroute.wire.jsonscan import Member

MAX_COUNT: Final = (1 << 31) - 1
"""No token count of a request is greater: vendors keep them in 32 bits, and limits add them up."""

MAX_CHOICES: Final = 128
"""Most answers to one request, as OpenAI bounds its `n`."""

# What a peek reads with meaning; what is beyond is a 400, since a limit could be computed from it.
TokenCount: TypeAlias = Annotated[int, Meta(ge=0, le=MAX_COUNT)]
ChoiceCount: TypeAlias = Annotated[int, Meta(ge=1, le=MAX_CHOICES)]
Temperature: TypeAlias = Annotated[float, Meta(ge=0)]


class PathFacts(NamedTuple):
    """What the path of a request says in dialects that put it there (Gemini)."""

    model: str = ""
    stream: bool = False
    sse: bool = True  # False: Gemini's stream without alt=sse, a JSON array


class TargetModel(NamedTuple):
    """What an encoder must know of the target."""

    model: str
    max_output_tokens: int | None = None
    quirks: frozenset[str] = frozenset()  # of the provider: see docs/reference/providers.md


class Shown(NamedTuple):
    """What an answer shows the client, whoever gave it."""

    model: str  # the name the client asked for
    id: str  # used where the upstream gave none of this dialect's shape
    created: int  # Unix time
    include_usage: bool = True
    sse: bool = True


class UpstreamError(NamedTuple):
    """What an upstream said of a failure, whatever its dialect."""

    message: str
    type: str | None = None
    code: str | None = None
    param: str | None = None


class Peek(msgspec.Struct, frozen=True, gc=False):
    """What the gateway reads of a request without decoding it. A struct, as every request has one.

    `output_tokens` bounds what one choice may generate, reasoning included; of two bounds in one
    request it is the greater, since nobody knows which the upstream heeds. `session` is what the
    client itself says of which conversation this is; any text, of any length.
    """

    model: str
    stream: bool
    include_usage: bool  # the client itself asked for usage in its stream, or always gets it
    members: Mapping[bytes, Member]  # spans in the body it was read from
    output_tokens: int | None = None  # None: not said
    choices: int = 1  # answers asked for
    temperature: float | None = None  # None: not said
    session: str = ""  # "": not said


def larger(one: int | None, other: int | None) -> int | None:
    """The greater of two bounds of which each may be missing."""
    if one is None or other is None:
        return other if one is None else one
    return max(one, other)


class ModelEntry(msgspec.Struct, frozen=True):
    """One model as lists show it."""

    id: str
    owned_by: str
    name: str = ""
    context_tokens: int | None = None
    max_output_tokens: int | None = None
    created: int = 0


class StreamDecoder(Protocol):
    """An upstream's stream into events. Raises FormatError for what is not its format."""

    def feed(self, data: bytes) -> list[Event]: ...

    def finish(self) -> list[Event]:
        """The bytes have ended; what was pending comes out. Says nothing of whether it was cut."""
        ...

    @property
    def done(self) -> bool:
        """Has the format's own end passed (terminator, message_stop, finish reason)?"""
        ...


class StreamEncoder(Protocol):
    """Events into a client's stream."""

    def feed(self, events: Sequence[Event]) -> bytes: ...

    def finish(self) -> bytes:
        """The proper end of the stream, terminator included."""
        ...

    def fail(self, error: GatewayError) -> bytes:
        """How this dialect ends a stream that failed, terminator included."""
        ...


class Codec(Protocol):
    """Translation: one wire format in both directions.

    Requests: FormatError when the bytes are not of the format (the client gets a 400),
    CannotCarry when the target cannot do what the request depends on.
    """

    @property
    def format(self) -> str: ...

    def decode_request(self, body: bytes, path: PathFacts) -> Request: ...

    def encode_request(self, request: Request, target: TargetModel) -> Encoded: ...

    def decode_response(self, body: bytes) -> Response: ...

    def encode_response(self, response: Response, shown: Shown) -> bytes: ...

    def stream_decoder(self, max_event_bytes: int) -> StreamDecoder: ...

    def stream_encoder(self, shown: Shown) -> StreamEncoder: ...


class Tap(Protocol):
    """Reads a stream that passes through; gives on whole events only, byte for byte."""

    generated: bool  # something generated has passed: from now on a failure shows
    done: bool  # the terminator has passed
    usage: Usage | None
    error: UpstreamError | None  # the upstream's error event, which is never given on
    characters: int  # of generated text, to estimate by

    @property
    def complete(self) -> bool:
        """Did the stream end as a stream of this format should?"""
        ...

    def feed(self, data: bytes) -> bytes: ...

    def finish(self) -> bytes: ...

    def fail(self, error: GatewayError) -> bytes:
        """How this very stream ends when it fails after something was generated."""
        ...


class Dialect(Protocol):
    """Passthrough, errors and lists: what is done without decoding a request."""

    @property
    def format(self) -> str: ...

    @property
    def terminator(self) -> bytes:
        """What to add to a stream that ended well without its terminator; b"" if there is none."""
        ...

    def peek(self, body: bytes, path: PathFacts) -> Peek:
        """GatewayError (400) for a body that is not a request; duplicates of read keys refused."""
        ...

    def refers(self, body: bytes, peeked: Peek) -> bool:
        """Is there content that the request only refers to, so that its bytes bound no tokens?

        Yes too often rather than once too seldom; see `formats.referring`.
        """
        ...

    def fingerprint(self, body: bytes, peeked: Peek) -> bytes:
        """Which conversation this is, for requests without a session of their own; 16 bytes.

        b"" where that cannot be read; see `formats.conversation`.
        """
        ...

    def upstream_path(self, url_path: str, model: str, *, stream: bool) -> str:
        """The request target for a model; `url_path` is that of the connection's URL, with query.

        Only Gemini has `{model}` and `{method}` in it.
        """
        ...

    def counting_path(self, url_path: str, model: str) -> str:
        """The request target for counting tokens; "" in formats that cannot."""
        ...

    def counted(self, tokens: int) -> bytes:
        """The answer to a request to count tokens; b"" in formats that have none."""
        ...

    def upstream_body(self, body: bytes, peeked: Peek, model: str, *, ask_usage: bool) -> bytes: ...

    def with_prompt(self, body: bytes, prefix: str, suffix: str) -> bytes | None:
        """The client's bytes with texts around their instructions, "" for none on that side.

        Spans of before no longer fit. None where the codec has to do it; see `formats.prompts`.
        """
        ...

    def tap(
        self,
        *,
        strip_usage: bool,
        max_event_bytes: int,
        sse: bool = True,
        sanitises: bool = False,
        model: str = "",
    ) -> Tap:
        """`sanitises`: take out of each event what `sanitised` takes out of a whole answer.

        `model`: the name that the client asked for, shown where clients depend on it (Claude Code).
        """
        ...

    def sanitised(self, body: bytes) -> bytes:
        """A whole answer without members that are foreign to the format, the rest byte for byte.

        The same answer in formats whose SDKs do not mind.
        """
        ...

    def answer_usage(self, body: bytes) -> Usage | None: ...

    def upstream_error(self, body: bytes) -> UpstreamError: ...

    def answer_fault(self, body: bytes) -> UpstreamError | None:
        """Why a whole answer of status 200, in which no usage was found, is none; None: it is one.

        Not for answers to requests that count tokens; see `formats.faults`.
        """
        ...

    def error_body(self, error: GatewayError) -> bytes: ...

    def error_headers(self, error: GatewayError, now_ms: int) -> bytes:
        """Finished header lines that tell the limit that was met; `now_ms` is Unix time.

        `retry-after` is not among them: it is the same in all dialects.
        """
        ...

    def error_event(self, error: GatewayError, *, sse: bool = True) -> bytes:
        """The end of a stream that had begun and fails, terminator included."""
        ...

    def keepalive(self, *, sse: bool = True) -> bytes: ...

    def stream_content_type(self, *, sse: bool = True) -> bytes: ...

    def model_list(self, entries: Sequence[ModelEntry]) -> bytes: ...

    def model_entry(self, entry: ModelEntry) -> bytes: ...
