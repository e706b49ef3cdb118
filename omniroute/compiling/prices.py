"""The prices of a snapshot: the person's rows first, then the built-in ones that can matter."""

from collections.abc import Iterator, Sequence

from omniroute.compiling.directory import Directory
from omniroute.compiling.findings import Findings
from omniroute.config import PriceSettings
from omniroute.providers.pricing import PriceBook, PriceRow, price_per_million
from omniroute.snapshot import ProviderView


def compile_prices(
    own: Sequence[PriceSettings],
    built_in: Sequence[PriceRow],
    directory: Directory,
    providers: Sequence[ProviderView],
) -> tuple[PriceRow, ...]:
    """Rows in the order in which they hold. Those of providers not in use are left out."""
    return (*_own_rows(own, directory), *_built_in_rows(built_in, providers))


def note_unpriced(
    prices: Sequence[PriceRow], providers: Sequence[ProviderView], findings: Findings
) -> None:
    """A budget counts nothing for a model whose price nobody says: tell which those are."""
    book = PriceBook(prices, {view.id: view.tier for view in providers})
    for view in providers:
        unpriced = [one.id for one in view.models if book.price(view.id, one.id) is None]
        if unpriced and not view.needs:
            more = f" and {len(unpriced) - 1} more" if len(unpriced) > 1 else ""
            findings.note(
                f"{view.id}: budgets count nothing for {unpriced[0]}{more}, whose price is not "
                f"known; give it under [[pricing]]"
            )


def _own_rows(own: Sequence[PriceSettings], directory: Directory) -> Iterator[PriceRow]:
    for row in own:
        price = price_per_million(
            row.input,
            row.output,
            cached_input=row.cached_input,
            cache_write=row.cache_write,
            reasoning=row.reasoning,
        )
        yield PriceRow(directory.canonical(row.model), price, own=True)


def _built_in_rows(
    rows: Sequence[PriceRow], providers: Sequence[ProviderView]
) -> Iterator[PriceRow]:
    in_use = {"*", *(view.id for view in providers)}
    return (row for row in rows if row.pattern.partition("/")[0] in in_use)
