"""Proxies at their five levels (connection, combo, provider, global, environment), nearest first,
and whether one of them works."""

import os
import time
from collections.abc import Mapping
from typing import Any, Final, Literal

import msgspec
import trio

from omniroute.config import ComboSettings, ConnectionSettings, ProviderSettings
from omniroute.config.rules import proxy_problem
from omniroute.config.urls import host_and_port, url_problem
from omniroute.control.api.declare import Call, Route
from omniroute.control.api.services import Services
from omniroute.control.api.things import editing_of, in_wire_names
from omniroute.control.editing import Editing
from omniroute.control.policy import Policy
from omniroute.control.refusal import invalid, missing
from omniroute.control.sealing import HIDDEN, hidden
from omniroute.net.connector import ConnectFailed, Connector, Origin
from omniroute.net.readiness import open_readiness

Level = Literal["global", "provider", "combo", "connection"]

_KINDS: Final[Mapping[str, Any]] = {
    "provider": ProviderSettings,
    "combo": ComboSettings,
    "connection": ConnectionSettings,
}
_VARIABLES: Final = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY")
_TEST_TARGET: Final = "https://api.openai.com"  # where nothing is configured that says better


class Proxies(msgspec.Struct):
    """What is set at each level, without credentials; null and absent: nothing."""

    global_: str | None = msgspec.field(name="global")
    providers: dict[str, str]
    combos: dict[str, str]
    connections: dict[str, str]
    environment: dict[str, str]


class SetProxy(msgspec.Struct, forbid_unknown_fields=True):
    """`id`: of the provider, combo or connection. A proxy is `http://`, `https://` or `socks5://`
    with host and port, credentials allowed; null: none at this level."""

    level: Level
    proxy: str | None
    id: str = ""


class WhichProxy(msgspec.Struct, forbid_unknown_fields=True):
    level: Level
    id: str = ""


class TryProxy(msgspec.Struct, forbid_unknown_fields=True):
    """A proxy, or the one that is set at a level; `target`: the URL of a host to reach by it."""

    proxy: str = ""
    level: Level | None = None
    id: str = ""
    target: str = ""


class ProxyOutcome(msgspec.Struct):
    """Whether a connection could be made by the proxy, TLS included where the target has it."""

    ok: bool
    message: str
    target: str
    latencyMs: int


async def show(call: Call) -> Proxies:
    return await call.blocking(_shown, call.services)


def _shown(services: Services) -> Proxies:
    editing = editing_of(services)
    by_kind = {
        kind: {
            thing.id: proxy
            for thing in editing.things(kind)
            if not thing.problem and (proxy := thing.hidden().get("proxy"))
        }
        for kind in _KINDS
    }
    environment = {
        name: value
        for name in _VARIABLES
        if (value := os.environ.get(name) or os.environ.get(name.lower()))
    }
    section, _ = editing.section("server")
    return Proxies(
        global_=section["proxy"].value,
        providers=by_kind["provider"],
        combos=by_kind["combo"],
        connections=by_kind["connection"],
        environment={name: _bare(value) for name, value in environment.items()},
    )


def _bare(proxy: str) -> str:
    """Without who signs in; the environment may leave out the scheme."""
    if "://" in proxy:
        return str(hidden(ComboSettings, {"proxy": proxy})["proxy"])
    user, at, rest = proxy.rpartition("@")
    return f"{HIDDEN}@{rest}" if user and at else proxy


async def change(call: Call) -> Proxies:
    await _set(call, call.body.level, call.body.id, call.body.proxy)
    return await show(call)


async def remove(call: Call) -> Proxies:
    await _set(call, call.query.level, call.query.id, None)
    return await show(call)


async def _set(call: Call, level: Level, id_: str, proxy: str | None) -> None:
    if level != "global" and not id_:
        raise invalid("id", "this field is needed")
    with in_wire_names(ComboSettings):
        await call.blocking(
            _store, editing_of(call.services, call.actor), call.services, level, id_, proxy
        )
    shown = None if proxy is None else _bare(proxy)
    call.audit(f"proxy/{level}/{id_}".rstrip("/"), after={"proxy": shown})


def _store(editing: Editing, services: Services, level: Level, id_: str, proxy: str | None) -> None:
    if level == "global":
        editing.change_sections({"server": {"proxy": proxy}})
        return
    if level == "provider":
        id_ = editing.provider_id(id_)
        known = {row.id for row in services.configuration.registry()}
        if services.store.entities.get("provider", id_) is None and id_ in known:
            editing.create("provider", {"id": id_, "proxy": proxy})
            return
    editing.patch(level, id_, {"proxy": proxy})


async def test(call: Call) -> ProxyOutcome:
    wish: TryProxy = call.body
    proxy = wish.proxy or await call.blocking(_known, call.services, wish)
    if problem := proxy_problem(proxy):
        raise invalid("proxy", problem)
    snapshot = call.services.configuration.snapshot
    assert snapshot is not None, "published before this process serves"
    roots = [view.base_url for view in snapshot.providers if view.base_url.startswith("https")]
    target = wish.target or next(iter(roots), _TEST_TARGET)
    if problem := url_problem(target):
        raise invalid("target", problem)
    host, port, tls = host_and_port(target)
    origin = Origin("https" if tls else "http", host, port, proxy=proxy)
    failed, took_ms = await _reach(origin, snapshot.upstream.connect_s)
    where = f"{host}:{port}"
    return ProxyOutcome(not failed, failed or f"{where} is reached by it.", where, took_ms)


async def _reach(origin: Origin, connect_s: float) -> tuple[str, int]:
    """Why it cannot be reached, "" when it can; and how long that took."""
    began = time.monotonic()
    failed = ""
    readiness = open_readiness()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(readiness.run)
        try:
            transport = await Connector(readiness, connect_s=connect_s).connect(origin)
        except ConnectFailed as error:
            failed = f"It cannot be reached: {error}."
        else:
            transport.close()
        nursery.cancel_scope.cancel()
    return failed, round((time.monotonic() - began) * 1000)


def _known(services: Services, wish: TryProxy) -> str:
    editing = editing_of(services)
    proxy: str | None = None
    if wish.level == "global":
        snapshot = services.configuration.snapshot
        proxy = None if snapshot is None else snapshot.server.proxy
    elif wish.level is not None:
        proxy = editing.thing(wish.level, wish.id).values.get("proxy")
    if not proxy:
        raise missing("proxy to test")
    return proxy


ROUTES = (
    Route(
        "GET",
        "/api/settings/proxy",
        Policy.READ,
        "The proxies of all levels; the nearest one holds.",
        show,
        output=Proxies,
    ),
    Route(
        "PUT",
        "/api/settings/proxy",
        Policy.WRITE,
        "Set the proxy of a level, or take it away.",
        change,
        input=SetProxy,
        output=Proxies,
        refuses=(404, 409),
    ),
    Route(
        "DELETE",
        "/api/settings/proxy",
        Policy.WRITE,
        "Take away the proxy of a level.",
        remove,
        query=WhichProxy,
        output=Proxies,
        refuses=(404, 409),
    ),
    Route(
        "POST",
        "/api/settings/proxy/test",
        Policy.WRITE,
        "Connect to a host by a proxy. No third party is asked.",
        test,
        input=TryProxy,
        output=ProxyOutcome,
        changes=False,
        refuses=(404,),
    ),
)
