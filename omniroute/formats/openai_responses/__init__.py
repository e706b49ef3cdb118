"""The OpenAI Responses format (`POST /v1/responses`): translation, passthrough, what it carries.

`codec()` and `dialect()` are all that others need; `CARRIED` tells people what of a request
survives in this format, and how. Source: OpenAI API reference, "Responses", and the types of the
official SDK (openai 3.52).
"""

from typing import Final

from omniroute.formats.openai_responses.codec import ResponsesCodec
from omniroute.formats.openai_responses.dialect import ResponsesDialect
from omniroute.formats.openai_responses.wire import FORMAT

__all__ = ["CARRIED", "FORMAT", "codec", "dialect"]


def codec() -> ResponsesCodec:
    return ResponsesCodec()


def dialect() -> ResponsesDialect:
    return ResponsesDialect()


CARRIED: Final[dict[str, str]] = {
    "system": "native: instructions; several are joined",
    "developer": "native",
    "multi_turn": "native: the whole conversation in input; what the service stored is refused",
    "image_data": "native in the user's turns; lost: in the assistant's",
    "image_url": "native",
    "pdf": "native",
    "audio_in": "lost: refused, there is no counterpart",
    "stop": "lost: no counterpart",
    "temperature": "native, 0 to 2",
    "top_p": "native",
    "top_k": "lost: no counterpart",
    "max_tokens": "mapped: max_output_tokens, 16 at least",
    "n": "lost: one answer at a time",
    "seed": "lost: no counterpart",
    "penalties": "lost: no counterpart",
    "logit_bias": "lost: no counterpart",
    "logprobs": "mapped: include message.output_text.logprobs, and top_logprobs",
    "metadata": "native, 16 at most",
    "user": "native",
    "tools": "native; namespaces are taken apart for other formats, and put together again",
    "tool_choice": "native, allowed_tools included",
    "parallel_tools": "native",
    "tool_result_image": "native",
    "tool_result_error": "lost: the text of the result has to say it",
    "custom_tools": "native",
    "builtin_tools": "native for OpenAI's own; lost: those of other formats",
    "reasoning_effort": "native; a budget is mapped to an effort",
    "reasoning_text": "native: reasoning items; that of other formats is shown as a summary",
    "reasoning_signature": "native: encrypted_content; that of other formats travels in it sealed, "
    "to a client only, and goes back to its origin only",
    "json_object": "native",
    "json_schema": "native",
    "cache_control": "mapped: its own prompt_cache_breakpoint; lost: marks of other formats, since "
    "OpenAI caches by itself",
    "cached_usage": "native",
    "citations": "native: url_citation",
    "refusal": "native",
    "several_candidates": "lost: there is one output",
    "service_tier": "native",
}
