"""Prices of models, and what a usage costs: computed here and nowhere else.

Amounts are integers. A rate is in millionths of a micro-USD per token, which is USD per million
tokens times 1 000 000; a cost is in micro-USD, rounded half up once, at the end.

What is paid as a whole costs nothing by the request: at a provider of the tiers in `FLAT_TIERS` a
model is charged `FREE`, unless the person gives a price for it. What the same tokens would have
cost by their price at an API can be asked for (`PriceBook.equivalent`), for comparison only.

The table of built-in prices is `pricing.toml`; its head says where the figures come from.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Final

import msgspec
from msgspec import Struct

from omniroute.usage import Usage

FLAT_TIERS: Final = frozenset({"subscription", "free", "local"})

_UNIT: Final = 1_000_000  # rates per micro-USD
_HALF: Final = _UNIT // 2
_REMEMBERED: Final = 4096  # names whose price a book keeps at hand; clients invent others

# Ends of a model's name that do not change what it costs: a date, "latest", an effort.
_DATE: Final = re.compile(r"[-@](?:\d{8}|\d{4}-\d\d-\d\d|latest)\Z")
_EFFORT: Final = re.compile(r"-(?:none|minimal|low|medium|high|xhigh)\Z")


class PriceError(ValueError):
    """The table of built-in prices contradicts its schema; the message names the row."""


class Price(Struct, frozen=True, kw_only=True, gc=False):
    """Rates of one model. A rate that a source leaves out has been filled in from its neighbour."""

    input: int
    output: int
    cached_input: int
    cache_write: int
    reasoning: int


FREE: Final = Price(input=0, output=0, cached_input=0, cache_write=0, reasoning=0)


class PriceRow(Struct, frozen=True):
    """Prices of all models whose `provider/model` name fits the pattern (`*`, `?`)."""

    pattern: str
    price: Price
    own: bool = False  # the person's: holds before all others, and for flat providers as well


def price_per_million(
    input_usd: float,
    output_usd: float,
    *,
    cached_input: float | None = None,
    cache_write: float | None = None,
    reasoning: float | None = None,
) -> Price:
    """The price from USD per million tokens; what is None costs what its neighbour does."""
    return Price(
        input=_rate(input_usd),
        output=_rate(output_usd),
        cached_input=_rate(input_usd if cached_input is None else cached_input),
        cache_write=_rate(input_usd if cache_write is None else cache_write),
        reasoning=_rate(output_usd if reasoning is None else reasoning),
    )


def cost_microusd(usage: Usage, price: Price) -> int:
    """What these tokens cost, in micro-USD.

    Reasoning is part of the output and counted once. Never negative: a usage that contradicts
    itself is taken as `Usage.clamped` puts it right. More tokens of any kind, the others being the
    same, never cost less.
    """
    usage = usage.clamped()
    read, written = usage.cache_read_tokens, usage.cache_write_tokens
    reasoning = usage.reasoning_tokens
    amount = usage.input_tokens * price.input + usage.output_tokens * price.output
    if read or written or reasoning:
        amount += read * (price.cached_input - price.input)
        amount += written * (price.cache_write - price.input)
        amount += reasoning * (price.reasoning - price.output)
    return (amount + _HALF) // _UNIT


def bound_microusd(input_tokens: int, output_tokens: int, price: Price) -> int:
    """The most that a request with at most so many tokens may cost, however they turn out.

    Never below `cost_microusd` of any clamped usage within these bounds: each token is taken at
    the dearest of the rates it may have.
    """
    # Asked for every request at a budget, and so without max(), which costs thrice as much.
    rate_in, rate_out = price.input, price.output
    if price.cached_input > rate_in:
        rate_in = price.cached_input
    if price.cache_write > rate_in:
        rate_in = price.cache_write
    if price.reasoning > rate_out:
        rate_out = price.reasoning
    amount = input_tokens * rate_in if input_tokens > 0 else 0
    if output_tokens > 0:
        amount += output_tokens * rate_out
    return (amount + _HALF) // _UNIT


class PriceBook:
    """Prices by provider and model: of one snapshot, in one process.

    Order: the person's own rows; nothing at all where the provider's tier is flat; the provider's
    rows; rows of the model whoever serves it. Of the last two, exact names hold before patterns,
    and a name is also looked up without what stands before its last slash (resellers put the
    vendor there), without its date, and then without its effort. Upper and lower case are the same,
    and so are dots and dashes in exact names. Looking a name up again costs one dictionary access.
    """

    def __init__(self, rows: Iterable[PriceRow], tiers: Mapping[str, str]) -> None:
        """`tiers`: of each provider, by id."""
        self._flat = frozenset(id_ for id_, tier in tiers.items() if tier in FLAT_TIERS)
        self._own: list[tuple[_Pattern, Price]] = []
        self._exact: dict[str, Price] = {}
        self._of_provider: list[tuple[_Pattern, Price]] = []
        self._of_anybody: list[tuple[_Pattern, Price]] = []
        for row in rows:
            provider, _, model = row.pattern.partition("/")
            by_name = provider == "*" or not _has_wildcard(provider)
            if row.own:
                self._own.append((_Pattern(row.pattern), row.price))
            elif by_name and not _has_wildcard(model):
                self._exact.setdefault(f"{provider}/{_folded(model)}", row.price)
            elif _has_wildcard(provider):
                self._of_anybody.append((_Pattern(row.pattern), row.price))
            else:
                self._of_provider.append((_Pattern(row.pattern), row.price))
        self._charged: dict[tuple[str, str], Price | None] = {}
        self._listed: dict[tuple[str, str], Price | None] = {}

    def price(self, provider: str, model: str) -> Price | None:
        """What a request is charged; None when nobody says."""
        key = (provider, model)
        if key in self._charged:
            return self._charged[key]
        found = _first(self._own, f"{provider}/{model}".lower())
        if found is None:
            found = FREE if provider in self._flat else self._list_price(provider, model)
        return _remember(self._charged, key, found)

    def equivalent(self, provider: str, model: str) -> Price | None:
        """What the same tokens cost at an API, also where a flat rate is paid; None: unknown."""
        key = (provider, model)
        if key in self._listed:
            return self._listed[key]
        charged = _first(self._own, f"{provider}/{model}".lower())
        listed = self._list_price(provider, model) if charged is None else charged
        return _remember(self._listed, key, listed)

    def _list_price(self, provider: str, model: str) -> Price | None:
        whole = f"{provider}/{model}".lower()
        for owner, patterns in ((provider, self._of_provider), ("*", self._of_anybody)):
            for name in _spellings(model):
                if (price := self._exact.get(f"{owner}/{name}")) is not None:
                    return price
            if (price := _first(patterns, whole)) is not None:
                return price
            last = f"{provider}/{model.rpartition('/')[2]}".lower()
            if last != whole and (price := _first(patterns, last)) is not None:
                return price
        return None


class _Pattern:
    """A pattern in lower case. Without `?` it is matched by its pieces, with nothing compiled."""

    __slots__ = ("_compiled", "_head", "_middle", "_tail")

    def __init__(self, pattern: str) -> None:
        head, *rest = pattern.lower().split("*")
        self._head = head
        self._tail = rest.pop() if rest else None
        self._middle = rest
        self._compiled = _compiled(pattern) if "?" in pattern else None

    def fits(self, name: str) -> bool:
        """`name` in lower case."""
        if self._compiled is not None:
            return self._compiled.match(name) is not None
        if self._tail is None:
            return name == self._head
        end = len(name) - len(self._tail)
        at = len(self._head)
        if at > end or not (name.startswith(self._head) and name.endswith(self._tail)):
            return False
        for piece in self._middle:
            found = name.find(piece, at, end)
            if found < 0:
                return False
            at = found + len(piece)
        return True


def load_prices() -> tuple[PriceRow, ...]:
    """The built-in rows. Raises PriceError; takes some milliseconds."""
    from importlib import resources  # workers never read the table

    text = resources.files("omniroute.providers").joinpath("pricing.toml").read_text("utf-8")
    return parse_prices(text)


def parse_prices(text: str) -> tuple[PriceRow, ...]:
    """The rows of a table in the form of `pricing.toml`. Raises PriceError."""
    import tomllib

    try:
        table = msgspec.convert(tomllib.loads(text), _Table)
    except (tomllib.TOMLDecodeError, msgspec.ValidationError) as error:
        raise PriceError(f"the table of prices: {error}") from error
    rows: list[PriceRow] = []
    seen: set[str] = set()
    for entry in table.prices:
        price = price_per_million(
            entry.input,
            entry.output,
            cached_input=entry.cached_input,
            cache_write=entry.cache_write,
            reasoning=entry.reasoning,
        )
        for pattern in entry.models:
            if "/" not in pattern or pattern in seen:
                raise PriceError(f"{pattern!r} stands twice or names no provider")
            seen.add(pattern)
            rows.append(PriceRow(pattern, price))
    return tuple(rows)


class _Entry(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A row as it stands in the file, in USD per million tokens."""

    models: tuple[str, ...]
    input: float
    output: float
    cached_input: float | None = None
    cache_write: float | None = None
    reasoning: float | None = None


