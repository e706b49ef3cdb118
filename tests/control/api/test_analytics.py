"""Sums over HTTP are those of the requests, whatever they are split by."""

from typing import Any

import httpx
import pytest

from omniroute.control.api.services import Services
from omniroute.record import Record
from tests.control.api.past import HOUR_MS, remember


@pytest.fixture(autouse=True)
def past(services: Services) -> list[Record]:
    return remember(services)


async def get(owner: httpx.AsyncClient, path: str, **query: Any) -> Any:
    answer = await owner.get(path, params=query)
    assert answer.status_code == 200, answer.text
    return answer.json()


@pytest.mark.parametrize("bucket", ["hour", "day", "week", "month", "total"])
@pytest.mark.parametrize("by", [[], ["provider"], ["model", "status_class", "key_id"]])
async def test_every_split_has_the_same_sum(
    owner: httpx.AsyncClient, bucket: str, by: list[str]
) -> None:
    rows = (await get(owner, "/api/usage/analytics", bucket=bucket, by=by))["rows"]
    assert sum(row["requests"] for row in rows) == 12
    assert sum(row["cost_microusd"] for row in rows) == 12 * 250
    assert all(set(row["by"]) == set(by) for row in rows)


async def test_a_filter_and_percentiles(owner: httpx.AsyncClient) -> None:
    query = {"provider": "acme", "percentiles": "true"}
    [row] = (await get(owner, "/api/usage/analytics", **query))["rows"]
    assert (row["requests"], row["errors"]) == (6, 1)
    assert row["total"]["p50_us"] == pytest.approx(50_000, rel=0.13)


async def test_a_series_is_by_day_unless_asked(
    owner: httpx.AsyncClient, services: Services
) -> None:
    rows = (await get(owner, "/api/usage/history"))["rows"]
    assert sum(row["requests"] for row in rows) == 12
    assert all(row["from_ms"] % (24 * HOUR_MS) == 0 for row in rows)
    assert len((await get(owner, "/api/usage/history", bucket="hour"))["rows"]) == 12


async def test_costs_add_up_in_dollars(owner: httpx.AsyncClient) -> None:
    table = await get(owner, "/api/usage/costs", by="provider")
    assert table["total_usd"] == pytest.approx(0.003)
    assert {each["value"]: each["cost_microusd"] for each in table["costs"]} == {
        "acme": 1500,
        "other": 1500,
    }


async def test_the_last_day_is_summed_up_by_provider(
    owner: httpx.AsyncClient, services: Services
) -> None:
    summary = await get(owner, "/api/telemetry/summary")
    assert summary["all"]["requests"] == 12
    assert summary["all"]["failed_share"] == pytest.approx(1 / 12)
    assert set(summary["providers"]) == {"acme", "other"}
    later = await get(owner, "/api/telemetry/summary", since_ms=services.now_ms() + HOUR_MS)
    assert (later["all"], later["providers"]) == (None, {})


async def test_providers_and_combos_have_their_own_counts(owner: httpx.AsyncClient) -> None:
    providers = (await get(owner, "/api/provider-metrics"))["metrics"]
    assert providers["acme"]["success_share"] == pytest.approx(5 / 6)
    assert providers["other"]["mean_total_us"] == 50_000
    combos = (await get(owner, "/api/combos/metrics"))["metrics"]
    assert {name: each["requests"] for name, each in combos.items()} == {"fast": 3}


@pytest.mark.parametrize(
    "path",
    [
        "/api/usage/analytics?by=colour",
        "/api/usage/analytics?by=model&by=model",
        "/api/usage/analytics?bucket=minute",
        "/api/usage/analytics?error_text=x",
        "/api/usage/history?by=model",
    ],
)
async def test_what_sums_cannot_tell_is_refused(owner: httpx.AsyncClient, path: str) -> None:
    assert (await owner.get(path)).status_code == 422
