"""What is managed beside the traffic, and roll-ups of the history.

Every request belongs to one slice: the set of values by which the history is filtered and summed.
The index over slices takes the place of the one over keys. Requests of older schemas get theirs
here; the roll-ups over them are made once the schema is at head, by the code that keeps them.
"""

from alembic import op
from sqlalchemy import BigInteger, Column, Integer, LargeBinary, Text, UniqueConstraint, text

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

_SLICE = ("key_id", "provider", "connection", "model", "combo")
_SUMS = (
    "requests",
    "errors",
    "cancelled",
    "input_tokens",
    "cache_read_tokens",
    "cache_write_tokens",
    "output_tokens",
    "reasoning_tokens",
    "cost_microusd",
    "total_us",
    "first_byte_us",
    "overhead_us",
    "cost_max_microusd",
    "total_max_us",
    "cost_min_microusd",
)
_FAILED = text("status >= 400 OR error <> ''")


def upgrade() -> None:
    _history()
    _management()
    _client_keys()


def _history() -> None:
    op.create_table(
        "slices",
        Column("id", Integer, primary_key=True, nullable=False),
        *(Column(name, Text, nullable=False) for name in _SLICE),
        Column("status_class", BigInteger, nullable=False),
        Column("cache", Text, nullable=False),
        UniqueConstraint(*_SLICE, "status_class", "cache"),
    )
    op.add_column("requests", Column("guard", Text, nullable=False, server_default=""))
    op.add_column("requests", Column("slice_id", BigInteger, nullable=False, server_default="0"))
    names = ", ".join(_SLICE)
    op.execute(
        f"INSERT INTO slices ({names}, status_class, cache) "
        f"SELECT DISTINCT {names}, status / 100, cache FROM requests"
    )
    same = " AND ".join(f"slices.{name} = requests.{name}" for name in (*_SLICE, "cache"))
    op.execute(
        f"UPDATE requests SET slice_id = (SELECT slices.id FROM slices WHERE {same} "
        "AND slices.status_class = requests.status / 100)"
    )
    op.drop_index("requests_by_key", "requests")
    op.create_index("requests_by_slice", "requests", ["slice_id", "started_ms"])
    op.create_index(
        "requests_failed",
        "requests",
        ["started_ms", "slice_id", "status", "error"],
        sqlite_where=_FAILED,
    )
    for name in ("rollup_hours", "rollup_days"):
        op.create_table(
            name,
            Column("from_ms", BigInteger, primary_key=True, nullable=False),
            Column("slice_id", BigInteger, primary_key=True, nullable=False),
            *(Column(column, BigInteger, nullable=False) for column in _SUMS),
            Column("total_histogram", LargeBinary, nullable=False),
            Column("first_byte_histogram", LargeBinary, nullable=False),
            Column("overhead_histogram", LargeBinary, nullable=False),
            sqlite_with_rowid=False,
        )
    op.create_table(
        "bodies",
        Column("request_id", Text, primary_key=True, nullable=False),
        Column("attempt", BigInteger, primary_key=True, nullable=False),
        Column("side", Text, primary_key=True, nullable=False),
        Column("direction", Text, primary_key=True, nullable=False),
        Column("at_ms", BigInteger, nullable=False),
        Column("size", BigInteger, nullable=False),
        Column("sealed", LargeBinary, nullable=False),
    )
    op.create_index("bodies_by_time", "bodies", ["at_ms"])
    op.create_table(
        "proxy_log",
        Column("id", Integer, primary_key=True, nullable=False),
        Column("at_ms", BigInteger, nullable=False),
        Column("proxy", Text, nullable=False),
        Column("target", Text, nullable=False),
        Column("level", Text, nullable=False),
        Column("provider", Text, nullable=False),
        Column("connection", Text, nullable=False),
        Column("outcome", Text, nullable=False),
        Column("error", Text, nullable=False),
        Column("took_us", BigInteger, nullable=False),
    )
    op.create_index("proxy_log_by_time", "proxy_log", ["at_ms"])


def _management() -> None:
    op.create_table(
        "entities",
        Column("kind", Text, primary_key=True, nullable=False),
        Column("id", Text, primary_key=True, nullable=False),
        Column("body", Text, nullable=False),
        Column("version", BigInteger, nullable=False),
        Column("position", BigInteger, nullable=False),
        Column("created_ms", BigInteger, nullable=False),
        Column("updated_ms", BigInteger, nullable=False),
    )
    op.create_table(
        "audit",
        Column("id", Integer, primary_key=True, nullable=False),
        Column("at_ms", BigInteger, nullable=False),
        Column("actor", Text, nullable=False),
        Column("action", Text, nullable=False),
        Column("route", Text, nullable=False),
        Column("entity", Text, nullable=False),
        Column("before", Text, nullable=False),
        Column("after", Text, nullable=False),
        Column("address", Text, nullable=False),
    )
    op.create_index("audit_by_time", "audit", ["at_ms"])
    op.create_table(
        "admin_keys",
        Column("id", Text, primary_key=True, nullable=False),
        Column("name", Text, nullable=False),
        Column("digest", LargeBinary, nullable=False, unique=True),
        Column("scopes", Text, nullable=False),
        Column("created_ms", BigInteger, nullable=False),
        Column("expires_ms", BigInteger, nullable=True),
        Column("revoked_ms", BigInteger, nullable=True),
        Column("last_used_ms", BigInteger, nullable=True),
    )
    op.create_table(
        "sessions",
        Column("digest", LargeBinary, primary_key=True, nullable=False),
        Column("signed_in_ms", BigInteger, nullable=False),
        Column("seen_ms", BigInteger, nullable=False),
        Column("ends_ms", BigInteger, nullable=False),
        Column("address", Text, nullable=False),
        Column("agent", Text, nullable=False),
        Column("revoked_ms", BigInteger, nullable=True),
    )


def _client_keys() -> None:
    with op.batch_alter_table("client_keys") as table:
        # A copy without credentials keeps the key and its settings, but no digest.
        table.alter_column("digest", existing_type=LargeBinary, nullable=True)
        table.add_column(Column("settings", Text, nullable=False, server_default="{}"))
        table.add_column(Column("version", BigInteger, nullable=False, server_default="1"))
        table.add_column(Column("previous_digest", LargeBinary, nullable=True))
        table.add_column(Column("previous_until_ms", BigInteger, nullable=True))
