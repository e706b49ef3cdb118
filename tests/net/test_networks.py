"""An address is in a set of networks exactly when it is in one of them."""

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from omniroute.net.networks import Address, NetworkSet, parse, told

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


def test_what_is_no_network_cannot_be_listed():
    with pytest.raises(ValueError, match="does not appear"):
        NetworkSet(("10.0.0.0/8", "nowhere"))


def test_a_set_of_nothing_is_empty():
    assert not NetworkSet(())
    assert NetworkSet(("::/0",))
