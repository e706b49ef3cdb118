"""Snapshots for tests that are about one part of them."""

from typing import Any

from omniroute.config import LimitSettings, ServerSettings, UpstreamSettings
from omniroute.snapshot import Snapshot


def bare_snapshot(**parts: Any) -> Snapshot:
    """Everything by default but these parts."""
    return Snapshot(
        server=ServerSettings(), limits=LimitSettings(), upstream=UpstreamSettings(), **parts
    )
