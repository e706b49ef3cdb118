"""The compiled tools, built once per test run into a folder of its own."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

BENCH = Path(__file__).parents[2] / "bench"


@pytest.fixture(scope="session")
def tools(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if shutil.which("make") is None or shutil.which(os.environ.get("CC", "cc")) is None:
        pytest.skip("needs make and a C compiler")
    folder = tmp_path_factory.mktemp("bench-tools")
    command = ["make", "--silent", "-C", str(BENCH), f"BUILD={folder}", "CFLAGS=-O1 -Werror"]
    subprocess.run(command, check=True)
    return folder
