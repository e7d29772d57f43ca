"""
The connections of one process to one server, lent to one caller at a time.

Decides how many there are at most, and that nobody who holds one ever waits for another: threads that each hold one
and want a second would wait for each other.  It has no thread of its own, and nothing of it outlives a fork.
"""

from __future__ import annotations

import threading
import time
from contextlib import contextmanager

from realmconf.errors import StoreUnavailable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from realmconf.stores.postgres.wire import Wire

IDLE_SECONDS = 300.0
"""A connection that nobody has asked for so long is given back to the server."""


class Pool:
    """Thread-safe."""

    def __init__(self, connect: Callable[[float], Wire], *, largest: int) -> None:
        """*connect* makes a connection by a deadline."""
        self._connect = connect
        self._largest = largest
        self._changed = threading.Condition()
        self._idle: list[Wire] = []
        """The one that was used last is last, and is lent first."""
        self._lent: set[Wire] = set()
        self._making = 0
        self._is_closed = False
        self._held = threading.local()

    @contextmanager
    def lent(self, deadline: float) -> Iterator[Wire]:
        """
        A connection, for as long as the caller is inside.

        Raises:
            StoreUnavailable: All are in use until the deadline; or the pool is closed.
        """
        held: int = getattr(self._held, "number", 0)
        wire = self._taken(deadline, may_exceed=held > 0)
        self._held.number = held + 1
        try:
            yield wire
        finally:
            self._held.number = held
            self._return(wire)

    def _taken(self, deadline: float, *, may_exceed: bool) -> Wire:
        while True:
            with self._changed:
                wire = self._idle_one(deadline, may_exceed=may_exceed)
                if wire is not None:
                    self._lent.add(wire)
            if wire is None:
                return self._made(deadline)
            if wire.is_good():
                return wire
            # Somebody has ended it, and so perhaps all of them: the next one is looked at as well.
            with self._changed:
                self._lent.discard(wire)
                self._changed.notify()
            wire.close()

    def _idle_one(self, deadline: float, *, may_exceed: bool) -> Wire | None:
        """One that is idle; None where one may be made, and then its place is taken."""
        began = time.monotonic()
        while True:
            if self._is_closed:
                raise StoreUnavailable("this client is closed", retryable=False)
            if self._idle:
                return self._idle.pop()
            if may_exceed or len(self._lent) + self._making < self._largest:
                self._making += 1
                return None
            left = deadline - time.monotonic()
            if left <= 0:
                raise StoreUnavailable(
                    f"all {self._largest} connections of this client were in use for "
                    f"{time.monotonic() - began:.3g} s; a larger pool_max in the URL allows more"
                )
            self._changed.wait(left)

    def _made(self, deadline: float) -> Wire:
        wire: Wire | None = None
        try:
            wire = self._connect(deadline)
        finally:
            with self._changed:
                self._making -= 1
                if wire is None:
                    self._changed.notify()
                else:
                    self._lent.add(wire)
        if self._is_closed:
            self._return(wire)
            raise StoreUnavailable("this client is closed", retryable=False)
        return wire

    def _return(self, wire: Wire) -> None:
        ended: list[Wire] = []
        with self._changed:
            self._lent.discard(wire)
            if self._is_closed or not wire.is_reusable or self._number >= self._largest:
                ended.append(wire)
            else:
                self._idle.append(wire)
                if wire.used_at - self._idle[0].used_at > IDLE_SECONDS:
                    ended.append(self._idle.pop(0))
            self._changed.notify()
        for one in ended:
            one.close()

    @property
    def _number(self) -> int:
        return len(self._idle) + len(self._lent) + self._making

    def close(self) -> None:
        """End what is idle now, and what is lent when it comes back. Idempotent."""
        with self._changed:
            self._is_closed = True
            ended, self._idle = self._idle, []
            self._changed.notify_all()
        for wire in ended:
            wire.close()

    def abandon(self) -> None:
        """In the child of a fork: nothing of this is ours."""
        for wire in (*self._idle, *self._lent):
            wire.abandon()
