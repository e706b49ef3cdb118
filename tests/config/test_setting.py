"""A setting knows its type, whether it is secret, and which tables it holds."""

from typing import Annotated, Any

import pytest
from msgspec import Meta

from omniroute.config import BudgetSettings, ComboMember, PromptSettings
from omniroute.config.setting import FILE, SECRET, Nest, Setting, is_file, is_secret, nest, unwrap


class Login(Setting, frozen=True, kw_only=True):
    """A setting with something to hide."""

    name: Annotated[str, Meta(description="Shown.")] = "me"
    password: Annotated[str, Meta(description="Hidden.", extra=SECRET)] = ""


def test_what_is_secret_is_not_shown() -> None:
    assert repr(Login(password="hunter2")) == "Login(name='me', password=***)"


def test_marks_are_found_only_where_they_are() -> None:
    secret, file = (Annotated[str, Meta(extra=mark)] for mark in (SECRET, FILE))
    assert (is_secret(secret), is_secret(file), is_secret(str)) == (True, False, False)
    assert (is_file(secret), is_file(file), is_file(str)) == (False, True, False)


def test_a_type_is_unwrapped_from_what_is_said_about_it() -> None:
    meta = Meta(ge=1)
    assert unwrap(Annotated[int, meta]) == (int, meta)
    assert unwrap(int)[0] is int


@pytest.mark.parametrize(
    ("annotation", "found"),
    [
        (str, None),
        (tuple[str, ...], None),
        (int | None, None),
        (dict[str, str], None),
        (PromptSettings, Nest(PromptSettings, True, False, False)),
        (PromptSettings | None, Nest(PromptSettings, True, False, False)),
        (tuple[BudgetSettings, ...], Nest(BudgetSettings, False, True, False)),
        (tuple[BudgetSettings, ...] | BudgetSettings, Nest(BudgetSettings, True, True, False)),
        (tuple[str | ComboMember, ...], Nest(ComboMember, False, True, True)),
    ],
)
def test_tables_within_a_setting_are_found_with_their_shapes(
    annotation: Any, found: Nest | None
) -> None:
    assert nest(annotation) == found
    assert nest(Annotated[annotation, Meta(description="…")]) == found
