"""`omniroute rotate-key`: a new encryption key, and everything stored sealed with it.

The order makes it safe to be cut short: the new key is added in front of those there are, captured
bodies that still wait are taken into the database, every secret there is sealed anew, and only when
none needs an old key any more is that one removed. Doing it again after a failure begins anew and
loses nothing. What lies in the shared state is made again at the next start; kept answers begin
empty.
"""

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from omniroute.installation import (
    Installation,
    InstallationError,
    add_encryption_key,
    drop_old_keys,
)

if TYPE_CHECKING:
    from omniroute.store.database import Store

EXIT_FAILED = 1


def rotate(data_dir: Path, out: TextIO, *, keep_old: bool = False) -> int:
    """Rotate and tell. Returns the exit status. Raises InstallationError."""
    from omniroute.store.interface import StoreError
    from omniroute.supervisor.lock import DataDirInUse, hold

    if not (data_dir / "encryption.key").exists():
        raise InstallationError(f"there is no installation in {data_dir} with a key to rotate")
    try:
        held = hold(data_dir)
    except DataDirInUse as error:
        print(f"omniroute: the gateway must not run meanwhile: {error}", file=out)
        return EXIT_FAILED
    try:
        add_encryption_key(data_dir)
        installation = Installation.open(data_dir, create=False)
        secrets, bodies = _seal_anew(installation)
        print(f"sealed anew: {secrets} stored things, {bodies} captured bodies", file=out)
        if keep_old:
            print("the old key stays in encryption.key, so older backups still open", file=out)
        else:
            drop_old_keys(data_dir)
            print("the old key is removed; backups made before open with it only", file=out)
    except (StoreError, OSError) as error:
        print(f"omniroute: {error}\nNothing is lost: both keys are kept. Try again.", file=out)
        return EXIT_FAILED
    finally:
        os.close(held)
    return 0


def _seal_anew(installation: Installation) -> tuple[int, int]:
    """How many stored things and bodies were sealed anew. Raises StoreError, InstallationError."""
    if not installation.database.exists():
        return 0, 0
    from omniroute.control.collecting import collect
    from omniroute.spool import Spool
    from omniroute.store.database import Store

    store = Store.open(installation.database)
    try:
        # What workers left for the database when they ended would be sealed by the old key later.
        collect(Spool(installation.spool), store.bodies, store.proxy_log)
        things = _seal_things(store, installation)
        bodies = store.bodies.reseal(
            lambda sealed: installation.encrypt(installation.decrypt(sealed))
        )
    finally:
        store.close()
    return things, bodies


def _seal_things(store: "Store", installation: Installation) -> int:
    from omniroute.control.sealing import resealed

    done = 0
    with store.transaction("seal the stored configuration anew"):
        for entity in store.entities.all():
            body = json.loads(entity.body)
            anew = resealed(body, installation)
            if anew != body:
                text = json.dumps(anew)
                store.entities.replace(entity.kind, entity.id, text, entity.updated_ms)
                done += 1
    return done
