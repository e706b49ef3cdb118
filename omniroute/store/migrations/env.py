"""Alembic runs this file for each migration; the connection comes from `omniroute.store.migrate`.

`render_as_batch`: SQLite alters a table by copying it, which Alembic's batch mode does.
"""

from alembic import context

from omniroute.store.schema import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    render_as_batch=True,
    transaction_per_migration=False,
)
with context.begin_transaction():
    context.run_migrations()
