"""An edit changes what it is about, and nothing else."""

import json
from typing import Any

import msgspec
import pytest

from omniroute.formats import ir
from omniroute.formats.base import PathFacts, TargetModel
from omniroute.formats.edits import ThinkingMode, with_system_prompt, with_thinking
from omniroute.formats.ir import Raw
from omniroute.formats.quirks import OPENAI_ITSELF
from tests.formats.matrix import FORMATS, difference, request_told

PREFIX, SUFFIX = "Always answer in English.", "Never name yourself."
GOLDEN = [(form, case) for form in FORMATS for case in FORMATS[form].cases]
# Where the instructions of a format stand in its requests.
INSTRUCTIONS = {
    "openai": {"messages"},
    "openai-responses": {"instructions", "input"},
    "claude": {"system"},
    "gemini": {"systemInstruction"},
}
INSTRUCTING = ("system", "developer")
# Where the wish to think does, and what gives way to it.
THINKING = {
    "openai": {"reasoning_effort", "reasoning"},
    "openai-responses": {"reasoning"},
    "claude": {"thinking", "output_config", "temperature", "top_p", "top_k"},
    "gemini": {"generationConfig"},
}
THINKERS = {
    "openai": "gpt-5.1",
    "openai-responses": "gpt-5.1",
    "claude": "claude-sonnet-4-5",
    "gemini": "gemini-2.5-flash",
}
MODES: tuple[ThinkingMode, ...] = ("auto", "custom", "adaptive")


def written(form: str, request: ir.Request, model: str = "") -> dict[str, Any]:
    target = TargetModel(model or THINKERS[form], None, frozenset({OPENAI_ITSELF}))
    body: dict[str, Any] = json.loads(FORMATS[form].codec.encode_request(request, target).body)
    return body


def changed(before: dict[str, Any], after: dict[str, Any]) -> set[str]:
    return {name for name in before | after if before.get(name) != after.get(name)}


def chat(**more: Any) -> ir.Request:
    body = {"model": "m", "messages": [{"role": "user", "content": "hi"}], **more}
    return FORMATS["openai"].codec.decode_request(json.dumps(body).encode(), PathFacts())


def claude(**more: Any) -> ir.Request:
    body = {"model": "m", "max_tokens": 32_000, "messages": [{"role": "user", "content": "hi"}]}
    body |= more
    return FORMATS["claude"].codec.decode_request(json.dumps(body).encode(), PathFacts())


# --- the system prompt


@pytest.mark.parametrize(("form", "case"), GOLDEN)
def test_instructions_are_laid_around_those_of_the_client(form: str, case: str) -> None:
    request = FORMATS[form].request(case)
    edited = with_system_prompt(request, PREFIX, SUFFIX)
    before, after = written(form, request), written(form, edited)
    assert changed(before, after) <= INSTRUCTIONS[form]
    for name in {"messages", "input"} & set(after):
        # The conversation itself ends as it did.
        kept = [entry for entry in before[name] if entry.get("role") not in INSTRUCTING]
        assert [entry for entry in after[name] if entry.get("role") not in INSTRUCTING] == kept
    again = FORMATS[form].codec.decode_request(json.dumps(after).encode(), PathFacts("m"))
    text = "\n".join(leading(again))
    assert text.startswith(PREFIX)
    assert text.endswith(SUFFIX)
    for told in leading(request):
        assert told in text


def leading(request: ir.Request) -> list[str]:
    """What is said before the conversation begins."""
    told: list[str] = []
    for line in request_told(request):
        who, _, text = line.partition(": ")
        if who not in ("system", "developer"):
            break
        told.append(text)
    return told


@pytest.mark.parametrize(("form", "case"), GOLDEN)
def test_the_request_that_came_is_left_as_it_was(form: str, case: str) -> None:
    request = FORMATS[form].request(case)
    before = msgspec.json.encode(request)
    with_system_prompt(request, PREFIX, SUFFIX)
    for mode in MODES:
        with_thinking(request, mode, 4096)
    assert msgspec.json.encode(request) == before


def test_texts_that_are_empty_change_nothing() -> None:
    request = chat()
    assert with_system_prompt(request, "", "") is request
    assert with_system_prompt(request, PREFIX, "").system == [ir.Text(PREFIX)]
    assert with_system_prompt(request, "", SUFFIX).system == [ir.Text(SUFFIX)]


