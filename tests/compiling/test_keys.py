"""Keys are known by their digest, and carry what each may do."""

from collections.abc import Callable

import pytest

from omniroute.compiling.keys import IssuedKey, expiry_ms
from omniroute.installation import Installation
from omniroute.snapshot import KeyView, Snapshot

Compile = Callable[..., Snapshot]


def test_keys_are_known_by_their_digest_only(compiled: Compile, installation: Installation) -> None:
    snapshot = compiled('[[keys]]\nname = "laptop"\nkey = "sk-12345678"\n')
    digest = installation.key_digest(b"sk-12345678")
    assert snapshot.keys == (KeyView("file/laptop", "laptop", digest),)


def test_a_key_that_file_and_store_both_know_is_the_files(
    compiled: Compile, installation: Installation
) -> None:
    digest = installation.key_digest(b"sk-12345678")
    stored = (IssuedKey("k1", digest), IssuedKey("k2", b"d" * 32))
    snapshot = compiled('[[keys]]\nname = "laptop"\nkey = "sk-12345678"\n', stored)
    assert [key.id for key in snapshot.keys] == ["file/laptop", "k2"]


KEY = '[[keys]]\nname = "laptop"\nkey = "sk-12345678"\n'


def test_what_a_key_may_use_goes_by_ids_and_by_names_as_written(compiled: Compile) -> None:
    (key,) = compiled(KEY + 'models = ["ve/*", "coding"]\nconnections = ["ve/main", "*"]\n').keys
    assert key.models == ("ve/*", "vendor/*", "coding")
    assert key.connections == ("vendor/main", "*")


def test_a_key_that_is_off_stays_so_that_no_stored_one_lets_it_in(
    compiled: Compile, installation: Installation
) -> None:
    stored = (IssuedKey("k1", installation.key_digest(b"sk-12345678")),)
    (key,) = compiled(KEY + "enabled = false\n", stored).keys
    assert (key.id, key.enabled) == ("file/laptop", False)


def test_a_keys_own_behaviour_is_handed_on(compiled: Compile) -> None:
    (key,) = compiled(
        KEY + 'cache = true\nexpires = 2027-01-31\nschedule = { days = ["mon"] }\n'
        'system_prompt = { suffix = "Thanks." }\nthinking = { mode = "custom" }\n'
    ).keys
    assert (key.cache, key.expires_ms) == (True, 1801353600000)
    assert key.schedule is not None
    assert key.schedule.days == ("mon",)
    assert key.system_prompt is not None
    assert key.system_prompt.suffix == "Thanks."
    assert key.thinking is not None
    assert key.thinking.mode == "custom"


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("", None),
        ("1970-01-02", 86_400_000),
        ("1970-01-01T00:00:01", 1_000),
        ("1970-01-01T01:00:01+01:00", 1_000),
    ],
)
def test_an_expiry_without_a_zone_is_utc(text: str, moment: int | None) -> None:
    assert expiry_ms(text) == moment


def test_the_key_before_a_rotation_is_let_in_until_its_end(compiled: Compile) -> None:
    issued = IssuedKey("k1", b"n" * 32, b"o" * 32, 1_800_000_000_000)
    new, old = compiled("", (issued,)).keys
    assert (new.id, new.digest, new.expires_ms) == ("k1", b"n" * 32, None)
    assert (old.id, old.digest, old.expires_ms) == ("k1", b"o" * 32, 1_800_000_000_000)
    assert old.meters == new.meters
