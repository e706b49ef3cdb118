"""No secret stays in the audit log, whatever shape it comes in."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from omniroute.config import Settings
from omniroute.control.trail import REDACTED, entry_of, redacted

CANARY = "canary-4711"
SECRET_NAMES = (
    "api_key",
    "apiKey",
    "password",
    "newPassword",
    "passphrase",
    "client_secret",
    "access_token",
    "refreshToken",
    "Authorization",
    "cookie",
    "Set-Cookie",
    "credentials",
    "x-api-key",
    "digest",
)


@pytest.mark.parametrize("name", SECRET_NAMES)
def test_fields_that_sound_secret_are_hidden_at_any_depth(name: str) -> None:
    value = {"list": [{"inner": {name: CANARY}}], name: {"Header": CANARY}}
    shown = redacted(value)
    assert CANARY not in repr(shown)
    assert shown["list"][0]["inner"][name] == REDACTED
    assert shown[name] == {"Header": REDACTED}


def test_what_only_sounds_so_stays() -> None:
    plain = {"max_tokens": 5, "key_id": "k", "name": "token test", "tokens": 7, "is_set": True}
    assert redacted(plain) == plain


def test_that_there_is_none_stays_visible() -> None:
    assert redacted({"password": "", "token": None}) == {"password": "", "token": None}


def test_keys_and_the_users_of_urls_are_hidden_in_any_text() -> None:
    shown = redacted(["socks5://me:canary@proxy:1080", "used sk-omni-abc123 and oma_abc-1_2"])
    assert shown == [
        f"socks5://{REDACTED}@proxy:1080",
        f"used {REDACTED} and {REDACTED}",
    ]


def test_what_a_struct_marks_as_secret_is_hidden() -> None:
    data = {
        "providers": [
            {
                "id": "acme",
                "format": "openai",
                "base_url": "http://127.0.0.1:1/v1",
                "headers": {"X-Team": CANARY},
                "connections": [{"api_key": CANARY}],
            }
        ]
    }
    settings = msgspec.convert(data, Settings)
    shown = redacted(settings)
    assert CANARY not in repr(shown)
    assert shown["providers"][0]["headers"] == {"X-Team": REDACTED}
    assert shown["providers"][0]["base_url"] == "http://127.0.0.1:1/v1"


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text() | st.binary(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
        max_leaves=20,
    )
)
def test_everything_becomes_json(value: object) -> None:
    entry = entry_of("thing/a", value, None, at_ms=1, actor="a", address="b", action="c", route="d")
    assert value is None or msgspec.json.decode(entry.before) is not ...
    assert entry.after == ""
