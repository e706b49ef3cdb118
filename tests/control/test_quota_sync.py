"""Whom control asks for quotas, when, and what comes of it: real sockets, the simulator answers."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from omniroute.compiling import compile_snapshot
from omniroute.config import load
from omniroute.control.quota_sync import (
    LEAST_MS,
    LONGEST_MS,
    Asked,
    QuotaSync,
    after_asking,
    askings,
    plausible,
)
from omniroute.installation import Installation
from omniroute.net.connector import Connector
from omniroute.net.proxies import EnvironmentProxies
from omniroute.net.readiness import open_readiness
from omniroute.providers.registry import load_registry
from omniroute.resilience import cooldown, quota
from omniroute.resilience.quota import Report
from omniroute.snapshot import Snapshot
from omniroute.state.memory_conditions import MemoryConditions
from tests.simulator.conftest import Running, running

ROWS = load_registry()
NOW = 1_800_000_000_000
HOUR = 3_600_000


class House:
    """Compiles configurations and asks."""

    def __init__(self, installation: Installation, simulator: Running, tmp_path: Any) -> None:
        self.installation = installation
        self.simulator = simulator
        self.conditions = MemoryConditions()
        self._file = tmp_path / "omniroute.toml"
        self.readiness = open_readiness()
        self.drawn = 0.0
        self.sync = self.another()
        self.snapshot = self.configured()

    def another(self) -> QuotaSync:
        return QuotaSync(
            self.conditions,
            lambda: ROWS,
            self.installation,
            Connector(self.readiness),
            EnvironmentProxies({}),
            now_ms=lambda: round(self.simulator.clock.now_s * 1000),
            draw=lambda: self.drawn,
        )

    def configured(self, *names: str, key: str = "k", sync_s: float = 300.0) -> Snapshot:
        root = f"http://127.0.0.1:{self.simulator.port}/p/glm"
        text = f"[resilience]\nquota_sync_s = {sync_s}\n"
        text += f'[[providers]]\nid = "glm"\nbase_url = "{root}"\n'
        for name in names or ("main",):
            text += (
                f'[[connections]]\nprovider = "glm"\nname = "{name}"\napi_key = "{key}-{name}"\n'
            )
        self.snapshot = self.compiled(text)
        return self.snapshot

    def compiled(self, text: str) -> Snapshot:
        self._file.write_text(text)
        return compile_snapshot(
            load({}, {}, self._file, self._file.parent), ROWS, (), self.installation
        )

    async def later(self, seconds: float) -> int:
        """Time passes, the job comes by; how many have been asked so far."""
        self.simulator.clock.now_s += seconds
        await self.sync.ask_due(self.snapshot)
        return sum(each["asked_ms"] is not None for each in self.sync.describe())

    async def asks(self, seconds: float = 0.0) -> bool:
        """Whether it asks for the only account when so much time has passed."""
        before = self.told["asked_ms"] if self.sync.describe() else None
        await self.later(seconds)
        return self.told["asked_ms"] != before

    @property
    def told(self) -> dict[str, Any]:
        (account,) = self.sync.describe()
        return account

    def report(self, name: str = "main", window: str = "5h") -> Report | None:
        stored = self.conditions.read()[1].get(quota.quota_key(f"glm/{name}", window))
        return None if stored is None else quota.read(stored)


@pytest.fixture
async def house(installation: Installation, tmp_path: Any) -> AsyncIterator[House]:
    async with running() as simulator, trio.open_nursery() as nursery:
        made = House(installation, simulator, tmp_path)
        nursery.start_soon(made.readiness.run)
        yield made
        nursery.cancel_scope.cancel()


# --- whom ---------------------------------------------------------------------------------------


def asked_urls(house: House, text: str) -> dict[str, str]:
    rows = {row.id: row for row in ROWS}
    return {each.connection.id: each.url for each in askings(house.compiled(text), rows)}


@pytest.mark.parametrize(
    ("provider", "connection", "url"),
    [
        ("", "", "https://api.z.ai/api/monitor/usage/quota/limit"),
        ('base_url = "https://own.example/api/anthropic"', "", "https://own.example/api/monitor"),
        ("", 'base_url = "https://own.example"', "https://own.example/api/monitor"),
        ('base_url = "https://api.z.ai/api/anthropic/v1"', "", "https://api.z.ai/api/monitor"),
    ],
)
async def test_an_account_is_asked_for_where_its_traffic_goes(house, provider, connection, url):
    text = f'[[providers]]\nid = "glm"\n{provider}\n'
    text += f'[[connections]]\nprovider = "glm"\napi_key = "k"\n{connection}\n'
    (asked,) = asked_urls(house, text).values()
    assert asked.startswith(url)


@pytest.mark.parametrize(
    "text",
    [
        # a custom provider; no credential; switched off; another service of that name; no endpoint
        '[[providers]]\nid = "own"\nformat = "openai"\nbase_url = "https://x.example"\n'
        '[[connections]]\nprovider = "own"\napi_key = "k"\n',
        '[[connections]]\nprovider = "glm"\nbase_url = "https://x.example"\n',
        '[[connections]]\nprovider = "glm"\napi_key = "k"\nenabled = false\n',
        '[[providers]]\nid = "glm"\nformat = "openai"\nbase_url = "https://x.example"\n'
        '[[connections]]\nprovider = "glm"\napi_key = "k"\n',
        '[[connections]]\nprovider = "openai"\napi_key = "k"\n',
    ],
)
async def test_nobody_else_is_asked_for(house, text):
    assert asked_urls(house, text) == {}


# --- when ---------------------------------------------------------------------------------------


async def test_everybody_is_asked_soon_after_the_start_and_then_at_the_interval(house):
    house.drawn = 0.5
    assert not await house.asks()
    assert await house.asks(3)
    assert not await house.asks(269)
    assert await house.asks(1)  # 300 s less half of the jitter


async def test_nobody_is_asked_when_it_is_switched_off(house):
    house.configured(sync_s=0)
    assert await house.later(1000) == 0
    assert house.sync.describe() == []


async def test_a_short_interval_is_a_minute(house):
    house.configured(sync_s=1)
    assert await house.asks()
    assert not await house.asks(59)
    assert await house.asks(1)


async def test_an_account_that_failed_is_asked_for_soon_but_not_within_the_minute(house):
    assert await house.asks()
    policy = cooldown.Policy(5.0, 300.0, 86400.0)
    failed_ms = round(house.simulator.clock.now_s * 1000) + 1000
    house.conditions.change(
        cooldown.cooldown_key("glm/main"), lambda _: cooldown.after_failure(None, failed_ms, policy)
    )
    assert not await house.asks(58)
    assert await house.asks(2)
    assert not await house.asks(70)  # it has not failed since


async def test_an_account_is_asked_for_when_its_window_has_reset(house):
    quotas = [{"limit": 10, "used": 10, "resets_in_s": 100}]
    await house.simulator.script("glm", account="k-main", quotas=quotas)
    assert await house.asks()
    assert house.report().used == 1.0
    assert not await house.asks(99)
    assert await house.asks(2)
    assert house.report().used == 0.0


async def test_who_is_in_a_hurry_is_asked_for_but_not_twice_within_the_minute(house):
    assert await house.asks(5)
    assert not await house.asks(70)
    assert house.sync.hurry("glm/main") == 1
    assert await house.asks()
    assert house.sync.hurry() == 1
    assert not await house.asks(30)
    assert await house.asks(30)
    assert house.sync.hurry("glm/nobody") == 0


async def test_a_changed_credential_is_asked_with_at_once(house):
    await house.simulator.script("glm", account="k-main", refused=True)
    assert await house.asks()
    assert house.told["failures"] == 1
    house.configured(key="new")
    assert not await house.asks(59)
    assert await house.asks(1)
    assert house.told["failures"] == 0


async def test_publishing_anew_does_not_ask_anew(house):
    assert await house.asks()
    house.configured()
    assert not await house.asks(61)


async def test_a_new_process_goes_on_where_the_last_one_wrote(house, installation):
    await house.simulator.script("glm", account="k-main", quotas=[{"limit": 10}])
    assert await house.asks()
    house.sync = house.another()
    await house.later(59)
    assert house.told["asked_ms"] == NOW
    await house.later(1)
    assert house.told["asked_ms"] == NOW + 60_000


moments = st.integers(NOW - 10 * HOUR, NOW + 10 * HOUR)


@given(
    st.builds(Asked, st.just(b""), moments, st.integers(0, 5000), moments, st.integers(0, 3)),
    st.lists(
        st.builds(Report, st.just("5h"), st.floats(0, 2), moments, moments, st.just("header"))
    ),
    moments,
)
def test_never_twice_within_a_minute_and_never_later_than_planned(asked, reports, marked_ms):
    due_ms = asked.due_ms(reports, marked_ms)
    assert due_ms >= asked.asked_ms + LEAST_MS
    assert due_ms <= max(asked.next_ms, asked.asked_ms + LEAST_MS)
    if asked.failures:
        assert due_ms == max(asked.next_ms, asked.asked_ms + LEAST_MS)


# --- what comes of it ---------------------------------------------------------------------------


async def test_what_an_endpoint_tells_stands_in_the_conditions_of_its_account(house):
    house.configured("a", "b")
    await house.simulator.script("glm", account="k-a", quotas=[{"limit": 100, "used": 40}])
    await house.simulator.script("glm", account="k-b", quotas=[{"limit": 100, "used": 100}])
    assert await house.later(0) == 2
    assert house.report("a").used == 0.4
    assert house.report("a").source == "endpoint"
    used_up = house.report("b")
    until_ms = quota.exhausted_until_ms([used_up], 1.0, NOW)
    assert until_ms == used_up.resets_ms == NOW + 5 * HOUR


async def test_what_did_not_change_is_not_written_again(house):
    await house.simulator.script("glm", account="k-main", quotas=[{"limit": 100, "used": 40}])
    await house.later(0)
    version = house.conditions.version()
    assert await house.asks(300)
    assert house.conditions.version() == version


def test_a_full_quota_without_an_end_is_written_each_time_it_is_told():
    def told(used: float, at_ms: int) -> Report:
        return Report("credits", used, None, at_ms, "endpoint")

    stored = after_asking(None, told(1.0, NOW), 1.0)
    assert quota.read(after_asking(stored, told(1.0, NOW + 240_000), 1.0)).reported_ms > NOW
    stored = after_asking(None, told(0.5, NOW), 1.0)
    assert after_asking(stored, told(0.5, NOW + 240_000), 1.0) == stored


@given(
    st.builds(
        Report,
        st.text(max_size=400),
        st.floats(0, allow_nan=False),
        st.none() | st.integers(0, 1 << 2000),
        st.just(NOW),
        st.just("endpoint"),
        model=st.text(max_size=400),
    )
)
def test_no_answer_is_so_odd_that_it_cannot_be_kept_or_never_ends(told):
    report = plausible(told, NOW)
    stored = after_asking(None, report, 1.0)
    assert quota.read(after_asking(stored, report, 1.0)) == report
    assert quota.exhausted_until_ms([report], 1.0, NOW) <= NOW + 400 * 24 * HOUR
    conditions = MemoryConditions()
    conditions.change(quota.quota_key("acme/main", report.window), lambda _: stored)
    (key,) = conditions.read()[1]
    assert len(key.encode("utf-8", "surrogatepass")) < 400


async def test_a_refused_credential_is_not_shown_again_for_long_and_said_once(house, caplog):
    await house.simulator.script("glm", account="k-main", refused=True)
    assert await house.asks()
    assert "status 401" in house.told["error"]
    assert house.told["next_ms"] - house.told["asked_ms"] == LONGEST_MS
    assert await house.asks(LONGEST_MS / 1000)
    assert caplog.text.count("status 401") == 1
    assert "k-main" not in caplog.text
    await house.simulator.script("glm", account="k-main", quotas=[{"limit": 10}])
    assert await house.asks(LONGEST_MS / 1000)
    assert (house.told["failures"], house.told["error"]) == (0, "")


async def test_an_endpoint_that_is_not_there_is_asked_later_and_later(house):
    house.snapshot = house.compiled(
        '[[providers]]\nid = "glm"\nbase_url = "http://127.0.0.1:1"\n'
        '[[connections]]\nprovider = "glm"\napi_key = "k"\n'
    )
    pauses = []
    for _ in range(5):
        assert await house.asks(LONGEST_MS / 1000)
        pauses.append((house.told["next_ms"] - house.told["asked_ms"]) / 1000)
    assert pauses == [600, 1200, 2400, 3600, 3600]
    assert "cannot be asked" in house.told["error"]


async def test_an_address_that_policy_refuses_is_not_asked(house):
    house.snapshot = house.compiled(
        '[[providers]]\nid = "glm"\nbase_url = "http://169.254.169.254"\n'
        '[[connections]]\nprovider = "glm"\napi_key = "k"\n'
    )
    assert await house.asks()
    assert "metadata" in house.told["error"] or "link-local" in house.told["error"]


async def test_what_is_no_answer_changes_nothing_that_is_known(house):
    await house.simulator.script("glm", account="k-main", quotas=[{"limit": 10, "used": 5}])
    await house.later(0)
    known = house.report()
    # Under this mount there is a simulator, and under its root no such endpoint.
    house.snapshot = house.compiled(
        f'[[providers]]\nid = "glm"\nbase_url = "http://127.0.0.1:{house.simulator.port}/nowhere"\n'
        '[[connections]]\nprovider = "glm"\napi_key = "k-main"\n'
    )
    assert await house.asks(300)
    assert house.told["failures"] == 1
    assert house.report() == known


async def test_a_credential_that_is_no_header_is_not_sent(house):
    snapshot = house.configured()
    (connection,) = snapshot.connections
    connection = replace(connection, secret=house.installation.encrypt(b"k\r\nx-evil: 1"))
    house.snapshot = replace(snapshot, connections=(connection,))
    assert await house.asks()
    assert "no header may hold" in house.told["error"]
