"""What a worker computes from a snapshot: targets, prefixes, models, and no secret in sight."""

import json

import pytest

from omniroute import __version__
from omniroute.config.schema import ServerSettings, Settings
from omniroute.formats.table import DIALECTS
from omniroute.gateway.view import Target, View
from omniroute.installation import Installation
from omniroute.net.proxies import EnvironmentProxies
from omniroute.snapshot import (
    ConnectionView,
    KeyView,
    ModelView,
    ProviderView,
    Snapshot,
    SnapshotError,
)
from omniroute.wire.http1 import Limits, RequestReader

CANARY = "sk-canary-5f3a9"
URL = "https://api.example.com/v1/chat/completions"


@pytest.fixture
def installation(tmp_path) -> Installation:
    return Installation.ephemeral(tmp_path)


def provider(id: str = "acme", **more) -> ProviderView:
    values = {
        "id": id,
        "prefixes": (id,),
        "name": id.title(),
        "format": "openai",
        "base_url": "https://api.example.com/v1",
        "url": URL,
        "tier": "apikey",
        "auth_header": "authorization",
        "auth_value": "Bearer {credential}",
    }
    return ProviderView(**{**values, **more})


class Making:
    """Snapshots from parts, and views from them."""

    def __init__(self, installation: Installation) -> None:
        self.installation = installation

    def connection(self, name: str = "main", of: str = "acme", key: str = CANARY, **more):
        values = {
            "id": f"{of}/{name}",
            "provider": of,
            "name": name,
            "url": URL,
            "secret": self.installation.encrypt(key.encode()) if key else b"",
        }
        return ConnectionView(**{**values, **more})

    def view(self, providers=(), connections=(), environment=None, server=None, **more) -> View:
        settings = Settings()
        snapshot = Snapshot(
            server=server or settings.server,
            limits=settings.limits,
            upstream=settings.upstream,
            providers=tuple(providers),
            connections=tuple(connections),
            instance_id="inst1",
            **more,
        )
        return View(7, snapshot, self.installation, EnvironmentProxies(environment or {}))

    def target(self, provider_more=None, environment=None, server=None, **connection_more):
        view = self.view(
            [provider(**(provider_more or {}))],
            [self.connection(**connection_more)],
            environment,
            server,
        )
        (target,) = view.targets["acme"]
        return target


@pytest.fixture
def making(installation) -> Making:
    return Making(installation)


def head_of(target: Target) -> bytes:
    return target.head("m", stream=False)


def listed_by(view: View) -> bytes:
    return DIALECTS["openai"].model_list(list(view.models.values()))


def fields_of(head: bytes) -> tuple[bytes, dict[bytes, bytes]]:
    """(target, fields) as our own strict reader sees them: it must be one request, no more."""
    reader = RequestReader(Limits())
    reader.feed(head + b"content-length: 0\r\n\r\n")
    request = reader.next_request()
    assert request is not None
    assert reader.next_body() == b""
    assert reader.idle
    return request.target, request.fields


# --- heads --------------------------------------------------------------------------------------


def test_a_head_holds_all_that_never_changes(making):
    target, fields = fields_of(head_of(making.target()))
    assert target == b"/v1/chat/completions"
    assert fields == {
        b"host": b"api.example.com",
        b"user-agent": f"OmniRoute/{__version__}".encode(),
        b"accept-encoding": b"identity",
        b"via": b"1.1 omniroute-inst1",
        b"authorization": f"Bearer {CANARY}".encode(),
        b"content-type": b"application/json",
        b"content-length": b"0",
    }


def test_a_connection_without_a_credential_sends_none(making):
    _, fields = fields_of(head_of(making.target(key="")))
    assert b"authorization" not in fields


def test_the_providers_way_to_sign_in_is_used(making):
    head = head_of(making.target({"auth_header": "x-api-key", "auth_value": "Key {credential}!"}))
    _, fields = fields_of(head)
    assert fields[b"x-api-key"] == f"Key {CANARY}!".encode()
    assert b"authorization" not in fields


def test_fixed_headers_are_sent(making):
    _, fields = fields_of(head_of(making.target({"headers": (("X-Title", "Omni"), ("x-b", ""))})))
    assert fields[b"x-title"] == b"Omni"
    assert fields[b"x-b"] == b""


@pytest.mark.parametrize(
    ("quirks", "passes_through", "sanitises"),
    [
        ((), True, False),
        (("reasoning-required", "sanitise"), True, True),
        (("think-tags",), False, False),
        (("system-to-user", "sanitise"), False, True),
    ],
)
def test_quirks_say_whether_bytes_may_go_on_as_they_are(making, quirks, passes_through, sanitises):
    target = making.target({"quirks": quirks})
    assert (target.passes_through, target.sanitises) == (passes_through, sanitises)


def test_a_query_of_the_url_is_kept(making):
    target, _ = fields_of(head_of(making.target(url=URL + "?api-version=2024-10-21&x=%20")))
    assert target == b"/v1/chat/completions?api-version=2024-10-21&x=%20"


