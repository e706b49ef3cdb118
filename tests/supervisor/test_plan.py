"""A plan's defaults are those of the settings, so that nothing starts differently without them."""

from pathlib import Path

from omniroute.config import ServerSettings
from omniroute.supervisor import SupervisorPlan


def test_the_defaults_are_those_of_the_settings() -> None:
    plan, server = SupervisorPlan(data_dir=Path("d")), ServerSettings()
    for name in (
        "host",
        "port",
        "dashboard_port",
        "split_ports",
        "workers",
        "drain_timeout_s",
        "heartbeat_timeout_s",
    ):
        assert getattr(plan, name) == getattr(server, name), name
