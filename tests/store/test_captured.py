"""Captured bodies and connects: on the disk when the call returns, in the order people read."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from omniroute.store.captured import ConnectFilter
from omniroute.store.database import Store
from omniroute.store.interface import ProxyConnect, StoredBody, StoreError


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    store = Store.open(tmp_path / "omniroute.sqlite")
    yield store
    store.close()


def test_bodies_of_a_request_come_the_clients_first(store):
    bodies = [
        StoredBody("r", 0, "client", "request", 5, 10, b"a"),
        StoredBody("r", 0, "client", "response", 5, 20, b"b"),
        StoredBody("r", 1, "upstream", "request", 5, 30, b"c"),
        StoredBody("r", 2, "upstream", "request", 5, 40, b"d"),
    ]
    store.bodies.add([*bodies[::-1], StoredBody("s", 0, "client", "request", 5, 1, b"x")])
    store.bodies.add([bodies[0]._replace(sealed=b"again")])
    assert store.bodies.of("r") == bodies
    assert store.bodies.of("none") == []
    store.bodies.add([])


def test_what_must_be_kept_is_not_part_of_what_may_be_undone(store):
    body = StoredBody("r", 0, "client", "request", 5, 10, b"a")
    connect = ProxyConnect(1, "p", "t:1", "global", "", "", "ok")
    for act in (lambda: store.bodies.add([body]), lambda: store.proxy_log.add([connect])):
        with pytest.raises(StoreError, match="inside a transaction"), store.transaction():
            act()


def test_connects_are_paged_and_filtered(store):
    store.proxy_log.add(
        [
            ProxyConnect(
                at_ms=number,
                proxy=f"socks5://p{number % 2}:1080",
                target="api.example:443",
                level="provider",
                provider="acme",
                connection="acme/main",
                outcome="failed" if number == 3 else "ok",
                took_us=number,
            )
            for number in range(6)
        ]
    )
    store.proxy_log.add([])
    page = store.proxy_log.page(ConnectFilter(), 4)
    rest = store.proxy_log.page(ConnectFilter(), 4, page[-1].id)
    assert [connect.at_ms for connect in (*page, *rest)] == [5, 4, 3, 2, 1, 0]
    for asked, found in (
        (ConnectFilter(outcome="failed"), [3]),
        (ConnectFilter(proxy="socks5://p1:1080"), [5, 3, 1]),
        (ConnectFilter(provider="other"), []),
        (ConnectFilter(since_ms=2, until_ms=4), [3, 2]),
    ):
        assert [connect.at_ms for connect in store.proxy_log.page(asked, 9)] == found
    assert store.proxy_log.clear() == 6