def test_a_developers_instructions_stay_the_only_ones() -> None:
    turns = [
        {"role": "developer", "content": "Be brief."},
        {"role": "developer", "content": "Be kind."},
        {"role": "user", "content": "hi"},
    ]
    body = written("openai", with_system_prompt(chat(messages=turns), PREFIX, SUFFIX))
    roles = [(entry["role"], entry["content"]) for entry in body["messages"]]
    assert [role for role, _ in roles] == ["developer", "developer", "user"]
    text = json.dumps(roles)
    assert sorted([PREFIX, "Be brief.", "Be kind.", SUFFIX], key=text.index) == [
        PREFIX,
        "Be brief.",
        "Be kind.",
        SUFFIX,
    ]


def test_marks_of_the_prompt_cache_stay_on_what_they_stood_on() -> None:
    marked = {"type": "text", "text": "Be brief.", "cache_control": {"type": "ephemeral"}}
    edited = with_system_prompt(claude(system=[marked]), PREFIX, SUFFIX)
    system = written("claude", edited)["system"]
    plain = [{"type": "text", "text": PREFIX}, marked, {"type": "text", "text": SUFFIX}]
    assert system == plain
    assert written("claude", with_system_prompt(claude(system=[marked]), PREFIX, SUFFIX)) == (
        written("claude", edited)
    )


def test_a_client_that_announces_itself_goes_on_doing_so_first() -> None:
    announced = [
        "x-anthropic-billing-header: cc_version=2",
        "You are Claude Code, Anthropic's official CLI for Claude.",
    ]
    blocks = [{"type": "text", "text": text} for text in [*announced, "Be brief."]]
    system = written("claude", with_system_prompt(claude(system=blocks), PREFIX, SUFFIX))["system"]
    assert [block["text"] for block in system] == [*announced, PREFIX, "Be brief.", SUFFIX]
    whole = announced[1] + " Be brief." * 50
    system = written("claude", with_system_prompt(claude(system=whole), PREFIX, ""))["system"]
    assert [block["text"] for block in system] == [PREFIX, whole]


# --- thinking


@pytest.mark.parametrize(("form", "case"), GOLDEN)
@pytest.mark.parametrize("mode", MODES)
def test_a_wish_to_think_changes_only_that(form: str, case: str, mode: ThinkingMode) -> None:
    request = FORMATS[form].request(case)
    before = written(form, request)
    after = written(form, with_thinking(request, mode, 4096))
    assert changed(before, after) <= THINKING[form]
    if form == "gemini":
        configs = (before.get("generationConfig", {}), after.get("generationConfig", {}))
        assert changed(*configs) <= {"thinkingConfig"}
    if form == "claude":
        assert difference(
            [*before.get("output_config", {})], [*after.get("output_config", {})]
        ) in ({}, {"gone": ["effort"]})


@pytest.mark.parametrize(("form", "case"), GOLDEN)
def test_passthrough_leaves_the_clients_wish(form: str, case: str) -> None:
    request = FORMATS[form].request(case)
    assert with_thinking(request, "passthrough", 4096) is request


@pytest.mark.parametrize(("form", "case"), GOLDEN)
def test_auto_leaves_no_wish(form: str, case: str) -> None:
    body = written(form, with_thinking(FORMATS[form].request(case), "auto", 4096))
    wishes = {"reasoning", "reasoning_effort", "thinking"} | {"effort"} & set(
        body.get("output_config", {})
    )
    assert not wishes & set(body)
    assert "thinkingConfig" not in body.get("generationConfig", {})


WISHED: list[tuple[str, str, int, Any]] = [
    ("claude", "claude-sonnet-4-5", 4096, {"type": "enabled", "budget_tokens": 4096}),
    ("claude", "claude-sonnet-4-5", 100, {"type": "enabled", "budget_tokens": 1024}),
    ("claude", "claude-sonnet-4-5", 200_000, {"type": "enabled", "budget_tokens": 24_000}),
    ("claude", "claude-sonnet-4-5", 0, {"type": "disabled"}),
    ("claude", "claude-opus-4-6", 4096, {"type": "adaptive"}),
    ("claude", "claude-3-5-sonnet-20241022", 4096, None),
    ("claude", "claude-3-5-sonnet-20241022", 0, None),
]


