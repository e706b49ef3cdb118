"""Every case of the corpus, cut in every way, through both parsers behind the gate."""

from typing import Any

import pytest

from tests.wire.http1_driver import corpus, cuts, told_requests, told_response


@pytest.fixture(params=["httptools", "h11"])
def parser(request: pytest.FixtureRequest) -> Any:
    return request.param


def cases(name: str) -> list[Any]:
    return [pytest.param(case, id=case["name"]) for case in corpus(name)]


@pytest.mark.parametrize("case", cases("requests.toml"))
def test_a_request_reads_as_the_corpus_says_however_it_is_cut(
    case: dict[str, Any], parser: Any
) -> None:
    for pieces in cuts(case["data"]):
        assert told_requests(pieces, parser) == case["tells"], pieces


@pytest.mark.parametrize("case", cases("responses.toml"))
def test_a_response_reads_as_the_corpus_says_however_it_is_cut(
    case: dict[str, Any], parser: Any
) -> None:
    method = case.get("asked", "POST").encode()
    end = case.get("end", False)
    for pieces in cuts(case["data"]):
        assert told_response(pieces, parser, method, end=end) == case["tells"], pieces


@pytest.mark.parametrize("name", ["requests.toml", "responses.toml"])
def test_no_case_of_the_corpus_is_written_twice(name: str) -> None:
    names = [case["name"] for case in corpus(name)]
    assert len(names) == len(set(names))
