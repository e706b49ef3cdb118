"""What handlers work with: the parts of the control process, given to every call.

Plain data, made once by the control process and in tests.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from omniroute.control.access import Access
from omniroute.control.archives import Archives
from omniroute.control.backups import Backups
from omniroute.control.configuration import Configuration
from omniroute.control.conversations import Conversations
from omniroute.control.inside import DataPlane
from omniroute.control.live import Live
from omniroute.control.metrics import Metrics
from omniroute.control.rehearsal import Rehearsal
from omniroute.installation import Installation
from omniroute.state.interface import State
from omniroute.store.database import Store


@dataclass
class Services:
    """Every part, by its name."""

    installation: Installation
    store: Store
    state: State
    configuration: Configuration
    access: Access
    status: Callable[[], dict[str, Any]]
    now_ms: Callable[[], int]
    """The clock: Unix milliseconds."""
    backups: Backups = field(init=False)
    archives: Archives = field(init=False)
    live: Live = field(default_factory=Live)
    metrics: Metrics = field(default_factory=Metrics)
    conversations: Conversations = field(default_factory=Conversations)
    data_plane: DataPlane | None = None
    hurry_quotas: Callable[[str], int] = lambda connection: 0
    """Asks for the quotas of a connection, "" for all, before their time."""
    rehearsal: Rehearsal = field(default_factory=Rehearsal)

    def __post_init__(self) -> None:
        # One for all calls: it lets one restore run at a time.
        self.backups = Backups(self.store, self.now_ms)
        self.archives = Archives(self.store, self.backups, self.installation, self.now_ms)
