"""Secrets within what is stored: sealed on the way in, opened on the way out, hidden when shown.

Which values are secrets, the structs of the settings say (`Meta(extra={"secret": True})`). A sealed
one is the string `SEALED` and base64 of what `Installation.encrypt` made, so a body stays JSON and
names the key that opens it. All functions give new values and leave their arguments alone.
"""

import base64
import binascii
import re
from collections.abc import Callable, Mapping
from typing import Any, Final

import msgspec

from omniroute.config.setting import Setting, is_secret
from omniroute.installation import Installation, InstallationError
from omniroute.store.interface import SEALED

HIDDEN: Final = "[secret]"
_URL_USER: Final = re.compile(r"(?<=://)[^/@\s]+(?=@)")


def seal(
    struct: type[Setting], values: Mapping[str, Any], installation: Installation
) -> dict[str, Any]:
    """The values with every secret sealed."""

    def sealed(text: str) -> str:
        record = installation.encrypt(text.encode())
        return SEALED + base64.b64encode(record).decode("ascii")

    return _at_secrets(struct, values, sealed)


def opened(body: Any, installation: Installation) -> Any:
    """A body, or what is in it, with every sealed string opened.

    Raises InstallationError when one was sealed with another key, or altered.
    """
    if isinstance(body, str) and body.startswith(SEALED):
        return installation.decrypt(record_of(body)).decode()
    if isinstance(body, dict):
        return {name: opened(value, installation) for name, value in body.items()}
    if isinstance(body, list):
        return [opened(value, installation) for value in body]
    return body


def resealed(body: Any, installation: Installation) -> Any:
    """A body with every sealed string sealed anew, by the installation's present key."""
    if isinstance(body, str) and body.startswith(SEALED):
        plain = installation.decrypt(record_of(body))
        return SEALED + base64.b64encode(installation.encrypt(plain)).decode("ascii")
    if isinstance(body, dict):
        return {name: resealed(value, installation) for name, value in body.items()}
    if isinstance(body, list):
        return [resealed(value, installation) for value in body]
    return body


def hidden(struct: type[Setting], values: Mapping[str, Any]) -> dict[str, Any]:
    """The values for people: that there is a secret stays visible, of a table the names, and of a
    URL all but who signs in."""
    return _at_secrets(struct, values, _hidden_text)


def unshown(
    struct: type[Setting], values: Mapping[str, Any], known: Mapping[str, Any]
) -> dict[str, Any]:
    """The values with each secret that is what `hidden` shows of the known one put back."""
    shown = hidden(struct, known)
    return {
        name: _put_back(value, shown.get(name), known.get(name)) for name, value in values.items()
    }


def record_of(text: str) -> bytes:
    """The encrypted record in a sealed string. Raises InstallationError."""
    try:
        return base64.b64decode(text.removeprefix(SEALED), validate=True)
    except binascii.Error as error:
        raise InstallationError("stored secret is damaged: it is not base64") from error


def _hidden_text(text: str) -> str:
    return _URL_USER.sub(HIDDEN, text) if "://" in text else HIDDEN


def _put_back(value: Any, shown: Any, known: Any) -> Any:
    if isinstance(value, dict) and isinstance(shown, dict):
        return {
            name: _put_back(item, shown.get(name), known.get(name)) for name, item in value.items()
        }
    return known if value == shown and value is not None else value


def _at_secrets(
    struct: type[Setting], values: Mapping[str, Any], change: Callable[[str], str]
) -> dict[str, Any]:
    secrets = {field.name for field in msgspec.structs.fields(struct) if is_secret(field.type)}
    return {
        name: _changed(value, change) if name in secrets else value
        for name, value in values.items()
    }


def _changed(value: Any, change: Callable[[str], str]) -> Any:
    if isinstance(value, dict):
        return {name: _changed(item, change) for name, item in value.items()}
    return change(value) if isinstance(value, str) and value else value
