"""Client keys are known by digests only; what changes about one is in force at once."""

import sqlite3
from collections.abc import Callable

import pytest

from omniroute.control.configuration import Configuration
from omniroute.control.editing import Editing
from omniroute.control.issuing import Issuing
from omniroute.control.refusal import Denied
from omniroute.installation import Installation
from omniroute.snapshot import KeyView
from omniroute.store.database import Store
from tests.control.conftest import TurnedClock


@pytest.fixture
def issuing(
    store: Store, configuration: Configuration, installation: Installation, clock: TurnedClock
) -> Issuing:
    editing = Editing(store, configuration, installation, clock.now_ms)
    return Issuing(editing, store, installation, clock.now_ms)


@pytest.fixture
def let_in(
    configuration: Configuration, installation: Installation, clock: TurnedClock
) -> Callable[[str], KeyView | None]:
    """The key of the snapshot in force that this text is, unless it has expired."""

    def let_in(text: str) -> KeyView | None:
        digest = installation.key_digest(text.encode())
        assert configuration.snapshot is not None
        for view in configuration.snapshot.keys:
            if view.digest == digest and (view.expires_ms or 10**15) > clock.now_ms():
                return view
        return None

    return let_in


def refused(change: Callable[[], object]) -> Denied:
    with pytest.raises(Denied) as caught:
        change()
    return caught.value


def test_a_new_key_is_let_in_and_its_text_kept_nowhere(
    issuing: Issuing, let_in: Callable[[str], KeyView | None], store: Store
) -> None:
    issued, text = issuing.create({"name": "laptop", "rpm": 5})
    view = let_in(text)
    assert view is not None
    assert (view.id, view.name, view.meters[0].limit) == (issued.thing.id, "laptop", 5)
    with sqlite3.connect(store.path) as connection:
        assert text not in "\n".join(connection.iterdump())


def test_a_change_keeps_what_it_does_not_name(
    issuing: Issuing, let_in: Callable[[str], KeyView | None]
) -> None:
    issued, text = issuing.create({"name": "laptop", "rpm": 5, "models": ["acme/*"]})
    _, after = issuing.patch(issued.thing.id, {"rpm": None, "enabled": False})
    assert after.thing.values == {"name": "laptop", "models": ["acme/*"], "enabled": False}
    view = let_in(text)
    assert view is not None
    assert (view.enabled, view.meters) == (False, ())


def test_after_a_rotation_both_are_let_in_until_the_overlap_ends(
    issuing: Issuing, let_in: Callable[[str], KeyView | None], clock: TurnedClock
) -> None:
    issued, old = issuing.create({"name": "laptop"})
    rotated, new = issuing.rotate(issued.thing.id, 60.0)
    assert rotated.previous_until_ms == clock.now_ms() + 60_000
    assert let_in(old) is not None
    assert let_in(new) is not None
    clock.now_s += 61
    assert let_in(old) is None
    assert let_in(new) is not None
    assert issuing.key(issued.thing.id).previous_until_ms is None


def test_a_revoked_key_is_let_in_no_more_and_cannot_come_back(
    issuing: Issuing, let_in: Callable[[str], KeyView | None]
) -> None:
    issued, text = issuing.create({"name": "laptop"})
    issuing.revoke(issued.thing.id)
    assert let_in(text) is None
    assert issuing.keys() == []
    assert issuing.keys(revoked=True)[0].revoked_ms is not None
    assert refused(lambda: issuing.patch(issued.thing.id, {"rpm": 1})).status == 409
    assert refused(lambda: issuing.rotate(issued.thing.id, 1.0)).status == 409


def test_two_keys_in_force_have_two_names(issuing: Issuing) -> None:
    first, _ = issuing.create({"name": "laptop"})
    assert refused(lambda: issuing.create({"name": "laptop"})).status == 409
    issuing.revoke(first.thing.id)
    issuing.create({"name": "laptop"})


@pytest.mark.parametrize(
    ("values", "field"),
    [
        ({"name": "laptop", "expires": "soon"}, "expires"),
        ({"name": "laptop", "schedule": {"days": []}}, "schedule.days"),
        ({"name": "not a name"}, "name"),
        ({"name": "laptop", "budget": [{"usd": 1}, {"usd": 2}]}, "budget[1].period"),
    ],
)
def test_what_is_wrong_is_refused_by_its_field(
    issuing: Issuing, values: dict[str, object], field: str
) -> None:
    error = refused(lambda: issuing.create(values))
    assert (error.status, error.details[0].field) == (422, field)
    assert issuing.keys() == []


def test_an_unknown_key_is_told(issuing: Issuing) -> None:
    assert refused(lambda: issuing.key("stored/nothing")).status == 404
    assert refused(lambda: issuing.revoke("stored/nothing")).status == 404
