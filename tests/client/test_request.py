"""Values of a path are one segment each, whatever they hold."""

from omniroute.client.request import path_of


def test_values_are_encoded() -> None:
    assert path_of("/api/a/{id}/b", {"id": "x/../y?z#ä"}) == "/api/a/x%2F..%2Fy%3Fz%23%C3%A4/b"
