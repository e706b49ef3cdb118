"""Tools: the translator, a plan tried without asking anybody, a combo tried by asking each of its
targets, the playground."""

from collections.abc import Sequence
from typing import Annotated, Any, Final, Literal

import msgspec
from msgspec import Meta

from omniroute.control import translator
from omniroute.control.api.answers import Piped
from omniroute.control.api.declare import Call, Route
from omniroute.control.conversations import Conversation
from omniroute.control.dry_run import DryRun, Target, dry_run
from omniroute.control.inside import DataPlaneSilent
from omniroute.control.policy import Policy
from omniroute.control.probing import Outcome, probing
from omniroute.control.refusal import Denied, invalid, missing
from omniroute.control.translator import Detected, Translated, TranslationRefused
from omniroute.errors import GatewayError
from omniroute.snapshot import KeyView, Snapshot

_BODY_BYTES: Final = 8 << 20
_TARGETS: Final = 50  # of one combo that are asked
_RECENT_MS: Final = 3_600_000

Name = Annotated[str, Meta(min_length=1, max_length=400)]
ClientFormat = Literal["openai", "openai-responses", "claude"]

# Where a client of a format sends its chats; `{provider}` pins the provider.
_PATHS: Final[dict[str, str]] = {
    "openai": "/chat/completions",
    "openai-responses": "/responses",
    "claude": "/messages",
}


class Body(msgspec.Struct, forbid_unknown_fields=True):
    """JSON of a request or an answer, or the text of a stream."""

    body: dict[str, Any] | str


class Translate(msgspec.Struct, forbid_unknown_fields=True, rename="camel", kw_only=True):
    """What is not given of source and kind is detected. `model`: the name in the translation."""

    body: dict[str, Any] | str
    target_format: Name
    source_format: str = ""
    kind: translator.Kind | None = None
    model: str = ""


class Ask(msgspec.Struct, forbid_unknown_fields=True, rename="camel", kw_only=True):
    """For which model, alias or combo; as the client with this key, where one is given."""

    model: Name
    key_id: str = ""


class ComboTest(msgspec.Struct, forbid_unknown_fields=True, rename="camel", kw_only=True):
    """Which combo."""

    combo_name: Name


class TargetTest(msgspec.Struct, kw_only=True):
    """How one target did. `outcome` is null for one that cannot be asked; `reason` says why not."""

    target: Target
    outcome: Outcome | None


class ComboTested(msgspec.Struct, kw_only=True):
    """Each target in the order of the plan."""

    combo: str
    working: int
    results: list[TargetTest]


class ComboHealth(msgspec.Struct, kw_only=True):
    """`usable` of `total` targets would be tried now; `first` is the one that would be first."""

    combo: str
    total: int
    usable: int
    first: str | None
    problem: str


class CombosHealth(msgspec.Struct):
    """All combos."""

    combos: list[ComboHealth]


class Chat(msgspec.Struct, forbid_unknown_fields=True, rename="camel", kw_only=True):
    """A chat request as a client of this format would send it."""

    body: dict[str, Any]
    format: ClientFormat = "openai"
    provider: str = ""
    cache: bool = False


