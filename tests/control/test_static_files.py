"""Only the dashboard's own files are served, and unchanged ones cost nothing."""

import base64
import hashlib
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
from starlette.responses import Response

from omniroute.control.content_policy import policy_of
from omniroute.control.routes import OpenRoute, build_router
from omniroute.control.static_files import StaticFiles, without_comments


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


async def test_what_a_browser_takes_compressed_is_sent_so(
    tmp_path: Path, client: httpx.AsyncClient
) -> None:
    (tmp_path / "static" / "long.js").write_text("a();\n" * 500)
    static = StaticFiles(tmp_path / "static")
    route = OpenRoute("/d/{path:path}", static.serve)
    transport = httpx.ASGITransport(build_router([route], Response(status_code=404)))
    tags = set()
    async with httpx.AsyncClient(transport=transport, base_url="http://x") as made:
        for accepted, coding in [
            ("gzip, deflate, br", "br"),
            ("gzip", "gzip"),
            ("br;q=0, gzip", "gzip"),
            ("identity", None),
        ]:
            answer = await made.get("/d/long.js", headers={"accept-encoding": accepted})
            assert answer.headers.get("content-encoding") == coding
            assert answer.text == "a();\n" * 500
            assert answer.headers["vary"] == "accept-encoding"
            tags.add(answer.headers["etag"])
    assert len(tags) == 3, "each coding has a tag of its own (RFC 9110, 8.8.1)"


async def test_a_page_may_run_its_own_import_map_and_no_other_inline_script(
    tmp_path: Path,
) -> None:
    page = b'<script type="importmap">{"imports":{}}</script><script>evil()</script>'
    (tmp_path / "index.html").write_bytes(page)
    route = OpenRoute("/d/{path:path}", StaticFiles(tmp_path).serve)
    transport = httpx.ASGITransport(build_router([route], Response(status_code=404)))
    async with httpx.AsyncClient(transport=transport, base_url="http://x") as made:
        policy = (await made.get("/d/")).headers["content-security-policy"]
    assert policy == policy_of(page)
    digest = base64.b64encode(hashlib.sha256(b'{"imports":{}}').digest()).decode()
    assert f"script-src 'self' 'sha256-{digest}';" in policy
    assert policy.count("sha256-") == 1


def test_scripts_are_served_without_lines_of_comment_under_the_same_line_numbers() -> None:
    script = b"""// first
/**
 * @param {string} a
 */
export const f = (a) => a; // stays
  /* alone */
/** @type {string} */ (f("x")); /* and
two */
const url = `
http://here /* text */
`;
"""
    assert (
        without_comments(script)
        == b"""



export const f = (a) => a; // stays

/** @type {string} */ (f("x")); /* and
two */
const url = `
http://here /* text */
`;
"""
    )


async def test_vendored_files_keep_their_licences(tmp_path: Path) -> None:
    (tmp_path / "vendor").mkdir()
    (tmp_path / "vendor" / "a.js").write_text("/* MIT */\na()")
    (tmp_path / "a.js").write_text("/* why */\na()")
    route = OpenRoute("/d/{path:path}", StaticFiles(tmp_path).serve)
    transport = httpx.ASGITransport(build_router([route], Response(status_code=404)))
    async with httpx.AsyncClient(transport=transport, base_url="http://x") as made:
        assert (await made.get("/d/vendor/a.js")).text == "/* MIT */\na()"
        assert (await made.get("/d/a.js")).text == "\na()"
