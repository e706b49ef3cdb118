"""The OpenAPI document is whole, and what is answered is what it says: asked by schemathesis."""

import socket
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis import GenerationMode
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from omniroute.control.api.declare import Route
from omniroute.control.api.openapi import document_of
from omniroute.control.api.services import Services
from omniroute.control.app import API
from tests.control.served import served

CHECKS = [
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
]
# A feed does not end by itself; tests of feeds read them.
ASKED = [route for route in API if route.produces != "text/event-stream"]


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    return document_of(API)


@pytest.fixture(scope="module")
def schema(document: dict[str, Any]) -> Any:
    return schemathesis.openapi.from_dict(document)


def references(value: object) -> Iterator[str]:
    if isinstance(value, dict):
        if isinstance(value.get("$ref"), str):
            yield value["$ref"]
        for inner in value.values():
            yield from references(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from references(inner)


def test_every_route_is_described_once(document: dict[str, Any]) -> None:
    described = {
        (method.upper(), path) for path, methods in document["paths"].items() for method in methods
    }
    assert described == {(route.method, route.path.replace(":path}", "}")) for route in API}
    names = [
        operation["operationId"]
        for methods in document["paths"].values()
        for operation in methods.values()
    ]
    assert len(set(names)) == len(names)


def test_every_reference_leads_somewhere(document: dict[str, Any]) -> None:
    schemas = document["components"]["schemas"]
    for reference in references(document):
        assert reference.removeprefix("#/components/schemas/") in schemas


def test_what_is_closed_says_how_it_is_opened(document: dict[str, Any]) -> None:
    for methods in document["paths"].values():
        for operation in methods.values():
            assert bool(operation["security"]) == ("x-scope" in operation)


async def test_the_running_gateway_gives_the_document(
    owner: httpx.AsyncClient, document: dict[str, Any]
) -> None:
    assert (await owner.get("/api/openapi.json")).json() == document


@pytest.fixture
def url(services: Services) -> Iterator[str]:
    """Where the app answers."""
    listener = socket.create_server(("127.0.0.1", 0))
    port = listener.getsockname()[1]
    with served(services, listener, is_private=False):
        yield f"http://127.0.0.1:{port}"


@pytest.mark.slow
@pytest.mark.parametrize("route", ASKED, ids=lambda route: f"{route.method} {route.path}")
def test_the_answers_are_those_of_the_document(
    route: Route, url: str, services: Services, schema: Any
) -> None:
    operation = schema[route.path.replace(":path}", "}")][route.method]
    headers = {"authorization": f"Bearer {services.installation.admin_token}"}
    # Without a query or a body there is nothing that could be wrong.
    takes_something = route.query is not None or isinstance(route.input, type)
    modes = list(GenerationMode) if takes_something else [GenerationMode.POSITIVE]
    with requests.Session() as session:
        for mode in modes:

            @settings(
                max_examples=5,
                deadline=None,
                database=None,
                derandomize=True,
                phases=[Phase.generate],
                suppress_health_check=list(HealthCheck),
            )
            @given(case=operation.as_strategy(generation_mode=mode))
            def ask(case: schemathesis.Case) -> None:
                answer = case.call(base_url=url, headers=headers, session=session)
                # What has no end of its own may be longer than any server reads.
                if answer.status_code != 431:
                    assert answer.status_code != 500
                    case.validate_response(answer, checks=CHECKS)

            ask()
