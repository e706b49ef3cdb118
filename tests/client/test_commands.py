"""Every command is a route of the management API, with the fields that it has."""

import msgspec
import pytest

from omniroute.client.command import Argument, Command
from omniroute.client.commands import GROUPS, SINGLE
from omniroute.client.parsing import READ
from omniroute.client.tables import SHOWN
from omniroute.control.api.declare import Route, Upload
from omniroute.control.app import API

COMMANDS = {
    **{f"{group.name} {each.name}": each for group in GROUPS for each in group.commands},
    **{each.name: each for each in SINGLE},
}
# Log lines: what fields a line has is up to whoever writes it.
FREE = {"/api/logs/console"}
ROUTES = {(route.method, route.path): route for route in API}


@pytest.fixture(params=COMMANDS, ids=str)
def command(request: pytest.FixtureRequest) -> Command:
    return COMMANDS[request.param]


@pytest.fixture
def route(command: Command) -> Route:
    found = ROUTES.get((command.method, command.path))
    assert found is not None, f"{command.method} {command.path} is not declared"
    return found


def fields_of(struct: object) -> set[str]:
    assert isinstance(struct, type)
    assert issubclass(struct, msgspec.Struct)
    return set(struct.__struct_encode_fields__)


def into(command: Command, where: str) -> set[str]:
    return {
        argument.field.partition(".")[0] for argument in command.arguments if argument.into == where
    }


def test_parameters_and_fields_are_declared(command: Command, route: Route) -> None:
    for name in into(command, "path"):
        assert f"{{{name}}}" in route.path
    if into(command, "query"):
        assert into(command, "query") <= fields_of(route.query)
    body = into(command, "body") | {name.partition(".")[0] for name, _ in command.fixed}
    if body or command.takes_fields:
        assert body <= fields_of(route.input)
    assert into(command, "header") <= set(route.headers)
    assert bool(into(command, "file")) == isinstance(route.input, Upload)


def test_every_parameter_of_the_path_is_asked_for(command: Command, route: Route) -> None:
    assert route.path.count("{") == len(into(command, "path"))


def test_what_must_be_given_can_be_given(command: Command, route: Route) -> None:
    for struct, where in ((route.query, "query"), (route.input, "body")):
        if not isinstance(struct, type) or command.takes_fields:
            continue
        needed = {field.encode_name for field in msgspec.structs.fields(struct) if field.required}
        fixed = {name for name, _ in command.fixed} if where == "body" else set()
        assert needed <= into(command, where) | fixed


def test_columns_are_fields_of_the_answer(command: Command, route: Route) -> None:
    assert {column.shown for column in command.columns} <= set(SHOWN)
    if not command.columns or command.path in FREE:
        return
    _, components = msgspec.json.schema_components([route.output])
    described = repr(components)
    for column in command.columns:
        assert f"'{column.path.rpartition('.')[2]}'" in described, column.head


def test_what_takes_away_asks_first_or_takes_back_little(command: Command) -> None:
    if command.method == "DELETE" and command.path.count("{") == 0:
        assert command.is_grave


def test_kinds_are_known(command: Command) -> None:
    for argument in command.arguments:
        assert argument.kind in {"text", "list", "secret", "asked", *READ}


def test_what_is_shown_once_is_in_the_answer(command: Command, route: Route) -> None:
    if command.once:
        assert command.once in fields_of(route.output)


def test_options_do_not_repeat_their_names(command: Command) -> None:
    names = [argument.name for argument in command.arguments if argument.name.startswith("--")]
    assert len(set(names)) == len(names)
    assert all(isinstance(argument, Argument) for argument in command.arguments)
