"""Reading CPU time and memory out of /proc."""

import os
import sys
from pathlib import Path

import pytest

from bench.processes import (
    TICK_US,
    Process,
    StartError,
    Stat,
    cpu_us_by_process,
    memory,
    parse_busy_us,
    parse_kib,
    parse_stat,
    tree,
    wait_until_answers,
)

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="/proc is Linux")


@pytest.mark.parametrize("name", ["python", "a b", "x) S 1 2 (y", "((", ")"])
def test_stat_is_read_whatever_the_command_is_called(name: str) -> None:
    numbers = " ".join(
        ["7", "1", "1", "0", "-1", "4194304", "0", "0", "0", "0", "5", "6", "7", "8"]
    )
    stat = parse_stat(f"42 ({name}) S {numbers} 20 0 1 0 12345 0 0")
    assert stat == Stat(pid=42, parent=7, cpu_us=(5 + 6 + 7 + 8) * TICK_US)


def test_the_tree_holds_descendants_of_any_depth_and_nobody_else() -> None:
    stats = [Stat(5, 4, 0), Stat(1, 0, 0), Stat(3, 2, 0), Stat(4, 3, 0), Stat(2, 1, 0)]
    assert {stat.pid for stat in tree(3, stats)} == {3, 4, 5}
    assert tree(99, stats) == []


def test_kib_of_a_missing_line_is_zero() -> None:
    text = "Name:\tx\nRssAnon:\t  1234 kB\nVmSize:\t 9 kB\n"
    assert parse_kib(text, "RssAnon") == 1234
    assert parse_kib(text, "Pss") == 0
    assert parse_kib("", "RssAnon") == 0


def test_busy_time_is_that_of_the_chosen_cores_without_idle_and_waiting() -> None:
    text = (
        "cpu  110 0 220 1000 60 3 4 5 0 0\n"
        "cpu0 10 1 20 900 50 3 4 5 9 9\n"
        "cpu1 100 0 200 100 10 0 0 0 0 0\n"
        "cpu10 1 0 0 0 0 0 0 0 0 0\n"
        "intr 12345 0 0\n"
    )
    assert parse_busy_us(text, [0]) == (10 + 1 + 20 + 3 + 4 + 5) * TICK_US
    assert parse_busy_us(text, [1, 10]) == 301 * TICK_US


def test_this_process_has_cpu_time_and_memory() -> None:
    assert cpu_us_by_process(os.getpid())[os.getpid()] > 0
    own = memory(os.getpid())
    assert own.rss_anon_kib > 0
    assert own.pss_kib > 0


def test_a_process_that_is_gone_uses_nothing() -> None:
    nobody = 1 << 22  # beyond the largest process id
    assert cpu_us_by_process(nobody) == {}
    assert memory(nobody) == (0, 0)


def test_a_command_that_ends_early_is_reported_with_its_log(tmp_path: Path) -> None:
    argv = [sys.executable, "-c", "print('no licence'); raise SystemExit(3)"]
    cpus = sorted(os.sched_getaffinity(0))
    process = Process("gateway", argv, cpus=cpus, log=tmp_path / "log")
    with pytest.raises(StartError, match=r"gateway ended with 3: no licence"):
        wait_until_answers(process, 1, "/readyz")
    process.stop()
