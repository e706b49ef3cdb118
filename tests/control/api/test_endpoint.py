"""Declared routes as endpoints: what is checked before a handler runs, and what comes of errors."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest

from omniroute.config import ConfigError
from omniroute.control.api.answers import Event, Events, File, Lines, csv_lines
from omniroute.control.api.declare import Answer, Call, Route, RouteInvalid, Upload
from omniroute.control.api.endpoint import Endpoint, endpoints, not_found
from omniroute.control.api.services import Services
from omniroute.control.policy import Policy
from omniroute.control.refusal import missing
from omniroute.control.routes import build_router
from omniroute.store.audit import AuditFilter
from omniroute.store.interface import StoreBusy, StoreFull


class Thing(msgspec.Struct, forbid_unknown_fields=True):
    name: str
    weights: list[int] = []


class Wanted(msgspec.Struct, forbid_unknown_fields=True, rename="camel"):
    status: list[int] = []
    max_n: int | None = None
    cached: bool | None = None
    text: str = ""


async def read(call: Call) -> Answer:
    return Answer({"id": call.path["id"], "name": "x"}, etag=7)


async def replace(call: Call) -> Answer:
    call.match(7)
    body: Thing = call.body
    call.audit(f"thing/{call.path['id']}", before={"name": "x", "api_key": "sk-1"}, after=body)
    return Answer({"id": call.path["id"], "name": body.name}, etag=8)


async def remove(call: Call) -> None:
    if call.path["name"] == "unknown":
        raise missing("thing unknown")


async def listed(call: Call) -> Wanted:
    found: Wanted = call.query
    return found


async def special(call: Call) -> str:
    return "special"


async def rest(call: Call) -> str:
    return call.path["rest"]


async def upload(call: Call) -> int:
    return sum([len(chunk) async for chunk in call.chunks()])


async def peek(call: Call) -> str:
    return "nothing changed"


class Raising:
    """A handler for each error."""

    def __init__(self) -> None:
        self.error: Exception = Exception()

    async def handle(self, call: Call) -> None:
        raise self.error


@pytest.fixture
def raising() -> Raising:
    return Raising()


ROUTES = (
    Route("GET", "/api/things/{id}", Policy.READ, "Read.", read, output=dict[str, Any]),
    Route(
        "PUT",
        "/api/things/{id}",
        Policy.WRITE,
        "Replace.",
        replace,
        input=Thing,
        output=dict[str, Any],
        body_bytes=100,
    ),
    Route("DELETE", "/api/things/{name}", Policy.WRITE, "Remove.", remove),
    Route("GET", "/api/things/special", Policy.READ, "Special.", special, output=str),
    Route("GET", "/api/things", Policy.READ, "List.", listed, query=Wanted, output=Wanted),
    Route("GET", "/api/files/{rest:path}", Policy.READ, "The rest.", rest, output=str),
    Route(
        "POST",
        "/api/uploads",
        Policy.BACKUP,
        "Upload.",
        upload,
        input=Upload(("application/octet-stream",), 1000),
        output=int,
    ),
    Route("POST", "/api/peeks", Policy.READ, "Peek.", peek, output=str, changes=False),
)


def client_of(services: Services, *routes: Route) -> httpx.AsyncClient:
    paths = endpoints(routes, services)
    app = build_router(paths, not_found(paths))
    client = httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://x")
    client.headers["authorization"] = f"Bearer {services.installation.admin_token}"
    return client


@pytest.fixture
async def client(services: Services) -> AsyncIterator[httpx.AsyncClient]:
    async with client_of(services, *ROUTES) as made:
        yield made


# Declarations


def test_a_declaration_that_contradicts_itself_stops_the_start(services: Services) -> None:
    class Careless(msgspec.Struct):
        name: str = ""

    with pytest.raises(RouteInvalid, match="policy"):
        Route("GET", "/api/x", None, "", special)  # type: ignore[arg-type]
    with pytest.raises(RouteInvalid, match="input"):
        Route("GET", "/api/x", Policy.READ, "", special, input=Thing)
    with pytest.raises(RouteInvalid, match="unknown fields"):
        Route("POST", "/api/x", Policy.READ, "", special, input=Careless)
    with pytest.raises(RouteInvalid, match="no route"):
        Route("GET", "/elsewhere", Policy.READ, "", special)
    with pytest.raises(RouteInvalid, match="twice"):
        endpoints([ROUTES[0], ROUTES[0]], services)


# Methods and paths


async def test_head_is_get_without_the_content(client: httpx.AsyncClient) -> None:
    got, head = await client.get("/api/things/a"), await client.head("/api/things/a")
    assert head.status_code == 200
    assert head.content == b""
    assert head.headers["content-length"] == got.headers["content-length"]


async def test_other_methods_are_refused_with_those_that_there_are(
    client: httpx.AsyncClient,
) -> None:
    answer = await client.post("/api/things/a", json={})
    assert answer.status_code == 405
    assert answer.headers["allow"] == "DELETE, GET, HEAD, OPTIONS, PUT"
    assert answer.json()["error"]["type"] == "method_not_allowed"


async def test_a_slash_too_many_leads_to_the_path_without_it(client: httpx.AsyncClient) -> None:
    answer = await client.put("/api/things/a/?x=1", json={"name": "y"})
    assert answer.status_code == 308
    assert answer.headers["location"] == "/api/things/a?x=1"
    assert (await client.get("/api/unknown/")).status_code == 404


async def test_a_slash_never_leads_to_another_server(client: httpx.AsyncClient) -> None:
    request = client.build_request("GET", "http://x")
    request.url = request.url.copy_with(raw_path=b"//evil.example/api/things/")
    assert (await client.send(request)).status_code == 404


async def test_a_fixed_path_comes_before_one_with_parameters(client: httpx.AsyncClient) -> None:
    assert (await client.get("/api/things/special")).json() == "special"


async def test_parameters_may_hold_anything_that_is_encoded(client: httpx.AsyncClient) -> None:
    answer = await client.get("/api/things/acme%2Fm%C3%B6del%20a")
    assert answer.json()["id"] == "acme/mödel a"
    assert (await client.get("/api/files/a/b%2Fc")).json() == "a/b/c"


# What comes in


async def test_unknown_fields_are_named(client: httpx.AsyncClient) -> None:
    answer = await client.put("/api/things/a", json={"name": "b", "wieghts": []})
    assert answer.status_code == 422
    assert answer.json()["error"]["details"] == [
        {"field": "wieghts", "message": "there is no such field"}
    ]


async def test_a_body_is_json_of_a_bounded_size(client: httpx.AsyncClient) -> None:
    json = {"content-type": "application/json"}
    too_long = b'{"name":"' + b"x" * 200 + b'"}'
    for content, headers, status in (
        (b'{"name":', json, 400),
        (b"\xff", json, 400),
        (b"[" * 50 + b"]" * 50, json, 422),
        (b'{"name":"x"}', {"content-type": "text/plain"}, 415),
        (b'{"name":"x"}', {}, 415),
        (too_long, json, 413),
    ):
        answer = await client.put("/api/things/a", content=content, headers=headers)
        assert answer.status_code == status, content


async def test_queries_are_typed_with_lists(client: httpx.AsyncClient) -> None:
    answer = await client.get("/api/things?status=200&status=500&maxN=5&cached=true&text=1")
    assert answer.json() == {"status": [200, 500], "maxN": 5, "cached": True, "text": "1"}


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("maxN=many", "maxN"),
        ("max_n=1", "max_n"),
        ("status=200&status=x", "status[1]"),
        ("cached=maybe", "cached"),
        ("text=a&text=b", "text"),
    ],
)
async def test_wrong_parameters_are_named(
    client: httpx.AsyncClient, query: str, field: str
) -> None:
    answer = await client.get(f"/api/things?{query}")
    assert answer.status_code == 422
    assert answer.json()["error"]["details"][0]["field"] == field


async def test_parameters_where_there_are_none_are_refused(client: httpx.AsyncClient) -> None:
    assert (await client.get("/api/things/a?verbose=1")).status_code == 422


async def test_an_upload_comes_in_pieces_up_to_its_limit(client: httpx.AsyncClient) -> None:
    headers = {"content-type": "application/octet-stream"}
    answer = await client.post("/api/uploads", content=b"x" * 1000, headers=headers)
    assert answer.json() == 1000
    answer = await client.post("/api/uploads", content=b"x" * 1001, headers=headers)
    assert answer.status_code == 413


@pytest.mark.parametrize(
    ("method", "path", "media_type"),
    [
        ("PUT", "/api/things/a", b"application/json"),
        ("POST", "/api/uploads", b"application/octet-stream"),
    ],
)
async def test_a_body_of_unknown_length_is_bounded_too(
    services: Services, method: str, path: str, media_type: bytes
) -> None:
    sent: list[Any] = []
    asked = 0

    async def receive() -> Any:
        nonlocal asked
        asked += 1
        return {"type": "http.request", "body": b" " * 50, "more_body": True}

    async def send(message: Any) -> None:
        sent.append(message)

    token = f"Bearer {services.installation.admin_token}".encode()
    scope = {
        "type": "http",
        "method": method,
        "path": path,
        "query_string": b"",
        "headers": [(b"content-type", media_type), (b"authorization", token)],
    }
    paths = endpoints(ROUTES, services)
    await build_router(paths, not_found(paths))(scope, receive, send)
    assert sent[0]["status"] == 413
    assert asked <= 21


# Versions


async def test_a_change_is_made_only_to_the_version_that_was_read(
    client: httpx.AsyncClient,
) -> None:
    assert (await client.get("/api/things/a")).headers["etag"] == '"7"'
    for if_match, status in (('"7"', 200), ('"1", "7"', 200), ("*", 200), ('"6"', 412)):
        answer = await client.put(
            "/api/things/a", json={"name": "b"}, headers={"if-match": if_match}
        )
        assert answer.status_code == status, if_match
    assert (await client.put("/api/things/a", json={"name": "b"})).headers["etag"] == '"8"'


async def test_what_the_client_has_already_is_not_sent_again(client: httpx.AsyncClient) -> None:
    answer = await client.get("/api/things/a", headers={"if-none-match": '"7"'})
    assert answer.status_code == 304
    assert answer.content == b""


# Audit


async def test_a_change_leaves_a_record_without_secrets(
    client: httpx.AsyncClient, services: Services, clock: Any
) -> None:
    await client.put("/api/things/a", json={"name": "b"})
    (entry,) = services.store.audit.page(AuditFilter(), 10)
    assert entry.at_ms == clock.now_ms()
    assert entry.actor == "local token"
    assert entry.address == "127.0.0.1"
    assert (entry.action, entry.route) == ("things.replace", "PUT /api/things/{id}")
    assert entry.entity == "thing/a"
    assert msgspec.json.decode(entry.before) == {"name": "x", "api_key": "[secret]"}
    assert msgspec.json.decode(entry.after) == {"name": "b", "weights": []}


async def test_an_unsafe_call_leaves_a_record_even_if_its_handler_says_nothing(
    client: httpx.AsyncClient, services: Services
) -> None:
    assert (await client.delete("/api/things/a")).status_code == 204
    (entry,) = services.store.audit.page(AuditFilter(), 10)
    assert entry.entity == "a"


async def test_what_changed_nothing_leaves_no_record(
    client: httpx.AsyncClient, services: Services
) -> None:
    await client.get("/api/things/a")
    await client.post("/api/peeks")
    await client.delete("/api/things/unknown")
    await client.put("/api/things/a", json={"name": 1})
    await client.put("/api/things/a", json={"name": "b"}, headers={"if-match": "old"})
    assert services.store.audit.page(AuditFilter(), 10) == []


async def test_a_change_that_cannot_be_recorded_is_told_to_the_caller_and_in_the_log(
    client: httpx.AsyncClient,
    services: Services,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    def add(_: object) -> None:
        raise StoreFull("no room")

    recorded = await client.put("/api/things/a", json={"name": "b"})
    assert "x-omniroute-audit" not in recorded.headers
    monkeypatch.setattr(services.store.audit, "add", add)
    answer = await client.put("/api/things/a", json={"name": "b"})
    assert (answer.status_code, answer.headers["x-omniroute-audit"]) == (200, "missing")
    assert "no audit record of things.replace by local token: no room" in caplog.text


# Errors


@pytest.mark.parametrize(
    ("error", "status", "told"),
    [
        (missing("combo fast"), 404, "there is no combo fast"),
        (ConfigError("is taken", key="combos[0].name"), 422, "combos[0].name: is taken"),
        (StoreBusy("locked"), 503, "busy"),
        (StoreFull("no room"), 507, "no room"),
        (KeyError("sk-secret"), 500, "something went wrong here; the log says what"),
    ],
)
async def test_errors_have_one_shape_and_their_status(
    services: Services, raising: Raising, error: Exception, status: int, told: str
) -> None:
    raising.error = error
    async with client_of(
        services, Route("POST", "/api/broken", Policy.WRITE, "Breaks.", raising.handle)
    ) as client:
        answer = await client.post("/api/broken")
    assert answer.status_code == status
    assert told in answer.json()["error"]["message"]
    assert "sk-secret" not in answer.text


# Streams and files


async def test_rows_become_csv_that_no_spreadsheet_takes_for_formulas(
    services: Services,
) -> None:
    async def export(call: Call) -> Lines:
        return csv_lines("log.csv", ("model", "cost"), [("=cmd()", 1), ('a "b"', None)])

    async with client_of(
        services,
        Route("GET", "/api/export", Policy.READ, "CSV.", export, produces="text/csv"),
    ) as client:
        answer = await client.get("/api/export")
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    assert answer.headers["content-disposition"] == 'attachment; filename="log.csv"'
    assert answer.text == 'model,cost\r\n\'=cmd(),1\r\n"a ""b""",\r\n'


