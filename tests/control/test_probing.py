"""A connection is tried as its traffic goes, and what is wrong is told in words that help."""

import json
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import trio

from omniroute.compiling import compile_snapshot
from omniroute.config import load
from omniroute.control.probing import Outcome, models_url, probe_all, probing
from omniroute.installation import Installation
from omniroute.snapshot import Snapshot

KEY = "sk-canary-in-the-coal-mine"
LIST = {"data": [{"id": "one"}, {"id": "two"}]}
Answers = Mapping[str, tuple[int, Any]]


@asynccontextmanager
async def upstream(answers: Answers, asked: list[str]) -> AsyncIterator[int]:
    """Answers by `METHOD path`, with ` anonymous` behind it for requests without the key."""

    async def serve(stream: trio.SocketStream) -> None:
        data = b""
        while b"\r\n\r\n" not in data:
            data += await stream.receive_some(65536)
            if data.startswith(b"\x16"):  # the begin of a TLS handshake
                await stream.send_all(b"HTTP/1.1 400 X\r\n\r\n")
                return
        method, path, _ = data.split(b" ", 2)
        line = f"{method.decode()} {path.decode()}"
        if KEY.encode() not in data and f"{line} anonymous" in answers:
            line += " anonymous"
        asked.append(line)
        status, body = answers.get(line, (404, {"error": {"message": "nothing here"}}))
        content = body.encode() if isinstance(body, str) else json.dumps(body).encode()
        head = f"HTTP/1.1 {status} X\r\ncontent-length: {len(content)}\r\n\r\n"
        await stream.send_all(head.encode() + content)
        await stream.aclose()

    async with trio.open_nursery() as nursery:
        listeners = await nursery.start(trio.serve_tcp, serve, 0)
        yield listeners[0].socket.getsockname()[1]
        nursery.cancel_scope.cancel()


@pytest.fixture
def compiled(tmp_path: Path, installation: Installation) -> Callable[..., Snapshot]:
    def compiled(port: int, format_: str = "openai", root: str = "/v1", more: str = "") -> Snapshot:
        file = tmp_path / "omniroute.toml"
        file.write_text(
            f'[[providers]]\nid = "acme"\nformat = "{format_}"\nmodels = ["own"]\n'
            f'base_url = "http://127.0.0.1:{port}{root}"\n'
            f'[[connections]]\nprovider = "acme"\napi_key = "{KEY}"\n{more}\n'
        )
        return compile_snapshot(load({}, {}, file, tmp_path), (), (), installation)

    return compiled


Probe = Callable[..., Any]


@pytest.fixture
def probed(compiled: Callable[..., Snapshot], installation: Installation) -> Probe:
    async def probed(
        answers: Answers, *, model: str = "", **wishes: Any
    ) -> tuple[Outcome, list[str]]:
        asked: list[str] = []
        async with (
            upstream(answers, asked) as port,
            probing(compiled(port, **wishes), installation) as prober,
        ):
            outcome = await prober.probe("acme/main", model)
        assert KEY not in repr(outcome)
        return outcome, asked

    return probed


REFUSED = (401, {"error": {"message": "Who are you?"}})


async def test_a_list_of_models_for_the_key_alone_is_proof(probed: Probe) -> None:
    answers = {"GET /v1/models": (200, LIST), "GET /v1/models anonymous": REFUSED}
    outcome, asked = await probed(answers)
    assert (outcome.ok, outcome.via, outcome.models) == (True, "models", ["one", "two"])
    assert asked == ["GET /v1/models", "GET /v1/models anonymous"]


async def test_a_list_for_everybody_proves_nothing_and_a_chat_follows(probed: Probe) -> None:
    answers = {"GET /v1/models": (200, LIST), "POST /v1/chat/completions": (200, {"choices": []})}
    outcome, _ = await probed(answers)
    assert (outcome.ok, outcome.via) == (True, "chat")
    refused = await probed(answers | {"POST /v1/chat/completions": REFUSED})
    assert refused[0].fault == "bad key"


