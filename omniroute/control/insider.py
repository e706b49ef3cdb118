"""The key with which control itself asks the data plane, for the playground.

Every snapshot that is published knows it: its principal stands in the request log as `PLAYGROUND`,
with no limits but those of the accounts. The key follows from the installation's signing key; it is
stored nowhere, shown nowhere, and nobody can present it who cannot read that file.
"""

from typing import Final

from msgspec.structs import replace

from omniroute.installation import Installation
from omniroute.snapshot import KeyView, Snapshot

PLAYGROUND: Final = "dashboard/playground"
"""The id of the key that such requests are logged under."""

_LABEL: Final = b"omniroute playground key v1"


def playground_key(installation: Installation) -> str:
    """What the playground presents."""
    return f"sk-omni-inside-{installation.key_digest(_LABEL).hex()}"


def with_playground(snapshot: Snapshot, installation: Installation) -> Snapshot:
    """The snapshot with the playground's key, as workers get it."""
    digest = installation.key_digest(playground_key(installation).encode())
    keys = (*without_playground(snapshot).keys, KeyView(PLAYGROUND, "playground", digest))
    return replace(snapshot, keys=keys)


def without_playground(snapshot: Snapshot) -> Snapshot:
    """The snapshot with the keys that the owner knows of."""
    return replace(snapshot, keys=tuple(key for key in snapshot.keys if key.id != PLAYGROUND))
