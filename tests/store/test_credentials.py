"""Who may come in: found by digest while in force, ended for good, kept for those who look back."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from omniroute.store.database import Store
from omniroute.store.interface import (
    AdminKey,
    EntityChanged,
    EntityMissing,
    StoredKey,
    StoredSession,
    StoreError,
)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    store = Store.open(tmp_path / "omniroute.sqlite")
    yield store
    store.close()


KEY = StoredKey("k1", "laptop", b"one", 5)


def test_a_key_is_changed_and_its_version_rises(store):
    store.keys.add(KEY)
    changed = store.keys.change("k1", name="desk", settings='{"rpm": 5}', if_version=1)
    assert changed == KEY._replace(name="desk", settings='{"rpm": 5}', version=2)
    assert store.keys.get("k1") == changed
    with pytest.raises(EntityChanged) as refused:
        store.keys.change("k1", name="x", settings="{}", if_version=1)
    assert refused.value.version == 2


def test_after_a_rotation_both_digests_are_known_until_the_old_one_ends(store):
    store.keys.add(KEY)
    rotated = store.keys.rotate("k1", b"two", 99)
    assert rotated == KEY._replace(
        digest=b"two", version=2, previous_digest=b"one", previous_until_ms=99
    )
    assert store.keys.all() == [rotated]


def test_a_revoked_key_is_neither_changed_nor_rotated(store):
    store.keys.add(KEY)
    assert store.keys.revoke("k1", 9)
    for act in (
        lambda: store.keys.change("k1", name="x", settings="{}"),
        lambda: store.keys.rotate("k1", b"two", 99),
        lambda: store.keys.rotate("no such", b"two", 99),
    ):
        with pytest.raises(EntityMissing):
            act()
    known = store.keys.get("k1")
    assert known is not None
    assert known.revoked_ms == 9


def test_a_key_without_digest_opens_nothing_until_it_is_rotated(store):
    store.keys.add(KEY)
    with store.writing("forget its digest") as connection:
        connection.exec_driver_sql("UPDATE client_keys SET digest = NULL")
    assert store.keys.all() == []
    assert [key.digest for key in store.keys.all(revoked=True)] == [b""]
    rotated = store.keys.rotate("k1", b"two", 99)
    assert (rotated.previous_digest, rotated.previous_until_ms) == (None, None)
    assert store.keys.all() == [rotated]


ADMIN = AdminKey("a1", "ci", b"digest", ("read", "keys"), 5, expires_ms=100)


def test_an_admin_key_is_found_while_it_is_in_force(store):
    store.admin_keys.add(ADMIN)
    assert store.admin_keys.find(b"digest", 99) == ADMIN
    assert store.admin_keys.find(b"digest", 100) is None
    assert store.admin_keys.find(b"other", 9) is None
    store.admin_keys.touch("a1", 50)
    assert store.admin_keys.revoke("a1", 60)
    assert not store.admin_keys.revoke("a1", 61)
    assert store.admin_keys.find(b"digest", 61) is None
    assert store.admin_keys.all() == [ADMIN._replace(last_used_ms=50, revoked_ms=60)]


def test_an_admin_key_is_stored_once(store):
    store.admin_keys.add(ADMIN)
    with pytest.raises(StoreError, match="UNIQUE"):
        store.admin_keys.add(ADMIN._replace(id="a2"))


def session(number: int) -> StoredSession:
    return StoredSession(f"s{number}".encode(), number, number, 100 + number, "::1", "browser")


def test_a_session_holds_until_its_end_or_its_revocation(store):
    for number in range(3):
        store.sessions.add(session(number))
    assert store.sessions.all(50) == [session(2), session(1), session(0)]
    store.sessions.touch(b"s0", 60)
    assert store.sessions.all(50)[0] == session(0)._replace(seen_ms=60)
    assert store.sessions.revoke(b"s1", 61)
    assert not store.sessions.revoke(b"s1", 62)
    assert store.sessions.find(b"s1", 63) is None
    assert store.sessions.find(b"s2", 101) == session(2)
    assert store.sessions.find(b"s2", 102) is None


def test_all_sessions_end_but_ones_own(store):
    for number in range(3):
        store.sessions.add(session(number))
    assert store.sessions.revoke_all(50, but=b"s1") == 2
    assert store.sessions.all(51) == [session(1)]


def test_sessions_that_are_over_are_forgotten(store):
    for number in range(3):
        store.sessions.add(session(number))
    assert store.sessions.forget(101) == 2
    assert store.sessions.all(0) == [session(2)]
