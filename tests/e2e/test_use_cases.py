"""The four use cases of the examples, with quota ends and outages: each switch, and the way back.

A real gateway runs each example's file as it stands, but for addresses and times; the simulator is
all of its providers. What befalls them is written over HTTP; who answered is told by the headers of
the answers and, for itself, by the simulator's counts.
"""

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import anthropic
import httpx
import pytest

from tests.processes.harness import API_KEY, ROOT, WAIT_S, Gateway, eventually

pytestmark = pytest.mark.processes

# Long enough for a few requests on a busy machine, short enough to wait for.
QUOTA_ENDS_S = 5

# Times that a test can wait for; what they are times of stays as it is in the examples.
TIMES = {
    "RESILIENCE_COOLDOWN_BASE_S": "0.2",
    "RESILIENCE_COOLDOWN_MAX_S": "1",
    "RESILIENCE_BREAKER_RESET_S": "0.3",
    "RESILIENCE_RETRY_BASE_MS": "10",
    "RESILIENCE_WAIT_FOR_COOLDOWN_S": "0",
    "UPSTREAM_FIRST_BYTE_S": "1",
    "UPSTREAM_IDLE_S": "1",
}


class Answer(NamedTuple):
    """What came back, as the client sees it."""

    status: int
    provider: str
    model: str
    attempts: int
    text: str
    """The whole body."""
    retry_after: str = ""

    @property
    def is_whole(self) -> bool:
        """Whether an answer was said to its end, once."""
        ended = "[DONE]" in self.text or '"finish_reason":"stop"' in self.text.replace(" ", "")
        return self.status == 200 and ended and '"error"' not in self.text


class UseCase:
    """One example, running, and the providers behind it."""

    def __init__(self, gateway: Gateway, simulator: httpx.Client, model: str) -> None:
        self.gateway = gateway
        self.model = model
        self._simulator = simulator
        self._client: httpx.Client | None = None
        self._numbers = count()
        self.all_is_well()

    def open(self) -> None:
        """The gateway is ready."""
        self._client = self.gateway.client()

    def close(self) -> None:
        if self._client is not None:
            self._client.close()
        self.gateway.clean_up()

    def all_is_well(self) -> None:
        """No provider has a script, or counts."""
        self._simulator.delete("/_simulator/mounts").raise_for_status()

    def ask(self, *, model: str = "", stream: bool = False, say: str = "") -> Answer:
        """One chat request; without `say` it begins a conversation of its own."""
        body = {
            "model": model or self.model,
            "stream": stream,
            "max_tokens": 64,
            "messages": [{"role": "user", "content": say or f"question {next(self._numbers)}"}],
        }
        assert self._client is not None
        got = self._client.post("/v1/chat/completions", json=body)
        headers = got.headers
        return Answer(
            got.status_code,
            headers.get("x-omniroute-provider", ""),
            headers.get("x-omniroute-model", ""),
            int(headers.get("x-omniroute-attempts", "0")),
            got.text,
            headers.get("retry-after", ""),
        )

    def answered_by(self, **how: Any) -> str:
        """Who answers now; every answer on the way is a whole one."""
        answer = self.ask(**how)
        assert answer.is_whole, answer
        return answer.provider

    def comes_back_to(self, provider: str, **how: Any) -> None:
        """Wait until the provider answers; meanwhile others do, and nobody gets an error."""
        eventually(lambda: self.answered_by(**how) == provider)

    def script(self, mount: str, account: str = "", **script: Any) -> None:
        place = f"{mount}/accounts/{account}" if account else mount
        self._simulator.put(f"/_simulator/mounts/{place}", json=script).raise_for_status()

    def told(self, mount: str) -> dict[str, Any]:
        return self._simulator.get(f"/_simulator/mounts/{mount}").json()

    def conversations(self, mount: str, account: str) -> dict[str, int]:
        return self.told(mount)["accounts"].get(account, {}).get("conversations", {})


class Start(Protocol):
    """Starts an example: its name, the model that it is asked for, and what is changed in it."""

    def __call__(self, example: str, model: str, *changes: tuple[str, str]) -> UseCase: ...


