"""Every setting: its type, bounds, default and meaning, in one place.

The structs below are the single source for validation, for the names of environment variables and
for the generated reference (`docs/reference/config.md`); the text in `Meta(description=…)` is what
people read there. A key stands here only if it acts. `Meta(extra={"secret": True})` marks what must
never be shown; `repr` hides it. `extra={"file": True}` marks a path, made absolute on loading.

Units are part of the name: `_s` seconds, `_bytes` bytes.
"""

from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Literal, NamedTuple, get_args, get_origin

import msgspec
from msgspec import Meta, Struct

from omniroute.config.errors import ConfigError

Format = Literal["openai", "openai-responses", "claude", "gemini"]
Tier = Literal["subscription", "apikey", "cheap", "free", "local"]
SECRET: dict[str, Any] = {"secret": True}
FILE: dict[str, Any] = {"file": True}


class Setting(Struct, frozen=True, kw_only=True):
    """Base of all settings: immutable, built by name, silent about secrets."""

    def __repr__(self) -> str:
        shown = ", ".join(
            f"{field.name}={'***' if is_secret(field.type) else repr(getattr(self, field.name))}"
            for field in msgspec.structs.fields(self)
        )
        return f"{type(self).__name__}({shown})"


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
    """What the processes tell on standard error. Bodies and credentials are never logged."""

    level: Annotated[
        Literal["debug", "info", "warning", "error"],
        Meta(description="The least important level that is written."),
    ] = "info"
    format: Annotated[
        Literal["text", "json"], Meta(description="One line for people, or one JSON object.")
    ] = "text"


