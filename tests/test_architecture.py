"""The house rules that a machine can check: who imports whom, what each module must have.

The tables below are the rules; docs/architecture.md explains them. A new room or a new dependency
gets its line here on purpose.
"""

import ast
import re
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import NamedTuple

import pytest

from omniroute.providers.registry import load_registry

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "omniroute"

# Rooms from the bottom up. A room imports lower layers, those beside the core, and itself.
SPEEDUPS = {"_speedups"}
CORE = {"formats", "providers", "resilience", "routing", "similarity", "wire"}
STORES = {"net", "state", "store"}
SERVICES = {"control", "gateway", "simulator"}
COMMANDS = {
    "__main__",
    "check",
    "children",
    "cli",
    "cli_reference",
    "client",
    "demo",
    "doctor",
    "ports",
    "rotation",
    "supervisor",
    "worker",
}
LAYERS = (SPEEDUPS, CORE, STORES, SERVICES, COMMANDS)
# Types and small services that everyone may import; they import the core at most.
BESIDE = {
    "assets",
    "compiling",
    "config",
    "errors",
    "installation",
    "link",
    "logs",
    "record",
    "snapshot",
    "spool",
    "usage",
}

# Dependency -> the rooms that may import it. What a room may import follows from this.
OWNERS = {
    "alembic": {"store"},
    "anyio": {"control", "simulator"},
    "argon2": {"control"},
    "brotli": {"control", "gateway"},
    "cryptography": {"control", "installation"},
    "h11": {"wire"},
    "httptools": {"wire"},
    "httpx": {"control", "net"},
    "hypercorn": {"control", "simulator"},
    "lmdb": {"state"},
    "msgspec": {
        "compiling",
        "config",
        "control",
        "demo",
        "gateway",
        "record",
        "simulator",
        "snapshot",
        "spool",
        "state",
        "store",
        "usage",
        *CORE,
    },
    "numpy": {"similarity"},
    "outcome": {"net"},
    "prometheus_client": {"control"},
    "python_socks": {"net"},
    "sqlalchemy": {"store"},
    "starlette": {"control", "simulator"},
    "trio": {
        "children",
        "control",
        "demo",
        "doctor",
        "gateway",
        "link",
        "net",
        "simulator",
        "supervisor",
        "worker",
    },
    "wordllama": {"similarity"},
    "zstandard": {"gateway"},
}

# The supervisor must survive what kills the others, so it loads next to nothing.
SUPERVISOR_MAY_IMPORT = {"children", "link", "logs", "omniroute", "ports"}

# Module -> the test file that covers it, where that is not the one of its own name, and why.
TESTED_ELSEWHERE: dict[str, tuple[str, str]] = {
    "omniroute.formats.base": (
        "tests/formats/test_translate.py",
        "interfaces only; what keeps them is tested with each format and in pairs",
    ),
    "omniroute.formats.ir": (
        "tests/formats/test_fold.py",
        "plain data; its invariants are those of streams and their fold",
    ),
    "omniroute.formats.table": (
        "tests/formats/test_translate.py",
        "a table; that it is whole is tested where pairs are made from it",
    ),
    "omniroute.gateway.carrier": (
        "tests/gateway/test_flights.py",
        "an interface; connections and flights keep it",
    ),
    "omniroute.state.files": (
        "tests/state/test_lmdb_processes.py",
        "locks and sizes matter between processes that share a state",
    ),
    "omniroute.state.memory_answers": (
        "tests/state/test_answers.py",
        "one suite for both keepers of answers",
    ),
    "omniroute.state.memory_conditions": (
        "tests/state/test_lmdb_conditions.py",
        "one suite for all implementations of the interface",
    ),
    "omniroute.state.memory_sessions": (
        "tests/state/test_lmdb_sessions.py",
        "one suite for all implementations of the interface",
    ),
    "omniroute.state.lmdb_opening": (
        "tests/state/test_lmdb_state.py",
        "files, damage and versions show in the states that are opened",
    ),
    "omniroute.state.memory_state": (
        "tests/state/test_interface.py",
        "one suite for all implementations of the interface",
    ),
    "omniroute.state.memory_tables": (
        "tests/state/test_limits.py",
        "one suite for the limits over tables of both kinds",
    ),
    "omniroute.resilience.wording": (
        "tests/resilience/test_verdict.py",
        "the words of the verdict table, each row of which has its examples there",
    ),
    "omniroute.store.interface": (
        "tests/store/test_database.py",
        "the errors and rows that the store's own tests are about",
    ),
    "omniroute.store.migrations.versions.r0001_initial": (
        "tests/store/test_migrate.py",
        "migrations are tested by running all of them",
    ),
    "omniroute.store.migrations.versions.r0002_routing": (
        "tests/store/test_migrate.py",
        "migrations are tested by running all of them",
    ),
    "omniroute.store.migrations.versions.r0003_management": (
        "tests/store/test_migrate.py",
        "migrations are tested by running all of them",
    ),
    "omniroute.store.schema": (
        "tests/store/test_database.py",
        "tables are tested by what is written to them and read back",
    ),
}


