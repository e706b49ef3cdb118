"""Secrets lie sealed in what is stored, come back whole, and are never shown."""

import json

import pytest

from omniroute.config import ComboSettings, ConnectionSettings, ProviderSettings
from omniroute.control.sealing import hidden, opened, resealed, seal
from omniroute.installation import Installation, InstallationError

CANARY = "sk-canary-in-the-coal-mine"


def test_what_is_sealed_holds_no_secret_and_opens_to_the_same(installation: Installation) -> None:
    values = {"provider": "acme", "name": "a", "api_key": CANARY, "proxy": None, "rpm": 5}
    sealed = seal(ConnectionSettings, values, installation)
    assert CANARY not in json.dumps(sealed)
    assert (sealed["rpm"], sealed["proxy"]) == (5, None)
    assert opened(sealed, installation) == values


def test_tables_of_secrets_keep_their_names(installation: Installation) -> None:
    values = {"id": "acme", "headers": {"x-token": CANARY}}
    sealed = seal(ProviderSettings, values, installation)
    assert list(sealed["headers"]) == ["x-token"]
    assert CANARY not in json.dumps(sealed)
    assert opened(sealed, installation) == values


def test_an_empty_secret_stays_what_it_is(installation: Installation) -> None:
    values = {"provider": "acme", "api_key": ""}
    assert seal(ConnectionSettings, values, installation) == values


def test_hidden_values_say_only_that_there_is_a_secret() -> None:
    shown = hidden(ComboSettings, {"name": "a", "proxy": f"http://u:{CANARY}@h:1", "enabled": True})
    assert shown == {"name": "a", "proxy": "http://[secret]@h:1", "enabled": True}


def test_sealing_anew_gives_another_record_with_the_same_content(
    installation: Installation,
) -> None:
    sealed = seal(ConnectionSettings, {"api_key": CANARY}, installation)
    anew = resealed(sealed, installation)
    assert anew != sealed
    assert opened(anew, installation) == {"api_key": CANARY}


@pytest.mark.parametrize("record", ["sealed:", "sealed:AAAA", "sealed:no base64"])
def test_a_damaged_record_is_told(record: str, installation: Installation) -> None:
    with pytest.raises(InstallationError, match="damaged"):
        opened({"api_key": record}, installation)
