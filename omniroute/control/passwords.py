"""Password hashes: scrypt (RFC 7914) from the standard library, parameters kept in the record.

Cost: N = 2^15, r = 8, p = 3, one of the equivalent minimum settings of OWASP's password storage
sheet; 32 MiB and about a quarter of a second of CPU. Callers run it in a thread and bound how many
run at once.
"""

import base64
import hashlib
import hmac
import secrets

MIN_LENGTH = 10
_N, _R, _P = 1 << 15, 8, 3
_SALT_BYTES = 16
_HASH_BYTES = 32
_SCHEME = "scrypt"


class PasswordRecordError(Exception):
    """A stored password record is not one of ours."""


def generate_password() -> str:
    """A password for a person to type once: 20 letters and digits, 100 bits, nothing ambiguous."""
    alphabet = "abcdefghjkmnpqrstuvwxyz23456789ABCDEFGHJKMNPQRSTUVWXYZ"
    return "-".join("".join(secrets.choice(alphabet) for _ in range(5)) for _ in range(4))


def hash_password(password: str) -> str:
    """The record to store, `scrypt$N$r$p$salt$hash`."""
    salt = secrets.token_bytes(_SALT_BYTES)
    digest = _scrypt(password, salt, _N, _R, _P)
    return "$".join([_SCHEME, str(_N), str(_R), str(_P), _text(salt), _text(digest)])


def verify_password(record: str, password: str) -> bool:
    """Does the password belong to the record? Raises PasswordRecordError on a foreign record."""
    try:
        scheme, n, r, p, salt, digest = record.split("$")
        if scheme != _SCHEME:
            raise ValueError(f"scheme {scheme}")
        expected = base64.b64decode(digest, validate=True)
        found = _scrypt(password, base64.b64decode(salt, validate=True), int(n), int(r), int(p))
    except ValueError as error:
        raise PasswordRecordError(f"stored password record cannot be read: {error}") from error
    return hmac.compare_digest(expected, found)


def _scrypt(password: str, salt: bytes, n: int, r: int, p: int) -> bytes:
    # OpenSSL's own default limit of 32 MiB is just below what these parameters need.
    memory = 128 * r * (n + p + 2)
    return hashlib.scrypt(
        password.encode(), salt=salt, n=n, r=r, p=p, maxmem=memory, dklen=_HASH_BYTES
    )


def _text(data: bytes) -> str:
    return base64.b64encode(data).decode()
