"""The audit trail: who changed what, when, from where, and how it was before; never a secret.

Secrets are taken out by the marks of the settings' structs and by the names of fields, before an
entry leaves this module; what is stored cannot be turned back into one.
"""

import re
from typing import Any, Final

import msgspec

from omniroute.config.setting import is_secret
from omniroute.store.interface import AuditEntry

REDACTED: Final = "[secret]"

# Names of fields whose value is a secret, with `_` and `-` left out and in small letters.
_SECRET_NAMES: Final = re.compile(
    r"(apikey|password|passphrase|secret|token|credentials?|authorization|cookie|privatekey"
    r"|accesskey|digest|signature)$"
)
# What is a secret wherever it stands: the user part of a URL, and keys of our own making.
_SECRET_TEXT: Final = re.compile(r"(?<=://)[^/@\s]+(?=@)|\bsk-omni-\w+|\boma_[\w-]+")


def entry_of(
    target: str,
    before: object,
    after: object,
    *,
    at_ms: int,
    actor: str,
    address: str,
    action: str,
    route: str,
) -> AuditEntry:
    """A change of `target` (`combo/fast`) as a line of the audit log. `before` and `after` are
    structs or plain JSON, or None; their secrets are taken out."""
    return AuditEntry(
        at_ms=at_ms,
        actor=actor,
        action=action,
        route=route,
        entity=target,
        before=_text(before),
        after=_text(after),
        address=address,
    )


def _text(value: object) -> str:
    return "" if value is None else msgspec.json.encode(redacted(value)).decode()


def redacted(value: object) -> Any:
    """The value as plain JSON without its secrets. Takes structs, dataclasses, containers."""
    if isinstance(value, msgspec.Struct):
        fields = msgspec.structs.fields(value)
        return {
            field.encode_name: _hidden(getattr(value, field.name))
            if is_secret(field.type)
            else _member(field.encode_name, getattr(value, field.name))
            for field in fields
        }
    if isinstance(value, str):
        return _SECRET_TEXT.sub(REDACTED, value)
    if isinstance(value, dict):
        return {str(name): _member(str(name), content) for name, content in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [redacted(item) for item in value]
    if isinstance(value, bytes):
        return REDACTED
    plain = msgspec.to_builtins(value, str_keys=True)
    return plain if isinstance(plain, int | float | bool | None) else redacted(plain)


def _member(name: str, value: object) -> Any:
    plain_name = name.replace("_", "").replace("-", "").lower()
    return _hidden(value) if _SECRET_NAMES.search(plain_name) else redacted(value)


def _hidden(value: object) -> Any:
    """That there is one stays visible, and of a mapping the names."""
    if isinstance(value, dict):
        return {str(name): REDACTED for name in value}
    return value if value is None or value in ("", b"", (), []) else REDACTED
