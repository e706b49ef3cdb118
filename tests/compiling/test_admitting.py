"""Stored things that do not fit are left out one for one; the rest of the configuration holds."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from omniroute.compiling import admit, compile_snapshot
from omniroute.config import ConfigError, Stored, StoredName, load
from omniroute.installation import Installation
from omniroute.snapshot import Snapshot

Attempt = Callable[[Sequence[Stored]], Snapshot]

ACME = '[[providers]]\nid = "acme"\nformat = "openai"\nbase_url = "https://a.example/v1"\n'


@pytest.fixture
def attempt(tmp_path: Path, installation: Installation) -> Callable[[str], Attempt]:
    """Compile a file of this text with stored things."""

    def prepared(text: str) -> Attempt:
        file = tmp_path / "omniroute.toml"
        file.write_text(text)

        def made(stored: Sequence[Stored]) -> Snapshot:
            settings = load({}, {}, file, tmp_path, working_dir=tmp_path, stored=stored)
            return compile_snapshot(settings, (), (), installation)

        return made

    return prepared


def stored(kind: str, id_: str, **values: Any) -> Stored:
    return Stored(StoredName(kind, id_), values)


def combo(name: str, *models: str) -> Stored:
    return stored("combo", name, name=name, models=list(models))


def test_what_fits_is_all_taken(attempt: Callable[[str], Attempt]) -> None:
    snapshot, left_out = admit([combo("a", "b"), combo("b", "acme/x")], attempt(ACME))
    assert [view.name for view in snapshot.combos] == ["a", "b"]
    assert left_out == {}


def test_what_needs_something_left_out_is_left_out_too(attempt: Callable[[str], Attempt]) -> None:
    wishes = [combo("a", "b"), combo("b", "nobody/x"), combo("c", "acme/x")]
    snapshot, left_out = admit(wishes, attempt(ACME))
    assert [view.name for view in snapshot.combos] == ["c"]
    assert set(left_out) == {("combo", "a"), ("combo", "b")}
    assert "nobody" in left_out[StoredName("combo", "b")].message


def test_the_file_wins_where_both_declare_the_same(attempt: Callable[[str], Attempt]) -> None:
    text = ACME + '[[combos]]\nname = "a"\nmodels = ["acme/file"]\n'
    snapshot, left_out = admit([combo("a", "acme/stored")], attempt(text))
    assert snapshot.combos[0].members[0].model == "file"
    assert set(left_out) == {("combo", "a")}


def test_what_only_makes_the_file_wrong_is_found(attempt: Callable[[str], Attempt]) -> None:
    text = ACME + '[[aliases]]\npattern = "a"\ntarget = "acme/x"\n'
    snapshot, left_out = admit(
        [combo("b", "a2"), combo("a", "acme/x"), combo("a2", "acme/y")], attempt(text)
    )
    assert {view.name for view in snapshot.combos} == {"b", "a2"}
    assert set(left_out) == {("combo", "a")}


def test_a_file_that_is_wrong_by_itself_is_refused(attempt: Callable[[str], Attempt]) -> None:
    with pytest.raises(ConfigError, match="is no provider"):
        admit([combo("a", "acme/x")], attempt(ACME + '[[combos]]\nname="f"\nmodels=["no/x"]\n'))


@given(st.lists(st.tuples(st.sampled_from("abcdef"), st.booleans()), max_size=8))
def test_everything_is_either_taken_or_told(wishes: list[tuple[str, bool]]) -> None:
    """`attempt` refuses each that is marked, as its own fault or without a name."""
    marked = {name: wrong for name, wrong in wishes}

    def made(kept: Sequence[Stored]) -> set[str]:
        for one in kept:
            if marked[one.name.id]:
                raise ConfigError("wrong", stored=one.name if one.name.id < "d" else None)
        return {one.name.id for one in kept}

    taken, left_out = admit([combo(name) for name in marked], made)
    assert taken == {name for name, wrong in marked.items() if not wrong}
    assert {one.id for one in left_out} == set(marked) - taken
