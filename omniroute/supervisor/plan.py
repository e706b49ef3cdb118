"""What the supervisor is told, and what it tells once everything is up."""

import socket
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from omniroute.logs import Rotation

EXIT_OK = 0
EXIT_FAILED = 1
EXIT_REFUSED = 2  # what the user gave cannot be used: configuration, ports, data dir


@dataclass(frozen=True)
class Ready:
    """What is known once requests are answered: URLs, and on a first start what is shown once."""

    endpoint: str  # "http://127.0.0.1:20128", without /v1
    dashboard: str  # "http://127.0.0.1:20129"
    first_start: Mapping[str, Any]  # {} or password, link, api_key


@dataclass(frozen=True)
class SupervisorPlan:
    """Everything the supervisor is told. Times in seconds; port 0 means any free one."""

    data_dir: Path
    config_file: Path | None = None
    host: str = "127.0.0.1"
    port: int = 20128
    dashboard_port: int = 20129
    split_ports: bool = False
    workers: int = 1
    drain_timeout_s: float = 30.0
    heartbeat_timeout_s: float = 5.0
    open_browser: bool = False
    log_level: str = "info"
    log_format: str = "text"
    log_rotation: Rotation | None = None  # of the log files; None writes none
    # The command line's settings, as `config.load` takes them; control loads again on reload.
    overrides: Mapping[str, Any] = field(default_factory=dict)
    # A bound listening socket for the built-in upstream, which is then run as one more child.
    simulator: bool = False
    simulator_socket: socket.socket | None = None
    # Run once in the supervisor's own loop when everything is up (the demo's first requests).
    after_ready: Callable[[Ready], Awaitable[None]] | None = None
