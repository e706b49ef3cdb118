"""Commands against a management plane that answers: tables, JSON, files, and helpful errors."""

import io
import json
from dataclasses import replace
from pathlib import Path

import pytest

from omniroute.cli import build_parser, main
from omniroute.client.asking import run
from omniroute.client.connection import local, remote
from omniroute.control.api.services import Services
from omniroute.store.audit import AuditFilter


def asked(place: object, *arguments: str) -> tuple[int, str]:
    out = io.StringIO()
    options = build_parser().parse_args(arguments)
    return run(options, lambda: place, out), out.getvalue()  # type: ignore[arg-type, return-value]


def test_what_is_made_is_shown_listed_and_taken_away(
    data_dir: Path, services: Services, capsys: pytest.CaptureFixture[str]
) -> None:
    place = local(data_dir, "")
    status, made = asked(place, "admin-keys", "create", "graphs", "--scope", "read")
    assert status == 0
    assert "oma_" in made
    status, listed = asked(place, "admin-keys", "list")
    head, row = listed.splitlines()
    assert head.startswith("ID")
    assert "graphs" in row
    id_ = row.split()[0]
    assert asked(place, "admin-keys", "revoke", id_)[0] == 1
    assert "--yes" in capsys.readouterr().err
    assert asked(place, "admin-keys", "revoke", id_, "--yes")[0] == 0
    assert asked(place, "admin-keys", "revoke", id_, "--yes")[0] == 1
    assert "revoked already" in capsys.readouterr().err
    (_, entry) = services.store.audit.page(AuditFilter(), 10)
    assert (entry.actor, entry.address) == ("local token", "local")


def test_scripts_get_the_answer_as_json(data_dir: Path) -> None:
    status, text = asked(local(data_dir, ""), "status", "--json")
    assert status == 0
    assert json.loads(text) == {"version": "x"}


def test_a_wrong_field_is_named(data_dir: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert asked(local(data_dir, ""), "admin-keys", "create", "a", "--scope", "root")[0] == 1
    assert "scopes[0]" in capsys.readouterr().err


def test_the_dashboards_port_answers_as_well(url: str, services: Services) -> None:
    place = replace(local(services.installation.data_dir, url), socket_path=None)
    assert asked(place, "status")[1] == "version  x\n"


def test_a_gateway_elsewhere_is_asked_with_an_admin_key(
    url: str, services: Services, capsys: pytest.CaptureFixture[str]
) -> None:
    _, text = services.access.admin_keys.create("a", ["read"], None, services.now_ms())
    place = remote(url, {"OMNIROUTE_ADMIN_KEY": text})
    assert asked(place, "status")[0] == 0
    assert asked(place, "admin-keys", "list")[0] == 1
    assert "scope `admin`" in capsys.readouterr().err
    assert asked(remote(url, {"OMNIROUTE_ADMIN_KEY": "oma_wrong"}), "status")[0] == 1
    assert "OMNIROUTE_ADMIN_KEY" in capsys.readouterr().err


def test_the_whole_command_line_finds_the_gateway_by_its_directory(
    data_dir: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["status", "--data-dir", str(data_dir)]) == 0
    assert capsys.readouterr().out == "version  x\n"
    assert main(["status", "--data-dir", str(data_dir / "elsewhere")]) == 1
    assert "Start one with `omniroute`" in capsys.readouterr().err


def test_a_gateway_that_does_not_run_is_said_so(
    services: Services, capsys: pytest.CaptureFixture[str]
) -> None:
    assert asked(local(services.installation.data_dir, "http://127.0.0.1:1"), "status")[0] == 1
    assert "does not run" in capsys.readouterr().err


@pytest.mark.usefixtures("quick_hashing")
def test_a_lost_password_is_replaced(
    data_dir: Path, monkeypatch: pytest.MonkeyPatch, services: Services
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("a password for today\n"))
    assert asked(local(data_dir, ""), "password")[0] == 0
    assert services.store.get_meta("admin.password")
