"""What a route of the management API is. One declaration gives routing, authorization, validation
of what comes in, and the description of it all.

    ROUTES = (
        Route("GET", "/api/combos/{id}", Policy.READ, "One combo.", read, output=ComboOut),
        Route("PUT", "/api/combos/{id}", Policy.WRITE, "Replace it.", replace,
              input=ComboIn, output=ComboOut),
    )

    async def read(call: Call) -> Answer:
        combo = await call.blocking(call.services.store.entity, "combo", call.path["id"])
        if combo is None:
            raise missing(f"combo {call.path['id']}")
        return Answer(shown(combo), etag=combo.version)

A handler runs only when the caller is allowed to, and query and body are valid. It returns the
output's value, or `Answer` to say more, or one of `answers` (`Lines`, `File`, `Events`). It refuses
with `refusal.missing`, `conflict`, `invalid` and the like; errors of store, state and configuration
may pass through it, the endpoint knows their status. Whatever blocks goes through `call.blocking`.

An unsafe call that succeeds leaves a record in the audit log: those the handler noted with
`call.audit`, or a plain one. A route that changes nothing says `changes=False`.

Structs of inputs and queries are declared with `forbid_unknown_fields=True`, so that a misspelt
field is an error that names it; wire names by `rename`. Times in JSON are Unix ms.
"""

from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple, ParamSpec, Protocol, TypeVar

import anyio.to_thread
import msgspec

from omniroute.control.access import Actor
from omniroute.control.api.services import Services
from omniroute.control.policy import Policy
from omniroute.control.refusal import stale
from omniroute.control.trail import entry_of
from omniroute.store.interface import AuditEntry

BODY_BYTES: Final = 1 << 20
SAFE_METHODS: Final = frozenset({"GET", "HEAD", "OPTIONS"})
_METHODS: Final = frozenset({"GET", "POST", "PUT", "PATCH", "DELETE"})

P = ParamSpec("P")
T = TypeVar("T")


class RouteInvalid(Exception):
    """A declaration that contradicts itself; the app does not start."""


class Upload(NamedTuple):
    """In the place of an input struct: a body that the handler reads itself, by `call.chunks()`.
    Of a `multipart/form-data`, where that is among the types, it gets the first file."""

    media_types: tuple[str, ...]
    limit_bytes: int


@dataclass(frozen=True)
class Answer:
    """A handler's value with what else the client should get.

    `etag` is the version of an editable thing, without quotes; the endpoint quotes it, and answers
    304 to a GET whose If-None-Match names it.
    """

    value: Any = None
    status: int = 0  # 0: the one that the route declares
    headers: Mapping[str, str] = field(default_factory=dict)
    etag: str | int = ""


@dataclass
class Call:
    """One request that has passed every check."""

    services: Services
    route: "Route"
    actor: Actor
    address: str
    path: Mapping[str, str]
    query: Any  # the route's query struct
    body: Any  # the route's input struct
    if_match: tuple[str, ...] = ()
    last_event_id: str = ""
    agent: str = ""  # what the client says of itself
    presented_cookie: str = ""  # of a session, checked or not
    presented_csrf: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)  # those that the route declares
    upload: AsyncGenerator[bytes, None] | None = None
    media_type: str = ""  # of an upload
    is_audited: bool = False
    changes: list[AuditEntry] = field(default_factory=list)
    cookie: str | None = None  # set by handlers that begin or end a session; "" removes it

    async def blocking(self, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run in a thread what waits for a disk, a lock or a long computation."""
        return await anyio.to_thread.run_sync(lambda: work(*args, **kwargs))

    def match(self, etag: str | int) -> None:
        """Raises Denied (412) when the client's If-Match does not name this version.

        Without If-Match, or with `*`, every version will do. Call it where the change is made,
        in the same transaction as the change if others may change it meanwhile.
        """
        if self.if_match and "*" not in self.if_match and str(etag) not in self.if_match:
            raise stale()

    def audit(self, target: str, *, before: object = None, after: object = None) -> None:
        """Note a change for the audit log: `combo/fast`, as it was, as it is. Structs or plain
        JSON; secrets are taken out before anything is stored. Written after the handler."""
        self.changes.append(self.entry(target, before=before, after=after))

    def entry(self, target: str, *, before: object = None, after: object = None) -> AuditEntry:
        """The same for a handler that writes it itself, in one transaction with the change:
        `store.audit.add(call.entry(...))`."""
        self.is_audited = True
        return entry_of(
            target,
            before,
            after,
            at_ms=self.services.now_ms(),
            actor=self.actor.label,
            address=self.address,
            action=self.route.name,
            route=f"{self.route.method} {self.route.path}",
        )

    def chunks(self) -> AsyncIterator[bytes]:
        """The body of an `Upload`, in pieces; raises Denied (413) beyond its limit."""
        if self.upload is None:
            raise RouteInvalid("the route declares no upload")
        return self.upload


class Handler(Protocol):
    """An async function; its name is that of the operation (`combos.replace`)."""

    __name__: str

    def __call__(self, call: Call, /) -> Awaitable[Any]: ...


@dataclass(frozen=True)
class Route:
    """One method at one path. `{name}` stands for one segment, `{name:path}` for the rest."""

    method: str
    path: str
    policy: Policy
    summary: str
    handler: Handler
    input: type[msgspec.Struct] | Upload | None = None
    query: type[msgspec.Struct] | None = None
    output: Any = None  # any type msgspec describes; None: no content (204)
    status: int = 0  # 0: 200, or 204 without an output
    produces: str = "application/json"  # of a stream or file: its media type
    refuses: tuple[int, ...] = ()  # statuses beyond those that every such route may answer
    headers: tuple[str, ...] = ()  # further ones that it reads; values are percent-encoded UTF-8
    editable: bool = False  # honours If-Match
    changes: bool = True  # of an unsafe method: leaves a record in the audit log
    body_bytes: int = BODY_BYTES
    description: str = ""

    def __post_init__(self) -> None:
        if not isinstance(self.policy, Policy):
            raise RouteInvalid(f"{self.method} {self.path} declares no policy")
        if self.method not in _METHODS or not self.path.startswith(("/api/", "/metrics")):
            raise RouteInvalid(f"{self.method} {self.path} is no route of the API")
        if self.input is not None and self.method == "GET":
            raise RouteInvalid(f"GET {self.path} cannot have an input")
        for struct in (self.input, self.query):
            if isinstance(struct, type) and not struct.__struct_config__.forbid_unknown_fields:
                raise RouteInvalid(
                    f"{self.method} {self.path}: {struct.__name__} must forbid unknown fields"
                )

    @property
    def success(self) -> int:
        """The status of an answer that says none."""
        has_content = self.output is not None or self.produces != "application/json"
        return self.status or (200 if has_content else 204)

    @property
    def is_unsafe(self) -> bool:
        return self.method not in SAFE_METHODS

    @property
    def name(self) -> str:
        """What the audit log and the OpenAPI document call it: `combos.replace`."""
        return f"{self.area}.{self.handler.__name__}"

    @property
    def area(self) -> str:
        """The first name below `/api/`: `combos`."""
        return self.path.removeprefix("/api").split("/")[1].removesuffix(".json")
