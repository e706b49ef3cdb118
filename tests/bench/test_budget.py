"""What the budget's run is judged by."""

import dataclasses

import pytest

from bench.budget import CLIENTS, Seen

HELD = Seen(
    limit=1000, most=1000, readings=9, used=990, reserved=0, recorded=990, bound=20, answered=50
)


def test_a_run_in_which_every_rule_held_has_no_problem() -> None:
    assert HELD.problems() == []
    assert "limit 1000 micro-USD, most used + reserved 1000" in HELD.told()


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"most": 1001}, "over the limit"),
        ({"reserved": 1}, "stay reserved"),
        ({"recorded": 989}, "the history 989"),
        ({"used": 0, "recorded": 0, "bound": 1000 // CLIENTS - 1}, "left unused"),
    ],
)
def test_each_rule_that_breaks_is_told(changes: dict[str, int], problem: str) -> None:
    (told,) = dataclasses.replace(HELD, **changes).problems()
    assert problem in told
