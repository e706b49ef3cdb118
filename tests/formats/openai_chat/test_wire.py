"""Data URLs."""

import pytest

from omniroute.formats.openai_chat.wire import data_url, split_data_url


@pytest.mark.parametrize(
    ("url", "split"),
    [
        ("data:image/png;base64,AA==", ("image/png", "AA==")),
        ("data:text/plain;charset=utf-8;base64,AA==", ("text/plain", "AA==")),
        ("data:;base64,AA==", ("text/plain", "AA==")),
        ("data:text/plain,hello", None),
        ("data:image/png;base64", None),
        ("https://example.test/a.png", None),
        ("", None),
    ],
)
def test_only_base64_is_taken_apart(url: str, split: tuple[str, str] | None) -> None:
    assert split_data_url(url) == split


def test_there_and_back() -> None:
    assert split_data_url(data_url("a/b", "AA==")) == ("a/b", "AA==")
