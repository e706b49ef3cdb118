"""The table, and what is asked of the project."""

import pytest

from bench.generator import Answers, Ask
from bench.measures import Outcome, Rung
from bench.report import Asked, align, asked, asked_table, comparison, rows, table, warnings


def outcome(name: str, **figures: float) -> Outcome:
    return Outcome(name, figures=figures)


def line_of(text: str, label: str) -> list[str]:
    [line] = [line for line in text.splitlines() if line.startswith(label)]
    return line.removeprefix(label).split()


def test_columns_are_aligned_to_the_right_of_the_label() -> None:
    assert align([["", "a"], ["long label", "1"], ["x", "100"]]) == (
        "              a\nlong label    1\nx           100"
    )


def test_the_table_shows_void_and_missing_figures_as_such() -> None:
    broken = outcome("full", one_p50_us=20.0)
    broken.problems["requests_per_s"] = "void: 1 status"
    text = table({"direct": outcome("direct", requests_per_s=90000.4), "full": broken}, ())
    assert line_of(text, "requests/s, 64 connections") == ["90000", "void"]
    assert line_of(text, "1 connection: p50, µs") == ["–", "20"]
    assert "CPU per request" not in text


@pytest.mark.parametrize(("idle", "cell"), [(0.19, ["≥", "5000"]), (0.2, ["5000"])])
def test_a_throughput_that_the_load_side_may_have_limited_is_a_lower_bound(
    idle: float, cell: list[str]
) -> None:
    text = table({"nginx": outcome("nginx", requests_per_s=5000, idle_requests=idle)}, ())
    assert line_of(text, "requests/s, 64 connections") == cell


@pytest.mark.parametrize(
    ("reached", "at_most", "verdict"),
    [
        (10, True, "met"),
        (10.1, True, "MISSED"),
        (10, False, "met"),
        (9.9, False, "MISSED"),
        (None, True, "not measured"),
    ],
)
def test_a_limit_is_met_at_its_value(reached: float | None, at_most: bool, verdict: str) -> None:
    assert Asked("x", 10, "µs", reached, at_most).verdict == verdict


def reached(label: str, **outcomes: Outcome) -> float | None:
    [item] = [item for item in asked(outcomes) if item.label == label]
    return item.reached


def test_what_is_asked_is_taken_against_nginx_of_the_same_run() -> None:
    nginx = outcome("nginx", requests_per_s=50000, one_p50_us=100, first_event_p99_us=400)
    full = outcome("full", requests_per_s=12500, one_p50_us=220, first_event_p99_us=700)
    assert reached("throughput, full", nginx=nginx, full=full) == 0.25
    assert reached("added over nginx, 1 connection, p50, full", nginx=nginx, full=full) == 120
    assert reached("added time to first event over nginx, p99, full", nginx=nginx, full=full) == 300


def test_the_comparison_has_ratios_and_added_times_for_each_pair_that_was_measured() -> None:
    direct = outcome("direct", requests_per_s=80000, one_p50_us=16)
    nginx = outcome("nginx", requests_per_s=40000, one_p50_us=100)
    full = outcome("full", requests_per_s=10000, one_p50_us=220)
    text = comparison({"direct": direct, "nginx": nginx, "full": full}, ())
    assert text.splitlines()[0].split("  ")[-3:] == [
        "full : nginx",
        "nginx : direct",
        "full : direct",
    ]
    assert line_of(text, "requests/s, ratio") == ["0.25", "0.50", "0.12"]
    assert line_of(text, "added, 1 connection: p50, µs") == ["+120", "+84", "+204"]
    assert comparison({"full": full}, ()) == ""


def test_a_disturbed_run_says_so() -> None:
    answers = Answers({"wrong": 0})
    quiet, noisy = (
        Rung("x", Ask(), answers, 1, (), idle=1, disturbed=share, came_to_rest=True)
        for share in (0.01, 0.2)
    )
    outcomes = {"nginx": Outcome("nginx", rungs=[quiet]), "full": Outcome("full")}
    assert warnings(outcomes) == []
    outcomes["full"].rungs += [noisy, quiet]
    assert warnings(outcomes) == ["full: up to 20% of the cores' time went to other things"]


def test_nothing_is_made_up_when_a_subject_is_missing() -> None:
    assert reached("throughput, full", full=outcome("full", requests_per_s=1)) is None
    assert reached("CPU per request, 2 workers against 1, full") is None
    assert "not measured" in asked_table(asked({}))


def test_each_figure_has_one_row() -> None:
    figures = [row.figure for row in rows((1000, 4000))]
    assert len(figures) == len(set(figures))
