"""
One connection to one server: HTTP/1.1, as etcd's JSON gateway speaks it, with a deadline on every question.

Decides what it means for a question that a connection ends: before all of it was given to the system the server cannot
have understood it (``UnsentError``); after that anything may have become of it (``LostError``).  An HTTP client from a
library has a time-out for each piece of an answer and none for the whole, and costs as much as all the rest of a read.
"""

from __future__ import annotations

import select
import socket
import time

from realmconf.stores.etcd.failures import LostError, UnsentError

TYPE_CHECKING = False
if TYPE_CHECKING:
    import ssl
    from collections.abc import Iterator
    from typing import NamedTuple
else:
    from typing import NamedTuple

RECEIVE_BYTES = 1 << 18
HEAD_BYTES_MAX = 1 << 16
KEEPALIVE = (("TCP_KEEPIDLE", 10), ("TCP_KEEPINTVL", 5), ("TCP_KEEPCNT", 3))
"""What is dead without a word is noticed by whoever only listens, too."""


class Answer(NamedTuple):
    """What came back."""

    status: int
    body: bytes


class Wire:
    """A connection, used by one caller at a time."""

    def __init__(self, link: socket.socket, server: tuple[str, int]) -> None:
        self._link = link
        self._rest = b""
        self.server = server
        host = f"[{server[0]}]" if ":" in server[0] else server[0]
        self._host = f"{host}:{server[1]}".encode()
        self.is_over = False
        self._listener = select.poll()
        self._listener.register(link, select.POLLIN)

    @classmethod
    def connected(
        cls, server: tuple[str, int], context: ssl.SSLContext | None, *, deadline: float
    ) -> Wire:
        """
        A new connection to *server*.

        Raises:
            UnsentError: There is none, by the deadline or at all.
        """
        reason = "it has no address"
        for family, address in _addresses(server, deadline):
            link = socket.socket(family, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
            try:
                link.settimeout(_left(deadline))
                link.connect(address)
                link.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                link.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
                for name, value in KEEPALIVE:
                    if hasattr(socket, name):
                        link.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)
                if context is not None:
                    link = context.wrap_socket(link, server_hostname=server[0])
            except OSError as failure:
                link.close()
                reason = _said(failure)
            except BaseException:
                link.close()
                raise
            else:
                return cls(link, server)
        raise UnsentError(reason)

    # --- asking --------------------------------------------------------------------------------

    def ask(self, path: str, body: bytes, *, deadline: float, token: str | None = None) -> Answer:
        """
        What the server answers to *body*, put to *path*; without a body it is got from there.

        Raises:
            UnsentError, LostError: See the module; the connection is over then.
        """
        self.send(path, body, deadline=deadline, token=token)
        try:
            status, headers = self._head(deadline)
            if b"chunked" in headers.get(b"transfer-encoding", b""):
                parts = list(iter(lambda: self._chunk(deadline), b""))
                answer = b"".join(parts)
            else:
                answer = self._exactly(int(headers.get(b"content-length", b"0")), deadline)
            if b"close" in headers.get(b"connection", b"").lower():
                self.close()
        except (OSError, ValueError, IndexError) as failure:
            self.close()
            raise LostError(_said(failure)) from None
        except BaseException:
            # Interrupted: whoever came next would be given this answer.
            self.close()
            raise
        return Answer(status, answer)

    def send(self, path: str, body: bytes, *, deadline: float, token: str | None = None) -> None:
        """Send a question; whoever does reads the answer."""
        head = [b"POST " if body else b"GET ", path.encode(), b" HTTP/1.1\r\nHost: ", self._host]
        if token:
            head += (b"\r\nAuthorization: ", token.encode())
        if body:
            # A member that has no leader is to say so, and not to wait for one.
            head.append(b"\r\nGrpc-Metadata-Hasleader: true\r\nContent-Length: %d" % len(body))
        head += (b"\r\n\r\n", body)
        try:
            self._link.settimeout(_left(deadline))
            self._link.sendall(b"".join(head))
        except (OSError, ValueError) as failure:
            self.close()
            raise UnsentError(_said(failure)) from None
        except BaseException:
            self.close()
            raise

    def stream(self, deadline: float) -> tuple[int, Iterator[bytes]]:
        """
        The status of an answer that has no end, and its pieces as they come, each waited for as ``wait`` is told.

        Raises:
            LostError: The connection is over.
        """
        try:
            status, headers = self._head(deadline)
            if b"chunked" not in headers.get(b"transfer-encoding", b""):
                body = self._exactly(int(headers.get(b"content-length", b"0")), deadline)
                return status, iter([body])
        except (OSError, ValueError, IndexError) as failure:
            self.close()
            raise LostError(_said(failure)) from None
        return status, iter(lambda: self._chunk(time.monotonic() + CHUNK_SECONDS), b"")

    def has_something(self) -> bool:
        """Whether there is something to read that came already."""
        pending = getattr(self._link, "pending", None)
        return bool(self._rest) or (pending is not None and pending() > 0)

    def fileno(self) -> int:
        """For ``select``."""
        return self._link.fileno()

    def is_good(self) -> bool:
        """Whether it is open and silent, as one must be that nothing was asked of."""
        if self.is_over or self._rest:
            return False
        return not self._listener.poll(0)

    # --- reading -------------------------------------------------------------------------------

    def _more(self, deadline: float) -> None:
        self._link.settimeout(_left(deadline))
        received = self._link.recv(RECEIVE_BYTES)
        if not received:
            raise ConnectionError("the server has ended the connection")
        self._rest += received

    def _until(self, mark: bytes, deadline: float) -> bytes:
        while True:
            found, separator, rest = self._rest.partition(mark)
            if separator:
                self._rest = rest
                return found
            if len(self._rest) > HEAD_BYTES_MAX:
                raise ValueError("what it answers is no HTTP")
            self._more(deadline)

    def _exactly(self, size: int, deadline: float) -> bytes:
        if size > len(self._rest):
            parts, left = [self._rest], size - len(self._rest)
            self._rest = b""
            while left > 0:
                self._more(deadline)
                parts.append(self._rest[:left])
                self._rest, left = self._rest[left:], left - len(self._rest)
            return b"".join(parts)
        found, self._rest = self._rest[:size], self._rest[size:]
        return found

    def _head(self, deadline: float) -> tuple[int, dict[bytes, bytes]]:
        lines = self._until(b"\r\n\r\n", deadline).split(b"\r\n")
        if not lines[0].startswith(b"HTTP/1."):
            raise ValueError("what it answers is no HTTP")
        headers = {}
        for line in lines[1:]:
            name, _, value = line.partition(b":")
            headers[name.lower()] = value.strip()
        return int(lines[0].split(b" ", 2)[1]), headers

    def _chunk(self, deadline: float) -> bytes:
        """One piece; empty at the end."""
        size = int(self._until(b"\r\n", deadline).partition(b";")[0], 16)
        found = self._exactly(size, deadline) if size else b""
        # Behind the last one may stand lines that say how it ended.
        while self._until(b"\r\n", deadline):
            pass
        return found

    # --- the end, and forks ----------------------------------------------------------------------

    def shut(self) -> None:
        """Wake whoever waits for an answer: from any thread, and for good."""
        self.is_over = True
        try:
            # Without the bits of TLS, which the thread that waits has in its hands.
            socket.socket.shutdown(self._link, socket.SHUT_RDWR)
        except OSError:
            pass

    def close(self) -> None:
        """End it; in the child of a fork without a word to the server, who speaks with the parent."""
        self.is_over = True
        self._link.close()


