"""A start that cannot be made says why and leaves nothing behind."""

import logging
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from omniroute.supervisor import EXIT_REFUSED, SupervisorPlan, lock, run


@pytest.fixture(autouse=True)
def restore_logging() -> Iterator[None]:
    root = logging.getLogger()
    before = root.handlers[:], root.level
    yield
    root.handlers[:], root.level = before


def test_a_taken_dashboard_port_is_refused_and_the_rest_let_go(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other, socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
        free.close()
        plan = SupervisorPlan(
            data_dir=tmp_path / "d", port=port, dashboard_port=other.getsockname()[1]
        )
        assert run(plan) == EXIT_REFUSED
        assert str(other.getsockname()[1]) in capsys.readouterr().err
        socket.create_server(("127.0.0.1", port)).close()
    os.close(lock.hold(tmp_path / "d"))


def test_a_data_dir_in_use_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    held = lock.hold(tmp_path)
    assert run(SupervisorPlan(data_dir=tmp_path, port=0, dashboard_port=0)) == EXIT_REFUSED
    assert "another omniroute" in capsys.readouterr().err
    os.close(held)


def test_nothing_heavy_is_imported_before_the_children_are_spawned() -> None:
    code = (
        "import sys, omniroute.supervisor; print([name for name in "
        "('trio', 'msgspec', 'lmdb', 'sqlalchemy', 'starlette', 'omniroute.config') "
        "if name in sys.modules])"
    )
    root = str(Path(__file__).resolve().parents[2])
    told = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "PYTHONPATH": root},
    )
    assert told.stdout.strip() == "[]"
