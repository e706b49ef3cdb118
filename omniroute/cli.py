"""The command line: reads options, loads the configuration, hands over to the command.

Exit status: 0 done, 1 something is broken (`doctor`, a gateway that failed), 2 the configuration
or the options are refused. Everything heavy is imported by the command that needs it, so that
`--help` answers at once.
"""

import argparse
import os
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

from omniroute import __version__
from omniroute.client.parsing import add_commands

if TYPE_CHECKING:
    from omniroute.client.connection import Place
    from omniroute.config import Settings

EXIT_REFUSED: Final = 2

# Option (as argparse names it) → setting.
_OVERRIDES: Final = {
    "host": "server.host",
    "port": "server.port",
    "workers": "server.workers",
    "drain_timeout": "server.drain_timeout_s",
}


class Invocation(NamedTuple):
    """Where a command finds its configuration, and what the command line changes in it."""

    data_dir: Path
    config_file: Path | None
    overrides: dict[str, object]

    def load(self) -> "Settings":
        """The settings in force. Raises ConfigError."""
        from omniroute.config import load

        return load(self.overrides, os.environ, self.config_file, self.data_dir)


def build_parser() -> argparse.ArgumentParser:
    """The parser of all commands; the reference page is made from it, too."""
    files = _group_of_options()
    files.add_argument(
        "--config",
        metavar="FILE",
        help="configuration file (default: ./omniroute.toml, else the one in the data directory)",
    )
    files.add_argument(
        "--data-dir", metavar="DIR", help="directory of keys, state and history (~/.omniroute)"
    )
    serving = _group_of_options()
    serving.add_argument("--host", metavar="H", help="address to listen on (127.0.0.1)")
    serving.add_argument("--port", metavar="N", help="port of the gateway (20128)")
    serving.add_argument("--workers", metavar="N", help="data-plane processes (1)")
    serving.add_argument(
        "--drain-timeout",
        metavar="SECONDS",
        help="how long running requests may finish after SIGTERM (30)",
    )
    serving.add_argument("--no-open", action="store_true", help="do not open a browser")

    parser = argparse.ArgumentParser(
        prog="omniroute",
        description="A self-hosted AI gateway. Without a command it serves.",
        epilog="Every other setting stands in omniroute.toml or in the environment; "
        "docs/reference/config.md lists them.",
        parents=[files, serving],
        argument_default=argparse.SUPPRESS,
    )
    parser.add_argument("--version", action="version", version=f"omniroute {__version__}")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", title="commands")
    commands.add_parser(
        "serve",
        parents=[files, serving],
        argument_default=argparse.SUPPRESS,
        help="start the gateway and the dashboard (the default)",
        description="Start the gateway and the dashboard; the same as omniroute without a command.",
    )
    commands.add_parser(
        "demo",
        parents=[serving],
        argument_default=argparse.SUPPRESS,
        help="try it: the gateway against a built-in upstream, without account or network",
        description="Start the gateway against the built-in upstream simulator, in a temporary "
        "data directory with fresh keys, send one streamed request per client format through it, "
        "show what came back, and keep serving.",
    )
    check = commands.add_parser(
        "check",
        parents=[files],
        argument_default=argparse.SUPPRESS,
        help="validate the configuration and print the URL of each provider",
        description="Validate the configuration and print the URL each provider resolves to. "
        "Nothing is started, contacted or written.",
    )
    check.add_argument("file", metavar="FILE", nargs="?", help="the same as --config FILE")
    commands.add_parser(
        "doctor",
        parents=[files],
        argument_default=argparse.SUPPRESS,
        help="examine data directory, ports, extensions and the way to each provider",
        description="Examine the data directory, the ports, the compiled extensions and the way "
        "to each provider, one line each. Exit status 1 when something is broken.",
    )
    rotate = commands.add_parser(
        "rotate-key",
        parents=[files],
        argument_default=argparse.SUPPRESS,
        help="make a new encryption key and seal everything stored with it",
        description="Make a new encryption key and seal every stored secret anew. The gateway must "
        "not run meanwhile. The old key is kept until all is done, and then removed: backups made "
        "before open with it only.",
    )
    rotate.add_argument(
        "--keep-old",
        action="store_true",
        help="leave the old key in encryption.key, so that older backups still open",
    )
    add_commands(commands, [files])
    return parser