async def test_a_model_that_is_named_is_asked_for_an_answer(probed: Probe) -> None:
    wrong = (404, {"error": {"message": "The model x does not exist"}})
    outcome, asked = await probed({"POST /v1/chat/completions": wrong}, model="x")
    assert asked == ["POST /v1/chat/completions"]
    assert (outcome.fault, outcome.said) == ("no such model", "The model x does not exist")


@pytest.mark.parametrize(
    ("status", "body", "fault"),
    [
        (401, {"error": {"message": f"Incorrect API key provided: {KEY}"}}, "bad key"),
        (403, {"error": {"code": "unsupported_country_region_territory"}}, "region block"),
        (400, {"error": {"message": "User location is not supported"}}, "region block"),
        (402, {"error": {"message": "pay"}}, "no credit"),
        (429, {"error": {"code": "insufficient_quota"}}, "no credit"),
        (429, {"error": {"message": "slow down"}}, "rate limit"),
        (404, "<html>not here</html>", "wrong base URL"),
        (302, "", "wrong base URL"),
        (400, {"error": {"message": "unknown model"}}, "no such model"),
        (503, {"error": {"message": "overloaded"}}, "upstream error"),
    ],
)
async def test_refusals_are_told_by_their_cause(
    probed: Probe, status: int, body: Any, fault: str
) -> None:
    answers = {"GET /v1/models": (status, body), "POST /v1/chat/completions": (status, body)}
    outcome, _ = await probed(answers)
    assert (outcome.ok, outcome.fault, outcome.status) == (False, fault, status)
    assert outcome.message
    assert outcome.help


@pytest.mark.parametrize(
    ("format_", "root", "listing", "chat"),
    [
        ("openai", "/v1", "/v1/models", "/v1/chat/completions"),
        ("openai-responses", "/v1", "/v1/models", "/v1/responses"),
        ("claude", "", "/v1/models", "/v1/messages"),
        ("gemini", "", "/v1beta/models", "/v1beta/models/own:generateContent"),
    ],
)
async def test_every_format_is_asked_at_its_own_places(
    probed: Probe, format_: str, root: str, listing: str, chat: str
) -> None:
    outcome, asked = await probed({f"POST {chat}": (200, {})}, format_=format_, root=root)
    assert outcome.ok
    assert asked == [f"GET {listing}", f"POST {chat}"]


async def test_nobody_there_a_name_that_is_none_and_a_proxy_that_is_none(
    compiled: Callable[..., Snapshot], installation: Installation
) -> None:
    proxy = 'proxy = "http://127.0.0.1:1"'
    for snapshot, fault in ((compiled(1), "unreachable"), (compiled(1, more=proxy), "proxy")):
        async with probing(snapshot, installation) as prober:
            (outcome,) = await probe_all(prober, ["acme/main"])
        assert (outcome.ok, outcome.fault, outcome.status) == (False, fault, 0)


async def test_an_address_that_the_configuration_does_not_name_is_refused(
    compiled: Callable[..., Snapshot], installation: Installation
) -> None:
    more = 'base_url = "http://169.254.169.254/v1"'
    async with probing(compiled(1, more=more), installation) as prober:
        outcome = await prober.probe("acme/main")
    assert outcome.fault == "refused by policy"


async def test_tls_where_there_is_none_is_told(
    compiled: Callable[..., Snapshot], installation: Installation
) -> None:
    async with upstream({}, []) as port:
        more = f'base_url = "https://127.0.0.1:{port}/v1"'
        async with probing(compiled(1, more=more), installation) as prober:
            outcome = await prober.probe("acme/main")
    assert outcome.fault == "TLS"


async def test_a_connection_that_is_not_there_is_told(
    compiled: Callable[..., Snapshot], installation: Installation
) -> None:
    async with probing(compiled(1), installation) as prober:
        assert (await prober.probe("acme/other")).fault == "not configured"


def test_a_gemini_root_with_a_version_is_not_doubled(compiled: Callable[..., Snapshot]) -> None:
    snapshot = compiled(1, format_="gemini", root="/v1")
    url = models_url(snapshot.providers[0], snapshot.connections[0])
    assert url == "http://127.0.0.1:1/v1/models"
