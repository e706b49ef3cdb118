"""`python -m omniroute` is the command."""

import subprocess
import sys
from pathlib import Path


def test_the_package_runs_as_a_module() -> None:
    root = Path(__file__).parents[1]
    ran = subprocess.run(
        [sys.executable, "-m", "omniroute", "--version"],
        cwd=root,
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    assert ran.stdout.startswith("omniroute ")