@pytest.mark.parametrize(
    ("url", "authority", "origin"),
    [
        ("http://h.example/x", b"h.example", ("http", "h.example", 80)),
        ("https://h.example/x", b"h.example", ("https", "h.example", 443)),
        ("https://H.Example:8443/x", b"h.example:8443", ("https", "h.example", 8443)),
        ("http://127.0.0.1:9101/x", b"127.0.0.1:9101", ("http", "127.0.0.1", 9101)),
        ("http://[::1]:9101/x", b"[::1]:9101", ("http", "::1", 9101)),
        (
            "https://bücher.example/x",
            b"xn--bcher-kva.example",
            ("https", "xn--bcher-kva.example", 443),
        ),
        ("https://user:pw@h.example/x", b"h.example", ("https", "h.example", 443)),
    ],
)
def test_where_a_url_leads(making, url, authority, origin):
    target = making.target(url=url)
    assert fields_of(head_of(target))[1][b"host"] == authority
    assert target.origin[:3] == origin
    assert target.origin.host == origin[1]
    assert b"pw" not in head_of(target)


def test_a_url_without_a_path_asks_for_the_root(making):
    assert fields_of(head_of(making.target(url="https://h.example")))[0] == b"/"


# --- nothing of the configuration begins another line -------------------------------------------

EVIL = ["a\r\nx-evil: 1", "a\nx", "a\rx", "a\x00b", "a\x7f", "ü", "a\u2028b"]


@pytest.mark.parametrize("text", EVIL)
def test_a_credential_that_is_no_header_value_is_refused_without_repeating_it(making, text):
    with pytest.raises(SnapshotError, match=r"acme/main.*authorization") as caught:
        making.target(key=f"{CANARY}{text}")
    assert CANARY not in str(caught.value)


@pytest.mark.parametrize("text", EVIL)
def test_a_fixed_header_that_is_none_is_refused(making, text):
    with pytest.raises(SnapshotError, match="x-mine"):
        making.target({"headers": (("x-mine", text),)})


@pytest.mark.parametrize("name", ["", "a b", "a:b", "a\r\nb", "ü", "x\x00"])
def test_a_header_name_that_is_none_is_refused(making, name):
    with pytest.raises(SnapshotError):
        making.target({"headers": ((name, "x"),)})
    if name:
        with pytest.raises(SnapshotError):
            making.target({"auth_header": name})


@pytest.mark.parametrize("value", ["Bearer {credential}\r\nx-evil: 1", "\n{credential}"])
def test_a_way_to_sign_in_that_breaks_the_line_is_refused(making, value):
    with pytest.raises(SnapshotError):
        making.target({"auth_value": value})


@pytest.mark.parametrize("path", ["/a b", "/ä", "/a\x01b", "/a\x7f", "/a HTTP/1.1 x", "/a?q=ü x"])
def test_a_path_is_sent_in_visible_characters(making, path):
    target, fields = fields_of(head_of(making.target(url=f"https://h.example{path}")))
    assert set(target) <= set(range(0x21, 0x7F))
    assert b"x-evil" not in fields


def test_line_ends_in_a_url_begin_no_line(making):
    head = head_of(making.target(url="https://h.example/a\r\nx-evil: 1\r\n"))
    assert b"x-evil" not in fields_of(head)[1]


@pytest.mark.parametrize(
    "url",
    [
        "https://h.example:port/x",
        "https://[::1/x",
        "https://h.example:99999/x",
        f"https://{'ü' * 80}.example/",
    ],
)
def test_a_url_that_is_none_is_refused_by_the_connections_name(making, url):
    with pytest.raises(SnapshotError, match="acme/main"):
        making.target(url=url)


def test_a_host_that_breaks_the_line_is_refused_or_has_lost_its_line_ends(making):
    try:
        head = head_of(making.target(url="https://h.example\r\nx-evil:1/x"))
    except SnapshotError:
        return
    assert b"x-evil" not in fields_of(head)[1]


def test_a_credential_of_another_installation_is_refused(making, tmp_path):
    other = Installation.ephemeral(tmp_path / "other")
    with pytest.raises(SnapshotError, match="acme/main"):
        making.target(secret=other.encrypt(b"x"))


# --- no secret in sight -------------------------------------------------------------------------


def test_what_an_upstream_repeats_of_its_credentials_is_left_out(making):
    headers = (("x-mine", "own-secret-1"), ("user-agent", "some-client/1"), ("x-short", "low"))
    target = making.target({"headers": headers}, key="sk-account-1")
    said = b"sk-account-1 own-secret-1 some-client/1 low"
    assert target.unsaid(said) == b"[redacted] [redacted] some-client/1 low"


def test_no_representation_shows_a_credential(making):
    view = making.view(
        [provider(proxy=f"http://me:{CANARY}@proxy.example:1")],
        [making.connection()],
        keys=(KeyView("k1", "laptop", b"digest"),),
    )
    (target,) = view.targets["acme"]
    assert CANARY in head_of(target).decode()
    assert CANARY in str(target.origin.proxy)
    for shown in (view, view.targets, view.principals, target, target.origin, view.models):
        assert CANARY not in f"{shown!r}{shown!s}"


