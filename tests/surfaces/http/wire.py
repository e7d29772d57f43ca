"""HTTP by hand: bytes to a server, and what comes back."""

from __future__ import annotations

import json
import socket
from dataclasses import dataclass
from typing import Any

PATIENCE_SECONDS = 30.0


@dataclass
class Answer:
    """One answer, as it came."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def closed(self) -> bool:
        """Whether the server says that it hangs up after it."""
        return self.headers.get("connection") == "close"

    @property
    def problem(self) -> Any:
        assert self.headers["content-type"] == "application/problem+json", self
        found = json.loads(self.body)
        assert found["status"] == self.status
        return found


def connected(port: int) -> socket.socket:
    found = socket.create_connection(("127.0.0.1", port), timeout=PATIENCE_SECONDS)
    found.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return found


def say(port: int, *parts: bytes, has_body: bool = True) -> Answer:
    """Send *parts* and read what comes until the server hangs up, or the answer is complete."""
    with connected(port) as connection:
        for part in parts:
            try:
                connection.sendall(part)
            except (BrokenPipeError, ConnectionResetError):
                break
        return read_answer(connection, has_body=has_body)


def read_answer(connection: socket.socket, *, has_body: bool = True) -> Answer:
    received, closed = b"", False
    while not (closed or is_complete(received, has_body=has_body)):
        chunk = connection.recv(65_536)
        closed = not chunk
        received += chunk
    head, _, body = received.partition(b"\r\n\r\n")
    lines = head.decode("latin-1").split("\r\n")
    headers = {
        name.lower(): value.strip()
        for name, _, value in (line.partition(":") for line in lines[1:])
    }
    return Answer(int(lines[0].split()[1]), headers, body)


def is_complete(received: bytes, *, has_body: bool) -> bool:
    head, separator, body = received.partition(b"\r\n\r\n")
    if not separator or not has_body:
        return bool(separator)
    for line in head.split(b"\r\n")[1:]:
        name, _, value = line.partition(b":")
        if name.lower() == b"content-length":
            return len(body) >= int(value)
    return head.split()[1] in (b"204", b"304")
