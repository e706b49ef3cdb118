"""What a key may ask for, and the words with which a limit of a key is told."""

import pytest

from omniroute.errors import ErrorKind, GatewayError
from omniroute.gateway.permission import check_route, is_allowed, limit_error
from omniroute.gateway.view import Principal
from omniroute.resilience.meters import Meter
from omniroute.routing.resolve import Route
from omniroute.snapshot import KeyView
from omniroute.state.interface import Hold, Refusal

PLAIN = Route("fast", ("fast", "acme/plain", "ac/plain"), "", ())
COMBO = Route("coding", ("coding",), "coding", ())


def principal(*models: str) -> Principal:
    return Principal(KeyView("file/laptop", "laptop", b"", models=models))


@pytest.mark.parametrize("models", [(), ("fast",), ("acme/*",), ("ac/plain",), ("other", "f?st")])
def test_one_of_the_names_of_a_route_is_enough(models: tuple[str, ...]) -> None:
    assert is_allowed(principal(*models), PLAIN)
    check_route(principal(*models), PLAIN)


def test_a_model_that_no_name_allows_is_refused_and_a_combo_left_to_its_members() -> None:
    narrow = principal("beta/*")
    with pytest.raises(GatewayError, match="'laptop' may not use the model 'fast'") as raised:
        check_route(narrow, PLAIN)
    assert raised.value.kind is ErrorKind.MODEL_NOT_ALLOWED
    assert not is_allowed(narrow, COMBO)
    check_route(narrow, COMBO)


def refused(measure: str, amount: int, wait_ms: int | None, **more: object) -> GatewayError:
    kind = {"running": "running", "usd": "fixed"}.get(measure, "rolling")
    meter = Meter(key=f"key/file/laptop/{measure}", measure=measure, kind=kind, limit=100, **more)
    return limit_error("laptop", Refusal(Hold(meter, amount), 60, 30, wait_ms))


def test_a_rate_is_told_with_what_is_left_and_when_to_come_back() -> None:
    error = refused("requests", 1, 2500, window_ms=60_000)
    assert error.message == "The API key 'laptop' is limited to 100 requests in 60 s; 10 are left."
    assert (error.status, error.retry_after_s) == (429, 2.5)
    assert error.limit == ("requests", 100, 10, 2.5)


def test_what_a_request_could_take_is_told_where_that_is_why() -> None:
    error = refused("tokens", 5000, None, window_ms=60_000)
    assert "this request could take 5000" in error.message
    assert error.retry_after_s is None  # it never fits


def test_money_is_told_in_dollars_spent_reserved_and_wanted() -> None:
    error = refused("usd", 40, 1000, period="monthly")
    assert error.kind is ErrorKind.BUDGET_EXCEEDED
    for part in ("USD 0.0001 monthly", "0.00006 are spent", "0.00003 are reserved", "cost 0.00004"):
        assert part in error.message


def test_a_place_among_running_requests_may_be_free_again_at_once() -> None:
    assert refused("running", 1, None).retry_after_s == 1.0
    assert refused("running", 1, None).kind is ErrorKind.CONCURRENCY
