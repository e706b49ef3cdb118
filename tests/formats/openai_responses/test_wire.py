"""Reading and writing of single objects."""

import json

import pytest

from omniroute.formats.ir import FormatError
from omniroute.formats.openai_responses import wire
from omniroute.usage import Usage


def test_an_error_says_what_is_wrong_and_where() -> None:
    with pytest.raises(FormatError) as caught:
        wire.read(wire.reader(wire.CallIn), b'{"call_id":5,"name":"x"}', "input[3]")
    assert caught.value.param == "input[3].call_id"


@pytest.mark.parametrize("body", [b"", b"\xff", b"[" * 100_000])
def test_what_is_no_json_is_a_format_error(body: bytes) -> None:
    with pytest.raises(FormatError):
        wire.read(wire.read_object, body, "")


def test_usage_comes_back_as_it_was() -> None:
    usage = Usage(100, 40, 10, 30, 20)
    body = wire.usage_json(usage)
    assert wire.reader(wire.UsageIn)(body).usage == usage
    assert json.loads(body)["total_tokens"] == 130


def test_impossible_usage_is_made_possible() -> None:
    read = wire.reader(wire.UsageIn)(
        b'{"input_tokens":5,"input_tokens_details":{"cached_tokens":9},"output_tokens":-1}'
    )
    assert read.usage == Usage(9, 9, 0, 0, 0)
