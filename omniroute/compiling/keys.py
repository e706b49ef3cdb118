"""API keys as a worker knows them: by their digest, with what each may do."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import NamedTuple

import msgspec

from omniroute.compiling.directory import Directory
from omniroute.compiling.findings import Findings
from omniroute.compiling.meters import key_meters
from omniroute.config import KeySettings, Settings
from omniroute.installation import Installation
from omniroute.snapshot import KeyView


class IssuedKey(NamedTuple):
    """By what a stored key is known: its settings stand among `Settings.keys` under its id."""

    id: str
    digest: bytes
    previous: bytes = b""  # of the key before the last rotation
    previous_until_ms: int = 0  # Unix time until which that one is let in as well


def compile_keys(
    settings: Settings,
    issued: Sequence[IssuedKey],
    directory: Directory,
    installation: Installation,
    findings: Findings,
) -> tuple[KeyView, ...]:
    """The file's keys, then the stored ones; a key that both know is the file's.

    One that is switched off stays, so that its holder is told so and no stored key lets it in.
    """
    known = {key.id: key for key in issued}
    views: dict[bytes, KeyView] = {}
    stored: list[KeyView] = []
    for index, key in enumerate(settings.keys):
        owner = settings.origin.owner(("keys", index))
        if owner is not None:
            if owner.id in known:
                stored += _stored_views(key, known[owner.id], directory)
            continue
        digest = installation.key_digest(key.key.encode())
        if digest in views:
            findings.refuse(("keys", index, "key"), f"is the key of {views[digest].name!r}, too")
        views[digest] = _view(f"file/{key.name}", key, digest, directory)
    for view in stored:
        views.setdefault(view.digest, view)
    return tuple(views.values())


def expiry_ms(text: str) -> int | None:
    """Unix milliseconds of an ISO 8601 date or time; None for "". Without a zone it is UTC.

    Raises ValueError.
    """
    if not text:
        return None
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return int(moment.timestamp() * 1000)


def _stored_views(key: KeySettings, issued: IssuedKey, directory: Directory) -> Iterator[KeyView]:
    """One, or two while the key before the last rotation is let in: the same key but for its end,
    so both count on the same meters."""
    view = _view(issued.id, key, issued.digest, directory)
    yield view
    if issued.previous:
        ends = (view.expires_ms, issued.previous_until_ms)
        yield msgspec.structs.replace(
            view,
            digest=issued.previous,
            expires_ms=min(end for end in ends if end is not None),
        )


def _view(id_: str, key: KeySettings, digest: bytes, directory: Directory) -> KeyView:
    return KeyView(
        id=id_,
        name=key.name,
        digest=digest,
        enabled=key.enabled,
        # A name may be a combo's as it is written, or a model's under its provider's id.
        models=tuple(
            dict.fromkeys(each for one in key.models for each in (one, directory.canonical(one)))
        ),
        connections=tuple(directory.canonical(one) for one in key.connections),
        meters=key_meters(id_, key),
        schedule=key.schedule,
        expires_ms=expiry_ms(key.expires),
        cache=key.cache,
        system_prompt=key.system_prompt,
        thinking=key.thinking,
        ip_allowlist=key.ip_allowlist,
        injection_guard=key.injection_guard,
        capture=key.capture,
    )