class Module(NamedTuple):
    """One source file of the package."""

    path: Path
    name: str
    tree: ast.Module

    @property
    def room(self) -> str:
        """The first name below the package: the room that the module belongs to."""
        return room_of(self.name)


def room_of(name: str) -> str:
    parts = name.split(".")
    return parts[1] if len(parts) > 1 else "omniroute"


@cache
def modules() -> tuple[Module, ...]:
    found = []
    for path in sorted(PACKAGE.rglob("*.py")):
        name = ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
        found.append(Module(path, name, ast.parse(path.read_text(encoding="utf-8"))))
    return tuple(found)


def imports(module: Module) -> Iterator[str]:
    """Every name the module imports, wherever in it, in full; relative imports do not occur."""
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{module.name}: relative import in line {node.lineno}"
            source = node.module or ""
            if source == "omniroute":
                yield from (f"omniroute.{alias.name}" for alias in node.names)
            else:
                yield source


def inner_imports(module: Module) -> Iterator[str]:
    """The other rooms of the package that the module imports."""
    known = {other.room for other in modules()}
    for name in imports(module):
        if name.split(".")[0] == "omniroute":
            # `from omniroute import __version__` imports the package itself, not a room.
            room = room_of(name) if room_of(name) in known else "omniroute"
            if room != module.room:
                yield room


def outer_imports(module: Module) -> Iterator[str]:
    """The top-level names of the installed distributions that the module imports."""
    for name in imports(module):
        top = name.split(".")[0]
        if top != "omniroute" and top not in sys.stdlib_module_names:
            yield top


def layer_of(room: str) -> int:
    for height, rooms in enumerate(LAYERS):
        if room in rooms:
            return height
    raise AssertionError(f"room {room} has no place in the layers of {Path(__file__).name}")


def allowed(importer: str, imported: str) -> bool:
    if imported in BESIDE or imported == "omniroute":
        return True
    if importer in BESIDE:
        return imported in CORE
    if importer in CORE and imported in CORE:
        return True  # test_rooms_do_not_import_in_circles keeps these in order
    if importer in COMMANDS and imported in COMMANDS:
        return True
    return layer_of(imported) < layer_of(importer)


def test_every_room_has_a_place() -> None:
    placed = set().union(*LAYERS, BESIDE, {"omniroute"})
    assert {module.room for module in modules()} <= placed


def test_imports_point_one_way() -> None:
    wrong = {
        f"{module.name} imports {room}"
        for module in modules()
        if module.room != "omniroute"
        for room in inner_imports(module)
        if not allowed(module.room, room)
    }
    assert not wrong