async def test_a_temporary_file_is_gone_after_it_was_sent(
    services: Services, tmp_path: Path
) -> None:
    path = tmp_path / "export.sqlite"
    path.write_bytes(b"content")

    async def export(call: Call) -> File:
        return File(path, "application/vnd.sqlite3", "omniroute.sqlite", is_temporary=True)

    async with client_of(
        services,
        Route("GET", "/api/export", Policy.BACKUP, "File.", export, produces="application/x"),
    ) as client:
        answer = await client.get("/api/export")
    assert answer.content == b"content"
    assert not path.exists()


async def test_a_feed_over_http_has_its_events_and_says_when_it_ends(services: Services) -> None:
    class Source:
        def __init__(self, after: str) -> None:
            self.left: Iterator[int] = iter(range(int(after or 0) + 1, 4))

        async def next(self) -> Event | None:
            number = next(self.left, None)
            return None if number is None else Event({"n": number}, "request", str(number))

        async def aclose(self) -> None:
            pass

    async def feed(call: Call) -> Events:
        return Events(Source(call.last_event_id))

    async with client_of(
        services,
        Route("GET", "/api/feed", Policy.READ, "Feed.", feed, produces="text/event-stream"),
    ) as client:
        answer = await client.get("/api/feed", headers={"last-event-id": "2"})
        head = await client.head("/api/feed")
    assert answer.headers["content-type"].startswith("text/event-stream")
    assert answer.text == ': connected\n\nid: 3\nevent: request\ndata: {"n":3}\n\n'
    assert head.status_code == 200
    assert head.content == b""


def test_an_endpoint_has_all_methods_of_its_path(services: Services) -> None:
    things = next(path for path in endpoints(ROUTES, services) if path.path == "/api/things/{id}")
    assert isinstance(things, Endpoint)
    assert things.methods == {"GET", "HEAD", "PUT", "DELETE", "OPTIONS"}
