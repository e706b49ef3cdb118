"""What is reset is forgotten, and nothing else; marks go with the credential they were made for."""

from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from omniroute.config import LimitSettings, ServerSettings, UpstreamSettings
from omniroute.control.resetting import fingerprints, forget_renewed, reset
from omniroute.installation import Installation
from omniroute.snapshot import ConnectionView, Snapshot
from omniroute.state.memory_conditions import MemoryConditions

KEYS = (
    "breaker:acme",
    "breaker:acme2",
    "cooldown:acme/main",
    "cooldown:acme/main2",
    "lockout:acme/main big",
    "lockout:acme/main big-2",
    "quota:acme/main 5h",
    "quota:acme/main2 5h",
    "target:acme big",
    "target:acme2 big",
)


@pytest.fixture
def conditions() -> MemoryConditions:
    return full()


def full() -> MemoryConditions:
    made = MemoryConditions()
    for key in KEYS:
        made.change(key, lambda _: b"x")
    return made


def left(conditions: MemoryConditions) -> set[str]:
    return set(conditions.read()[1])


def test_everything(conditions: MemoryConditions) -> None:
    assert reset(conditions) == len(KEYS)
    assert left(conditions) == set()


def test_who_is_banned_stays_banned(conditions: MemoryConditions) -> None:
    conditions.change("ban:192.0.2.0/24", lambda _: b"x")
    reset(conditions)
    reset(conditions, subject="192.0.2.0/24")
    reset(conditions, kind="ban")
    assert left(conditions) == {"ban:192.0.2.0/24"}


@pytest.mark.parametrize(
    ("which", "gone"),
    [
        ({"kind": "breaker"}, {"breaker:acme", "breaker:acme2"}),
        ({"kind": "breaker", "subject": "acme"}, {"breaker:acme"}),
        ({"kind": "cooldown", "subject": "acme/main"}, {"cooldown:acme/main"}),
        ({"kind": "cooldown", "subject": "acme"}, {"cooldown:acme/main", "cooldown:acme/main2"}),
        ({"subject": "acme2"}, {"breaker:acme2", "target:acme2 big"}),
        (
            {"subject": "acme/main", "detail": "big"},
            {"lockout:acme/main big"},
        ),
        ({"kind": "quota", "detail": "5h"}, {"quota:acme/main 5h", "quota:acme/main2 5h"}),
        ({"kind": "nothing"}, set()),
    ],
)
def test_what_fits(conditions: MemoryConditions, which: dict[str, str], gone: set[str]) -> None:
    version = conditions.version()
    assert reset(conditions, **which) == len(gone)
    assert left(conditions) == set(KEYS) - gone
    assert (conditions.version() > version) is bool(gone)


words = st.sampled_from(("", "acme", "acme/main", "breaker", "cooldown", "quota", "5h", "big"))


@given(words, words, words)
def test_resetting_twice_is_resetting_once(kind: str, subject: str, detail: str) -> None:
    conditions = full()
    reset(conditions, kind=kind, subject=subject, detail=detail)
    rest = left(conditions)
    assert reset(conditions, kind=kind, subject=subject, detail=detail) == 0
    assert left(conditions) == rest


@dataclass
class Made:
    """Snapshots of connections with these credentials."""

    installation: Installation

    def prints(self, **credentials: str) -> dict[str, bytes]:
        connections = tuple(
            ConnectionView(
                id=f"acme/{name}",
                provider="acme",
                name=name,
                url="https://acme.example",
                secret=self.installation.encrypt(credential.encode()) if credential else b"",
            )
            for name, credential in credentials.items()
        )
        snapshot = Snapshot(
            server=ServerSettings(),
            limits=LimitSettings(),
            upstream=UpstreamSettings(),
            connections=connections,
        )
        return fingerprints(snapshot, self.installation)


@pytest.fixture
def made(installation: Installation) -> Made:
    return Made(installation)


def test_another_credential_ends_what_was_known_of_its_account(
    made: Made, conditions: MemoryConditions
) -> None:
    before, after = made.prints(main="old", main2="same"), made.prints(main="new", main2="same")
    assert forget_renewed(conditions, before, after) == ("acme/main",)
    assert set(KEYS) - left(conditions) == {
        "cooldown:acme/main",
        "lockout:acme/main big",
        "lockout:acme/main big-2",
        "quota:acme/main 5h",
    }


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ({"main": "same"}, {"main": "same"}),  # sealed anew, and the same all the same
        ({"main": ""}, {"main": ""}),
        ({}, {"main": "new"}),  # of one that was not there nothing is known
        ({"main": "old"}, {}),
    ],
)
def test_the_same_credential_changes_nothing(
    made: Made, conditions: MemoryConditions, before: dict[str, str], after: dict[str, str]
) -> None:
    assert forget_renewed(conditions, made.prints(**before), made.prints(**after)) == ()
    assert left(conditions) == set(KEYS)


def test_a_fingerprint_is_not_the_credential(made: Made) -> None:
    (printed,) = made.prints(main="sk-canary").values()
    assert b"canary" not in printed
    assert made.prints(main="sk-canary") != made.prints(main="sk-canary2")


def test_what_cannot_be_read_has_no_fingerprint(made: Made, tmp_path) -> None:  # type: ignore[no-untyped-def]
    of_another = Made(Installation.ephemeral(tmp_path / "other"))
    connection = ConnectionView(
        id="acme/main",
        provider="acme",
        name="main",
        url="https://acme.example",
        secret=of_another.installation.encrypt(b"k"),
    )
    snapshot = Snapshot(
        server=ServerSettings(),
        limits=LimitSettings(),
        upstream=UpstreamSettings(),
        connections=(connection,),
    )
    assert fingerprints(snapshot, made.installation) == {}
