"""Password hashes: Argon2id (RFC 9106), parameters kept in the record.

Cost: 64 MiB, 3 passes, 4 lanes, the second recommended option of RFC 9106, section 4; about a tenth
of a second of CPU. Records of older versions are scrypt's (RFC 7914): they still verify, and
`is_outdated` says that the password should be hashed anew. Callers run hashing in a thread and
bound how many run at once.
"""

import base64
import binascii
import hashlib
import hmac
import secrets
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from argon2 import PasswordHasher

MIN_LENGTH = 10
_SCRYPT = "scrypt"


class PasswordRecordError(Exception):
    """A stored password record is not one of ours."""


def generate_password() -> str:
    """A password for a person to type once: 20 letters and digits, 100 bits, nothing ambiguous."""
    alphabet = "abcdefghjkmnpqrstuvwxyz23456789ABCDEFGHJKMNPQRSTUVWXYZ"
    return "-".join("".join(secrets.choice(alphabet) for _ in range(5)) for _ in range(4))


def hash_password(password: str) -> str:
    """The record to store, in the PHC string format: `$argon2id$v=19$m=…,t=…,p=…$salt$hash`."""
    return _hasher().hash(password)


def verify_password(record: str, password: str) -> bool:
    """Does the password belong to the record? Raises PasswordRecordError on a foreign record."""
    from argon2.exceptions import InvalidHashError, VerificationError, VerifyMismatchError

    if record.startswith(f"{_SCRYPT}$"):
        return _verify_scrypt(record, password)
    try:
        return _hasher().verify(record, password)
    except VerifyMismatchError:
        return False
    except (InvalidHashError, VerificationError) as error:
        raise PasswordRecordError(f"stored password record cannot be read: {error}") from error


def is_outdated(record: str) -> bool:
    """Was the record made another way than `hash_password` would make it now?"""
    return record.startswith(f"{_SCRYPT}$") or _hasher().check_needs_rehash(record)


def _hasher() -> "PasswordHasher":
    # Imported at the first use, since every start would pay for it.
    from argon2 import PasswordHasher
    from argon2.profiles import RFC_9106_LOW_MEMORY

    return PasswordHasher.from_parameters(RFC_9106_LOW_MEMORY)


def _verify_scrypt(record: str, password: str) -> bool:
    """`scrypt$N$r$p$salt$hash`."""
    try:
        _, n, r, p, salt, digest = record.split("$")
        expected = base64.b64decode(digest, validate=True)
        found = hashlib.scrypt(
            password.encode(),
            salt=base64.b64decode(salt, validate=True),
            n=int(n),
            r=int(r),
            p=int(p),
            # OpenSSL's own default limit of 32 MiB is just below what the usual parameters need.
            maxmem=128 * int(r) * (int(n) + int(p) + 2),
            dklen=len(expected),
        )
    except (ValueError, binascii.Error) as error:
        raise PasswordRecordError(f"stored password record cannot be read: {error}") from error
    return hmac.compare_digest(expected, found)
