"""The supervisor: the parent that binds the ports, holds every other process and ends in order.

`run(plan)` is all of it. `start` binds and spawns with the standard library alone; `house` then
keeps the processes, on Trio. Nothing heavier is imported here: what a parent does not have cannot
break it.
"""

from omniroute.supervisor.plan import (
    EXIT_FAILED,
    EXIT_OK,
    EXIT_REFUSED,
    Ready,
    SupervisorPlan,
)
from omniroute.supervisor.start import run

__all__ = ["EXIT_FAILED", "EXIT_OK", "EXIT_REFUSED", "Ready", "SupervisorPlan", "run"]
