"""Backups, exports and imports over the API: complete here, without credentials outside."""

import io
import sqlite3
import tarfile
from pathlib import Path
from typing import Any

import httpx
import pytest

from omniroute.control.api.services import Services
from omniroute.store.audit import AuditFilter
from tests.control.conftest import client_of

PATH = "/api/db-backups"
CANARY = "sk-canary-4711"


@pytest.fixture
async def connection(owner: httpx.AsyncClient) -> str:
    """The id of a connection with a credential."""
    answer = await owner.post(
        "/api/providers", json={"provider": "openai", "name": "work", "apiKey": CANARY}
    )
    assert answer.status_code == 201, answer.text
    return str(answer.json()["id"])


async def ids(owner: httpx.AsyncClient) -> list[str]:
    connections = (await owner.get("/api/providers")).json()["connections"]
    return [each["id"] for each in connections]


async def imported(owner: httpx.AsyncClient, content: bytes, **headers: str) -> Any:
    return await owner.post(
        f"{PATH}/import",
        content=content,
        headers={"content-type": "application/octet-stream", **headers},
    )


async def test_a_backup_brings_back_what_was_deleted_and_acts_at_once(
    owner: httpx.AsyncClient, services: Services, connection: str
) -> None:
    made = (await owner.put(PATH)).json()
    assert (await owner.delete(f"/api/providers/{connection.replace('/', '%2F')}")).is_success
    assert await ids(owner) == []
    answer = await owner.post(PATH, json={"backupId": made["id"]})
    assert answer.status_code == 200, answer.text
    assert answer.json()["problem"] == ""
    assert await ids(owner) == [connection]
    listed = (await owner.get(PATH)).json()["backups"]
    assert {each["reason"] for each in listed} == {"manual", "before-restore"}
    assert answer.json()["before"]["id"] in {each["id"] for each in listed}


@pytest.mark.parametrize("name", ["../omniroute.sqlite", "unknown", "db_x.sqlite", ""])
async def test_only_backups_can_be_restored_or_deleted(owner: httpx.AsyncClient, name: str) -> None:
    assert (await owner.post(PATH, json={"backupId": name})).status_code == 404
    if name:
        gone = await owner.delete(f"{PATH}/{name.replace('/', '%2F')}")
        assert gone.status_code == 404


async def test_backups_are_deleted_one_by_one_and_by_number(
    owner: httpx.AsyncClient, clock: Any
) -> None:
    made = []
    for _ in range(4):
        clock.now_s += 1
        made.append((await owner.put(PATH)).json()["id"])
    assert (await owner.delete(f"{PATH}/{made[0]}")).status_code == 204
    assert (await owner.delete(f"{PATH}?keepLatest=1")).json() == {"deleted": 2}
    assert [each["id"] for each in (await owner.get(PATH)).json()["backups"]] == [made[3]]
    assert (await owner.delete(PATH)).status_code == 422


@pytest.mark.parametrize("path", ["export", "exportAll"])
async def test_an_export_holds_no_credential_and_leaves_no_file(
    owner: httpx.AsyncClient, services: Services, connection: str, path: str
) -> None:
    answer = await owner.get(f"{PATH}/{path}")
    assert answer.status_code == 200
    assert answer.content
    folder = services.installation.data_dir / "backups"
    assert list(folder.iterdir()) == []
    contents = [answer.content]
    if path == "exportAll":
        with tarfile.open(fileobj=io.BytesIO(answer.content)) as archive:
            contents = [archive.extractfile(each).read() for each in archive]  # type: ignore[union-attr]
    digest = services.installation.key_digest(services.installation.admin_token.encode())
    for content in contents:
        assert CANARY.encode() not in content
        assert b"sealed:" not in content
        assert digest not in content


async def test_everything_comes_back_with_the_passphrase(
    owner: httpx.AsyncClient, connection: str
) -> None:
    sealed = await owner.post(f"{PATH}/exportAll", json={"passphrase": "correct horse ü"})
    assert CANARY.encode() not in sealed.content
    await owner.delete(f"/api/providers/{connection.replace('/', '%2F')}")
    wrong = await imported(owner, sealed.content, **{"x-passphrase": "another one"})
    assert wrong.status_code == 422
    assert await ids(owner) == []
    right = await imported(owner, sealed.content, **{"x-passphrase": "correct%20horse%20%C3%BC"})
    assert right.status_code == 200, right.text
    assert right.json()["credentials"] is True
    (found,) = (await owner.get("/api/providers")).json()["connections"]
    assert found["hasCredential"] is True


async def test_an_export_does_not_mind_another_that_ends_meanwhile(
    owner: httpx.AsyncClient, services: Services
) -> None:
    folder = services.installation.data_dir / "backups"
    folder.mkdir(exist_ok=True)
    (folder / "transfer-0").symlink_to("nowhere")  # its file was there when the folder was read
    assert (await owner.get(f"{PATH}/exportAll")).status_code == 200


