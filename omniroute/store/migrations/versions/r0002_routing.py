"""What a record tells of the way to its answer: tier, combo, cache, attempts that failed, waits."""

from alembic import op
from sqlalchemy import BigInteger, Column, Text

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    for name in ("tier", "combo", "cache", "session"):
        op.add_column("requests", Column(name, Text, nullable=False, server_default=""))
    for name in ("queue_us", "beyond_microusd"):
        op.add_column("requests", Column(name, BigInteger, nullable=False, server_default="0"))
    op.add_column("requests", Column("tried", Text, nullable=False, server_default="[]"))
