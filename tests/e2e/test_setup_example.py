"""The example that sets up a fresh gateway through the API alone runs as it stands."""

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.processes.harness import ROOT, WAIT_S, Gateway

pytestmark = pytest.mark.processes


@pytest.fixture
def fresh(tmp_path: Path) -> Iterator[Gateway]:
    """A first start: nothing is configured but where it listens."""
    gateway = Gateway(tmp_path, upstream=None)  # type: ignore[arg-type]
    gateway.config_file.write_text("[server]\nport = 0\ndashboard_port = 0\nworkers = 2\n")
    yield gateway.start()
    gateway.clean_up()


def test_a_fresh_gateway_is_set_up_used_emptied_and_found_again(
    fresh: Gateway, simulator: str
) -> None:
    (password,) = re.findall(r"[Pp]assword\W+(\S+)", fresh.stdout() + fresh.stderr())
    ran = subprocess.run(
        [
            *(sys.executable, ROOT / "examples" / "setup.py", "--url", fresh.endpoint),
            *("--password", password, "--new-password", "a much better one"),
            *("--upstream", simulator),
        ],
        capture_output=True,
        text=True,
        timeout=4 * WAIT_S,
        check=False,
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert ran.stdout.count("log, sums and budget agree") == 3