async def test_an_export_may_be_sent_as_a_form(owner: httpx.AsyncClient, connection: str) -> None:
    exported = await owner.get(f"{PATH}/exportAll")
    answer = await owner.post(
        f"{PATH}/import", files={"file": ("omniroute.tar.gz", exported.content)}
    )
    assert answer.status_code == 200, answer.text
    assert answer.json()["credentials"] is False


@pytest.mark.parametrize("content", [b"", b"no database", b"\x1f\x8bbroken", b"SQLite format 3\0"])
async def test_what_is_no_export_is_refused_and_changes_nothing(
    owner: httpx.AsyncClient, services: Services, connection: str, content: bytes
) -> None:
    answer = await imported(owner, content)
    assert answer.status_code == 422, answer.text
    assert await ids(owner) == [connection]
    folder = services.installation.data_dir / "backups"
    assert [path.name for path in folder.iterdir() if path.name.startswith("transfer")] == []


async def test_a_database_of_something_else_is_refused(
    owner: httpx.AsyncClient, tmp_path: Path
) -> None:
    path = tmp_path / "other.db"
    with sqlite3.connect(path) as other:
        other.execute("CREATE TABLE t (x)")
    other.close()
    assert (await imported(owner, path.read_bytes())).status_code == 422


async def test_a_key_for_backups_can_neither_import_nor_take_credentials_out(
    services: Services,
) -> None:
    _, text = services.access.admin_keys.create("nightly", ["backup"], None, services.now_ms())
    async with client_of(services) as nightly:
        nightly.headers["authorization"] = f"Bearer {text}"
        assert (await nightly.put(PATH)).status_code == 201
        assert (await nightly.get(f"{PATH}/exportAll")).status_code == 200
        refused = await nightly.post(f"{PATH}/exportAll", json={"passphrase": "long enough"})
        assert refused.status_code == 403
        assert (await imported(nightly, b"x")).status_code == 403


async def test_every_step_is_in_the_audit_log_without_the_passphrase(
    owner: httpx.AsyncClient, services: Services
) -> None:
    made = (await owner.put(PATH)).json()
    await owner.post(f"{PATH}/exportAll", json={"passphrase": "correct horse"})
    entries = services.store.audit.page(AuditFilter(), 10)
    assert [entry.action for entry in entries] == [
        "db-backups.export_sealed",
        "db-backups.create",
    ]
    assert "correct horse" not in repr(entries)
    await owner.post(PATH, json={"backupId": made["id"]})
    (latest,) = services.store.audit.page(AuditFilter(), 1)
    assert latest.action == "db-backups.restore"
    assert latest.entity == f"backup/{made['id']}"


async def test_a_key_that_was_revoked_since_comes_back_only_when_that_is_wanted(
    owner: httpx.AsyncClient,
) -> None:
    made = (await owner.post("/api/keys", json={"name": "laptop"})).json()
    sealed = (await owner.post(f"{PATH}/exportAll", json={"passphrase": "correct horse"})).content
    await owner.delete(f"/api/keys/{made['id'].replace('/', '%2F')}")

    async def keys_after(query: str) -> list[str]:
        answer = await owner.post(
            f"{PATH}/import{query}",
            content=sealed,
            headers={
                "content-type": "application/octet-stream",
                "x-passphrase": "correct%20horse",
            },
        )
        assert answer.status_code == 200, answer.text
        return [each["name"] for each in (await owner.get("/api/keys")).json()["keys"]]

    assert await keys_after("") == []
    assert await keys_after("?keepRevoked=false") == ["laptop"]


async def with_scopes(owner: httpx.AsyncClient, *scopes: str) -> dict[str, str]:
    made = (await owner.post("/api/auth/keys", json={"name": "a", "scopes": scopes})).json()
    return {"authorization": f"Bearer {made['key']}"}


async def test_who_may_only_back_up_does_not_let_in_again_what_was_revoked(
    owner: httpx.AsyncClient,
) -> None:
    headers = await with_scopes(owner, "backup")
    made = (await owner.put(PATH, headers=headers)).json()
    wish = {"backupId": made["id"], "keepRevoked": False}
    assert (await owner.post(PATH, json=wish, headers=headers)).status_code == 403
    del wish["keepRevoked"]
    assert (await owner.post(PATH, json=wish, headers=headers)).status_code == 200


async def test_going_back_erases_no_trail(owner: httpx.AsyncClient, services: Services) -> None:
    headers = await with_scopes(owner, "backup")
    made = (await owner.put(PATH, headers=headers)).json()
    await owner.put("/api/settings/resilience", json={"retries": 1})
    await owner.post(PATH, json={"backupId": made["id"]}, headers=headers)
    actions = [each.action for each in services.store.audit.page(AuditFilter(), 20)]
    assert actions == [
        "db-backups.restore",
        "settings.change",
        "db-backups.create",
        "auth.create_admin_key",
    ]
