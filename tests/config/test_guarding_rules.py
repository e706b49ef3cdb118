"""Lists of addresses mean what they seem to, or are refused where they stand."""

from collections.abc import Callable

import pytest

from omniroute.config import ConfigError, Settings

Load = Callable[..., Settings]
Refused = Callable[..., ConfigError]

KEY = '[[keys]]\nname = "a"\nkey = "sk-12345678"\n'


@pytest.mark.parametrize(
    ("text", "key", "fragments"),
    [
        ('[ip_filter]\nblacklist = ["10.0.0.300"]', "ip_filter.blacklist[0]", ["is no address"]),
        (
            '[ip_filter]\nwhitelist = ["::1", "10.0.0.5/8"]',
            "ip_filter.whitelist[1]",
            ["the network is 10.0.0.0/8", "the address alone 10.0.0.5"],
        ),
        ('[ip_filter]\nmode = "whitelist"', "ip_filter.mode", ["lets nobody in"]),
        (
            '[server]\ntrusted_proxies = ["proxy.example"]',
            "server.trusted_proxies[0]",
            ["'proxy.example' is no address", "2001:db8::/32"],
        ),
        (f'{KEY}ip_allowlist = ["2001:db8::1/32"]', "keys[0].ip_allowlist[0]", ["2001:db8::/32"]),
        ('[ip_filter]\nmode = "blocklist"', "ip_filter.mode", ["blacklist"]),
        ("[capture]\nbody_bytes = 10", "capture.body_bytes", ["from 1024"]),
        ("[retention]\nbodies_days = -1", "retention.bodies_days", ["from 0"]),
    ],
)
def test_what_guards_nothing_is_refused(
    refused: Refused, text: str, key: str, fragments: list[str]
) -> None:
    error = refused(text)
    assert key in str(error)
    for fragment in fragments:
        assert fragment in str(error)


def test_addresses_and_networks_of_both_versions_are_taken(configure: Load) -> None:
    listed = '["192.0.2.7", "10.0.0.0/8", "2001:db8::/32", "::ffff:192.0.2.0/120"]'
    settings = configure(
        f'[server]\ntrusted_proxies = {listed}\n[ip_filter]\nmode = "whitelist"\n'
        f"whitelist = {listed}\nblacklist = {listed}\n{KEY}ip_allowlist = {listed}\n"
    )
    assert settings.keys[0].ip_allowlist == settings.ip_filter.whitelist
    assert len(settings.server.trusted_proxies) == 4


def test_nothing_is_guarded_unless_it_is_asked_for(configure: Load) -> None:
    settings = configure("")
    assert settings.ip_filter.mode == "off"
    assert settings.address_limit.rpm is None
    assert settings.address_limit.failed_keys is None
    assert settings.injection_guard.mode == "off"
    assert not settings.capture.enabled
