"""Names that could be rebound and pages that nobody listed are refused; who asks is found once."""

from types import SimpleNamespace

import pytest

from omniroute.gateway.gatekeeper import Gatekeeper, host_allowed, origin_allowed


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


class Door:
    """A gatekeeper, one connection, and the keys whose digest was made."""

    def __init__(self, *, key_required: bool = True) -> None:
        self.digested: list[bytes] = []
        self.keeper = Gatekeeper(self._digest)
        self.connection = SimpleNamespace(credential=None)
        self.view = view(key_required=key_required)

    def _digest(self, key: bytes) -> bytes:
        self.digested.append(key)
        return key

    def principal(self, fields: dict[bytes, bytes]):
        request = SimpleNamespace(fields=fields, target=b"/v1/models")
        return self.keeper.principal(self.connection, self.view, request)


def view(*, key_required: bool):
    return SimpleNamespace(
        principals={b"a": "A", b"b": "B"},
        anonymous="anybody",
        server=SimpleNamespace(require_api_key=key_required),
    )


def test_a_key_repeated_on_a_connection_is_digested_once():
    door = Door()
    assert [door.principal({b"authorization": b"Bearer a"}) for _ in range(3)] == ["A"] * 3
    assert door.principal({b"authorization": b"Bearer b"}) == "B"
    assert door.digested == [b"a", b"b"]


def test_an_unknown_key_is_digested_once_where_none_is_required():
    door = Door(key_required=False)
    assert [door.principal({b"authorization": b"Bearer x"}) for _ in range(3)] == ["anybody"] * 3
    assert door.digested == [b"x"]


def test_a_key_is_looked_up_again_in_another_configuration():
    door = Door()
    door.principal({b"authorization": b"Bearer a"})
    door.view = view(key_required=True)
    door.principal({b"authorization": b"Bearer a"})
    assert door.digested == [b"a", b"a"]


@pytest.mark.parametrize("header", [b"Basic eDp5", b"Bearer", b"Bearer "])
def test_an_authorization_without_a_key_is_nobodys(header):
    door = Door(key_required=False)
    assert door.principal({b"authorization": header, b"x-api-key": b"a"}) == "A"
    assert door.principal({b"authorization": header, b"x-api-key": b"b"}) == "B"
    assert door.principal({b"authorization": header}) == "anybody"
