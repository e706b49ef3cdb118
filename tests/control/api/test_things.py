"""What is edited over the API acts, is guarded by its version, and says no secret and no lie."""

from collections.abc import Callable
from typing import Any

import httpx
import pytest

from omniroute.control.api.services import Services

COMBO = {"name": "fast", "models": ["openai/one", {"model": "claude/two", "weight": 2.0}]}


def details(answer: httpx.Response) -> dict[str, str]:
    assert answer.status_code == 422
    return {each["field"]: each["message"] for each in answer.json()["error"]["details"]}


async def test_a_thing_is_created_read_changed_listed_and_deleted(
    owner: httpx.AsyncClient, services: Services
) -> None:
    made = await owner.post("/api/combos", json=COMBO)
    assert made.status_code == 201
    assert made.json()["stickyLimit"] == 1
    assert made.headers["etag"] == f'"{made.json()["version"]}"'
    read = await owner.get("/api/combos/fast")
    assert read.json() == made.json()

    changed = await owner.put("/api/combos/fast", json={"stickyLimit": 3, "isActive": False})
    assert (changed.json()["stickyLimit"], changed.json()["isActive"]) == (3, False)
    assert changed.json()["models"] == COMBO["models"]
    listed = (await owner.get("/api/combos")).json()
    assert listed == {"combos": [changed.json()]}
    assert services.configuration.snapshot is not None
    assert services.configuration.snapshot.combos == ()

    assert (await owner.delete("/api/combos/fast")).status_code == 204
    assert (await owner.get("/api/combos/fast")).status_code == 404


async def test_null_gives_the_default_back(owner: httpx.AsyncClient) -> None:
    await owner.post("/api/combos", json=COMBO | {"strategy": "random"})
    changed = await owner.patch("/api/combos/fast", json={"strategy": None})
    assert changed.json()["strategy"] == "priority"


@pytest.mark.parametrize(
    ("more", "field"),
    [
        ({"stickyLimit": 0}, "stickyLimit"),
        ({"colour": 1}, "colour"),
        ({"models": ["openai/one", "nobody/x"]}, "models[1]"),
        ({"proxy": "nonsense"}, "proxy"),
    ],
)
async def test_what_is_wrong_is_told_by_the_field_as_it_was_sent(
    owner: httpx.AsyncClient, more: dict[str, Any], field: str
) -> None:
    assert list(details(await owner.post("/api/combos", json=COMBO | more))) == [field]
    assert (await owner.get("/api/combos")).json() == {"combos": []}


@pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE"])
async def test_two_editors_do_not_overwrite_each_other(
    owner: httpx.AsyncClient, method: str
) -> None:
    made = await owner.post("/api/combos", json=COMBO)
    await owner.patch("/api/combos/fast", json={"stickyLimit": 2})
    body = None if method == "DELETE" else {"stickyLimit": 9}
    late = await owner.request(
        method, "/api/combos/fast", json=body, headers={"if-match": made.headers["etag"]}
    )
    assert late.status_code == 412
    assert (await owner.get("/api/combos/fast")).json()["stickyLimit"] == 2


async def test_the_order_is_kept(owner: httpx.AsyncClient) -> None:
    for name in ("a", "b", "c"):
        await owner.post("/api/combos", json=COMBO | {"name": name})
    answer = await owner.post("/api/combos/reorder", json={"ids": ["c"]})
    assert [each["id"] for each in answer.json()["combos"]] == ["c", "a", "b"]
    answer = await owner.post("/api/combos/reorder", json={"comboIds": ["b", "c"]})
    assert [each["id"] for each in answer.json()["combos"]] == ["b", "c", "a"]


async def test_an_id_with_a_slash_is_one_segment(owner: httpx.AsyncClient) -> None:
    await owner.post("/api/combos", json=COMBO | {"name": "team/fast"})
    assert (await owner.get("/api/combos/team%2Ffast")).json()["id"] == "team/fast"


async def test_secrets_are_answered_by_a_placeholder_and_not_audited(
    owner: httpx.AsyncClient, services: Services
) -> None:
    canary = "canary-in-the-coal-mine"
    proxy = f"http://user:{canary}@proxy.example:8080"
    answers = [
        await owner.post("/api/combos", json=COMBO | {"proxy": proxy}),
        await owner.patch("/api/combos/fast", json={"stickyLimit": 2}),
        await owner.get("/api/combos"),
        await owner.get("/api/compliance/audit-log"),
    ]
    assert all(canary not in answer.text for answer in answers)
    assert answers[0].json()["proxy"] == "http://[secret]@proxy.example:8080"
    shown = {"proxy": answers[0].json()["proxy"], "stickyLimit": 3}
    assert (await owner.patch("/api/combos/fast", json=shown)).status_code == 200
    (view,) = services.configuration.snapshot.combos  # type: ignore[union-attr]
    assert view.proxy == proxy


async def test_every_change_is_audited_with_before_and_after(owner: httpx.AsyncClient) -> None:
    await owner.post("/api/combos", json=COMBO)
    await owner.patch("/api/combos/fast", json={"stickyLimit": 2})
    await owner.delete("/api/combos/fast")
    told = (await owner.get("/api/compliance/audit-log")).text
    for action in ("combos.create", "combos.change", "combos.delete"):
        assert action in told


@pytest.fixture
def filed(services: Services, tmp_path: Any) -> Callable[[str], None]:
    """Give the configuration a file with this text."""

    def filed(text: str) -> None:
        file = tmp_path / "omniroute.toml"
        file.write_text(text)
        services.configuration._sources.config_file = file
        services.configuration.publish()

    return filed


async def test_what_the_file_declares_is_shown_and_not_changed(
    owner: httpx.AsyncClient, filed: Callable[[str], None]
) -> None:
    filed('[[combos]]\nname = "filed"\nmodels = ["openai/one"]\n')
    assert (await owner.get("/api/combos")).json()["combos"][0]["source"] == "file"
    for answer in (
        await owner.patch("/api/combos/filed", json={"stickyLimit": 2}),
        await owner.delete("/api/combos/filed"),
        await owner.post("/api/combos", json=COMBO | {"name": "filed"}),
    ):
        assert answer.status_code == 409
        assert "omniroute.toml" in answer.json()["error"]["message"]
