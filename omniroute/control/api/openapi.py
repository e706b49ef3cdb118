"""The OpenAPI document (3.1) of all declared routes, made from the declarations alone.

Schemas are msgspec's of the structs; what a route may refuse follows from what it takes. The scope
that an admin key needs stands as `x-scope` beside the operation.
"""

import re
from collections.abc import Iterable, Sequence
from functools import cache
from http import HTTPStatus
from typing import Any, Final

import msgspec

from omniroute import __version__
from omniroute.control.api.declare import Call, Route, Upload
from omniroute.control.policy import Policy
from omniroute.control.sessions import COOKIE_NAME

_REF: Final = "#/components/schemas/{name}"
_PARAMETER: Final = re.compile(r"\{(\w+)(?::path)?\}")
_DESCRIPTION: Final = (
    "Everything an owner does with the gateway apart from sending requests through it. Times are "
    "Unix milliseconds; money is in micro-USD integers (`*_microusd`)."
)
_SECURITY_SCHEMES: Final = {
    "bearer": {
        "type": "http",
        "scheme": "bearer",
        "description": "An admin key with the scope `x-scope`, or the token of the data directory.",
    },
    "session": {"type": "apiKey", "in": "cookie", "name": COOKIE_NAME},
    "csrf": {
        "type": "apiKey",
        "in": "header",
        "name": "X-CSRF-Token",
        "description": "Of the session; for unsafe methods.",
    },
}


class ErrorDetail(msgspec.Struct):
    """A field of what was sent, and the rule that it breaks."""

    field: str
    message: str


class ErrorBody(msgspec.Struct, omit_defaults=True):
    """What went wrong, in a sentence; `details` where single fields are wrong."""

    type: str
    message: str
    details: list[ErrorDetail] = []


class Error(msgspec.Struct):
    """Every error."""

    error: ErrorBody


def route_of(routes: Sequence[Route]) -> Route:
    """The route that shows the document of these routes and itself."""

    # Made when somebody asks first: describing every type takes longer than starting should.
    @cache
    def document() -> msgspec.Raw:
        return msgspec.Raw(msgspec.json.encode(document_of((*routes, route))))

    async def show(call: Call) -> msgspec.Raw:
        return await call.blocking(document)

    route = Route(
        "GET",
        "/api/openapi.json",
        Policy.READ,
        "This description, as an OpenAPI document.",
        show,
        output=dict[str, Any],
    )
    return route


def document_of(routes: Iterable[Route]) -> dict[str, Any]:
    """The document, as JSON values."""
    declared = sorted(routes, key=lambda route: (route.area, route.path, route.method))
    types = [
        kind
        for route in declared
        for kind in (None if isinstance(route.input, Upload) else route.input, route.output)
        if kind is not None
    ]
    schemas, components = msgspec.json.schema_components([*types, Error], ref_template=_REF)
    described = iter(schemas)
    paths: dict[str, dict[str, Any]] = {}
    names: dict[str, int] = {}
    for route in declared:
        takes = None if route.input is None or isinstance(route.input, Upload) else next(described)
        gives = None if route.output is None else next(described)
        name = route.name
        names[name] = names.get(name, 0) + 1
        if names[name] > 1:
            name = f"{name}.{names[name]}"
        path = _PARAMETER.sub(r"{\1}", route.path)
        paths.setdefault(path, {})[route.method.lower()] = _operation(route, name, takes, gives)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "OmniRoute management API",
            "version": __version__,
            "description": _DESCRIPTION,
        },
        "servers": [{"url": "/"}],
        "paths": paths,
        "components": {"schemas": components, "securitySchemes": _SECURITY_SCHEMES},
    }


def _operation(route: Route, name: str, takes: Any, gives: Any) -> dict[str, Any]:
    operation: dict[str, Any] = {
        "operationId": name,
        "tags": [route.area],
        "summary": route.summary,
        "security": _security(route),
        "parameters": [*_path_parameters(route), *_query_parameters(route), *_headers(route)],
        "responses": _responses(route, gives),
    }
    if route.description:
        operation["description"] = route.description
    if route.policy is not Policy.OPEN:
        operation["x-scope"] = route.policy.value
    if isinstance(route.input, Upload):
        content = {media: {"schema": {"type": "string"}} for media in route.input.media_types}
        operation["requestBody"] = {"required": True, "content": content}
    elif takes is not None:
        content = {"application/json": {"schema": takes}}
        operation["requestBody"] = {"required": True, "content": content}
    return operation


def _security(route: Route) -> list[dict[str, list[str]]]:
    if route.policy is Policy.OPEN:
        return []
    session: dict[str, list[str]] = {"session": []}
    return [{"bearer": []}, session | {"csrf": []} if route.is_unsafe else session]


def _path_parameters(route: Route) -> list[dict[str, Any]]:
    return [
        {
            "name": name,
            "in": "path",
            "required": True,
            "schema": {"type": "string", "minLength": 1},
        }
        for name in _PARAMETER.findall(route.path)
    ]


def _query_parameters(route: Route) -> list[dict[str, Any]]:
    if route.query is None:
        return []
    (reference,), components = msgspec.json.schema_components([route.query], ref_template=_REF)
    schema = components[reference["$ref"].rpartition("/")[2]]
    required = schema.get("required", ())
    return [
        {"name": name, "in": "query", "required": name in required, "schema": described}
        for name, described in schema["properties"].items()
    ]


def _headers(route: Route) -> list[dict[str, Any]]:
    names = (*route.headers, *(("If-Match",) if route.editable else ()))
    return [
        {"name": name, "in": "header", "required": False, "schema": {"type": "string"}}
        for name in names
    ]


def _responses(route: Route, gives: Any) -> dict[str, Any]:
    success: dict[str, Any] = {"description": HTTPStatus(route.success).phrase}
    if gives is not None or route.produces != "application/json":
        content = {"schema": {"type": "string"} if gives is None else gives}
        success["content"] = {route.produces: content}
    statuses = sorted({*route.refuses, *_usual_refusals(route)})
    return {str(route.success): success} | {
        str(status): {
            "description": HTTPStatus(status).phrase,
            "content": {"application/json": {"schema": {"$ref": _REF.format(name="Error")}}},
        }
        for status in statuses
    }


def _usual_refusals(route: Route) -> set[int]:
    """What any such route may answer, whatever it does."""
    statuses = {422, 503}  # 422: also for a parameter that there is not
    if route.policy is not Policy.OPEN:
        statuses |= {401, 403}
    if _PARAMETER.search(route.path):
        statuses.add(404)
    if route.input is not None:
        statuses |= {400, 408, 413, 415}
    if route.editable:
        statuses |= {409, 412}
    return statuses
