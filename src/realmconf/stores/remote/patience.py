"""
How long an answer is waited for as a whole, whatever comes in how small parts.

Decides that each wait for the network, in a thread that has been given a limit, ends with it.  An HTTP client bounds
only the wait for the next byte, so it is done where the bytes come in.
"""

from __future__ import annotations

import threading
import time
from contextlib import contextmanager

import httpcore

TYPE_CHECKING = False
if TYPE_CHECKING:
    import ssl
    from collections.abc import Iterator
    from typing import Any

PACE_BYTES_PER_SECOND = 65_536
"""What comes at this pace may go on beyond its limit: a long answer over a slow line."""


class Patience:
    """The limit of one request."""

    def __init__(self, deadline: float) -> None:
        self._deadline = deadline

    def received(self, number_bytes: int) -> None:
        """So much has come."""
        self._deadline += number_bytes / PACE_BYTES_PER_SECOND

    @property
    def rest_seconds(self) -> float:
        """What is left; never less than nothing."""
        return max(0.0, self._deadline - time.monotonic())


_waiting = threading.local()


@contextmanager
def until(deadline: float) -> Iterator[Patience]:
    """While this thread asks, wait no longer than to *deadline* (monotonic seconds)."""
    before = getattr(_waiting, "patience", None)
    patience = _waiting.patience = Patience(deadline)
    try:
        yield patience
    finally:
        _waiting.patience = before


def _bounded(timeout: float | None, over: type[Exception]) -> float | None:
    patience: Patience | None = getattr(_waiting, "patience", None)
    if patience is None:
        return timeout
    rest_seconds = patience.rest_seconds
    if rest_seconds == 0:
        raise over
    return rest_seconds if timeout is None else min(timeout, rest_seconds)


class BoundedStream(httpcore.NetworkStream):
    """A connection whose waits end with the limit of whoever waits."""

    def __init__(self, stream: httpcore.NetworkStream) -> None:
        self._stream = stream

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        """See httpcore."""
        return self._stream.read(max_bytes, _bounded(timeout, httpcore.ReadTimeout))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        """See httpcore; by parts, since each is waited for anew."""
        for start in range(0, len(buffer), PACE_BYTES_PER_SECOND):
            part = buffer[start : start + PACE_BYTES_PER_SECOND]
            self._stream.write(part, _bounded(timeout, httpcore.WriteTimeout))

    def close(self) -> None:
        """See httpcore."""
        self._stream.close()

    def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,
    ) -> httpcore.NetworkStream:
        """See httpcore."""
        timeout = _bounded(timeout, httpcore.ConnectTimeout)
        return BoundedStream(self._stream.start_tls(ssl_context, server_hostname, timeout))

    def get_extra_info(self, info: str) -> Any:
        """See httpcore."""
        return self._stream.get_extra_info(info)


class BoundedBackend(httpcore.SyncBackend):
    """Makes such connections."""

    def connect_tcp(
        self, host: str, port: int, timeout: float | None = None, *rest: Any, **named: Any
    ) -> httpcore.NetworkStream:
        """See httpcore."""
        timeout = _bounded(timeout, httpcore.ConnectTimeout)
        return BoundedStream(super().connect_tcp(host, port, timeout, *rest, **named))
