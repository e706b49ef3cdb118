"""What a compilation has to say: refusals, which are thrown together at its end, and notes."""

import difflib
from collections.abc import Iterable

from omniroute.config import ConfigError
from omniroute.config.schema import Origin, Path


class Findings:
    """Collects over all steps, so that everything is told at once."""

    def __init__(self, origin: Origin) -> None:
        self._origin = origin
        self._refusals: list[ConfigError] = []
        self._notes: dict[str, None] = {}  # in order, each once

    def refuse(self, path: Path, message: str, hint: str = "") -> None:
        """The configuration contradicts itself at `path`."""
        self._refusals.append(self._origin.problem(path, message, hint))

    def note(self, text: str) -> None:
        """The configuration is valid and works only in part."""
        self._notes.setdefault(text)

    def notes(self) -> tuple[str, ...]:
        """What was noted. Raises ConfigError with all refusals when there are any."""
        if self._refusals:
            raise ConfigError.together(self._refusals)
        return tuple(self._notes)


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """A question that names the nearest of `known`, "" when none is near."""
    close = difflib.get_close_matches(name, list(known), n=1)
    return f"did you mean {close[0]}?" if close else ""
