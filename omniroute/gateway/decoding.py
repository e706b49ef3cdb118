"""Content codings undone within a bound: gzip, deflate, br, zstd (RFC 9110 8.4).

A `Decoder` is fed compressed pieces and gives expanded ones; the total may not pass `limit_bytes`,
and no single step expands to more than that either, so a small bomb stays small. The limit on the
compressed size is the reader's, who counts what arrives.
"""

import zlib
from collections.abc import Callable
from typing import Final, Protocol

STEP_BYTES: Final = 1 << 20
# What follows a finished member is copied at each one, so a body of nothing but empty members
# would cost its length squared: fed in bites, and with a bound on members (bgzip needs 512 for
# 32 MB), it does not.
BITE_BYTES: Final = 4096
MAX_MEMBERS: Final = 1024
# One block of zstd, 4 bytes long, can stand for 128 KiB (RFC 8878 3.1.1.2), and its decompressor
# takes no bound on the output: small bites keep the overshoot within 8 MiB.
ZSTD_BITE_BYTES: Final = 256


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
        self._members = 1

    def expand(self, data: bytes, limit_bytes: int) -> bytes:
        if not self._started and data:
            self._started = True
            if self._window_bits == zlib.MAX_WBITS and data[0] & 0x0F != 8:
                self._inner = zlib.decompressobj(-zlib.MAX_WBITS)
        out = bytearray()
        view = memoryview(data)
        try:
            for start in range(0, len(view), BITE_BYTES):
                bite: bytes | memoryview = view[start : start + BITE_BYTES]
                while bite and len(out) <= limit_bytes:
                    if self._inner.eof:
                        self._next_member()
                    out += self._inner.decompress(bite, limit_bytes + 1 - len(out))
                    bite = self._inner.unused_data
        except zlib.error as error:
            raise DecodingError(str(error)) from None
        return bytes(out)

    def _next_member(self) -> None:
        """gzip members may follow one another (RFC 1952 2.2); nothing may follow deflate."""
        if self._window_bits <= zlib.MAX_WBITS:
            raise DecodingError("bytes after the end of the compressed data")
        self._members += 1
        if self._members > MAX_MEMBERS:
            raise DecodingError(f"more than {MAX_MEMBERS} members")
        self._inner = zlib.decompressobj(self._window_bits)

    @property
    def complete(self) -> bool:
        return self._inner.eof


class _Brotli:
    def __init__(self) -> None:
        import brotli

        self._error = brotli.error
        self._inner = brotli.Decompressor()

    def expand(self, data: bytes, limit_bytes: int) -> bytes:
        if data and self._inner.is_finished():
            raise DecodingError("bytes after the end of the compressed data")
        out = bytearray()
        try:
            while True:
                room = limit_bytes + 1 - len(out)
                out += self._inner.process(data, output_buffer_limit=min(room, STEP_BYTES))
                data = b""
                if self._inner.can_accept_more_data() or len(out) > limit_bytes:
                    return bytes(out)
                if self._inner.is_finished():
                    return bytes(out)
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
        self._decompressor = zstandard.ZstdDecompressor(max_window_size=1 << 23)
        self._inner = self._decompressor.decompressobj()
        self._frames = 1

    def expand(self, data: bytes, limit_bytes: int) -> bytes:
        out = bytearray()
        view = memoryview(data)
        try:
            for start in range(0, len(view), ZSTD_BITE_BYTES):
                bite: bytes | memoryview = view[start : start + ZSTD_BITE_BYTES]
                while bite and len(out) <= limit_bytes:
                    if self._inner.eof:
                        self._next_frame()
                    out += self._inner.decompress(bite)
                    bite = self._inner.unused_data
        except self._error as error:
            raise DecodingError(str(error)) from None
        return bytes(out)

    def _next_frame(self) -> None:
        """Frames may follow one another (RFC 8878 3)."""
        self._frames += 1
        if self._frames > MAX_MEMBERS:
            raise DecodingError(f"more than {MAX_MEMBERS} frames")
        self._inner = self._decompressor.decompressobj()

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
