"""Limits that contradict themselves are refused where they stand."""

from collections.abc import Callable

import pytest

from omniroute.config import ConfigError, Settings

Load = Callable[..., Settings]
Refused = Callable[..., ConfigError]

CONNECTION = '[[connections]]\nprovider = "a"\n'
KEY = '[[keys]]\nname = "a"\nkey = "sk-12345678"\n'


def quotas(*tables: str) -> str:
    return f"{CONNECTION}quotas = [{', '.join(f'{{ {table} }}' for table in tables)}]"


@pytest.mark.parametrize(
    ("text", "key", "fragments"),
    [
        (
            quotas('window = "daily", limit = 1, kind = "session"'),
            "connections[0].quotas[0].window",
            ["'daily' is no window of the kind 'session'", "those there are: 5h"],
        ),
        (
            quotas('window = "5h", limit = 1, kind = "fixed"'),
            "connections[0].quotas[0].window",
            ["daily, weekly, monthly"],
        ),
        (
            quotas('window = "5h", limit = 1.5'),
            "connections[0].quotas[0].limit",
            ["1.5 is not a whole number of requests"],
        ),
        (
            quotas('window = "5h", limit = 1', 'window = "5h", limit = 2'),
            "connections[0].quotas[1]",
            ["limits the same"],
        ),
        (
            quotas('window = "daily", limit = 1, kind = "fixed", timezone = "Europe/Berlni"'),
            "connections[0].quotas[0].timezone",
            ["did you mean Europe/Berlin?"],
        ),
        (
            quotas('window = "daily", limit = 1, reset = "06:00"'),
            "connections[0].quotas[0].reset",
            ["no effect on the kind 'rolling'"],
        ),
        ("[[budgets]]\nusd = 1", "budgets[0]", ["exactly one of the two"]),
        (
            '[[budgets]]\nusd = 1\ntier = "cheap"\nprovider = "a"',
            "budgets[0]",
            ["exactly one of the two"],
        ),
        (
            2 * '[[budgets]]\nusd = 1\ntier = "cheap"\n',
            "budgets[1].period",
            ["a monthly budget already"],
        ),
        (
            '[[budgets]]\nusd = 1\ntier = "cheap"\ntimezone = "../etc/passwd"',
            "budgets[0].timezone",
            ["no time zone"],
        ),
        (
            KEY + "budget = [{ usd = 1 }, { usd = 2 }]",
            "keys[0].budget[1].period",
            ["one for each period"],
        ),
        (
            KEY + 'budget = { usd = 1, timezone = "Europe" }',
            "keys[0].budget.timezone",
            ["no time zone"],
        ),
        (KEY + 'models = ["a/*", " b"]', "keys[0].models[1]", ["' b'"]),
        (KEY + 'connections = ["acme"]', "keys[0].connections[0]", ["acme/*"]),
        (KEY + 'connections = [""]', "keys[0].connections[0]", ["no pattern"]),
        (KEY + "schedule = { days = [] }", "keys[0].schedule.days", ["never be used"]),
        (KEY + 'schedule = { timezone = "Mars" }', "keys[0].schedule.timezone", ["no time zone"]),
        (KEY + 'expires = "tomorrow"', "keys[0].expires", ["2027-01-31"]),
        (
            KEY + "thinking = { budget_tokens = 5 }",
            "keys[0].thinking.budget_tokens",
            ["no effect with the mode 'passthrough'"],
        ),
        (
            '[thinking]\nmode = "auto"\nbudget_tokens = 5',
            "thinking.budget_tokens",
            ["no effect with the mode 'auto'"],
        ),
    ],
)
def test_a_limit_that_cannot_hold_is_refused(
    refused: Refused, text: str, key: str, fragments: list[str]
) -> None:
    error = refused(text)
    assert error.key == key
    assert error.line is not None
    for fragment in fragments:
        assert fragment in str(error)


@pytest.mark.parametrize(
    "text",
    [
        quotas('window = "5h", limit = 1, kind = "session"'),
        quotas('window = "5h", limit = 1', 'window = "5h", limit = 1, measure = "tokens"'),
        quotas('window = "monthly", limit = 0.5, measure = "usd", kind = "fixed"'),
        '[[budgets]]\nusd = 0\ntier = "free"\n[[budgets]]\nusd = 1\nprovider = "a"\n'
        '[[budgets]]\nusd = 1\ntier = "free"\nperiod = "daily"\ntimezone = "Asia/Tokyo"',
        KEY + 'connections = ["*", "acme/main", "cc/*"]\nmodels = ["*", "coding"]',
        KEY + 'budget = [{ usd = 1 }, { usd = 1, period = "daily" }]',
        KEY + 'schedule = { start = "22:00", end = "06:00", timezone = "Europe/Berlin" }',
        KEY + 'expires = "2027-01-31T18:00:00+01:00"',
        KEY + 'thinking = { mode = "custom", budget_tokens = 0 }',
    ],
)
def test_a_limit_that_can_hold_is_accepted(configure: Load, text: str) -> None:
    configure(text)
