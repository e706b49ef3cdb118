"""Who may call a route of the management plane: every one is closed unless declared open."""

from enum import Enum
from typing import Final


class Policy(Enum):
    """What a caller must be allowed to. A session and the admin token of the data directory are
    allowed everything; an admin key what its scopes name."""

    OPEN = "open"  # anybody: says nothing and changes nothing that needs protection
    READ = "read"  # see everything that is shown, without secrets
    WRITE = "write"  # change providers, models, combos, settings, prices, limits
    KEYS = "keys"  # make, change and revoke client keys
    BACKUP = "backup"  # export, import, back up and restore
    ADMIN = "admin"  # everything, with passwords, sessions and admin keys


SCOPES: Final = frozenset(policy for policy in Policy if policy is not Policy.OPEN)
