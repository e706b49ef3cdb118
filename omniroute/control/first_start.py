"""The first start: one API key, an admin password, a one-time link; told once and then forgotten.

In two steps, because hashing a password takes longer than everything else before the first
request: `make_key` before the snapshot is published, `complete` after it. What is told is stored
already, as digests. A first start that was cut short has not told anything, so the next start makes
it again.
"""

import secrets
import time
from dataclasses import dataclass

from omniroute.config import Settings
from omniroute.control.access import LINK_FACT, LINK_LIVES_S, PASSWORD_FACT, link_digest
from omniroute.control.passwords import generate_password, hash_password
from omniroute.installation import Installation
from omniroute.store.interface import StoredKey
from omniroute.store.startup import StartStore

DONE_FACT = "first_start.done"
KEY_NAME = "first"


@dataclass(frozen=True)
class Told:
    """What a person is told once. Empty strings: given by configuration, nothing to tell."""

    password: str
    link: str
    api_key: str


def is_due(store: StartStore) -> bool:
    """Has this installation never told anybody how to sign in?"""
    return store.get_meta(DONE_FACT) is None


def make_key(settings: Settings, installation: Installation, store: StartStore) -> str:
    """Store a new API key and return it; "" when the configuration brings its own."""
    if settings.keys:
        return ""
    key = installation.new_api_key()
    store.add_client_key(
        StoredKey(
            id=f"stored/{secrets.token_hex(6)}",
            name=KEY_NAME,
            digest=installation.key_digest(key.encode()),
            created_ms=time.time_ns() // 1_000_000,
        )
    )
    return key


def complete(
    settings: Settings,
    installation: Installation,
    store: StartStore,
    *,
    api_key: str,
    dashboard: str,
) -> Told:
    """Set password and link. `dashboard` is the URL under which the link signs in."""
    given = settings.admin.initial_password
    password = given or generate_password()
    token = secrets.token_urlsafe(32)
    ends_s = int(time.time()) + LINK_LIVES_S
    store.set_meta(PASSWORD_FACT, hash_password(password))
    store.set_meta(LINK_FACT, f"{link_digest(installation, token)} {ends_s}")
    # In the fragment, which browsers send to nobody: it cannot end up in any server's log.
    link = f"{dashboard}/dashboard/#link={token}"
    return Told(password="" if given else password, link=link, api_key=api_key)