def _group_of_options() -> argparse.ArgumentParser:
    # Absent options leave no trace: `omniroute --port 1 serve` would otherwise lose the port to
    # the default that the command's own parser fills in.
    return argparse.ArgumentParser(add_help=False, argument_default=argparse.SUPPRESS)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line (default: the process's own). Returns the exit status."""
    options = build_parser().parse_args(arguments)
    command = getattr(options, "command", None) or "serve"
    from omniroute.config import ConfigError
    from omniroute.installation import InstallationError

    try:
        if command == "demo":
            return _demo(options)
        invocation = _invocation(options)
        if hasattr(options, "asked"):
            from omniroute.client.asking import run

            return run(options, partial(_place, options, invocation), sys.stdout)
        if command == "check":
            from omniroute.check import check

            return check(invocation.config_file, invocation.load(), sys.stdout)
        if command == "doctor":
            from omniroute.doctor import doctor

            return doctor(invocation.data_dir, invocation.load(), sys.stdout)
        if command == "rotate-key":
            from omniroute.rotation import rotate

            keep_old = hasattr(options, "keep_old")
            return rotate(invocation.data_dir, sys.stdout, keep_old=keep_old)
        return _serve(options, invocation)
    except ConfigError as error:
        print(f"omniroute: the configuration is refused\n{error}", file=sys.stderr)
    except InstallationError as error:
        print(f"omniroute: {error}", file=sys.stderr)
    return EXIT_REFUSED


def _invocation(options: argparse.Namespace) -> Invocation:
    from omniroute.config import find_config_file, find_data_dir

    here = Path.cwd()
    data_dir = find_data_dir(getattr(options, "data_dir", None), os.environ, here)
    named = getattr(options, "file", None) or getattr(options, "config", None)
    return Invocation(
        data_dir=data_dir,
        config_file=find_config_file(named, os.environ, data_dir, here),
        overrides=_overrides(options),
    )


def _place(options: argparse.Namespace, invocation: Invocation) -> "Place":
    """Where the gateway is that a command asks. Raises ConfigError, GatewayError."""
    from omniroute.client.connection import local, remote

    if hasattr(options, "url"):
        return remote(options.url)
    server = invocation.load().server
    host = server.host if server.host not in ("0.0.0.0", "::") else "localhost"
    shown = f"[{host}]" if ":" in host else host
    return local(invocation.data_dir, f"http://{shown}:{server.dashboard_port}")


def _overrides(options: argparse.Namespace) -> dict[str, object]:
    given = vars(options)
    return {key: given[option] for option, key in _OVERRIDES.items() if option in given}


def _serve(options: argparse.Namespace, invocation: Invocation) -> int:
    from omniroute.installation import prepare_data_dir
    from omniroute.supervisor import SupervisorPlan, run

    settings = invocation.load()
    os.umask(0o077)  # whatever any process of ours creates is for this user alone
    prepare_data_dir(invocation.data_dir)
    server = settings.server
    return run(
        SupervisorPlan(
            data_dir=invocation.data_dir,
            config_file=invocation.config_file,
            host=server.host,
            port=server.port,
            dashboard_port=server.dashboard_port,
            split_ports=server.split_ports,
            workers=server.workers,
            drain_timeout_s=server.drain_timeout_s,
            heartbeat_timeout_s=server.heartbeat_timeout_s,
            open_browser=not hasattr(options, "no_open"),
            log_level=settings.log.level,
            log_format=settings.log.format,
            log_rotation=settings.log.rotation,
            overrides=invocation.overrides,
        )
    )


def _demo(options: argparse.Namespace) -> int:
    from omniroute import demo

    os.umask(0o077)
    return demo.run(_overrides(options), open_browser=not hasattr(options, "no_open"))


if __name__ == "__main__":
    sys.exit(main())
