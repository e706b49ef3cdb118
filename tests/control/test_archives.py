"""Exports hold no credentials, or only sealed ones; imports bring everything back, or nothing."""

import base64
import gzip
import io
import json
import tarfile
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from omniroute.control.archives import (
    CREDENTIALS,
    DATABASE,
    METADATA,
    ArchiveError,
    Archives,
)
from omniroute.control.backups import BEFORE_IMPORT, Backups
from omniroute.control.passphrases import WrongPassphrase
from omniroute.control.sealing import record_of
from omniroute.installation import Installation
from omniroute.record import Record
from omniroute.store import copies
from omniroute.store.database import Store
from omniroute.store.interface import (
    SEALED,
    AdminKey,
    StoreDamaged,
    StoredBody,
    StoredKey,
    StoreError,
)

NOW_MS = 1_790_000_000_000
PASSPHRASE = "correct horse battery"
CANARY = "sk-canary-0123456789"


class Gateway:
    """One installation with its store, backups and archives."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir()
        self.installation = Installation.open(folder, create=True, environment={})
        self.store = Store.open(folder / "omniroute.sqlite")
        self.backups = Backups(self.store, lambda: NOW_MS)
        self.archives = Archives(self.store, self.backups, self.installation, lambda: NOW_MS)

    def sealed(self, text: str) -> str:
        return SEALED + base64.b64encode(self.installation.encrypt(text.encode())).decode()

    def secret_of(self, connection: str) -> str | None:
        """The API key of a stored connection, in clear."""
        entity = self.store.entities.get("connection", connection)
        assert entity is not None
        text = json.loads(entity.body).get("api_key")
        return None if text is None else self.installation.decrypt(record_of(text)).decode()

    def digest(self) -> bytes:
        return self.installation.key_digest(CANARY.encode())


@pytest.fixture
def gateway(tmp_path: Path) -> Iterator[Gateway]:
    gateway = Gateway(tmp_path / "one")
    store = gateway.store
    store.insert_records([Record(id=f"r{n}", started_ms=n, cost_microusd=7) for n in range(30)])
    body = {"provider": "acme", "api_key": gateway.sealed(CANARY)}
    store.entities.create("connection", "acme/main", json.dumps(body), 1)
    store.entities.create("combo", "coding", '{"models": ["acme/m"]}', 1)
    store.keys.add(StoredKey("k1", "laptop", gateway.digest(), 1, settings='{"rpm": 5}'))
    store.admin_keys.add(AdminKey("a1", "ci", b"a" * 32, ("read", "keys"), 1))
    store.bodies.add([StoredBody("r1", 0, "client", "request", 1, 3, CANARY.encode())])
    store.set_meta("admin.password", "hash of one")
    yield gateway
    store.close()


@pytest.fixture
def other(tmp_path: Path) -> Iterator[Gateway]:
    """A fresh installation, with keys of its own."""
    gateway = Gateway(tmp_path / "two")
    gateway.store.set_meta("admin.password", "hash of two")
    yield gateway
    gateway.store.close()


def members(path: Path) -> dict[str, bytes]:
    with tarfile.open(path) as archive:
        return {
            member.name: file.read()
            for member in archive
            if (file := archive.extractfile(member)) is not None
        }


def secrets_of(gateway: Gateway) -> list[bytes]:
    entity = gateway.store.entities.get("connection", "acme/main")
    assert entity is not None
    return [
        CANARY.encode(),
        gateway.digest(),
        gateway.digest().hex().encode(),
        b"a" * 32,
        b"hash of one",
        json.loads(entity.body)["api_key"].encode(),
        gateway.installation.admin_token.encode(),
        SEALED.encode(),
    ]


def test_an_export_of_the_database_holds_no_credential(gateway, tmp_path):
    target = tmp_path / "export.sqlite"
    gateway.archives.export_database(target)
    content = target.read_bytes()
    assert [secret for secret in secrets_of(gateway) if secret in content] == []
    assert copies.check(target).requests == 30


@pytest.mark.parametrize("passphrase", ["", PASSPHRASE])
def test_no_member_of_an_archive_shows_a_credential(gateway, tmp_path, passphrase):
    target = tmp_path / "export.tar.gz"
    metadata = gateway.archives.export(target, passphrase)
    assert metadata.credentials is bool(passphrase)
    found = members(target)
    assert (CREDENTIALS in found) is bool(passphrase)
    for name, content in found.items():
        assert [secret for secret in secrets_of(gateway) if secret in content] == [], name
    assert json.loads(found["configuration.json"])["combo"] == [
        {"id": "coding", "settings": {"models": ["acme/m"]}}
    ]
    assert json.loads(found["keys.json"])[0]["settings"] == {"rpm": 5}
    assert json.loads(found[METADATA])["requests"] == 30
    assert not list(tmp_path.glob("export.tar.gz.*"))


def test_everything_is_there_again_after_a_wipe(gateway, tmp_path):
    target = tmp_path / "export.tar.gz"
    gateway.archives.export(target, PASSPHRASE)
    with gateway.store.transaction():
        for entity in gateway.store.entities.all():
            gateway.store.entities.delete(entity.kind, entity.id)
    with gateway.store.writing("wipe") as connection:
        connection.exec_driver_sql("DELETE FROM client_keys")
        connection.exec_driver_sql("DELETE FROM requests")
    imported = gateway.archives.import_file(target, PASSPHRASE)
    assert (imported.credentials, imported.other_signing_key) == (True, False)
    assert imported.restored.before.reason == BEFORE_IMPORT
    assert gateway.secret_of("acme/main") == CANARY
    assert [key.digest for key in gateway.store.keys.all()] == [gateway.digest()]
    assert gateway.store.analytics.sums()[0].cost_microusd == 210


def test_another_installation_takes_all_but_how_to_sign_in(gateway, other, tmp_path):
    target = tmp_path / "export.tar.gz"
    gateway.archives.export(target, PASSPHRASE)
    imported = other.archives.import_file(target, PASSPHRASE)
    assert imported.other_signing_key
    assert other.secret_of("acme/main") == CANARY  # sealed by its own key now
    assert other.store.count_requests() == 30
    assert other.store.get_meta("admin.password") == "hash of two"
    assert [key.scopes for key in other.store.admin_keys.all()] == [("read", "keys")]


def test_without_the_passphrase_settings_come_without_their_secrets(gateway, other, tmp_path):
    target = tmp_path / "export.tar.gz"
    gateway.archives.export(target, PASSPHRASE)
    imported = other.archives.import_file(target)
    assert not imported.credentials
    assert other.secret_of("acme/main") is None
    assert [(key.name, key.digest) for key in other.store.keys.all(revoked=True)] == [
        ("laptop", b"")
    ]


def test_an_import_here_keeps_the_secrets_that_are_here(gateway, tmp_path):
    target = tmp_path / "export.sqlite"
    gateway.archives.export_database(target)
    gateway.archives.import_file(target)
    assert gateway.secret_of("acme/main") == CANARY
    assert [key.digest for key in gateway.store.keys.all()] == [gateway.digest()]


def test_a_revoked_key_comes_back_only_when_that_is_wanted(gateway, tmp_path):
    target = tmp_path / "export.tar.gz"
    gateway.archives.export(target, PASSPHRASE)
    gateway.store.keys.revoke("k1", 5)
    gateway.archives.import_file(target, PASSPHRASE)
    assert gateway.store.keys.all() == []
    gateway.archives.import_file(target, PASSPHRASE, keep_revoked=False)
    assert [key.id for key in gateway.store.keys.all()] == ["k1"]


def test_versions_go_on_behind_those_that_were_used(gateway, tmp_path):
    target = tmp_path / "export.sqlite"
    gateway.archives.export_database(target)
    later = gateway.store.entities.replace("combo", "coding", "{}", 2)
    gateway.archives.import_file(target)
    changed = gateway.store.entities.replace("combo", "coding", "[]", 3)
    assert changed.version > later.version


def test_the_wrong_passphrase_changes_nothing(gateway, tmp_path):
    target = tmp_path / "export.tar.gz"
    gateway.archives.export(target, PASSPHRASE)
    gateway.store.insert_records([Record(id="later", started_ms=99)])
    with pytest.raises(WrongPassphrase):
        gateway.archives.import_file(target, "another passphrase")
    assert gateway.store.count_requests() == 31
    assert gateway.backups.all() == []
    assert {path.name for path in tmp_path.iterdir()} == {"one", "export.tar.gz"}


def archive(path: Path, content: dict[str, bytes]) -> Path:
    with tarfile.open(path, "w:gz") as made:
        for name, blob in content.items():
            member = tarfile.TarInfo(name)
            member.size = len(blob)
            made.addfile(member, io.BytesIO(blob))
    return path


def test_what_is_no_archive_of_ours_is_told(gateway, tmp_path):
    exported = tmp_path / "export.tar.gz"
    gateway.archives.export(exported)
    good = members(exported)
    metadata = msgspec.json.decode(good[METADATA])
    for wrong, content in (
        ("holds no", {METADATA: good[METADATA]}),
        ("does not say", {DATABASE: good[DATABASE]}),
        ("format 2", {**good, METADATA: msgspec.json.encode({**metadata, "format": 2})}),
    ):
        with pytest.raises(ArchiveError, match=wrong):
            gateway.archives.import_file(archive(tmp_path / "wrong.tar.gz", content))
    for blob in (gzip.compress(b"no tar"), exported.read_bytes()[:2000]):
        (tmp_path / "wrong.tar.gz").write_bytes(blob)
        with pytest.raises((ArchiveError, StoreError)):
            gateway.archives.import_file(tmp_path / "wrong.tar.gz")
    (tmp_path / "wrong").write_bytes(b"PK" * 5000)
    with pytest.raises(StoreDamaged):
        gateway.archives.import_file(tmp_path / "wrong")
    assert gateway.store.count_requests() == 30


def test_names_in_an_archive_are_never_paths(gateway, tmp_path):
    exported = tmp_path / "export.tar.gz"
    gateway.archives.export(exported)
    evil = {f"../../{DATABASE}": b"x", "/etc/passwd": b"x", **members(exported)}
    gateway.archives.import_file(archive(tmp_path / "evil.tar.gz", evil))
    assert {path.name for path in tmp_path.iterdir()} == {"one", "export.tar.gz", "evil.tar.gz"}


def test_an_archive_that_unpacks_to_too_much_is_refused(gateway, tmp_path, monkeypatch):
    exported = tmp_path / "export.tar.gz"
    gateway.archives.export(exported)
    monkeypatch.setattr("omniroute.control.archives.MOST_BYTES", 4096)
    with pytest.raises(ArchiveError, match="larger"):
        gateway.archives.import_file(exported)
