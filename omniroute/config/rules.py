"""Rules that a type cannot state: addresses, URLs, names, and what must not be combined.

`check_rules` yields every problem of otherwise well-typed settings, those of `routing_rules`,
`spending_rules` and `guarding_rules` among them. What needs the registry of providers is checked
when the snapshot is compiled.
"""

import re
from collections.abc import Iterator
from pathlib import Path

from omniroute.config.errors import ConfigError
from omniroute.config.guarding_rules import check_guarding
from omniroute.config.providing import ProviderSettings
from omniroute.config.routing_rules import check_routing
from omniroute.config.schema import Origin, Settings
from omniroute.config.spending_rules import check_spending
from omniroute.config.urls import url_problem

SHORTEST_KEY = 8
SHORTEST_PASSWORD = 10

# The original shipped these; whoever copies an old .env must not open the door with them.
_SHIPPED_PASSWORDS = frozenset({"123456", "CHANGEME", "changeme"})

_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")  # RFC 9110, 5.6.2
_ORIGIN = re.compile(r"[a-z][a-z0-9+.-]*://(\[[0-9a-f:.]+\]|[^\s/:@\[\]]+)(:\d{1,5})?", re.I)
_HOST = re.compile(r"\[[0-9a-f:.]+\]|[^\s/:@\[\]]+", re.I)
_PROXY = re.compile(
    r"(?P<scheme>[a-z0-9]+)://(?:[^\s/@]*@)?(?:\[[0-9a-f:.]+\]|[^\s/:@\[\]]+)(?::(?P<port>\d{1,5}))?/?",
    re.I,
)
_PRINTABLE = re.compile(r"[\x21-\x7e]+")
_HOP_BY_HOP = frozenset(
    {"connection", "keep-alive", "te", "trailer", "transfer-encoding", "upgrade", "expect"}
)
_OWN_HEADERS = _HOP_BY_HOP | {"host", "content-length", "content-type", "accept-encoding", "via"}


def check_rules(settings: Settings) -> Iterator[ConfigError]:
    """Every broken rule of these settings."""
    yield from _check_server(settings)
    yield from _check_admin(settings)
    yield from _check_ca_file(settings.origin, ("upstream", "ca_file"), settings.upstream.ca_file)
    for index, provider in enumerate(settings.providers):
        yield from _check_provider(settings.origin, ("providers", index), provider)
    yield from _check_connections(settings)
    for index, combo in enumerate(settings.combos):
        yield from _check_proxy(settings.origin, ("combos", index, "proxy"), combo.proxy)
    yield from _check_keys(settings)
    yield from check_routing(settings)
    yield from check_spending(settings)
    yield from check_guarding(settings)


def is_loopback(host: str) -> bool:
    """Does listening on `host` stay on this machine? A name other than localhost may not."""
    import ipaddress

    if host.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def proxy_problem(proxy: str) -> str:
    """Why this is no proxy URL, "" when it is one. Never repeats it: it may hold a password."""
    match = _PROXY.fullmatch(proxy)
    if match is None:
        return "is not a proxy URL"
    if match["scheme"].lower() not in ("http", "https", "socks5"):
        return f"is a proxy of the kind {match['scheme']}, which is not supported"
    if match["port"] and not 0 < int(match["port"]) < 65536:
        return "has a port that does not exist"
    return ""


def _check_server(settings: Settings) -> Iterator[ConfigError]:
    server, origin = settings.server, settings.origin
    if not server.require_api_key and not is_loopback(server.host):
        yield origin.problem(
            ("server", "require_api_key"),
            f"is false while the gateway listens on {server.host}: whoever reaches that address "
            "could spend your accounts",
            "leave it true, or listen on 127.0.0.1",
        )
    if server.port == server.dashboard_port != 0:
        yield origin.problem(
            ("server", "dashboard_port"), "is the same port as server.port", "choose another one"
        )
    yield from _check_proxy(origin, ("server", "proxy"), server.proxy)
    for index, value in enumerate(server.cors_origins):
        if value != "*" and _ORIGIN.fullmatch(value) is None:
            yield origin.problem(
                ("server", "cors_origins", index),
                f"{value!r} is not a web origin",
                "scheme, host and port without a path, such as https://chat.example.org, or *",
            )
    for index, value in enumerate(server.allowed_hosts):
        if _HOST.fullmatch(value) is None:
            yield origin.problem(
                ("server", "allowed_hosts", index),
                f"{value!r} is not a host name",
                "the name alone, without scheme, port and path",
            )