@contextmanager
def starting(simulator: str, folder: Path) -> Iterator[Start]:
    """A way to start examples against the simulator; all that was started is gone at the end."""
    root = simulator.removesuffix("/v1")
    running: list[UseCase] = []
    with (
        pytest.MonkeyPatch.context() as environment,
        httpx.Client(base_url=root, timeout=WAIT_S, trust_env=False) as control,
    ):
        for name, value in TIMES.items():
            environment.setenv(f"OMNIROUTE_{name}", value)

        def start(example: str, model: str, *changes: tuple[str, str]) -> UseCase:
            text = (ROOT / "examples" / f"{example}.toml").read_text()
            for old, new in changes:
                assert old in text
                text = text.replace(old, new)
            text = text.replace("http://127.0.0.1:9101", root)
            gateway = Gateway(folder, upstream=None)  # type: ignore[arg-type]
            gateway.config_file.write_text(
                f"{text}\n[server]\nport = 0\ndashboard_port = 0\nworkers = 1\n"
                f'[[keys]]\nname = "test"\nkey = "{API_KEY}"\n'
            )
            running.append(UseCase(gateway, control, model))
            gateway.start()
            running[-1].open()
            return running[-1]

        try:
            yield start
        finally:
            for case in running:
                case.close()


@pytest.fixture
def use_case(simulator: str, tmp_path: Path) -> Iterator[Start]:
    with starting(simulator, tmp_path) as start:
        yield start


@pytest.fixture(scope="module")
def shared_always_on(simulator: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[UseCase]:
    with starting(simulator, tmp_path_factory.mktemp("always-on")) as start:
        yield start("always-on", "always-on")


@pytest.fixture
def always_on(shared_always_on: UseCase) -> UseCase:
    """The gateway that outages do not wear out: all is well again, and nothing was counted."""
    shared_always_on.all_is_well()
    shared_always_on.comes_back_to("claude")
    shared_always_on.all_is_well()
    return shared_always_on


@contextmanager
def simulator_at(listener: socket.socket) -> Iterator[None]:
    """A further simulator, on a socket of the test's own."""
    descriptor = listener.fileno()
    process = subprocess.Popen(
        [sys.executable, "-m", "omniroute.simulator", "--fd", str(descriptor)],
        pass_fds=[descriptor],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.DEVNULL,
    )
    try:
        yield
    finally:
        process.terminate()
        process.wait(WAIT_S)


streamed = pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])


# Maximize a subscription


@streamed
def test_a_subscription_is_used_to_its_end_and_again_when_its_window_begins_anew(
    use_case: Start, stream: bool
) -> None:
    case = use_case("maximize-subscription", "maximize-claude")
    case.script("cc", quotas=[{"limit": 3, "resets_in_s": QUOTA_ENDS_S}])
    answers = [case.ask(stream=stream) for _ in range(5)]
    assert all(answer.is_whole for answer in answers)
    models = [(answer.provider, answer.model) for answer in answers]
    assert models == [("claude", "claude-opus-4-6")] * 3 + [("glm", "glm-4.7")] * 2
    case.comes_back_to("claude", stream=stream)
    told = case.told("cc")
    # Three, then one that found the quota used up at most, then one that found it fresh; clocks
    # round a reset to seconds, so one more may have come too early.
    assert told["refused"] <= 2
    assert told["accounts"]["simulated-claude-pro"]["quotas"][0]["used"] == 1


def test_a_budget_of_the_backup_ends_in_what_is_free_and_is_never_passed(
    use_case: Start,
) -> None:
    case = use_case("maximize-subscription", "maximize-claude", ("usd = 5.0", "usd = 0.001"))
    case.script("cc", scenario="error-500")
    providers = [case.answered_by() for _ in range(25)]
    begins_free = providers.index("iflow")
    assert set(providers[:begins_free]) == {"glm"}
    glm = case.told("glm")
    assert 0.6 * glm["input_tokens"] + 2.2 * glm["output_tokens"] <= 1000  # micro-USD
    case.script("cc")
    case.comes_back_to("claude")


# Zero cost


@streamed
def test_free_quotas_take_over_from_each_other_and_the_first_comes_back(
    use_case: Start, stream: bool
) -> None:
    case = use_case("zero-cost", "free-forever")
    case.script("gc", quotas=[{"limit": 2, "window": "minute", "resets_in_s": QUOTA_ENDS_S}])
    assert [case.answered_by(stream=stream) for _ in range(2)] == ["gemini-cli"] * 2
    switched = case.ask(stream=stream)
    assert switched.is_whole
    assert (switched.provider, switched.model) == ("iflow", "kimi-k2-thinking")
    assert switched.attempts == 2
    case.script("if", scenario="error-500")
    assert case.answered_by(stream=stream) == "qwen"
    case.script("if")
    case.comes_back_to("gemini-cli", stream=stream)
    # While it rested it was left alone.
    assert case.told("gc")["refused"] <= 2


