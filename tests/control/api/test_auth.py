"""Signing in and out, the password, sessions and admin keys, as a client meets them."""

import httpx
import pytest

from omniroute.control.access import LINK_FACT, PASSWORD_FACT, link_digest
from omniroute.control.api.services import Services
from omniroute.control.passwords import hash_password
from omniroute.store.audit import AuditFilter

pytestmark = pytest.mark.usefixtures("quick_hashing")

PRINTED = "printed-password"


async def sign_in(client: httpx.AsyncClient, services: Services, password: str = PRINTED) -> str:
    """The CSRF token of a session whose cookie the client holds."""
    if services.store.get_meta(PASSWORD_FACT) is None:
        services.store.set_meta(PASSWORD_FACT, hash_password(PRINTED))
    answer = await client.post("/api/auth/login", json={"password": password})
    assert answer.status_code == 200, answer.text
    token = answer.json()["csrf_token"]
    client.headers["x-csrf-token"] = token
    return str(token)


async def test_the_printed_password_signs_in_and_is_told_to_be_replaced(
    client: httpx.AsyncClient, services: Services
) -> None:
    await sign_in(client, services)
    session = (await client.get("/api/auth/session")).json()
    assert session["needs_password"] is True
    assert "admin" in session["scopes"]


async def test_the_link_signs_in_once(client: httpx.AsyncClient, services: Services) -> None:
    digest = link_digest(services.installation, "token")
    services.store.set_meta(LINK_FACT, f"{digest} {services.now_ms() // 1000 + 60}")
    assert (await client.post("/api/auth/login", json={"link": "token"})).status_code == 200
    assert (await client.post("/api/auth/login", json={"link": "token"})).status_code == 401


async def test_a_new_password_ends_all_sessions_and_renews_the_one_that_asked(
    client: httpx.AsyncClient, services: Services
) -> None:
    await sign_in(client, services)
    other = dict(client.cookies)
    client.cookies.clear()
    await sign_in(client, services)
    before = client.cookies["omniroute_session"]
    answer = await client.post("/api/auth/password", json={"new": "chosen by a person"})
    assert answer.status_code == 200
    assert answer.json()["needs_password"] is False
    assert client.cookies["omniroute_session"].split(".")[1] != before.split(".")[1]
    assert (await client.get("/api/auth/session")).status_code == 200
    for old in ({"omniroute_session": before}, other):
        client.cookies.clear()
        client.cookies.update(old)
        assert (await client.get("/api/auth/session")).status_code == 401


async def test_a_chosen_password_is_replaced_only_by_who_knows_it(
    client: httpx.AsyncClient, services: Services
) -> None:
    await sign_in(client, services)
    answer = await client.post("/api/auth/password", json={"new": "chosen by a person"})
    client.headers["x-csrf-token"] = answer.json()["csrf_token"]
    without = await client.post("/api/auth/password", json={"new": "another long one"})
    assert without.json()["error"]["details"] == [
        {"field": "current", "message": "the present password is needed"}
    ]
    wrong = {"new": "another long one", "current": "guessed"}
    assert (await client.post("/api/auth/password", json=wrong)).status_code == 403
    right = {"new": "another long one", "current": "chosen by a person"}
    assert (await client.post("/api/auth/password", json=right)).status_code == 200


async def test_the_owner_of_the_machine_sets_a_password_without_the_old_one(
    owner: httpx.AsyncClient, client: httpx.AsyncClient, services: Services
) -> None:
    for new in ("the first chosen one", "the second, after forgetting"):
        answer = await owner.post("/api/auth/password", json={"new": new})
        assert answer.status_code == 200
    await sign_in(client, services, "the second, after forgetting")


async def test_a_short_password_is_refused(owner: httpx.AsyncClient) -> None:
    answer = await owner.post("/api/auth/password", json={"new": "short"})
    assert answer.status_code == 422
    assert answer.json()["error"]["details"][0]["field"] == "new"


