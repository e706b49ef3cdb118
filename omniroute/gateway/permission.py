"""What a key may ask for, and what its client is told when it may not. Pure."""

from typing import TYPE_CHECKING, Final

from omniroute.errors import ErrorKind, GatewayError, LimitState
from omniroute.routing.resolve import Route
from omniroute.state.interface import Refusal

if TYPE_CHECKING:
    from omniroute.gateway.view import Principal


def is_allowed(principal: "Principal", route: Route) -> bool:
    """May the key ask for all that this route stands for?"""
    models = principal.models
    return models is None or any(map(models.allows, route.names))


def check_route(principal: "Principal", route: Route) -> None:
    """GatewayError when the key may use nothing of a route. Of a combo it may be some members."""
    if not route.combo and not is_allowed(principal, route):
        raise not_allowed(principal, route)


def not_allowed(principal: "Principal", route: Route) -> GatewayError:
    """The refusal of a model."""
    return GatewayError(
        ErrorKind.MODEL_NOT_ALLOWED,
        f"The API key {principal.name!r} may not use the model {route.asked!r}.",
        param="model",
    )


_UNITS: Final = {
    "requests": ("requests", ErrorKind.RATE_LIMITED),
    "tokens": ("tokens", ErrorKind.RATE_LIMITED),
    "running": ("requests at a time", ErrorKind.CONCURRENCY),
    "usd": ("micro-USD", ErrorKind.BUDGET_EXCEEDED),
}


def limit_error(name: str, refusal: Refusal) -> GatewayError:
    """What a client is told whose key has reached a limit."""
    meter = refusal.hold.meter
    unit, kind = _UNITS[meter.measure]
    free = max(0, meter.limit - refusal.used - refusal.reserved)
    wait_s = None if refusal.wait_ms is None else refusal.wait_ms / 1000
    if meter.measure == "usd":
        told = (
            f"USD {_usd(meter.limit)} {meter.period}: {_usd(refusal.used)} are spent, "
            f"{_usd(refusal.reserved)} are reserved by running requests, and this one could cost "
            f"{_usd(refusal.hold.amount)}"
        )
    else:
        span = f" in {meter.window_ms // 1000} s" if meter.window_ms else ""
        told = f"{meter.limit} {unit}{span}; {free} are left"
        if refusal.hold.amount > 1:
            told += f", and this request could take {refusal.hold.amount}"
    return GatewayError(
        kind,
        f"The API key {name!r} is limited to {told}.",
        retry_after_s=wait_s if wait_s is not None or meter.measure != "running" else 1.0,
        limit=LimitState(meter.measure, meter.limit, free, wait_s or 0.0),
    )


def _usd(microusd: int) -> str:
    """Dollars without an exponent and without zeros that say nothing."""
    return f"{microusd / 1e6:.6f}".rstrip("0").rstrip(".")
