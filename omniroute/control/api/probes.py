"""Trying connections: stored ones, those that are not saved yet, all of a kind; their own lists of
models, shown and imported. Nothing here counts against limits or changes the health of anybody."""

import secrets
from collections.abc import Sequence
from typing import Final, Literal

import msgspec

from omniroute.config import ConnectionSettings, StoredName
from omniroute.control.api.declare import Call, Route
from omniroute.control.api.services import Services
from omniroute.control.api.things import editing_of, in_wire_names
from omniroute.control.editing import Editing, Thing
from omniroute.control.policy import Policy
from omniroute.control.probing import Outcome, probe_all, probing
from omniroute.control.refusal import Denied, conflict, missing
from omniroute.snapshot import ProviderView, Snapshot

IMPORTED_MAX: Final = 1000

Mode = Literal[
    "all", "provider", "subscription", "apikey", "cheap", "free", "local", "oauth", "compatible"
]


class Try(msgspec.Struct, forbid_unknown_fields=True):
    """`model`: ask this one for an answer, in place of the list of models."""

    model: str = ""


class TryModel(msgspec.Struct, forbid_unknown_fields=True):
    """`model`: `provider/model`, asked for at the first connection of the provider that is on."""

    model: str


class Batch(msgspec.Struct, forbid_unknown_fields=True):
    """Whose connections to try: all, those of a provider (`providerId`), of a tier, of providers
    that are signed in to (`oauth`), or of custom ones (`compatible`)."""

    mode: Mode = "all"
    providerId: str = ""


class Batched(msgspec.Struct):
    results: list[Outcome]
    working: int
    failing: int


class Unsaved(msgspec.Struct, forbid_unknown_fields=True):
    """A connection to a provider that is known, or, with `format` and `baseUrl`, to a new one."""

    provider: str = ""
    apiKey: str = ""
    baseUrl: str | None = None
    format: str | None = None
    proxy: str | None = None
    headers: dict[str, str] = {}
    validationModelId: str = ""


class Listed(msgspec.Struct):
    """What the provider lists itself. `isKnown`: it stands in the list here already."""

    outcome: Outcome
    models: list["ListedModel"]


class ListedModel(msgspec.Struct):
    id: str
    isKnown: bool


class Imported(msgspec.Struct):
    added: list[str]
    known: int


async def test(call: Call) -> Outcome:
    id_ = call.path["id"]
    snapshot = await call.blocking(_with_it_on, call.services, id_)
    async with probing(snapshot, call.services.installation) as prober:
        return await prober.probe(id_, call.body.model)


async def test_model(call: Call) -> Outcome:
    prefix, _, model = call.body.model.partition("/")
    snapshot = _in_force(call.services)
    provider = await call.blocking(editing_of(call.services).provider_id, prefix)
    ids = [one.id for one in snapshot.connections if one.provider == provider]
    if not ids or not model:
        raise missing(f"connection that serves {call.body.model}")
    async with probing(snapshot, call.services.installation) as prober:
        return await prober.probe(ids[0], model)


async def test_batch(call: Call) -> Batched:
    services, wish = call.services, call.body
    mode: Mode = wish.mode
    snapshot = _in_force(services)
    provider_id = await call.blocking(editing_of(services).provider_id, wish.providerId)
    rows = {row.id: row for row in services.configuration.registry()}
    views = {view.id: view for view in snapshot.providers}

    def is_meant(view: ProviderView) -> bool:
        row = rows.get(view.id)
        match mode:
            case "all":
                return True
            case "provider":
                return view.id == provider_id
            case "oauth":
                return row is not None and bool(row.sign_in)
            case "compatible":
                return row is None
        return view.tier == mode

    ids = [one.id for one in snapshot.connections if is_meant(views[one.provider])]
    async with probing(snapshot, services.installation) as prober:
        results = await probe_all(prober, ids)
    working = sum(outcome.ok for outcome in results)
    return Batched(results, working, len(results) - working)


async def validate(call: Call) -> Outcome:
    """Compiled with the rest, asked, and forgotten."""
    wish: Unsaved = call.body
    name = f"validation-{secrets.token_hex(4)}"
    provider = name if wish.format is not None else wish.provider
    with in_wire_names(ConnectionSettings):
        snapshot = await call.blocking(
            _with_unsaved, editing_of(call.services, call.actor), wish, provider, name
        )
    id_ = next((one.id for one in snapshot.connections if one.name == name), f"{provider}/{name}")
    async with probing(snapshot, call.services.installation) as prober:
        outcome = await prober.probe(id_, wish.validationModelId)
    outcome.id = wish.provider
    return outcome


