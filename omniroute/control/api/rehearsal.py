"""The simulator as a provider: added by one call, run by the control process, deleted like any."""

from typing import Final

import msgspec

from omniroute.control.api.declare import Call, Route
from omniroute.control.api.services import Services
from omniroute.control.api.things import editing_of
from omniroute.control.jobs import JobFailed
from omniroute.control.policy import Policy
from omniroute.control.refusal import Denied, conflict
from omniroute.control.rehearsal import PROVIDER, settings_of, wanted_port


class Simulated(msgspec.Struct):
    """The provider, and a model of it to begin with."""

    provider: str
    model: str


class NoWish(msgspec.Struct, forbid_unknown_fields=True):
    """Nothing has to be said."""


async def start(call: Call) -> Simulated:
    is_new = await call.blocking(_start, call.services)
    call.audit(f"provider/{PROVIDER}", after={"id": PROVIDER, "is_new": is_new})
    return Simulated(PROVIDER, f"{PROVIDER}/plain")


def _start(services: Services) -> bool:
    """Is it new? Blocks."""
    snapshot = services.configuration.snapshot
    assert snapshot is not None, "published before this process serves"
    if wanted_port(snapshot) is not None:
        services.rehearsal.keep(snapshot)
        return False
    if any(provider.id == PROVIDER for provider in snapshot.providers):
        raise conflict(f"there is a provider {PROVIDER} already, and it is not the built-in one")
    try:
        port = services.rehearsal.start()
    except JobFailed as error:
        raise Denied(503, str(error)) from error
    editing_of(services).create("provider", settings_of(port))
    return True


ROUTES: Final = (
    Route(
        "POST",
        "/api/simulator",
        Policy.WRITE,
        "Add the built-in simulator as a provider, to try the gateway without an account.",
        start,
        input=NoWish,
        output=Simulated,
        refuses=(409, 503),
        description="It answers to `simulator/plain` and others until the provider is deleted.",
    ),
)
