"""Files from workers to control: whole or not there, in order, bounded, the owner's alone."""

import os
import stat
import time
from pathlib import Path

import pytest

from omniroute.spool import CapturedBody, ProxyConnect, Spool, SpoolDamaged, SpoolFull

BODY = CapturedBody("req_1", 1, "upstream", "request", 1_790_000_000_000, 7, b"\x01sealed")
CONNECT = ProxyConnect(
    1_790_000_000_000, "http://p:8080", "api.x:443", "global", "acme", "acme/main", "ok", "", 1234
)


@pytest.fixture
def spool(tmp_path: Path) -> Spool:
    return Spool(tmp_path / "spool")


def test_what_is_written_is_read_in_order(spool: Spool) -> None:
    files = [spool.write([BODY, CONNECT]), spool.write([CONNECT]), spool.write([])]
    assert spool.waiting() == files
    assert [spool.read(file) for file in files] == [[BODY, CONNECT], [CONNECT], []]


def test_what_is_removed_is_gone_and_may_be_gone_already(spool: Spool) -> None:
    file = spool.write([BODY])
    spool.remove(file)
    spool.remove(file)
    assert spool.waiting() == []


def test_nothing_waits_before_anything_was_written(spool: Spool) -> None:
    assert spool.waiting() == []
    assert not spool.directory.exists()


def test_only_the_owner_can_read_it(spool: Spool) -> None:
    file = spool.write([BODY])
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(spool.directory.stat().st_mode) == 0o700


def test_a_full_spool_refuses_until_something_was_taken(tmp_path: Path) -> None:
    spool = Spool(tmp_path / "spool", most_bytes=200)
    file = spool.write([BODY])
    with pytest.raises(SpoolFull, match="holds more than 200 bytes"):
        spool.write([BODY, BODY, BODY])
    spool.write([])
    spool.remove(file)
    assert spool.write([BODY]).exists()


def test_a_draft_is_no_entry_and_is_forgotten_when_nobody_finishes_it(spool: Spool) -> None:
    spool.write([BODY])
    young, old = spool.directory / "1.draft", spool.directory / "2.draft"
    young.write_bytes(b"")
    old.write_bytes(b"")
    os.utime(old, (time.time() - 3600,) * 2)
    assert len(spool.waiting()) == 1
    assert young.exists()
    assert not old.exists()


@pytest.mark.parametrize("content", [b"", b"\xc1", b"\x91\x01", b"{}"])
def test_what_holds_no_entries_is_told(spool: Spool, content: bytes) -> None:
    file = spool.write([BODY])
    file.write_bytes(content)
    with pytest.raises(SpoolDamaged, match=file.name):
        spool.read(file)


def test_a_file_too_large_to_be_ours_is_not_read(spool: Spool) -> None:
    file = spool.write([BODY])
    with file.open("r+b") as out:
        out.truncate((64 << 20) + 1)
    with pytest.raises(SpoolDamaged, match="larger"):
        spool.read(file)


def test_a_spool_that_cannot_be_written_says_so(spool: Spool, tmp_path: Path) -> None:
    (tmp_path / "spool").write_bytes(b"a file")
    with pytest.raises(OSError, match="exists"):
        spool.write([BODY])
