"""Names of functions: what Gemini takes, and the way back to the client's own.

Source: Gemini API reference, `FunctionDeclaration.name`: begins with a letter or an underscore;
letters, digits, underscores, dots, colons, dashes. The length limit was 64 and is 128 by now; the
older one holds here, since a mapped name costs nothing.
"""

import re
from collections.abc import Iterable
from hashlib import blake2b
from typing import Final

MAX_CHARACTERS: Final = 64
_ALLOWED: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_.:-]{0,63}\Z")
_FORBIDDEN: Final = re.compile(r"[^A-Za-z0-9_.:-]")


class ToolNames:
    """The names of one request. `changed` maps what is sent to the client's name, where they
    differ; two names never become one."""

    __slots__ = ("_sent", "changed")

    def __init__(self, names: Iterable[str]) -> None:
        self.changed: dict[str, str] = {}
        self._sent: dict[str, str] = {name: name for name in names if _ALLOWED.match(name)}

    def sent(self, name: str) -> str:
        """The name as Gemini takes it; the same for the same name, whenever it is asked."""
        known = self._sent.get(name)
        if known is not None:
            return known
        made = name
        if not _ALLOWED.match(name):
            made = _FORBIDDEN.sub("_", name)
            if not made or not (made[0].isalpha() or made[0] == "_"):
                made = "_" + made
        taken = self._sent.values()
        if made in taken or len(made) > MAX_CHARACTERS:
            digest = blake2b(name.encode("utf-8", "surrogatepass"), digest_size=4).hexdigest()
            made = f"{made[: MAX_CHARACTERS - 9]}_{digest}"
        self._sent[name] = made
        if made != name:
            self.changed[made] = name
        return made
