"""A rotation leaves every secret whole under the new key, and is safe to cut short."""

import io
import json
import os
from pathlib import Path

import pytest

from omniroute.config import ConnectionSettings
from omniroute.control.sealing import opened, seal
from omniroute.installation import Installation, InstallationError
from omniroute.rotation import rotate
from omniroute.spool import CapturedBody, Spool
from omniroute.store.captured import Bodies
from omniroute.store.database import Store
from omniroute.store.interface import StoredBody
from omniroute.supervisor.lock import hold

CANARY = "sk-canary-in-the-coal-mine"


@pytest.fixture
def data_dir(tmp_path: Path) -> Path:
    """An installation with one sealed credential and some sealed bodies."""
    data_dir = tmp_path / "data"
    installation = Installation.open(data_dir, create=True, environment={})
    store = Store.open(installation.database)
    body = seal(ConnectionSettings, {"provider": "a", "api_key": CANARY}, installation)
    store.entities.create("connection", "a/main", json.dumps(body), 1)
    store.bodies.add(
        [
            StoredBody(f"r{number}", 0, "client", "request", 1, 4, installation.encrypt(b"body"))
            for number in range(250)
        ]
    )
    store.close()
    return data_dir


def keys(data_dir: Path) -> list[bytes]:
    return (data_dir / "encryption.key").read_bytes().split()


def read(data_dir: Path) -> tuple[str, set[bytes]]:
    """The credential and the bodies, opened by the keys that the installation has now."""
    installation = Installation.open(data_dir, create=False, environment={})
    store = Store.open(installation.database)
    try:
        (entity,) = store.entities.all()
        bodies = {
            installation.decrypt(body.sealed)
            for number in range(250)
            for body in store.bodies.of(f"r{number}")
        }
        return opened(json.loads(entity.body), installation)["api_key"], bodies
    finally:
        store.close()


def test_everything_opens_with_the_new_key_alone(data_dir: Path) -> None:
    (before,) = keys(data_dir)
    out = io.StringIO()
    assert rotate(data_dir, out) == 0
    (after,) = keys(data_dir)
    assert after != before
    assert (data_dir / "encryption.key").stat().st_mode & 0o777 == 0o600
    assert read(data_dir) == (CANARY, {b"body"})
    assert "1 stored things, 250 captured bodies" in out.getvalue()


def test_a_body_that_waits_for_the_database_opens_with_the_new_key_too(data_dir: Path) -> None:
    installation = Installation.open(data_dir, create=False, environment={})
    sealed = installation.encrypt(b"late")
    waiting = CapturedBody("late", 0, "client", "request", 1, 4, sealed)
    Spool(installation.spool).write([waiting])
    out = io.StringIO()
    assert rotate(data_dir, out) == 0
    assert "251 captured bodies" in out.getvalue()
    assert Spool(installation.spool).waiting() == []
    installation = Installation.open(data_dir, create=False, environment={})
    store = Store.open(installation.database)
    (body,) = store.bodies.of("late")
    store.close()
    assert installation.decrypt(body.sealed) == b"late"


def test_the_old_key_can_be_kept_for_older_backups(data_dir: Path) -> None:
    (before,) = keys(data_dir)
    assert rotate(data_dir, io.StringIO(), keep_old=True) == 0
    assert keys(data_dir)[1:] == [before]
    assert read(data_dir) == (CANARY, {b"body"})


def test_cut_short_nothing_is_lost_and_it_can_be_done_again(
    data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: object) -> int:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(Bodies, "reseal", interrupted)
        with pytest.raises(KeyboardInterrupt):
            rotate(data_dir, io.StringIO())
    assert len(keys(data_dir)) == 2
    assert read(data_dir) == (CANARY, {b"body"})
    assert rotate(data_dir, io.StringIO()) == 0
    assert len(keys(data_dir)) == 1
    assert read(data_dir) == (CANARY, {b"body"})


def test_it_does_not_run_beside_the_gateway(data_dir: Path) -> None:
    held = hold(data_dir)
    before = keys(data_dir)
    out = io.StringIO()
    try:
        assert rotate(data_dir, out) == 1
    finally:
        os.close(held)
    assert "must not run" in out.getvalue()
    assert keys(data_dir) == before


def test_a_key_of_the_environment_is_not_ours_to_change(
    data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OMNIROUTE_ENCRYPTION_KEY", "ab" * 32)
    with pytest.raises(InstallationError, match="OMNIROUTE_ENCRYPTION_KEY"):
        rotate(data_dir, io.StringIO())
    assert len(keys(data_dir)) == 1


def test_without_an_installation_there_is_nothing_to_rotate(tmp_path: Path) -> None:
    with pytest.raises(InstallationError, match="no installation"):
        rotate(tmp_path, io.StringIO())


def test_a_lost_key_stops_it_before_anything_is_changed(data_dir: Path) -> None:
    """Restoring the key still helps then."""
    old = keys(data_dir)
    foreign = Installation.open(data_dir.parent / "other", create=True, environment={})
    (data_dir / "encryption.key").write_bytes((foreign.data_dir / "encryption.key").read_bytes())
    with pytest.raises(InstallationError, match="not among this installation's"):
        rotate(data_dir, io.StringIO())
    with (data_dir / "encryption.key").open("ab") as file:
        file.write(b"\n".join(old) + b"\n")
    assert rotate(data_dir, io.StringIO()) == 0
    assert read(data_dir) == (CANARY, {b"body"})
