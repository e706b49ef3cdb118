"""The injection guard: a look at what users write, before a request goes anywhere.

Contract: `look` is asked once for each chat request of a key that has a guard. It looks at text of
the users' own turns only: what tools and documents gave, what the model said and what the owner's
system prompt says is no user's. It says what is told in header, log and record, and with which
error the request is refused, if it is. Pure, and linear in the length of the texts.

Looked at are `MOST_CHARACTERS` at most, the newest first: what is older was new once, and of one
text that is longer both ends are read.
"""

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Final, NamedTuple

from omniroute.errors import ErrorKind, GatewayError
from omniroute.formats import ir
from omniroute.gateway.injection_rules import HIGH, MEDIUM, Findings, flattened

if TYPE_CHECKING:
    from omniroute.config.guarding import GuardMode, Severity

MOST_CHARACTERS: Final = 131_072
_REFUSES: Final = {"high": frozenset({HIGH}), "medium": frozenset({HIGH, MEDIUM})}


class Look(NamedTuple):
    """What was found, such as "high: override-instructions", "" for nothing; and the refusal."""

    told: str
    refusal: GatewayError | None = None


class InjectionGuard:
    """What is done about suspicious texts, for one key."""

    __slots__ = ("_blocks", "_refuses")

    def __init__(self, mode: "GuardMode", block_from: "Severity") -> None:
        """`mode` is `warn` or `block`: a key whose mode is `off` has no guard."""
        self._blocks = mode == "block"
        self._refuses = _REFUSES[block_from] if self._blocks else frozenset[str]()

    def look(self, decode: Callable[[], ir.Request]) -> Look:
        """Look at the request that `decode` gives.

        What cannot be decoded cannot be looked at either: GatewayError (400) where the guard
        blocks, no finding where it warns.
        """
        try:
            request = decode()
        except GatewayError:
            if self._blocks:
                raise
            return Look("")
        found = examined(request)
        if not found:
            return Look("")
        refused = [name for name, severity in found.items() if severity in self._refuses]
        return Look(summary(found), _refusal(refused) if refused else None)


def _refusal(names: list[str]) -> GatewayError:
    return GatewayError(
        ErrorKind.SUSPICIOUS_CONTENT,
        f"Request rejected: suspicious content detected ({', '.join(sorted(names))}). If this is "
        "no attack, quote such texts or put them into a code block, or ask the owner of this "
        "gateway.",
    )


def examined(request: ir.Request) -> dict[str, str]:
    """The names of the rules that fit a user's text, each with its severity."""
    found: dict[str, str] = {}
    for text in user_texts(request):
        for name, severity in Findings(flattened(text)).found.items():
            if found.get(name) != HIGH:
                found[name] = severity
    return found


def summary(found: dict[str, str]) -> str:
    """Findings in one line, the most severe first."""
    parts = [
        f"{severity}: {', '.join(names)}"
        for severity in (HIGH, MEDIUM)
        if (names := sorted(name for name, each in found.items() if each == severity))
    ]
    return "; ".join(parts)


def user_texts(request: ir.Request) -> Iterator[str]:
    """The texts of users' turns, the newest first, as far as they are looked at."""
    left = MOST_CHARACTERS
    for message in reversed(request.messages):
        if message.role != "user":
            continue
        for part in reversed(message.parts):
            if not isinstance(part, ir.Text) or not part.text:
                continue
            if len(part.text) <= left:
                yield part.text
            else:
                half = left // 2
                yield part.text[:half]
                yield part.text[-(left - half) :]
            left -= min(left, len(part.text))
            if not left:
                return