def _check_admin(settings: Settings) -> Iterator[ConfigError]:
    password, path = settings.admin.initial_password, ("admin", "initial_password")
    if password in _SHIPPED_PASSWORDS:
        yield settings.origin.problem(
            path, "is a password that everybody knows", "leave it out and one is generated"
        )
    elif password and len(password) < SHORTEST_PASSWORD:
        yield settings.origin.problem(
            path, "is too short", f"take at least {SHORTEST_PASSWORD} characters"
        )


def _check_provider(
    origin: Origin, path: tuple[str | int, ...], provider: ProviderSettings
) -> Iterator[ConfigError]:
    yield from _check_base_url(origin, (*path, "base_url"), provider.base_url)
    yield from _check_proxy(origin, (*path, "proxy"), provider.proxy)
    yield from _check_ca_file(origin, (*path, "ca_file"), provider.ca_file)
    for name, value in provider.headers.items():
        where = (*path, "headers", name)
        if _TOKEN.fullmatch(name) is None:
            yield origin.problem(where, "is not a header name")
        elif name.lower() in _OWN_HEADERS:
            yield origin.problem(where, "is a header that the gateway sets itself")
        if not _is_header_value(value):
            yield origin.problem(where, "has a value with characters no header may hold")
    if provider.auth_header is not None and (
        _TOKEN.fullmatch(provider.auth_header) is None
        or provider.auth_header.lower() in _OWN_HEADERS
    ):
        yield origin.problem(
            (*path, "auth_header"), f"{provider.auth_header!r} cannot carry a credential"
        )
    if provider.auth_value is not None and (
        provider.auth_value.count("{credential}") != 1 or not _is_header_value(provider.auth_value)
    ):
        yield origin.problem(
            (*path, "auth_value"),
            "must hold {credential} exactly once",
            'as in auth_value = "Key {credential}"',
        )
    for index, model in enumerate(provider.models or ()):
        if not model.strip() or model != model.strip():
            yield origin.problem((*path, "models", index), f"{model!r} is not a model id")
    if provider.restrict and provider.models == ():
        yield origin.problem((*path, "restrict"), "leaves no model, since models is empty")


def _check_connections(settings: Settings) -> Iterator[ConfigError]:
    origin = settings.origin
    for index, connection in enumerate(settings.connections):
        path = ("connections", index)
        yield from _check_base_url(origin, (*path, "base_url"), connection.base_url)
        yield from _check_proxy(origin, (*path, "proxy"), connection.proxy)
        if not _is_header_value(connection.api_key) or connection.api_key.strip() != (
            connection.api_key
        ):
            yield origin.problem(
                (*path, "api_key"), "holds spaces around it or characters no header may hold"
            )


def _check_keys(settings: Settings) -> Iterator[ConfigError]:
    names: set[str] = set()
    for index, key in enumerate(settings.keys):
        path = ("keys", index)
        if settings.origin.owner(path) is not None:
            continue  # only its digest is kept, and its id tells it from the others
        if len(key.key) < SHORTEST_KEY or _PRINTABLE.fullmatch(key.key) is None:
            yield settings.origin.problem(
                (*path, "key"),
                "is no API key",
                f"at least {SHORTEST_KEY} printable characters without spaces",
            )
        if key.name in names:
            yield settings.origin.problem((*path, "name"), f"{key.name!r} is taken already")
        names.add(key.name)


def _check_base_url(
    origin: Origin, path: tuple[str | int, ...], base_url: str | None
) -> Iterator[ConfigError]:
    problem = "" if base_url is None else url_problem(base_url)
    if problem:
        yield origin.problem(path, problem, "such as https://api.example.org/v1")


def _check_proxy(
    origin: Origin, path: tuple[str | int, ...], proxy: str | None
) -> Iterator[ConfigError]:
    problem = "" if proxy is None else proxy_problem(proxy)
    if problem:
        yield origin.problem(path, problem, "http://, https:// or socks5:// with host and port")


def _check_ca_file(
    origin: Origin, path: tuple[str | int, ...], ca_file: str | None
) -> Iterator[ConfigError]:
    if ca_file is not None and not Path(ca_file).is_file():
        yield origin.problem(path, f"{ca_file!r} is not a file", "a PEM file of certificates")


def _is_header_value(text: str) -> bool:
    return text.isascii() and all(" " <= letter != "\x7f" or letter == "\t" for letter in text)
