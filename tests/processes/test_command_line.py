"""The command line and a browser's sign-in, against a gateway of real processes."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.processes.harness import ROOT, Gateway, eventually

pytestmark = pytest.mark.processes


def omniroute(data_dir: Path, *arguments: str, given: str = "") -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "omniroute", *arguments, "--data-dir", str(data_dir)],
        input=given,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        cwd=data_dir,
        capture_output=True,
        text=True,
        timeout=60,
    )


def asked(data_dir: Path, *arguments: str, given: str = "") -> Any:
    done = omniroute(data_dir, *arguments, "--json", given=given)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def started(gateway: Gateway) -> Gateway:
    """With its management plane, which comes a moment after the endpoint."""
    gateway.configure()
    gateway.start()
    eventually((gateway.data_dir / "control.sock").exists)
    return gateway


def test_a_gateway_is_managed_from_the_command_line(gateway: Gateway) -> None:
    data_dir = started(gateway).data_dir
    made = asked(data_dir, "keys", "create", "laptop", "--budget", "5", "--period", "daily")
    with httpx.Client(base_url=gateway.endpoint, trust_env=False) as client:
        headers = {"authorization": f"Bearer {made['key']}"}
        assert client.get("/v1/models", headers=headers).status_code == 200
        revoked = omniroute(data_dir, "keys", "revoke", made["id"], "--yes")
        assert revoked.returncode == 0, revoked.stderr
        assert client.get("/v1/models", headers=headers).status_code == 401
    actions = [entry["action"] for entry in asked(data_dir, "logs", "audit")["entries"]]
    assert actions[:2] == ["keys.revoke", "keys.create"]
    gateway.stop()
    after = omniroute(data_dir, "keys", "list")
    assert after.returncode == 1
    assert "does not run" in after.stderr


def test_a_password_set_here_signs_a_browser_in_by_either_port(gateway: Gateway) -> None:
    started(gateway)
    password = "a password for this test"
    asked(gateway.data_dir, "password", given=f"{password}\n")
    for url in (gateway.endpoint, gateway.dashboard):
        with httpx.Client(base_url=url, trust_env=False) as browser:
            answer = browser.post("/api/auth/login", json={"password": password})
            assert answer.status_code == 200, answer.text
            browser.headers["x-csrf-token"] = answer.json()["csrf_token"]
            made = browser.post("/api/combos", json={"name": "fast", "models": ["acme/one"]})
            assert made.status_code in (201, 409), made.text
            assert browser.post("/api/auth/logout").status_code == 200
            assert browser.get("/api/combos").status_code == 401
