"""What stands around a body: trailers, sizes of chunks and their extensions, offers of other protocols."""

from __future__ import annotations

import pytest

from .test_limits import CONFIG, head
from .wire import connected, read_answer, say

BODY = b'{"config":{"z":1}}'
CHUNKED = (b"Content-Type: application/json", b"Transfer-Encoding: chunked")
AS_CHUNK = b"%x\r\n%s\r\n0\r\n" % (len(BODY), BODY)
H2C = (b"Connection: Upgrade, HTTP2-Settings", b"Upgrade: h2c", b"HTTP2-Settings: AAMAAABk")


def test_trailers_are_no_headers(server):
    """What stands behind a body says nothing: neither who asks, nor under which write id, nor on which state."""
    nobody = b"PUT /v1/realms/team/config HTTP/1.1\r\nHost: localhost\r\n" + b"\r\n".join(CHUNKED)
    token = server.tokens["admin"].encode()
    for trailers in (b"Authorization: Bearer " + token, b"authorization: bearer " + token):
        raw = nobody + b"\r\n\r\n" + AS_CHUNK
        for parts in ([raw + trailers + b"\r\n\r\n"], [raw, trailers + b"\r\n\r\n"]):
            assert say(server.port, *parts).status == 401
    trailers = b'Idempotency-Key: behind\r\nIf-Match: "7-0123456789ab"\r\nHost: elsewhere\r\n\r\n'
    answer = say(server.port, head(server, b"PUT", CONFIG, *CHUNKED), AS_CHUNK + trailers)
    assert answer.status == 201
    assert b"behind" not in answer.body


@pytest.mark.parametrize("role", ["admin", "nobody"])
@pytest.mark.parametrize(
    "piece",
    [b"0\r\n" + b"x: y\r\n", b"0\r\nx: ", b"1;e=", b"1;e=%s\r\nx\r\n" % (b"e" * 40)],
    ids=["trailers", "trailer", "extension", "extensions"],
)
def test_what_stands_around_a_body_is_bounded(server, piece, role):
    """Trailers and extensions of chunks may be as large as headers, and the connection ends where they are larger."""
    server.tokens["nobody"] = "rc_"
    first, more = piece, piece.removeprefix(b"0\r\n") + b"z" * 64
    if piece.endswith(b"\r\n"):
        more = piece.removeprefix(b"0\r\n")
    sent = 0
    with connected(server.port) as connection:
        connection.sendall(head(server, b"PUT", CONFIG, *CHUNKED, role=role) + first)
        try:
            while sent < 64 * 1_048_576:
                sent += connection.send(more * 512)
        except (BrokenPipeError, ConnectionResetError):
            pass
        assert sent < 64 * 1_048_576
    with server.http(None) as http:
        assert http.get("/healthz").status_code == 200


def test_large_trailers_are_told(server):
    """Too many trailers are 431, as too many headers are."""
    raw = head(server, b"PUT", CONFIG, *CHUNKED) + b"0\r\n"
    answer = say(server.port, raw + b"x: y\r\n" * 4_000)
    assert (answer.status, answer.problem["code"], answer.closed) == (431, "limit_exceeded", True)


def test_small_chunks(server):
    """A body may come in chunks of one byte, with what each of them needs around it."""
    body = b'{"config":{"text":"' + b"x" * 20_000 + b'"}}'
    chunks = b"".join(b"00000001\r\n%c\r\n" % byte for byte in body)
    raw = head(server, b"PUT", CONFIG, *CHUNKED)
    pieces = [chunks[start : start + 5_000] for start in range(0, len(chunks), 5_000)]
    assert say(server.port, raw, *pieces, b"0\r\n\r\n").status == 201


@pytest.mark.parametrize("pieces", [1, 2, 3])
def test_another_protocol_is_declined(server, pieces):
    """Whoever offers to go on in another protocol is answered in this one, body and all, and the next request too."""
    lines = (*H2C, b"Content-Type: application/json", b"Content-Length: %d" % len(BODY))
    raw = head(server, b"PUT", CONFIG, *lines) + BODY
    size = -(-len(raw) // pieces)
    with connected(server.port) as connection:
        for start in range(0, len(raw), size):
            connection.sendall(raw[start : start + size])
        assert read_answer(connection).status == 201
        again = head(server, b"PUT", CONFIG, *H2C, *CHUNKED)
        connection.sendall(again + AS_CHUNK + b"\r\n" + head(server, b"GET", b"/healthz"))
        assert read_answer(connection).status == 200
    websocket = (b"Connection: Upgrade", b"Upgrade: websocket", b"Sec-WebSocket-Version: 13")
    two = head(server, b"GET", CONFIG, *websocket) + head(server, b"GET", b"/healthz")
    assert say(server.port, two).status == 200


def test_what_the_server_as_a_whole_can(server):
    """``OPTIONS *`` is answered with nothing, which says that the server is there."""
    answer = say(server.port, head(server, b"OPTIONS", b"*"))
    assert (answer.status, answer.body) == (204, b"")
    assert say(server.port, head(server, b"GET", b"*")).status == 400
