"""`omniroute check` shows where requests would go, and the shipped example passes it."""

import io
import re
from collections.abc import Mapping
from pathlib import Path

import pytest

from omniroute.check import check
from omniroute.config import ConfigError, load

EXAMPLE = Path(__file__).parents[1] / "examples" / "omniroute.toml"


def report(text: str, directory: Path, env: Mapping[str, str] | None = None) -> str:
    file = directory / "omniroute.toml"
    file.write_text(text, encoding="utf-8")
    out = io.StringIO()
    assert check(file, load({}, env or {}, file, directory, working_dir=directory), out) == 0
    return out.getvalue()


def test_each_provider_is_shown_with_the_url_it_resolves_to(tmp_path: Path) -> None:
    shown = report(
        '[[providers]]\nid = "acme"\nformat = "openai"\nbase_url = "http://h/v1/"\n'
        '[[connections]]\nprovider = "acme"\nname = "b"\nbase_url = "http://other/v1"\n',
        tmp_path,
    )
    assert re.search(r"^acme +openai +http://h/v1/chat/completions +1 connection: b$", shown, re.M)
    assert "through b: http://other/v1/chat/completions" in shown


def test_what_cannot_be_used_is_shown_with_the_reason(tmp_path: Path) -> None:
    assert "NOT USABLE: OpenAI needs an api_key." in report(
        '[[providers]]\nid = "openai"\n', tmp_path
    )


def test_a_contradiction_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigError):
        report('[[connections]]\nprovider = "nobody"\n', tmp_path)


def test_names_and_limits_are_shown_in_short(tmp_path: Path) -> None:
    shown = report(
        '[[providers]]\nid = "acme"\nformat = "openai"\nbase_url = "http://h/v1/"\n'
        '[[connections]]\nprovider = "acme"\nrpm = 9\nmin_gap_ms = 50\nmax_concurrent = 2\n'
        '[[combos]]\nname = "c"\nmodels = ["acme/a", { model = "acme/b", weight = 2.5 }]\n'
        'strategy = "weighted"\ntiered = true\n'
        '[[combos]]\nname = "empty"\nmodels = ["glm/x"]\n'
        '[[aliases]]\npattern = "gpt-*"\ntarget = "c"\n'
        '[[routes]]\npattern = "openai/*"\ntarget = "acme/*"\n'
        '[[fallback_chains]]\nname = "last"\nmodels = ["c"]\n'
        '[[keys]]\nname = "k"\nkey = "sk-12345678"\nbudget = { usd = 1.5 }\n'
        '[[budgets]]\ntier = "cheap"\nusd = 2\n',
        tmp_path,
    )
    for line in (
        "combo c (weighted, tiered): acme/a, acme/b x2.5",
        "combo empty (priority): no member that can be used",
        "alias gpt-* -> c",
        "route openai/* -> acme/*",
        "after * (last): c",
        "limit connection/acme/main/rpm: 9 requests",
        "limit connection/acme/main/gap: 50 ms between two requests",
        "limit connection/acme/main/running: 2 at a time",
        "limit key/file/k/usd/monthly: 1.50 USD",
        "limit tier/cheap/usd/monthly: 2.00 USD",
        "note: combo empty: none of its members can be used",
    ):
        assert line in shown.splitlines()


def test_where_quotas_are_asked_is_shown(tmp_path: Path) -> None:
    account = '[[connections]]\nprovider = "glm"\napi_key = "k"\n'
    url = "https://api.z.ai/api/monitor/usage/quota/limit"
    assert f"quotas of glm/main: asked at {url} every 300 s" in report(account, tmp_path)
    switched_off = f"[resilience]\nquota_sync_s = 0\n{account}"
    assert "quotas of" not in report(switched_off, tmp_path)


def test_credentials_are_not_shown(tmp_path: Path) -> None:
    shown = report(
        '[server]\nproxy = "http://u:hunter2@p"\n'
        '[[connections]]\nprovider = "openai"\napi_key = "hunter2"\n'
        '[[keys]]\nname = "a"\nkey = "sk-hunter2"\n',
        tmp_path,
    )
    assert "hunter2" not in shown


def test_nothing_is_written(tmp_path: Path) -> None:
    report("", tmp_path)
    assert [file.name for file in tmp_path.iterdir()] == ["omniroute.toml"]


def test_the_example_passes_as_it_is(tmp_path: Path) -> None:
    shown = report(EXAMPLE.read_text(encoding="utf-8"), tmp_path)
    assert "NOT USABLE" not in shown


def test_the_example_passes_with_all_that_is_switched_off_in_it_switched_on(tmp_path: Path) -> None:
    (tmp_path / "openrouter.key").write_text("sk-or-2\n")
    (tmp_path / "company-ca.pem").write_text("certificate\n")
    text = re.sub(r"^#(?=\S)", "", EXAMPLE.read_text(encoding="utf-8"), flags=re.M)
    env = {
        "CORPORATE_PROXY": "http://user:password@proxy.example.org:8080",
        "OPENROUTER_KEY": "sk-or-1",
        "OMNI_KEY": "sk-omni-1",
    }
    shown = report(text, tmp_path, env)
    assert "2 connections: work, private" in shown
    assert "note: " not in shown
