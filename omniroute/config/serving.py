"""Settings of the processes: what they listen on, hold, log, and how they reach upstreams."""

from typing import Annotated, Literal

from msgspec import Meta

from omniroute.config.setting import FILE, SECRET, Setting
from omniroute.logs import Rotation


class ServerSettings(Setting, frozen=True, kw_only=True):
    """What the gateway listens on, and how it treats those who call."""

    host: Annotated[
        str,
        Meta(
            min_length=1,
            description="Address or name to listen on. Anything but loopback needs "
            "`require_api_key = true`.",
        ),
    ] = "127.0.0.1"
    port: Annotated[
        int,
        Meta(ge=0, le=65535, description="Port of the data plane; 0 takes any free one."),
    ] = 20128
    workers: Annotated[
        int, Meta(ge=1, le=256, description="Data-plane processes; one uses about one core.")
    ] = 1
    dashboard_port: Annotated[
        int,
        Meta(
            ge=0,
            le=65535,
            description="Port of the dashboard and the management API; 0 takes any free one.",
        ),
    ] = 20129
    split_ports: Annotated[
        bool,
        Meta(description="Serve the dashboard and `/api` on `dashboard_port` only."),
    ] = False
    require_api_key: Annotated[
        bool, Meta(description="Refuse requests without a known API key.")
    ] = True
    proxy: Annotated[
        str | None,
        Meta(
            description="Proxy for every provider that names none itself: `http://`, `https://` or "
            "`socks5://`, credentials allowed.",
            extra=SECRET,
        ),
    ] = None
    drain_timeout_s: Annotated[
        float, Meta(ge=0, description="How long running requests may finish after SIGTERM.")
    ] = 30.0
    heartbeat_timeout_s: Annotated[
        float,
        Meta(gt=0, description="A process silent for this long is killed and replaced."),
    ] = 5.0
    keepalive_s: Annotated[
        float,
        Meta(gt=0, description="Silence in a stream after which a keepalive comment is sent."),
    ] = 15.0
    keepalive_responses_s: Annotated[
        float,
        Meta(
            gt=0,
            description="The same in the Responses dialect, if that is less: Codex gives up after "
            "5 s of silence.",
        ),
    ] = 4.0
    cors_origins: Annotated[
        tuple[str, ...],
        Meta(
            description="Web origins that may call the data plane from a browser, such as "
            "`https://chat.example.org`; `*` allows all."
        ),
    ] = ()
    allowed_hosts: Annotated[
        tuple[str, ...],
        Meta(
            description="Further `Host` names to accept, beside loopback, this machine's name and "
            "the address listened on."
        ),
    ] = ()
    trusted_proxies: Annotated[
        tuple[str, ...],
        Meta(
            description="Addresses and networks of reverse proxies in front of this gateway, such "
            "as `127.0.0.1`, `10.0.0.0/8`: what they say in `X-Forwarded-For` of a client's "
            "address is believed."
        ),
    ] = ()


class LimitSettings(Setting, frozen=True, kw_only=True):
    """Bounds on what one client may send, take and hold."""

    head_bytes: Annotated[
        int, Meta(ge=1024, le=1 << 20, description="Request line and headers of one request.")
    ] = 65536
    header_count: Annotated[int, Meta(ge=8, le=10000, description="Headers of one request.")] = 100
    body_bytes: Annotated[
        int,
        Meta(ge=1024, description="Request body, as received and again when decompressed."),
    ] = 33554432
    answer_bytes: Annotated[
        int,
        Meta(ge=1024, description="Unstreamed upstream answer, as received and decompressed."),
    ] = 33554432
    event_bytes: Annotated[int, Meta(ge=1024, description="One event of an upstream stream.")] = (
        8388608
    )
    head_s: Annotated[float, Meta(gt=0, description="Time for a request's headers to arrive.")] = (
        15.0
    )
    body_s: Annotated[float, Meta(gt=0, description="Time for a request's body to arrive.")] = 120.0
    idle_s: Annotated[
        float, Meta(gt=0, description="Time a kept-alive client connection may rest.")
    ] = 75.0
    write_s: Annotated[
        float, Meta(gt=0, description="Time a client may take nothing of an answer.")
    ] = 60.0
    connections: Annotated[int, Meta(ge=1, description="Client connections one worker holds.")] = (
        8192
    )
    connections_per_address: Annotated[
        int, Meta(ge=1, description="Client connections one worker holds from one address.")
    ] = 4096


class UpstreamSettings(Setting, frozen=True, kw_only=True):
    """How upstreams are reached."""

    connect_s: Annotated[
        float, Meta(gt=0, description="Time to resolve, connect, pass a proxy and shake TLS hands.")
    ] = 10.0
    first_byte_s: Annotated[
        float, Meta(gt=0, description="Time from the request sent to the answer's first byte.")
    ] = 300.0
    idle_s: Annotated[
        float, Meta(gt=0, description="Silence allowed between two bytes of an answer.")
    ] = 120.0
    pool_idle_s: Annotated[
        float, Meta(ge=0, description="How long an unused upstream connection is kept.")
    ] = 55.0
    pool_size: Annotated[
        int, Meta(ge=1, description="Connections per origin, proxy and TLS setting, in a worker.")
    ] = 1024
    dns_ttl_s: Annotated[
        float, Meta(ge=0, description="How long a resolved name is remembered.")
    ] = 60.0
    ca_file: Annotated[
        str | None,
        Meta(
            description="PEM file of certificate authorities trusted beside the system's.",
            extra=FILE,
        ),
    ] = None
    allow_private: Annotated[
        bool,
        Meta(
            description="Let every provider resolve to a loopback or private address; without it "
            "only those whose `base_url` names one, or with their own `allow_private`."
        ),
    ] = False


class LogSettings(Setting, frozen=True, kw_only=True):
    """What the processes tell on standard error and, a JSON object a line, in files in the data
    directory's `logs`. Bodies and credentials are never logged.
    """

    level: Annotated[
        Literal["debug", "info", "warning", "error"],
        Meta(description="The least important level that is written."),
    ] = "info"
    format: Annotated[
        Literal["text", "json"],
        Meta(description="On standard error: one line for people, or one JSON object."),
    ] = "text"
    files: Annotated[bool, Meta(description="Write the files, too.")] = True
    file_bytes: Annotated[
        int,
        Meta(ge=0, le=1 << 40, description="Size at which a file is full; 0 is no limit."),
    ] = 10_000_000
    file_count: Annotated[
        int, Meta(ge=0, le=1_000_000, description="Full files that are kept; 0 keeps all.")
    ] = 20
    file_days: Annotated[
        int, Meta(ge=0, le=36_500, description="How long files are kept; 0 is no limit.")
    ] = 7

    @property
    def rotation(self) -> Rotation | None:
        """Of the files; None where none are to be written."""
        return Rotation(self.file_bytes, self.file_count, self.file_days) if self.files else None


class StateSettings(Setting, frozen=True, kw_only=True):
    """The shared memory of the processes."""

    map_bytes: Annotated[
        int,
        Meta(
            ge=1 << 20,
            description="Size of the state file (LMDB); it is allocated on disk in advance. The "
            "cache gets half of it at most.",
        ),
    ] = 268435456


class AdminSettings(Setting, frozen=True, kw_only=True):
    """Who may manage the gateway."""

    initial_password: Annotated[
        str,
        Meta(
            description="Dashboard password set at the very first start, at least 10 characters; "
            "empty generates one and prints it once. Later starts ignore it.",
            extra=SECRET,
        ),
    ] = ""
