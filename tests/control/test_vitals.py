"""What processes and files take, as far as the system says."""

import os
import sys
from pathlib import Path

import pytest

from omniroute.control.vitals import all_vitals, data_sizes, process_vitals


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has /proc")
def test_a_process_takes_memory_and_has_a_thread() -> None:
    vitals = process_vitals(os.getpid())
    assert vitals is not None
    assert vitals["memory_bytes"] > 1 << 20
    assert vitals["threads"] >= 1
    assert vitals["cpu_s"] >= 0


def test_a_name_of_a_process_may_hold_brackets_and_blanks(tmp_path: Path) -> None:
    fields = ["S", *map(str, range(1, 40))]
    (tmp_path / "7").mkdir()
    (tmp_path / "7" / "stat").write_text(f"7 (a) b (c) {' '.join(fields)}\n")
    vitals = process_vitals(7, tmp_path)
    assert vitals is not None
    assert vitals["threads"] == 17
    assert vitals["memory_bytes"] == 21 * os.sysconf("SC_PAGE_SIZE")


def test_of_a_process_that_is_gone_only_its_name_is_told(tmp_path: Path) -> None:
    assert process_vitals(7, tmp_path) is None
    assert all_vitals([("worker-1", None)]) == []
    assert all_vitals([("control", 1 << 30)]) == [{"process": "control", "pid": 1 << 30}]


def test_sizes_are_those_on_the_disk(tmp_path: Path) -> None:
    (tmp_path / "logs").mkdir()
    (tmp_path / "logs" / "a").write_bytes(b"x" * 100_000)
    with (tmp_path / "sparse").open("wb") as file:
        file.truncate(1 << 30)
    sizes = data_sizes(tmp_path)
    assert 100_000 <= sizes["logs"] < 200_000
    assert sizes["sparse"] < 1 << 20
    assert sizes["free"] > 0
    assert data_sizes(tmp_path / "nowhere") == {}
