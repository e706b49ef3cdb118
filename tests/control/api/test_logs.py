"""The console over HTTP: lines of all processes, latest first, filtered."""

import json
from pathlib import Path

import httpx
import pytest

from omniroute.control.api.services import Services


@pytest.fixture(autouse=True)
def lines(services: Services) -> None:
    directory: Path = services.installation.data_dir / "logs"
    directory.mkdir()
    entries = [
        {"time": f"2026-11-28T00:00:0{number}.500Z", "level": level, "message": str(number)}
        for number, level in enumerate(["info", "warn", "error"])
    ]
    text = "".join(json.dumps(entry) + "\n" for entry in entries)
    (directory / "control.jsonl").write_text(text)


async def told(owner: httpx.AsyncClient, query: str) -> list[str]:
    answer = await owner.get(f"/api/logs/console?{query}")
    assert answer.status_code == 200
    return [line["message"] for line in answer.json()["lines"]]


async def test_the_latest_lines_come_first(owner: httpx.AsyncClient) -> None:
    assert await told(owner, "") == ["2", "1", "0"]
    assert await told(owner, "limit=1") == ["2"]
    assert await told(owner, "level=warning") == ["2", "1"]
    assert await told(owner, "before_ms=1795824002500") == ["1", "0"]
    assert await told(owner, "since_ms=1795824001500") == ["2", "1"]


async def test_the_console_is_closed_and_its_query_checked(
    client: httpx.AsyncClient, owner: httpx.AsyncClient
) -> None:
    assert (await client.get("/api/logs/console")).status_code == 401
    for query in ("limit=0", "level=loud", "before_ms=-1", "colour=red"):
        assert (await owner.get(f"/api/logs/console?{query}")).status_code == 422
