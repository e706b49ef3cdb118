"""What the models of one name differ in, where the format lets them differ.

Claude's versions take different members of the same request: thinking by budget or adaptive,
sampling or none, schemas for answers or not. Nobody tells a gateway at run time, so it is read
from the model's name, by version; a name without one (another vendor's model behind this format,
an alias) gets what every service of this format has understood since 2024. Pure data.

Sources, November 2026: Anthropic's pages "Troubleshooting thinking" (support by model), "Effort",
"Structured outputs", "Mid-conversation system messages", "Migration guide" and "Errors".
"""

import re
from typing import NamedTuple


class Traits(NamedTuple):
    """What a model accepts."""

    thinks: bool = True  # knows thinking at all
    adaptive: bool = False  # thinking adaptive, with output_config.effort; budgets are refused
    can_stop_thinking: bool = True  # takes thinking disabled
    xhigh: bool = False  # knows the effort xhigh; before it, "max" was the next above high
    sampling: bool = True  # takes temperature, top_p, top_k
    both_samplings: bool = True  # takes temperature and top_p in one request
    structured: bool = False  # takes output_config.format and strict tools
    system_turns: bool = False  # takes messages of role system behind user turns
    auto_cache: bool = False  # takes a top-level cache_control


# claude-opus-4-7, claude-3-7-sonnet-20250219, anthropic/claude-sonnet-4.5, claude-fable-5@20260601.
_NAME = re.compile(
    r"claude-(?:(?P<before>\d{1,2})(?:[-.](?P<minor_before>\d{1,2})(?!\d))?-)?"
    r"(?P<family>[a-z]+)(?:-(?P<major>\d{1,2})(?:[-.](?P<minor>\d{1,2})(?!\d))?(?!\d))?"
)


def traits(model: str) -> Traits:
    """What is known of a model by its name."""
    match = _NAME.search(model.lower())
    if match is None:
        return Traits()
    family = match["family"]
    major = match["before"] or match["major"]
    if major is None:
        return Traits()
    minor = match["minor_before"] if match["before"] else match["minor"]
    version = (int(major), int(minor or 0))
    return Traits(
        thinks=version >= (3, 7),
        adaptive=version >= (4, 6),
        can_stop_thinking=family not in ("fable", "mythos"),
        xhigh=version >= (4, 7),
        sampling=version < (4, 7),
        both_samplings=version < (4, 1),
        structured=version >= (4, 5),
        system_turns=(family, version) != ("sonnet", (5, 0))
        and (version >= (5, 0) or (family == "opus" and version >= (4, 8))),
        auto_cache=version >= (4, 5),
    )
