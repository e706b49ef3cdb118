"""The intermediate representation: what a chat request, an answer and a stream mean, in no dialect.

Every format is decoded into these types and encoded from them, so a format is written once and not
once per pair. Invariants:

- Nothing is lost silently. What a dialect has and these types have not is kept raw and tagged with
  the format it came from (`Opaque`, `extra`); it is given back to that format only. What a target
  cannot carry is named in `Encoded.losses`, and a required feature without a counterpart is a
  `CannotCarry`.
- A signature or other opaque state belongs to the format that made it (`origin`). It is never
  forged for another: it is bound to its origin or dropped.
- A finished answer is the fold of its events (`fold`), so streamed and unstreamed answers agree.
- In a stream every part is opened by `PartStart`, filled by deltas of its index, closed by
  `PartEnd`; parts of one choice do not interleave except tool calls; `Finish` comes once a choice;
  `UsageEvent` may come at any time, the last one holds; nothing follows `Failure`.

The structs are plain data: no I/O, no clock, no dialect. JSON texts (tool arguments, schemas) stay
text or raw bytes as long as nobody has to look inside.
"""

from typing import Final, Literal, TypeAlias

import msgspec
from msgspec import Raw, Struct

from omniroute.usage import Usage

Role: TypeAlias = Literal["system", "developer", "user", "assistant"]
FinishReason: TypeAlias = Literal[
    "stop", "length", "tool_calls", "content_filter", "refusal", "stop_sequence", "pause", "other"
]
Effort: TypeAlias = Literal["none", "minimal", "low", "medium", "high", "xhigh"]


class CacheMark(Struct, frozen=True):
    """A prompt-cache breakpoint behind the part it stands on (Claude's `cache_control`)."""

    ttl: str = "5m"  # 5m | 1h


class Citation(Struct, frozen=True):
    """A source that a text part rests on. `raw` is the origin's own object."""

    url: str = ""
    title: str = ""
    text: str = ""
    start: int | None = None  # in characters of the part's text
    end: int | None = None
    origin: str = ""
    raw: Raw = Raw(b"null")


class Text(Struct, tag="text"):
    text: str
    cache: CacheMark | None = None
    citations: list[Citation] = []
    logprobs: Raw = Raw(b"null")  # OpenAI's object; other formats have none


class Image(Struct, tag="image"):
    """Either `data` (base64) with `media_type`, or `url`."""

    media_type: str = ""
    data: str = ""
    url: str = ""
    detail: str = ""  # OpenAI's low | high | auto
    cache: CacheMark | None = None
    extra: dict[str, Raw] = {}  # members of the request's origin that have no field here


class Audio(Struct, tag="audio"):
    """`id` names speech of the model's own in its origin; later turns may refer to it alone."""

    media_type: str = ""  # audio/wav, audio/mp3 …
    data: str = ""  # base64
    cache: CacheMark | None = None
    transcript: str = ""
    id: str = ""
    origin: str = ""  # of the id


class File(Struct, tag="file"):
    """A document (PDF, text). Either `data` (base64), `url`, or the origin's `file_id`."""

    media_type: str = ""
    data: str = ""
    url: str = ""
    file_id: str = ""
    origin: str = ""  # of the file_id
    filename: str = ""
    cache: CacheMark | None = None
    extra: dict[str, Raw] = {}  # members of the request's origin that have no field here


class ToolCall(Struct, tag="tool_call"):
    """A call that the model made. `arguments` is JSON text of an object, as it was written."""

    id: str
    name: str
    arguments: str = "{}"
    signature: str = ""  # opaque state that must accompany the call (Gemini's thoughtSignature)
    origin: str = ""
    custom: bool = False  # a free-form ("custom") tool: `arguments` is its plain input text
    cache: CacheMark | None = None


class ToolResult(Struct, tag="tool_result"):
    """The answer to a call, from the client."""

    call_id: str
    parts: "list[Text | Image | File]"
    name: str = ""
    is_error: bool = False
    custom: bool = False
    cache: CacheMark | None = None


class Reasoning(Struct, tag="reasoning"):
    """Reasoning as far as it is shown; `signature` is its proof, `data` its sealed form."""

    text: str = ""
    signature: str = ""
    data: str = ""  # redacted / encrypted reasoning
    origin: str = ""  # format that made signature and data
    id: str = ""  # Responses item id
    summary: bool = False  # `text` is a summary, not the reasoning itself


class Refusal(Struct, tag="refusal"):
    text: str


class Opaque(Struct, tag="opaque"):
    """Something of one dialect that has no meaning here; given back to that dialect only."""

    origin: str
    raw: Raw
    kind: str = ""  # the dialect's own type name, for the report of losses


Part: TypeAlias = Text | Image | Audio | File | ToolCall | ToolResult | Reasoning | Refusal | Opaque


class Message(Struct):
    """One turn. Tool results stand in `user` messages, before that message's other parts."""

    role: Role
    parts: list[Part]
    name: str = ""


class Tool(Struct):
    """A function the model may call. `schema` is the JSON Schema of its arguments, raw."""

    name: str
    description: str = ""
    schema: Raw = Raw(b'{"type":"object","properties":{}}')
    strict: bool | None = None
    cache: CacheMark | None = None
    custom: bool = False  # free-form input; `raw` then holds the origin's definition
    origin: str = ""
    raw: Raw = Raw(b"null")  # the origin's whole definition where it is not a plain function
    kind: str = "function"  # "function", "custom", or the origin's built-in type name
    extra: dict[str, Raw] = {}  # members of the request's origin that have no field here


class ToolChoice(Struct):
    """`mode` tool names one; `allowed` narrows auto or required to some."""

    mode: Literal["auto", "none", "required", "tool"] = "auto"
    name: str = ""
    allowed: list[str] = []
    parallel: bool | None = None


