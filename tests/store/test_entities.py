"""Entities: versions never come twice, changes depend on nobody being first, order is people's."""

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from omniroute.store.database import Store
from omniroute.store.interface import Entity, EntityChanged, EntityExists, EntityMissing


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    store = Store.open(tmp_path / "omniroute.sqlite")
    yield store
    store.close()


def test_what_is_created_is_found_and_versions_rise(store):
    assert store.entities.version() == 0
    first = store.entities.create("combo", "a", '{"x": 1}', 5)
    second = store.entities.create("combo", "b", "{}", 6)
    store.entities.create("alias", "a", "{}", 7)
    assert first == Entity("combo", "a", '{"x": 1}', 1, 0, 5, 5)
    assert store.entities.get("combo", "a") == first
    assert store.entities.all("combo") == [first, second]
    assert [entity.kind for entity in store.entities.all()] == ["alias", "combo", "combo"]
    assert store.entities.version() == 3
    assert store.entities.get("combo", "c") is None


def test_there_is_one_of_a_kind_and_id(store):
    store.entities.create("combo", "a", "{}", 1)
    with pytest.raises(EntityExists):
        store.entities.create("combo", "a", "{}", 1)


def test_a_change_of_what_somebody_else_changed_is_refused(store):
    seen = store.entities.create("combo", "a", "1", 1)
    changed = store.entities.replace("combo", "a", "2", 2, if_version=seen.version)
    assert (changed.body, changed.created_ms, changed.updated_ms) == ("2", 1, 2)
    for act in (
        lambda: store.entities.replace("combo", "a", "3", 3, if_version=seen.version),
        lambda: store.entities.delete("combo", "a", if_version=seen.version),
    ):
        with pytest.raises(EntityChanged) as refused:
            act()
        assert refused.value.version == changed.version
    assert store.entities.get("combo", "a") == changed
    assert store.entities.delete("combo", "a", if_version=changed.version) == changed


def test_a_version_does_not_come_again_with_what_is_created_anew(store):
    first = store.entities.create("combo", "a", "1", 1)
    store.entities.delete("combo", "a")
    assert store.entities.create("combo", "a", "1", 1).version > first.version


def test_what_is_not_there_cannot_be_changed(store):
    for act in (
        lambda: store.entities.replace("combo", "a", "1", 1),
        lambda: store.entities.delete("combo", "a"),
        lambda: store.entities.reorder("combo", ["a"], 1),
    ):
        with pytest.raises(EntityMissing):
            act()


def test_an_order_puts_the_named_first_and_leaves_the_others_as_they_were(store):
    for id_ in "abcd":
        store.entities.create("combo", id_, "{}", 1)
    untouched = store.entities.get("combo", "d")
    ordered = store.entities.reorder("combo", ["c", "a", "c"], 2)
    assert [entity.id for entity in ordered] == ["c", "a", "b", "d"]
    assert store.entities.get("combo", "d") == untouched
    assert store.entities.create("combo", "e", "{}", 3).position == 4


def test_a_transaction_is_whole_or_nothing(store):
    store.entities.create("combo", "a", "1", 1)
    with suppress(RuntimeError), store.transaction():
        store.entities.replace("combo", "a", "2", 2)
        store.entities.create("combo", "b", "1", 2)
        assert [entity.body for entity in store.entities.all()] == ["2", "1"]
        raise RuntimeError("does not compile")
    assert [entity.body for entity in store.entities.all()] == ["1"]
    assert store.entities.version() == 1


class Editing(RuleBasedStateMachine):
    """Any changes in any order: the store agrees with a dictionary and a list."""

    ids = st.sampled_from("abc")

    def __init__(self) -> None:
        super().__init__()
        self.store = Store.open(self.folder / f"{len(list(self.folder.iterdir()))}.sqlite")
        self.order: list[str] = []
        self.bodies: dict[str, str] = {}
        self.versions: set[int] = set()

    folder: Path

    def used(self, version: int) -> None:
        assert version not in self.versions
        self.versions.add(version)

    @rule(id_=ids, body=st.sampled_from("xyz"))
    def create(self, id_: str, body: str) -> None:
        if id_ in self.bodies:
            with pytest.raises(EntityExists):
                self.store.entities.create("k", id_, body, 0)
            return
        self.used(self.store.entities.create("k", id_, body, 0).version)
        self.bodies[id_] = body
        self.order.append(id_)

    @rule(id_=ids, body=st.sampled_from("xyz"))
    def replace(self, id_: str, body: str) -> None:
        if id_ in self.bodies:
            self.used(self.store.entities.replace("k", id_, body, 0).version)
            self.bodies[id_] = body

    @rule(id_=ids)
    def delete(self, id_: str) -> None:
        if id_ in self.bodies:
            self.store.entities.delete("k", id_)
            del self.bodies[id_]
            self.order.remove(id_)

    @rule(data=st.data())
    def reorder(self, data: st.DataObject) -> None:
        named = data.draw(st.lists(st.sampled_from(self.order), unique=True)) if self.order else []
        self.store.entities.reorder("k", named, 0)
        self.versions |= {entity.version for entity in self.store.entities.all()}
        self.order = [*named, *(id_ for id_ in self.order if id_ not in named)]

    @invariant()
    def agrees(self) -> None:
        found = self.store.entities.all("k")
        assert [entity.id for entity in found] == self.order
        assert {entity.id: entity.body for entity in found} == self.bodies

    def teardown(self) -> None:
        self.store.close()


def test_any_changes_in_any_order(tmp_path):
    from hypothesis.stateful import run_state_machine_as_test

    Editing.folder = tmp_path
    run_state_machine_as_test(Editing, settings=settings(max_examples=10, stateful_step_count=15))
