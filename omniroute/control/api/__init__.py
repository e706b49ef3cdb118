"""The management API: one module per area, each a table of declared routes.

`declare` says what a route is; `endpoint` makes an HTTP endpoint of it; `openapi` and `reference`
describe all of them. Add an area: a module with `ROUTES`, and its line in `control/app.py`.
"""
