"""Only the dashboard's own files are served, and unchanged ones cost nothing."""

from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
from starlette.responses import Response

from omniroute.control.routes import OpenRoute, build_router
from omniroute.control.static_files import StaticFiles


@pytest.fixture
async def client(tmp_path: Path) -> AsyncIterator[httpx.AsyncClient]:
    folder = tmp_path / "static"
    (folder / "pages").mkdir(parents=True)
    (folder / "index.html").write_text("<p>index")
    (folder / "pages" / "a.js").write_text("a()")
    (folder / "notes.txt").write_text("of no kind that is served")
    (tmp_path / "secret.js").write_text("secret")
    static = StaticFiles(folder)
    route = OpenRoute("/d/{path:path}", static.serve)
    transport = httpx.ASGITransport(build_router([route], Response(status_code=404)))
    async with httpx.AsyncClient(transport=transport, base_url="http://x") as made:
        yield made


async def test_files_have_their_types(client: httpx.AsyncClient) -> None:
    index = await client.get("/d/")
    assert index.text == "<p>index"
    assert index.headers["content-type"] == "text/html; charset=utf-8"
    script = await client.get("/d/pages/a.js")
    assert script.headers["content-type"] == "text/javascript; charset=utf-8"


@pytest.mark.parametrize(
    "path", ["notes.txt", "none.js", "../secret.js", "%2e%2e/secret.js", "pages", "pages/", "/a"]
)
async def test_nothing_else_is_reachable(client: httpx.AsyncClient, path: str) -> None:
    request = client.build_request("GET", "http://x/d/")
    request.url = request.url.copy_with(raw_path=f"/d/{path}".encode())
    assert (await client.send(request)).status_code == 404


async def test_an_unchanged_file_is_not_sent_again(client: httpx.AsyncClient) -> None:
    etag = (await client.get("/d/")).headers["etag"]
    again = await client.get("/d/", headers={"if-none-match": etag})
    assert again.status_code == 304
    assert again.content == b""