async def test_sessions_are_listed_and_ended(
    client: httpx.AsyncClient, owner: httpx.AsyncClient, services: Services
) -> None:
    await sign_in(client, services)
    (mine,) = (await client.get("/api/auth/sessions")).json()["sessions"]
    assert mine["is_this"] is True
    assert (await owner.delete(f"/api/auth/sessions/{mine['id']}")).status_code == 204
    assert (await client.get("/api/auth/sessions")).status_code == 401
    assert (await owner.delete(f"/api/auth/sessions/{mine['id']}")).status_code == 404


async def test_signing_in_again_ends_the_session_before(
    client: httpx.AsyncClient, owner: httpx.AsyncClient, services: Services
) -> None:
    await sign_in(client, services)
    await sign_in(client, services)
    assert len((await owner.get("/api/auth/sessions")).json()["sessions"]) == 1


async def test_all_other_sessions_can_be_ended_at_once(
    client: httpx.AsyncClient, services: Services
) -> None:
    for _ in range(3):
        client.cookies.clear()
        await sign_in(client, services)
    assert (await client.delete("/api/auth/sessions")).json() == {"ended": 2}
    assert (await client.get("/api/auth/session")).status_code == 200


async def test_an_admin_key_may_do_what_its_scopes_say(
    client: httpx.AsyncClient, owner: httpx.AsyncClient
) -> None:
    made = await owner.post("/api/auth/keys", json={"name": "graphs", "scopes": ["read"]})
    assert made.status_code == 201
    client.headers["authorization"] = f"Bearer {made.json()['key']}"
    assert (await client.get("/api/status")).status_code == 200
    refused = await client.get("/api/auth/keys")
    assert refused.status_code == 403
    assert "admin" in refused.json()["error"]["message"]


async def test_a_key_is_shown_once_and_kept_as_a_digest(
    owner: httpx.AsyncClient, services: Services
) -> None:
    made = (await owner.post("/api/auth/keys", json={"name": "a", "scopes": ["admin"]})).json()
    listed = await owner.get("/api/auth/keys")
    assert made["key"] not in listed.text
    assert [key["name"] for key in listed.json()["admin_keys"]] == ["a"]
    assert made["key"] not in repr(services.store.audit.page(AuditFilter(), 10))
    assert made["key"].encode() not in services.installation.database.read_bytes()


async def test_a_revoked_key_is_out_at_once(
    client: httpx.AsyncClient, owner: httpx.AsyncClient
) -> None:
    made = (await owner.post("/api/auth/keys", json={"name": "a", "scopes": ["read"]})).json()
    client.headers["authorization"] = f"Bearer {made['key']}"
    path = f"/api/auth/keys/{made['admin_key']['id']}"
    assert (await owner.delete(path)).json()["in_force"] is False
    assert (await client.get("/api/status")).status_code == 401
    assert (await owner.delete(path)).status_code == 409
    assert (await owner.delete("/api/auth/keys/unknown")).status_code == 404


@pytest.mark.parametrize(
    ("content", "field"),
    [
        ({"name": "", "scopes": ["read"]}, "name"),
        ({"name": "a", "scopes": []}, "scopes"),
        ({"name": "a", "scopes": ["root"]}, "scopes[0]"),
        ({"name": "a", "scopes": ["read"], "expires_ms": 1}, "expires_ms"),
        ({"name": "a", "scopes": ["read"], "owner": "me"}, "owner"),
        ({"scopes": ["read"]}, "name"),
    ],
)
async def test_a_wrong_key_names_its_field(
    owner: httpx.AsyncClient, content: object, field: str
) -> None:
    answer = await owner.post("/api/auth/keys", json=content)
    assert answer.status_code == 422
    assert answer.json()["error"]["details"][0]["field"] == field


async def test_what_anybody_may_know(client: httpx.AsyncClient) -> None:
    assert (await client.get("/api/init")).json() == {"initialized": True}
    assert (await client.get("/api/auth/status")).json()["signed_in"] is False
