"""The Gemini format (`generateContent`): translation, passthrough, and what it carries.

`codec()` and `dialect()` are all that others need; `CARRIED` tells people what of a request
survives in this format, and how.
"""

from typing import Final

from omniroute.formats.gemini.codec import GeminiCodec
from omniroute.formats.gemini.dialect import GeminiDialect
from omniroute.formats.gemini.identity import FORMAT

__all__ = ["CARRIED", "FORMAT", "codec", "dialect"]


def codec() -> GeminiCodec:
    return GeminiCodec()


def dialect() -> GeminiDialect:
    return GeminiDialect()


CARRIED: Final[dict[str, str]] = {
    "system": "native",
    "developer": "mapped: systemInstruction; inside the conversation, user text in its place",
    "multi_turn": "native",
    "image_data": "native",
    "image_url": "mapped: fileData.fileUri, which the service fetches (not Gemini 2.0)",
    "pdf": "native",
    "audio_in": "native",
    "stop": "native, 5 at most",
    "temperature": "native, 0 to 2",
    "top_p": "native",
    "top_k": "native",
    "max_tokens": "native, thoughts included",
    "n": "mapped: candidateCount, 8 at most",
    "seed": "native; beyond 32 bits, its low 31 bits",
    "penalties": "native, -2 to 2",
    "logit_bias": "lost: no counterpart",
    "logprobs": "mapped: responseLogprobs and logprobs, 20 at most",
    "metadata": "lost: labels exist on Vertex AI only",
    "user": "lost: no counterpart",
    "tools": "mapped: the JSON Schema is reduced to Gemini's, the rest told in descriptions",
    "tool_choice": "mapped: functionCallingConfig; a narrowed free choice is VALIDATED",
    "parallel_tools": "native; parallel calls cannot be forbidden, a wish to is lost",
    "tool_result_image": "mapped: functionResponse.parts; before Gemini 3, parts beside it",
    "tool_result_error": "mapped: the response's member error",
    "custom_tools": "mapped: a function with one text, input; the grammar of its format is lost",
    "builtin_tools": "native for Gemini's own; lost: those of other formats",
    "reasoning_effort": "mapped: thinkingLevel (Gemini 3) or thinkingBudget (2.5); lost before 2.5",
    "reasoning_text": "native: thought parts",
    "reasoning_signature": "native for Gemini's own; another's travels sealed to a Gemini client, "
    "and never to Gemini, which is told skip_thought_signature_validator as its guide says",
    "json_object": "mapped: responseMimeType; with tools before Gemini 3, told in words",
    "json_schema": "mapped: responseSchema, reduced; with tools before Gemini 3, told in words",
    "cache_control": "lost: Gemini caches by itself",
    "cached_usage": "native",
    "citations": "mapped: groundingMetadata",
    "refusal": "mapped: text, and finishReason SAFETY where the answer ended by it",
    "several_candidates": "native",
    "service_tier": "mapped: flex, priority, default (standard); others are lost",
}
"""Feature -> how this format carries it: native, mapped (how) or lost (why)."""
