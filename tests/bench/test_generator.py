"""What is asked of the load generator, and when its result counts."""

import pytest

from bench.generator import Answers, Ask, VoidError, arguments

RIGHT = {"wrong": 0, "wrong_kinds": {}, "first_wrong": "", "latency_us": {"p99": 12.5}}


def test_a_figure_is_found_by_its_path() -> None:
    assert Answers(RIGHT).figure("latency_us", "p99") == 12.5


def test_a_result_with_a_wrong_answer_has_no_figure() -> None:
    answers = Answers(RIGHT | {"wrong": 3, "wrong_kinds": {"cut": 1, "status": 2}})
    with pytest.raises(VoidError, match="1 cut, 2 status"):
        answers.figure("latency_us", "p99")


def test_the_subjects_prefix_stands_before_the_model() -> None:
    argv = arguments(Ask(model="mock-8-0", duration_s=1), "http://x", "bench/", ["--keys", "f"])
    assert argv[argv.index("--model") + 1] == "bench/mock-8-0"
    assert argv[argv.index("--keys") + 1] == "f"


def test_a_number_of_requests_replaces_the_duration() -> None:
    argv = arguments(Ask(requests=5, stream=True, rate=10), "http://x")
    assert "--duration" not in argv
    assert {"--requests", "--stream", "--rate"} <= set(argv)
