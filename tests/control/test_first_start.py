"""What the first start makes is stored as digests only, and told from memory."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from omniroute.config import AdminSettings, KeySettings, Settings
from omniroute.control import first_start
from omniroute.control.access import LINK_FACT, PASSWORD_FACT
from omniroute.control.passwords import verify_password
from omniroute.installation import Installation
from omniroute.store.startup import StartStore


@pytest.fixture
def store(tmp_path: Path) -> Iterator[StartStore]:
    with StartStore.open(tmp_path / "omniroute.sqlite") as made:
        yield made


def test_it_is_due_until_it_was_told(store: StartStore) -> None:
    assert first_start.is_due(store)
    store.set_meta(first_start.DONE_FACT, "1")
    assert not first_start.is_due(store)


def test_the_key_is_stored_as_its_digest(store: StartStore, installation: Installation) -> None:
    key = first_start.make_key(Settings(), installation, store)
    assert key.startswith("sk-omni-")
    (stored,) = store.client_keys()
    assert stored.digest == installation.key_digest(key.encode())
    assert key not in repr(stored)


def test_no_key_is_made_beside_configured_ones(
    store: StartStore, installation: Installation
) -> None:
    settings = Settings(keys=(KeySettings(name="mine", key="0123456789"),))
    assert first_start.make_key(settings, installation, store) == ""
    assert store.client_keys() == []


def test_password_and_link_are_told_and_kept_as_digests(
    store: StartStore, installation: Installation, tmp_path: Path
) -> None:
    told = first_start.complete(
        Settings(), installation, store, api_key="k", dashboard="http://127.0.0.1:20129"
    )
    record = store.get_meta(PASSWORD_FACT)
    assert record
    assert verify_password(record, told.password)
    token = told.link.removeprefix("http://127.0.0.1:20129/dashboard/#link=")
    link = store.get_meta(LINK_FACT)
    assert link
    assert token not in link
    assert told.api_key == "k"


def test_a_given_password_is_used_and_not_repeated(
    store: StartStore, installation: Installation
) -> None:
    settings = Settings(admin=AdminSettings(initial_password="chosen by me"))
    told = first_start.complete(settings, installation, store, api_key="", dashboard="http://x")
    assert told.password == ""
    record = store.get_meta(PASSWORD_FACT)
    assert record
    assert verify_password(record, "chosen by me")
