"""Which addresses may be connected to."""

import pytest

from omniroute.net.egress import literal, names_private, refusal

NEVER = {
    # unspecified
    "0.0.0.0": "unspecified",
    "::": "unspecified",
    "::ffff:0.0.0.0": "unspecified",
    "0": "unspecified",
    # link-local, where cloud metadata services live
    "169.254.169.254": "link-local",
    "169.254.170.2": "link-local",
    "fe80::1": "link-local",
    "fe80::1%eth0": "link-local",
    "febf::1": "link-local",
    "::ffff:169.254.169.254": "link-local",
    "::ffff:a9fe:a9fe": "link-local",
    "2002:a9fe:a9fe::": "link-local",
    "64:ff9b::169.254.169.254": "link-local",
    "::169.254.169.254": "link-local",
    "0xa9fea9fe": "link-local",
    "2852039166": "link-local",
    "0251.0376.0251.0376": "link-local",
    "169.254.43518": "link-local",
    # metadata elsewhere
    "100.100.100.200": "metadata",
    "::ffff:100.100.100.200": "metadata",
    "192.0.0.192": "metadata",
    "fd00:ec2::254": "metadata",
    "fd20:ce::254": "metadata",
    "168.63.129.16": "metadata",
    # multicast
    "224.0.0.1": "multicast",
    "239.255.255.250": "multicast",
    "ff02::1": "multicast",
    "::ffff:224.0.0.1": "multicast",
    # broadcast, reserved, documentation
    "255.255.255.255": "reserved",
    "240.0.0.1": "reserved",
    "0.1.2.3": "reserved",
    "192.0.2.1": "reserved",
    "198.51.100.7": "reserved",
    "203.0.113.9": "reserved",
    "2001:db8::1": "reserved",
    "100::1": "reserved",
    "2001::1": "reserved",  # Teredo: an address within that nobody has judged
    "64:ff9b:1::a00:1": "reserved",  # NAT64 of one's own prefix, likewise
    "::ffff:0:10.0.0.1": "reserved",
    "4000::1": "reserved",
    "5f00::1": "reserved",
}
WHERE_CONFIGURED = {
    "127.0.0.1": "loopback",
    "127.255.255.254": "loopback",
    "::1": "loopback",
    "::ffff:127.0.0.1": "loopback",
    "::ffff:7f00:1": "loopback",
    "::127.0.0.1": "loopback",
    "2002:7f00:1::": "loopback",
    "64:ff9b::7f00:1": "loopback",
    "127.1": "loopback",
    "0x7f.1": "loopback",
    "2130706433": "loopback",
    "017700000001": "loopback",
    "10.0.0.1": "private",
    "172.16.0.1": "private",
    "172.31.255.255": "private",
    "192.168.1.1": "private",
    "::ffff:10.0.0.1": "private",
    "2002:c0a8:101::1": "private",
    "64:ff9b::192.168.1.1": "private",
    "100.64.0.1": "private",
    "100.127.255.255": "private",
    "198.18.0.1": "private",
    "fc00::1": "private",
    "fd12:3456::1": "private",
    "fec0::1": "private",
}
ALWAYS = [
    "1.1.1.1",
    "8.8.8.8",
    "100.63.255.255",
    "100.128.0.1",
    "172.15.255.255",
    "172.32.0.1",
    "192.167.255.255",
    "169.253.1.1",
    "198.17.255.255",
    "198.20.0.1",
    "223.255.255.254",
    "2606:4700::1111",
    "2a00:1450::1",
    "::ffff:8.8.8.8",
    "2002:808:808::1",
    "64:ff9b::8.8.8.8",
]


@pytest.mark.parametrize("allow_private", [False, True])
@pytest.mark.parametrize(("address", "kind"), NEVER.items())
def test_what_no_configuration_opens(address, kind, allow_private):
    reason = refusal(address, allow_private=allow_private)
    assert reason is not None
    assert kind in reason
    assert address in reason


@pytest.mark.parametrize(("address", "kind"), WHERE_CONFIGURED.items())
def test_loopback_and_private_addresses_are_open_only_where_configured(address, kind):
    reason = refusal(address, allow_private=False)
    assert reason is not None
    assert kind in reason
    assert refusal(address, allow_private=True) is None


@pytest.mark.parametrize("allow_private", [False, True])
@pytest.mark.parametrize("address", ALWAYS)
def test_the_public_internet_is_open(address, allow_private):
    assert refusal(address, allow_private=allow_private) is None


@pytest.mark.parametrize("name", ["localhost", "example.com", "", "1.2.3.4.5", "dead.beef", "g::1"])
def test_names_are_no_addresses(name):
    assert literal(name) is None
    with pytest.raises(ValueError, match="not an address"):
        refusal(name, allow_private=True)


def test_an_address_in_brackets_is_one():
    assert str(literal("[::1]")) == "::1"


@pytest.mark.parametrize(
    "host",
    ["localhost", "api.localhost", "127.0.0.1", "[::1]", "10.1.2.3", "::ffff:10.0.0.1", "127.1"],
)
def test_hosts_that_name_a_private_place(host):
    assert names_private(host)


@pytest.mark.parametrize(
    "host",
    ["example.com", "localhost.example.com", "mylocalhost", "8.8.8.8", "169.254.169.254", "::"],
)
def test_hosts_that_do_not(host):
    assert not names_private(host)
