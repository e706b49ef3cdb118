"""API keys as a worker knows them: by their digest, with what each may do."""

from collections.abc import Sequence
from datetime import UTC, datetime

from omniroute.compiling.directory import Directory
from omniroute.compiling.findings import Findings
from omniroute.compiling.meters import key_meters
from omniroute.config import KeySettings
from omniroute.installation import Installation
from omniroute.snapshot import KeyView


def compile_keys(
    keys: Sequence[KeySettings],
    stored: Sequence[KeyView],
    directory: Directory,
    installation: Installation,
    findings: Findings,
) -> tuple[KeyView, ...]:
    """The file's keys, then the stored ones; a key that both know is the file's.

    One that is switched off stays, so that its holder is told so and no stored key lets it in.
    """
    views: dict[bytes, KeyView] = {}
    for index, key in enumerate(keys):
        digest = installation.key_digest(key.key.encode())
        if digest in views:
            findings.refuse(("keys", index, "key"), f"is the key of {views[digest].name!r}, too")
        views[digest] = _view(key, digest, directory)
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


def _view(key: KeySettings, digest: bytes, directory: Directory) -> KeyView:
    id_ = f"file/{key.name}"
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
    )
