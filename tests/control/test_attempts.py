"""Guessing is limited per address and in total, and honest people get their turn again."""

from omniroute.control.attempts import PER_ADDRESS, TOTAL, WINDOW_S, AttemptLimiter


def test_an_address_must_wait_after_its_failures() -> None:
    limiter = AttemptLimiter()
    for second in range(PER_ADDRESS):
        assert limiter.wait_s("a", second) == 0
        limiter.failed("a", second)
    assert limiter.wait_s("a", PER_ADDRESS) == WINDOW_S - PER_ADDRESS
    assert limiter.wait_s("b", PER_ADDRESS) == 0
    assert limiter.wait_s("a", WINDOW_S) == 0


def test_signing_in_clears_the_address() -> None:
    limiter = AttemptLimiter()
    for _ in range(PER_ADDRESS):
        limiter.failed("a", 0)
    limiter.succeeded("a", 0)
    assert limiter.wait_s("a", 1) == 0


def test_signing_in_again_and_again_is_no_guessing() -> None:
    limiter = AttemptLimiter()
    for second in range(2 * TOTAL):
        assert limiter.wait_s("a", second) == 0
        limiter.failed("a", second)
        limiter.succeeded("a", second)


def test_many_addresses_together_are_limited_too() -> None:
    limiter = AttemptLimiter()
    for number in range(TOTAL):
        limiter.failed(f"address {number}", 0)
    assert limiter.wait_s("a new one", 1) == WINDOW_S - 1
    assert limiter.wait_s("a new one", WINDOW_S) == 0
