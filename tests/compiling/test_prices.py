"""Prices of a snapshot: the person's first, and only those that can matter."""

from collections.abc import Callable

from omniroute.providers.pricing import PriceBook, PriceRow, price_per_million
from omniroute.snapshot import Snapshot
from tests.compiling.material import ACME, connection

Compile = Callable[..., Snapshot]

ONE = price_per_million(1, 1)
BUILT_IN = (PriceRow("vendor/large", ONE), PriceRow("foreign/x", ONE), PriceRow("*/any", ONE))

OWN = '[[pricing]]\nmodel = "ve/large"\ninput = 2\noutput = 3\ncached_input = 0.5\n'
BUDGET = '[[budgets]]\ntier = "apikey"\nusd = 1\n'


def test_the_persons_rows_come_first_under_the_providers_id(compiled: Compile) -> None:
    snapshot = compiled(connection("vendor") + OWN, prices=BUILT_IN)
    own, *built_in = snapshot.prices
    assert own == PriceRow("vendor/large", price_per_million(2, 3, cached_input=0.5), own=True)
    assert built_in == [BUILT_IN[0], BUILT_IN[2]]


def test_they_hold_before_those_that_are_built_in(compiled: Compile) -> None:
    snapshot = compiled(connection("vendor") + OWN, prices=BUILT_IN)
    book = PriceBook(snapshot.prices, {view.id: view.tier for view in snapshot.providers})
    price = book.price("vendor", "large")
    assert price is not None
    assert price.input == 2_000_000


def test_a_model_without_price_is_told_where_budgets_count_usd(compiled: Compile) -> None:
    text = ACME + 'models = ["plain", "think"]\n'
    assert compiled(text).problems == ()
    (note,) = compiled(text + BUDGET).problems
    assert note.startswith("acme: budgets count nothing for plain and 1 more")
    key = '[[keys]]\nname = "a"\nkey = "sk-12345678"\nbudget = { usd = 1 }\n'
    assert compiled(text + key).problems == (note,)


def test_no_price_is_missing_where_a_flat_rate_is_paid_or_one_is_given(compiled: Compile) -> None:
    text = ACME + 'models = ["plain"]\n'
    assert compiled(text + 'tier = "subscription"\n' + BUDGET).problems == ()
    priced = '[[pricing]]\nmodel = "acme/*"\ninput = 0\noutput = 0\n'
    assert compiled(text + BUDGET + priced).problems == ()
