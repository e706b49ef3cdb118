"""What workers left is stored once it is taken, and nothing unreadable stands in its way."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from omniroute.control.collecting import collect
from omniroute.spool import CapturedBody, ProxyConnect, Spool
from omniroute.store.captured import ConnectFilter
from omniroute.store.database import Store
from omniroute.store.interface import StoredBody, StoreFull

CONNECT = ProxyConnect(17, "http://p:8080", "api.x:443", "global", "acme", "", "failed", "no", 12)


def body(direction: str, sealed: bytes = b"\x01sealed") -> CapturedBody:
    return CapturedBody("req_1", 1, "upstream", direction, 17, 900, sealed)


@pytest.fixture
def spool(tmp_path: Path) -> Spool:
    return Spool(tmp_path / "spool")


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    store = Store.open(tmp_path / "omniroute.sqlite", busy_timeout_ms=10)
    yield store
    store.close()


def test_what_was_left_is_stored_and_removed(spool: Spool, store: Store) -> None:
    assert collect(spool, store.bodies, store.proxy_log) == 0
    spool.write([body("request"), CONNECT])
    spool.write([body("response", b"\x01other")])
    assert collect(spool, store.bodies, store.proxy_log) == 2
    assert spool.waiting() == []
    assert store.bodies.of("req_1") == [
        StoredBody("req_1", 1, "upstream", "request", 17, 900, b"\x01sealed"),
        StoredBody("req_1", 1, "upstream", "response", 17, 900, b"\x01other"),
    ]
    (connect,) = store.proxy_log.page(ConnectFilter(), 10)
    assert connect._replace(id=0)[:9] == (
        *(17, "http://p:8080", "api.x:443", "global", "acme", "", "failed", "no", 12),
    )


def test_a_body_that_is_taken_twice_is_there_once(spool: Spool, store: Store) -> None:
    for _ in range(2):
        spool.write([body("request")])
        collect(spool, store.bodies, store.proxy_log)
    assert len(store.bodies.of("req_1")) == 1


def test_what_cannot_be_read_is_told_and_does_not_stop_the_others(
    spool: Spool, store: Store, caplog: pytest.LogCaptureFixture
) -> None:
    spool.write([body("request")]).write_bytes(b"\xc1")
    spool.write([body("response")])
    assert collect(spool, store.bodies, store.proxy_log) == 2
    assert "are lost" in caplog.text
    assert spool.waiting() == []
    assert len(store.bodies.of("req_1")) == 1


def test_what_cannot_be_stored_waits(spool: Spool, store: Store) -> None:
    class Full:
        def add(self, captured: object) -> None:
            raise StoreFull("no room")

    spool.write([body("request")])
    with pytest.raises(StoreFull):
        collect(spool, Full(), store.proxy_log)
    assert len(spool.waiting()) == 1
