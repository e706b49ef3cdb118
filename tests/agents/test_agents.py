"""Claude Code, Codex and Gemini CLI work through the gateway, whatever the provider speaks.

Each answers plainly, and each goes once around with one of its own tools: the simulator asks it to
read a file, the agent reads it, and the simulator quotes what came back. Nobody but the file knows
what it says, so that an answer that holds it has come all the way.
"""

import secrets
import sqlite3
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from omniroute.simulator import claude_turns, gemini_request
from omniroute.simulator.play import GREETING
from tests.agents.agents import AGENTS, Agent, Run
from tests.agents.conftest import FORMATS, Endpoint
from tests.processes.harness import eventually

pytestmark = pytest.mark.processes


@dataclass(frozen=True)
class Trial:
    """One agent, one provider behind the gateway, an own folder."""

    agent: Agent
    upstream: str
    folder: Path
    programs: Path
    endpoint: Endpoint

    def run(self, scenario: str, prompt: str, *, requests: int) -> Run:
        endpoint = self.endpoint
        endpoint.asked[self.agent.format, f"sim-{self.upstream}"] += requests
        done = self.agent.run(
            *(self.programs, self.folder),
            url=endpoint.url,
            key=endpoint.key,
            model=f"sim-{self.upstream}/{scenario}",
            prompt=prompt,
        )
        assert done.status == 0, str(done)
        return done


@pytest.fixture(params=AGENTS, ids=lambda agent: agent.name)
def agent(request: pytest.FixtureRequest) -> Agent:
    return request.param


@pytest.fixture(params=FORMATS)
def trial(
    agent: Agent,
    programs: Path,
    endpoint: Endpoint,
    tmp_path: Path,
    request: pytest.FixtureRequest,
) -> Trial:
    (tmp_path / "work").mkdir()
    return Trial(agent, request.param, tmp_path, programs, endpoint)


def test_an_agent_gets_an_answer(trial: Trial) -> None:
    done = trial.run("plain", "Who are you?", requests=1)
    assert GREETING.strip() in done.said, str(done)


def read_a_file(trial: Trial, scenario: str) -> None:
    secret = secrets.token_hex(8)
    note = trial.folder / "work" / "note.txt"
    note.write_text(f"The word is {secret}.\n")
    prompt = f"Read the file {note} and tell me exactly what it says."
    done = trial.run(scenario, prompt, requests=2)
    assert f"The word is {secret}." in done.said, str(done)


def test_an_agent_reads_a_file_when_the_model_says_so(trial: Trial) -> None:
    read_a_file(trial, "tools")


# What a provider of each format gives with its thoughts and wants back with the tool's result.
STATE = {
    "openai": '"The question is short',
    "openai-responses": '"simulated-',
    "claude": f'"{claude_turns.SIGNATURE}"',
    "gemini": f'"{gemini_request.SIGNATURE}"',
}


def test_thoughts_before_a_tools_call_come_back_to_the_model(trial: Trial) -> None:
    """Each agent keeps them its own way; the simulator refuses a signature that is not its own."""
    read_a_file(trial, "reasoning-tools")
    stats = httpx.get(f"{trial.endpoint.simulator}/_simulator/stats", trust_env=False).json()
    assert STATE[trial.upstream] in stats["last"]["body"]


def test_nothing_that_the_agents_asked_has_failed_on_the_side(endpoint: Endpoint) -> None:
    """Agents try again, and do without what is only nice to have; so the runs alone do not tell."""

    def recorded() -> Counter[tuple[str, str, str]]:
        connection = sqlite3.connect(f"file:{endpoint.database}?mode=ro", uri=True)
        try:
            rows = connection.execute("SELECT client_format, provider, outcome FROM requests")
            return Counter((client, provider, outcome) for client, provider, outcome in rows)
        finally:
            connection.close()

    expected = {(*pair, "ok"): number for pair, number in endpoint.asked.items()}
    eventually(lambda: recorded().total() >= endpoint.asked.total())
    assert recorded() == expected
