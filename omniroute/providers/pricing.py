"""Prices of models, and what a usage costs: computed here and nowhere else.

Amounts are integers. A rate is in millionths of a micro-USD per token, which is USD per million
tokens times 1 000 000; a cost is in micro-USD, rounded half up once, at the end.
"""

from msgspec import Struct


class Price(Struct, frozen=True, kw_only=True, gc=False):
    """Rates of one model. A rate that a source leaves out has been filled in from its neighbour."""

    input: int
    output: int
    cached_input: int
    cache_write: int
    reasoning: int


class PriceRow(Struct, frozen=True):
    """Prices of all models whose `provider/model` name fits the pattern (`*`, `?`)."""

    pattern: str
    price: Price
