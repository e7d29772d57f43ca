"""The right to write, given in the order of asking."""

from __future__ import annotations

import threading
import time
from collections import deque
from contextlib import contextmanager

from realmconf.errors import InvalidArgument, LockTimeout

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator


class Turn:
    """The right to write, given in the order of asking."""

    def __init__(self) -> None:
        self.guard = threading.Lock()
        self._waiting: deque[threading.Lock] = deque()
        self._taken = False
        self.holder: int | None = None

    @contextmanager
    def held(self, deadline: float) -> Iterator[None]:
        asked = time.monotonic()
        if self.holder == threading.get_ident():
            raise InvalidArgument(
                "a write to the same store from inside a change that is being decided"
            )
        if not self._take(deadline):
            raise LockTimeout(waited_seconds=time.monotonic() - asked)
        self.holder = threading.get_ident()
        try:
            yield
        finally:
            self.holder = None
            self._pass_on()

    def _take(self, deadline: float) -> bool:
        with self.guard:
            if not self._taken:
                self._taken = True
                return True
            ticket = threading.Lock()
            ticket.acquire()
            self._waiting.append(ticket)
        if ticket.acquire(timeout=max(0.0, deadline - time.monotonic())):
            return True
        with self.guard:
            if ticket in self._waiting:
                self._waiting.remove(ticket)
                return False
        # Granted between the time-out and here: it goes straight on to the next.
        self._pass_on()
        return False

    def _pass_on(self) -> None:
        with self.guard:
            if self._waiting:
                self._waiting.popleft().release()
            else:
                self._taken = False
