"""Which stored things the rest of the configuration bears.

The file is not the database's to break: a stored thing that has become wrong (the file declares the
same name now, a provider is gone) is left out, and why is told; everything else goes on. Pure but
for what `attempt` does.
"""

from collections.abc import Callable, Sequence
from typing import TypeVar

from omniroute.config import ConfigError, Stored, StoredName

T = TypeVar("T")


def admit(
    stored: Sequence[Stored], attempt: Callable[[Sequence[Stored]], T]
) -> tuple[T, dict[StoredName, ConfigError]]:
    """What `attempt` makes of as many of these as it takes, and why the others are left out.

    `attempt` raises ConfigError for what it cannot take; naming the stored things at fault, it is
    tried without them. Where none is named (a file's alias has the name of a stored combo), they
    are added one by one. Raises ConfigError when it is not the stored things' fault.
    """
    left_out: dict[StoredName, ConfigError] = {}
    kept = list(stored)
    while True:
        try:
            return attempt(kept), left_out
        except ConfigError as error:
            at_fault = {one.stored: one for one in error.all() if one.stored is not None}
            remaining = [one for one in kept if one.name not in at_fault]
            if len(remaining) == len(kept):
                return _one_by_one(kept, attempt, left_out, error)
            left_out.update(at_fault)
            kept = remaining


def _one_by_one(
    stored: Sequence[Stored],
    attempt: Callable[[Sequence[Stored]], T],
    left_out: dict[StoredName, ConfigError],
    error: ConfigError,
) -> tuple[T, dict[StoredName, ConfigError]]:
    try:
        made = attempt(())
    except ConfigError:
        raise error from None
    kept: list[Stored] = []
    waiting = list(stored)
    while waiting:
        refused: dict[StoredName, ConfigError] = {}
        for one in waiting:
            try:
                made = attempt([*kept, one])
            except ConfigError as refusal:
                refused[one.name] = refusal
            else:
                kept.append(one)
        still = [one for one in waiting if one.name in refused]
        # What was refused may only have needed one that came after it.
        if len(still) == len(waiting):
            left_out.update(refused)
            break
        waiting = still
    return made, left_out
