"""The shapes of this format as msgspec reads them: the vendor's names, all members optional.

Source: the API reference of OpenAI ("Create chat completion", "The chat completion object", "The
chat completion chunk object"), the types of its Python SDK, and what compatible vendors add:
`reasoning_content` (DeepSeek and many after it), `reasoning` and `reasoning_details` (OpenRouter),
`reasoning_text` (Copilot), `images` (OpenRouter), `cache_control` (OpenRouter), `extra_content`
(Google's service for this format). What is not named here goes to `extra` at the top level.
"""

from typing import Final

from msgspec import Raw, Struct

FORMAT: Final = "openai"

NOTHING: Final = Raw(b"null")

DONE: Final = b"data: [DONE]\n\n"

OWN_FAMILY: Final = frozenset({FORMAT, "openai-responses"})
"""Formats whose words for tiers, efforts and cache keys are those of this one."""


class FunctionIn(Struct, gc=False):
    name: str | None = None
    arguments: str | None = None


class CustomIn(Struct, gc=False):
    name: str | None = None
    input: str | None = None


class GoogleIn(Struct, gc=False):
    thought_signature: str | None = None


class ExtraContentIn(Struct, gc=False):
    google: GoogleIn | None = None


class ToolCallIn(Struct):
    """A call, whole or a fragment (`index` then says of which)."""

    id: str | None = None
    index: int | None = None
    type: str | None = None
    function: FunctionIn | None = None
    custom: CustomIn | None = None
    extra_content: ExtraContentIn | None = None


class CacheControl(Struct, gc=False, omit_defaults=True):
    type: str = ""
    ttl: str | None = None


class ImageUrl(Struct, gc=False):
    url: str
    detail: str | None = None


class InputAudio(Struct, gc=False):
    data: str
    format: str = "wav"


class FileIn(Struct, gc=False):
    file_data: str | None = None
    file_id: str | None = None
    filename: str | None = None


class ThoughtIn(Struct, gc=False):
    text: str | None = None


class PartIn(Struct):
    """A content part; `thinking` is Mistral's."""

    type: str
    text: str | None = None
    image_url: ImageUrl | str | None = None
    input_audio: InputAudio | None = None
    file: FileIn | None = None
    refusal: str | None = None
    thinking: list[ThoughtIn] | str | None = None
    cache_control: CacheControl | None = None


class ReasoningDetail(Struct, omit_defaults=True):
    """OpenRouter's: `reasoning.text`, `reasoning.summary` or `reasoning.encrypted`."""

    type: str
    text: str | None = None
    summary: str | None = None
    data: str | None = None
    signature: str | None = None
    id: str | None = None
    format: str | None = None
    index: int | None = None


class AudioIn(Struct):
    id: str | None = None
    data: str | None = None
    transcript: str | None = None


class UrlCitation(Struct):
    url: str = ""
    title: str = ""
    start_index: int | None = None
    end_index: int | None = None


class Annotation(Struct):
    type: str = "url_citation"
    url_citation: UrlCitation | None = None


class MessageIn(Struct):
    """A message of a request or of an answer."""

    role: str = "assistant"
    content: str | list[PartIn] | None = None
    name: str | None = None
    tool_calls: list[ToolCallIn] | None = None
    tool_call_id: str | None = None
    function_call: FunctionIn | None = None
    refusal: str | None = None
    audio: AudioIn | None = None
    reasoning_content: str | None = None
    reasoning: str | None = None
    reasoning_text: str | None = None
    reasoning_details: list[ReasoningDetail] | None = None
    annotations: list[Raw] | None = None
    images: list[PartIn] | None = None


def data_url(media_type: str, data: str) -> str:
    return f"data:{media_type};base64,{data}"


def split_data_url(url: str) -> tuple[str, str] | None:
    """Media type and base64 of a data URL; None for anything else."""
    if not url.startswith("data:"):
        return None
    head, comma, data = url[5:].partition(",")
    if not comma or not head.endswith(";base64"):
        return None
    return head[: -len(";base64")].partition(";")[0] or "text/plain", data
