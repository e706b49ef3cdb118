"""Commands that keep what the gateway knows: backups, exports, imports."""

from typing import Final

from omniroute.client.command import Argument, Command, Group
from omniroute.client.tables import Column

_PATH: Final = "/api/db-backups"
_BACKUP: Final = Argument("BACKUP", "path", "id", "which one: its id, as the list shows it")
_TO: Final = Argument("FILE", "save", "to", "where to; it must not exist yet")

BACKUP: Final = Group(
    "backup",
    "backups of the database, exports and imports",
    (
        Command(
            "list",
            "the backups, latest first",
            "GET",
            _PATH,
            columns=(
                Column("ID", "id", "whole"),
                Column("TAKEN", "createdMs", "time"),
                Column("REASON", "reason"),
                Column("SIZE", "sizeBytes", "size"),
            ),
        ),
        Command("create", "take a backup now", "PUT", _PATH),
        Command(
            "restore",
            "put a backup in the place of what is there, which is backed up first",
            "POST",
            _PATH,
            (Argument("BACKUP", "body", "backupId", "which one: its id, as the list shows it"),),
            is_grave=True,
            example="omniroute backup restore db_2026-11-28T22-01-02-123Z_manual.sqlite",
        ),
        Command(
            "delete", "delete a backup", "DELETE", f"{_PATH}/{{id}}", (_BACKUP,), is_grave=True
        ),
        Command(
            "prune",
            "delete old backups; the latest stays in any case",
            "DELETE",
            _PATH,
            (
                Argument("--keep", "query", "keepLatest", "so many stay", "number"),
                Argument("--days", "query", "retentionDays", "older ones go", "number"),
            ),
            is_grave=True,
            example="omniroute backup prune --keep 10 --days 30",
        ),
        Command(
            "export",
            "write everything but credentials into an archive",
            "GET",
            f"{_PATH}/exportAll",
            (_TO,),
            does="download",
            example="omniroute backup export omniroute.tar.gz",
        ),
        Command(
            "export-sealed",
            "the same with credentials, sealed by a passphrase",
            "POST",
            f"{_PATH}/exportAll",
            (
                _TO,
                Argument("--passphrase", "body", "passphrase", "asked for if not given", "secret"),
            ),
            does="download",
            example="omniroute backup export-sealed omniroute.tar.gz",
        ),
        Command(
            "export-database",
            "write the database without credentials, as an SQLite file",
            "GET",
            f"{_PATH}/export",
            (_TO,),
            does="download",
        ),
        Command(
            "import",
            "put what was exported in the place of what is there, which is backed up first",
            "POST",
            f"{_PATH}/import",
            (
                Argument("FILE", "file", "from", "an archive or an SQLite file"),
                Argument(
                    "--passphrase", "header", "X-Passphrase", "ask for the passphrase", "asked"
                ),
            ),
            is_grave=True,
            example="omniroute backup import omniroute.tar.gz --passphrase",
        ),
    ),
)
