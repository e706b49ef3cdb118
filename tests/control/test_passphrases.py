"""A seal opens with its passphrase, whole and unaltered, and with nothing else."""

import pytest

from omniroute.control.passphrases import WrongPassphrase, open_sealed, seal

PASSPHRASE = "correct horse battery"


@pytest.fixture(scope="module")
def sealed() -> bytes:
    return seal(b"secret", PASSPHRASE)


def test_what_was_sealed_opens_with_its_passphrase(sealed):
    assert b"secret" not in sealed
    assert open_sealed(sealed, PASSPHRASE) == b"secret"


def test_each_seal_is_another_one(sealed):
    assert seal(b"secret", PASSPHRASE) != sealed


def test_another_passphrase_opens_nothing(sealed):
    with pytest.raises(WrongPassphrase, match="not the one"):
        open_sealed(sealed, f"{PASSPHRASE} ")


@pytest.mark.parametrize("at", [20, 40, -1])
def test_altered_bytes_open_nothing(sealed, at):
    altered = bytearray(sealed)
    altered[at] ^= 1
    with pytest.raises(WrongPassphrase):
        open_sealed(bytes(altered), PASSPHRASE)


@pytest.mark.parametrize("what", [b"", b"omniroute sealed 1\n", b"x" * 200])
def test_what_is_no_seal_is_told(what):
    with pytest.raises(WrongPassphrase, match="nothing that was sealed"):
        open_sealed(what, PASSPHRASE)


def test_a_short_passphrase_is_refused():
    with pytest.raises(WrongPassphrase, match="at least 8"):
        seal(b"secret", "short")
