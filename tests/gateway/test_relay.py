"""Management requests on the main port reach control's private socket, whole and marked."""

import json
import socket

import trio


async def control(stream, seen):
    """A control process in miniature: notes the head, answers with what it was sent."""
    data = b""
    while b"\r\n\r\n" not in data:
        data += await stream.receive_some(65536)
    head, _, body = data.partition(b"\r\n\r\n")
    seen.append(head)
    while b"transfer-encoding: chunked" in head and not body.endswith(b"0\r\n\r\n"):
        body += await stream.receive_some(65536)
    await stream.send_all(
        b"HTTP/1.1 200 OK\r\nset-cookie: a=b\r\ntransfer-encoding: chunked\r\n\r\n"
        b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body)
        if body
        else b"HTTP/1.1 200 OK\r\nset-cookie: a=b\r\ncontent-length: 2\r\n\r\n{}"
    )
    await stream.aclose()


def listen(path) -> trio.SocketListener:
    sock = socket.socket(socket.AF_UNIX)
    sock.bind(str(path))
    sock.listen()
    sock.setblocking(False)
    return trio.SocketListener(trio.socket.from_stdlib_socket(sock))


async def test_requests_answers_and_the_clients_address_pass_both_ways(serve_gateway, tmp_path):
    seen: list[bytes] = []
    async with serve_gateway(None) as gateway, trio.open_nursery() as nursery:
        listener = listen(tmp_path / "control.sock")

        async def serve(stream):
            await control(stream, seen)

        nursery.start_soon(trio.serve_listeners, serve, [listener])
        client = await gateway.client()
        forged = "x-omniroute-forwarded: for=6.6.6.6;proto=https\r\ncookie: s=1\r\n"
        await client.get("/api/health", key=None, extra=forged)
        answer = await client.answer()
        assert (answer.status, answer.body) == (200, b"{}")
        assert answer.headers["set-cookie"] == "a=b"
        assert b"6.6.6.6" not in seen[0]
        assert b"x-omniroute-forwarded: for=127.0.0.1;proto=http" in seen[0]
        assert b"cookie: s=1" in seen[0]

        await client.send(
            b"POST /api/import HTTP/1.1\r\nhost: localhost\r\ntransfer-encoding: chunked\r\n\r\n"
            b"5\r\nhello\r\n"
        )
        await client.send(b"0\r\n\r\n")
        assert b"hello" in (await client.answer()).body
        nursery.cancel_scope.cancel()


async def test_an_absent_control_process_is_said_with_when_to_come_back(serve_gateway):
    async with serve_gateway(None) as gateway:
        client = await gateway.client()
        await client.get("/api/status")
        answer = await client.answer()
        assert answer.status == 503
        assert answer.headers["retry-after"] == "1"
        assert json.loads(answer.body)["error"]["code"] == "control_unavailable"


async def test_with_split_ports_the_main_port_knows_no_management(serve_gateway):
    async with serve_gateway(None, more="[server]\nsplit_ports = true") as gateway:
        client = await gateway.client()
        for path in ("/api/status", "/dashboard/", "/"):
            await client.get(path)
            assert (await client.answer()).status == 404


async def test_a_feed_that_is_listened_to_does_not_hold_up_a_drain(serve_gateway, tmp_path):
    async def feed(stream):
        await stream.receive_some(65536)
        await stream.send_all(
            b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n"
            b"transfer-encoding: chunked\r\n\r\n6\r\n: hi\n\n\r\n"
        )
        await trio.sleep_forever()

    async with serve_gateway(None) as gateway, trio.open_nursery() as nursery:
        listener = listen(tmp_path / "control.sock")
        nursery.start_soon(trio.serve_listeners, feed, [listener])
        client = await gateway.client()
        await client.get("/api/live")
        with trio.fail_after(5):
            await client.until(b": hi")
            gateway.gateway.drain(60)
            await client.closed()
        nursery.cancel_scope.cancel()
