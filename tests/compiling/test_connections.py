"""Connections carry their root, their sealed credential and their limits."""

from collections.abc import Callable

from omniroute.installation import Installation
from omniroute.snapshot import Snapshot
from tests.compiling.material import ACME, connection

Compile = Callable[..., Snapshot]


def test_a_path_and_a_query_of_the_rows_own_are_kept_for_other_roots(compiled: Compile) -> None:
    snapshot = compiled(
        connection("odd") + connection("odd", 'name = "b"\nbase_url = "http://127.0.0.1/x/chat"')
    )
    assert snapshot.providers[0].url == "https://odd.example/v2/chat?v=1"
    assert [one.url for one in snapshot.connections] == [
        "https://odd.example/v2/chat?v=1",
        "http://127.0.0.1/x/chat?v=1",
    ]
    assert [one.allow_private for one in snapshot.connections] == [False, True]
    assert snapshot.providers[0].auth_header == "api-key"


def test_what_wants_no_sign_in_gets_a_connection_by_itself(compiled: Compile) -> None:
    snapshot = compiled(ACME + '[[providers]]\nid = "nearby"\n')
    assert [one.id for one in snapshot.connections] == ["acme/default", "nearby/default"]
    assert [one.secret for one in snapshot.connections] == [b"", b""]


def test_credentials_stay_ciphertext_in_the_snapshot(
    compiled: Compile, installation: Installation
) -> None:
    (one,) = compiled(ACME + connection("acme", 'api_key = "hunter2"')).connections
    assert b"hunter2" not in one.secret
    assert installation.decrypt(one.secret) == b"hunter2"


def test_a_connection_that_is_off_is_gone_and_may_lack_its_key(compiled: Compile) -> None:
    off = connection("vendor", 'name = "b"\nenabled = false')
    assert [one.id for one in compiled(connection("vendor") + off).connections] == ["vendor/main"]


def test_the_wait_in_the_queue_is_the_connections_else_the_general_one(compiled: Compile) -> None:
    general = "[resilience]\nqueue_wait_s = 4\n"
    text = ACME + connection("acme") + connection("acme", 'name = "b"\nqueue_wait_s = 0')
    assert [one.queue_wait_s for one in compiled(text).connections] == [30.0, 0.0]
    assert [one.queue_wait_s for one in compiled(general + text).connections] == [4.0, 0.0]


def test_a_connection_without_limits_has_no_meter(compiled: Compile) -> None:
    assert compiled(ACME).connections[0].meters == ()
