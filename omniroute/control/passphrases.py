"""Sealing with a passphrase: what leaves the installation with credentials in it.

The key comes from the passphrase by scrypt (RFC 7914), with 64 MB of memory and half a second for
each guess; the seal is AES-256-GCM. Format: magic, salt (16 bytes), nonce (12), ciphertext with
tag; magic and salt are authenticated with it. The cost is part of the format, so that a file cannot
ask for more than that.
"""

import hashlib
import secrets
from typing import Final

_MAGIC: Final = b"omniroute sealed 1\n"
_SALT_BYTES: Final = 16
_NONCE_BYTES: Final = 12
_TAG_BYTES: Final = 16
_N, _R, _P = 1 << 16, 8, 1
_MEMORY: Final = 128 * _N * _R + (1 << 20)

LEAST_CHARACTERS: Final = 8


class WrongPassphrase(Exception):
    """The passphrase is another one, too short, or what it should open was altered."""


def seal(plain: bytes, passphrase: str) -> bytes:
    """Raises `WrongPassphrase` for one that is too short to protect anything."""
    if len(passphrase) < LEAST_CHARACTERS:
        raise WrongPassphrase(f"a passphrase needs at least {LEAST_CHARACTERS} characters")
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    head = _MAGIC + secrets.token_bytes(_SALT_BYTES)
    nonce = secrets.token_bytes(_NONCE_BYTES)
    return head + nonce + AESGCM(_key(passphrase, head)).encrypt(nonce, plain, head)


def open_sealed(sealed: bytes, passphrase: str) -> bytes:
    """What `seal` was given. Raises `WrongPassphrase`."""
    from cryptography.exceptions import InvalidTag
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    head_bytes = len(_MAGIC) + _SALT_BYTES
    head, rest = sealed[:head_bytes], sealed[head_bytes:]
    if not head.startswith(_MAGIC) or len(rest) < _NONCE_BYTES + _TAG_BYTES:
        raise WrongPassphrase("this is nothing that was sealed with a passphrase")
    try:
        return AESGCM(_key(passphrase, head)).decrypt(
            rest[:_NONCE_BYTES], rest[_NONCE_BYTES:], head
        )
    except InvalidTag as error:
        raise WrongPassphrase(
            "the passphrase is not the one that the credentials were sealed with, or they were "
            "altered since"
        ) from error


def _key(passphrase: str, head: bytes) -> bytes:
    return hashlib.scrypt(
        passphrase.encode(), salt=head[len(_MAGIC) :], n=_N, r=_R, p=_P, maxmem=_MEMORY, dklen=32
    )
