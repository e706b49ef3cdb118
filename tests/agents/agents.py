"""The coding agents as programs: how each is pointed at a gateway, and what it is told to leave.

Each runs without a terminal and without asking for permission, in an empty home and in a folder of
its own that holds nothing but what the test put there. What an agent would do on the side
(statistics, updates, error reports) is switched off: nothing but the gateway is to be reached.
"""

import json
import os
import signal
import subprocess
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

RUN_S = 60


@dataclass(frozen=True)
class Run:
    """One run of an agent, to be shown whole when a test fails."""

    status: int | str
    said: str
    """What stands on standard output: the agent's last answer."""
    noise: str

    def __str__(self) -> str:
        return f"status {self.status}\n--- said\n{self.said}\n--- standard error\n{self.noise}"


@dataclass(frozen=True)
class Agent:
    """A program of the agents' folder; `prepare` writes its settings and gives its environment."""

    name: str
    format: str
    """What it speaks."""
    prepare: Callable[[Path, str, str, str], dict[str, str]]
    """From home folder, gateway's URL, key and model."""
    arguments: Callable[[str, str], list[str]]
    """From model and prompt."""

    def run(
        self, programs: Path, folder: Path, *, url: str, key: str, model: str, prompt: str
    ) -> Run:
        """Run it in `folder`/work; whatever it has started is gone afterwards."""
        home = folder / "home"
        home.mkdir()
        environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(home),
            "TERM": "dumb",
            **self.prepare(home, url, key, model),
        }
        said, noise = folder / "said", folder / "noise"
        with said.open("wb") as out, noise.open("wb") as err:
            process = subprocess.Popen(
                [str(programs / self.name), *self.arguments(model, prompt)],
                cwd=folder / "work",
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
                start_new_session=True,
            )
            try:
                status: int | str = process.wait(RUN_S)
            except subprocess.TimeoutExpired:
                status = f"unfinished after {RUN_S} s"
            finally:
                # The programs behind the launchers are of its group, too.
                with suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
                process.wait()
        return Run(status, said.read_text("utf-8", "replace"), noise.read_text("utf-8", "replace"))


def _prepare_claude(home: Path, url: str, key: str, model: str) -> dict[str, str]:
    return {
        "ANTHROPIC_BASE_URL": url,
        "ANTHROPIC_AUTH_TOKEN": key,
        # What it asks a smaller model for on the side is asked of the same provider.
        "ANTHROPIC_DEFAULT_HAIKU_MODEL": model.replace("tools", "plain"),
        "IS_SANDBOX": "1",  # root may skip permissions only where it says that it is in a sandbox
        "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
        "DISABLE_TELEMETRY": "1",
        "DISABLE_AUTOUPDATER": "1",
    }


def _prepare_codex(home: Path, url: str, key: str, model: str) -> dict[str, str]:
    settings = home / ".codex"
    settings.mkdir()
    (settings / "config.toml").write_text(
        f"""
model = "{model}"
model_provider = "omniroute"
check_for_update_on_startup = false

[analytics]
enabled = false

[feedback]
enabled = false

[features]  # both ask vendors' sites for lists at every start
apps = false
plugins = false

[model_providers.omniroute]
name = "omniroute"
base_url = "{url}/v1"
wire_api = "responses"
env_key = "OPENAI_API_KEY"
"""
    )
    return {"OPENAI_API_KEY": key}


def _prepare_gemini(home: Path, url: str, key: str, model: str) -> dict[str, str]:
    settings = home / ".gemini"
    settings.mkdir()
    wanted = {
        "security": {"auth": {"selectedType": "gemini-api-key"}},
        "privacy": {"usageStatisticsEnabled": False},
        "telemetry": {"enabled": False},
        "general": {"enableAutoUpdate": False, "enableAutoUpdateNotification": False},
    }
    (settings / "settings.json").write_text(json.dumps(wanted))
    return {"GEMINI_API_KEY": key, "GOOGLE_GEMINI_BASE_URL": url}


CLAUDE_CODE = Agent(
    "claude",
    "claude",
    _prepare_claude,
    lambda model, prompt: ["-p", prompt, "--model", model, "--dangerously-skip-permissions"],
)
CODEX = Agent(
    "codex",
    "openai-responses",
    _prepare_codex,
    lambda model, prompt: [
        *("exec", "--skip-git-repo-check", "--dangerously-bypass-approvals-and-sandbox", prompt)
    ],
)
GEMINI_CLI = Agent(
    "gemini",
    "gemini",
    _prepare_gemini,
    lambda model, prompt: ["--skip-trust", "--yolo", "-m", model, "-p", prompt],
)
AGENTS = (CLAUDE_CODE, CODEX, GEMINI_CLI)