# Always on


def test_five_layers_take_over_one_after_the_other_and_the_first_comes_back(
    use_case: Start,
) -> None:
    case = use_case("always-on", "always-on")
    layers = {"cc": "claude", "cx": "codex", "glm": "glm", "minimax": "minimax", "if": "iflow"}
    for mount, provider in layers.items():
        assert case.answered_by(stream=True) == provider
        assert case.answered_by() == provider
        case.script(mount, scenario="error-500")
    failed = case.ask()
    # One error that names whom it was tried with, and when to come back.
    assert failed.status >= 500
    assert [provider for provider in layers.values() if provider not in failed.text] == []
    assert int(failed.retry_after) >= 1
    # While nothing else answers there is an error until the last layer is asked again.
    case.script("if")
    eventually(lambda: case.ask().provider == "iflow" and case.ask().is_whole)
    for mount in ("cx", "cc"):
        case.script(mount)
        case.comes_back_to(layers[mount])


@streamed
@pytest.mark.parametrize(
    "outage",
    ["error-500", "error-503", "error-529", "reset-head", "cut-head", "error-first", "slow-60s"],
)
def test_an_outage_before_the_first_event_is_never_seen(
    always_on: UseCase, outage: str, stream: bool
) -> None:
    always_on.script("cc", scenario=outage)
    answers = [always_on.ask(stream=stream) for _ in range(2)]
    assert all(answer.is_whole for answer in answers)
    assert {answer.provider for answer in answers} == {"codex"}
    assert answers[0].attempts > 1
    asked = always_on.told("cc")["requests"]
    assert asked >= 1
    always_on.script("cc")
    always_on.comes_back_to("claude", stream=stream)


def test_a_provider_that_falls_silent_before_the_first_event_is_left(
    always_on: UseCase,
) -> None:
    always_on.script("cc", scenario="quiet-60s")
    assert always_on.answered_by(stream=True) == "codex"
    always_on.script("cc")
    always_on.comes_back_to("claude", stream=True)


def test_a_provider_whose_machine_is_off_is_passed_over_until_it_is_on(
    use_case: Start,
) -> None:
    with socket.socket() as door:
        door.bind(("127.0.0.1", 0))  # and does not listen: connections are refused
        there = f"http://127.0.0.1:{door.getsockname()[1]}/p/cc"
        case = use_case("always-on", "always-on", ("http://127.0.0.1:9101/p/cc", there))
        assert {case.answered_by(stream=stream) for stream in (False, True)} == {"codex"}
        door.listen()
        with simulator_at(door):
            case.comes_back_to("claude")


@pytest.mark.parametrize("outage", ["cut-8", "reset-8", "stall-8", "error-event-8"])
def test_an_outage_after_the_first_event_is_told_and_nothing_is_said_twice(
    always_on: UseCase, outage: str
) -> None:
    always_on.script("cc", scenario=f"{outage}+pace-10ms")
    answer = always_on.ask(stream=True)
    assert answer.provider == "claude"
    assert answer.text.count("This ") == 1  # the word that answers begin with
    assert '"error"' in answer.text
    assert sum(always_on.told(mount)["requests"] for mount in ("cx", "glm", "minimax", "if")) == 0
    always_on.script("cc")
    always_on.comes_back_to("claude", stream=True)


def test_a_broken_whole_answer_is_asked_for_elsewhere(always_on: UseCase) -> None:
    always_on.script("cc", scenario="cut-3")
    assert always_on.answered_by() == "codex"
    always_on.script("cc")
    always_on.comes_back_to("claude")


def test_a_second_account_takes_over_keeps_its_conversations_and_gives_way(
    use_case: Start,
) -> None:
    case = use_case("always-on", "always-on")
    first, second = "simulated-claude-1", "simulated-claude-2"
    case.script("cc", account=first, quotas=[{"limit": 2, "resets_in_s": QUOTA_ENDS_S}])
    for _ in range(2):
        assert case.answered_by() == "claude"
    assert case.conversations("cc", second) == {}
    assert case.answered_by(say="a long talk") == "claude"
    (talk,) = case.conversations("cc", second)

    def first_is_back() -> bool:
        assert case.answered_by() == "claude"
        return len(case.conversations("cc", first)) > 2

    eventually(first_is_back)
    assert case.answered_by(say="a long talk") == "claude"
    # What is cached at the second account stays there.
    assert case.conversations("cc", second)[talk] == 2
    assert talk not in case.conversations("cc", first)


