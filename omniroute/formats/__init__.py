"""Wire formats (dialects) of clients and upstreams: pure functions and small state machines."""
