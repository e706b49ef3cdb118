"""Brings a database to the schema of this version with Alembic, from code.

Loaded only when a database is older than this version: a new one is made from `head.sql`, the
outcome of all migrations, which a test compares with them. To write it anew after a migration was
added: `python -m omniroute.store.migrate > head.sql.new`, then move it over `head.sql`.
"""

import sys
from pathlib import Path

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, create_engine

from omniroute.store.interface import HEAD


def upgrade(connection: Connection) -> None:
    """All missing steps, in the transaction of `connection`: all or nothing."""
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    config.attributes["connection"] = connection
    command.upgrade(config, "head")


def head_script() -> str:
    """The statements that make the present schema in an empty database."""
    engine = create_engine("sqlite://")
    with engine.begin() as connection:
        upgrade(connection)
        statements = [
            row[0]
            for row in connection.exec_driver_sql(
                "SELECT sql FROM sqlite_master WHERE sql IS NOT NULL ORDER BY rowid"
            )
        ]
    engine.dispose()
    statements.append(f"INSERT INTO alembic_version (version_num) VALUES ('{HEAD}')")
    lines = ";\n".join(statements).splitlines()
    return "\n".join(line.expandtabs(4).rstrip() for line in lines if line.strip()) + ";\n"


if __name__ == "__main__":
    sys.stdout.write(head_script())
