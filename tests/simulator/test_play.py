"""The answer of a scenario, before it is written in any wire format."""

import json
from dataclasses import replace

import pytest

from omniroute.simulator.play import (
    Arguments,
    Ask,
    Call,
    Finish,
    Piece,
    Tally,
    Text,
    Thought,
    Tool,
    play,
)
from omniroute.simulator.scenario import scenario_named

WEATHER = Tool(
    "weather",
    {
        "type": "object",
        "properties": {"city": {"type": "string"}, "days": {"type": "integer"}},
        "required": ["city", "days"],
    },
)
CLOCK = Tool("clock", {})
ASK = Ask(model="any", question="How are you?", input_tokens=4)


def played(name: str, ask: Ask = ASK) -> list[Piece]:
    return list(play(scenario_named(name), ask))


def text_of(pieces: list[Piece]) -> str:
    return "".join(piece.text for piece in pieces if isinstance(piece, Text))


def test_the_plain_answer_says_what_it_is_and_quotes_the_question() -> None:
    text = text_of(played("plain"))
    assert "simulator" in text
    assert "no API key" in text
    assert text.endswith("You said: How are you?")


@pytest.mark.parametrize("name", ["plain", "tools", "think", "reasoning", "long-9", "unicode"])
def test_the_same_ask_gets_the_same_answer(name: str) -> None:
    ask = replace(ASK, tools=(WEATHER,))
    assert played(name, ask) == played(name, ask)


@pytest.mark.parametrize("name", ["plain", "tools", "parallel-tools", "empty", "long-1"])
def test_every_answer_ends_in_its_only_finish(name: str) -> None:
    pieces = played(name, replace(ASK, tools=(WEATHER,)))
    assert [i for i, piece in enumerate(pieces) if isinstance(piece, Finish)] == [len(pieces) - 1]


def test_a_long_answer_has_as_many_pieces_as_asked() -> None:
    assert len(played("long-5")) == 5 + 1
    assert len(played("long-500")) == 500 + 1


def test_thinking_stands_in_tags_or_apart() -> None:
    tagged, apart = played("think"), played("reasoning")
    assert text_of(tagged).startswith("<think>The question is short")
    assert "</think>" in text_of(tagged)
    assert isinstance(apart[0], Thought)
    assert "<think>" not in text_of(apart)


def test_a_tool_is_called_with_arguments_of_its_schema() -> None:
    pieces = played("tools", replace(ASK, tools=(WEATHER, CLOCK)))
    assert pieces[0] == Call(0, "call_simulated_0", "weather")
    arguments = "".join(piece.text for piece in pieces if isinstance(piece, Arguments))
    assert json.loads(arguments) == {"city": "simulated", "days": 1}
    assert pieces[-1] == Finish("tools")


def calls(name: str, ask: Ask) -> list[str]:
    return [piece.name for piece in played(name, ask) if isinstance(piece, Call)]


def test_a_tool_that_reads_is_called_with_the_file_that_the_user_named() -> None:
    read = Tool("Read", {"type": "object", "properties": {"file_path": {"type": "string"}}})
    ask = replace(ASK, tools=(CLOCK, read), question="What does /tmp/w/note.txt say?")
    pieces = played("tools", ask)
    assert pieces[0] == Call(0, "call_simulated_0", "Read")
    arguments = "".join(piece.text for piece in pieces if isinstance(piece, Arguments))
    assert json.loads(arguments) == {"file_path": "/tmp/w/note.txt"}


def test_parallel_calls_take_two_tools_or_one_twice() -> None:
    assert calls("parallel-tools", replace(ASK, tools=(WEATHER, CLOCK))) == ["weather", "clock"]
    assert calls("parallel-tools", replace(ASK, tools=(CLOCK,))) == ["clock", "clock"]


def test_the_choice_of_tools_is_honoured() -> None:
    both = replace(ASK, tools=(WEATHER, CLOCK))
    assert calls("tools", replace(both, must_call="clock")) == ["clock"]
    assert calls("tools", replace(both, must_call="")) == []
    assert calls("parallel-tools", replace(both, parallel=False)) == ["weather"]


def test_thinking_comes_before_the_call_and_before_the_answer() -> None:
    ask = replace(ASK, tools=(CLOCK,))
    kinds = [type(piece) for piece in played("reasoning-tools", ask)]
    assert kinds[0] is Thought
    assert kinds.index(Call) == kinds.count(Thought)
    answer = played("reasoning-tools", replace(ask, results=("noon",)))
    assert isinstance(answer[0], Thought)
    assert "The tool answered: noon" in text_of(answer)


def test_a_tools_result_is_quoted_instead_of_calling_again() -> None:
    pieces = played("tools", replace(ASK, tools=(WEATHER,), results=("sunny",)))
    assert "The tool answered: sunny" in text_of(pieces)
    assert pieces[-1] == Finish("stop")


def test_without_tools_it_says_so() -> None:
    assert "no tool to call" in text_of(played("tools"))


def test_the_output_limit_cuts_the_answer() -> None:
    assert played("long-10", replace(ASK, max_output_tokens=3))[3:] == [Finish("length")]
    # A limit that is exactly reached cuts nothing.
    assert played("long-3", replace(ASK, max_output_tokens=3))[-1] == Finish("stop")
    assert played("long-3", replace(ASK, max_output_tokens=4))[-1] == Finish("stop")
    assert played("empty", replace(ASK, max_output_tokens=1)) == [Finish("stop")]


def test_json_is_answered_where_it_is_demanded() -> None:
    schema = {"type": "object", "properties": {"ok": {"type": "boolean"}}, "required": ["ok"]}
    assert json.loads(text_of(played("plain", replace(ASK, json_schema=schema)))) == {"ok": True}
    assert "simulator" in json.loads(text_of(played("plain", replace(ASK, json_schema={}))))["note"]


def test_the_tally_counts_each_piece_as_a_token() -> None:
    tally = Tally(4)
    for piece in (Thought("a"), Text("b"), Finish("stop")):
        tally.count(piece)
    assert (tally.input_tokens, tally.output_tokens, tally.reasoning_tokens) == (4, 2, 1)


def test_a_long_question_is_quoted_in_part() -> None:
    assert len(text_of(played("plain", replace(ASK, question="x" * 10_000)))) < 500
