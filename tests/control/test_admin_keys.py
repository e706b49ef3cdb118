"""Admin keys: found by their digest while they are in force; their use is noted now and then."""

import pytest

from omniroute.control.admin_keys import PREFIX, AdminKeys
from omniroute.installation import Installation
from omniroute.store.database import Store

NOW_MS = 1_700_000_000_000


@pytest.fixture
def keys(store: Store, installation: Installation) -> AdminKeys:
    return AdminKeys(store.admin_keys, installation.key_digest)


def test_a_key_is_found_until_it_expires(keys: AdminKeys) -> None:
    key, text = keys.create("deploy", ["read", "write"], NOW_MS + 10, NOW_MS)
    assert text.startswith(PREFIX)
    assert keys.find(text.encode(), NOW_MS + 9) == key
    assert keys.find(text.encode(), NOW_MS + 10) is None
    assert keys.find(text.encode()[:-1], NOW_MS) is None
    assert keys.find(key.digest, NOW_MS) is None


def test_a_revoked_key_is_not_found_but_listed(keys: AdminKeys) -> None:
    key, text = keys.create("deploy", ["read"], None, NOW_MS)
    keys.revoke(key, NOW_MS + 1)
    assert keys.find(text.encode(), NOW_MS + 2) is None
    assert [each.revoked_ms for each in keys] == [NOW_MS + 1]


def test_keys_outlive_a_restart(keys: AdminKeys, store: Store, installation: Installation) -> None:
    kept, text = keys.create("kept", ["read", "keys"], None, NOW_MS)
    gone, _ = keys.create("gone", ["admin"], None, NOW_MS + 1)
    gone = keys.revoke(gone, NOW_MS + 2)
    again = AdminKeys(store.admin_keys, installation.key_digest)
    assert list(again) == [kept, gone]
    assert again.find(text.encode(), NOW_MS) == kept


def test_use_is_noted_to_the_minute(keys: AdminKeys, store: Store) -> None:
    key, text = keys.create("deploy", ["read"], None, NOW_MS)
    for used_ms, noted_ms in ((1, 1), (59_000, 1), (61_000, 61_000)):
        keys.find(text.encode(), NOW_MS + used_ms)
        keys.note_use()
        (stored,) = store.admin_keys.all()
        assert stored.last_used_ms == NOW_MS + noted_ms
        assert keys.get(key.id) == stored
