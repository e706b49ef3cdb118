"""What a sentence is reduced to: equal wherever its answer is."""

import pytest

from omniroute.similarity.reading import read
from omniroute.similarity.sentence import Shape, shape


def shaped(text: str) -> Shape:
    (sentence,) = read(text).sentences
    return shape(sentence)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("how do I whistle", "How to whistle?"),
        ("What's the best way to whistle?", "how can one whistle"),
        ("Could you explain how it works?", "How does it work?"),
        ("It can't stop", "it cannot stop"),
        ("Why is it not starting?", "Why doesn't it start?"),
        ("Is it possible to cancel a call?", "Is there a way to cancel a call?"),
        ("a script that sorts names", "a script to sort names"),
        ("What is the difference between a and b?", "What's the difference between b and a?"),
        ("Turn off the log", "Disable the log"),
        ("What is Peru's capital?", "What is the capital of Peru?"),
    ],
)
def test_ways_to_say_the_same_have_one_form(one: str, other: str) -> None:
    assert shaped(one).form == shaped(other).form


def test_a_setting_is_found_wherever_it_stands() -> None:
    found = {
        shaped("How do I sort a list in Python?"),
        shaped("In Python, how do I sort a list?"),
        shaped("How do I sort a Python list?"),
        shaped("python how do I sort a list"),
    }
    assert len(found) == 1
    assert found.pop().setting == "python"


def test_the_version_of_a_setting_belongs_to_it() -> None:
    assert shaped("How do I sort a list in Python 3.11?").setting == "python 3.11"


def test_two_settings_stay_where_they_stand() -> None:
    assert shaped("How do I call Rust from code in Python?").setting == ""


def test_what_is_asked_about_is_no_setting() -> None:
    assert shaped("What is Python?").setting == ""


def test_a_courtesy_has_no_form() -> None:
    for text in ("Please", "thanks", "Hello"):
        assert shaped(text).form == ""


def test_another_language_keeps_every_word() -> None:
    one = shaped("Schalte das Licht in dem Haus an")
    assert one.form != shaped("Schalte das Licht in dem Haus").form
    assert one.form != shaped("Schalte das Lichts in dem Haus an").form


def test_material_keeps_every_word() -> None:
    first, given = read("Fix this: the dog runs").sentences
    assert given.given
    assert not first.given
    assert shape(given).form.split("\x1f") == ["as-is", "the", "dog", "runs"]


def test_an_order_about_words_keeps_them() -> None:
    assert shaped("Translate the dogs to Dutch").form != shaped("Translate a dog to Dutch").form


def test_a_not_belongs_to_its_auxiliary_or_to_what_follows() -> None:
    assert shaped("Is it not safe to wait?").form != shaped("Is it safe to not wait?").form
    assert shaped("Is it not safe to wait?").form == shaped("Isn't it safe to wait?").form