class Sent(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """A chat request for one provider."""

    provider: Name
    body: dict[str, Any]
    format: ClientFormat = "openai"


class Recent(msgspec.Struct, forbid_unknown_fields=True):
    """Used since when; the last hour unless asked."""

    since_ms: Annotated[int, Meta(ge=0, le=(1 << 53) - 1)] | None = None


class Sessions(msgspec.Struct):
    """The last used first."""

    sessions: Sequence[Conversation]


async def detect(call: Call) -> Detected:
    try:
        return translator.detect(call.body.body)
    except TranslationRefused as error:
        raise invalid(error.field, str(error)) from error


async def translate(call: Call) -> Translated:
    """Nothing is sent anywhere."""
    wish: Translate = call.body
    try:
        return await call.blocking(
            lambda: translator.translate(
                wish.body,
                wish.target_format,
                source=wish.source_format,
                model=wish.model,
                kind=wish.kind,
            )
        )
    except TranslationRefused as error:
        raise invalid(error.field, str(error)) from error


async def send(call: Call) -> Piped:
    """The playground with the provider pinned."""
    wish: Sent = call.body
    return await _asked(call, Chat(body=wish.body, format=wish.format, provider=wish.provider))


async def chat(call: Call) -> Piped:
    return await _asked(call, call.body)


async def _asked(call: Call, wish: Chat) -> Piped:
    data_plane = call.services.data_plane
    if data_plane is None:
        raise Denied(503, "the data plane is not running")
    path = "/v1" + _PATHS[wish.format]
    if wish.provider:
        if not wish.provider.replace("-", "").replace("_", "").isalnum():
            raise invalid("provider", "this is no provider's id")
        path = f"/v1/providers/{wish.provider}{_PATHS[wish.format]}"
    headers = {} if wish.cache else {"x-omniroute-no-cache": "true"}
    try:
        answer = await data_plane.post(path, msgspec.json.encode(wish.body), headers)
    except DataPlaneSilent as error:
        raise Denied(502, str(error)) from error
    return Piped(answer.pieces, answer.media_type, answer.status, answer.headers)


async def plan(call: Call) -> DryRun:
    wish: Ask = call.body
    snapshot = _in_force(call)
    key = _key(snapshot, wish.key_id) if wish.key_id else None
    return await call.blocking(_planned, call, snapshot, wish.model, key)


async def test_combo(call: Call) -> ComboTested:
    """Every target once, also those that rest: whether they are back is what is asked. It counts
    against no limit and changes no condition."""
    name = call.body.combo_name
    snapshot = _in_force(call)
    if name not in {combo.name for combo in snapshot.combos}:
        raise missing(f"combo {name}")
    planned = await call.blocking(_planned, call, snapshot, name, None)
    targets = [target for target in planned.targets if not target.why][:_TARGETS]
    results: list[TargetTest] = []
    async with probing(snapshot, call.services.installation) as prober:
        for target in targets:
            outcome = None
            if target.connection:
                outcome = await prober.probe(target.connection, target.model.partition("/")[2])
            results.append(TargetTest(target=target, outcome=outcome))
    working = sum(result.outcome is not None and result.outcome.ok for result in results)
    return ComboTested(combo=name, working=working, results=results)


async def combo_health(call: Call) -> CombosHealth:
    snapshot = _in_force(call)
    found = await call.blocking(
        lambda: [_combo_health(call, snapshot, combo.name) for combo in snapshot.combos]
    )
    return CombosHealth(found)


def _combo_health(call: Call, snapshot: Snapshot, name: str) -> ComboHealth:
    services = call.services
    try:
        planned = dry_run(snapshot, services.state, name, services.now_ms())
    except GatewayError as error:
        return ComboHealth(combo=name, total=0, usable=0, first=None, problem=error.message)
    own = [target for target in planned.targets if not target.why]
    usable = [target for target in own if not target.reason]
    first = f"{usable[0].model} at {usable[0].connection}" if usable else None
    return ComboHealth(combo=name, total=len(own), usable=len(usable), first=first, problem="")


async def sessions(call: Call) -> Sessions:
    since_ms = call.query.since_ms
    if since_ms is None:
        since_ms = call.services.now_ms() - _RECENT_MS
    return Sessions(call.services.conversations.since(since_ms))


def _in_force(call: Call) -> Snapshot:
    snapshot = call.services.configuration.snapshot
    if snapshot is None:
        raise Denied(503, "no configuration is in force yet")
    return snapshot


def _key(snapshot: Snapshot, id_: str) -> KeyView:
    for key in snapshot.keys:
        if key.id == id_:
            return key
    raise missing(f"key {id_}")


def _planned(call: Call, snapshot: Snapshot, model: str, key: KeyView | None) -> DryRun:
    services = call.services
    try:
        return dry_run(snapshot, services.state, model, services.now_ms(), key)
    except GatewayError as error:
        raise invalid("model", error.message) from error


ROUTES: Final = (
    Route(
        "POST",
        "/api/translator/detect",
        Policy.READ,
        "Which format a request, an answer or a stream is in.",
        detect,
        input=Body,
        output=Detected,
        changes=False,
        body_bytes=_BODY_BYTES,
    ),
    Route(
        "POST",
        "/api/translator/translate",
        Policy.READ,
        "The same in another format, and what is lost by it; nothing is sent.",
        translate,
        input=Translate,
        output=Translated,
        changes=False,
        body_bytes=_BODY_BYTES,
    ),
    Route(
        "POST",
        "/api/translator/send",
        Policy.WRITE,
        "Send a chat request to one provider, through the data plane.",
        send,
        input=Sent,
        produces="application/json",
        status=200,
        refuses=(502, 503),
        changes=False,
        body_bytes=_BODY_BYTES,
    ),
    Route(
        "POST",
        "/api/playground/chat",
        Policy.WRITE,
        "Send a chat request through the data plane, and stream its answer.",
        chat,
        input=Chat,
        produces="application/json",
        status=200,
        refuses=(502, 503),
        changes=False,
        body_bytes=_BODY_BYTES,
        description="It costs what any request costs, and stands in the request log under the key "
        "`dashboard/playground`. Status and body are those of the data plane.",
    ),
    Route(
        "POST",
        "/api/routing/dry-run",
        Policy.READ,
        "What would happen now to a request for this model: each target, and why not.",
        plan,
        input=Ask,
        output=DryRun,
        refuses=(404,),
        changes=False,
    ),
    Route(
        "POST",
        "/api/combos/test",
        Policy.WRITE,
        "Ask each target of a combo for a word.",
        test_combo,
        input=ComboTest,
        output=ComboTested,
        refuses=(404,),
        changes=False,
    ),
    Route(
        "GET",
        "/api/usage/combo-health",
        Policy.READ,
        "How many targets of each combo would be tried now.",
        combo_health,
        output=CombosHealth,
    ),
    Route(
        "GET",
        "/api/sessions",
        Policy.READ,
        "Conversations of late: what each used, and the account that it is at.",
        sessions,
        query=Recent,
        output=Sessions,
    ),
)
