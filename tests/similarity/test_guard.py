"""The judge alone: what it may never take for the same, and what it recognises.

The adversarial set stands in pairs.toml, with which the tables were made, and pairs_held_out.toml,
which was written before and looked at after. Here no embedding filters first, so whatever holds
here holds at every threshold.
"""

from functools import cache
from itertools import combinations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from omniroute.similarity.guard import MAX_CHARS, Features, features, same
from tests.similarity.paraphrases import HALVES, questions

# Half of the set -> least share of its paraphrases that must be recognised.
LEAST_RECALL = {"pairs": 0.75, "pairs_held_out": 0.45}


@cache
def read_once(text: str) -> Features | None:
    return features(text)


def judged_same(a: str, b: str) -> bool:
    of_a, of_b = read_once(a), read_once(b)
    return of_a is not None and of_b is not None and same(of_a, of_b)


def test_the_set_is_as_large_as_it_claims() -> None:
    everything = [question for half in HALVES for question in questions(half)]
    assert sum(len(question.other) for question in everything) >= 400
    assert sum(len(question.same) for question in everything) >= 250


@pytest.mark.parametrize("half", HALVES)
def test_a_near_duplicate_that_asks_something_else_is_never_the_same(half: str) -> None:
    wrong = [
        (text, other)
        for question in questions(half)
        for text in (question.text, *question.same)
        for other in question.other
        if judged_same(text, other)
    ]
    assert not wrong


def test_different_questions_of_the_set_are_never_the_same() -> None:
    everything = [question for half in HALVES for question in questions(half)]
    wrong = [
        (text, foreign)
        for one, another in combinations(everything, 2)
        for text in (one.text, *one.same)
        for foreign in (another.text, *another.same)
        if judged_same(text, foreign)
    ]
    assert not wrong


@pytest.mark.parametrize("half", HALVES)
def test_enough_paraphrases_are_recognised(half: str) -> None:
    pairs = [(question.text, again) for question in questions(half) for again in question.same]
    hits = sum(judged_same(*pair) for pair in pairs)
    print(f"{half}: {hits} of {len(pairs)} paraphrases are recognised")
    assert hits / len(pairs) >= LEAST_RECALL[half]


DIFFERENT = [
    ("How do I sort 10 numbers?", "How do I sort 100 numbers?"),
    ("How do I sort ten numbers?", "How do I sort eleven numbers?"),
    ("What changed in version 1.2?", "What changed in version 1.3?"),
    ("What happened on 3 May 1990?", "What happened on 4 May 1990?"),
    ("Who came second?", "Who came third?"),
    ("In which year was it built?", "On which date was it built?"),
    ("How do I print 'a'?", "How do I print 'A'?"),
    ('Print "a b" c', 'Print "a b c"'),
    ('Print "a\x1fb" c', 'Print "a" b c'),
    ("Explain `a == b`.", "Explain `a != b`."),
    ("What is in /etc/hosts?", "What is in /etc/host?"),
    ("What does ls -l show?", "What does ls -L show?"),
    ("Open https://a.example/x", "Open https://a.example/y"),
    ("Ask @anna about it", "Ask @hanna about it"),
    ("Is it safe not to wait?", "Is it not safe to wait?"),
    ("Do files not in the folder appear?", "Do files in the folder not appear?"),
    ("How do I fly from Oslo to Rome?", "How do I fly from Rome to Oslo?"),
    ("Use Python in Java", "Use Java in Python"),
    ("What is eating the fish?", "What is the fish eating?"),
    ("Who does Anna love?", "Who loves Anna?"),
    ("What is rust?", "What is Rust?"),
    ("What is US law?", "What is us law?"),
    ("What is the time?", "What is time?"),
    ("Why do few people vote?", "Why do a few people vote?"),
    ("What is the best book?", "What are the best books?"),
    ("Name a city in France.", "Name cities in France."),
    ("Give me an example of irony.", "Give me examples of irony."),
    ("Which country borders Spain?", "Which countries border Spain?"),
    ("How do you work?", "How do I work?"),
    ("What is your name?", "What is my name?"),
    ("How do people vote in Rome?", "How do I vote in Rome?"),
    ("How do I clean my glasses?", "How do I clean my glass?"),
    ("What is (a + b) * c?", "What is a + (b * c)?"),
    ("Translate: the dogs sleep", "Translate: the dog sleeps"),
    ("Summarise this:\nIt was a cat.", "Summarise this:\nIt was the cat."),
    ("Cats or dogs?", "Cats and dogs?"),
    ("What is training?", "What is a train?"),
    ("Is testing hard?", "Are tests hard?"),
    ("How do I plan a building?", "How do I plan a build?"),
    ("Delete the file.", "Delete the files."),
    ("Should I walk every day?", "Should I walk all day?"),
    ("How do I print every other line?", "How do I print all other lines?"),
    ("How do I erase a USB drive?", "How do I remove a USB drive?"),
    ("How do I delete my account from my phone?", "How do I remove my account from my phone?"),
    ("What is a show?", "What is a display?"),
    ("How do I write an application?", "How do I write an app?"),
    ("What is a dictionary?", "What is a dict?"),
    ("How would you rank the films?", "How do I rank the films?"),
    ("How can someone steal my password?", "How can I steal my password?"),
    ("Should we move to Rome?", "Should I move to Rome?"),
    ("Well water is safe, why?", "Water is safe, why?"),
    ("Hello world in C", "World in C"),
    ("Who can Anna call?", "Who can call Anna?"),
    ("What happens if I do not pay?", "What happens if I pay?"),
    ("How do I open a can?", "How do I open it?"),
    ("yes", "no"),
]  # fmt: skip


