"""The SQL database: history of requests, client keys, small facts.

`startup` is what control needs before the first request and costs no import of the SQL library;
`database` is the store itself; only this room imports SQLAlchemy and Alembic. `interface` holds
what others see: errors and rows.
"""
