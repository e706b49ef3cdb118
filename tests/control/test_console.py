"""The tail gives the latest lines of all processes in order, whatever files they are in."""

import json
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from omniroute.control.console import LineFilter, tail


def write(directory: Path, name: str, *lines: tuple[int, str]) -> None:
    process = name.partition(".")[0]
    with (directory / f"{name}.jsonl").open("a") as file:
        for time, message in lines:
            level = "error" if "error" in message else "info"
            entry = {"time": f"2026-11-28T00:00:{time:02d}.000Z", "level": level}
            entry |= {"process": process, "logger": f"omniroute.{process}", "message": message}
            file.write(json.dumps(entry) + "\n")


def messages(directory: Path, limit: int = 100, **wanted: str) -> list[object]:
    return [line["message"] for line in tail(directory, LineFilter(**wanted), limit).lines]


def test_processes_and_full_files_are_one_stream(tmp_path: Path) -> None:
    write(tmp_path, "control", (5, "e"), (7, "g"))
    write(tmp_path, "control.20261128T000004000000-000", (3, "c"), (4, "d"))
    write(tmp_path, "control.20261128T000002000000-000", (1, "a"))
    write(tmp_path, "worker-1", (2, "b"), (6, "f"))
    assert messages(tmp_path) == list("gfedcba")
    assert messages(tmp_path, 3) == list("gfe")
    assert messages(tmp_path, before="2026-11-28T00:00:05.000Z") == list("dcba")
    assert messages(tmp_path, since="2026-11-28T00:00:05.000Z") == list("gfe")


def test_a_filter_holds_for_each_line(tmp_path: Path) -> None:
    write(tmp_path, "control", (1, "an error of Acme"), (2, "well"))
    write(tmp_path, "worker-1", (3, "well"))
    assert messages(tmp_path, level="warning") == ["an error of Acme"]
    assert messages(tmp_path, text="ACME") == ["an error of Acme"]
    assert messages(tmp_path, process="worker-1") == ["well"]
    assert messages(tmp_path, logger="omniroute.con") == ["well", "an error of Acme"]


def test_there_is_no_folder_before_the_first_line(tmp_path: Path) -> None:
    found = tail(tmp_path / "logs", LineFilter(), 10)
    assert found == ([], True)


def test_lines_that_are_none_are_passed_over(tmp_path: Path) -> None:
    write(tmp_path, "control", (1, "one"))
    with (tmp_path / "control.jsonl").open("a") as file:
        file.write("[1]\n\nnot json\n{")
    assert messages(tmp_path) == ["one"]


def test_reading_ends_with_its_budget_and_says_so(tmp_path: Path) -> None:
    write(tmp_path, "control", *((1, "x" * 1000) for _ in range(300)))
    found = tail(tmp_path, LineFilter(text="nowhere"), 10, most_bytes=100_000)
    assert found == ([], False)
    assert tail(tmp_path, LineFilter(text="nowhere"), 10).is_whole
    assert not tail(tmp_path, LineFilter(), 10).is_whole


@given(sizes=st.lists(st.integers(0, 90_000), max_size=6))
def test_no_line_is_cut_whatever_its_length(tmp_path_factory: object, sizes: list[int]) -> None:
    directory = tmp_path_factory.mktemp("logs")  # type: ignore[attr-defined]
    texts = ["é" * size for size in sizes]
    write(directory, "control", *((number, text) for number, text in enumerate(texts)))
    assert messages(directory) == texts[::-1]
