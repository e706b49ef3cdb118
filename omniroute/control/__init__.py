"""The control process: management API and dashboard, and the jobs that keep state and history.

`bootstrap` makes everything the workers wait for; `process` runs the jobs and, once the workers
have been let go, the Hypercorn app of `app`. Nothing here is on the way of a client's request.
"""
