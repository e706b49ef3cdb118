"""The rules that the dashboard's source keeps: its size, who imports whom, its texts.

Types, lint and the tests of pure functions are node's (`make dashboard`); the pages themselves are
tested in a browser (tests/browser).
"""

import hashlib
import json
import re
from functools import cache
from pathlib import Path, PurePosixPath

import brotli
import pytest

from omniroute.control.static_files import without_comments

ROOT = Path(__file__).resolve().parents[2]
SOURCE = ROOT / "dashboard_static"

VENDORED_BYTES = 100_000
OWN_BYTES = 340_000  # without the catalogues of texts; more than the 250 KB that we want
WIRE_BYTES = 130_000  # the same and what is vendored, compressed
PAGE_LINES = 300
SHEET_LINES = 600

_IMPORT = re.compile(r"""(?:from\s+|import\s*\(?\s*)["']([^"']+)["']""")
_LINE_COMMENT = re.compile(r"^\s*(//|\*|/\*).*$", re.MULTILINE)
# "page.key" in any quotes; and `page.${something}`, which stands for every key of that form.
_TEXT = re.compile(r"""["'`]([a-z_]+(?:\.[\w-]+)+)["'`]""")
_TEXTS = re.compile(r"`([a-z_]+\.(?:[\w.-]|\$\{[^}`]+\})*)`")
_ENTRY = re.compile(r"""^\s*"([^"]+)":""", re.MULTILINE)
_ASKED = re.compile(r"""\bt\(\s*["']([^"']+)["']""")


def path_of(file: Path) -> str:
    return file.relative_to(SOURCE).as_posix()


@cache
def files() -> dict[str, str]:
    """Path → text of everything that is served, but the vendored."""
    return {
        path_of(path): path.read_text(encoding="utf-8")
        for path in sorted(SOURCE.rglob("*"))
        if path.is_file() and path.relative_to(SOURCE).parts[0] != "vendor"
    }


def vendored() -> list[str]:
    listed = json.loads((SOURCE / "vendor" / "versions.json").read_text(encoding="utf-8"))
    return [f"vendor/{entry['file']}" for entry in listed]


@cache
def modules() -> dict[str, str]:
    """The JavaScript among them, without the catalogues."""
    return {
        name: text
        for name, text in files().items()
        if name.endswith(".js") and not name.startswith("messages")
    }


def page_of(name: str) -> str:
    """The page that a module belongs to: "logs" of pages/logs.js and pages/logs/table.js, or ""."""
    parts = PurePosixPath(name).with_suffix("").parts
    return parts[1] if parts[0] == "pages" else ""


def imported(name: str, text: str) -> set[str]:
    """What a module imports, relative to the dashboard's folder; packages by their name."""
    found = set()
    for target in _IMPORT.findall(text):
        if target.startswith("."):
            target = path_of((SOURCE / name).parent.joinpath(target).resolve())
        found.add(target)
    return found


@cache
def catalogue() -> dict[str, str]:
    """Key of a text → the file of the English catalogue that holds it."""
    found: dict[str, str] = {}
    for path in sorted((SOURCE / "messages" / "en").glob("*.js")):
        for key in _ENTRY.findall(path.read_text(encoding="utf-8")):
            assert key not in found, f"{key} stands in {found[key]} and in {path.name}"
            found[key] = path.name
    return found


def test_vendored_files_are_what_the_list_says() -> None:
    listed = json.loads((SOURCE / "vendor" / "versions.json").read_text(encoding="utf-8"))
    for entry in listed:
        body = (SOURCE / "vendor" / entry["file"]).read_bytes()
        assert hashlib.sha256(body).hexdigest() == entry["sha256"], entry["file"]
        assert entry["package"]
        assert entry["version"]
        assert entry["licence"]
    there = {path.name for path in (SOURCE / "vendor").iterdir()}
    licences = {name for name in there if name.startswith("LICENSE.")}
    assert there == {entry["file"] for entry in listed} | licences | {"versions.json"}
    of_packages = {entry["package"].split("/")[-1] for entry in listed}
    assert {name.removeprefix("LICENSE.") for name in licences} <= of_packages


def test_the_checks_run_against_the_vendored_versions() -> None:
    lock = json.loads((ROOT / "tests" / "dashboard" / "package-lock.json").read_text())
    listed = json.loads((SOURCE / "vendor" / "versions.json").read_text(encoding="utf-8"))
    for entry in listed:
        locked = lock["packages"].get(f"node_modules/{entry['package']}")
        if locked is not None:
            assert locked["version"] == entry["version"], entry["package"]