@pytest.mark.parametrize(("form", "model", "budget", "expected"), WISHED)
def test_claude_thinks_as_its_model_can(form: str, model: str, budget: int, expected: Any) -> None:
    edited = with_thinking(claude(), "custom", budget)
    body = written(form, edited, model)
    assert body.get("thinking") == expected
    assert body["max_tokens"] == 32_000
    if expected == {"type": "adaptive"}:
        assert body["output_config"] == {"effort": "medium"}


@pytest.mark.parametrize(
    ("model", "budget", "effort"),
    [
        ("gpt-5.1", 0, "none"),
        ("gpt-5", 0, "minimal"),
        ("gpt-5.1", 1024, "low"),
        ("gpt-5.1", 10_240, "medium"),
        ("gpt-5.1", 1_000_000, "high"),
        ("gpt-4o", 10_240, None),
        ("llama-3", 10_240, None),
    ],
)
def test_openai_takes_an_effort_where_the_model_does(
    model: str, budget: int, effort: str | None
) -> None:
    body = written("openai", with_thinking(chat(), "custom", budget), model)
    assert body.get("reasoning_effort") == effort
    items = {"model": "m", "input": "hi"}
    request = FORMATS["openai-responses"].codec.decode_request(
        json.dumps(items).encode(), PathFacts()
    )
    body = written("openai-responses", with_thinking(request, "custom", budget), model)
    assert body.get("reasoning", {}).get("effort") == effort


def test_a_model_that_nobody_knows_thinks_as_told_where_the_client_asks_it_to_think() -> None:
    asked = with_thinking(chat(reasoning_effort="high"), "custom", 1024)
    assert written("openai", asked, "llama-3")["reasoning_effort"] == "low"


@pytest.mark.parametrize(
    ("model", "budget", "expected"),
    [
        ("gemini-2.5-flash", 4096, {"thinkingBudget": 4096}),
        ("gemini-2.5-flash", 1_000_000, {"thinkingBudget": 24_576}),
        ("gemini-2.5-flash", 0, {"thinkingBudget": 0}),
        ("gemini-2.5-pro", 0, {"thinkingBudget": 128}),
        ("gemini-2.0-flash", 4096, None),
    ],
)
def test_gemini_takes_a_budget_within_its_models_bounds(
    model: str, budget: int, expected: Any
) -> None:
    body = {"contents": [{"parts": [{"text": "hi"}]}]}
    request = FORMATS["gemini"].codec.decode_request(json.dumps(body).encode(), PathFacts("m"))
    after = written("gemini", with_thinking(request, "custom", budget), model)
    assert after.get("generationConfig", {}).get("thinkingConfig") == expected


def budget_of(request: ir.Request, base: int = 1000) -> int | None:
    wish = with_thinking(request, "adaptive", base).reasoning
    return None if wish is None else wish.budget_tokens


def test_adaptive_grows_with_what_there_is_to_think_about() -> None:
    turns = [ir.Message("user", [ir.Text("hi")]), ir.Message("assistant", [ir.Text("Hi.")])]
    tools = [ir.Tool(f"f{at}") for at in range(4)]
    long = ir.Message("user", [ir.Text("x" * 2001)])
    few = ir.Request(origin="openai", messages=turns)
    assert budget_of(few) == 1000
    assert budget_of(ir.Request(origin="openai", messages=turns * 5)) == 1000
    assert budget_of(ir.Request(origin="openai", messages=[*turns * 5, turns[0]])) == 1500
    assert budget_of(ir.Request(origin="openai", messages=turns, tools=tools[:3])) == 1000
    assert budget_of(ir.Request(origin="openai", messages=turns, tools=tools)) == 1500
    assert budget_of(ir.Request(origin="openai", messages=[long])) == 1300
    answered = [long, ir.Message("user", [ir.ToolResult("a", [ir.Text("done")])])]
    assert budget_of(ir.Request(origin="openai", messages=answered)) == 1300
    assert budget_of(ir.Request(origin="openai", messages=[*turns * 5, long], tools=tools)) == 2300


def test_adaptive_of_nothing_is_off() -> None:
    assert with_thinking(chat(), "adaptive", 0).reasoning == ir.ReasoningWish(
        "none", imposed="anew"
    )


