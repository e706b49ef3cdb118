"""A copy without credentials has none in any page; gaps are filled from what is there."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from omniroute.record import Record
from omniroute.store import copies, rollups, scrubbing
from omniroute.store.audit import AuditFilter
from omniroute.store.database import Store
from omniroute.store.filters import RequestFilter
from omniroute.store.interface import (
    SEALED,
    AdminKey,
    AuditEntry,
    StoredBody,
    StoredKey,
    StoredSession,
)

CANARY = "canary"
SECRET = f"{SEALED}{CANARY}-sealed"


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    store = Store.open(tmp_path / "omniroute.sqlite")
    yield store
    store.close()


def plant(store: Store) -> None:
    """Everything that may hold a credential."""
    store.insert_records([Record(id=f"r{n}", started_ms=n, model="m") for n in range(20)])
    rollups.catch_up(store)
    store.insert_records([Record(id="pending", started_ms=50, model="m")])
    body = {
        "name": "main",
        "api_key": SECRET,
        "headers": {"x-auth": SECRET, "x-tag": "blue"},
        "proxy": f"http://user:{CANARY}@proxy:8080",
        "list": [SECRET, "plain"],
    }
    store.entities.create("connection", "acme/main", json.dumps(body), 1)
    store.keys.add(
        StoredKey("k1", "laptop", f"{CANARY}-digest".encode(), 1, settings=f'{{"x": "{SECRET}"}}')
    )
    store.keys.rotate("k1", f"{CANARY}-new".encode(), 99)
    store.admin_keys.add(AdminKey("a1", "ci", f"{CANARY}-admin".encode(), ("read",), 1))
    store.sessions.add(StoredSession(f"{CANARY}-session".encode(), 1, 1, 99, "::1", "agent"))
    store.bodies.add([StoredBody("r1", 0, "client", "request", 1, 9, f"{CANARY}-body".encode())])
    store.set_meta("admin.password", f"{CANARY}-password")
    store.set_meta("first_start.done", "1")
    store.audit.add(AuditEntry(1, "me", "x", "y", "z", before=f'{{"k": "{SECRET}"}}', after="no"))


def scrubbed(store: Store, target: Path) -> Path:
    copies.copy(store.path, target)
    scrubbing.scrub(target)
    return target


def test_no_credential_is_left_in_any_page(store, tmp_path):
    plant(store)
    assert CANARY.encode() in store.path.read_bytes() + Path(f"{store.path}-wal").read_bytes()
    copied = scrubbed(store, tmp_path / "copy.sqlite")
    assert CANARY.encode() not in copied.read_bytes()
    copies.check(copied)
    copies.check_schema(copied)


def test_what_is_no_credential_stays(store, tmp_path):
    plant(store)
    other = Store.open(scrubbed(store, tmp_path / "copy.sqlite"))
    (entity,) = other.entities.all()
    (key,) = other.keys.all(revoked=True)
    assert json.loads(entity.body) == {
        "name": "main",
        "headers": {"x-tag": "blue"},
        "proxy": "http://proxy:8080",
        "list": ["plain"],
    }
    assert (key.id, key.name, key.digest) == ("k1", "laptop", b"")
    assert other.keys.all() == []  # it opens nothing
    assert (other.get_meta("first_start.done"), other.get_meta("admin.password")) == ("1", None)
    # What was not summed yet is summed once, also when rows were numbered anew.
    assert other.analytics.sums()[0].requests == 21
    assert len(other.history.page(RequestFilter(model=("m",)), 50).records) == 21
    other.close()


def test_what_a_copy_lacks_is_filled_from_what_is_there(store, tmp_path):
    plant(store)
    copied = scrubbed(store, tmp_path / "copy.sqlite")
    scrubbing.fill(copied, store.path)
    other = Store.open(copied)
    (entity,) = other.entities.all()
    assert json.loads(entity.body)["api_key"] == SECRET
    assert json.loads(entity.body)["headers"] == {"x-tag": "blue", "x-auth": SECRET}
    assert [key.digest for key in other.keys.all()] == [f"{CANARY}-new".encode()]
    assert other.admin_keys.all() == store.admin_keys.all()
    assert other.sessions.all(5) == store.sessions.all(5)
    assert other.get_meta("admin.password") == f"{CANARY}-password"
    other.close()


def test_what_was_revoked_stays_revoked(store, tmp_path):
    plant(store)
    copied = tmp_path / "copy.sqlite"
    copies.copy(store.path, copied)
    store.keys.revoke("k1", 50)
    store.admin_keys.revoke("a1", 60)
    store.sessions.revoke_all(70)
    scrubbing.fill(copied, store.path)
    other = Store.open(copied)
    assert other.keys.all() == []
    assert [key.revoked_ms for key in other.admin_keys.all()] == [60]
    assert other.sessions.all(5) == []
    other.close()


def test_a_secret_that_the_copy_has_is_not_replaced():
    ours = json.dumps({"api_key": f"{SEALED}ours", "deep": {"a": 1}})
    theirs = json.dumps({"api_key": f"{SEALED}theirs", "deep": {"b": f"{SEALED}b"}, "x": "plain"})
    assert json.loads(scrubbing.with_secrets_of(theirs, ours)) == {
        "api_key": f"{SEALED}ours",
        "deep": {"a": 1, "b": f"{SEALED}b"},
    }


def entry(at_ms: int, entity: str, before: str = "") -> AuditEntry:
    return AuditEntry(at_ms, "me", "combos.change", "PUT /x", entity, before=before)


def test_the_present_audit_stays_beside_that_of_the_copy_in_the_order_of_time(store, tmp_path):
    store.audit.add(entry(1, "early", before=f'{{"k": "{SECRET}"}}'))
    store.audit.add(entry(2, "trimmed"))
    store.audit.add(entry(3, "both"))
    copied = scrubbed(store, tmp_path / "copy.sqlite")
    with store.writing("trim") as connection:
        connection.exec_driver_sql("DELETE FROM audit WHERE entity = 'trimmed'")
    store.audit.add(entry(4, "late"))
    scrubbing.fill(copied, store.path)
    other = Store.open(copied)
    page = other.audit.page(AuditFilter(), 10)
    assert [each.entity for each in page] == ["late", "both", "trimmed", "early"]
    assert SECRET in page[-1].before
    assert other.audit.add(entry(5, "next")) > page[0].id
    other.close()


def test_what_was_rotated_stays_rotated_unless_it_is_said_otherwise(store, tmp_path):
    store.keys.add(StoredKey("k1", "laptop", b"leaked", 1))
    for keep, digest in ((True, b"new"), (False, b"leaked")):
        copied = tmp_path / f"{keep}.sqlite"
        copies.copy(store.path, copied)
        store.keys.rotate("k1", b"new", 0)
        scrubbing.fill(copied, store.path, keep_revoked=keep)
        other = Store.open(copied)
        assert [key.digest for key in other.keys.all()] == [digest]
        other.close()
        store.keys.rotate("k1", b"leaked", 0)
