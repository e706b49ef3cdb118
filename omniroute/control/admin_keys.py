"""Keys for scripts that manage the gateway: named, with scopes and an end, revoked at once.

A key is `oma_` and 43 letters (256 bits), shown once; only its HMAC is kept. All keys are few and
lie in memory, so that finding one costs no query; this process alone changes them.
"""

import secrets
from collections.abc import Callable, Iterator, Sequence
from typing import Final, Protocol

from omniroute.store.interface import AdminKey

PREFIX: Final = "oma_"
# When a key was last used is told to the minute, and written down so often at most.
_USED_EVERY_MS: Final = 60_000


def is_in_force(key: AdminKey, now_ms: int) -> bool:
    """Neither revoked nor expired."""
    return key.revoked_ms is None and (key.expires_ms is None or now_ms < key.expires_ms)


class Keeper(Protocol):
    """Where keys are stored. Every call blocks, and raises StoreError."""

    def all(self) -> Sequence[AdminKey]: ...

    def add(self, key: AdminKey) -> None: ...

    def revoke(self, key_id: str, now_ms: int) -> bool: ...

    def touch(self, key_id: str, now_ms: int) -> None: ...


class AdminKeys:
    """All keys of the installation. `digest_of` makes the HMAC of a presented key."""

    def __init__(self, keeper: Keeper, digest_of: Callable[[bytes], bytes]) -> None:
        self._keeper = keeper
        self._digest_of = digest_of
        self._by_digest = {key.digest: key for key in keeper.all()}
        self._used: dict[bytes, int] = {}

    def __iter__(self) -> Iterator[AdminKey]:
        """Oldest first, with those that are no longer in force."""
        return iter(sorted(self._by_digest.values(), key=lambda key: key.created_ms))

    def find(self, presented: bytes, now_ms: int) -> AdminKey | None:
        """The key in force that was presented. Looking up an HMAC leaks nothing by its time."""
        digest = self._digest_of(presented)
        key = self._by_digest.get(digest)
        if key is None or not is_in_force(key, now_ms):
            return None
        self._used[digest] = now_ms
        return key

    def create(
        self, name: str, scopes: Sequence[str], expires_ms: int | None, now_ms: int
    ) -> tuple[AdminKey, str]:
        """The new key and its text, which nobody can show again. Blocks."""
        text = PREFIX + secrets.token_urlsafe(32)
        key = AdminKey(
            id=secrets.token_hex(6),
            name=name,
            digest=self._digest_of(text.encode()),
            scopes=tuple(scopes),
            created_ms=now_ms,
            expires_ms=expires_ms,
        )
        self._keeper.add(key)
        self._by_digest[key.digest] = key
        return key, text

    def get(self, id_: str) -> AdminKey | None:
        return next((key for key in self._by_digest.values() if key.id == id_), None)

    def revoke(self, key: AdminKey, now_ms: int) -> AdminKey:
        """From the next request on. Blocks."""
        self._keeper.revoke(key.id, now_ms)
        revoked = key._replace(revoked_ms=now_ms)
        self._by_digest[key.digest] = revoked
        return revoked

    def note_use(self) -> None:
        """Write down when keys were last used. Blocks; for a job."""
        for digest, used_ms in list(self._used.items()):
            key = self._by_digest[digest]
            if used_ms - (key.last_used_ms or 0) >= _USED_EVERY_MS:
                self._keeper.touch(key.id, used_ms)
                self._by_digest[digest] = self._by_digest[digest]._replace(last_used_ms=used_ms)