def test_rooms_do_not_import_in_circles() -> None:
    graph: dict[str, set[str]] = {}
    for module in modules():
        graph.setdefault(module.room, set()).update(inner_imports(module))
    done: set[str] = set()

    def visit(room: str, path: tuple[str, ...]) -> None:
        assert room not in path, f"circle: {' -> '.join((*path, room))}"
        if room not in done:
            for imported in sorted(graph.get(room, ())):
                visit(imported, (*path, room))
            done.add(room)

    for room in sorted(graph):
        visit(room, ())


def test_gateway_and_control_never_meet() -> None:
    for module in modules():
        if module.room in ("gateway", "control"):
            assert not {"gateway", "control"} & set(inner_imports(module)), module.name


def test_each_dependency_is_imported_only_by_its_owners() -> None:
    wrong = {
        f"{module.name} imports {dependency}"
        for module in modules()
        for dependency in outer_imports(module)
        if module.room not in OWNERS.get(dependency, set())
    }
    assert not wrong


def test_of_the_wire_only_http1_knows_the_http_parsers() -> None:
    for module in modules():
        if module.room == "wire" and not module.name.startswith("omniroute.wire.http1"):
            assert not {"h11", "httptools"} & set(outer_imports(module)), module.name


def test_supervisor_imports_next_to_nothing() -> None:
    for module in modules():
        if module.room in ("supervisor", "children"):
            assert set(outer_imports(module)) <= {"trio"}
            assert set(inner_imports(module)) <= SUPERVISOR_MAY_IMPORT | {"supervisor"}


def called(node: ast.Call) -> str:
    """The dotted name that a call names, as it is written."""
    return ast.unparse(node.func)


# Every way out that is not the connector. httpx is fine with a transport over the connector.
WAYS_OUT = re.compile(
    r"(httpx\.(get|post|put|patch|delete|head|options|request|stream)"
    r"|urllib\.request\.\w+|(http\.client\.)?HTTPS?Connection|socket\.create_connection"
    r"|trio\.open_(tcp|ssl_over_tcp)_stream|anyio\.connect_tcp|asyncio\.open_connection)$"
)
# Ask the gateway itself on its own port of this machine: no upstream, no way out.
ASKS_ITSELF = {"omniroute.client.connection", "omniroute.demo", "omniroute.doctor"}
HTTPX_CLIENTS = re.compile(r"(httpx\.)?(Async)?Client$")


def test_every_connection_goes_out_through_the_connector() -> None:
    wrong = []
    for module in modules():
        if module.name in ASKS_ITSELF:
            continue
        for node in ast.walk(module.tree):
            if not isinstance(node, ast.Call):
                continue
            bare_client = HTTPX_CLIENTS.match(called(node)) and "transport" not in {
                keyword.arg for keyword in node.keywords
            }
            if bare_client or WAYS_OUT.match(called(node)):
                wrong.append(f"{module.name}:{node.lineno} {called(node)}")
    assert not wrong


def test_no_provider_is_named_in_a_decision_outside_the_providers() -> None:
    rows = load_registry()
    formats = {row.format for row in rows}
    names = {row.id for row in rows} | {prefix for row in rows for prefix in row.prefixes}
    # The name of a format may be that of the company, too: `openai`, `gemini`.
    names -= formats
    wrong = []
    for module in modules():
        if module.room == "providers":
            continue
        for node in ast.walk(module.tree):
            if isinstance(node, ast.Compare | ast.MatchValue):
                wrong += [
                    f"{module.name}:{constant.lineno} {constant.value!r}"
                    for constant in ast.walk(node)
                    if isinstance(constant, ast.Constant) and constant.value in names
                ]
    assert not wrong


@pytest.mark.parametrize("module", modules(), ids=lambda module: module.name)
def test_module_says_what_it_is_for(module: Module) -> None:
    assert ast.get_docstring(module.tree)


