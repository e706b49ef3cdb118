"""Shared memory of the processes: configuration snapshot, usage counters, outbox of records;
limits, conditions of accounts, sessions, answers.

`interface` says what the other rooms may rely on; `lmdb_state` is what runs, `memory_state` what
tests of the data plane use. Only modules whose names begin with `lmdb_` import lmdb.
"""