def test_two_subscriptions_are_used_up_account_by_account_before_anything_costs(
    use_case: Start,
) -> None:
    case = use_case("always-on", "always-on")
    for mount in ("cc", "cx"):
        week = {"limit": 9, "window": "7d"}
        case.script(mount, quotas=[{"limit": 1, "resets_in_s": QUOTA_ENDS_S}, week])
    providers = [case.answered_by(stream=stream) for stream in (True, False, True, False)]
    assert providers == ["claude", "claude", "codex", "glm"]
    case.comes_back_to("claude")


def test_an_account_whose_key_is_refused_is_replaced_at_once(
    use_case: Start,
) -> None:
    case = use_case("always-on", "always-on")
    case.script("cc", account="simulated-claude-1", refused=True)
    assert {case.answered_by(stream=stream) for stream in (False, True)} == {"claude"}
    assert case.told("cc")["accounts"]["simulated-claude-1"]["requests"] == 1
    case.script("cc", account="simulated-claude-2", scenario="error-429")
    assert case.answered_by() == "codex"
    case.script("cc", account="simulated-claude-2")
    case.comes_back_to("claude")


def test_agents_keep_the_model_names_that_they_know(use_case: Start) -> None:
    case = use_case("always-on", "always-on")
    assert case.answered_by(model="gpt-5") == "claude"
    sdk = anthropic.Anthropic(base_url=case.gateway.endpoint, api_key=API_KEY, max_retries=0)
    with sdk:
        hello = [{"role": "user", "content": "hello"}]
        for mount, provider in (("", "claude"), ("cc", "codex"), ("cx", "glm")):
            if mount:
                case.script(mount, scenario="error-500")
            raw = sdk.messages.with_raw_response.create(
                model="claude-sonnet-4-6", max_tokens=64, messages=hello
            )
            assert raw.headers["x-omniroute-provider"] == provider
            assert "simulator" in raw.parse().content[0].text
            with sdk.messages.stream(
                model="claude-sonnet-4-6", max_tokens=64, messages=hello
            ) as stream:
                assert "simulator" in stream.get_final_text()


def test_a_model_of_one_account_falls_back_to_the_layers(
    use_case: Start,
) -> None:
    case = use_case("always-on", "cc/claude-sonnet-4-5-20250929")
    assert case.answered_by() == "claude"
    case.script("cc", scenario="error-500")
    assert case.answered_by() == "codex"
    case.script("cc")
    case.comes_back_to("claude")


# OpenClaw


@streamed
def test_a_model_that_is_gone_is_replaced_by_the_next_and_comes_back(
    use_case: Start, stream: bool
) -> None:
    case = use_case("openclaw", "openclaw-free")
    assert case.ask(stream=stream).model == "glm-4.7"
    case.script("if", scenario="error-404", models=["glm-4.7"])
    assert case.ask(stream=stream).model == "minimax-m2.1"
    case.script("if", scenario="error-404", models=["glm-4.7", "minimax-m2.1"])
    assert case.ask(stream=stream).model == "kimi-k2-thinking"
    case.script("if")

    def is_back() -> bool:
        answer = case.ask(stream=stream)
        assert answer.is_whole
        return answer.model == "glm-4.7"

    eventually(is_back)


def test_two_accounts_share_the_load_and_one_that_is_throttled_rests(
    use_case: Start,
) -> None:
    case = use_case("openclaw", "openclaw-free", ("rpm = 60", "rpm = 6000"))
    first, second = "simulated-iflow-1", "simulated-iflow-2"
    for _ in range(12):
        assert case.ask().model == "glm-4.7"
    accounts = case.told("if")["accounts"]
    assert [accounts[name]["requests"] for name in (first, second)] == [6, 6]
    limited = [{"limit": 0, "kind": "rate", "window": "minute", "resets_in_s": QUOTA_ENDS_S}]
    case.script("if", account=first, quotas=limited)
    for _ in range(6):
        answer = case.ask()
        assert answer.is_whole
        assert answer.model == "glm-4.7"
    assert case.told("if")["accounts"][first]["refused"] <= 1
    served = case.told("if")["accounts"][first]["requests"]
    case.script("if", account=first)

    def is_back() -> bool:
        assert case.ask().is_whole
        told = case.told("if")["accounts"][first]
        return told["requests"] - told["refused"] > served

    eventually(is_back)