def test_nothing_is_kept_in_modules() -> None:
    """No `global`, and no container bound at module level but under a constant's name."""
    wrong = []
    for module in modules():
        for node in ast.walk(module.tree):
            if isinstance(node, ast.Global):
                wrong.append(f"{module.name}:{node.lineno} global {', '.join(node.names)}")
        for statement in module.tree.body:
            if not isinstance(statement, ast.Assign | ast.AnnAssign):
                continue
            targets = statement.targets if isinstance(statement, ast.Assign) else [statement.target]
            mutable = isinstance(statement.value, ast.List | ast.Dict | ast.Set)
            wrong += [
                f"{module.name}:{statement.lineno} {target.id}"
                for target in targets
                if mutable
                and isinstance(target, ast.Name)
                and not (target.id.isupper() or target.id.startswith("__"))
            ]
    assert not wrong


def mirrors(module: Module) -> list[Path]:
    """The tests named after a module: of omniroute/a/b.py either tests/a/test_b.py or, flat,
    tests/test_a_b.py; an aspect may follow the name (test_b_timeouts.py). A package inside a room
    (wire/http1, formats/claude) is one unit: tests of the package cover its parts.
    """
    if module.room == "_speedups":  # one suite runs over the twins and what they share
        return [*(ROOT / "tests").glob("test_speedups*.py")]
    parts = [part.strip("_") for part in module.name.split(".")[1:]]
    found: list[Path] = []
    if (PACKAGE.joinpath(*module.name.split(".")[1:3])).is_dir() and len(parts) > 1:
        found += ROOT.joinpath("tests", *parts[:2]).glob("test_*.py")
    for depth in range(len(parts)):
        folder = (ROOT / "tests").joinpath(*module.name.split(".")[1 : depth + 1])
        ends = {len(parts), 2 if len(parts) > 2 else len(parts)}
        for name in {"_".join(parts[depth:end]) for end in ends if end > depth}:
            found += [*folder.glob(f"test_{name}.py"), *folder.glob(f"test_{name}_*.py")]
    return found


def has_code(module: Module) -> bool:
    """Whether there is anything to test: plain data and a package's face hold no function."""
    functions = ast.FunctionDef | ast.AsyncFunctionDef
    return any(isinstance(node, functions) for node in ast.walk(module.tree))


def test_every_module_has_its_test_file() -> None:
    missing = [
        module.name
        for module in modules()
        if has_code(module) and module.name not in TESTED_ELSEWHERE and not mirrors(module)
    ]
    assert not missing


def test_the_exceptions_are_needed_and_true() -> None:
    by_name = {module.name: module for module in modules()}
    for name, (test_file, reason) in TESTED_ELSEWHERE.items():
        assert name in by_name, f"{name} is gone: take its exception away"
        assert not mirrors(by_name[name]), f"{name} has its own test file now"
        assert (ROOT / test_file).exists(), f"{test_file} does not exist"
        assert reason


UNFINISHED = re.compile(
    r"\b(" + "|".join(("TO" + "DO", "FIX" + "ME", "XX" + "X", "HA" + "CK")) + r")\b"
    r"|NotImplemented" + "Error|not " + "implemented"
)


def test_nothing_is_left_unfinished() -> None:
    wrong = []
    for folder, patterns in {
        "omniroute": ("*.py", "*.pyx", "*.toml"),
        "bench": ("*.py", "*.c", "*.h"),
        "tools": ("*.py", "*.sh"),
        "dashboard_static": ("*.js", "*.css", "*.html"),
    }.items():
        for pattern in patterns:
            for path in (ROOT / folder).rglob(pattern):
                if "vendor" in path.parts or "build" in path.parts:
                    continue
                text = path.read_text(encoding="utf-8")
                wrong += [
                    f"{path.relative_to(ROOT)}: {line.strip()}"
                    for line in text.splitlines()
                    if UNFINISHED.search(line)
                ]
    assert not wrong
