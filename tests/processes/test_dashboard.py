"""The dashboard in a real browser, through the main port: sign in by link, see the workers."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.processes.harness import Gateway, eventually

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")

pytestmark = [
    pytest.mark.processes,
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine"),
]


def test_the_link_signs_in_and_shows_the_status(gateway: Gateway, tmp_path: Path) -> None:
    gateway.configure()
    gateway.start()
    eventually(gateway.status)
    link = re.search(r"#link=\S+", gateway.stdout())
    assert link
    assert CHROMIUM
    seen = subprocess.run(
        [
            *(CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"),
            *(f"--user-data-dir={tmp_path / 'browser'}", "--enable-logging=stderr"),
            *("--virtual-time-budget=5000", "--dump-dom"),
            f"{gateway.endpoint}/dashboard/{link[0]}",
        ],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    assert re.search(r"<td>ready</td>", seen.stdout)
    assert f"{gateway.endpoint}/v1" in seen.stdout
    assert '<form id="sign-in" hidden="">' in seen.stdout
    console = [line for line in seen.stderr.splitlines() if ":CONSOLE" in line]
    assert console == []
