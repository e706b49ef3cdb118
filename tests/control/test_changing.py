"""A change is tried with everything, kept if it holds, in force at once; else nothing happened."""

from collections.abc import Callable

import pytest

from omniroute.config import StoredName
from omniroute.control.changing import Changing
from omniroute.control.configuration import Configuration
from omniroute.control.refusal import Denied
from omniroute.installation import Installation
from omniroute.snapshot import Snapshot
from omniroute.state.interface import State, StateError
from omniroute.store.database import Store

BODY = '{"name": "fast", "models": ["openai/one"]}'
WRONG = '{"name": "fast", "models": ["nobody/one"]}'


@pytest.fixture
def changing(store: Store, configuration: Configuration, installation: Installation) -> Changing:
    return Changing(store, configuration, installation, lambda: 1)


@pytest.fixture
def combos(configuration: Configuration) -> Callable[[], list[str]]:
    """The names of those in force."""

    def combos() -> list[str]:
        assert configuration.snapshot is not None
        return [view.name for view in configuration.snapshot.combos]

    return combos


def create(store: Store, body: str) -> Callable[[], object]:
    return lambda: store.entities.create("combo", "fast", body, 1)


FAST = StoredName("combo", "fast")


def test_what_holds_is_kept_and_in_force(
    changing: Changing, store: Store, combos: Callable[[], list[str]]
) -> None:
    changing.change(create(store, BODY), FAST)
    assert combos() == ["fast"]


def test_what_does_not_hold_is_undone(
    changing: Changing, store: Store, state: State, combos: Callable[[], list[str]]
) -> None:
    before = state.snapshot_version()
    with pytest.raises(Denied) as caught:
        changing.change(create(store, WRONG), FAST)
    assert (caught.value.status, caught.value.details[0].field) == (422, "models[0]")
    assert (store.entities.all(), combos(), state.snapshot_version()) == ([], [], before)


def test_what_is_wrong_elsewhere_is_a_conflict(changing: Changing, store: Store) -> None:
    with pytest.raises(Denied) as caught:
        changing.change(create(store, WRONG))  # as if something else had written it
    assert caught.value.status == 409
    assert "stored combo fast would no longer work" in caught.value.message


def test_what_was_left_out_before_is_no_reason_to_refuse(
    changing: Changing, store: Store, configuration: Configuration, combos: Callable[[], list[str]]
) -> None:
    store.entities.create("combo", "broken", WRONG.replace("fast", "broken"), 1)
    configuration.publish()
    changing.change(create(store, BODY), FAST)
    assert combos() == ["fast"]
    assert changing.left_out(StoredName("combo", "broken")) is not None


def test_a_trial_shows_what_would_be_and_keeps_nothing(
    changing: Changing, store: Store, state: State, combos: Callable[[], list[str]]
) -> None:
    before = state.snapshot_version()
    snapshot = changing.trial(create(store, BODY), FAST)
    assert [view.name for view in snapshot.combos] == ["fast"]
    assert (store.entities.all(), combos(), state.snapshot_version()) == ([], [], before)
    with pytest.raises(Denied):
        changing.trial(create(store, WRONG), FAST)


def test_nothing_is_changed_while_the_snapshot_is_that_of_an_earlier_process(
    changing: Changing, store: Store, configuration: Configuration
) -> None:
    configuration.settings = None
    configuration.error = "omniroute.toml:1: nonsense"
    with pytest.raises(Denied) as caught:
        changing.change(create(store, BODY), FAST)
    assert caught.value.status == 409
    assert "omniroute.toml:1" in caught.value.message


def test_what_cannot_be_published_is_kept_and_tried_again(
    changing: Changing,
    store: Store,
    configuration: Configuration,
    combos: Callable[[], list[str]],
) -> None:
    def full(_: Snapshot) -> None:
        raise StateError("no room")

    configuration.prepare = full
    with pytest.raises(StateError):
        changing.change(create(store, BODY), FAST)
    assert "no room" in configuration.error
    configuration.prepare = lambda _: None
    configuration.reload_if_changed()
    assert (combos(), configuration.error) == (["fast"], "")