def test_thinking_leaves_room_for_the_answer() -> None:
    bounded = with_thinking(chat(max_completion_tokens=4000), "custom", 10_000)
    assert bounded.reasoning is not None
    assert bounded.reasoning.budget_tokens == 3000
    label = chat(max_completion_tokens=20)
    assert with_thinking(label, "custom", 10_000) is label
    off = with_thinking(label, "custom", 0).reasoning
    assert off is not None
    assert off.effort == "none"


def test_sampling_that_forbids_thinking_gives_way_to_it() -> None:
    request = claude(temperature=0, top_k=5, top_p=0.5)
    body = written("claude", with_thinking(request, "custom", 4096))
    assert body["thinking"]["type"] == "enabled"
    assert not {"temperature", "top_k", "top_p"} & set(body)
    off = written("claude", with_thinking(request, "custom", 0))
    assert (off["temperature"], off["top_k"], off["top_p"]) == (0, 5, 0.5)


def test_a_model_that_is_said_not_to_think_is_not_asked_to() -> None:
    request = claude(thinking={"type": "enabled", "budget_tokens": 2000})
    assert with_thinking(request, "custom", 4096, thinks=False).reasoning is None


def test_what_shows_and_seals_thoughts_stays_as_the_client_asked() -> None:
    body = {
        "model": "m",
        "input": "hi",
        "reasoning": {"effort": "max", "summary": "detailed"},
        "include": ["reasoning.encrypted_content"],
    }
    request = FORMATS["openai-responses"].codec.decode_request(
        json.dumps(body).encode(), PathFacts()
    )
    after = written("openai-responses", with_thinking(request, "custom", 1024))
    assert after["reasoning"] == {"effort": "low", "summary": "detailed"}
    assert after["include"] == ["reasoning.encrypted_content"]
    stripped = written("openai-responses", with_thinking(request, "auto", 0))
    assert "reasoning" not in stripped
    assert stripped["include"] == ["reasoning.encrypted_content"]


CLEAR = {"type": "clear_thinking_20251015", "keep": "all"}
TRIM = {"type": "clear_tool_uses_20250919"}


@pytest.mark.parametrize(
    ("edits", "left"),
    [([CLEAR, TRIM], {"edits": [TRIM]}), ([CLEAR], None), ([TRIM], {"edits": [TRIM]})],
)
def test_edits_of_thinking_go_where_there_is_none(edits: list[Any], left: Any) -> None:
    request = claude(
        thinking={"type": "enabled", "budget_tokens": 2000},
        context_management={"edits": edits},
    )
    for stripped in (with_thinking(request, "auto", 0), with_thinking(request, "custom", 0)):
        assert written("claude", stripped).get("context_management") == left
    kept = written("claude", with_thinking(request, "custom", 4096))
    assert kept["context_management"] == {"edits": edits}


@pytest.mark.parametrize("value", ["1", "[]", '{"edits":1}', '{"edits":[1]}', "true"])
def test_what_is_wrong_beside_it_is_left_to_the_upstream(value: str) -> None:
    request = claude()
    request.extra = {"context_management": Raw(value.encode())}
    assert with_thinking(request, "auto", 0).extra == request.extra


def test_the_words_of_vendors_for_it_go_too() -> None:
    request = chat(
        enable_thinking=True,
        thinking_budget=100,
        thinking={"type": "enabled"},
        chat_template_kwargs={"enable_thinking": True, "language": "en"},
        seed=1,
    )
    body = written("openai", with_thinking(request, "auto", 0))
    assert not {"enable_thinking", "thinking_budget", "thinking"} & set(body)
    assert body["chat_template_kwargs"] == {"language": "en"}
    only = chat(chat_template_kwargs={"enable_thinking": True})
    assert "chat_template_kwargs" not in written("openai", with_thinking(only, "auto", 0))


@pytest.mark.parametrize("form", FORMATS)
def test_no_loss_is_named_of_what_nobody_asked_for(form: str) -> None:
    request = ir.Request(
        origin="openai",
        messages=[ir.Message("user", [ir.Text("hi")])],
        sampling=ir.Sampling(max_tokens=8000),
    )
    models = ("gpt-4o", "claude-3-5-haiku-20241022", "gemini-2.0-flash", "gemini-3-pro-preview")
    for model in models:
        for budget in (0, 4096):
            edited = with_thinking(request, "custom", budget)
            encoded = FORMATS[form].codec.encode_request(edited, TargetModel(model))
            assert "reasoning_effort" not in encoded.losses
