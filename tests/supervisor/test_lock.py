"""One data dir serves one supervisor, and a dead one's lock is gone with it."""

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from omniroute.supervisor import lock


def test_the_dir_is_made_for_its_owner_alone(tmp_path: Path) -> None:
    held = lock.hold(tmp_path / "new" / "d")
    assert stat.S_IMODE((tmp_path / "new" / "d").stat().st_mode) == 0o700
    assert not os.get_inheritable(held)
    os.close(held)


def test_a_second_one_is_refused_until_the_first_is_gone(tmp_path: Path) -> None:
    held = lock.hold(tmp_path)
    with pytest.raises(lock.DataDirInUse, match="another omniroute"):
        lock.hold(tmp_path)
    os.close(held)
    os.close(lock.hold(tmp_path))


@pytest.mark.skipif(sys.platform != "linux", reason="the holder is found in /proc")
def test_the_holder_is_named(tmp_path: Path) -> None:
    held = lock.hold(tmp_path)
    with pytest.raises(lock.DataDirInUse, match=f"pid {os.getpid()}"):
        lock.hold(tmp_path)
    os.close(held)


@pytest.mark.processes
def test_the_lock_ends_with_its_process_however_it_ends(tmp_path: Path) -> None:
    code = f"""
import time
from pathlib import Path
from omniroute.supervisor import lock
lock.hold(Path({str(tmp_path)!r}))
print("held", flush=True)
time.sleep(60)
"""
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE)
    assert process.stdout
    assert process.stdout.readline() == b"held\n"
    with pytest.raises(lock.DataDirInUse, match=str(process.pid)):
        lock.hold(tmp_path)
    process.kill()
    process.communicate()
    os.close(lock.hold(tmp_path))


def test_a_file_in_its_place_is_an_error_in_words(tmp_path: Path) -> None:
    (tmp_path / "d").write_text("")
    with pytest.raises(lock.DataDirInUse, match="cannot be used"):
        lock.hold(tmp_path / "d")
