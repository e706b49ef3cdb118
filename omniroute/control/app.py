"""The management API and the dashboard as one ASGI app: every area's routes, and the pages.

Endpoints hold no state. They work with `Services`, which are given, so that tests run the app on
its own.
"""

from pathlib import Path
from typing import Final

from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import Router

from omniroute.control.api import (
    analytics,
    audit,
    auth,
    backups,
    bans,
    budgets,
    cache,
    combos,
    health,
    history,
    keys,
    live,
    logs,
    metrics,
    models,
    openapi,
    policies,
    pricing,
    probes,
    providers,
    proxies,
    purging,
    rehearsal,
    resilience,
    routing,
    settings,
    system,
    tools,
)
from omniroute.control.api.declare import Route
from omniroute.control.api.endpoint import endpoints, not_found
from omniroute.control.api.services import Services
from omniroute.control.routes import OpenRoute, build_router
from omniroute.control.static_files import StaticFiles

_AREAS: Final = (
    analytics.ROUTES,
    audit.ROUTES,
    auth.ROUTES,
    backups.ROUTES,
    bans.ROUTES,
    budgets.ROUTES,
    cache.ROUTES,
    combos.ROUTES,
    health.ROUTES,
    history.ROUTES,
    keys.ROUTES,
    live.ROUTES,
    logs.ROUTES,
    metrics.ROUTES,
    models.ROUTES,
    policies.ROUTES,
    pricing.ROUTES,
    probes.ROUTES,
    providers.ROUTES,
    proxies.ROUTES,
    purging.ROUTES,
    rehearsal.ROUTES,
    resilience.ROUTES,
    routing.ROUTES,
    settings.ROUTES,
    system.ROUTES,
    tools.ROUTES,
)
_ROUTES: Final[tuple[Route, ...]] = tuple(route for area in _AREAS for route in area)

API: Final[tuple[Route, ...]] = (*_ROUTES, openapi.route_of(_ROUTES))
"""All routes of the management API."""


def build_app(services: Services, dashboard_dir: Path, api: tuple[Route, ...] = API) -> Router:
    """All routes. Raises PolicyMissing or RouteInvalid when one is declared badly, OSError without
    a dashboard."""
    static = StaticFiles(dashboard_dir)
    paths = endpoints(api, services)
    pages = [
        OpenRoute("/", _to_dashboard),
        OpenRoute("/dashboard", _to_dashboard),
        OpenRoute("/dashboard/{path:path}", static.serve),
        OpenRoute("/healthz", _health),
    ]
    return build_router([*pages, *paths], not_found(paths))


async def _health(request: Request) -> Response:
    return JSONResponse({"status": "ok"}, headers={"cache-control": "no-store"})


async def _to_dashboard(request: Request) -> Response:
    return RedirectResponse("/dashboard/", 302)