class _Table(Struct, frozen=True, forbid_unknown_fields=True):
    prices: tuple[_Entry, ...]


def _rate(usd_per_million: float) -> int:
    return round(usd_per_million * _UNIT)


def _has_wildcard(text: str) -> bool:
    return "*" in text or "?" in text


def _compiled(pattern: str) -> re.Pattern[str]:
    parts = ({"*": ".*", "?": "."}.get(letter) or re.escape(letter) for letter in pattern.lower())
    return re.compile("".join(parts) + r"\Z", re.DOTALL)


def _first(rows: list[tuple[_Pattern, Price]], name: str) -> Price | None:
    for pattern, price in rows:
        if pattern.fits(name):
            return price
    return None


def _folded(model: str) -> str:
    return model.lower().replace(".", "-")


def _spellings(model: str) -> Iterator[str]:
    """The folded names under which a model may be listed, nearest first."""
    folded = _folded(model)
    for name in dict.fromkeys((folded, folded.rpartition("/")[2])):
        yield name
        dateless = _DATE.sub("", name)
        if dateless != name:
            yield dateless
        effortless = _EFFORT.sub("", dateless)
        if effortless != dateless:
            yield effortless


def _remember(
    kept: dict[tuple[str, str], Price | None], key: tuple[str, str], price: Price | None
) -> Price | None:
    if len(kept) >= _REMEMBERED:
        kept.clear()
    kept[key] = price
    return price
