"""Each connect through a proxy is told, with whose it was, and without anybody's password."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any, cast

import pytest

from omniroute.gateway.courier import Courier
from omniroute.gateway.proxy_log import ProxyLog, ProxyWatch, whose, without_credentials
from omniroute.net.connector import ConnectFailed, Connector, Origin
from omniroute.net.readiness import open_readiness
from omniroute.net.transport import memory_pair
from omniroute.spool import ProxyConnect, Spool

HERE = Origin("https", "api.example", 443)
PROXY = "http://user:hunter2@proxy.example:3128"


class Account:
    """What is asked of a target here."""

    def __init__(self, id_: str, proxy: str | None, level: str = "") -> None:
        self.connection_id = id_
        self.provider_id = id_.partition("/")[0]
        self.origin = HERE._replace(proxy=proxy)
        self.proxy_level = level


def told(proxy: str, accounts: Iterable[Account], for_all: str | None = None) -> Any:
    return whose(HERE._replace(proxy=proxy), cast(Any, list(accounts)), for_all)


@pytest.mark.parametrize(
    ("accounts", "for_all", "expected"),
    [
        ([Account("a/1", PROXY, "connection")], None, ("connection", "a", "a/1")),
        ([Account("a/1", PROXY, "provider")], None, ("provider", "a", "a/1")),
        ([Account("a/1", PROXY)], PROXY, ("global", "a", "a/1")),
        ([Account("a/1", PROXY)], None, ("environment", "a", "a/1")),
        ([Account("a/1", None)], None, ("combo", "a", "a/1")),
        (
            [Account("a/1", PROXY, "connection"), Account("a/2", None)],
            None,
            ("connection", "a", "a/1"),
        ),
        ([Account("a/1", PROXY), Account("a/2", PROXY)], PROXY, ("global", "a", "")),
        ([Account("a/1", PROXY), Account("b/1", PROXY)], PROXY, ("global", "", "")),
        ([Account("a/1", PROXY), Account("a/2", PROXY, "connection")], PROXY, ("", "a", "")),
        ([], PROXY, ("", "", "")),
    ],
)
def test_a_connect_is_whose_it_is_alone(accounts, for_all, expected):
    assert told(PROXY, accounts, for_all) == expected


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        (PROXY, "http://proxy.example:3128"),
        ("socks5://[2001:db8::1]:9050", "socks5://[2001:db8::1]:9050"),
        ("https://proxy.example", "https://proxy.example:443"),
        ("ftp://proxy.example", ""),
        ("http://proxy.example:port", ""),
    ],
)
def test_a_proxy_is_shown_without_its_credentials(url, shown):
    assert without_credentials(url) == shown


class View:
    def __init__(self, *accounts: Account) -> None:
        self.targets = {"a": accounts}
        self.server = self
        self.proxy = None


def entries(spool: Spool) -> list[ProxyConnect]:
    found = [entry for file in spool.waiting() for entry in spool.read(file)]
    return [entry for entry in found if isinstance(entry, ProxyConnect)]


def test_what_came_of_it_is_written_down(tmp_path: Path) -> None:
    spool = Spool(tmp_path / "spool")
    courier = Courier(spool)
    view = View(Account("a/1", PROXY, "connection"))
    log = ProxyLog(courier, lambda: 5000, lambda: cast(Any, view))
    log.note(HERE._replace(proxy=PROXY), 1.5, "")
    log.note(HERE._replace(proxy=PROXY, host="2001:db8::2"), 0.25, "no route; password=hunter2")
    courier.flush()
    first, second = entries(spool)
    assert (first.at_ms, first.took_us, first.outcome) == (3500, 1_500_000, "ok")
    assert (first.proxy, first.target) == ("http://proxy.example:3128", "api.example:443")
    assert (first.level, first.provider, first.connection) == ("connection", "a", "a/1")
    assert (second.target, second.outcome) == ("[2001:db8::2]:443", "failed")
    assert second.error == "no route; password=[redacted]"
    assert "hunter2" not in repr([first, second])


async def test_only_connects_through_proxies_are_told(
    monkeypatch: pytest.MonkeyPatch, autojump_clock: object
) -> None:
    async def connect(self: Connector, origin: Origin) -> Any:
        if origin.host == "gone.example":
            raise ConnectFailed("nobody there")
        return memory_pair()[0]

    monkeypatch.setattr(Connector, "connect", connect)
    seen: list[tuple[str, str]] = []
    connector = ProxyWatch(open_readiness())
    connector.watch = lambda origin, took_s, error: seen.append((origin.host, error))
    await connector.connect(HERE)
    await connector.connect(HERE._replace(proxy=PROXY))
    with pytest.raises(ConnectFailed):
        await connector.connect(HERE._replace(proxy=PROXY, host="gone.example"))
    assert seen == [("api.example", ""), ("gone.example", "nobody there")]
