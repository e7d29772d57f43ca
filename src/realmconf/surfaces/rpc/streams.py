"""
The process's standard streams, taken for messages alone.

Decides that nothing but messages ever comes out of standard output: whatever else the process, a library or a
program that it starts prints there goes to standard error, and standard input is not read by anybody else.
"""

from __future__ import annotations

import os
import select
import sys
import threading

from realmconf.domain.record import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

STANDARD_INPUT, STANDARD_OUTPUT, STANDARD_ERROR = 0, 1, 2


class Streams(Record):
    """Descriptors of the two streams, which nobody else has."""

    input: int
    output: int


def take_over() -> Streams:
    """Take standard input and output away from the rest of the process, for good."""
    sys.stdout.flush()
    taken = Streams(input=os.dup(STANDARD_INPUT), output=os.dup(STANDARD_OUTPUT))
    nothing = os.open(os.devnull, os.O_RDWR)
    os.dup2(nothing, STANDARD_INPUT)
    try:
        os.dup2(STANDARD_ERROR, STANDARD_OUTPUT)
    except OSError:
        # Started without standard error: then what is printed goes nowhere.
        os.dup2(nothing, STANDARD_OUTPUT)
    if nothing > STANDARD_ERROR:
        os.close(nothing)
    sys.stdout = sys.stderr
    return taken


class Output:
    """
    Where messages go, each whole, from any thread.

    ``send`` blocks while nobody reads; that is what bounds the memory of everything before it.  Once a message
    cannot be written, that one and all later ones are dropped, and *when_failed* is called.
    """

    def __init__(self, descriptor: int, *, when_failed: Callable[[], None]) -> None:
        self._descriptor = descriptor
        self._when_failed = when_failed
        self._turn = threading.Lock()
        self.failure: OSError | None = None
        """Why nothing is written any more."""

    def send(self, message: bytes) -> None:
        """Write one message and its line end."""
        with self._turn:
            if self.failure is not None:
                return
            try:
                self._write(message + b"\n")
            except OSError as failure:
                self.failure = failure
        if self.failure is not None:
            self._when_failed()

    def give_up(self) -> None:
        """Take it that nobody reads any more."""
        if self.failure is None:
            self.failure = BrokenPipeError()

    def _write(self, line: bytes) -> None:
        rest = memoryview(line)
        while rest:
            try:
                rest = rest[os.write(self._descriptor, rest) :]
            except BlockingIOError:
                # Whoever made the stream has made it non-blocking, for themselves as for us.
                waiting = select.poll()
                waiting.register(self._descriptor, select.POLLOUT)
                waiting.poll()
