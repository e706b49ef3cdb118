"""Set up a fresh gateway through its management API alone, use it, move everything out and in.

    python -m omniroute.simulator &
    omniroute &
    python examples/setup.py --url http://127.0.0.1:20128 --password 'the printed one'

Each step is a call or two that stand in docs/api.md: take from here what a script of yours needs.
Ends with 0 when everything was found as it should be, else with a sentence that says what was not.
"""

import argparse
import secrets
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import quote

import httpx

REQUESTS = 5
WAIT_S = 30.0
# Dollars for a million tokens are millionths of a dollar for one.
INPUT_USD, OUTPUT_USD = 3, 15


class Unexpected(Exception):
    """The gateway did something else than it should; the message says what."""


class Owner:
    """The management API, signed in as the owner: a session cookie, and its CSRF token with
    everything that is not a GET. (Scripts that stay use an admin key: `POST /api/auth/keys`.)"""

    def __init__(self, client: httpx.Client) -> None:
        self._client = client
        self._csrf = ""

    def call(self, method: str, path: str, json: Any = None, **more: Any) -> httpx.Response:
        headers = {"x-csrf-token": self._csrf, **more.pop("headers", {})}
        answer = self._client.request(method, f"/api/{path}", json=json, headers=headers, **more)
        if not answer.is_success:
            raise Unexpected(f"{method} /api/{path}: {answer.status_code} {answer.text}")
        return answer

    def get(self, path: str, **query: Any) -> Any:
        return self.call("GET", path, params=query).json()

    def post(self, path: str, body: Any) -> Any:
        return self.call("POST", path, body).json()

    def delete(self, path: str, id_: str) -> None:
        self.call("DELETE", f"{path}/{quote(id_, safe='')}")

    def wait(self) -> None:
        """Just after a start requests are served already and the management is not there yet."""
        deadline_s = time.monotonic() + WAIT_S
        while self._client.get("/api/init").status_code == 503 and time.monotonic() < deadline_s:
            time.sleep(0.2)

    def sign_in(self, password: str) -> None:
        self._csrf = self.post("auth/login", {"password": password})["csrf_token"]

    def replace_password(self, new: str) -> None:
        # All sessions end with this but ours, which goes on under another token.
        self._csrf = self.post("auth/password", {"new": new})["csrf_token"]


def set_up(owner: Owner, upstream: str) -> Any:
    """A provider with an account, what it costs, a combo, and a key with a budget: the key."""
    provider = {"id": "acme", "format": "openai", "baseUrl": upstream, "models": ["plain", "tools"]}
    owner.post("provider-nodes", provider)
    owner.post("providers", {"provider": "acme", "name": "main", "apiKey": "sk-of-the-account"})
    price = {"model": "acme/*", "input": INPUT_USD, "output": OUTPUT_USD}
    owner.post("pricing/rules", price)
    owner.post("combos", {"name": "fast", "models": ["acme/plain", "acme/tools"]})
    # The text of a key is in this answer and nowhere else afterwards.
    budget = {"usd": 1.0, "period": "monthly"}
    return owner.post("keys", {"name": "laptop", "allowedModels": ["fast"], "budget": budget})


def ask(client: httpx.Client, key: str, question: str) -> int:
    """One request of a client; returns what it should cost, in millionths of a dollar."""
    answer = client.post(
        "/v1/chat/completions",
        json={"model": "fast", "messages": [{"role": "user", "content": question}]},
        headers={"authorization": f"Bearer {key}"},
    )
    if answer.status_code != 200:
        raise Unexpected(f"a request was answered {answer.status_code}: {answer.text}")
    usage = answer.json()["usage"]
    return int(usage["prompt_tokens"] * INPUT_USD + usage["completion_tokens"] * OUTPUT_USD)


def expect(what: str, found: object, wanted: object) -> None:
    if found != wanted:
        raise Unexpected(f"{what}: found {found!r}, expected {wanted!r}")


def logged(owner: Owner, key_id: str, number: int) -> Any:
    """The key's requests in the log, which has each about a second after its end."""
    deadline_s = time.monotonic() + WAIT_S
    while True:
        found = owner.get("usage/call-logs", key_id=key_id)["requests"]
        if len(found) >= number:
            return found
        if time.monotonic() > deadline_s:
            raise Unexpected(f"the log has {len(found)} of {number} requests")
        time.sleep(0.2)