CHUNK_SECONDS = 5.0
"""How long the rest of a piece is waited for whose beginning is there."""


def _left(deadline: float) -> float:
    left = deadline - time.monotonic()
    if left <= 0:
        raise TimeoutError
    return left


def _said(failure: Exception) -> str:
    if isinstance(failure, TimeoutError):
        return "no answer in time"
    text = getattr(failure, "strerror", None) or str(failure)
    return str(text) or type(failure).__name__


def _addresses(
    server: tuple[str, int], deadline: float
) -> list[tuple[socket.AddressFamily, tuple[str, int]]]:
    """Where *server* may be; a resolver that does not answer is waited for no longer than anything else."""
    import threading

    host, port = server
    try:
        socket.inet_aton(host)
    except OSError:
        pass
    else:
        return [(socket.AF_INET, (host, port))]
    found: list[tuple[socket.AddressFamily, tuple[str, int]]] = []
    failed: list[str] = []

    def look() -> None:
        try:
            listed = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError) as failure:
            failed.append(getattr(failure, "strerror", None) or "that is no name of a host")
        else:
            found.extend(dict.fromkeys((one[0], one[4][:2]) for one in listed))  # type: ignore[misc]

    thread = threading.Thread(target=look, name="realmconf-resolving", daemon=True)
    thread.start()
    thread.join(max(0.0, deadline - time.monotonic()))
    if not found:
        raise UnsentError(
            "its name cannot be resolved" + (f": {failed[0]}" if failed else " in time")
        )
    return list(found)
