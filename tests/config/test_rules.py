"""What must not be combined is refused, with the reason and without repeating a secret."""

from collections.abc import Callable

import pytest

from omniroute.config import ConfigError, Settings

Load = Callable[..., Settings]
Refused = Callable[..., ConfigError]


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.5", "gateway.example.org"])
def test_listening_beyond_loopback_without_keys_is_refused_with_the_reason(
    configure: Load, refused: Refused, host: str
) -> None:
    error = refused(f'[server]\nhost = "{host}"\nrequire_api_key = false')
    assert (error.key, error.line) == ("server.require_api_key", 3)
    assert host in error.message
    configure(f'[server]\nhost = "{host}"')


@pytest.mark.parametrize("host", ["127.0.0.1", "127.1.2.3", "::1", "localhost"])
def test_loopback_without_keys_is_allowed(configure: Load, host: str) -> None:
    assert not configure(f'[server]\nhost = "{host}"\nrequire_api_key = false').server.proxy


@pytest.mark.parametrize(
    "proxy",
    [
        "http://proxy:8080",
        "https://proxy.example.org",
        "socks5://127.0.0.1:1080",
        "http://user:p%40ss@proxy:8080/",
        "http://[::1]:8080",
    ],
)
def test_a_proxy_is_accepted(configure: Load, proxy: str) -> None:
    assert configure(f'[server]\nproxy = "{proxy}"').server.proxy == proxy


@pytest.mark.parametrize(
    "proxy", ["proxy:8080", "socks4://hunter2@p", "http://", "http://p:99999", "http://hunter2:x@"]
)
def test_a_wrong_proxy_is_refused_without_repeating_it(refused: Refused, proxy: str) -> None:
    assert "hunter2" not in str(refused(f'[server]\nproxy = "{proxy}"'))


def test_a_combos_proxy_is_checked_like_any_other(refused: Refused) -> None:
    error = refused('[[combos]]\nname = "c"\nmodels = ["a/b"]\nproxy = "ftp://hunter2@p"')
    assert error.key == "combos[0].proxy"
    assert "hunter2" not in str(error)
