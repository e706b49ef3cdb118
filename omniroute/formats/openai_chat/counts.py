"""Token counts as this format and its vendors write them, and as OpenAI's SDKs read them.

`prompt_tokens` is the whole prompt, cached tokens included; `completion_tokens` is all that was
generated, reasoning included. Vendors disagree here and there: what is known of that stands at its
line. Counts that cannot be are brought back to the nearest that can.
"""

import msgspec

from omniroute.formats.misread import UNREADABLE
from omniroute.usage import Usage


class _PromptDetails(msgspec.Struct, gc=False):
    cached_tokens: int | None = None
    cache_write_tokens: int | None = None


class _CompletionDetails(msgspec.Struct, gc=False):
    reasoning_tokens: int | None = None


class UsageIn(msgspec.Struct, gc=False):
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    total_tokens: int | None = None
    prompt_tokens_details: _PromptDetails | None = None
    completion_tokens_details: _CompletionDetails | None = None
    # Names of others for prompt_tokens_details.cached_tokens: DeepSeek's, Moonshot's.
    prompt_cache_hit_tokens: int | None = None
    cached_tokens: int | None = None


def usage_of(read: UsageIn) -> Usage:
    prompt = read.prompt_tokens_details
    completion = read.completion_tokens_details
    cached = prompt.cached_tokens if prompt is not None else None
    written = prompt.cache_write_tokens if prompt is not None else None
    reasoning = (completion.reasoning_tokens if completion is not None else None) or 0
    prompt_tokens = read.prompt_tokens or 0
    output = read.completion_tokens or 0
    if reasoning and read.total_tokens == prompt_tokens + output + reasoning:
        output += reasoning  # xAI counts reasoning beside completion_tokens, not within
    return Usage(
        input_tokens=prompt_tokens,
        cache_read_tokens=cached or read.prompt_cache_hit_tokens or read.cached_tokens or 0,
        cache_write_tokens=written or 0,
        output_tokens=output,
        reasoning_tokens=reasoning,
    ).clamped()


class _Answer(msgspec.Struct, gc=False):
    usage: UsageIn | None = None


# Numbers of answers may come as strings or as floats without a fraction.
_decode_answer = msgspec.json.Decoder(_Answer, strict=False).decode


def answer_usage(body: bytes) -> Usage | None:
    """The usage that a whole (unstreamed) answer reports; None when it reports none."""
    try:
        read = _decode_answer(body).usage
    except UNREADABLE:
        return None  # not ours to judge: the bytes go to the client as they are
    return None if read is None else usage_of(read)


class _PromptOut(msgspec.Struct, gc=False):
    cached_tokens: int
    audio_tokens: int = 0
    cache_write_tokens: int = 0


class _CompletionOut(msgspec.Struct, gc=False):
    reasoning_tokens: int
    audio_tokens: int = 0
    accepted_prediction_tokens: int = 0
    rejected_prediction_tokens: int = 0


class UsageOut(msgspec.Struct, gc=False):
    """The `usage` of an answer."""

    prompt_tokens: int
    completion_tokens: int
    total_tokens: int
    prompt_tokens_details: _PromptOut
    completion_tokens_details: _CompletionOut


def usage_out(usage: Usage) -> UsageOut:
    """A usage in this format's fields."""
    return UsageOut(
        usage.input_tokens,
        usage.output_tokens,
        usage.total_tokens,
        _PromptOut(usage.cache_read_tokens, cache_write_tokens=usage.cache_write_tokens),
        _CompletionOut(usage.reasoning_tokens),
    )
