"""The tools over HTTP: translations refused by field, plans, combos that are really asked."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from omniroute.control.api.services import Services
from omniroute.control.configuration import Configuration, Sources
from omniroute.control.inside import Answered, DataPlaneSilent
from omniroute.installation import Installation
from omniroute.record import Record
from omniroute.state.interface import State
from omniroute.store.database import Store
from tests.simulator.conftest import Running, running

CHAT = {"model": "fast", "messages": [{"role": "user", "content": "hello"}]}


def text(port: int) -> str:
    return f"""
[[keys]]
name = "narrow"
key = "very-secret-key"
connections = ["broken/*"]

[[providers]]
id = "works"
format = "openai"
base_url = "http://127.0.0.1:{port}/p/openai/v1"
models = ["gpt-4o"]

[[providers]]
id = "broken"
format = "openai"
base_url = "http://127.0.0.1:1/v1"
models = ["m"]

[[connections]]
provider = "works"
name = "main"
api_key = "SECRETVALUE"

[[connections]]
provider = "broken"
name = "main"
api_key = "SECRETVALUE"

[[combos]]
name = "fast"
models = ["works/gpt-4o", "broken/m"]
"""


@pytest.fixture
async def simulator() -> AsyncIterator[Running]:
    async with running() as made:
        yield made


@pytest.fixture
def configuration(
    tmp_path: Path, installation: Installation, state: State, store: Store, simulator: Running
) -> Configuration:
    file = tmp_path / "omniroute.toml"
    file.write_text(text(simulator.port))
    sources = Sources({}, file, tmp_path)
    made = Configuration(sources, installation, state, store.client_keys, store.entities.all)
    made.publish()
    return made


async def post(owner: httpx.AsyncClient, path: str, body: Any) -> Any:
    answer = await owner.post(path, json=body)
    assert answer.status_code == 200, answer.text
    assert "SECRETVALUE" not in answer.text
    return answer.json()


async def test_a_body_is_detected_and_translated(owner: httpx.AsyncClient) -> None:
    told = await post(owner, "/api/translator/detect", {"body": {**CHAT, "n": 2}})
    assert (told["format"], told["is_certain"]) == ("openai", True)
    wish = {"body": CHAT, "targetFormat": "claude", "model": "claude-x"}
    translated = await post(owner, "/api/translator/translate", wish)
    assert translated["body"]["model"] == "claude-x"
    assert translated["body"]["messages"][0]["role"] == "user"


async def test_what_cannot_be_translated_names_its_field(owner: httpx.AsyncClient) -> None:
    wish = {"body": CHAT, "targetFormat": "klingon"}
    answer = await owner.post("/api/translator/translate", json=wish)
    assert answer.status_code == 422
    assert answer.json()["error"]["details"][0]["field"] == "targetFormat"
    assert (await owner.post("/api/translator/detect", json={"body": {}})).status_code == 422


async def test_a_plan_is_shown_for_everybody_and_for_a_key(owner: httpx.AsyncClient) -> None:
    plan = await post(owner, "/api/routing/dry-run", {"model": "fast"})
    assert [target["connection"] for target in plan["targets"]] == ["works/main", "broken/main"]
    assert plan["first"] == 0
    narrow = {"model": "fast", "keyId": "file/narrow"}
    assert (await post(owner, "/api/routing/dry-run", narrow))["first"] == 1
    unknown = await owner.post("/api/routing/dry-run", json={"model": "fast", "keyId": "x"})
    assert unknown.status_code == 404
    wrong = await owner.post("/api/routing/dry-run", json={"model": "fasd"})
    assert wrong.status_code == 422
    assert "fast" in wrong.json()["error"]["message"]


async def test_a_combo_is_tested_by_asking_each_target(owner: httpx.AsyncClient) -> None:
    tested = await post(owner, "/api/combos/test", {"comboName": "fast"})
    works, broken = tested["results"]
    assert works["outcome"]["ok"], works
    assert broken["outcome"]["fault"] == "unreachable"
    assert tested["working"] == 1
    answer = await owner.post("/api/combos/test", json={"comboName": "none"})
    assert answer.status_code == 404


async def test_the_health_of_combos_is_what_would_be_tried(owner: httpx.AsyncClient) -> None:
    [combo] = (await owner.get("/api/usage/combo-health")).json()["combos"]
    assert (combo["total"], combo["usable"]) == (2, 2)
    assert combo["first"] == "works/gpt-4o at works/main"


async def test_conversations_of_the_last_hour_are_shown(
    owner: httpx.AsyncClient, services: Services
) -> None:
    now_ms = services.now_ms()
    services.conversations.add(
        [
            Record(id="a", started_ms=now_ms - 7_200_000, session="old"),
            Record(id="b", started_ms=now_ms - 1_000, session="new"),
        ]
    )
    sessions = (await owner.get("/api/sessions")).json()["sessions"]
    assert [each["id"] for each in sessions] == ["new"]
    everything = (await owner.get("/api/sessions?since_ms=0")).json()["sessions"]
    assert len(everything) == 2


class PlayedDataPlane:
    """Keeps what it is asked, and answers a stream or nothing."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, bytes, dict[str, str]]] = []
        self.is_silent = False

    async def post(self, path: str, body: bytes, headers: dict[str, str]) -> Answered:
        if self.is_silent:
            raise DataPlaneSilent("the data port cannot be reached")
        self.asked.append((path, body, headers))

        async def pieces() -> AsyncIterator[bytes]:
            yield b"data: one\n\n"
            yield b"data: two\n\n"

        head = {"x-omniroute-provider": "works"}
        return Answered(429, "text/event-stream", head, pieces())


async def test_the_playground_passes_on_what_the_data_plane_says(
    owner: httpx.AsyncClient, services: Services
) -> None:
    played: Any = PlayedDataPlane()
    services.data_plane = played
    answer = await owner.post("/api/playground/chat", json={"body": CHAT})
    assert (answer.status_code, answer.text) == (429, "data: one\n\ndata: two\n\n")
    assert answer.headers["x-omniroute-provider"] == "works"
    wish = {"body": CHAT, "provider": "works", "format": "claude"}
    await owner.post("/api/translator/send", json=wish)
    cached = {"body": CHAT, "format": "openai-responses", "cache": True}
    await owner.post("/api/playground/chat", json=cached)
    assert [(path, headers) for path, _, headers in played.asked] == [
        ("/v1/chat/completions", {"x-omniroute-no-cache": "true"}),
        ("/v1/providers/works/messages", {"x-omniroute-no-cache": "true"}),
        ("/v1/responses", {}),
    ]


async def test_a_playground_without_a_data_plane_says_so(
    client: httpx.AsyncClient, owner: httpx.AsyncClient, services: Services
) -> None:
    assert (await owner.post("/api/playground/chat", json={"body": CHAT})).status_code == 503
    played: Any = PlayedDataPlane()
    played.is_silent = True
    services.data_plane = played
    answer = await owner.post("/api/playground/chat", json={"body": CHAT})
    assert answer.status_code == 502
    assert "data port" in answer.json()["error"]["message"]
    path = {"body": CHAT, "provider": "../../api"}
    assert (await owner.post("/api/playground/chat", json=path)).status_code == 422
    assert (await client.post("/api/playground/chat", json={"body": CHAT})).status_code == 401