# --- origins: proxies, authorities, private addresses -------------------------------------------

LEVELS = ["connection", "provider", "global", "environment"]


@pytest.mark.parametrize("present", range(16))
def test_the_nearest_level_with_a_proxy_wins(making, present):
    named = {level: bool(present >> number & 1) for number, level in enumerate(LEVELS)}
    target = making.target(
        {"proxy": "http://provider:1" if named["provider"] else None},
        environment={"https_proxy": "http://environment:1"} if named["environment"] else {},
        server=ServerSettings(proxy="http://global:1" if named["global"] else None),
        proxy="http://connection:1" if named["connection"] else None,
    )
    first = next((level for level in LEVELS if named[level]), None)
    assert target.origin.proxy == (f"http://{first}:1" if first else None)


def test_no_proxy_of_the_environment_exempts_a_host(making):
    environment = {"https_proxy": "http://p:1", "no_proxy": "example.com"}
    assert making.target(environment=environment).origin.proxy is None


def test_different_proxies_make_different_origins(making):
    connections = [
        making.connection("a", proxy="http://one:1"),
        making.connection("b", proxy="http://two:1"),
        making.connection("c"),
        making.connection("d", proxy="http://one:1"),
    ]
    targets = making.view([provider()], connections).targets["acme"]
    by_name = {target.connection_id: target.origin for target in targets}
    assert len(set(by_name.values())) == 3
    assert by_name["acme/a"] == by_name["acme/d"]


def test_private_addresses_are_open_where_configuration_says_so(making):
    assert not making.target().origin.allow_private
    assert making.target(allow_private=True).origin.allow_private


def test_the_providers_authority_comes_before_the_general_one(making):
    assert making.target().origin.ca_file is None
    assert making.target({"ca_file": "/own.pem"}).origin.ca_file == "/own.pem"


# --- prefixes, targets, models ------------------------------------------------------------------


def test_an_id_wins_over_the_prefix_of_another(making):
    first = provider("first", prefixes=("first", "second", "f"))
    second = provider("second", prefixes=("second", "f"))
    for providers in ((first, second), (second, first)):
        prefixes = making.view(providers).names.prefixes
        assert prefixes["first"].id == "first"
        assert prefixes["second"].id == "second"
    assert making.view((first, second)).names.prefixes["f"].id == "first"


def test_targets_come_by_priority_and_then_in_the_order_of_the_file(making):
    connections = [
        making.connection("late", priority=5),
        making.connection("a", priority=1),
        making.connection("b", priority=1),
        making.connection("first", priority=0),
    ]
    targets = making.view([provider()], connections).targets["acme"]
    assert [target.connection_id for target in targets] == [
        "acme/first",
        "acme/a",
        "acme/b",
        "acme/late",
    ]
    assert [target.priority for target in targets] == [0, 1, 1, 5]


def test_a_provider_that_still_needs_something_has_no_target_but_its_prefix(making):
    view = making.view(
        [provider(needs="A sign-in is missing.", models=(ModelView("m", "m"),))],
        [making.connection(url="")],
    )
    assert view.targets == {}
    assert view.models == {}
    assert view.names.prefixes["acme"].needs


def test_models_are_listed_under_their_provider_where_it_can_be_asked(making):
    view = making.view(
        [
            provider("acme", models=(ModelView("plain", "Plain"), ModelView("v/x", "X"))),
            provider("idle", models=(ModelView("never", "Never"),)),
        ],
        [making.connection()],
    )
    assert list(view.models) == ["acme/plain", "acme/v/x"]
    listed = json.loads(listed_by(view))
    assert listed["object"] == "list"
    assert [each["id"] for each in listed["data"]] == ["acme/plain", "acme/v/x"]
    assert {each["object"] for each in listed["data"]} == {"model"}
    assert {each["owned_by"] for each in listed["data"]} == {"acme"}


def test_principals_are_found_by_the_digest_of_their_key(making):
    keys = (KeyView("file/laptop", "laptop", b"d1"), KeyView("k2", "phone", b"d2"))
    principals = making.view(keys=keys).principals
    assert {digest: each.id for digest, each in principals.items()} == {
        b"d1": "file/laptop",
        b"d2": "k2",
    }
    assert making.view(keys=keys).anonymous.id == ""


def test_an_empty_snapshot_is_a_view(making):
    view = making.view()
    assert view.version == 7
    assert view.targets == {}
    assert json.loads(listed_by(view)) == {"object": "list", "data": []}
    assert view.instance_token == b"omniroute-inst1"


def test_the_names_this_host_answers_to(making):
    view = making.view(server=ServerSettings(host="192.0.2.5", allowed_hosts=("Gate.Example",)))
    assert {"localhost", "127.0.0.1", "[::1]", "192.0.2.5", "gate.example"} <= view.hosts
    assert "evil.example" not in view.hosts
