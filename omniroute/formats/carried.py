"""Write docs/formats.md: per pair of formats what is carried, mapped or lost.

`python -m omniroute.formats.carried > docs/formats.md`; a test fails when the page in the tree is
not what this prints. Nothing is told here but the features and their order: how a format carries
one stands in the `CARRIED` table beside its codec. Its words begin with "native", "mapped: how" or
"lost: why", where more follows a "native" it says within which limits.

What a request holds is carried as the provider's format can, what an answer holds as the client's
format can; a format that has no such thing at all ("lost") neither asks for it nor gives it.
"""

import sys
from collections.abc import Mapping
from types import MappingProxyType
from typing import Final, NamedTuple

from omniroute.formats import claude, gemini, openai_chat, openai_responses


class Feature(NamedTuple):
    """Something that a translation has to carry."""

    says: str
    in_answer: bool = False


FEATURES: Final[Mapping[str, Feature]] = MappingProxyType(
    {
        "system": Feature("system prompt"),
        "developer": Feature("developer messages"),
        "multi_turn": Feature("earlier turns"),
        "image_data": Feature("images as data"),
        "image_url": Feature("images by URL"),
        "pdf": Feature("PDF and other files"),
        "audio_in": Feature("audio"),
        "tools": Feature("functions and their calls"),
        "tool_choice": Feature("which function to call"),
        "parallel_tools": Feature("several calls at once, or not"),
        "tool_result_image": Feature("images in results"),
        "tool_result_error": Feature("results that are errors"),
        "custom_tools": Feature("free-form tools"),
        "builtin_tools": Feature("tools of the service's own"),
        "reasoning_effort": Feature("how much to reason: effort or budget"),
        "reasoning_text": Feature("reasoning as text", in_answer=True),
        "reasoning_signature": Feature("signed or sealed reasoning", in_answer=True),
        "json_object": Feature("any JSON object as the answer"),
        "json_schema": Feature("an answer that fits a schema"),
        "max_tokens": Feature("limit of tokens"),
        "stop": Feature("stop sequences"),
        "temperature": Feature("temperature"),
        "top_p": Feature("top_p"),
        "top_k": Feature("top_k"),
        "n": Feature("asking for several answers"),
        "several_candidates": Feature("several answers", in_answer=True),
        "seed": Feature("seed"),
        "penalties": Feature("presence and frequency penalty"),
        "logit_bias": Feature("logit bias"),
        "logprobs": Feature("log probabilities", in_answer=True),
        "cache_control": Feature("marks for the prompt cache"),
        "cached_usage": Feature("counts of cached tokens", in_answer=True),
        "citations": Feature("citations", in_answer=True),
        "refusal": Feature("refusals", in_answer=True),
        "metadata": Feature("metadata"),
        "user": Feature("the user's id"),
        "service_tier": Feature("service tier"),
    }
)
"""Key in the codecs' tables and in `X-OmniRoute-Losses` -> what it is, in the order of the page."""

_NAMES: Final = ("OpenAI chat", "OpenAI Responses", "Claude", "Gemini")
_MODULES: Final = (openai_chat, openai_responses, claude, gemini)
TABLES: Final[Mapping[str, Mapping[str, str]]] = MappingProxyType(
    {name: module.CARRIED for name, module in zip(_NAMES, _MODULES, strict=True)}
)
"""Name of a format, for people -> its codec's table."""

_INTRO: Final = """\
# What survives translation

Made from the codecs' own tables by `python -m omniroute.formats.carried`; do not edit.

Where the client's format is the provider's, the client's bytes go on as they are, but for the
model's name, credentials and what another provider left in the conversation: nothing is lost, and
fields that this gateway has never heard of arrive. The other twelve pairs are translated. In all of
them text, calls and their arguments, ids that belong together, and counts of tokens arrive as they
were; usage that a provider does not report is estimated. `<think>` tags in a text become reasoning.

What a request loses is named in the answer's `X-OmniRoute-Losses`, by the keys of this page.
Besides, `parts.…` is a part of a message, `tools.…` a tool or a member of one, `messages.…` one of
a message, `reasoning.…` one of the wish to reason; other names are members of the client's own
request. What a request depends on and the provider's format cannot say (a file that another service
stores, audio for a model that cannot hear) is a 400 that names it. Reasoning that a provider signed
or sealed goes back to providers of the same format only; it never makes another refuse.
"""


def render() -> str:
    """The page as Markdown, ending in a newline."""
    lines = [_INTRO, "## Features", ""]
    lines += ["| key | |", "|---|---|"]
    lines += [f"| `{key}` | {feature.says} |" for key, feature in FEATURES.items()]
    for client, from_client in TABLES.items():
        for provider, from_provider in TABLES.items():
            if client != provider:
                lines += ["", *_pair(client, from_client, provider, from_provider)]
    return "\n".join(lines) + "\n"


def _pair(
    client: str, from_client: Mapping[str, str], provider: str, from_provider: Mapping[str, str]
) -> list[str]:
    carried: list[str] = []
    mapped: list[str] = []
    lost: list[str] = []
    for key, feature in FEATURES.items():
        # Whoever writes it has the last word; whoever cannot say it does not begin.
        says, writes = (
            (from_provider[key], from_client[key])
            if feature.in_answer
            else (from_client[key], from_provider[key])
        )
        if is_lost(says):
            continue
        if writes == "native":
            carried.append(f"`{key}`")
        elif is_lost(writes):
            lost.append(f"- `{key}`: {writes.partition(': ')[2]}")
        else:
            mapped.append(f"- `{key}`: {writes.removeprefix('mapped: ')}")
    return [
        f"## {client} client, {provider} provider",
        "",
        f"Carried as it is: {', '.join(carried)}.",
        "",
        "Mapped, or carried within limits:",
        "",
        *mapped,
        "",
        "Lost:" if lost else "Nothing else is lost.",
        *([""] if lost else []),
        *lost,
    ]


def is_lost(how: str) -> bool:
    """Has the format no counterpart at all?"""
    return how.startswith("lost: ")


if __name__ == "__main__":
    sys.stdout.write(render())
