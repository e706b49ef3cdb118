"""What providers report of their accounts' quotas, for people: by account, with a countdown."""

from collections.abc import Mapping

import msgspec

from omniroute.resilience import quota
from omniroute.snapshot import Snapshot


class QuotaWindow(msgspec.Struct, kw_only=True):
    """One window. `used` is a share, 1 for all of it; `limit` and `remaining` are in the
    provider's own unit. `model`: of the models in whose names this stands; empty: of all."""

    window: str
    model: str
    used: float
    limit: float | None
    remaining: float | None
    resets_ms: int | None
    resets_in_s: float | None
    reported_ms: int
    source: str  # header | endpoint | error
    is_used_up: bool


class AccountQuotas(msgspec.Struct, kw_only=True):
    """All windows of one connection. `used_up_until_ms`: until when it is not asked for that."""

    connection: str
    provider: str
    threshold: float
    used_up_until_ms: int | None
    windows: list[QuotaWindow]


def account_quotas(
    snapshot: Snapshot, table: Mapping[str, bytes], now_ms: int
) -> list[AccountQuotas]:
    """Every connection of the configuration, by id; one that nothing is known of has no windows."""
    reports = quota.by_connection(table)
    found = []
    for connection in sorted(snapshot.connections, key=lambda each: each.id):
        own = sorted(reports.get(connection.id, ()), key=lambda each: (each.window, each.model))
        threshold = connection.quota_threshold
        whole = [report for report in own if not report.model]
        found.append(
            AccountQuotas(
                connection=connection.id,
                provider=connection.provider,
                threshold=threshold,
                used_up_until_ms=quota.exhausted_until_ms(whole, threshold, now_ms) or None,
                windows=[_shown(report, threshold, now_ms) for report in own],
            )
        )
    return found


def _shown(report: quota.Report, threshold: float, now_ms: int) -> QuotaWindow:
    resets_ms = report.resets_ms
    return QuotaWindow(
        window=report.window,
        model=report.model,
        used=report.used,
        limit=report.limit,
        remaining=report.remaining,
        resets_ms=resets_ms,
        resets_in_s=None if resets_ms is None else max(0, resets_ms - now_ms) / 1000,
        reported_ms=report.reported_ms,
        source=report.source,
        is_used_up=bool(quota.exhausted_until_ms([report], threshold, now_ms, report.model)),
    )