class StateSettings(Setting, frozen=True, kw_only=True):
    """The shared memory of the processes."""

    map_bytes: Annotated[
        int,
        Meta(
            ge=1 << 20,
            description="Size of the state file (LMDB); it is allocated on disk in advance.",
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


class ProviderSettings(Setting, frozen=True, kw_only=True):
    """One provider. A built-in id needs only what differs; a new id is a custom provider."""

    id: Annotated[
        str,
        Meta(
            pattern=r"^[a-z0-9][a-z0-9._-]{0,63}\Z",
            description="The prefix in model names: `acme` for `acme/some-model`. Small letters, "
            "digits, `.`, `_`, `-`.",
        ),
    ]
    format: Annotated[
        Format | None,
        Meta(description="Wire format the provider speaks. Required for a custom provider."),
    ] = None
    base_url: Annotated[
        str | None,
        Meta(
            description="Root as the vendor's SDK takes it: `…/v1` for openai and "
            "openai-responses, the bare root for claude and gemini. A full endpoint is recognised. "
            "Required for a custom provider."
        ),
    ] = None
    tier: Annotated[
        Tier | None, Meta(description="What using it costs. A custom provider is `apikey`.")
    ] = None
    models: Annotated[
        tuple[str, ...] | None,
        Meta(description="Models listed by `/v1/models`, in place of the built-in list."),
    ] = None
    restrict: Annotated[bool, Meta(description="Refuse models that are not listed.")] = False
    proxy: Annotated[str | None, Meta(description="Proxy for this provider.", extra=SECRET)] = None
    allow_private: Annotated[
        bool,
        Meta(
            description="Let its host name resolve to a loopback or private address. Not needed "
            "where `base_url` itself holds such an address or `localhost`."
        ),
    ] = False
    ca_file: Annotated[
        str | None,
        Meta(description="PEM file of authorities trusted for this provider.", extra=FILE),
    ] = None
    headers: Annotated[
        dict[str, str],
        Meta(description="Headers sent with every request, over the built-in ones.", extra=SECRET),
    ] = {}
    auth_header: Annotated[
        str | None,
        Meta(description="Header that carries the credential, such as `x-api-key`."),
    ] = None
    auth_value: Annotated[
        str | None,
        Meta(
            description="Value of that header around `{credential}`. Default: "
            "`Bearer {credential}` for `authorization`, else the bare credential."
        ),
    ] = None
    quirks: Annotated[
        tuple[str, ...] | None,
        Meta(
            description="How the service departs from its format, in place of what is built in "
            '(`[]`: not at all). Such as `"think-tags"`, `"system-to-user"`, `"sanitise"`; all of '
            "them: [Quirks](providers.md#quirks)."
        ),
    ] = None


class ConnectionSettings(Setting, frozen=True, kw_only=True):
    """One account or key of a provider; a provider may have several."""

    provider: Annotated[str, Meta(min_length=1, description="Id or short prefix of the provider.")]
    name: Annotated[
        str,
        Meta(
            pattern=r"^[A-Za-z0-9][A-Za-z0-9._@+-]{0,63}\Z",
            description="Name of the connection, unique within its provider.",
        ),
    ] = "main"
    api_key: Annotated[
        str,
        Meta(description="The credential. Best as `env:NAME` or `file:PATH`.", extra=SECRET),
    ] = ""
    base_url: Annotated[
        str | None, Meta(description="Root for this connection, in place of the provider's.")
    ] = None
    proxy: Annotated[str | None, Meta(description="Proxy for this connection.", extra=SECRET)] = (
        None
    )
    priority: Annotated[
        int, Meta(ge=0, le=1000000, description="Lower numbers are used first.")
    ] = 1


class KeySettings(Setting, frozen=True, kw_only=True):
    """One API key that clients present to the gateway."""

    name: Annotated[
        str,
        Meta(
            pattern=r"^[A-Za-z0-9][A-Za-z0-9._@+-]{0,63}\Z",
            description="Name under which requests are recorded.",
        ),
    ]
    key: Annotated[
        str,
        Meta(
            description="The key, at least 8 printable characters without spaces. Best as "
            "`env:NAME` or `file:PATH`.",
            extra=SECRET,
        ),
    ]


Step = str | int
Path = tuple[Step, ...]


class Origin(NamedTuple):
    """Where values came from: the file, the line of each key in it, other places by key."""

    file: str = ""
    lines: Mapping[Path, int] = {}
    places: Mapping[Path, str] = {}

    def problem(self, path: Path, message: str, hint: str = "") -> ConfigError:
        """An error at `path`; where that has no line of its own, its parent's."""
        for length in range(len(path), 0, -1):
            if path[:length] in self.places:
                place = self.places[path[:length]]
                return ConfigError(message, file=place, key=dotted(path), hint=hint)
            if path[:length] in self.lines:
                line = self.lines[path[:length]]
                return ConfigError(message, file=self.file, line=line, key=dotted(path), hint=hint)
        return ConfigError(message, file=self.file, key=dotted(path), hint=hint)


class Settings(Struct, frozen=True, kw_only=True):
    """A whole configuration. `origin` is not a setting: it lets later checks name the place."""

    server: ServerSettings = ServerSettings()
    limits: LimitSettings = LimitSettings()
    upstream: UpstreamSettings = UpstreamSettings()
    log: LogSettings = LogSettings()
    state: StateSettings = StateSettings()
    admin: AdminSettings = AdminSettings()
    providers: tuple[ProviderSettings, ...] = ()
    connections: tuple[ConnectionSettings, ...] = ()
    keys: tuple[KeySettings, ...] = ()
    origin: Origin = Origin()


class Section(NamedTuple):
    """A table of the file; `repeated` for `[[name]]`."""

    name: str
    struct: type[Setting]
    repeated: bool


def sections() -> Iterator[Section]:
    """The tables of the file in the order of the reference."""
    for field in msgspec.structs.fields(Settings):
        if get_origin(field.type) is tuple:
            yield Section(field.name, get_args(field.type)[0], True)
        elif field.type is not Origin:
            yield Section(field.name, field.type, False)


def dotted(path: Path) -> str:
    """`("providers", 2, "format")` as `providers[2].format`."""
    text = ""
    for step in path:
        text += f"[{step}]" if isinstance(step, int) else f".{step}" if text else step
    return text


def unwrap(annotation: Any) -> tuple[Any, Meta]:
    """The bare type of a setting and its `Meta`."""
    if get_origin(annotation) is Annotated:
        bare, meta = get_args(annotation)
        return bare, meta
    return annotation, Meta()


def is_secret(annotation: Any) -> bool:
    """May values of this type never be shown?"""
    return bool((unwrap(annotation)[1].extra or {}).get("secret"))


def is_file(annotation: Any) -> bool:
    """Are values of this type paths of files?"""
    return bool((unwrap(annotation)[1].extra or {}).get("file"))


def literals(bare: Any) -> list[str]:
    """The values a `Literal`, optional or not, allows; empty for any other type."""
    if type(None) in get_args(bare):
        bare = get_args(bare)[0]
    return list(get_args(bare)) if get_origin(bare) is Literal else []


def expected(annotation: Any) -> str:
    """What a value of this type looks like, in words."""
    bare, meta = unwrap(annotation)
    if choices := literals(bare):
        return "one of " + ", ".join(f'"{choice}"' for choice in choices)
    if get_origin(bare) is tuple:
        return "a list of strings"
    if get_origin(bare) is dict:
        return "a table of strings"
    if type(None) in get_args(bare):
        return expected(get_args(bare)[0])
    if bare is bool:
        return "true or false"
    if bare in (int, float):
        return _expected_number(bare, meta)
    return "a string"


def _expected_number(bare: type, meta: Meta) -> str:
    noun = "a whole number" if bare is int else "a number"
    if meta.ge is not None and meta.le is not None:
        return f"{noun} from {meta.ge} to {meta.le}"
    if meta.ge is not None:
        return f"{noun} of at least {meta.ge}"
    if meta.gt is not None:
        return f"{noun} above {meta.gt}"
    return noun
