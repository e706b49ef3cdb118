"""The first schema: history of requests, client keys, small facts."""

from alembic import op
from sqlalchemy import BigInteger, Column, LargeBinary, Text

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "requests",
        Column("id", Text, primary_key=True, nullable=False),
        Column("started_ms", BigInteger, nullable=False),
        Column("worker", BigInteger, nullable=False),
        Column("key_id", Text, nullable=False),
        Column("client_format", Text, nullable=False),
        Column("endpoint", Text, nullable=False),
        Column("provider", Text, nullable=False),
        Column("connection", Text, nullable=False),
        Column("requested_model", Text, nullable=False),
        Column("model", Text, nullable=False),
        Column("stream", BigInteger, nullable=False),
        Column("status", BigInteger, nullable=False),
        Column("outcome", Text, nullable=False),
        Column("attempts", BigInteger, nullable=False),
        Column("error", Text, nullable=False),
        Column("bytes_in", BigInteger, nullable=False),
        Column("bytes_out", BigInteger, nullable=False),
        Column("connect_us", BigInteger, nullable=False),
        Column("first_byte_us", BigInteger, nullable=False),
        Column("total_us", BigInteger, nullable=False),
        Column("overhead_us", BigInteger, nullable=False),
        Column("input_tokens", BigInteger, nullable=False),
        Column("cache_read_tokens", BigInteger, nullable=False),
        Column("cache_write_tokens", BigInteger, nullable=False),
        Column("output_tokens", BigInteger, nullable=False),
        Column("reasoning_tokens", BigInteger, nullable=False),
        Column("usage_source", Text, nullable=False),
        Column("cost_microusd", BigInteger, nullable=False),
    )
    op.create_index("requests_by_time", "requests", ["started_ms"])
    op.create_index("requests_by_key", "requests", ["key_id", "started_ms"])
    op.create_table(
        "client_keys",
        Column("id", Text, primary_key=True, nullable=False),
        Column("name", Text, nullable=False),
        Column("digest", LargeBinary, nullable=False, unique=True),
        Column("created_ms", BigInteger, nullable=False),
        Column("revoked_ms", BigInteger, nullable=True),
    )
    op.create_table(
        "meta",
        Column("name", Text, primary_key=True, nullable=False),
        Column("value", Text, nullable=False),
    )
