"""Keys are made once, kept to their owner, never replaced silently; secrets open only with them."""

import os
import stat
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from omniroute.installation import Installation, InstallationError, prepare_data_dir

KEY_FILES = ("encryption.key", "signing.key", "admin.token")


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@pytest.fixture
def data_dir(tmp_path: Path) -> Path:
    return tmp_path / "data"


@pytest.fixture
def installation(data_dir: Path) -> Installation:
    return Installation.open(data_dir, create=True, environment={})


def test_the_first_start_makes_the_directory_and_its_files_for_the_owner_alone(
    data_dir: Path,
) -> None:
    old = os.umask(0)  # the most careless one
    try:
        Installation.open(data_dir, create=True, environment={})
    finally:
        os.umask(old)
    assert mode(data_dir) == 0o700
    assert {file.name: mode(file) for file in data_dir.iterdir()} == dict.fromkeys(KEY_FILES, 0o600)


def test_only_the_first_start_is_fresh(data_dir: Path) -> None:
    assert Installation.open(data_dir, create=True, environment={}).fresh
    assert not Installation.open(data_dir, create=True, environment={}).fresh
    assert not Installation.open(data_dir, create=False, environment={}).fresh


def test_another_process_finds_the_same_installation(
    data_dir: Path, installation: Installation
) -> None:
    other = Installation.open(data_dir, create=False, environment={})
    assert other.decrypt(installation.encrypt(b"secret")) == b"secret"
    assert other.key_digest(b"sk-1") == installation.key_digest(b"sk-1")
    assert other.admin_token == installation.admin_token
    assert other.instance_id == installation.instance_id


def test_two_installations_share_nothing(tmp_path: Path) -> None:
    one = Installation.open(tmp_path / "1", create=True, environment={})
    two = Installation.open(tmp_path / "2", create=True, environment={})
    assert one.key_digest(b"sk-1") != two.key_digest(b"sk-1")
    assert one.admin_token != two.admin_token
    assert one.instance_id != two.instance_id
    with pytest.raises(InstallationError, match="not among this installation's"):
        two.decrypt(one.encrypt(b"secret"))


def test_opening_without_creating_makes_nothing(data_dir: Path) -> None:
    with pytest.raises(InstallationError, match="start `omniroute` once"):
        Installation.open(data_dir, create=False, environment={})
    assert not data_dir.exists()


@pytest.mark.parametrize("lost", ["encryption.key", "signing.key"])
@pytest.mark.parametrize("database", ["omniroute.sqlite", "state.lmdb"])
def test_a_key_missing_beside_data_is_an_error_and_not_replaced(
    data_dir: Path, installation: Installation, lost: str, database: str
) -> None:
    if database == "state.lmdb":
        installation.lmdb_dir.mkdir()
        (installation.lmdb_dir / "data.mdb").write_bytes(b"x")
    else:
        installation.database.write_bytes(b"x")
    (data_dir / lost).unlink()
    with pytest.raises(InstallationError, match=f"{lost} is missing, but {database}"):
        Installation.open(data_dir, create=True, environment={})
    assert not (data_dir / lost).exists()


def test_a_first_start_cut_short_is_completed(data_dir: Path, installation: Installation) -> None:
    kept = (data_dir / "encryption.key").read_bytes()
    (data_dir / "signing.key").unlink()
    again = Installation.open(data_dir, create=True, environment={})
    assert again.fresh
    assert (data_dir / "encryption.key").read_bytes() == kept
    assert again.decrypt(installation.encrypt(b"secret")) == b"secret"


def test_existing_keys_are_never_rewritten(data_dir: Path, installation: Installation) -> None:
    before = {name: (data_dir / name).read_bytes() for name in KEY_FILES}
    Installation.open(data_dir, create=True, environment={})
    assert {name: (data_dir / name).read_bytes() for name in KEY_FILES} == before


@pytest.mark.parametrize("content", [b"", b"short\n", b"AAAA\n", b"\xff" * 44])
def test_a_damaged_key_is_told_and_left_alone(
    data_dir: Path, installation: Installation, content: bytes
) -> None:
    (data_dir / "encryption.key").write_bytes(content)
    with pytest.raises(InstallationError, match=r"encryption\.key is damaged"):
        Installation.open(data_dir, create=True, environment={})
    assert (data_dir / "encryption.key").read_bytes() == content


