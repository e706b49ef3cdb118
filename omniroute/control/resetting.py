"""Forgetting what is held against providers, accounts and models: by hand, and with a credential.

The conditions hold more than that (who is banned from asking): what is not of `KINDS` is not
touched. What was forgotten stands against nobody from the next request on, in every worker: they
look at the version of the conditions before each.
"""

from collections.abc import Mapping
from typing import Final

from omniroute.installation import Installation, InstallationError
from omniroute.resilience import breaker, cooldown, quota
from omniroute.snapshot import Snapshot
from omniroute.state.interface import Conditions

KINDS: Final = (
    breaker.BREAKER,
    cooldown.CONNECTION,
    cooldown.LOCKOUT,
    cooldown.TARGET,
    quota.QUOTA,
)
"""The kinds of keys that can be reset."""

_OF_ACCOUNTS: Final = (cooldown.CONNECTION, cooldown.LOCKOUT, quota.QUOTA)


def reset(conditions: Conditions, *, kind: str = "", subject: str = "", detail: str = "") -> int:
    """Removes the conditions that fit; returns how many. What is "" fits everything.

    `kind`: one of `KINDS`. `subject`: a connection's id, or a provider's,
    which stands for all of its connections, too. `detail`: a model or the window of a quota.
    Raises StateError.
    """
    removed = 0
    for key in conditions.read()[1]:
        its_kind, _, rest = key.partition(":")
        its_subject, _, its_detail = rest.partition(" ")
        if (
            its_kind in KINDS
            and (not kind or kind == its_kind)
            and (not subject or subject == its_subject or its_subject.startswith(f"{subject}/"))
            and (not detail or detail == its_detail)
        ):
            conditions.change(key, lambda _: None)
            removed += 1
    return removed


def fingerprints(snapshot: Snapshot, installation: Installation) -> dict[str, bytes]:
    """By connection id what tells one credential from another, and not what it is.

    A connection whose credential cannot be read is left out: nothing can be said of it.
    """
    found: dict[str, bytes] = {}
    for connection in snapshot.connections:
        secret = connection.secret
        try:
            plain = installation.decrypt(secret) if secret else b""
        except InstallationError:
            continue
        found[connection.id] = installation.key_digest(plain)
    return found


def forget_renewed(
    conditions: Conditions, before: Mapping[str, bytes], after: Mapping[str, bytes]
) -> tuple[str, ...]:
    """Forgets what was known of accounts that have another credential now; returns their ids.

    It may be another account, so its quotas go with its cooldown and its lockouts. Raises
    StateError.
    """
    renewed = tuple(id_ for id_ in after if id_ in before and before[id_] != after[id_])
    for id_ in renewed:
        for kind in _OF_ACCOUNTS:
            reset(conditions, kind=kind, subject=id_)
    return renewed