class Sampling(Struct):
    """None: not said. `max_tokens` bounds all generated tokens, reasoning included."""

    max_tokens: int | None = None
    temperature: float | None = None
    top_p: float | None = None
    top_k: int | None = None
    n: int | None = None
    seed: int | None = None
    presence_penalty: float | None = None
    frequency_penalty: float | None = None
    stop: list[str] = []
    logprobs: bool | None = None
    top_logprobs: int | None = None


class ReasoningWish(Struct):
    """What the client wants of reasoning. At most one of effort and budget is authoritative.

    `imposed`: it is the gateway's wish (`edits.with_thinking`), `instead` of one of the client's or
    `anew` where there was none. Encoders fit it to the model even in the request's own format, and
    name no loss where the client wished nothing.
    """

    effort: Effort | None = None
    budget_tokens: int | None = None  # 0: off; -1: the model decides
    include: bool | None = None  # show it (includeThoughts, summary, display)
    encrypted: bool = False  # Responses include: reasoning.encrypted_content
    extra: dict[str, Raw] = {}  # the wish in the words of the request's origin, where they say more
    imposed: Literal["", "instead", "anew"] = ""


class ResponseFormat(Struct):
    """Structured output. `schema` is null for "any JSON object"."""

    kind: Literal["text", "json_object", "json_schema"] = "text"
    name: str = ""
    description: str = ""
    schema: Raw = Raw(b"null")
    strict: bool | None = None


class Request(Struct, kw_only=True):
    """A chat request. The model's name is routing's business and not part of it."""

    origin: str  # the client's format
    system: list[Part] = []  # leading instructions, in order; only Text and Opaque
    messages: list[Message] = []
    tools: list[Tool] = []
    tool_choice: ToolChoice | None = None
    sampling: Sampling = msgspec.field(default_factory=Sampling)
    reasoning: ReasoningWish | None = None
    response_format: ResponseFormat | None = None
    stream: bool = False
    include_usage: bool = True  # the client wants usage in its stream
    user: str = ""
    metadata: dict[str, str] = {}
    cache_key: str = ""  # prompt_cache_key
    verbosity: str = ""  # low | medium | high
    service_tier: str = ""
    extra: dict[str, Raw] = {}  # top-level members of `origin` that have no field here


# --- answers ------------------------------------------------------------------------------------


class Choice(Struct):
    """One candidate. Parts are Text, Reasoning, ToolCall, Refusal, Audio, Image or Opaque."""

    parts: list[Part] = []
    finish: FinishReason = "stop"
    stop_sequence: str = ""
    index: int = 0


class Response(Struct, kw_only=True):
    """A whole answer."""

    id: str = ""
    model: str = ""
    created: int = 0  # Unix time; 0: not said
    choices: list[Choice] = []
    usage: Usage | None = None
    origin: str = ""
    extra: dict[str, Raw] = {}


# --- streams ------------------------------------------------------------------------------------


class Start(Struct, tag_field="event", tag="start"):
    """The answer has begun. Fields that are not known yet are empty."""

    id: str = ""
    model: str = ""
    created: int = 0
    origin: str = ""
    extra: dict[str, Raw] = {}  # as in Response


class PartStart(Struct, tag_field="event", tag="part_start"):
    """A part opens. `part` holds what is known at once (a tool call's id and name); its text or
    arguments are empty and follow as deltas."""

    index: int  # counts parts within the choice, from 0
    part: Part
    choice: int = 0


class TextDelta(Struct, tag_field="event", tag="text"):
    """A fragment of a text (or of a refusal, where its part is one)."""

    index: int
    text: str
    choice: int = 0
    logprobs: Raw = Raw(b"null")  # of this fragment; see Text


class ReasoningDelta(Struct, tag_field="event", tag="reasoning"):
    index: int
    text: str = ""
    signature: str = ""
    choice: int = 0


class ToolCallDelta(Struct, tag_field="event", tag="tool"):
    """A fragment of a call's arguments; `index` is that of its part."""

    index: int
    arguments: str
    choice: int = 0


class PartEnd(Struct, tag_field="event", tag="part_end"):
    """A part is complete. `part` is given where the end brings what deltas cannot (citations,
    a signature, sealed data); it then replaces what the deltas built, text included."""

    index: int
    part: Part | None = None
    choice: int = 0


class UsageEvent(Struct, tag_field="event", tag="usage"):
    usage: Usage


class Finish(Struct, tag_field="event", tag="finish"):
    reason: FinishReason
    stop_sequence: str = ""
    choice: int = 0


class Failure(Struct, tag_field="event", tag="failure"):
    """The upstream reported an error inside its stream."""

    message: str
    type: str = ""
    code: str = ""
    status: int = 502


Event: TypeAlias = (
    Start
    | PartStart
    | TextDelta
    | ReasoningDelta
    | ToolCallDelta
    | PartEnd
    | UsageEvent
    | Finish
    | Failure
)


class CannotCarry(Exception):
    """The target's format has no counterpart for something the request depends on."""

    def __init__(self, feature: str, why: str) -> None:
        super().__init__(f"{feature}: {why}")
        self.feature = feature


class FormatError(Exception):
    """Bytes that are not what their format says; the only error a codec raises of its own accord.

    `param` names the member that is wrong, where it is one.
    """

    def __init__(self, message: str, param: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.param = param


class Encoded(Struct):
    """A request in a target's format, and what the format could not carry (feature names)."""

    body: bytes
    losses: list[str] = []
    tool_names: dict[str, str] = {}  # name as sent to the target -> the client's name, where mapped


NULL: Final = Raw(b"null")
