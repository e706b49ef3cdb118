"""The steps from each schema to the next, run from code by `omniroute.store.migrate`.

A step is a module in `versions/` with `revision`, `down_revision` and `upgrade()`. After adding
one: its number into `KNOWN_REVISIONS`, and `head.sql` written anew (see `omniroute.store.migrate`).
Steps are never changed after a release.
"""