def check_costs(owner: Owner, key_id: str, number: int, cost: int) -> None:
    """The log, the sums and the budget agree with what the answers said, to the last millionth."""
    requests = logged(owner, key_id, number)
    expect("requests in the log", len(requests), number)
    expect("their cost", sum(each["cost_microusd"] for each in requests), cost)
    costs = owner.get("usage/costs", by="key_id", key_id=key_id)
    expect("the cost by key", costs["total_microusd"], cost)
    (budget,) = owner.get("usage/budget", apiKeyId=key_id)["budgets"]
    expect("what is used of the budget", budget["used_microusd"], cost)
    print(f"  {number} requests cost ${cost / 1e6:.6f}: log, sums and budget agree")


def everything(owner: Owner) -> dict[str, list[str]]:
    """What is stored, by kind."""
    return {
        "providers": [each["id"] for each in owner.get("provider-nodes")["nodes"]],
        "connections": [each["id"] for each in owner.get("providers")["connections"]],
        "combos": [each["name"] for each in owner.get("combos")["combos"]],
        "prices": [each["model"] for each in owner.get("pricing/rules")["rules"]],
        "keys": [each["name"] for each in owner.get("keys")["keys"]],
    }


def wipe(owner: Owner) -> None:
    """Everything that was set up, and the history."""
    for path, kind in (
        ("combos", "combos"),
        ("providers", "connections"),
        ("provider-nodes", "nodes"),
        ("pricing/rules", "rules"),
        ("keys", "keys"),
    ):
        for each in owner.get(path)[kind]:
            owner.delete(path, each["id"])
    owner.post("settings/purge-logs", {})


@contextmanager
def step(what: str) -> Iterator[None]:
    print(f"{what} …", flush=True)
    yield


def run(url: str, password: str, new_password: str, upstream: str) -> None:
    with httpx.Client(base_url=url, timeout=WAIT_S, trust_env=False) as client:
        owner = Owner(client)
        with step("sign in and replace the printed password"):
            owner.wait()
            owner.sign_in(password)
            owner.replace_password(new_password)
            print(f"  the password is now {new_password}")
        with step("provider, account, prices, combo and a key with a budget"):
            # The first start has made a key of its own and printed it; it is not needed here.
            for each in owner.get("keys")["keys"]:
                owner.delete("keys", each["id"])
            key = set_up(owner, upstream)
            there = everything(owner)
        with step(f"{REQUESTS} requests, and what they cost"):
            cost = sum(ask(client, key["key"], f"question {n}") for n in range(REQUESTS))
            check_costs(owner, key["id"], REQUESTS, cost)
        with step("export everything, credentials sealed by a passphrase"):
            passphrase = secrets.token_urlsafe(16)
            archive = owner.call("POST", "db-backups/exportAll", {"passphrase": passphrase}).content
            print(f"  {len(archive)} bytes")
        with step("wipe everything"):
            wipe(owner)
            expect("what is left", everything(owner), {kind: [] for kind in there})
            expect("the log", owner.get("usage/call-logs")["requests"], [])
        with step("import it"):
            # Deleting a key revokes it, and an import does not undo that unless it is wanted.
            imported = owner.call(
                "POST",
                "db-backups/import",
                params={"keepRevoked": "false"},
                content=archive,
                headers={
                    "content-type": "application/gzip",
                    "x-passphrase": quote(passphrase, safe=""),
                },
            ).json()
            expect("a problem of the import", imported["problem"], "")
        with step("find everything again, and go on"):
            expect("what is stored", everything(owner), there)
            check_costs(owner, key["id"], REQUESTS, cost)
            cost += ask(client, key["key"], "one more question")
            check_costs(owner, key["id"], REQUESTS + 1, cost)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--url", default="http://127.0.0.1:20128", help="of the gateway")
    parser.add_argument("--password", required=True, help="the one printed at the first start")
    parser.add_argument("--new-password", default="", help="made up when it is not given")
    parser.add_argument(
        "--upstream",
        default="http://127.0.0.1:9101/v1",
        help="an OpenAI-style API with the models `plain` and `tools`: the simulator",
    )
    given = parser.parse_args()
    try:
        run(
            given.url,
            given.password,
            given.new_password or secrets.token_urlsafe(15),
            given.upstream,
        )
    except (Unexpected, httpx.HTTPError) as error:
        print(f"{type(error).__name__}: {error}", file=sys.stderr)
        return 1
    print("everything is as it should be")
    return 0


if __name__ == "__main__":
    sys.exit(main())