def test_after_rotation_old_records_open_and_new_ones_use_the_first_key(
    data_dir: Path, installation: Installation, tmp_path: Path
) -> None:
    old_record = installation.encrypt(b"old")
    Installation.open(tmp_path / "other", create=True, environment={})
    new_key = (tmp_path / "other" / "encryption.key").read_bytes()
    file = data_dir / "encryption.key"
    old_key = file.read_bytes()
    file.write_bytes(new_key + old_key)
    rotated = Installation.open(data_dir, create=False, environment={})
    assert rotated.decrypt(old_record) == b"old"
    record = rotated.encrypt(b"new")
    with pytest.raises(InstallationError):
        installation.decrypt(record)
    file.write_bytes(new_key)
    assert Installation.open(data_dir, create=False, environment={}).decrypt(record) == b"new"


def test_a_key_from_the_environment_stands_in_for_the_file(data_dir: Path) -> None:
    env = {"OMNIROUTE_ENCRYPTION_KEY": "ab" * 32}
    record = Installation.open(data_dir, create=True, environment=env).encrypt(b"secret")
    assert not (data_dir / "encryption.key").exists()
    again = Installation.open(data_dir, create=False, environment=env)
    assert again.decrypt(record) == b"secret"


@pytest.mark.parametrize("key", ["abc", "zz" * 32, "ab" * 16])
def test_a_wrong_key_from_the_environment_is_refused_without_repeating_it(
    data_dir: Path, key: str
) -> None:
    with pytest.raises(InstallationError, match="64 hex digits") as caught:
        Installation.open(data_dir, create=True, environment={"OMNIROUTE_ENCRYPTION_KEY": key})
    assert key not in str(caught.value)


@given(plain=st.binary(max_size=300))
def test_what_was_encrypted_is_decrypted_and_does_not_show(plain: bytes) -> None:
    installation = Installation.ephemeral(Path())
    record = installation.encrypt(plain)
    assert installation.decrypt(record) == plain
    assert len(plain) < 4 or plain not in record
    assert record != installation.encrypt(plain)


@given(position=st.integers(0, 60), change=st.integers(1, 255), cut=st.booleans())
def test_an_altered_record_does_not_open(position: int, change: int, cut: bool) -> None:
    installation = Installation.ephemeral(Path())
    record = bytearray(installation.encrypt(b"a secret of some length"))
    position %= len(record)
    if cut:
        del record[position:]
    else:
        record[position] ^= change
    with pytest.raises(InstallationError):
        installation.decrypt(bytes(record))


def test_api_keys_are_recognisable_and_never_the_same() -> None:
    installation = Installation.ephemeral(Path())
    keys = {installation.new_api_key() for _ in range(100)}
    assert len(keys) == 100
    assert all(key.startswith("sk-omni-") and key[8:].isalnum() for key in keys)


# --- the directory ---


def test_a_wide_directory_of_ours_is_tightened_with_its_files(
    data_dir: Path, installation: Installation
) -> None:
    installation.lmdb_dir.mkdir()
    files = [
        data_dir / "signing.key",
        installation.database,
        data_dir / "omniroute.toml",
        installation.lmdb_dir / "data.mdb",
    ]
    for file in files:
        file.touch()
        file.chmod(0o644)
    data_dir.chmod(0o755)
    Installation.open(data_dir, create=True, environment={})
    assert mode(data_dir) == 0o700
    assert [mode(file) for file in files] == [0o600] * 4


def test_an_empty_wide_directory_is_tightened(data_dir: Path) -> None:
    data_dir.mkdir(mode=0o755)
    prepare_data_dir(data_dir)
    assert mode(data_dir) == 0o700


def test_a_directory_that_others_use_is_refused_and_left_alone(data_dir: Path) -> None:
    data_dir.mkdir()
    data_dir.chmod(0o755)
    (data_dir / "holiday.jpg").touch()
    with pytest.raises(InstallationError, match="files of something else"):
        prepare_data_dir(data_dir)
    assert mode(data_dir) == 0o755


def test_a_shared_directory_is_refused(data_dir: Path) -> None:
    data_dir.mkdir()
    data_dir.chmod(0o1777)
    with pytest.raises(InstallationError, match="shared with other programs"):
        prepare_data_dir(data_dir)


def test_a_file_in_the_directorys_place_is_told(data_dir: Path) -> None:
    data_dir.touch()
    with pytest.raises(InstallationError, match="cannot be used"):
        Installation.open(data_dir, create=True, environment={})
