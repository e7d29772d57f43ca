"""
Whose turn it is, in this process, to decide on a point and send what was decided: one after the other in each realm.

Decides who waits here rather than being overtaken by a neighbour; other processes are met at the server.
"""

from __future__ import annotations

import os
import threading
import weakref
from contextlib import ExitStack, contextmanager

from realmconf.errors import ForkedInTransaction, InvalidArgument
from realmconf.stores.fairness import Turn

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from realmconf.domain.names import RealmName


class Turns:
    """The turns of one store. Thread-safe."""

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._inside = threading.local()
        """Whether this thread holds any of them: it would wait for another while that is waited for."""
        self._by_realm: weakref.WeakValueDictionary[RealmName, Turn] = weakref.WeakValueDictionary()

    @contextmanager
    def held(self, realms: Iterable[RealmName], deadline: float) -> Iterator[Callable[[], None]]:
        """
        Hold the turns of all *realms*; what is given is called after whatever a caller's code may have done.

        Raises:
            LockTimeout: They did not come in time.
            InvalidArgument: One is held by the caller itself.
        """
        process = os.getpid()

        def refuse_child() -> None:
            """
            Raises:
                ForkedInTransaction: This is a child of the process that is deciding: the parent is to send it.
            """
            if os.getpid() != process:
                raise ForkedInTransaction

        if getattr(self._inside, "is_deciding", False):
            raise InvalidArgument(
                "a write to the same store from inside a change that is being decided"
            )
        with self._guard:
            # Kept here, and there for as long as somebody does.
            turns = [self._by_realm.setdefault(realm, Turn()) for realm in sorted(set(realms))]
        with ExitStack() as stack:
            # In one order for everybody, so that no two wait for each other.
            for turn in turns:
                stack.enter_context(turn.held(deadline))
            self._inside.is_deciding = True
            stack.callback(setattr, self._inside, "is_deciding", False)
            yield refuse_child

    def after_fork_in_child(self) -> None:
        """Whoever leaves a turn here took it in the parent, and passes it on to nobody."""
        for turn in list(self._by_realm.values()):
            turn.guard = threading.Lock()
