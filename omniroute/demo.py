"""`omniroute demo`: the whole gateway against the built-in simulator, without account or network.

Everything lives in a temporary data directory that is removed at the end, with keys and password
made afresh and printed. Of the person's own environment only what says where to listen, with how
many workers and how to log is obeyed; configuration files, `.env`, proxies and passwords are not.

Once the gateway answers, one streamed request per client format goes through it, and what comes
back is printed as it arrives. The requests are made by the standard library's plain client in a
thread: this is a client of the gateway, not traffic of its data plane.
"""

import json
import os
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any, Final, NamedTuple
from urllib.parse import urlsplit

from omniroute.simulator.scenario import LISTED, PACE_VARIABLE

if TYPE_CHECKING:
    import http.client

    from omniroute.supervisor import Ready

PROVIDER: Final = "demo"

# Fast enough not to bore, slow enough to see that it streams.
_PACE_MS: Final = "25"
# The default is made for traffic; a demo's directory may lie in memory.
_MAP_BYTES: Final = 32 * 1024 * 1024
_ANSWER_S: Final = 30.0

# Settings (section, key) whose environment variables hold for the demo, too.
_OBEYED: Final = frozenset(
    {
        ("server", "host"),
        ("server", "port"),
        ("server", "workers"),
        ("server", "dashboard_port"),
        ("server", "drain_timeout_s"),
        ("log", "level"),
        ("log", "format"),
    }
)


class ClientFormat(NamedTuple):
    """How a client of one wire format asks, and where the text stands in what it gets."""

    name: str
    path: str
    model: str
    key_header: tuple[str, str]
    """Name, and value around `{key}`."""
    body: Mapping[str, Any]
    text: Callable[[Mapping[str, Any]], str]
    """The text that one event adds."""


def _openai_chat_text(event: Mapping[str, Any]) -> str:
    return "".join(choice["delta"].get("content") or "" for choice in event["choices"])


def _responses_text(event: Mapping[str, Any]) -> str:
    return str(event["delta"]) if event["type"] == "response.output_text.delta" else ""


def _claude_text(event: Mapping[str, Any]) -> str:
    if event["type"] != "content_block_delta":
        return ""
    return str(event["delta"].get("text", ""))


def _gemini_text(event: Mapping[str, Any]) -> str:
    return "".join(
        part.get("text", "")
        for candidate in event.get("candidates", ())
        for part in candidate.get("content", {}).get("parts", ())
    )


_MODEL: Final = f"{PROVIDER}/plain"
_HELLO: Final = {"role": "user", "content": "Hello, gateway!"}


CLIENT_FORMATS: Final = (
    ClientFormat(
        name="OpenAI chat",
        path="/v1/chat/completions",
        model=_MODEL,
        key_header=("Authorization", "Bearer {key}"),
        body={"model": _MODEL, "stream": True, "messages": [_HELLO]},
        text=_openai_chat_text,
    ),
    ClientFormat(
        name="OpenAI Responses",
        path="/v1/responses",
        model=_MODEL,
        key_header=("Authorization", "Bearer {key}"),
        body={"model": _MODEL, "stream": True, "input": [_HELLO]},
        text=_responses_text,
    ),
    ClientFormat(
        name="Claude",
        path="/v1/messages",
        model=_MODEL,
        key_header=("x-api-key", "{key}"),
        body={"model": _MODEL, "stream": True, "max_tokens": 1024, "messages": [_HELLO]},
        text=_claude_text,
    ),
    ClientFormat(
        name="Gemini",
        path=f"/v1beta/models/{_MODEL}:streamGenerateContent?alt=sse",
        model=_MODEL,
        key_header=("x-goog-api-key", "{key}"),
        body={"contents": [{"role": "user", "parts": [{"text": "Hello, gateway!"}]}]},
        text=_gemini_text,
    ),
)


def run(overrides: Mapping[str, object], *, open_browser: bool) -> int:
    """Run the demo until a signal ends it. Returns the exit status.

    `overrides` are settings of the command line, such as `{"server.port": "20130"}`. Raises
    ConfigError when they are wrong.
    """
    before = Path.cwd()
    # Until the supervisor answers signals itself, one must not leave the directory behind.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _leave)
    with tempfile.TemporaryDirectory(prefix="omniroute-demo-", ignore_cleanup_errors=True) as name:
        directory = Path(name).resolve()
        # Away from the person's omniroute.toml and .env, which are read from the working dir.
        os.chdir(directory)
        try:
            return _run_in(directory, overrides, open_browser)
        finally:
            os.chdir(before)


def _leave(number: int, frame: FrameType | None) -> None:
    sys.exit(128 + number)


