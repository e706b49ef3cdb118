"""Secrets are planted wherever one can be, then everything that leaves the gateway is searched.

Each secret is another text, so that a failure says which one showed. What is searched: every answer
of the management API, good or bad, and of the data plane, the feed, metrics, CSV, exports, every
file below the data directory, all of them as they are and in base64. Excepted are the file that the
owner himself wrote and the answers that give a new key, once.
"""

import base64
import io
import json
import tarfile
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
import pytest

from omniroute.control.app import API
from omniroute.control.policy import Policy
from tests.processes.harness import WAIT_S, Gateway, eventually

pytestmark = pytest.mark.processes

NAMES = (
    "account",
    "file-account",
    "header",
    "proxy",
    "proxy-of-provider",
    "proxy-of-account",
    "proxy-of-combo",
    "first-password",
    "password",
    "wrong-password",
    "wrong-client-key",
    "wrong-admin-key",
    "passphrase",
    "refused-account",
    "refused-proxy",
    "refused-header",
    "refused-url",
    "tried-account",
)
SECRETS = {name: f"cnry-{name}-7b1d9e04" for name in NAMES}
FEED = "text/event-stream"


class Talkative:
    """An upstream that answers failures with all the credentials it was sent, and plays a proxy
    that refuses."""

    def __init__(self) -> None:
        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["content-length"])))
                heard = " ".join(f"{name}: {value}" for name, value in self.headers.items())
                if body["model"] == "fails":
                    self._send(401, {"error": {"message": f"Incorrect API key provided: {heard}"}})
                    return
                message = {"role": "assistant", "content": "hello"}
                choice = {"index": 0, "message": message, "finish_reason": "stop"}
                usage = {"prompt_tokens": 3, "completion_tokens": 1, "total_tokens": 4}
                answer = {"id": "c", "object": "chat.completion", "created": 1, "model": "m"}
                self._send(200, answer | {"choices": [choice], "usage": usage})

            def do_GET(self) -> None:
                heard = " ".join(self.headers.values())
                self._send(403, {"error": {"message": f"not with {heard}"}})

            def do_CONNECT(self) -> None:
                self.send_error(407, f"not with {self.headers.get('proxy-authorization')}")

            def _send(self, status: int, document: Any) -> None:
                payload = json.dumps(document).encode()
                self.send_response(status)
                self.send_header("content-type", "application/json")
                self.send_header("content-length", str(len(payload)))
                self.end_headers()
                self.wfile.write(payload)

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.port = self._server.server_port
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,))
        self._thread.start()

    def close(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


class Ear:
    """Calls the gateway, and keeps all that it says."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway
        self.heard: list[tuple[str, bytes]] = []
        self.issued: dict[str, str] = {}
        token = (gateway.data_dir / "admin.token").read_text().strip()
        self._authorization = f"Bearer {token}"

    def call(self, method: str, path: str, json: Any = None, **more: Any) -> httpx.Response:
        headers = {"authorization": self._authorization} | more.pop("headers", {})
        answer = httpx.request(
            method,
            f"{self._gateway.dashboard}{path}",
            json=json,
            headers={name: value for name, value in headers.items() if value},
            timeout=WAIT_S,
            trust_env=False,
            **more,
        )
        self._keep(f"{method} {path}", answer)
        return answer

    def issue(self, name: str, path: str, body: Any) -> Any:
        """A call whose answer gives a new key, which is a secret from then on."""
        answer = self.call("POST", path, body)
        self.heard.pop()
        assert answer.is_success, answer.text
        self.issued[name] = answer.json()["key"]
        return answer.json()

    def ask(self, model: str, key: str, **more: Any) -> httpx.Response:
        body = {"model": model, "messages": [{"role": "user", "content": f"my key is {key}"}]}
        answer = httpx.post(
            f"{self._gateway.endpoint}/v1/chat/completions",
            json=body,
            headers={"authorization": f"Bearer {key}"} | more.pop("headers", {}),
            timeout=WAIT_S,
            trust_env=False,
            **more,
        )
        self._keep(f"ask {model}", answer)
        return answer

    def follow(self, path: str) -> None:
        """What a feed says until it has said something of a request."""
        headers = {"authorization": self._authorization, "last-event-id": "0"}
        said = b""
        url = f"{self._gateway.dashboard}{path}"
        with httpx.stream("GET", url, headers=headers, timeout=WAIT_S, trust_env=False) as feed:
            for chunk in feed.iter_bytes():
                said += chunk
                if b"event: request" in said or feed.status_code != 200:
                    break
        self.heard.append((f"GET {path}", said))

    def _keep(self, what: str, answer: httpx.Response) -> None:
        head = repr(sorted(answer.headers.items())).encode()
        self.heard.append((what, head + answer.content))

    def found(self, secrets: dict[str, str]) -> list[tuple[str, str]]:
        return [(what, name) for what, said in self.heard for name in shown(said, secrets)]


def shown(content: bytes, secrets: dict[str, str]) -> list[str]:
    """Which secrets stand there, plainly or in base64 at any alignment."""
    return [name for name, secret in secrets.items() if any(x in content for x in forms(secret))]


def forms(secret: str) -> Iterator[bytes]:
    raw = secret.encode()
    yield raw
    for shift in range(3):
        # The ends depend on what stands beside it.
        yield base64.b64encode(b"x" * shift + raw)[4 if shift else 0 : -4]


def test_the_search_finds_what_it_should() -> None:
    secret = SECRETS["proxy"]
    for before in ("", "a", "ab", "user:"):
        encoded = base64.b64encode(f"{before}{secret}@x".encode())
        assert shown(encoded, SECRETS) == ["proxy"]


@pytest.fixture
def talkative() -> Iterator[Talkative]:
    made = Talkative()
    yield made
    made.close()


def plant(ear: Ear, port: int) -> tuple[str, str]:
    """Secrets of every kind, of which some are refused; returns a client key and its id."""
    url = f"http://127.0.0.1:{port}/v1"

    def proxy(name: str) -> str:
        return f"http://user:{SECRETS[name]}@127.0.0.1:{port}"

    node = {
        "id": "acme",
        "format": "openai",
        "baseUrl": url,
        "models": ["works", "fails"],
        "headers": {"x-extra": SECRETS["header"]},
    }
    account = {"provider": "acme", "name": "main", "apiKey": SECRETS["account"]}
    for path, body in (
        ("provider-nodes", node),
        ("providers", account),
        ("combos", {"name": "fast", "models": ["acme/works"], "proxy": proxy("proxy-of-combo")}),
    ):
        assert ear.call("POST", f"/api/{path}", body).is_success
    refused = (
        ("POST", "providers", account | {"name": "x", "apiKey": f"{SECRETS['refused-account']}\n"}),
        ("POST", "providers", {"provider": "acme", "apiKey": [SECRETS["refused-account"]]}),
        ("POST", "providers", {"provider": "acme", SECRETS["refused-account"]: 1}),
        ("PATCH", "settings/server", {"proxy": f"ftp://u:{SECRETS['refused-proxy']}@h:1"}),
        ("PUT", "settings/proxy", {"level": "global", "proxy": f"u:{SECRETS['refused-proxy']}@h"}),
        ("POST", "settings/proxy/test", {"proxy": f"ftp://u:{SECRETS['refused-proxy']}@h:1"}),
        ("PATCH", "provider-nodes/acme", {"headers": {"x": f"{SECRETS['refused-header']}\n"}}),
        ("PATCH", "provider-nodes/acme", {"baseUrl": f"http://u:{SECRETS['refused-url']}@h/v1"}),
    )
    for method, path, body in refused[:2] + refused[3:]:
        assert ear.call(method, f"/api/{path}", body).status_code in (400, 422), (path, body)

    key = ear.issue("client key", "/api/keys", {"name": "laptop"})
    ear.issue("rotated key", f"/api/keys/{quote(key['id'], safe='')}/rotate", {"overlapS": 600})
    ear.issue("admin key", "/api/auth/keys", {"name": "script", "scopes": ["read"]})

    assert ear.call("PATCH", "/api/settings/capture", {"enabled": True}).is_success
    client_key = key["key"]
    ear.ask("acme/works", client_key)
    ear.ask("acme/fails", client_key)
    ear.ask("acme/works", SECRETS["wrong-client-key"])
    ear.ask(f"{client_key}/x", client_key)
    ear.heard.pop()  # who sent a key is told what he sent
    ear.ask("fast", client_key)
    for level, id_ in (("provider", "acme"), ("connection", "acme/main"), ("global", "")):
        name = {"global": "proxy", "provider": "proxy-of-provider"}.get(level, "proxy-of-account")
        wish = {"level": level, "id": id_, "proxy": proxy(name)}
        assert ear.call("PUT", "/api/settings/proxy", wish).is_success
        ear.call("POST", "/api/resilience/reset", {})
        ear.ask("acme/works", client_key)
        ear.call("POST", "/api/providers/acme%2Fmain/test", {})
        ear.call("POST", "/api/settings/proxy/test", {"proxy": wish["proxy"]})
        gone = ear.call("DELETE", f"/api/settings/proxy?level={level}&id={quote(id_, safe='')}")
        assert gone.is_success
    ear.call("POST", "/api/resilience/reset", {})
    ear.call("POST", "/api/providers/acme%2Fmain/test", {"model": "fails"})
    ear.call("POST", "/api/providers/acme%2Fmain/sync-models", {})
    tried = {"provider": "acme", "apiKey": SECRETS["tried-account"]}
    ear.call("POST", "/api/providers/validate", tried)
    ear.call("POST", "/api/playground/chat", {"body": {"model": "acme/fails", "messages": []}})
    chat = {"model": "fast", "messages": [{"role": "user", "content": "hi"}]}
    ear.call("POST", "/api/playground/chat", {"body": chat})
    ear.call("POST", "/api/combos/test", {"comboName": "fast"})
    ear.call("POST", "/api/routing/dry-run", {"model": "fast"})
    return client_key, key["id"]


def sign_in(ear: Ear) -> None:
    """Passwords that are right and wrong, old and new."""
    bare = {"authorization": ""}
    ear.call("POST", "/api/auth/login", {"password": SECRETS["wrong-password"]}, headers=bare)
    first = {"password": SECRETS["first-password"]}
    assert ear.call("POST", "/api/auth/login", first, headers=bare).is_success
    new = {"new": SECRETS["password"], "current": SECRETS["first-password"]}
    assert ear.call("POST", "/api/auth/password", new).is_success
    wrong = {"authorization": f"Bearer {SECRETS['wrong-admin-key']}"}
    assert ear.call("GET", "/api/status", headers=wrong).status_code == 401


def read_everything(ear: Ear, key_id: str) -> None:
    """Every route that reads, with every id that there is."""
    ids = {
        "/api/keys": [key_id],
        "/api/combos": ["fast"],
        "/api/providers": ["acme/main", "file/main"],
        "/api/provider-nodes": ["acme", "file"],
        "/api/usage": ["acme/main"],
        "/api/usage/call-logs": [
            each["id"] for each in ear.call("GET", "/api/usage/call-logs").json()["requests"]
        ],
    }
    for route in API:
        if route.method != "GET" or route.policy is Policy.OPEN:
            continue
        if route.produces == FEED:
            ear.follow(route.path)
            continue
        head, brace, rest = route.path.partition("/{")
        tail = rest.partition("}")[2]
        paths = [f"{head}/{quote(id_, safe='')}{tail}" for id_ in ids.get(head, ())]
        for path in paths if brace else [route.path]:
            ear.call("GET", path)


def unpacked(content: bytes) -> Iterator[bytes]:
    with tarfile.open(fileobj=io.BytesIO(content)) as archive:
        for member in archive:
            file = archive.extractfile(member)
            assert file is not None
            yield file.read()


def export(ear: Ear) -> None:
    for answer in (
        ear.call("GET", "/api/db-backups/exportAll"),
        ear.call("POST", "/api/db-backups/exportAll", {"passphrase": SECRETS["passphrase"]}),
    ):
        assert answer.is_success, answer.text
        ear.heard += [("archive", member) for member in unpacked(answer.content)]
    wrong = {"content-type": "application/gzip", "x-passphrase": SECRETS["wrong-password"]}
    sent = ear.call("POST", "/api/db-backups/import", content=answer.content, headers=wrong)
    assert sent.status_code == 422


def test_no_secret_leaves_the_gateway_or_lies_open_in_its_files(
    gateway: Gateway, talkative: Talkative
) -> None:
    gateway.config_file.write_text(
        "[server]\nport = 0\ndashboard_port = 0\nworkers = 2\n"
        '[log]\nlevel = "debug"\n'
        f'[admin]\ninitial_password = "{SECRETS["first-password"]}"\n'
        f'[[providers]]\nid = "file"\nformat = "openai"\n'
        f'base_url = "http://127.0.0.1:{talkative.port}/v1"\nmodels = ["fails"]\n'
        f'[[connections]]\nprovider = "file"\napi_key = "{SECRETS["file-account"]}"\n'
    )
    gateway.start()
    ear = Ear(gateway)
    sign_in(ear)
    client_key, key_id = plant(ear, talkative.port)
    ear.ask("file/fails", client_key)
    asked = sum(what.startswith("ask ") for what, _ in ear.heard)
    eventually(lambda: len(gateway.history()) >= asked - 2)
    assert ear.call("PUT", "/api/db-backups").is_success
    read_everything(ear, key_id)
    export(ear)

    secrets = SECRETS | ear.issued
    assert ear.found(secrets) == []
    assert gateway.stop() == 0
    assert files_with(gateway.folder, secrets, gateway.config_file) == []


def files_with(folder: Path, secrets: dict[str, str], but: Path) -> list[tuple[str, str]]:
    return [
        (str(path.relative_to(folder)), name)
        for path in folder.rglob("*")
        if path.is_file() and path != but
        for name in shown(path.read_bytes(), secrets)
    ]
