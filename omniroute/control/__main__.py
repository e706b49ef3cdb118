"""`python -m omniroute.control`, started by the supervisor only.

Order for a quick start: make what the workers wait for, tell the supervisor, and only then import
Trio, the SQL library and the web server. Errors that a person must put right are told to the
supervisor as `refused`; it decides whether the gateway goes on without this process.
"""

import argparse
import json
import logging
import signal
import socket
import sys
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path

from omniroute import logs
from omniroute.config import ConfigError
from omniroute.control import bootstrap
from omniroute.control.configuration import Sources
from omniroute.installation import InstallationError
from omniroute.link import SyncLink
from omniroute.providers.registry import RegistryError
from omniroute.state.interface import StateError
from omniroute.store.interface import StoreError

_REFUSALS = (ConfigError, InstallationError, RegistryError, StateError, StoreError)

_log = logging.getLogger("omniroute.control")


def main(argv: list[str] | None = None) -> int:
    # The terminal signals the whole group; the supervisor answers, and tells over the link.
    for number in (signal.SIGINT, signal.SIGTERM, getattr(signal, "SIGHUP", signal.SIGTERM)):
        signal.signal(number, signal.SIG_IGN)
    logs.tell_where_it_hangs()
    given = _arguments(argv)
    logs.configure(
        "control",
        level=given.log_level,
        format_=given.log_format,
        directory=given.data_dir / logs.FILES_IN,
        rotation=given.log_rotation,
    )
    link_socket = socket.socket(fileno=given.link_fd)
    link = SyncLink(link_socket)
    sources = Sources(json.loads(given.overrides), given.config, given.data_dir)
    try:
        foundation = bootstrap.build(given.data_dir, sources, is_replacement=given.is_replacement)
        for warning in (*foundation.warnings, *foundation.configuration.problems()):
            _log.warning("%s", warning)
        new_key = foundation.new_key
        map_bytes = foundation.settings.state.map_bytes
        link.send("published", map_bytes=map_bytes, first_start=new_key is not None)
        if new_key is not None:
            told = bootstrap.complete_first_start(foundation, new_key, given.dashboard)
            link.send("first_start", **asdict(told))
            bootstrap.mark_told(foundation)
    except _REFUSALS as error:
        # The supervisor shows it when it ends the start; else the log has to.
        if given.is_replacement:
            _log.error("%s", error)
        with suppress(BrokenPipeError):  # it is gone, and so shall we be
            link.send("refused", message=str(error))
        link.close()
        return 2
    except BrokenPipeError:
        _log.warning("the supervisor is gone; leaving")
        return 1

    with link.leaving_with_the_other():  # which takes a second or two
        import trio

        from omniroute.control.process import ControlProcess, StateReplaced

    process = ControlProcess(
        foundation,
        link_socket=link.detach(),
        dashboard_socket=socket.socket(fileno=given.dashboard_fd),
        endpoint=given.endpoint,
        dashboard=given.dashboard,
    )
    status = 0
    try:
        trio.run(process.run)
    except* (StateReplaced, StoreError) as group:
        for problem in group.exceptions:
            _log.error("%s", problem)
        status = 1
    return status


def _arguments(argv: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="omniroute.control")
    parser.add_argument("--data-dir", type=Path, required=True)
    parser.add_argument("--dashboard-fd", type=int, required=True)
    parser.add_argument("--link-fd", type=int, required=True)
    parser.add_argument("--config", type=Path)
    parser.add_argument("--overrides", default="{}")
    parser.add_argument("--endpoint", default="")
    parser.add_argument("--dashboard", default="")
    parser.add_argument("--is-replacement", action="store_true")
    parser.add_argument("--log-level", default="info", choices=logs.LEVELS)
    parser.add_argument("--log-format", default="text", choices=logs.FORMATS)
    parser.add_argument("--log-rotation", type=logs.Rotation.parse)
    return parser.parse_args(argv)


if __name__ == "__main__":
    sys.exit(main())
