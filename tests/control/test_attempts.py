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


def test_addresses_of_one_network_count_together() -> None:
    limiter = AttemptLimiter()
    for number in range(PER_ADDRESS):
        limiter.failed(f"2001:db8::{number:x}", 0)
    assert limiter.wait_s("2001:db8::ffff", 1) > 0
    assert limiter.wait_s("2001:db8:0:1::1", 1) == 0


def test_an_ipv4_address_is_the_same_in_both_spellings() -> None:
    limiter = AttemptLimiter()
    for _ in range(PER_ADDRESS):
        limiter.failed("::ffff:192.0.2.1", 0)
    assert limiter.wait_s("192.0.2.1", 1) > 0
    assert limiter.wait_s("192.0.2.2", 1) == 0
