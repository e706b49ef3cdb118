"""Scopes: what a caller may be allowed to. Being open is no scope."""

from omniroute.control.policy import SCOPES, Policy


def test_every_policy_but_open_is_a_scope() -> None:
    assert set(Policy) - SCOPES == {Policy.OPEN}
