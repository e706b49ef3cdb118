"""What every wire format of the simulator provides."""

import pytest

from omniroute.simulator.claude import Claude
from omniroute.simulator.dialect import Dialect, Refusal
from omniroute.simulator.openai_chat import OpenAIChat

DIALECTS: tuple[Dialect, ...] = (OpenAIChat(), Claude())


@pytest.mark.parametrize("dialect", DIALECTS)
def test_frames_are_single_events_with_lines_ending_in_lf(dialect: Dialect) -> None:
    for frame in (dialect.error_frame(Refusal(500, "no\r\nmatter\u2028")), dialect.broken_frame()):
        assert frame.endswith(b"\n\n")
        assert frame.count(b"\n\n") == 1
        assert b"\r" not in frame


def test_two_refusals_are_never_the_same() -> None:
    assert Refusal(400, "no") != Refusal(400, "no")
    assert len({Refusal(400, "no"), Refusal(400, "no")}) == 2
