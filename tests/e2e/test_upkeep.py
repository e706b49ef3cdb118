"""What control finds out and what a person resets reach every worker: real processes, two workers.

The simulator is the provider; its quota endpoint is asked over real sockets. Which account served
is told by the simulator's own counts.
"""

import os
import signal
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.processes.harness import API_KEY, WAIT_S, Gateway, eventually

pytestmark = pytest.mark.processes


class House:
    """A gateway with two accounts, `a` before `b`, at a provider that can be asked for quotas."""

    def __init__(self, gateway: Gateway, root: str, simulator: httpx.Client) -> None:
        self.gateway = gateway
        self._root = root
        self._simulator = simulator
        self._numbers = count()
        self.configure()

    def configure(self, key_of_a: str = "k-a") -> None:
        accounts = "".join(
            f'[[connections]]\nprovider = "glm"\nname = "{name}"\napi_key = "{key}"\n'
            f"priority = {place}\n"
            for place, (name, key) in enumerate((("a", key_of_a), ("b", "k-b")))
        )
        draft = self.gateway.config_file.with_suffix(".new")
        draft.write_text(
            "[server]\nport = 0\ndashboard_port = 0\nworkers = 2\n"
            f'[[keys]]\nname = "test"\nkey = "{API_KEY}"\n'
            f'[[providers]]\nid = "glm"\nbase_url = "{self._root}/p/glm"\n{accounts}'
        )
        draft.replace(self.gateway.config_file)

    def script(self, account: str, **script: Any) -> None:
        place = f"/_simulator/mounts/glm/accounts/{account}"
        self._simulator.put(place, json=script).raise_for_status()

    def requests(self, account: str) -> int:
        told = self._simulator.get("/_simulator/mounts/glm").json()["accounts"]
        return int(told.get(account, {}).get("requests", 0))

    def ask(self) -> httpx.Response:
        say = f"question {next(self._numbers)}"
        body = {"model": "glm/glm-4.7", "messages": [{"role": "user", "content": say}]}
        with self.gateway.client() as client:
            answer = client.post("/v1/chat/completions", json=body)
        assert answer.status_code == 200, answer.text
        return answer

    def each_worker_asks(self, account: str) -> None:
        """One request to either worker while the other is held; both reach this account at once."""
        workers = [p for p, m in self.gateway.children().items() if m == "omniroute.worker"]
        assert len(workers) == 2
        for held in workers:
            before = self.requests(account)
            os.kill(held, signal.SIGSTOP)
            try:
                assert self.ask().headers["x-omniroute-attempts"] == "1"
            finally:
                os.kill(held, signal.SIGCONT)
            assert self.requests(account) == before + 1

    def health(self, part: str) -> dict[str, dict[str, Any]]:
        """What stands in a part of the status, by subject."""
        return {entry["subject"]: entry for entry in self.gateway.status()["health"][part]}

    def post(self, path: str, body: dict[str, str]) -> Any:
        token = (self.gateway.data_dir / "admin.token").read_text().strip()
        headers = {"authorization": f"Bearer {token}"}
        answer = httpx.post(
            f"{self.gateway.dashboard}{path}", json=body, headers=headers, timeout=WAIT_S
        )
        answer.raise_for_status()
        return answer.json()


@pytest.fixture
def house(simulator: str, tmp_path: Path) -> Iterator[House]:
    root = simulator.removesuffix("/v1")
    with httpx.Client(base_url=root, timeout=WAIT_S, trust_env=False) as client:
        client.delete("/_simulator/mounts").raise_for_status()
        gateway = Gateway(tmp_path, upstream=None)  # type: ignore[arg-type]
        yield House(gateway, root, client)
        gateway.clean_up()


def used_up(house: House, account: str) -> bool:
    return house.health("quotas").get(account, {}).get("state") == "used_up"


def test_an_account_that_its_provider_says_is_used_up_is_not_tried(house: House) -> None:
    house.script("k-a", quotas=[{"limit": 10, "used": 10, "window": "5h"}])
    house.gateway.start()
    eventually(lambda: used_up(house, "glm/a"))
    told = house.health("quotas")["glm/a"]
    assert (told["used"], told["source"]) == (1.0, "endpoint")
    assert told["resets_in_s"] > 17_000
    assert "has used up its quota 5h, which resets in" in told["text"]
    house.each_worker_asks("k-b")
    assert house.requests("k-a") == 0


def test_a_reset_is_in_force_at_the_next_request_in_every_worker(house: House) -> None:
    house.script("k-a", quotas=[{"limit": 10, "used": 10, "window": "5h"}])
    house.gateway.start()
    eventually(lambda: used_up(house, "glm/a"))
    house.each_worker_asks("k-b")
    house.script("k-a")
    assert house.post("/api/resilience/reset", {"subject": "glm/a"})["removed"] == 1
    house.each_worker_asks("k-a")


def test_a_changed_credential_brings_its_account_back(house: House) -> None:
    house.script("k-a", refused=True)
    house.gateway.start()
    house.ask()  # finds out, and is answered by the other account
    assert house.health("cooldowns")["glm/a"]["state"] == "cooling"
    house.each_worker_asks("k-b")
    house.configure("k-new")
    eventually(lambda: not house.health("cooldowns"))
    house.each_worker_asks("k-new")
