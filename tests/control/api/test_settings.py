"""Settings over the API: what each is, why, and its change, in force at once."""

from typing import Any

import httpx
import pytest

from omniroute.config.schema import sections
from omniroute.control.api.services import Services


async def test_every_section_is_shown_with_source_and_default(owner: httpx.AsyncClient) -> None:
    answer = (await owner.get("/api/settings")).json()
    shown = {section["name"]: section["settings"] for section in answer["sections"]}
    assert len(shown) == sum(not section.repeated for section in sections())
    assert shown["resilience"]["retryBaseMs"] == {
        "value": 250,
        "default": 250,
        "source": "default",
        "isEditable": True,
        "problem": "",
    }
    assert shown["server"]["port"]["isEditable"] is False


async def test_a_change_of_a_section_acts_and_is_undone_by_null(
    owner: httpx.AsyncClient, services: Services
) -> None:
    changed = await owner.patch("/api/settings/system-prompt", json={"prefix": "Be kind."})
    assert changed.json()["settings"]["prefix"]["source"] == "stored"
    assert services.configuration.snapshot is not None
    assert services.configuration.snapshot.system_prompt.prefix == "Be kind."
    await owner.patch("/api/settings/system-prompt", json={"prefix": None})
    assert services.configuration.snapshot.system_prompt.prefix == ""


async def test_sections_are_changed_together_or_not_at_all(
    owner: httpx.AsyncClient, services: Services
) -> None:
    body = {"routing": {"stickyLimit": 9}, "resilience": {"cooldownBaseS": 900}}
    refused = await owner.patch("/api/settings", json=body)
    assert refused.status_code == 422
    assert refused.json()["error"]["details"][0]["field"] == "resilience.cooldownMaxS"
    assert services.configuration.snapshot is not None
    assert services.configuration.snapshot.routing.sticky_limit == 3
    body["resilience"]["cooldownBaseS"] = 9
    assert (await owner.patch("/api/settings", json=body)).status_code == 200
    assert services.configuration.snapshot.routing.sticky_limit == 9


@pytest.mark.parametrize(
    ("path", "body", "field"),
    [
        ("resilience", {"retries": 99}, "retries"),
        ("resilience", {"colour": 1}, "colour"),
        ("routing", {"blockedProviders": ["nobody"]}, "blockedProviders[0]"),
        ("thinking-budget", {"mode": "hard"}, "mode"),
    ],
)
async def test_what_is_wrong_is_told_by_the_field_as_it_was_sent(
    owner: httpx.AsyncClient, path: str, body: dict[str, Any], field: str
) -> None:
    answer = await owner.put(f"/api/settings/{path}", json=body)
    assert answer.status_code == 422
    assert answer.json()["error"]["details"][0]["field"] == field


async def test_two_editors_of_a_section_do_not_overwrite_each_other(
    owner: httpx.AsyncClient,
) -> None:
    seen = (await owner.get("/api/settings/cache")).headers["etag"]
    first = await owner.patch("/api/settings/cache", json={"ttlS": 5}, headers={"if-match": seen})
    late = await owner.patch("/api/settings/cache", json={"ttlS": 6}, headers={"if-match": seen})
    assert (first.status_code, late.status_code) == (200, 412)
    again = first.headers["etag"]
    answer = await owner.patch("/api/settings/cache", json={"ttlS": 6}, headers={"if-match": again})
    assert answer.status_code == 200


async def test_what_only_a_start_reads_is_refused_with_the_place_for_it(
    owner: httpx.AsyncClient,
) -> None:
    answer = await owner.patch("/api/settings/server", json={"port": 1})
    assert answer.status_code == 409
    assert "configuration file" in answer.json()["error"]["message"]


async def test_a_secret_setting_is_never_shown(owner: httpx.AsyncClient) -> None:
    canary = "canary-in-the-coal-mine"
    proxy = f"http://user:{canary}@proxy.example:8080"
    answers = [
        await owner.patch("/api/settings/server", json={"proxy": proxy}),
        await owner.get("/api/settings"),
        await owner.get("/api/compliance/audit-log"),
    ]
    assert all(canary not in answer.text for answer in answers)


@pytest.mark.parametrize(
    ("section", "change"),
    [
        ("server", {"requireApiKey": False}),
        ("server", {"allowedHosts": ["elsewhere.example"]}),
        ("retention", {"auditDays": 1}),
        ("retention", {"auditRows": 1}),
        ("retention", {"requestsDays": 1}),
        ("upstream", {"caFile": __file__}),
    ],
)
async def test_who_is_let_in_and_how_long_what_is_kept_is_the_owners_to_say(
    owner: httpx.AsyncClient, section: str, change: dict[str, Any]
) -> None:
    wish = {"name": "configurer", "scopes": ["read", "write"]}
    key = (await owner.post("/api/auth/keys", json=wish)).json()["key"]
    headers = {"authorization": f"Bearer {key}"}
    one = await owner.patch(f"/api/settings/{section}", json=change, headers=headers)
    several = await owner.patch("/api/settings", json={section: change}, headers=headers)
    assert (one.status_code, several.status_code) == (403, 403)
    by_owner = await owner.patch(f"/api/settings/{section}", json=change)
    assert by_owner.status_code == 200