@pytest.mark.parametrize(("one", "other"), DIFFERENT)
def test_what_changes_the_answer_makes_another_question(one: str, other: str) -> None:
    assert not judged_same(one, other)
    assert judged_same(one, one)


EQUAL = [
    ("How do I sort a list in python?", "How can I sort a list in Python?"),
    ("What's 20% of 50?", "What is 20 percent of 50?"),
    ("It weighs 5kg, why?", "It weighs 5 kilograms, why?"),
    ("Is Anna or Bob older?", "Is Bob or Anna older?"),
    ("Show me how to whistle!", "How do I whistle?"),
    ("In a new shell, what does umask do?", "What does umask do in a new shell?"),
    ("If it rains, can I run?", "Can I run if it rains?"),
]  # fmt: skip


@pytest.mark.parametrize(("one", "other"), EQUAL)
def test_what_never_changes_the_answer_is_seen_through(one: str, other: str) -> None:
    assert judged_same(one, other)


def test_no_word_that_says_something_can_go() -> None:
    empty = {"a", "an", "the", "that", "me", "degrees"}
    for question in questions("pairs"):
        words = question.text.split(" ")
        for place, word in enumerate(words):
            without = " ".join((*words[:place], *words[place + 1 :]))
            # "a query to get" and "a query that gets" agree, so their link is empty as well.
            link = words[place - 1] in ("query", "function")
            if word.lower() not in empty and "\n" not in word and not link:
                assert not judged_same(question.text, without), without


ADDED = [
    "not",
    "no",
    "only",
    "all",
    "any",
    "never",
    "some",
    "without",
    "two",
    "more",
    "un",
    "always",
]


@pytest.mark.parametrize("added", ADDED)
def test_no_word_that_says_something_can_come_in(added: str) -> None:
    for question in questions("pairs"):
        words = question.text.split(" ")
        for place in range(len(words)):
            longer = " ".join((*words[:place], added, *words[place:]))
            assert not judged_same(question.text, longer), longer


def test_a_text_that_is_too_long_or_says_nothing_shares_no_answer() -> None:
    assert features("a" * (MAX_CHARS + 1)) is None
    assert features("b" * MAX_CHARS) is not None
    for empty in ("", "   ", "\n", "Thanks!", "Hello, please"):
        assert features(empty) is None, empty


@given(st.text(max_size=200))
def test_any_text_is_read_and_the_same_as_itself(text: str) -> None:
    found = features(text)
    if found is not None:
        assert same(found, found)
        assert features(text) == found
        assert msgspec.msgpack.decode(msgspec.msgpack.encode(found), type=Features) == found


@given(st.text(max_size=80), st.text(max_size=80))
def test_judging_knows_no_order(one: str, other: str) -> None:
    assert judged_same(one, other) == judged_same(other, one)


@given(st.sampled_from(["How do I count {} in Rome?", "Copy {} to x", "What is {}?"]), st.data())
def test_two_numbers_are_two_questions(pattern: str, data: st.DataObject) -> None:
    number = st.integers(min_value=0, max_value=10**9)
    one = data.draw(number)
    other = data.draw(number.filter(lambda value: value != one))
    assert not judged_same(pattern.format(one), pattern.format(other))
