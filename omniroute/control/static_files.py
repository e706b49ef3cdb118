"""The dashboard's files: read once, served with an ETag, nothing outside the folder reachable.

A request names a key of a dictionary made at start, so no path from outside ever meets the file
system. The files are a few tens of kilobytes.
"""

import hashlib
from dataclasses import dataclass
from pathlib import Path

from starlette.requests import Request
from starlette.responses import Response

from omniroute.control.refusal import Denied

# Named here rather than taken from the system's table, which differs between machines.
_TYPES = {
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".svg": "image/svg+xml",
    ".json": "application/json",
}
INDEX = "index.html"


@dataclass(frozen=True)
class _File:
    body: bytes
    media_type: str
    etag: str


class StaticFiles:
    """All files of a folder, by their relative path."""

    def __init__(self, folder: Path) -> None:
        self._files = {
            path.relative_to(folder).as_posix(): _read(path)
            for path in folder.rglob("*")
            if path.is_file() and path.suffix in _TYPES
        }

    async def serve(self, request: Request) -> Response:
        """Answers with the file that the path parameter `path` names; the index when empty."""
        file = self._files.get(request.path_params["path"] or INDEX)
        if file is None:
            raise Denied(404, "there is no such file")
        # Revalidated each time: an upgrade shows at once, and an unchanged file costs no bytes.
        headers = {"etag": file.etag, "cache-control": "no-cache"}
        if request.headers.get("if-none-match") == file.etag:
            return Response(status_code=304, headers=headers)
        return Response(file.body, headers=headers, media_type=file.media_type)


def _read(path: Path) -> _File:
    body = path.read_bytes()
    return _File(body, _TYPES[path.suffix], f'"{hashlib.sha256(body).hexdigest()[:32]}"')
