"""The messages of Gemini's REST API, as far as this gateway looks inside them.

Source: Gemini API reference v1beta, `models.generateContent` (Content, Part, FunctionCall,
GenerateContentResponse …) and the types of the google-genai SDK 3.4. Names are the vendor's. The
service reads proto3 JSON, so a member may also be written in snake_case: structs that read requests
hold both spellings and say which one counts; answers come in camelCase only.

Members whose inside is nobody's business here stay `Raw`; what has no member here is dropped by a
decoder, so whoever must keep the unknown decodes into a mapping of Raw first.
"""

from collections.abc import Mapping
from typing import Any, Final

import msgspec
from msgspec import Raw, Struct, field

from omniroute.formats.ir import FormatError

NOTHING: Final = Raw(b"null")


class Blob(Struct, gc=False):
    data: str = ""
    mimeType: str = ""
    mime_type: str = ""
    displayName: str = ""
    display_name: str = ""


class FileData(Struct, gc=False):
    fileUri: str = ""
    file_uri: str = ""
    mimeType: str = ""
    mime_type: str = ""
    displayName: str = ""
    display_name: str = ""


class FunctionCall(Struct, gc=False):
    name: str = ""
    id: str | None = None
    args: Raw = NOTHING


class FunctionResponsePart(Struct, gc=False):
    inlineData: Blob | None = None
    inline_data: Blob | None = None
    fileData: FileData | None = None
    file_data: FileData | None = None


class FunctionResponse(Struct, gc=False):
    name: str = ""
    id: str | None = None
    response: Raw = NOTHING
    parts: list[FunctionResponsePart] | None = None


class Part(Struct, gc=False):
    """One part of a request or an answer; exactly one kind of content is set."""

    text: str | None = None
    thought: bool | None = None
    thoughtSignature: str | None = None
    thought_signature: str | None = None
    inlineData: Blob | None = None
    inline_data: Blob | None = None
    fileData: FileData | None = None
    file_data: FileData | None = None
    functionCall: FunctionCall | None = None
    function_call: FunctionCall | None = None
    functionResponse: FunctionResponse | None = None
    function_response: FunctionResponse | None = None

    @property
    def signature(self) -> str:
        return self.thoughtSignature or self.thought_signature or ""


class Content(Struct, gc=False):
    parts: list[Raw] | None = None
    role: str | None = None


class FunctionDeclaration(Struct, gc=False):
    name: str
    description: str | None = None
    parameters: Raw = NOTHING
    parametersJsonSchema: Raw = NOTHING
    parameters_json_schema: Raw = NOTHING


class FunctionCallingConfig(Struct, gc=False):
    mode: str | None = None
    allowedFunctionNames: list[str] | None = None
    allowed_function_names: list[str] | None = None


class ThinkingConfig(Struct, gc=False):
    thinkingBudget: int | None = None
    thinking_budget: int | None = None
    thinkingLevel: str | None = None
    thinking_level: str | None = None
    includeThoughts: bool | None = None
    include_thoughts: bool | None = None


# --- answers ------------------------------------------------------------------------------------


class AnswerPart(Struct, gc=False):
    """A part as the service writes it; one of another kind has none of these members."""

    text: str | None = None
    thought: bool = False
    thoughtSignature: str = ""
    functionCall: FunctionCall | None = None
    inlineData: Blob | None = None
    fileData: FileData | None = None


class AnswerContent(Struct, gc=False):
    parts: list[AnswerPart] | None = None


class LogprobToken(Struct, gc=False):
    token: str = ""
    logProbability: float = 0.0


class TopCandidates(Struct, gc=False):
    candidates: list[LogprobToken] = []


class LogprobsResult(Struct, gc=False):
    chosenCandidates: list[LogprobToken] = []
    topCandidates: list[TopCandidates] = []


class CitationSource(Struct, gc=False):
    startIndex: int | None = None
    endIndex: int | None = None
    uri: str | None = None
    title: str | None = None
    license: str | None = None


class CitationMetadata(Struct, gc=False):
    citationSources: list[CitationSource] | None = None  # Gemini API
    citations: list[CitationSource] | None = None  # Vertex AI


class WebChunk(Struct, gc=False):
    uri: str | None = None
    title: str | None = None


class GroundingChunk(Struct, gc=False):
    web: WebChunk | None = None
    retrievedContext: WebChunk | None = None


class Segment(Struct, gc=False):
    """Offsets count UTF-8 bytes of the part's text."""

    startIndex: int | None = None
    endIndex: int | None = None
    partIndex: int | None = None
    text: str | None = None


class GroundingSupport(Struct, gc=False):
    segment: Segment | None = None
    groundingChunkIndices: list[int] | None = None


class GroundingMetadata(Struct, gc=False):
    groundingChunks: list[GroundingChunk] | None = None
    groundingSupports: list[GroundingSupport] | None = None


class Candidate(Struct, gc=False):
    content: AnswerContent | None = None
    finishReason: str | None = None
    finishMessage: str | None = None
    index: int = 0
    citationMetadata: CitationMetadata | None = None
    groundingMetadata: GroundingMetadata | None = None
    logprobsResult: LogprobsResult | None = None


class UsageMetadata(Struct, gc=False):
    promptTokenCount: int | None = None
    candidatesTokenCount: int | None = None
    thoughtsTokenCount: int | None = None
    toolUsePromptTokenCount: int | None = None
    cachedContentTokenCount: int | None = None
    totalTokenCount: int | None = None


class PromptFeedback(Struct, gc=False):
    blockReason: str | None = None
    blockReasonMessage: str | None = None


class Answer(Struct, gc=False):
    """GenerateContentResponse; a stream is a series of them."""

    candidates: list[Candidate] | None = None
    usageMetadata: UsageMetadata | None = None
    promptFeedback: PromptFeedback | None = None
    modelVersion: str | None = None
    responseId: str | None = None
    error: Raw = NOTHING


class ErrorDetail(Struct, gc=False):
    code: int | str | None = None
    message: str | None = None
    status: str | None = None


class ErrorBody(Struct, gc=False):
    error: ErrorDetail | str | None = None


class RawContent(Struct, gc=False):
    parts: list[Raw] | None = None


class RawCandidate(Struct, gc=False):
    content: RawContent | None = None
    index: int = 0


class RawAnswer(Struct, gc=False):
    """An answer whose parts stay as they were written, for the kinds that have no struct."""

    candidates: list[RawCandidate] | None = None


class OutPart(Struct, omit_defaults=True, gc=False):
    """A part as it is written, into requests and answers alike."""

    text: str | None = None
    thought: bool = False
    functionCall: Any = None
    functionResponse: Any = None
    inlineData: Any = None
    fileData: Any = None
    thoughtSignature: str = ""


class OutContent(Struct, gc=False):
    parts: list[OutPart | Raw]
    role: str = field(default="user")


decode_part = msgspec.json.Decoder(Part).decode
decode_answer = msgspec.json.Decoder(Answer).decode
decode_raw_answer = msgspec.json.Decoder(RawAnswer).decode
decode_members = msgspec.json.Decoder(dict[str, Raw]).decode


def in_camel_case(members: dict[str, Raw], names: Mapping[str, str], where: str) -> dict[str, Raw]:
    """The members in the vendor's spelling. FormatError where one stands in both."""
    if not any(name in names for name in members):
        return members
    made: dict[str, Raw] = {}
    for name, value in members.items():
        camel = names.get(name, name)
        if camel in made:
            raise FormatError(f"`{camel}` stands in {where} in two spellings.", camel)
        made[camel] = value
    return made
