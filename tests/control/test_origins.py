"""Host and Origin: our own names pass, rebinding and cross-site pages do not."""

import pytest

from omniroute.control.origins import KnownHosts, host_name


@pytest.mark.parametrize(
    ("header", "name"),
    [
        ("localhost", "localhost"),
        ("LOCALHOST:20129", "localhost"),
        ("127.0.0.1:1", "127.0.0.1"),
        ("[::1]:20129", "::1"),
        ("[::1]", "::1"),
        ("gateway.example.org:443", "gateway.example.org"),
        ("", None),
        (":80", None),
        ("a b", None),
        ("a@b", None),
        ("localhost:80:80", None),
        ("localhost:x", None),
        ("[::1", None),
        ("[::1]x", None),
        ("[evil]", None),
        ("localhost/x", None),
        ("lócalhost", None),
    ],
)
def test_host_values_are_read_strictly(header: str, name: str | None) -> None:
    assert host_name(header) == name


def test_loopback_accepts_its_own_names_only() -> None:
    hosts = KnownHosts("127.0.0.1", [])
    assert hosts.is_known("127.0.0.1:20129")
    assert hosts.is_known("localhost:20129")
    assert hosts.is_known("[::1]:20129")
    assert not hosts.is_known("evil.example:20129")
    assert not hosts.is_known("localhost.evil.example")
    assert not hosts.is_known("192.168.1.5")


def test_configured_names_are_accepted() -> None:
    hosts = KnownHosts("gateway.lan", ["Ai.Example.org", "[fd00::1]"])
    assert hosts.is_known("gateway.lan:20129")
    assert hosts.is_known("ai.example.org")
    assert hosts.is_known("[fd00::1]:80")
    assert not hosts.is_known("other.example.org")


def test_a_wildcard_accepts_addresses_but_no_names() -> None:
    hosts = KnownHosts("0.0.0.0", [])
    assert hosts.is_known("192.168.1.5:20129")
    assert not hosts.is_known("evil.example")


@pytest.mark.parametrize(
    ("origin", "same"),
    [
        ("http://localhost:20129", True),
        ("https://localhost:20129", True),
        ("http://localhost:20128", False),
        ("http://localhost", False),
        ("http://evil.example", False),
        ("http://localhost:20129.evil.example", False),
        ("http://user@localhost:20129", False),
        ("null", False),
        ("file://localhost:20129", False),
        ("http://[::1", False),
        ("", False),
    ],
)
def test_only_the_same_site_may_call(origin: str, same: bool) -> None:
    assert KnownHosts("127.0.0.1", []).is_same_site(origin, "localhost:20129") is same
