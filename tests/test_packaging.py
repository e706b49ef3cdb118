"""What is shipped: the wheel's content, the locks, the reasons for each dependency.

A release of this field was once trojaned through a file in its wheel that Python runs at every
start, so what a wheel may contain is a closed list here.
"""

import os
import re
import subprocess
import sys
import tomllib
import zipfile
from email.message import Message
from email.parser import Parser
from functools import cache
from pathlib import Path, PurePosixPath
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parent.parent
REQUIREMENT_NAME = re.compile(r"^([A-Za-z0-9][A-Za-z0-9._-]*)")
LOCKS = ("runtime", "semantic", "dev", "build", "node")


@cache
def project() -> dict[str, Any]:
    return tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


def normal(name: str) -> str:
    """A distribution's name as the index spells it (PEP 503)."""
    return re.sub(r"[-_.]+", "-", name).lower()


def names(requirements: list[Any]) -> set[str]:
    """The distributions that a list of requirements names."""
    found = (REQUIREMENT_NAME.match(line) for line in requirements if isinstance(line, str))
    return {normal(match.group(1)) for match in found if match}


def locked(lock: str) -> dict[str, str]:
    """Name -> everything the lock file says about that distribution."""
    text = (ROOT / "requirements" / f"{lock}.txt").read_text(encoding="utf-8")
    entries = re.split(r"^(?=[A-Za-z0-9])", text, flags=re.MULTILINE)[1:]
    return {normal(entry.split("==")[0]): entry for entry in entries}


@pytest.mark.parametrize("lock", LOCKS)
def test_every_locked_distribution_has_one_version_and_hashes(lock: str) -> None:
    entries = locked(lock)
    assert entries
    for name, entry in entries.items():
        assert re.match(r"[A-Za-z0-9._-]+==[\w.!+]+( ;.*)? \\\n", entry), name
        assert "--hash=sha256:" in entry, name


@pytest.mark.parametrize("lock", LOCKS)
def test_locks_name_no_index_and_no_path(lock: str) -> None:
    text = (ROOT / "requirements" / f"{lock}.txt").read_text(encoding="utf-8")
    for line in text.splitlines():
        assert not re.search(r"--(index-url|extra-index-url|find-links|trusted-host)", line)
        assert "://" not in line
        assert " @ " not in line


def test_locks_hold_what_the_project_asks_for() -> None:
    groups = project()["dependency-groups"]
    runtime = names(project()["project"]["dependencies"])
    assert runtime <= set(locked("runtime"))
    for extra, asked in project()["project"]["optional-dependencies"].items():
        assert runtime | names(asked) <= set(locked(extra))
        assert names(asked) <= names(groups["dev"]), f"the extra {extra} is not tested"
    assert runtime | names(groups["dev"]) <= set(locked("dev"))
    assert names(groups["build"]) == set(locked("build"))
    assert names(groups["node"]) == set(locked("node"))


def test_tests_run_on_the_versions_that_are_shipped() -> None:
    def versions(lock: str) -> dict[str, str]:
        return {name: entry.split()[0] for name, entry in locked(lock).items()}

    assert versions("runtime").items() <= versions("semantic").items() <= versions("dev").items()
    assert versions("build").items() <= versions("dev").items()


