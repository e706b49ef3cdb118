"""A dry run shows the plan in its order, what stands against each target, and changes nothing."""

from pathlib import Path

import pytest

from omniroute.compiling import compile_snapshot
from omniroute.config import load
from omniroute.control.dry_run import NOT_THIS_ACCOUNT, NOT_THIS_MODEL, DryRun, dry_run
from omniroute.errors import GatewayError
from omniroute.installation import Installation
from omniroute.providers.registry import load_registry
from omniroute.record import Record
from omniroute.resilience import breaker, cooldown, quota
from omniroute.resilience.quota import Report
from omniroute.snapshot import KeyView, Snapshot
from omniroute.state.interface import Hold
from omniroute.state.memory_state import MemoryState

NOW_MS = 1_700_000_000_000
POLICY = cooldown.Policy(60.0, 300.0, 86400.0)
TEXT = """
[[providers]]
id = "one"
format = "openai"
base_url = "https://one.test/v1"
models = ["m"]

[[providers]]
id = "two"
format = "openai"
base_url = "https://two.test/v1"
models = ["m"]

[[connections]]
provider = "one"
name = "a"
api_key = "k1"

[[connections]]
provider = "one"
name = "b"
api_key = "k2"
priority = 2
max_concurrent = 1

[[connections]]
provider = "two"
name = "c"
api_key = "k3"

[[combos]]
name = "fast"
models = ["one/m", "two/m"]

[[pricing]]
model = "two/m"
input = 2.0
output = 8.0
"""


@pytest.fixture
def snapshot(tmp_path: Path, installation: Installation) -> Snapshot:
    file = tmp_path / "omniroute.toml"
    file.write_text(TEXT)
    return compile_snapshot(load({}, {}, file, tmp_path), load_registry(), (), installation)


@pytest.fixture
def state() -> MemoryState:
    return MemoryState()


def reasons(run: DryRun) -> dict[str, str]:
    return {target.connection: target.reason for target in run.targets}


def test_a_combo_is_shown_in_its_order_with_prices(snapshot: Snapshot, state: MemoryState) -> None:
    run = dry_run(snapshot, state, "fast", NOW_MS)
    assert [target.connection for target in run.targets] == ["one/a", "one/b", "two/c"]
    assert (run.combo, run.first) == ("fast", 0)
    last = run.targets[2]
    assert (last.input_price_microusd, last.output_price_microusd) == (2_000_000, 8_000_000)
    assert run.targets[0].tier


def test_what_stands_against_a_target_is_told(snapshot: Snapshot, state: MemoryState) -> None:
    change = state.conditions.change
    change("cooldown:one/a", lambda _: cooldown.after_failure(None, NOW_MS, POLICY, reason="429"))
    report = Report("7d", 1.0, NOW_MS + 9_000_000, NOW_MS, "endpoint")
    change("quota:two/c 7d", lambda _: quota.after_report(None, report))
    [meter] = snapshot.connections[1].meters
    note = Record(id="r", started_ms=NOW_MS)
    assert state.limits.reserve(b"t" * 16, [Hold(meter, 1)], note, NOW_MS) is None
    run = dry_run(snapshot, state, "fast", NOW_MS)
    assert reasons(run) == {
        "one/a": "rests: 429",
        "one/b": f"its limit is reached: {meter.key}",
        "two/c": "its quota is used up, as its provider reports",
    }
    assert run.first is None
    assert run.targets[0].until_ms == NOW_MS + 60_000


def test_an_open_breaker_and_a_resting_model_stand_against_all_accounts(
    snapshot: Snapshot, state: MemoryState
) -> None:
    change = state.conditions.change
    policy = breaker.Policy(failures=1, window_ms=60_000, reset_ms=30_000)
    change("breaker:one", lambda known: breaker.on_failure(known, NOW_MS, policy, "", "503"))
    change("target:two m", lambda _: cooldown.after_failure(None, NOW_MS, POLICY, reason="404"))
    run = dry_run(snapshot, state, "fast", NOW_MS)
    assert reasons(run) == {
        "one/a": "the breaker of one is open: 503",
        "one/b": "the breaker of one is open: 503",
        "two/c": "this model rests: 404",
    }


def test_a_key_sees_only_what_it_may_use(snapshot: Snapshot, state: MemoryState) -> None:
    narrow = KeyView("k", "k", b"", connections=("one/*",))
    assert reasons(dry_run(snapshot, state, "fast", NOW_MS, narrow))["two/c"] == NOT_THIS_ACCOUNT
    picky = KeyView("k", "k", b"", models=("two/m",))
    found = reasons(dry_run(snapshot, state, "fast", NOW_MS, picky))
    assert found == {"one/a": NOT_THIS_MODEL, "one/b": NOT_THIS_MODEL, "two/c": ""}
    by_name = KeyView("k", "k", b"", models=("fast",))
    assert set(reasons(dry_run(snapshot, state, "fast", NOW_MS, by_name)).values()) == {""}


def test_a_name_that_stands_for_nothing_says_so(snapshot: Snapshot, state: MemoryState) -> None:
    with pytest.raises(GatewayError, match="did you mean 'fast'"):
        dry_run(snapshot, state, "fasd", NOW_MS)


def test_nothing_is_changed_by_trying(snapshot: Snapshot, state: MemoryState) -> None:
    before = state.conditions.version()
    first = dry_run(snapshot, state, "fast", NOW_MS)
    assert dry_run(snapshot, state, "fast", NOW_MS) == first
    assert state.conditions.version() == before
