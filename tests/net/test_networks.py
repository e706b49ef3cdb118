"""An address is in a set of networks exactly when it is in one of them."""

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from omniroute.net.networks import Address, NetworkSet, client_behind, parse, told, usual

addresses = st.ip_addresses()
networks = st.one_of(
    st.builds(
        lambda address, bits: ipaddress.ip_network((int(address), bits), strict=False),
        st.ip_addresses(v=4),
        st.integers(0, 32),
    ),
    st.builds(
        lambda address, bits: ipaddress.ip_network(
            (ipaddress.IPv6Address(int(address)).packed, bits), strict=False
        ),
        st.ip_addresses(v=6),
        st.integers(0, 128),
    ),
)


def known(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> Address:
    found = parse(str(address))
    assert found is not None
    return found


@given(st.lists(networks, max_size=8), addresses, st.data())
def test_a_set_agrees_with_its_networks(listed, address, data):
    if listed and data.draw(st.booleans()):  # else hardly any address would be in any network
        network = data.draw(st.sampled_from(listed))
        address = network[data.draw(st.integers(0, network.num_addresses - 1))]
    mapped = getattr(address, "ipv4_mapped", None)
    if mapped is not None:
        return  # the next tests
    holding = [str(one) for one in listed if one.version == address.version and address in one]
    kept = NetworkSet(map(str, listed))
    assert (known(address) in kept) is bool(holding)
    around = list(kept.around(known(address)))
    assert set(around) == set(holding)
    assert around == sorted(around, key=lambda text: -int(text.partition("/")[2]))


@given(addresses)
def test_an_address_survives_being_read_and_told(address):
    if getattr(address, "ipv4_mapped", None) is None:
        assert told(known(address)) == str(address)


@pytest.mark.parametrize("listed", ["192.0.2.0/24", "::ffff:192.0.2.0/120", "::ffff:192.0.2.7"])
def test_an_ipv4_address_in_an_ipv6_one_is_the_ipv4_address(listed):
    assert parse("::ffff:192.0.2.7") == parse("192.0.2.7")
    assert known(ipaddress.ip_address("192.0.2.7")) in NetworkSet((listed,))


@pytest.mark.parametrize(
    "text", ["", "local", "example.org", "192.0.2", "0300.0.2.7", "192.0.2.7:80", "::1::", "\0"]
)
def test_what_is_no_address_is_none(text):
    assert parse(text) is None


def test_a_zone_belongs_to_the_socket_and_not_to_the_address():
    assert parse("fe80::1%eth0") == parse("fe80::1")


def test_a_network_is_told_by_its_first_bits():
    address = parse("2001:db8:1:2:3:4:5:6")
    assert address is not None
    assert told(address, 64) == "2001:db8:1:2::/64"


def test_loopback_stays_on_this_machine():
    found = {text: parse(text) for text in ("127.0.0.1", "127.9.9.9", "::1", "128.0.0.1", "::2")}
    assert [text for text, one in found.items() if one and one.is_loopback] == [
        "127.0.0.1",
        "127.9.9.9",
        "::1",
    ]


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("192.0.2.7/32", "192.0.2.7"),
        ("192.0.2.7/24", "192.0.2.0/24"),
        ("2001:DB8:0::/32", "2001:db8::/32"),
        ("2001:db8::1/128", "2001:db8::1"),
        ("::ffff:192.0.2.0/120", "192.0.2.0/24"),
    ],
)
def test_all_ways_to_write_a_network_have_one_usual_text(text, shown):
    assert usual(text) == shown
    assert usual(shown) == shown


@given(st.lists(addresses, max_size=6), addresses)
def test_whoever_is_named_by_no_trusted_proxy_is_not_believed(named, peer):
    header = ", ".join(map(str, named)).encode()
    assert client_behind(known(peer), header, NetworkSet(())) == known(peer)


@given(st.lists(addresses, max_size=6), addresses, st.data())
def test_the_client_is_the_last_that_no_trusted_proxy_has(named, peer, data):
    chain = [*named, peer]
    trusted = data.draw(st.lists(st.sampled_from(chain), unique=True))
    found = client_behind(
        known(peer), ", ".join(map(str, named)).encode(), NetworkSet(map(str, trusted))
    )
    strangers = [each for each in chain if known(each) not in NetworkSet(map(str, trusted))]
    assert found == known(strangers[-1] if strangers else chain[0])


def test_what_is_no_network_cannot_be_listed():
    with pytest.raises(ValueError, match="does not appear"):
        NetworkSet(("10.0.0.0/8", "nowhere"))


def test_a_set_of_nothing_is_empty():
    assert not NetworkSet(())
    assert NetworkSet(("::/0",))