def test_the_import_map_names_vendored_files_only() -> None:
    found = re.search(r'type="importmap">([^<]+)<', files()["index.html"])
    assert found
    for target in json.loads(found[1])["imports"].values():
        assert target.startswith("./vendor/")
        assert (SOURCE / target).is_file()


def test_nothing_comes_from_elsewhere() -> None:
    for name, text in files().items():
        outside = re.findall(r"""(?:src|href|@import|url\()\s*=?\s*["'(]?(?:https?:)?//\S+""", text)
        assert not outside, f"{name}: {outside}"


def test_vendored_files_are_small() -> None:
    code = (path for path in (SOURCE / "vendor").iterdir() if path.suffix in (".js", ".css"))
    assert sum(path.stat().st_size for path in code) <= VENDORED_BYTES


def test_own_source_is_small() -> None:
    own = {name: len(text.encode()) for name, text in files().items() if "messages/" not in name}
    assert sum(own.values()) <= OWN_BYTES


def test_all_of_it_is_small_on_the_wire() -> None:
    """As a browser gets it that takes Brotli; of catalogues it gets the one of its language."""
    scripts = [without_comments(text.encode()) for text in modules().values()]
    others = [*(set(files()) - set(modules())), *vendored()]
    served = [
        *scripts,
        *((SOURCE / name).read_bytes() for name in others if "messages/" not in name),
    ]
    assert sum(len(brotli.compress(body, quality=11)) for body in served) <= WIRE_BYTES


def test_files_stay_readable() -> None:
    for name, text in files().items():
        lines = text.count("\n")
        if name.startswith(("pages/", "ui/")):
            assert lines <= PAGE_LINES, name
        elif name.endswith(".css"):
            assert lines <= SHEET_LINES, name


@pytest.mark.parametrize("name", modules())
def test_module_says_what_it_is_for(name: str) -> None:
    assert modules()[name].startswith("//"), "its first line is a comment"


def test_pages_do_not_import_other_pages() -> None:
    wrong = [
        f"{name} imports {target}"
        for name, text in modules().items()
        for target in imported(name, text)
        if page_of(target) and name != "app.js" and page_of(name) != page_of(target)
    ]
    assert not wrong


def test_the_parts_stand_on_no_page() -> None:
    wrong = [
        f"{name} imports {target}"
        for name, text in modules().items()
        for target in imported(name, text)
        if name.startswith("ui/") and (target.startswith("pages/") or target == "app.js")
    ]
    assert not wrong


def test_what_is_imported_is_there() -> None:
    missing = [
        f"{name} imports {target}"
        for name, text in modules().items()
        for target in imported(name, text)
        if target.endswith(".js") and target not in files()
    ]
    assert not missing


def test_only_one_module_talks_http_and_one_follows_the_feed() -> None:
    for name, text in modules().items():
        code = _LINE_COMMENT.sub("", text)
        if name != "api.js":
            assert not re.search(r"\bfetch\(|XMLHttpRequest|sendBeacon", code), name
        if name != "live.js":
            assert not re.search(r"EventSource\(|WebSocket\(", code), name


def test_no_module_makes_markup_out_of_text() -> None:
    for name, text in modules().items():
        code = _LINE_COMMENT.sub("", text)
        assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write", code), name


def test_every_text_that_is_asked_for_is_in_the_catalogue() -> None:
    missing = {
        f"{name}: {key}"
        for name, text in modules().items()
        for key in _ASKED.findall(text)
        if key not in catalogue()
    }
    assert not missing


def test_every_text_of_the_catalogue_is_used() -> None:
    code = "\n".join(modules().values())
    named = set(_TEXT.findall(code))
    forms = [
        re.compile(r"[\w.-]+".join(re.escape(part) for part in re.split(r"\$\{[^}]+\}", form)))
        for form in _TEXTS.findall(code)
        if "${" in form
    ]
    unused = {
        key
        for key in catalogue()
        if key not in named and not any(form.fullmatch(key) for form in forms)
    }
    assert not unused


def test_every_part_of_the_catalogue_is_joined() -> None:
    index = files()["messages/en.js"]
    parts = {path.name for path in (SOURCE / "messages" / "en").glob("*.js")}
    assert {PurePosixPath(target).name for target in _IMPORT.findall(index)} == parts
