"""A model's name means exactly one scenario."""

import pytest

from omniroute.simulator.scenario import LISTED, Scenario, UnknownScenario, scenario_named


@pytest.mark.parametrize(
    ("name", "scenario"),
    [
        ("plain", Scenario()),
        ("tools", Scenario(reply="tools")),
        ("long", Scenario(reply="long", events=1000)),
        ("long-5", Scenario(reply="long", events=5)),
        ("slow", Scenario(delay_s=2)),
        ("slow-250ms", Scenario(delay_s=0.25)),
        ("quiet-1.5s", Scenario(quiet_s=1.5)),
        ("pace-0ms", Scenario(pace_s=0)),
        ("stall", Scenario(fault="stall", fault_after=3)),
        ("cut-0", Scenario(fault="cut", fault_after=0)),
        ("cut-head", Scenario(fault="cut-head")),
        ("reset-2", Scenario(fault="reset", fault_after=2)),
        ("error-event-7", Scenario(fault="error-event", fault_after=7)),
        ("error-first", Scenario(fault="error-event", fault_after=0)),
        ("error-500", Scenario(status=500)),
        ("error-429", Scenario(status=429, retry_after_s=1)),
        ("error-503-30", Scenario(status=503, retry_after_s=30)),
        ("error-500-9", Scenario(status=500, retry_after_s=9)),
        ("no-usage", Scenario(usage="never")),
        (
            "tools+bytewise+crlf+pace-20ms+cut-1",
            Scenario(
                reply="tools", bytewise=True, crlf=True, pace_s=0.02, fault="cut", fault_after=1
            ),
        ),
    ],
)
def test_name_means_scenario(name: str, scenario: Scenario) -> None:
    assert scenario_named(name) == scenario


@pytest.mark.parametrize("name", LISTED)
def test_every_listed_name_means_something(name: str) -> None:
    scenario_named(name)


@pytest.mark.parametrize(
    "name",
    ["", "gpt-5", "plain+", "error-200", "error-600", "slow-2", "long-", "plain-3", "LONG"],
)
def test_other_names_are_refused(name: str) -> None:
    with pytest.raises(UnknownScenario, match=r"simulator|duration"):
        scenario_named(name)


@pytest.mark.parametrize("name", ["plain+think", "cut+stall", "no-usage+usage-every", "slow+slow"])
def test_words_that_exclude_each_other_are_refused(name: str) -> None:
    with pytest.raises(UnknownScenario, match="exclude"):
        scenario_named(name)
