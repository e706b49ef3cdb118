"""The simulator as a child: there while its provider is in force, at that port; gone with it."""

import socket
from collections.abc import Iterator
from typing import Any

import httpx
import msgspec
import pytest

from omniroute.control.configuration import Configuration
from omniroute.control.jobs import JobFailed
from omniroute.control.rehearsal import PROVIDER, Rehearsal, settings_of, wanted_port
from omniroute.snapshot import ProviderView, Snapshot
from tests.processes.harness import eventually, is_alive


@pytest.fixture
def rehearsal() -> Iterator[Rehearsal]:
    made = Rehearsal()
    yield made
    made.close()


@pytest.fixture
def empty(configuration: Configuration) -> Snapshot:
    assert configuration.snapshot is not None
    return configuration.snapshot


def with_provider(empty: Snapshot, **changes: Any) -> Snapshot:
    settings = settings_of(9) | changes
    view = ProviderView(
        id=settings["id"],
        prefixes=(settings["id"],),
        name=settings["id"],
        format=settings["format"],
        base_url=settings["base_url"],
        url=settings["base_url"],
        tier=settings["tier"],
        headers=tuple(settings["headers"].items()),
    )
    return msgspec.structs.replace(empty, providers=(view,))


def answers(port: int) -> bool:
    return httpx.get(f"http://127.0.0.1:{port}/v1/models", trust_env=False).is_success


def test_only_the_provider_that_was_made_for_it_wants_it(empty: Snapshot) -> None:
    assert wanted_port(empty) is None
    assert wanted_port(with_provider(empty)) == 9
    assert wanted_port(with_provider(empty, headers={})) is None
    assert wanted_port(with_provider(empty, base_url="http://other.example:9/v1")) is None
    assert wanted_port(with_provider(empty, id=f"{PROVIDER}-2")) is None


@pytest.mark.processes
def test_it_takes_connections_from_the_start_and_stays_where_it_is(rehearsal: Rehearsal) -> None:
    port = rehearsal.start()
    assert answers(port)
    pid = rehearsal.pid
    assert rehearsal.start(port) == port
    assert rehearsal.pid == pid
    rehearsal.close()
    assert rehearsal.pid is None
    assert pid is not None
    assert not is_alive(pid)


@pytest.mark.processes
def test_one_that_died_is_replaced_at_the_same_port(rehearsal: Rehearsal, empty: Snapshot) -> None:
    port = rehearsal.start()
    wanted = with_provider(empty, base_url=f"http://127.0.0.1:{port}/v1")
    process = rehearsal._process
    assert process is not None
    process.kill()
    process.wait()
    rehearsal.keep(wanted)
    assert rehearsal.pid != process.pid
    assert eventually(lambda: answers(port))


@pytest.mark.processes
def test_it_ends_when_who_holds_the_line_is_gone(rehearsal: Rehearsal) -> None:
    rehearsal.start()
    process, line = rehearsal._process, rehearsal._link
    assert process is not None
    assert line is not None
    line.close()
    assert process.wait(30) == 0


def test_a_port_that_is_taken_says_what_to_do(rehearsal: Rehearsal) -> None:
    help_ = "delete the provider simulator and add it again"
    with (
        socket.create_server(("127.0.0.1", 0)) as taken,
        pytest.raises(JobFailed, match=help_),
    ):
        rehearsal.start(taken.getsockname()[1])
    assert rehearsal.pid is None
