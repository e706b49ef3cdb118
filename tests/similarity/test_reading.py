"""Text to tokens: what keeps its spelling, and what is told as a name."""

import pytest

from omniroute.similarity.reading import MARK, read


def tokens(text: str) -> list[list[str]]:
    return [list(sentence.tokens) for sentence in read(text).sentences]


@pytest.mark.parametrize(
    "text",
    [
        "`a  b`",
        "```py\nx = 1\n\ny\n```",
        "getUserById",
        "user_id",
        "/etc/hosts",
        "--no-cache",
        "-v",
        "https://a.example/b?c=1",
        "x^2",
        "report.pdf",
        "C++",
        "@anna",
        "3rd",
    ],
)
def test_what_counts_as_it_is_written_stays_so(text: str) -> None:
    ((token,),) = tokens(text)
    assert token.startswith(MARK)
    assert token.removeprefix(MARK).removeprefix("`") == text


def test_quotes_of_any_kind_hold_their_text_as_it_is() -> None:
    for text in ('say "Good  day"', "say “Good  day”", "say 'Good  day'", "say «Good  day»"):
        assert tokens(text) == [["say", f'{MARK}"Good  day']]


def test_an_apostrophe_opens_no_quote() -> None:
    assert tokens("it doesn't and won't") == [["it", "doesn't", "and", "won't"]]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1,000", ["1000"]),
        ("22.04", ["22.04"]),
        ("-3", ["-3"]),
        ("100MB", ["100", f"{MARK}MB"]),
        ("100 megabytes", ["100", f"{MARK}MB"]),
        ("5 km", ["5", f"{MARK}km"]),
        ("15%", ["15", f"{MARK}%"]),
        ("30°C", ["30", f"{MARK}°C"]),
        ("30 degrees Celsius", ["30", f"{MARK}°C"]),
    ],
)
def test_numbers_and_their_units_have_one_spelling(text: str, expected: list[str]) -> None:
    assert tokens(text) == [expected]


def test_sentences_end_at_marks_and_material_begins_behind_a_colon_or_a_line() -> None:
    found = read("Fix it. Now: a b\nc d").sentences
    assert [sentence.given for sentence in found] == [False, False, True, True]
    assert [list(sentence.tokens) for sentence in found] == [
        ["fix", "it"],
        ["now"],
        ["a", "b"],
        ["c", "d"],
    ]


def test_capitals_where_none_is_due_tell_a_name() -> None:
    found = read("Ask Anna what Rust and bread are. Then wait.")
    assert found.names == {"anna", "rust"}
    assert found.plain == {"what", "and", "bread", "are", "wait"}


def test_a_writer_without_capitals_leaves_only_two_faced_words_plain() -> None:
    assert read("ask anna what rust is").plain == {"rust"}
    assert read("ask anna what bread is").plain == frozenset()


def test_an_abbreviation_is_not_read_as_a_word() -> None:
    assert tokens("a GET and a CSV") == [["a", f"{MARK}get", "and", "a", "csv"]]


def test_brackets_are_kept_where_they_group() -> None:
    assert tokens("(a + b) c") == [
        [f"{MARK}(", "a", f"{MARK}+", "b", f"{MARK})", "c"],
    ]
