"""The supervisor's link: framing, bounds and what end of file means, on both kinds of ends."""

import random
import socket
import subprocess
import sys

import pytest
import trio

from omniroute.link import MAX_LINE_BYTES, LineReader, Link, LinkError, SyncLink, encode, pair


def test_messages_survive_any_cut_of_the_byte_stream() -> None:
    wire = encode("beat", {}) + encode("ready", {"worker": 3, "text": "ä\n"}) + encode("x", {})
    expected = [{"type": "beat"}, {"type": "ready", "worker": 3, "text": "ä\n"}, {"type": "x"}]
    whole = LineReader().feed(wire)
    assert whole == expected

    single = LineReader()
    assert [m for i in range(len(wire)) for m in single.feed(wire[i : i + 1])] == expected

    rng = random.Random(1)
    for _ in range(50):
        reader, got, rest = LineReader(), [], wire
        while rest:
            cut = rng.randint(1, len(rest))
            got += reader.feed(rest[:cut])
            rest = rest[cut:]
        assert got == expected


@pytest.mark.parametrize(
    "line", [b"nonsense\n", b"[1]\n", b"{}\n", b'{"type":1}\n', b"\n", b"\xff\n"]
)
def test_a_line_that_is_no_message_is_refused(line: bytes) -> None:
    with pytest.raises(LinkError):
        LineReader().feed(line)


def test_a_line_beyond_the_bound_is_refused_by_both_sides() -> None:
    with pytest.raises(LinkError):
        encode("big", {"text": "x" * MAX_LINE_BYTES})
    with pytest.raises(LinkError):
        LineReader().feed(b"x" * MAX_LINE_BYTES)
    with pytest.raises(LinkError):
        LineReader().feed(b'{"type":"' + b"x" * MAX_LINE_BYTES + b'"}\n')


def test_sync_ends_talk_and_end_of_file_is_none() -> None:
    ours, theirs = (SyncLink(end) for end in pair())
    ours.send("go", drain_timeout_s=1.5)
    ours.send("drain")
    assert theirs.receive(5) == {"type": "go", "drain_timeout_s": 1.5}
    assert theirs.receive(5) == {"type": "drain"}
    with pytest.raises(TimeoutError):
        theirs.receive(0.01)
    ours.close()
    assert theirs.receive(5) is None
    theirs.close()


def test_a_peer_that_died_with_unread_bytes_is_end_of_file_too() -> None:
    ours, theirs = (SyncLink(end) for end in pair())
    ours.send("never read")
    theirs.close()
    assert ours.receive(5) is None
    ours.close()


def test_detaching_with_untaken_messages_is_refused() -> None:
    ours, theirs = (SyncLink(end) for end in pair())
    ours.send("one")
    ours.send("two")
    assert theirs.receive(5) == {"type": "one"}
    with pytest.raises(LinkError):
        theirs.detach()
    assert theirs.receive(5) == {"type": "two"}
    theirs.detach().close()
    ours.close()


async def test_trio_end_continues_where_the_sync_end_began() -> None:
    parent_socket, child_socket = pair()
    early = SyncLink(child_socket)
    early.send("published", version=7)
    parent, child = Link(parent_socket), Link(early.detach())
    assert await child.send("ready")
    with trio.fail_after(5):
        assert await parent.receive() == {"type": "published", "version": 7}
        assert await parent.receive() == {"type": "ready"}
        await child.aclose()
        assert await parent.receive() is None
    await parent.aclose()


async def test_sending_to_a_dead_process_is_reported_not_raised() -> None:
    parent_socket, child_socket = pair()
    parent = Link(parent_socket)
    child_socket.close()
    assert not await parent.send("drain")
    assert await parent.receive() is None
    await parent.aclose()


async def test_concurrent_senders_do_not_mix_their_lines() -> None:
    parent_socket, child_socket = pair()
    child_socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4608)
    parent, child = Link(parent_socket), Link(child_socket)
    got: list[int] = []

    async def sender(number: int) -> None:
        for _ in range(5):
            await child.send("x", number=number, pad="p" * 5000)

    with trio.fail_after(10):
        async with trio.open_nursery() as nursery:
            for number in range(4):
                nursery.start_soon(sender, number)
            while len(got) < 20:
                message = await parent.receive()
                assert message is not None
                got.append(message["number"])
    assert sorted(got) == [n for n in range(4) for _ in range(5)]
    await parent.aclose()
    await child.aclose()


def test_a_process_in_a_long_import_leaves_when_the_other_end_is_gone() -> None:
    ours, theirs = pair()
    program = (
        "import socket, sys, time\n"
        "from omniroute.link import SyncLink\n"
        "link = SyncLink(socket.socket(fileno=int(sys.argv[1])))\n"
        "with link.leaving_with_the_other():\n"
        "    link.send('importing')\n"
        "    time.sleep(60)\n"
    )
    child = subprocess.Popen(
        [sys.executable, "-c", program, str(theirs.fileno())], pass_fds=[theirs.fileno()]
    )
    theirs.close()
    assert SyncLink(ours).receive(timeout_s=30) == {"type": "importing"}
    ours.close()
    assert child.wait(timeout=30) == 1


def test_a_process_whose_other_end_stays_goes_on_after_its_long_import() -> None:
    ours, theirs = pair()
    link = SyncLink(theirs)
    with link.leaving_with_the_other():
        pass
    link.send("ready")
    assert SyncLink(ours).receive(timeout_s=5) == {"type": "ready"}
    ours.close()
    link.close()
