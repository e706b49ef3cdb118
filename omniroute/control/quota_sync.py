"""Ask providers what is left of each account, and tell the workers through the shared conditions.

Asked is every connection with a credential of a built-in provider whose row knows a quota endpoint;
nobody knows how a custom provider would be asked. A credential goes nowhere but where the traffic
of its connection goes (`ProviderRow.quota_url`), by the same proxy, authorities and egress policy.

When: every `resilience.quota_sync_s`, less some jitter; sooner when the account has failed since,
and when one of its windows has reset; later and later while asking fails. Never sooner than a
minute after the last time, whatever happens. An endpoint that fails costs nobody anything: what is
known stays, and the failure is logged once and shown.
"""

import logging
import random
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import trio
from msgspec.structs import replace

from omniroute import __version__
from omniroute.config.urls import root_url
from omniroute.control.resetting import fingerprints
from omniroute.installation import Installation, InstallationError
from omniroute.net.connector import Connector
from omniroute.net.destination import origin_of, unsendable
from omniroute.net.proxies import EnvironmentProxies
from omniroute.providers.quota_endpoints import QuotaUnreadable, read_endpoint
from omniroute.providers.registry import ProviderRow, QuotaRow
from omniroute.resilience import cooldown, quota
from omniroute.resilience.hints import LONGEST_S, retry_hint_s
from omniroute.resilience.quota import Report
from omniroute.snapshot import ConnectionView, ProviderView, Snapshot
from omniroute.state.interface import Conditions

if TYPE_CHECKING:
    import httpx

LEAST_MS: Final = 60_000
LONGEST_MS: Final = 3_600_000  # between two questions while asking fails
FIRST_MS: Final = 3_000  # within so long after the start everybody is asked
SOON_MS: Final = (
    5_000  # after a failure or a reset, with jitter: who shares a window shares its end
)
JITTER: Final = 0.2  # of the interval, downwards: what is believed for so long is renewed in time
AT_ONCE: Final = 16
ANSWER_S: Final = 15.0
ANSWER_BYTES: Final = 1 << 20
WINDOWS_MAX: Final = 32  # of one account
NAME_CHARACTERS: Final = 64
USED_MAX: Final = 100.0
_REFUSED: Final = frozenset({401, 403})  # until the credential changes, mostly

_log = logging.getLogger("omniroute.control.quotas")


class _Failed(Exception):
    """Asking came to nothing; the message is for people. `pause_ms`: asking sooner is in vain."""

    def __init__(self, message: str, pause_ms: int = 0) -> None:
        super().__init__(message)
        self.pause_ms = pause_ms


class Asking(NamedTuple):
    """Whom to ask, and for whose account."""

    row: QuotaRow
    url: str
    provider: ProviderView
    connection: ConnectionView


@dataclass
class Asked:
    """How asking for one account went. Times are Unix ms; 0: not yet."""

    fingerprint: bytes  # of the credential it is asked with
    next_ms: int
    soon_ms: int = 0
    asked_ms: int = 0
    failures: int = 0  # in a row
    error: str = ""

    def due_ms(self, reports: Sequence[Report], marked_ms: int) -> int:
        """When to ask next; `marked_ms`: when the account failed last."""
        due_ms = self.next_ms
        if self.asked_ms and not self.failures:
            moments = [marked_ms, *(report.resets_ms or 0 for report in reports if _lasts(report))]
            passed = [moment for moment in moments if moment > self.asked_ms]
            due_ms = min([due_ms, *(moment + self.soon_ms for moment in passed)])
        return max(due_ms, self.asked_ms + LEAST_MS if self.asked_ms else 0)


def _lasts(report: Report) -> bool:
    """Limits of minutes come with headers; no endpoint is asked for them."""
    return report.source == "endpoint" or not report.is_short


def askings(snapshot: Snapshot, rows: Mapping[str, ProviderRow]) -> Iterator[Asking]:
    """Every account that can be asked for."""
    providers = {provider.id: provider for provider in snapshot.providers}
    for connection in snapshot.connections:
        provider = providers[connection.provider]
        row = rows.get(provider.id)
        # Spoken to in another format it is somebody else's service under this name.
        if row is None or row.quota is None or row.format != provider.format:
            continue
        if connection.secret and not provider.needs:
            own = connection.base_url
            if own is None and provider.base_url != root_url(row.format, row.base_url):
                own = provider.base_url
            yield Asking(row.quota, row.quota_url(own), provider, connection)


