"""Settings of keys read the same however they were written."""

from omniroute.config import BudgetSettings, KeySettings


def test_budgets_of_a_key_are_a_list_also_where_there_is_one_or_none() -> None:
    one, two = BudgetSettings(usd=1, period="daily"), BudgetSettings(usd=9)
    assert KeySettings(name="a", key="sk-12345678").budgets() == ()
    assert KeySettings(name="a", key="sk-12345678", budget=one).budgets() == (one,)
    assert KeySettings(name="a", key="sk-12345678", budget=(one, two)).budgets() == (one, two)
