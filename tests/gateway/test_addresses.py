"""Who may connect from where, how often, and who is shut out for a while."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from omniroute.config import AddressLimitSettings, IpFilterSettings, ServerSettings
from omniroute.errors import ErrorKind, GatewayError
from omniroute.gateway.addresses import (
    MOST_ADDRESSES,
    MOST_BANS,
    AddressGuard,
    Allowances,
    check_origin,
)
from omniroute.net.networks import Address, NetworkSet
from omniroute.resilience import bans
from omniroute.state.memory_conditions import MemoryConditions

NOW = 1_790_000_000_000
PROXY = "10.0.0.1"


class Guarded:
    """A guard with the conditions it shares."""

    def __init__(
        self,
        *,
        proxies: tuple[str, ...] = (),
        lists: IpFilterSettings | None = None,
        limit: AddressLimitSettings | None = None,
    ) -> None:
        self.conditions = MemoryConditions()
        self.guard = AddressGuard(self.conditions)
        self.guard.adopt(
            ServerSettings(trusted_proxies=proxies),
            lists or IpFilterSettings(),
            limit or AddressLimitSettings(),
        )

    def look(self) -> None:
        self.guard.refresh(*self.conditions.read())

    def ban(self, network: str, until_ms: int = NOW + 1000) -> None:
        key = bans.ban_key(network)
        self.conditions.change(key, lambda known: bans.after_ban(known, NOW, until_ms, "a test"))
        self.look()

    def admitted(self, peer: str, forwarded: bytes = b"", now_ms: int = NOW) -> str | None:
        fields = {b"x-forwarded-for": forwarded} if forwarded else {}
        try:
            return self.guard.admit(peer, fields, now_ms)
        except GatewayError as error:
            if error.kind is not ErrorKind.FORBIDDEN_ADDRESS:
                raise
            return None


def test_nothing_is_asked_where_nothing_is_configured():
    guarded = Guarded(lists=IpFilterSettings(blacklist=("192.0.2.7",)))  # mode off
    guarded.look()
    assert not guarded.guard.active
    assert not guarded.guard.counts


@pytest.mark.parametrize(
    ("lists", "let_in"),
    [
        (IpFilterSettings(mode="blacklist", blacklist=("192.0.2.0/24",)), ["10.1.1.1", "::1"]),
        (
            IpFilterSettings(mode="whitelist", whitelist=("192.0.2.0/24", "::1")),
            ["192.0.2.7", "::1"],
        ),
        (
            IpFilterSettings(
                mode="whitelist", whitelist=("192.0.2.0/24", "10.1.1.1"), blacklist=("192.0.2.7",)
            ),
            ["10.1.1.1"],
        ),
    ],
)
def test_lists_say_who_is_let_in(lists, let_in):
    guarded = Guarded(lists=lists)
    assert guarded.guard.active
    asked = ["192.0.2.7", "10.1.1.1", "::1"]
    assert [address for address in asked if guarded.admitted(address)] == let_in


def test_an_ipv4_client_of_an_ipv6_socket_is_known_by_its_ipv4_address():
    guarded = Guarded(lists=IpFilterSettings(mode="blacklist", blacklist=("192.0.2.7",)))
    assert guarded.admitted("::ffff:192.0.2.7") is None
    assert guarded.admitted("::ffff:192.0.2.8") == "192.0.2.8"


def test_a_socket_of_this_machine_has_no_address_to_refuse():
    guarded = Guarded(lists=IpFilterSettings(mode="whitelist", whitelist=("192.0.2.7",)))
    assert guarded.admitted("local") == "local"


def test_a_ban_holds_in_every_mode_and_ends_by_itself():
    guarded = Guarded()
    guarded.ban("192.0.2.0/24", NOW + 1000)
    assert guarded.guard.active
    assert guarded.admitted("192.0.2.7") is None
    assert guarded.admitted("192.0.3.7") == "192.0.3.7"
    assert guarded.admitted("192.0.2.7", now_ms=NOW + 1000) == "192.0.2.7"


def test_a_narrow_ban_that_is_over_does_not_hide_a_wide_one():
    guarded = Guarded()
    guarded.ban("192.0.2.0/24", NOW + 5000)
    guarded.ban("192.0.2.7", NOW + 1000)
    assert guarded.admitted("192.0.2.7", now_ms=NOW + 2000) is None


def test_a_ban_that_is_removed_holds_no_longer():
    guarded = Guarded()
    guarded.ban("192.0.2.7")
    guarded.conditions.change(bans.ban_key("192.0.2.7"), lambda known: None)
    guarded.look()
    assert not guarded.guard.active
    assert guarded.admitted("192.0.2.7") == "192.0.2.7"


def test_a_ban_of_what_is_no_address_does_not_disturb_the_others(caplog):
    guarded = Guarded()
    guarded.ban("nobody")
    guarded.ban("192.0.2.7")
    assert guarded.admitted("192.0.2.7") is None
    assert "is no address" in caplog.text


@pytest.mark.parametrize(
    ("peer", "forwarded", "client"),
    [
        ("192.0.2.7", b"198.51.100.9", "192.0.2.7"),  # not a proxy of ours: it may say anything
        (PROXY, b"", PROXY),
        (PROXY, b"198.51.100.9", "198.51.100.9"),
        (PROXY, b"203.0.113.1, 198.51.100.9", "198.51.100.9"),  # the first one is the client's word
        (PROXY, b"198.51.100.9, 10.0.0.2", "198.51.100.9"),
        (PROXY, b"10.0.0.3, 10.0.0.2", "10.0.0.3"),
        (PROXY, b"198.51.100.9:4711", "198.51.100.9"),
        (PROXY, b"[2001:db8::9]:4711", "2001:db8::9"),
        (PROXY, b"2001:db8::9", "2001:db8::9"),
        (PROXY, b"unknown", PROXY),
        (PROXY, b"198.51.100.9, unknown", PROXY),
        (PROXY, b"198.51.100.9, \xff", PROXY),
    ],
)
def test_only_trusted_proxies_speak_for_others(peer, forwarded, client):
    assert Guarded(proxies=("10.0.0.0/8",)).admitted(peer, forwarded) == client


def test_a_flood_of_hops_is_not_walked():
    guarded = Guarded(proxies=("10.0.0.0/8",))
    assert guarded.admitted(PROXY, b"198.51.100.9" + b", 10.0.0.2" * 5000) == "10.0.0.2"


def test_the_client_behind_the_proxy_is_the_one_that_is_judged():
    lists = IpFilterSettings(mode="blacklist", blacklist=("198.51.100.9",))
    guarded = Guarded(proxies=(PROXY,), lists=lists)
    assert guarded.admitted(PROXY, b"198.51.100.9") is None
    assert guarded.admitted(PROXY, b"198.51.100.8") == "198.51.100.8"


# --- limits ---------------------------------------------------------------------------------------


@given(
    st.integers(1, 50),
    st.lists(st.integers(0, 5000), min_size=1, max_size=200),
)
def test_an_allowance_is_never_passed(limit, gaps):
    """From a full bucket: so many at once, and as many again in each minute."""
    allowances, who = Allowances(limit), Address(4, 1)
    now_ms, taken = NOW, 0
    for gap in gaps:
        now_ms += gap
        taken += allowances.take(who, now_ms) == 0
        assert taken <= limit + limit * (now_ms - NOW) / 60_000 + 0.01


@given(st.integers(1, 1000), st.integers(0, 100_000))
def test_whoever_waits_as_long_as_he_was_told_may_ask(limit, gap):
    allowances, who = Allowances(limit), Address(4, 1)
    now_ms = NOW
    for _ in range(limit):
        assert allowances.take(who, now_ms) == 0
    now_ms += gap
    wait_s = allowances.take(who, now_ms)
    if wait_s:
        assert wait_s <= 60
        assert allowances.take(who, now_ms + int(wait_s * 1000) + 1) == 0


def test_addresses_have_their_own_allowances_and_only_so_many_are_counted():
    allowances = Allowances(1)
    assert allowances.take(Address(4, 0), NOW) == 0
    assert allowances.take(Address(4, 0), NOW) > 0
    for value in range(1, MOST_ADDRESSES + 1):
        assert allowances.take(Address(4, value), NOW) == 0
    assert allowances.take(Address(4, 0), NOW) == 0  # forgotten, so it begins anew
    assert allowances.take(Address(4, MOST_ADDRESSES), NOW) > 0


def test_an_address_that_asks_too_often_is_told_when_to_come_back():
    guarded = Guarded(limit=AddressLimitSettings(rpm=2))
    assert guarded.guard.counts
    for _ in range(2):
        guarded.guard.count("192.0.2.7", NOW)
    with pytest.raises(GatewayError, match="limited to 2 a minute") as caught:
        guarded.guard.count("192.0.2.7", NOW)
    assert caught.value.status == 429
    assert caught.value.retry_after_s == 30
    guarded.guard.count("192.0.2.8", NOW)


def test_an_ipv6_network_counts_as_one_address():
    guarded = Guarded(limit=AddressLimitSettings(rpm=1))
    guarded.guard.count("2001:db8::1", NOW)
    with pytest.raises(GatewayError):
        guarded.guard.count("2001:db8::ffff", NOW)
    guarded.guard.count("2001:db8:0:1::1", NOW)


def test_counts_go_on_when_other_settings_change():
    guarded = Guarded(limit=AddressLimitSettings(rpm=1))
    guarded.guard.count("192.0.2.7", NOW)
    again = AddressLimitSettings(rpm=1, failed_keys=5)
    guarded.guard.adopt(ServerSettings(), IpFilterSettings(), again)
    with pytest.raises(GatewayError):
        guarded.guard.count("192.0.2.7", NOW)


# --- guessing keys --------------------------------------------------------------------------------


def guess(guarded: Guarded, client: str, times: int) -> None:
    for _ in range(times):
        guarded.guard.guessed(client, NOW)
    guarded.look()


def test_whoever_guesses_keys_is_banned_for_all_workers():
    guarded = Guarded(limit=AddressLimitSettings(failed_keys=3, ban_s=60))
    guess(guarded, "192.0.2.7", 3)
    assert guarded.admitted("192.0.2.7")
    guess(guarded, "192.0.2.7", 1)
    other = AddressGuard(guarded.conditions)
    other.refresh(*guarded.conditions.read())
    with pytest.raises(GatewayError, match="more than 3 unknown API keys a minute"):
        other.admit("192.0.2.7", {}, NOW)
    assert guarded.admitted("192.0.2.7") is None
    assert guarded.admitted("192.0.2.7", now_ms=NOW + 60_000)


def test_whoever_guesses_from_an_ipv6_network_is_banned_with_it():
    guarded = Guarded(limit=AddressLimitSettings(failed_keys=1))
    guess(guarded, "2001:db8::1", 2)
    assert guarded.admitted("2001:db8::2") is None
    assert guarded.admitted("2001:db8:0:1::2")


@pytest.mark.parametrize("client", ["127.0.0.1", "::1", PROXY, "local"])
def test_what_others_come_by_is_never_banned(client):
    guarded = Guarded(proxies=(PROXY,), limit=AddressLimitSettings(failed_keys=1))
    guess(guarded, client, 10)
    assert guarded.conditions.read()[1] == {}


def test_bans_leave_room_for_what_else_all_workers_share():
    guarded = Guarded(limit=AddressLimitSettings(failed_keys=1))
    for number in range(MOST_BANS - 1):
        key = bans.ban_key(f"198.18.{number // 250}.{number % 250}")
        guarded.conditions.change(key, lambda known: bans.after_ban(known, NOW, NOW + 1000, ""))
    guarded.look()
    for number in range(5):
        guess(guarded, f"192.0.2.{number}", 2)
    assert len(guarded.conditions.read()[1]) == MOST_BANS


# --- keys -----------------------------------------------------------------------------------------


def test_a_key_is_used_from_where_it_may_be():
    networks = NetworkSet(("192.0.2.0/24",))
    check_origin(networks, "laptop", "192.0.2.7")
    check_origin(networks, "laptop", "local")
    with pytest.raises(GatewayError, match=r"'laptop' may not be used from 10\.0\.0\.1") as caught:
        check_origin(networks, "laptop", "10.0.0.1")
    assert caught.value.status == 403
