"""The dashboard's files: read once, served with an ETag, nothing outside the folder reachable.

A request names a key of a dictionary made at start, so no path from outside ever meets the file
system. The files are some hundreds of kilobytes; what a browser takes compressed is compressed
once, when it is first asked for. Pages come with a policy of their own (`content_policy`). Our own
scripts are served without the comments that stand on lines of their own (a sixth of them); the
lines keep their numbers, so that what a browser's console names is found in the source.
"""

import gzip
import hashlib
import re
from functools import cached_property
from pathlib import Path
from typing import Final

import anyio.to_thread
import brotli
from starlette.requests import Request
from starlette.responses import Response

from omniroute.control.content_policy import policy_of
from omniroute.control.refusal import Denied

# Named here rather than taken from the system's table, which differs between machines.
_TYPES: Final = {
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".svg": "image/svg+xml",
    ".json": "application/json",
}
INDEX: Final = "index.html"
_WORTH_IT_BYTES: Final = 512
# The best there is: some tens of milliseconds a file, once, in a thread; 8 % less than quality 9.
_BROTLI_QUALITY: Final = 11
_VENDORED: Final = "vendor"  # whose comments hold the licences

# From the start of a line to the end of one: what stands beside code stays, which a pattern could
# not tell from the inside of a text.
_COMMENT: Final = re.compile(
    rb"^[ \t]*(?://[^\n]*|/\*(?:(?!\*/).)*\*/[ \t]*)$", re.MULTILINE | re.DOTALL
)


def without_comments(script: bytes) -> bytes:
    """A script of ours as it is served: lines of comment are empty lines."""
    return _COMMENT.sub(lambda found: b"\n" * found[0].count(b"\n"), script)


class _File:
    """One file as it lies in memory."""

    def __init__(self, path: Path) -> None:
        self.body = path.read_bytes()
        if path.suffix == ".js" and _VENDORED not in path.parts:
            self.body = without_comments(self.body)
        self.media_type = _TYPES[path.suffix]
        self.headers = {"cache-control": "no-cache", "vary": "accept-encoding"}
        if path.suffix == ".html":
            self.headers["content-security-policy"] = policy_of(self.body)
        self._digest = hashlib.sha256(self.body).hexdigest()[:32]

    @cached_property
    def _brotli(self) -> bytes:
        compressed: bytes = brotli.compress(self.body, quality=_BROTLI_QUALITY)
        return compressed

    @cached_property
    def _gzip(self) -> bytes:
        return gzip.compress(self.body, mtime=0)

    def encoded(self, accepted: str) -> tuple[str, bytes, str]:
        """(content coding or "", bytes, ETag) for an Accept-Encoding."""
        codings = {
            name.strip().lower()
            for name, _, weight in (each.partition(";") for each in accepted.split(","))
            if weight.replace(" ", "") not in ("q=0", "q=0.0")
        }
        if len(self.body) >= _WORTH_IT_BYTES:
            if "br" in codings:
                return "br", self._brotli, f'"{self._digest}-br"'
            if "gzip" in codings:
                return "gzip", self._gzip, f'"{self._digest}-gz"'
        return "", self.body, f'"{self._digest}"'


class StaticFiles:
    """All files of a folder, by their relative path."""

    def __init__(self, folder: Path) -> None:
        self._files = {
            path.relative_to(folder).as_posix(): _File(path)
            for path in folder.rglob("*")
            if path.is_file() and path.suffix in _TYPES
        }

    async def serve(self, request: Request) -> Response:
        """Answers with the file that the path parameter `path` names; the index when empty."""
        file = self._files.get(request.path_params["path"] or INDEX)
        if file is None:
            raise Denied(404, "there is no such file")
        accepted = request.headers.get("accept-encoding", "")
        coding, body, etag = await anyio.to_thread.run_sync(file.encoded, accepted)
        # Revalidated each time: an upgrade shows at once, and an unchanged file costs no bytes.
        headers = file.headers | {"etag": etag}
        if request.headers.get("if-none-match") == etag:
            return Response(status_code=304, headers=headers)
        if coding:
            headers["content-encoding"] = coding
        return Response(body, headers=headers, media_type=file.media_type)
