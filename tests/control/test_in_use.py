"""What is left of a limit is what neither was used nor is reserved."""

from omniroute.control.in_use import limits_in_use, limits_of, plain
from omniroute.record import Record
from omniroute.resilience.meters import Meter
from omniroute.snapshot import BudgetView, KeyView, Snapshot
from omniroute.state.interface import Hold
from omniroute.state.memory_state import MemoryState
from tests.control.snapshots import bare_snapshot

NOW_MS = 1_700_000_000_000
RPM = Meter(key="key/k/rpm", measure="requests", kind="rolling", limit=2, window_ms=60_000)
RUNNING = Meter(key="key/k/running", measure="running", kind="running", limit=1)
GAP = Meter(key="key/k/gap", measure="gap", kind="gap", limit=5_000)
BUDGET = Meter(key="tier/free/usd", measure="usd", kind="fixed", limit=10, period="daily")


def test_nothing_is_known_before_a_snapshot() -> None:
    assert limits_in_use(MemoryState(), None, NOW_MS) == []


def test_every_limit_says_whose_it_is_and_what_is_left() -> None:
    state = MemoryState()
    snapshot: Snapshot = bare_snapshot(
        keys=(KeyView("k", "laptop", b"d", meters=(RPM, RUNNING, GAP)),),
        budgets=(BudgetView("free", "", BUDGET),),
    )
    before = limits_in_use(state, snapshot, NOW_MS)
    assert [limit.is_throttled for limit in before] == [False] * 4
    holds = [Hold(RPM, 1), Hold(RUNNING, 1), Hold(GAP, 1), Hold(BUDGET, 4)]
    note = Record(id="r", started_ms=NOW_MS)
    assert state.limits.reserve(b"t" * 16, holds, note, NOW_MS) is None
    found = {limit.key: limit for limit in limits_in_use(state, snapshot, NOW_MS + 1_000)}
    assert (found["key/k/rpm"].used, found["key/k/rpm"].left) == (1, 1)
    assert (found["key/k/running"].reserved, found["key/k/running"].is_throttled) == (1, True)
    assert (found["key/k/gap"].used, found["key/k/gap"].is_throttled) == (4_000, True)
    assert (found["tier/free/usd"].owner_kind, found["tier/free/usd"].left) == ("tier", 6)
    later = {limit.key: limit for limit in limits_in_use(state, snapshot, NOW_MS + 5_000)}
    assert not later["key/k/gap"].is_throttled
    assert plain(list(later.values()))[0]["owner"] == "k"


def test_each_owner_is_told_its_own_limits_in_their_order() -> None:
    state = MemoryState()
    note = Record(id="r", started_ms=NOW_MS)
    holds = [Hold(RPM, 1), Hold(BUDGET, 4)]
    assert state.limits.reserve(b"t" * 16, holds, note, NOW_MS) is None
    told = limits_of(state, {"a": (RUNNING, RPM), "none": (), "b": (BUDGET,)}, NOW_MS)
    assert {owner: [(each.key, each.used) for each in own] for owner, own in told.items()} == {
        "a": [(RUNNING.key, 0), (RPM.key, 1)],
        "none": [],
        "b": [(BUDGET.key, 0)],
    }
    assert told["b"][0].reserved == 4