def test_every_dependency_states_its_reason() -> None:
    page = (ROOT / "docs" / "dependencies.md").read_text(encoding="utf-8")
    told = {normal(name) for name in re.findall(r"^\| `([^`]+)` \|", page, flags=re.MULTILINE)}
    groups = project()["dependency-groups"]
    asked = names(project()["project"]["dependencies"])
    for extra in project()["project"]["optional-dependencies"].values():
        asked |= names(extra)
    for group in ("build", "dev", "node"):
        asked |= names(groups[group])
    assert told == asked


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel to look into: the one `make` has built (OMNIROUTE_WHEEL), else one built here."""
    given = os.environ.get("OMNIROUTE_WHEEL")
    folder = Path(given) if given else tmp_path_factory.mktemp("wheel")
    if not given:
        build = [
            sys.executable,
            "-m",
            "build",
            "--no-isolation",
            "--outdir",
            str(folder),
            str(ROOT),
        ]
        built = subprocess.run(
            build,
            env=os.environ | {"OMNIROUTE_REQUIRE_EXTENSIONS": "1"},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        assert built.returncode == 0, built.stdout[-3000:]
    (found,) = folder.glob("*.whl")
    return found


@pytest.fixture(scope="module")
def content(wheel: Path) -> set[PurePosixPath]:
    with zipfile.ZipFile(wheel) as archive:
        return {PurePosixPath(name) for name in archive.namelist() if not name.endswith("/")}


@pytest.fixture(scope="module")
def metadata(wheel: Path) -> Message:
    with zipfile.ZipFile(wheel) as archive:
        (name,) = (name for name in archive.namelist() if name.endswith(".dist-info/METADATA"))
        return Parser().parsestr(archive.read(name).decode())


def shipped_from(folder: str) -> set[PurePosixPath]:
    """The files of a folder that git knows or would take, but the sources of compiled modules."""
    listing = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", folder],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    paths = (PurePosixPath(line) for line in listing.stdout.splitlines())
    return {
        path for path in paths if path.suffix not in (".pxd", ".pyx") and (ROOT / path).exists()
    }


@pytest.mark.slow
def test_wheel_holds_the_package_and_nothing_else(content: set[PurePosixPath]) -> None:
    sources = shipped_from("omniroute")
    dashboard = {PurePosixPath("omniroute") / path for path in shipped_from("dashboard_static")}
    package = {path for path in content if path.parts[0] == "omniroute"}
    compiled = {path for path in package if path.suffix in (".so", ".pyd")}
    assert package - compiled == sources | dashboard

    described = {path for path in content - package if path.parts[0].endswith(".dist-info")}
    assert content == package | described
    assert {path.name for path in described} == {
        "LICENSE",
        "METADATA",
        "RECORD",
        "WHEEL",
        "entry_points.txt",
        "top_level.txt",
    }


@pytest.mark.slow
def test_wheel_holds_what_the_package_needs_at_run_time(content: set[PurePosixPath]) -> None:
    names_in = {str(path) for path in content}
    assert "omniroute/store/migrations/env.py" in names_in
    assert [name for name in names_in if name.startswith("omniroute/store/migrations/versions/r")]
    assert "omniroute/providers/registry.toml" in names_in
    assert "omniroute/py.typed" in names_in
    assert "omniroute/dashboard_static/index.html" in names_in


@pytest.mark.slow
def test_wheel_holds_every_speedup_compiled(content: set[PurePosixPath]) -> None:
    sources = {path.stem for path in (ROOT / "omniroute" / "_speedups").glob("*.pyx")}
    compiled = {path.name.split(".")[0] for path in content if path.suffix in (".so", ".pyd")}
    assert sources
    assert compiled == sources


@pytest.mark.slow
def test_wheel_runs_nothing_by_itself(content: set[PurePosixPath]) -> None:
    """No `.pth`, no `sitecustomize`, no scripts besides the one entry point."""
    assert not {path for path in content if path.suffix in (".pth", ".c", ".pyx", ".pxd", ".sh")}
    assert not {path for path in content if path.stem in ("sitecustomize", "usercustomize")}
    assert not {path for path in content if ".data" in path.parts[0]}


@pytest.mark.slow
def test_wheel_asks_for_the_stated_dependencies_only(metadata: Message) -> None:
    required = metadata.get_all("Requires-Dist", [])
    always = [line for line in required if "extra ==" not in line]
    assert names(always) == names(project()["project"]["dependencies"])
    extras = project()["project"]["optional-dependencies"]
    assert set(metadata.get_all("Provides-Extra", [])) == set(extras)
    for extra, asked in extras.items():
        of_extra = [line for line in required if f'extra == "{extra}"' in line]
        assert names(of_extra) == names(asked)
    assert metadata["License-Expression"] == "MIT"


@pytest.mark.slow
def test_bill_of_materials_names_every_shipped_dependency(tmp_path: Path) -> None:
    target = tmp_path / "sbom.json"
    tool = Path(sys.executable).with_name("cyclonedx-py")
    command: list[str | Path] = [
        tool,
        "requirements",
        ROOT / "requirements" / "runtime.txt",
        "--output-reproducible",
        "--output-format",
        "JSON",
        "-o",
        target,
    ]
    subprocess.run(command, check=True, capture_output=True)
    bill = target.read_text(encoding="utf-8")
    for name in locked("runtime"):
        assert f'"name": "{name}"' in bill.lower().replace("_", "-"), name
