"""The file in a `multipart/form-data` body (RFC 7578), as it arrives; nothing is kept of the rest.

For uploads that scripts send as a form. Only the first part with a file name counts; other fields
are passed over. Memory holds one piece and a delimiter, whatever the file's size.
"""

import re
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from typing import Final

from omniroute.control.refusal import Denied

MEDIA_TYPE: Final = "multipart/form-data"

_BOUNDARY: Final = re.compile(r'boundary=(?:"([^"]{1,70})"|([^\s;",]{1,70}))', re.IGNORECASE)
_FILE: Final = re.compile(rb"content-disposition:[^\r\n]*;\s*filename\*?=", re.IGNORECASE)
_HEAD_BYTES: Final = 8192  # of one part


def boundary_of(content_type: str) -> bytes:
    """Raises Denied (400) where the header names none."""
    found = _BOUNDARY.search(content_type)
    if found is None:
        raise Denied(400, "the form names no boundary")
    return (found[1] or found[2]).encode("latin-1")


async def first_file(
    chunks: AsyncGenerator[bytes, None], boundary: bytes
) -> AsyncGenerator[bytes, None]:
    """The content of the first file, in pieces; what follows it is passed over. Closes `chunks`.

    Raises Denied (400) for a form that has none, or that ends in the middle.
    """
    async with aclosing(chunks):
        form = _Form(chunks, b"\r\n--" + boundary)
        await form.skip_part()
        while not await form.is_at_end():
            if _FILE.search(await form.head()) is None:
                await form.skip_part()
                continue
            while (piece := await form.piece()) is not None:
                yield piece
            # Read on, so that a client that is still sending gets to the answer.
            async for _ in chunks:
                pass
            return
        raise Denied(400, "there is no file in the form")


class _Form:
    """The body, read to the next delimiter and no further."""

    def __init__(self, chunks: AsyncIterator[bytes], delimiter: bytes) -> None:
        self._chunks = chunks
        self._delimiter = delimiter
        self._buffer = b"\r\n"  # so that the first delimiter is like all others

    async def _more(self) -> None:
        try:
            self._buffer += await anext(self._chunks)
        except StopAsyncIteration:
            raise Denied(400, "the form ends in the middle") from None

    async def is_at_end(self) -> bool:
        while len(self._buffer) < 2:
            await self._more()
        return self._buffer.startswith(b"--")

    async def head(self) -> bytes:
        """The headers of the part that begins here."""
        while (end := self._buffer.find(b"\r\n\r\n")) < 0:
            if len(self._buffer) > _HEAD_BYTES:
                raise Denied(400, "a part of the form has too long a head")
            await self._more()
        head, self._buffer = self._buffer[:end], self._buffer[end + 4 :]
        return head

    async def piece(self) -> bytes | None:
        """Some of what comes before the next delimiter; None when that is reached, and taken
        away."""
        while True:
            end = self._buffer.find(self._delimiter)
            # The end of what is there may be the begin of the delimiter.
            safe = len(self._buffer) - len(self._delimiter) + 1 if end < 0 else end
            if safe > 0:
                piece, self._buffer = self._buffer[:safe], self._buffer[safe:]
                return piece
            if end == 0:
                self._buffer = self._buffer[len(self._delimiter) :]
                return None
            await self._more()

    async def skip_part(self) -> None:
        while await self.piece() is not None:
            pass
