"""Where a URL leads on behalf of a connection: its nearest proxy, its TLS and egress settings."""

import pytest

from omniroute.config import LimitSettings, ServerSettings, UpstreamSettings
from omniroute.net.connector import Origin
from omniroute.net.destination import origin_of, unsendable
from omniroute.net.proxies import EnvironmentProxies
from omniroute.snapshot import ConnectionView, ProviderView, Snapshot

PROXIES = ("http://connection:1", "http://provider:2", "http://gateway:3", "http://environment:4")


def origin(url="https://h.example/v1", proxies=(None, None, None, None), **of_upstream) -> Origin:
    nearest, provider, gateway, environment = proxies
    snapshot = Snapshot(
        server=ServerSettings(proxy=gateway),
        limits=LimitSettings(),
        upstream=UpstreamSettings(**of_upstream),
    )
    view = ProviderView(
        id="acme",
        prefixes=("acme",),
        name="Acme",
        format="openai",
        base_url="",
        url="",
        tier="apikey",
        proxy=provider,
        ca_file="/own.pem" if provider else None,
    )
    connection = ConnectionView(
        id="acme/main", provider="acme", name="main", url=url, proxy=nearest
    )
    return origin_of(
        url, view, connection, snapshot, EnvironmentProxies({"https_proxy": environment or ""})
    )


@pytest.mark.parametrize("level", range(4))
def test_the_nearest_proxy_holds(level):
    assert origin(proxies=(*[None] * level, *PROXIES[level:])).proxy == PROXIES[level]


def test_without_a_proxy_it_goes_straight_there():
    assert origin() == Origin("https", "h.example", 443)
    assert origin("http://h.example:81/x").port == 81


def test_a_providers_authorities_go_before_the_gateways():
    assert origin(ca_file="/all.pem").ca_file == "/all.pem"
    assert origin(ca_file="/all.pem", proxies=PROXIES).ca_file == "/own.pem"


def test_private_addresses_may_be_allowed_for_all():
    assert not origin().allow_private
    assert origin(allow_private=True).allow_private


def test_names_are_written_in_ascii():
    assert origin("https://bücher.example/").host == "xn--bcher-kva.example"


@pytest.mark.parametrize("url", ["https://h.example:port/", "https://[::1/", "https://h:99999/"])
def test_a_url_that_is_none_is_an_error(url):
    with pytest.raises(ValueError, match=r".+"):
        origin(url)


@pytest.mark.parametrize(
    "fields", [{"x-a": "b\r\nx-evil: 1"}, {"x a": "b"}, {"x-a": "ü"}, {"": "b"}, {"x-a": "\x7f"}]
)
def test_what_would_break_a_line_is_named_and_not_repeated(fields):
    (name,) = fields
    assert unsendable({"x-fine": "Bearer k", **fields}) == name


def test_what_may_be_sent_is():
    assert unsendable({"authorization": "Bearer sk-1\t~", "x-a": ""}) is None
