"""The first milliseconds: hold the data dir, bind the ports, spawn the children; then Trio."""

import os
import sys

from omniroute import logs, ports
from omniroute.supervisor import lock
from omniroute.supervisor.plan import EXIT_REFUSED, SupervisorPlan
from omniroute.supervisor.slots import Slots


def run(plan: SupervisorPlan) -> int:
    """Run the gateway until a signal ends it. Returns the process's exit status.

    0 after a drain, 1 when it was cut short or broke, 2 when ports, data dir or configuration
    cannot be used (said on standard error).
    """
    logs.configure(
        "supervisor",
        level=plan.log_level,
        format_=plan.log_format,
        directory=plan.data_dir / logs.FILES_IN,
        rotation=plan.log_rotation,
    )
    try:
        held = lock.hold(plan.data_dir)
        try:
            with (
                ports.listen(plan.host, plan.port) as data_socket,
                ports.listen(plan.host, plan.dashboard_port) as dashboard_socket,
            ):
                return _live(plan, Slots(plan, data_socket, dashboard_socket))
        finally:
            os.close(held)
    except (ports.PortTaken, lock.DataDirInUse) as error:
        print(f"omniroute: {error}", file=sys.stderr)
        return EXIT_REFUSED


def _live(plan: SupervisorPlan, slots: Slots) -> int:
    try:
        slots.spawn_all()
        # Only now: the children start up while this process imports.
        import trio

        from omniroute.supervisor.house import House

        return trio.run(House(plan, slots).run)
    finally:
        slots.kill_all()