async def list_models(call: Call) -> Listed:
    id_ = call.path["id"]
    outcome, known = await _own_list(call, id_)
    return Listed(outcome, [ListedModel(model, model in known) for model in outcome.models])


async def import_models(call: Call) -> Imported:
    """Those that are not in the list yet."""
    id_ = call.path["id"]
    outcome, known = await _own_list(call, id_)
    if not outcome.models:
        why = "it gives none" if outcome.ok else outcome.message
        raise conflict(f"the provider's list of models cannot be had: {why}")
    new = [model for model in outcome.models if model not in known][:IMPORTED_MAX]
    provider = id_.partition("/")[0]
    things: Sequence[Thing] = await call.blocking(
        editing_of(call.services).create_all,
        "model",
        [{"provider": provider, "id": model} for model in new],
    )
    call.audit(f"models of {provider}", after={"added": new})
    return Imported([str(thing.values["id"]) for thing in things], len(known))


async def _own_list(call: Call, id_: str) -> tuple[Outcome, set[str]]:
    snapshot = await call.blocking(_with_it_on, call.services, id_)
    async with probing(snapshot, call.services.installation) as prober:
        outcome = await prober.probe(id_)
    provider = id_.partition("/")[0]
    known = {
        model
        for view in snapshot.providers
        if view.id == provider
        for model in (*(each.id for each in view.models), *view.models_off)
    }
    return outcome, known


def _in_force(services: Services) -> Snapshot:
    snapshot = services.configuration.snapshot
    assert snapshot is not None, "published before this process serves"
    return snapshot


def _with_it_on(services: Services, id_: str) -> Snapshot:
    """The snapshot in force, or for a connection that is off the one with it on."""
    snapshot = _in_force(services)
    if any(view.id == id_ for view in snapshot.connections):
        return snapshot
    editing = editing_of(services)
    thing = editing.thing("connection", id_)
    if thing.source == "file":
        return snapshot
    try:
        return editing.trial(lambda: editing.store_changed("connection", id_, {"enabled": True}))
    except Denied:
        return snapshot  # it is left out: the prober says that it is not there


def _with_unsaved(editing: Editing, wish: Unsaved, provider: str, name: str) -> Snapshot:

    def work() -> None:
        if wish.format is not None:
            editing.store_new(
                "provider",
                {
                    "id": name,
                    "format": wish.format,
                    "base_url": wish.baseUrl,
                    "headers": wish.headers or None,
                },
            )
        connection = {
            "provider": provider,
            "name": name,
            "api_key": wish.apiKey or None,
            "base_url": wish.baseUrl if wish.format is None else None,
            "proxy": wish.proxy,
        }
        editing.store_new("connection", connection)

    names = (
        StoredName("provider", name),
        StoredName("connection", f"{editing.provider_id(provider)}/{name}"),
    )
    return editing.trial(work, *names)


_ASKS = (409,)

ROUTES = (
    Route(
        "POST",
        "/api/providers/{id}/test",
        Policy.WRITE,
        "Try a connection: its list of models, else the shortest chat request.",
        test,
        input=Try,
        output=Outcome,
        changes=False,
        refuses=_ASKS,
        description="By the connection's own proxy and TLS settings. `fault` says what is wrong, "
        "`help` what would help; nothing is counted.",
    ),
    Route(
        "POST",
        "/api/models/test",
        Policy.WRITE,
        "Ask a model for the shortest answer.",
        test_model,
        input=TryModel,
        output=Outcome,
        changes=False,
        refuses=(404,),
    ),
    Route(
        "POST",
        "/api/providers/test-batch",
        Policy.WRITE,
        "Try many connections.",
        test_batch,
        input=Batch,
        output=Batched,
        changes=False,
    ),
    *(
        Route(
            "POST",
            path,
            Policy.WRITE,
            "Try a connection before it is saved.",
            validate,
            input=Unsaved,
            output=Outcome,
            changes=False,
            refuses=_ASKS,
        )
        for path in ("/api/providers/validate", "/api/provider-nodes/validate")
    ),
    Route(
        "GET",
        "/api/providers/{id}/models",
        Policy.WRITE,
        "The models that the provider lists right now.",
        list_models,
        output=Listed,
        refuses=_ASKS,
    ),
    Route(
        "POST",
        "/api/providers/{id}/sync-models",
        Policy.WRITE,
        "Add the models that the provider lists and that are not known here.",
        import_models,
        output=Imported,
        refuses=_ASKS,
    ),
)