def plausible(report: Report, now_ms: int) -> Report:
    """The report within the bounds of what can be meant, so that one odd answer puts no account to
    rest for ever.
    """
    resets_ms = report.resets_ms
    if resets_ms is not None and resets_ms - now_ms > LONGEST_S * 1000:
        resets_ms = None
    return replace(
        report,
        window=report.window[:NAME_CHARACTERS],
        model=report.model[:NAME_CHARACTERS],
        used=min(report.used, USED_MAX),
        resets_ms=resets_ms,
    )


def after_asking(stored: bytes | None, report: Report, threshold: float) -> bytes | None:
    """For `Conditions.change`: the report, or what was stored where it is not worth writing.

    A used-up quota of which nobody knows when it resets is believed for a while only, so it is
    written each time.
    """
    is_renewed = report.resets_ms is None and report.used >= threshold
    return quota.after_report(None if is_renewed else stored, report)


class QuotaSync:
    """Asks whoever is due whenever `ask_due` is called; keeps how it went."""

    def __init__(
        self,
        conditions: Conditions,
        rows: Callable[[], Sequence[ProviderRow]],
        installation: Installation,
        connector: Connector,
        environment_proxies: EnvironmentProxies,
        *,
        now_ms: Callable[[], int] = lambda: time.time_ns() // 1_000_000,
        draw: Callable[[], float] = random.random,
    ) -> None:
        """`draw`: numbers from 0 to 1, for jitter."""
        self._conditions = conditions
        self._rows = rows
        self._installation = installation
        self._connector = connector
        self._environment_proxies = environment_proxies
        self._now_ms = now_ms
        self._draw = draw
        self._snapshot: Snapshot | None = None
        self._askings: dict[str, Asking] = {}
        self._asked: dict[str, Asked] = {}
        self._version = -1
        self._reports: dict[str, tuple[Report, ...]] = {}
        self._marked_ms: dict[str, int] = {}

    async def ask_due(self, snapshot: Snapshot) -> None:
        """Asks those that are due, some at a time, and writes what they tell. Raises StateError."""
        self._look()
        if snapshot is not self._snapshot:
            self._follow(snapshot)
        now_ms = self._now_ms()
        due = [id_ for id_ in self._askings if self._due_ms(id_) <= now_ms]
        told: dict[str, list[Report]] = {}
        async with trio.open_nursery() as nursery:
            for id_ in due[:AT_ONCE]:
                nursery.start_soon(self._ask, id_, snapshot, told)
        for id_, reports in told.items():
            threshold = self._askings[id_].connection.quota_threshold
            for report in reports:
                self._conditions.change(
                    quota.quota_key(id_, report.window),
                    lambda stored, report=report, threshold=threshold: after_asking(  # type: ignore[misc]
                        stored, report, threshold
                    ),
                )

    def hurry(self, connection: str = "") -> int:
        """Have an account, or all, asked at the next look, though none twice within the minute.

        Returns how many there are. Within the loop that asks.
        """
        meant = [id_ for id_ in self._asked if connection in ("", id_)]
        for id_ in meant:
            self._asked[id_].next_ms = 0
        return len(meant)

    def describe(self) -> list[dict[str, Any]]:
        """How asking went, by account. `asked_ms` is null before the first time. For any thread."""
        return [
            {
                "connection": id_,
                "asked_ms": asked.asked_ms or None,
                "next_ms": self._due_ms(id_),
                "failures": asked.failures,
                "error": asked.error,
            }
            for id_, asked in self._asked.items()
        ]

    # --- whom, and when -------------------------------------------------------------------------

    def _due_ms(self, id_: str) -> int:
        return self._asked[id_].due_ms(self._reports.get(id_, ()), self._marked_ms.get(id_, 0))

    def _look(self) -> None:
        """Take notice of what workers found out."""
        if self._conditions.version() == self._version:
            return
        self._version, table = self._conditions.read()
        self._reports = quota.by_connection(table)
        self._marked_ms = {}
        for key, stored in table.items():
            kind, _, rest = key.partition(":")
            if kind in (cooldown.CONNECTION, cooldown.LOCKOUT):
                id_ = rest.partition(" ")[0]
                marked_ms = cooldown.read(stored).marked_ms
                self._marked_ms[id_] = max(marked_ms, self._marked_ms.get(id_, 0))

    def _follow(self, snapshot: Snapshot) -> None:
        """Accounts come and go, and get other credentials."""
        self._snapshot = snapshot
        self._askings = {}
        if snapshot.resilience.quota_sync_s:
            rows = {row.id: row for row in self._rows()}
            self._askings = {each.connection.id: each for each in askings(snapshot, rows)}
        prints = fingerprints(snapshot, self._installation) if self._askings else {}
        asked_now: dict[str, Asked] = {}
        for id_ in self._askings:
            print_ = prints.get(id_, b"")
            asked = self._asked.get(id_)
            if asked is None or asked.fingerprint != print_:
                asked_ms = asked.asked_ms if asked is not None else self._written_ms(id_)
                next_ms = self._now_ms() + round(FIRST_MS * self._draw())
                asked = Asked(print_, next_ms, asked_ms=asked_ms)
            asked_now[id_] = asked
        self._asked = asked_now

    def _written_ms(self, id_: str) -> int:
        """When an earlier process of control asked, as far as that can be seen."""
        reports = self._reports.get(id_, ())
        return max((each.reported_ms for each in reports if each.source == "endpoint"), default=0)

    # --- one account ----------------------------------------------------------------------------

    async def _ask(self, id_: str, snapshot: Snapshot, told: dict[str, list[Report]]) -> None:
        asked = self._asked[id_]
        asked.asked_ms = self._now_ms()
        every_ms = max(LEAST_MS, round(snapshot.resilience.quota_sync_s * 1000))
        try:
            told[id_] = await self._answer(self._askings[id_], snapshot)
        except _Failed as failed:
            if str(failed) != asked.error:
                _log.warning("the quotas of %s are not known: %s", id_, failed)
            asked.failures += 1
            asked.error = str(failed)
            pause_ms = max(every_ms * 2 ** min(asked.failures, 10), failed.pause_ms)
            pause_ms = min(pause_ms, max(LONGEST_MS, every_ms))
        else:
            if asked.failures:
                _log.info("the quotas of %s are told again", id_)
            asked.failures, asked.error = 0, ""
            pause_ms = every_ms
        asked.next_ms = self._now_ms() + round(pause_ms * (1 - JITTER * self._draw()))
        asked.soon_ms = round(SOON_MS * self._draw())

    async def _answer(self, asking: Asking, snapshot: Snapshot) -> list[Report]:
        """What the endpoint tells. Raises _Failed."""
        # Imported here: only those who ask pay for it at start.
        import httpx

        from omniroute.net.http_client import ConnectorTransport

        try:
            origin = origin_of(
                asking.url,
                asking.provider,
                asking.connection,
                snapshot,
                self._environment_proxies,
            )
            headers = self._headers(asking)
        except (ValueError, InstallationError) as error:
            raise _Failed(str(error), LONGEST_MS) from error
        transport = ConnectorTransport(
            self._connector,
            proxy=origin.proxy,
            ca_file=origin.ca_file,
            allow_private=origin.allow_private,
            answer_s=ANSWER_S,
            answer_bytes=ANSWER_BYTES,
        )
        try:
            async with httpx.AsyncClient(transport=transport, trust_env=False) as client:
                answer = await client.get(asking.url, headers=headers)
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise _Failed(f"its quota endpoint cannot be asked: {error}") from error
        return self._read(asking.row, answer)

    def _headers(self, asking: Asking) -> dict[str, str]:
        """ValueError when they cannot be sent, InstallationError when nobody can read the
        credential.
        """
        row = asking.row
        headers = {"accept": "application/json", "user-agent": f"OmniRoute/{__version__}"}
        headers.update((name, value) for name, value in row.headers if "{account}" not in value)
        credential = self._installation.decrypt(asking.connection.secret).decode("utf-8")
        headers[row.auth_header] = row.auth_value.replace("{credential}", credential)
        if (name := unsendable(headers)) is not None:
            raise ValueError(f"its header {name!r} holds characters that no header may hold")
        return headers

    def _read(self, row: QuotaRow, answer: "httpx.Response") -> list[Report]:
        now_ms = self._now_ms()
        if answer.status_code != 200:
            headers = {name.lower(): value for name, value in answer.headers.raw}
            hint_s = retry_hint_s(headers, answer.content[:65536], now_ms) or 0.0
            refused_ms = LONGEST_MS if answer.status_code in _REFUSED else 0
            raise _Failed(
                f"its quota endpoint answers with status {answer.status_code}",
                max(refused_ms, round(hint_s * 1000)),
            )
        try:
            reports = read_endpoint(row.reader, answer.content, now_ms)
        except (QuotaUnreadable, ArithmeticError) as error:
            raise _Failed(str(error)) from error
        return [plausible(report, now_ms) for report in reports[:WINDOWS_MAX]]
