"""The playground's key lets it in, is the same in each process, and stands in no snapshot twice."""

from pathlib import Path

from omniroute.control.insider import (
    PLAYGROUND,
    playground_key,
    with_playground,
    without_playground,
)
from omniroute.installation import Installation
from omniroute.snapshot import KeyView
from tests.control.snapshots import bare_snapshot


def test_a_snapshot_knows_the_key_once(installation: Installation) -> None:
    client = KeyView("laptop", "laptop", b"d")
    snapshot = with_playground(bare_snapshot(keys=(client,)), installation)
    digest = installation.key_digest(playground_key(installation).encode())
    assert [(key.id, key.digest) for key in snapshot.keys] == [
        ("laptop", b"d"),
        (PLAYGROUND, digest),
    ]
    assert with_playground(snapshot, installation) == snapshot
    assert without_playground(snapshot).keys == (client,)


def test_another_installation_has_another_key(installation: Installation, tmp_path: Path) -> None:
    other = Installation.ephemeral(tmp_path)
    assert playground_key(other) != playground_key(installation)
    assert playground_key(other) == playground_key(other)
