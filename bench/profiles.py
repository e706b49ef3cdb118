"""The gateway configurations that are measured: the bare hop, and the full profile.

The full profile grows with the gateway: each part below is included when `omniroute check` accepts
it, so a result names the parts that were on and those this version does not know.
"""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass

PROVIDER = "bench"
KEY_COUNT = 200
CONNECTION_COUNT = 50
COMBO_COUNT = 20


@dataclass(frozen=True)
class Part:
    """One feature of the full profile: lines for every key, and whole tables."""

    name: str
    key_lines: str = ""
    tables: str = ""


def client_keys() -> list[str]:
    return [f"sk-omni-bench-{number:026d}" for number in range(KEY_COUNT)]


def _combos() -> str:
    return "\n".join(
        f'[[combos]]\nname = "combo-{number:02d}"\nstrategy = "priority"\n'
        f'models = ["{PROVIDER}/mock", "{PROVIDER}/mock-{number}-1"]\n'
        for number in range(1, COMBO_COUNT + 1)
    )


FULL_PARTS: tuple[Part, ...] = (
    Part("key permissions", key_lines=f'models = ["{PROVIDER}/*"]\n'),
    Part("key rate limit", key_lines="rpm = 100000000\n"),
    Part("key token limit", key_lines="tpm = 1000000000\n"),
    Part("key budget", key_lines='budget = { usd = 100000000.0, period = "monthly" }\n'),
    Part("20 combos", tables=_combos()),
    Part(
        "pricing",
        tables=f'[[pricing]]\nmodel = "{PROVIDER}/*"\ninput = 0.6\noutput = 2.2\n'
        "cached_input = 0.1\n",
    ),
)


def bare(upstream_port: int, *, workers: int = 1) -> str:
    """A proxy hop with nothing but the model's name to resolve."""
    return _server(workers, require_key=False) + _provider(upstream_port) + _connection("main")


def full(upstream_port: int, parts: Collection[Part], *, workers: int = 1) -> str:
    """200 keys, 50 connections and the given parts."""
    text = _server(workers, require_key=True) + _provider(upstream_port)
    for number in range(CONNECTION_COUNT):
        text += _connection(f"account-{number:02d}")
    key_lines = "".join(part.key_lines for part in parts)
    for number, key in enumerate(client_keys()):
        text += f'[[keys]]\nname = "key-{number:03d}"\nkey = "{key}"\n{key_lines}\n'
    return text + "\n".join(part.tables for part in parts)


def accepted_parts(
    upstream_port: int, is_accepted: Callable[[str], bool]
) -> tuple[Sequence[Part], Sequence[Part]]:
    """The parts that this version knows, and those it does not; each is tried on its own."""
    if is_accepted(full(upstream_port, FULL_PARTS)):
        return FULL_PARTS, ()
    known = [part for part in FULL_PARTS if is_accepted(full(upstream_port, (part,)))]
    return known, [part for part in FULL_PARTS if part not in known]


def _server(workers: int, *, require_key: bool) -> str:
    # The pool is wide enough for the most streams that are tried; ports come by command line.
    return (
        f"[server]\nworkers = {workers}\nrequire_api_key = {str(require_key).lower()}\n"
        "dashboard_port = 0\n\n[upstream]\npool_size = 8192\n\n"
    )


def _provider(upstream_port: int) -> str:
    return (
        f'[[providers]]\nid = "{PROVIDER}"\nformat = "openai"\n'
        f'base_url = "http://127.0.0.1:{upstream_port}/v1"\nmodels = ["mock"]\n\n'
    )


def _connection(name: str) -> str:
    return (
        f'[[connections]]\nprovider = "{PROVIDER}"\nname = "{name}"\n'
        f'api_key = "sk-upstream-{name}"\n\n'
    )
