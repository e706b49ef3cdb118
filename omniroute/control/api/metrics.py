"""What Prometheus scrapes. Closed like all else: give it an admin key with the scope `read`."""

from collections.abc import Iterator
from typing import Final

from omniroute.control.api.answers import Lines
from omniroute.control.api.declare import Call, Route
from omniroute.control.metrics import CONTENT_TYPE
from omniroute.control.policy import Policy


async def scrape(call: Call) -> Lines:
    """Made anew for each scrape."""
    services = call.services
    text = await call.blocking(lambda: services.metrics.render(services.status()))
    return Lines(_whole(text), CONTENT_TYPE)


def _whole(text: bytes) -> Iterator[bytes]:
    yield text


ROUTES: Final = (
    Route(
        "GET",
        "/metrics",
        Policy.READ,
        "Counts and gauges in Prometheus' text format.",
        scrape,
        produces="text/plain",
        description="Scrape it with `authorization: {type: Bearer, credentials_file: …}` and an "
        "admin key of the scope `read`.",
    ),
)