def _run_in(directory: Path, overrides: Mapping[str, object], open_browser: bool) -> int:
    from omniroute import ports
    from omniroute.config import load
    from omniroute.supervisor import SupervisorPlan
    from omniroute.supervisor import run as supervise

    for variable in _foreign_variables():
        os.environ.pop(variable, None)
    os.environ.setdefault(PACE_VARIABLE, _PACE_MS)
    with ports.listen("127.0.0.1", 0) as simulator_socket:
        config_file = directory / "omniroute.toml"
        config_file.write_text(config_text(simulator_socket.getsockname()[1]), encoding="utf-8")
        settings = load(overrides, os.environ, config_file, directory)
        server = settings.server
        return supervise(
            SupervisorPlan(
                data_dir=directory,
                config_file=config_file,
                host=server.host,
                port=server.port,
                dashboard_port=server.dashboard_port,
                split_ports=server.split_ports,
                workers=server.workers,
                drain_timeout_s=server.drain_timeout_s,
                heartbeat_timeout_s=server.heartbeat_timeout_s,
                open_browser=open_browser,
                log_level=settings.log.level,
                log_format=settings.log.format,
                log_rotation=settings.log.rotation,
                overrides=overrides,
                simulator=True,
                simulator_socket=simulator_socket,
                after_ready=show,
            )
        )


def config_text(simulator_port: int) -> str:
    """The demo's configuration file."""
    models = "".join(f"  {json.dumps(name)},\n" for name in LISTED)
    return f"""\
# Written by `omniroute demo`; it goes with this directory.

[state]
map_bytes = {_MAP_BYTES}

[[providers]]
id = "{PROVIDER}"
format = "openai"
base_url = "http://127.0.0.1:{simulator_port}/v1"
tier = "local"
models = [
{models}]
"""


def _foreign_variables() -> Iterator[str]:
    """Environment variables that say something about the person's own installation."""
    import msgspec

    from omniroute.config.schema import sections
    from omniroute.config.sources import CONFIG_FILE_NAMES, DATA_DIR_NAMES, environment_names
    from omniroute.installation import KEY_VARIABLE

    yield from (*CONFIG_FILE_NAMES, *DATA_DIR_NAMES, KEY_VARIABLE)
    for section in sections():
        if not section.repeated:
            for field in msgspec.structs.fields(section.struct):
                if (section.name, field.name) not in _OBEYED:
                    yield from environment_names(section.name, field.name)


async def show(ready: "Ready") -> None:
    """Send one streamed request per client format and print the answers as they arrive."""
    import trio

    key = str(ready.first_start["api_key"])
    _say("")
    _say("One streamed request per client format, through the gateway to the built-in simulator:")
    for client in CLIENT_FORMATS:
        ask = partial(_ask, client, ready.endpoint, key)
        await trio.to_thread.run_sync(ask, abandon_on_cancel=True)
    _say("")
    _say(
        "Now yours. The models are demo/plain, demo/tools, demo/long-200 and more (GET /v1/models):"
    )
    _say(f"  curl -N {ready.endpoint}/v1/chat/completions -H 'Authorization: Bearer {key}' \\")
    _say("    -H 'Content-Type: application/json' -d '" + json.dumps(CLIENT_FORMATS[0].body) + "'")
    _say("")
    _say("Ctrl-C stops; nothing is kept.")


def _ask(client: ClientFormat, endpoint: str, key: str) -> None:
    """One request; a failure is told, and the demo goes on."""
    import http.client  # late: the gateway starts meanwhile

    _say("")
    _say(f"{client.name}: POST {client.path}, model {client.model}")
    address = urlsplit(endpoint)
    name, value = client.key_header
    connection = http.client.HTTPConnection(address.hostname or "", address.port, timeout=_ANSWER_S)
    started_s = time.perf_counter()
    try:
        connection.request(
            "POST",
            client.path,
            json.dumps(client.body),
            {"Content-Type": "application/json", name: value.format(key=key)},
        )
        answer = connection.getresponse()
        first_byte_ms = (time.perf_counter() - started_s) * 1000
        if answer.status != 200:
            _say(
                f"  failed with status {answer.status}: {answer.read().decode('utf-8', 'replace')}"
            )
            return
        _say("  ", end="")
        events = 0
        for event in _events(answer):
            events += 1
            _say(client.text(event), end="")
        overhead_us = answer.headers.get("X-OmniRoute-Overhead-Us")
        spent = f", {overhead_us} µs of them in the gateway" if overhead_us else ""
        _say(f"\n  200, {events} events, the first after {first_byte_ms:.1f} ms{spent}")
    except (OSError, http.client.HTTPException, ValueError, LookupError) as error:
        _say(f"\n  failed: {str(error) or type(error).__name__}")
    finally:
        connection.close()


def _events(answer: "http.client.HTTPResponse") -> Iterator[Mapping[str, Any]]:
    """The JSON events of an SSE stream, each when it arrives."""
    for line in answer:
        data = line.removeprefix(b"data:").strip()
        if line.startswith(b"data:") and data != b"[DONE]":
            yield json.loads(data)


def _say(text: str, end: str = "\n") -> None:
    print(text, end=end, flush=True)
