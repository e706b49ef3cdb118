"""The part of the build that is code: compiled speedups where they can be had, and the dashboard.

Contract: `pip install .` always succeeds. Each `omniroute/_speedups/*.pyx` becomes an extension
module; where that cannot be (no C compiler, no Cython, or OMNIROUTE_NO_EXTENSIONS=1) the build says
so loudly and the Python twins beside them serve, slower but the same. With
OMNIROUTE_REQUIRE_EXTENSIONS=1 (the project's own tests and wheels) a failed compilation is an error
instead. Generated C never leaves the build folder, so none can be shipped.
"""

import os
import sys
from pathlib import Path

from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext
from setuptools.command.build_py import build_py

ROOT = Path(__file__).resolve().parent
SPEEDUPS = "omniroute/_speedups"
DASHBOARD = "dashboard_static"


def wants(switch: str) -> bool:
    """Whether an environment switch is on: set to anything but an empty string or 0."""
    return os.environ.get(switch, "") not in ("", "0")


def warn_twins(reason: str) -> None:
    """Say on stderr that the package will run on its Python twins, and what would change that."""
    bar = "=" * 78
    print(
        f"{bar}\nOmniRoute: building WITHOUT compiled speedups: {reason}.\n"
        "Everything works on the Python twins, at a lower speed. To compile them, install a C\n"
        f"compiler and the Python headers (`make system-deps`) and build again.\n{bar}",
        file=sys.stderr,
        flush=True,
    )


def speedups() -> list[Extension]:
    """The extension modules to build: none where they are switched off or Cython is missing."""
    sources = sorted(path.relative_to(ROOT).as_posix() for path in (ROOT / SPEEDUPS).glob("*.pyx"))
    if not sources:
        return []
    if wants("OMNIROUTE_NO_EXTENSIONS"):
        warn_twins("OMNIROUTE_NO_EXTENSIONS is set")
        return []
    try:
        from Cython.Build import cythonize
    except ImportError:
        if wants("OMNIROUTE_REQUIRE_EXTENSIONS"):
            raise
        warn_twins("Cython is not installed")
        return []
    modules = [
        Extension(
            source.removesuffix(".pyx").replace("/", "."),
            [source],
            extra_compile_args=[] if os.name == "nt" else ["-O3", "-g0"],
        )
        for source in sources
    ]
    built: list[Extension] = cythonize(
        modules,
        build_dir="build/cython",
        quiet=True,
        compiler_directives={"language_level": "3"},
    )
    return built


class BuildSpeedups(build_ext):
    """`build_ext` that falls back to the Python twins instead of failing the installation."""

    def run(self) -> None:
        try:
            super().run()
        except Exception as error:
            # Compilers fail in many types; whichever it was, the reason is told, and the package
            # works without: only a build that must have them (ours) fails.
            if wants("OMNIROUTE_REQUIRE_EXTENSIONS"):
                raise
            warn_twins(f"compilation failed ({error})")
            self.extensions: list[Extension] = []

    def copy_extensions_to_source(self) -> None:
        """Where compilation failed there is nothing to copy (editable installs come here)."""
        built = [
            extension
            for extension in self.extensions
            if (Path(self.build_lib) / self.get_ext_filename(extension.name)).exists()
        ]
        self.extensions = built
        super().copy_extensions_to_source()


class BuildWithDashboard(build_py):
    """`build_py` that carries the dashboard's files into the package (see omniroute/assets.py)."""

    def run(self) -> None:
        super().run()
        if self.editable_mode:
            return
        for source, target in self._dashboard_files().items():
            self.mkpath(str(Path(target).parent))
            self.copy_file(source, target, preserve_mode=False)

    def get_outputs(self, include_bytecode: bool = True) -> list[str]:
        carried = [] if self.editable_mode else list(self._dashboard_files().values())
        return [*super().get_outputs(include_bytecode), *carried]

    def _dashboard_files(self) -> dict[str, str]:
        """Source path -> path in the build folder, for every file of the dashboard."""
        into = Path(self.build_lib) / "omniroute"
        return {
            str(path): str(into / path.relative_to(ROOT))
            for path in sorted((ROOT / DASHBOARD).rglob("*"))
            if path.is_file() and not path.name.startswith(".")
        }


setup(
    ext_modules=speedups(),
    cmdclass={"build_ext": BuildSpeedups, "build_py": BuildWithDashboard},
)
