"""Costs are exact and bounded, and the nearest price of a model is found."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from omniroute.providers.pricing import (
    FLAT_TIERS,
    FREE,
    Price,
    PriceBook,
    PriceError,
    PriceRow,
    bound_microusd,
    cost_microusd,
    load_prices,
    parse_prices,
    price_per_million,
)
from omniroute.providers.registry import load_registry
from omniroute.usage import Usage

rates = st.integers(min_value=0, max_value=10**9)
prices = st.builds(
    Price, input=rates, output=rates, cached_input=rates, cache_write=rates, reasoning=rates
)
counts = st.integers(min_value=0, max_value=10**7)
anything = st.integers(min_value=-(10**7), max_value=10**7)


@st.composite
def usages(draw: st.DrawFn) -> Usage:
    """Usages that keep their invariants."""
    uncached, read, write, output, reasoning = (draw(counts) for _ in range(5))
    return Usage(
        input_tokens=uncached + read + write,
        cache_read_tokens=read,
        cache_write_tokens=write,
        output_tokens=output + reasoning,
        reasoning_tokens=reasoning,
    )


# --- costs ---


def test_each_kind_of_token_has_its_rate_and_reasoning_counts_once() -> None:
    price = price_per_million(3, 15, cached_input=0.3, cache_write=3.75, reasoning=20)
    usage = Usage(
        input_tokens=1000,
        cache_read_tokens=600,
        cache_write_tokens=100,
        output_tokens=50,
        reasoning_tokens=20,
    )
    # 300 x 3 + 600 x 0.3 + 100 x 3.75 + 30 x 15 + 20 x 20
    assert cost_microusd(usage, price) == 900 + 180 + 375 + 450 + 400


def test_a_rate_that_is_left_out_is_its_neighbours() -> None:
    price = price_per_million(2, 8)
    assert (price.cached_input, price.cache_write, price.reasoning) == (
        price.input,
        price.input,
        price.output,
    )
    assert price.input == 2_000_000


@pytest.mark.parametrize(("tokens", "cost"), [(4, 0), (5, 1), (14, 1), (15, 2)])
def test_a_cost_is_rounded_half_up_once(tokens: int, cost: int) -> None:
    assert cost_microusd(Usage(input_tokens=tokens), price_per_million(0.1, 0)) == cost


@given(usages(), prices)
def test_a_cost_is_the_exact_sum_to_the_nearest_micro_usd(usage: Usage, price: Price) -> None:
    exact = (
        usage.uncached_tokens * price.input
        + usage.cache_read_tokens * price.cached_input
        + usage.cache_write_tokens * price.cache_write
        + (usage.output_tokens - usage.reasoning_tokens) * price.output
        + usage.reasoning_tokens * price.reasoning
    )
    assert abs(cost_microusd(usage, price) * 1_000_000 - exact) <= 500_000


@given(st.builds(Usage, anything, anything, anything, anything, anything), prices)
def test_no_usage_however_odd_costs_less_than_nothing(usage: Usage, price: Price) -> None:
    assert cost_microusd(usage, price) >= 0
    assert cost_microusd(usage, price) == cost_microusd(usage.clamped(), price)


@given(usages(), prices, st.integers(min_value=0, max_value=4), counts)
def test_more_tokens_of_any_kind_never_cost_less(
    usage: Usage, price: Price, kind: int, more: int
) -> None:
    grown = Usage(
        input_tokens=usage.input_tokens + more * (kind < 3),
        cache_read_tokens=usage.cache_read_tokens + more * (kind == 1),
        cache_write_tokens=usage.cache_write_tokens + more * (kind == 2),
        output_tokens=usage.output_tokens + more * (kind >= 3),
        reasoning_tokens=usage.reasoning_tokens + more * (kind == 4),
    )
    assert cost_microusd(grown, price) >= cost_microusd(usage, price)


@given(usages(), prices, counts, counts)
def test_no_usage_within_its_bounds_costs_more_than_the_bound(
    usage: Usage, price: Price, spare_input: int, spare_output: int
) -> None:
    bound = bound_microusd(
        usage.input_tokens + spare_input, usage.output_tokens + spare_output, price
    )
    assert cost_microusd(usage, price) <= bound


@given(anything, anything, prices)
def test_a_bound_is_never_negative(input_tokens: int, output_tokens: int, price: Price) -> None:
    assert bound_microusd(input_tokens, output_tokens, price) >= 0


@given(usages())
def test_what_is_free_costs_nothing(usage: Usage) -> None:
    assert cost_microusd(usage, FREE) == 0


# --- finding a price ---


def priced(usd: float) -> Price:
    return price_per_million(usd, usd)


def book(*rows: tuple[str, float], own: tuple[tuple[str, float], ...] = ()) -> PriceBook:
    return PriceBook(
        [
            *(PriceRow(pattern, priced(usd), own=True) for pattern, usd in own),
            *(PriceRow(pattern, priced(usd)) for pattern, usd in rows),
        ],
        {"paid": "apikey", "flat": "subscription", "near": "local", "gift": "free"},
    )


def test_the_nearest_row_holds() -> None:
    rows = (("*/m*", 4.0), ("paid/*", 2.0), ("*/model", 3.0), ("paid/model", 1.0))
    assert book(*rows).price("paid", "model") == priced(1)
    assert book(*rows[:-1]).price("paid", "model") == priced(2)
    assert book(rows[0], rows[2]).price("paid", "model") == priced(3)
    assert book(rows[0]).price("paid", "model") == priced(4)
    assert book().price("paid", "model") is None


def test_the_persons_rows_hold_before_all_others_the_first_that_fits() -> None:
    prices = book(("paid/model", 1), own=(("paid/mod*", 5), ("paid/model", 6)))
    assert prices.price("paid", "model") == priced(5)
    assert prices.equivalent("paid", "model") == priced(5)


@pytest.mark.parametrize("provider", ["flat", "near", "gift"])
def test_what_is_paid_as_a_whole_costs_nothing_by_the_request(provider: str) -> None:
    prices = book((f"{provider}/model", 1), ("*/model", 2))
    assert prices.price(provider, "model") == FREE
    assert prices.price(provider, "unknown") == FREE
    assert prices.equivalent(provider, "model") == priced(1)
    assert prices.equivalent(provider, "unknown") is None


def test_a_price_of_the_persons_own_holds_for_a_flat_rate_too() -> None:
    assert book(own=(("flat/*", 3),)).price("flat", "model") == priced(3)


@pytest.mark.parametrize(
    "model",
    [
        "gpt-5.1",
        "GPT-5.1",
        "gpt-5-1",
        "openai/gpt-5.1",
        "gpt-5.1-2025-11-13",
        "gpt-5.1@20251113",
        "gpt-5.1-20251113",
        "gpt-5.1-latest",
        "gpt-5.1-xhigh",
        "gpt-5.1-high-20251113",
    ],
)
def test_a_model_is_known_by_each_of_its_spellings(model: str) -> None:
    prices = book(("*/gpt-5.1", 1), ("*/gpt-5.1-mini", 2), ("*/gpt-*", 3))
    assert prices.price("paid", model) == priced(1)


@pytest.mark.parametrize("model", ["gpt-5.1-pro", "gpt-5.10", "gpt-5.1-2025"])
def test_another_model_is_not_taken_for_it(model: str) -> None:
    assert book(("*/gpt-5.1", 1)).price("paid", model) is None


def test_the_longer_name_holds_before_the_one_without_its_end() -> None:
    prices = book(("*/m", 1), ("*/m-high", 2), ("*/m-20250101", 3))
    assert prices.price("paid", "m-high") == priced(2)
    assert prices.price("paid", "m-20250101") == priced(3)
    assert prices.price("paid", "m-low-20250202") == priced(1)


@pytest.mark.parametrize(
    ("pattern", "fits", "fails"),
    [
        ("paid/*", ["m", "a/b", ""], []),
        ("*/m*d", ["md", "m-x-d"], ["m", "d", "mdx"]),
        ("*/a*b*c", ["abc", "axbxc", "abcbc"], ["acb", "ab", "bc"]),
        ("*/ab*ba", ["abba", "abxba"], ["aba"]),
        ("paid/gpt-?", ["gpt-4"], ["gpt-", "gpt-44"]),
        ("p*d/m?*", ["mx", "mxyz"], ["m"]),
        ("paid/m.x[1]*", ["m.x[1]", "m.x[1]y"], ["max[1]", "m.x1"]),
        ("PAID/Model*", ["model-x"], ["mode"]),
    ],
)
def test_a_pattern_fits_whole_names_whatever_their_case(
    pattern: str, fits: list[str], fails: list[str]
) -> None:
    for own in (True, False):
        prices = PriceBook([PriceRow(pattern, priced(1), own=own)], {"paid": "apikey"})
        assert [name for name in fits if prices.price("paid", name) is None] == []
        assert [name for name in fails if prices.price("paid", name) is not None] == []


pieces = st.text(alphabet="ab/*?", max_size=8)


@given(pieces, st.text(alphabet="ab/", max_size=8))
def test_patterns_matched_by_pieces_are_those_matched_letter_by_letter(
    pattern: str, name: str
) -> None:
    def fits(pattern: str, name: str) -> bool:
        if not pattern:
            return not name
        if pattern[0] == "*":
            return fits(pattern[1:], name) or (bool(name) and fits(pattern, name[1:]))
        return bool(name) and pattern[0] in ("?", name[0]) and fits(pattern[1:], name[1:])

    prices = PriceBook([PriceRow(f"p/{pattern}", priced(1), own=True)], {})
    assert (prices.price("p", name) is not None) == fits(pattern, name)


def test_names_that_clients_invent_do_not_fill_the_memory() -> None:
    prices = book(("*/m*", 1))
    for number in range(10_000):
        prices.price("paid", f"m{number}")
        prices.equivalent("paid", f"m{number}")
    assert max(len(prices._charged), len(prices._listed)) <= 4096
    assert prices.price("paid", "m1") == priced(1)


# --- the table that ships ---


@pytest.fixture(scope="module")
def built_in() -> PriceBook:
    tiers = {row.id: row.tier for row in load_registry()}
    return PriceBook(load_prices(), tiers)


def test_rows_of_a_provider_name_one_that_there_is() -> None:
    known = {row.id for row in load_registry()} | {"*"}
    assert {row.pattern.partition("/")[0] for row in load_prices()} <= known


def test_every_rate_is_sane() -> None:
    for row in load_prices():
        price = row.price
        assert 0 <= price.cached_input <= price.input <= price.output, row.pattern
        assert price.input <= price.cache_write, row.pattern
        assert price.reasoning == price.output, row.pattern
        assert price.output <= 100_000_000, row.pattern
        assert not row.own


def test_claude_reads_its_cache_for_a_tenth_and_writes_it_for_five_quarters(
    built_in: PriceBook,
) -> None:
    for row in load_registry():
        if row.id == "anthropic":
            for model in row.models:
                price = built_in.price(row.id, model.id)
                assert price is not None
                assert price.cached_input * 10 == price.input
                assert price.cache_write * 4 == price.input * 5


@pytest.mark.parametrize(
    ("provider", "model", "usd"),
    [
        ("anthropic", "claude-opus-4-5-20251101", (5, 25)),
        ("anthropic", "claude-opus-4-20250514", (15, 75)),
        ("anthropic", "claude-haiku-4-5-20251001", (1, 5)),
        ("openrouter", "anthropic/claude-sonnet-4.5", (3, 15)),
        ("openrouter", "deepseek/deepseek-r1:free", (0, 0)),
        ("vertex", "claude-sonnet-4-5@20250929", (3, 15)),
        ("openai", "gpt-4o-mini-2024-07-18", (0.15, 0.6)),
        ("openai", "gpt-5.5", (5, 30)),
        ("glm", "glm-4.7", (0.6, 2.2)),
        ("zai", "glm-4.7", (0.38, 1.98)),
        ("minimax", "MiniMax-M2.1", (0.5, 2)),
        ("groq", "openai/gpt-oss-120b", (0, 0)),
        ("claude", "claude-opus-4-7", (0, 0)),
        ("codex", "gpt-5.3-codex-xhigh", (0, 0)),
    ],
)
def test_known_models_cost_what_the_table_says(
    built_in: PriceBook, provider: str, model: str, usd: tuple[float, float]
) -> None:
    price = built_in.price(provider, model)
    assert price is not None
    assert (price.input / 1e6, price.output / 1e6) == usd


def test_a_subscription_is_comparable_with_an_api(built_in: PriceBook) -> None:
    for row in load_registry():
        if row.id in ("claude", "codex"):
            for model in row.models:
                price = built_in.equivalent(row.id, model.id)
                assert price is not None, model.id
                assert price.output > 0, model.id


def test_flat_tiers_are_tiers() -> None:
    assert {row.tier for row in load_registry()} >= FLAT_TIERS


@pytest.mark.parametrize(
    "text",
    [
        "prices = 1",
        "prices = [",
        'prices = [{ models = ["a/b"], input = 1 }]',
        'prices = [{ models = ["a/b"], input = 1, output = 1, per = "token" }]',
        'prices = [{ models = ["a"], input = 1, output = 1 }]',
        'prices = [{ models = ["a/b", "a/b"], input = 1, output = 1 }]',
    ],
)
def test_a_table_that_contradicts_its_schema_is_refused(text: str) -> None:
    with pytest.raises(PriceError):
        parse_prices(text)
