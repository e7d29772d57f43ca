"""
What counts as sent: of one call, whether something that changes the stream may be with a server.

Decided once, between the caller, who may leave at any moment, and the loop's thread, which may be late or held still:
either the caller has left first, and nothing goes any more, or the first byte has gone, and the caller is never told
that nothing was changed.
"""

from __future__ import annotations

import threading
from contextlib import contextmanager
from contextvars import ContextVar

from realmconf.stores.nats.failures import RefusedError, UnsentError, may_be_there

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator


class GivenUpError(Exception):
    """The caller has left. Reaches nobody."""


class Handover:
    """Of one call. Thread-safe."""

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._number = 0
        """How many writes have gone of which it is not known that nothing came."""
        self._is_given_up = False

    def enter(self) -> None:
        """Be that of the running task, and of those that it makes."""
        _current.set(self)

    @contextmanager
    def going(self) -> Iterator[None]:
        """
        One write goes to a server in here; whoever gives up from then on is told that it may be there.

        Raises:
            GivenUpError: Somebody has given up before, so it must not go.
        """
        with self._guard:
            if self._is_given_up:
                raise GivenUpError
            self._number += 1
        try:
            yield
        except UnsentError:
            self._came_to_nothing()
            raise
        except RefusedError as refused:
            if not may_be_there(refused):
                self._came_to_nothing()
            raise

    def _came_to_nothing(self) -> None:
        with self._guard:
            self._number -= 1

    def give_up(self) -> bool:
        """Let nothing go any more; whether something may be there."""
        with self._guard:
            self._is_given_up = True
            return self._number > 0


_current: ContextVar[Handover] = ContextVar("realmconf-nats-handover")


def current() -> Handover:
    """That of the call for which this runs."""
    return _current.get()
