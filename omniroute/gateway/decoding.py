"""Content codings undone within a bound: gzip, deflate, br, zstd (RFC 9110 8.4).

A `Decoder` is fed compressed pieces and gives expanded ones; the total may not pass `limit_bytes`,
and no single step expands to more than that either, so a small bomb stays small. The limit on the
compressed size is the reader's, who counts what arrives.
"""

import zlib
from collections.abc import Callable
from typing import Final, Protocol

STEP_BYTES: Final = 1 << 20


class DecodingError(Exception):
    """The bytes are not what the coding says."""


class TooLarge(DecodingError):
    """The expanded size passes the limit."""


class UnknownCoding(DecodingError):
    """A coding that this gateway does not know."""


class _Expander(Protocol):
    def expand(self, data: bytes, limit_bytes: int) -> bytes: ...

    @property
    def complete(self) -> bool: ...


class _Zlib:
    """gzip and deflate; `deflate` in the wild is either zlib or raw (RFC 9110 8.4.1.2)."""

    def __init__(self, window_bits: int) -> None:
        self._window_bits = window_bits
        self._inner = zlib.decompressobj(window_bits)
        self._started = False

    def expand(self, data: bytes, limit_bytes: int) -> bytes:
        if not self._started and data:
            self._started = True
            if self._window_bits == zlib.MAX_WBITS and data[0] & 0x0F != 8:
                self._inner = zlib.decompressobj(-zlib.MAX_WBITS)
        try:
            out = self._inner.decompress(data, limit_bytes + 1)
            while (
                self._inner.eof and self._inner.unused_data and self._window_bits > zlib.MAX_WBITS
            ):
                rest = self._inner.unused_data  # gzip members may follow one another
                self._inner = zlib.decompressobj(self._window_bits)
                out += self._inner.decompress(rest, max(1, limit_bytes + 1 - len(out)))
        except zlib.error as error:
            raise DecodingError(str(error)) from None
        return out

    @property
    def complete(self) -> bool:
        return self._inner.eof


class _Brotli:
    def __init__(self) -> None:
        import brotli

        self._error = brotli.error
        self._inner = brotli.Decompressor()

    def expand(self, data: bytes, limit_bytes: int) -> bytes:
        out: bytes = b""
        try:
            while True:
                room = limit_bytes + 1 - len(out)
                out += self._inner.process(data, output_buffer_limit=min(room, STEP_BYTES))
                data = b""
                if self._inner.can_accept_more_data() or len(out) > limit_bytes:
                    return out
        except self._error as error:
            raise DecodingError(str(error)) from None

    @property
    def complete(self) -> bool:
        return bool(self._inner.is_finished())


class _Zstandard:
    def __init__(self) -> None:
        import zstandard

        self._error = zstandard.ZstdError
        # RFC 9659: a content coding may not ask for a window beyond 8 MiB.
        self._inner = zstandard.ZstdDecompressor(max_window_size=1 << 23).decompressobj()

    def expand(self, data: bytes, limit_bytes: int) -> bytes:
        out = bytearray()
        view = memoryview(data)
        try:
            # 4 KiB of zstd expand to at most some 100 MB in theory; small bites keep steps small.
            for start in range(0, len(view), 1024):
                if self._inner.eof:
                    raise DecodingError("bytes after the end of the frame")
                out += self._inner.decompress(view[start : start + 1024])
                if len(out) > limit_bytes:
                    break
        except self._error as error:
            raise DecodingError(str(error)) from None
        return bytes(out)

    @property
    def complete(self) -> bool:
        return bool(self._inner.eof)


_EXPANDERS: Final[dict[bytes, Callable[[], _Expander]]] = {
    b"gzip": lambda: _Zlib(16 + zlib.MAX_WBITS),
    b"x-gzip": lambda: _Zlib(16 + zlib.MAX_WBITS),
    b"deflate": lambda: _Zlib(zlib.MAX_WBITS),
    b"br": _Brotli,
    b"zstd": _Zstandard,
}
CODINGS: Final = ("gzip", "deflate", "br", "zstd")


class Decoder:
    """Undoes one content coding, piece by piece."""

    def __init__(self, coding: bytes, limit_bytes: int) -> None:
        make = _EXPANDERS.get(coding.strip().lower())
        if make is None:
            raise UnknownCoding(
                f"content coding {coding.decode('latin-1')!r} is not one of {', '.join(CODINGS)}"
            )
        self._expander = make()
        self._left = limit_bytes

    def feed(self, data: bytes) -> bytes:
        """The bytes that `data` expands to. TooLarge once the total passes the limit."""
        out = self._expander.expand(data, self._left)
        self._left -= len(out)
        if self._left < 0:
            raise TooLarge("the body is larger than allowed once it is decompressed")
        return out

    def finish(self) -> None:
        """The input has ended. DecodingError when it was cut."""
        if not self._expander.complete:
            raise DecodingError("the compressed body is cut off")


def is_identity(coding: bytes | None) -> bool:
    """No coding, or one that changes nothing."""
    return coding is None or coding.strip().lower() in (b"", b"identity")
