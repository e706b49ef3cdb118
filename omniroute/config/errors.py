"""What is wrong with a configuration, told so that it can be put right at once.

A `ConfigError` names the place (file and line, environment variable or option), the key, what is
wrong and what would be right. Everything found in one pass is reported together: `more` holds the
problems after the first. A message never repeats the value of a secret.
"""

from typing import NamedTuple


class StoredName(NamedTuple):
    """What a stored thing is called: `combo` `fast`, `setting` `routing.strategy`."""

    kind: str
    id: str

    def __str__(self) -> str:
        return f"stored {self.kind} {self.id}"


class ConfigError(Exception):
    """A refused configuration.

    `file` is the place: a path, `environment variable NAME`, `option --name` or `stored combo
    fast`. `line` is 1-based, None where there is none. `key` is the dotted path
    (`providers[2].format`), list indices from 0; within a stored thing it begins there (`format`),
    and `stored` says which one that is.
    """

    def __init__(
        self,
        message: str,
        *,
        file: str = "",
        key: str = "",
        line: int | None = None,
        hint: str = "",
        stored: StoredName | None = None,
        more: tuple["ConfigError", ...] = (),
    ) -> None:
        super().__init__(message)
        self.message = message
        self.file = file
        self.key = key
        self.line = line
        self.hint = hint
        self.stored = stored
        self.more = more

    def all(self) -> "tuple[ConfigError, ...]":
        """This problem and those reported with it."""
        return (self, *self.more)

    def headline(self) -> str:
        """This problem alone, on one line: `file:line: key: message (hint)`."""
        place = self.file if self.line is None else f"{self.file}:{self.line}"
        text = ": ".join(part for part in (place, self.key, self.message) if part)
        return f"{text} ({self.hint})" if self.hint else text

    def __str__(self) -> str:
        return "\n".join([self.headline(), *(problem.headline() for problem in self.more)])

    @staticmethod
    def together(problems: "list[ConfigError]") -> "ConfigError":
        """One error that carries all of `problems`, which must not be empty."""
        first, *rest = problems
        first.more = tuple(rest)
        return first
