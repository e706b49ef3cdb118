"""A refused configuration is told on one line a problem."""

from omniroute.config import ConfigError


def test_place_key_message_and_remedy_stand_on_one_line() -> None:
    error = ConfigError("is wrong", file="f.toml", key="a.b", line=3, hint="did you mean c?")
    assert str(error) == "f.toml:3: a.b: is wrong (did you mean c?)"


def test_what_is_not_known_is_left_out() -> None:
    assert str(ConfigError("is wrong")) == "is wrong"
    assert str(ConfigError("is wrong", file="f.toml")) == "f.toml: is wrong"


def test_several_problems_are_one_error_with_a_line_each() -> None:
    error = ConfigError.together([ConfigError("one"), ConfigError("two"), ConfigError("three")])
    assert str(error) == "one\ntwo\nthree"
    assert error.message == "one"
    assert [other.message for other in error.more] == ["two", "three"]
