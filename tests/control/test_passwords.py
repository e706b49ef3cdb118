"""Passwords are stored as salted hashes and verified against their own parameters."""

import base64
import hashlib

import pytest
from argon2 import PasswordHasher

from omniroute.control import passwords


def test_the_right_password_and_only_that_verifies() -> None:
    record = passwords.hash_password("correct horse ä")
    assert "correct" not in record
    assert passwords.verify_password(record, "correct horse ä")
    assert not passwords.verify_password(record, "correct horse a")
    assert not passwords.verify_password(record, "")


def test_equal_passwords_have_different_records() -> None:
    assert passwords.hash_password("same password") != passwords.hash_password("same password")


def test_hashing_is_argon2id_at_the_cost_that_rfc_9106_recommends() -> None:
    record = passwords.hash_password("any")
    assert record.startswith("$argon2id$v=19$m=65536,t=3,p=4$")
    assert not passwords.is_outdated(record)


def test_records_at_a_lower_cost_are_outdated() -> None:
    record = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1).hash("any")
    assert passwords.verify_password(record, "any")
    assert passwords.is_outdated(record)


def test_records_of_older_versions_verify_and_are_outdated() -> None:
    salt = b"0123456789abcdef"
    digest = hashlib.scrypt(b"old one", salt=salt, n=1024, r=8, p=1, dklen=32)
    fields = ["scrypt", "1024", "8", "1", *(base64.b64encode(x).decode() for x in (salt, digest))]
    record = "$".join(fields)
    assert passwords.verify_password(record, "old one")
    assert not passwords.verify_password(record, "another")
    assert passwords.is_outdated(record)


@pytest.mark.parametrize(
    "record", ["", "plain", "md5$1$1$1$AA==$AA==", "scrypt$x$8$1$AA==$AA==", "$argon2id$x"]
)
def test_a_foreign_record_is_an_error_not_a_match(record: str) -> None:
    with pytest.raises(passwords.PasswordRecordError):
        passwords.verify_password(record, "anything")


def test_generated_passwords_are_long_and_differ() -> None:
    made = {passwords.generate_password() for _ in range(50)}
    assert len(made) == 50
    assert all(len(password) >= passwords.MIN_LENGTH for password in made)
