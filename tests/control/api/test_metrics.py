"""A scrape needs credentials, and gets counts and gauges."""

import httpx

from omniroute.control.api.services import Services
from omniroute.record import Record


async def test_a_scrape_is_closed_and_tells_what_was_counted(
    client: httpx.AsyncClient, owner: httpx.AsyncClient, services: Services
) -> None:
    services.metrics.add([Record(id="r", started_ms=1, provider="acme", model="m", status=200)])
    assert (await client.get("/metrics")).status_code == 401
    answer = await owner.get("/metrics")
    assert answer.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    assert 'omniroute_build_info{version="x"} 1.0' in answer.text
    assert 'provider="acme",status="2xx"} 1.0' in answer.text
