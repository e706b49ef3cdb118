"""Names that could be rebound and pages that nobody listed are refused."""

import pytest

from omniroute.gateway.gatekeeper import host_allowed, origin_allowed


@pytest.mark.parametrize(
    ("host", "allowed"),
    [
        ("localhost:20128", True),
        ("127.0.0.1", True),
        ("[::1]:20128", True),
        ("192.168.1.7:20128", True),
        ("x.localhost", True),
        ("gateway.example", True),
        ("GATEWAY.example.:80", True),
        ("evil.example", False),
        ("localhost.evil.example", False),
        ("1.2.3.4.evil.example", False),
        ("1.2.3.4.5", False),
    ],
)
def test_names_that_can_be_rebound_must_be_listed(host, allowed):
    assert host_allowed(host, frozenset({"localhost", "gateway.example"})) is allowed


@pytest.mark.parametrize(
    ("origin", "listed", "allowed"),
    [
        (b"https://evil.example", b"", False),
        (b"null", b"", False),
        (b"http://localhost:20128", b"", True),
        (b"http://localhost:3000", b"", False),
        (b"vscode-webview://abc", b"", True),
        (b"https://chat.example", b"https://chat.example", True),
        (b"https://chat.example.evil", b"https://chat.example", False),
        (b"https://any.example", b"*", True),
    ],
)
def test_pages_must_be_ours_or_listed(origin, listed, allowed):
    assert origin_allowed(origin, b"localhost:20128", frozenset({listed})) is allowed
