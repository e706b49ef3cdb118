"""What workers hand to control that is too big for the shared memory: small files in a directory.

Contract: `write` makes one file of some entries; it appears whole or not at all. Control takes the
files in the order of their names, which is that of their times, stores what they hold and removes
them; killed in between, it finds them again, so whoever stores must not mind an entry twice. The
directory is bounded: when control is away for long, `write` refuses instead of filling the disk.

Entries hold nothing readable but numbers and names: bodies are sealed before they come here.
"""

import os
import secrets
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import msgspec
from msgspec import Struct

MOST_BYTES: Final = 256 << 20  # in the directory, over all workers
MOST_FILE_BYTES: Final = 64 << 20  # a file beyond this is none of ours
SUFFIX: Final = ".spool"
_DRAFT: Final = ".draft"
_DRAFT_S: Final = 60.0  # a draft that is older was left by a process that died


class SpoolFull(Exception):
    """Nothing was written: what lies there has to be taken first."""


class SpoolDamaged(Exception):
    """A file that cannot be read as entries."""


class CapturedBody(Struct, frozen=True, tag="body"):
    """One body of a request, as one of the two sides saw it."""

    request_id: str
    attempt: int  # 1 and more at upstreams; 0 at the client
    side: str  # client | upstream
    direction: str  # request | response
    at_ms: int  # Unix time at which the request began
    size: int  # of the whole body in bytes, whatever of it was kept
    sealed: bytes  # what was kept, as `Installation.encrypt` gives it


class ProxyConnect(Struct, frozen=True, tag="proxy"):
    """One connection that was made through a proxy, or was not."""

    at_ms: int  # Unix time at which it began
    proxy: str  # scheme://host:port, without credentials
    target: str  # host:port behind it
    level: str  # whose proxy it is: connection | combo | provider | global | environment
    provider: str
    connection: str  # "" where several accounts share the connection
    outcome: str  # ok | failed
    error: str
    took_us: int


Entry = CapturedBody | ProxyConnect

_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(list[Entry])


class Spool:
    """The directory, made when it is first written to. Blocking calls: for a thread."""

    def __init__(self, directory: Path, most_bytes: int = MOST_BYTES) -> None:
        self.directory = directory
        self._most_bytes = most_bytes

    def write(self, entries: Sequence[Entry]) -> Path:
        """One file of these entries. Raises SpoolFull, OSError."""
        blob = _encoder.encode(entries)
        self.directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        if self._size() + len(blob) > self._most_bytes:
            raise SpoolFull(f"{self.directory} holds more than {self._most_bytes} bytes")
        name = f"{time.time_ns():020d}-{secrets.token_hex(4)}"
        draft = self.directory / f"{name}{_DRAFT}"
        try:
            descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(descriptor, "wb") as out:
                out.write(blob)
            file = draft.with_suffix(SUFFIX)
            draft.rename(file)
        except OSError:
            draft.unlink(missing_ok=True)
            raise
        return file

    def waiting(self) -> list[Path]:
        """Files to be taken, the oldest first; forgets drafts that nobody finishes any more."""
        if not self.directory.is_dir():
            return []
        old = time.time() - _DRAFT_S
        for draft in self.directory.glob(f"*{_DRAFT}"):
            if draft.stat().st_mtime < old:
                draft.unlink(missing_ok=True)
        return sorted(self.directory.glob(f"*{SUFFIX}"))

    def read(self, file: Path) -> list[Entry]:
        """The entries of a file. Raises SpoolDamaged, OSError."""
        if file.stat().st_size > MOST_FILE_BYTES:
            raise SpoolDamaged(f"{file} is larger than any that is written here")
        try:
            return _decoder.decode(file.read_bytes())
        except msgspec.MsgspecError as error:
            raise SpoolDamaged(f"{file} holds no entries: {error}") from None

    def remove(self, file: Path) -> None:
        """What it held is stored."""
        file.unlink(missing_ok=True)

    def _size(self) -> int:
        total = 0
        for entry in os.scandir(self.directory):
            try:
                total += entry.stat().st_size
            except FileNotFoundError:
                continue  # taken meanwhile
        return total
