"""Switching a thing off and on is one field."""

from omniroute.client.command import switches


def test_switches_are_opposites() -> None:
    on, off = switches("/api/combos/{id}", "a combo")
    assert (on.name, on.fixed) == ("enable", (("isActive", True),))
    assert (off.name, off.fixed) == ("disable", (("isActive", False),))
    assert on.path == off.path == "/api/combos/{id}"
