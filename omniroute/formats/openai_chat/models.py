"""What the names of OpenAI's own models say of the parameters they take.

The service refuses what a model does not take, and a client of another format cannot know. So what
such a client said is left out, and named as a loss; what a client of this very format said stays,
for the service to judge. The rule goes by the name behind the last slash: `o1`, `o3`, `o4` and
`gpt-5` with what follows are reasoning models; `gpt-3`, `gpt-4`, `chatgpt-4` are not, nor are
`gpt-5-chat` models. Of all other names nothing is assumed.

Source: OpenAI, "Reasoning models" and the pages of the single models.
"""

import re
from typing import Final, NamedTuple

_REASONING: Final = re.compile(r"(?:o[1-9]|gpt-(?:[5-9]|\d\d))(?:[.-]|$)")
_CHAT: Final = re.compile(r"gpt-[5-9][.\d]*-chat")
_PLAIN: Final = re.compile(r"(?:chatgpt-4|gpt-[34])")
_TURNS_OFF: Final = re.compile(r"gpt-5\.[1-9]|gpt-[6-9]")


class Traits(NamedTuple):
    """What is known of a model by its name; None: nothing."""

    reasons: bool | None
    turns_off: bool = False  # knows the effort "none"


def traits(model: str) -> Traits:
    """The traits of a model's name."""
    name = model.rpartition("/")[2].lower()
    if _PLAIN.match(name) or _CHAT.match(name):
        return Traits(False)
    if _REASONING.match(name):
        return Traits(True, _TURNS_OFF.match(name) is not None)
    return Traits(None)
