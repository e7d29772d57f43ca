"""
What the kernel tells this store: commits of other processes, replaced files, hand edits, dead writers.

Turns events into two things: watchers are rung, and proofs of freshness are taken back.  Loads what asks
the kernel when something is to be watched; a process that reads once watches nothing.
"""

from __future__ import annotations

import os
import threading

from realmconf.stores.embedded.layout import open_private
from realmconf.stores.embedded.signals import Hub

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from realmconf.stores.embedded.place import Place
    from realmconf.stores.embedded.session import Session


class Watching:
    """The watches of one store, set when somebody first needs them."""

    def __init__(self, place: Place) -> None:
        self.place = place
        self.hub = Hub()
        self.edits: dict[str, int] = {}
        """Hand edits noticed, by realm: a read that saw the number change was overtaken by one."""
        self._cancels: list[Callable[[], None]] = []
        self._guard = threading.Lock()

    @property
    def active(self) -> bool:
        """Whether the kernel tells us of commits and replaced files now."""
        if not self._cancels:
            return False
        from realmconf.stores.embedded.notify import NOTIFIER

        return not NOTIFIER.polls

    def start(self) -> None:
        """Watch the store's folder and its wake file, from now until :meth:`stop`."""
        layout = self.place.layout
        with self._guard:
            if self._cancels or self.place.session is None:
                return
            from realmconf.stores.embedded.notify import NOTIFIER, REPLACED_EVENTS, WAKE_EVENTS

            if not self.place.read_only:
                os.close(open_private(layout.wake, os.O_RDWR | os.O_CREAT))
            self._cancels.append(NOTIFIER.watch(layout.folder, REPLACED_EVENTS, self._replaced))
            if os.path.lexists(layout.wake):
                self._cancels.append(NOTIFIER.watch(layout.wake, WAKE_EVENTS, self._committed))

    def stop(self) -> None:
        """End the watches; watchers keep their signals and are rung by what comes next."""
        with self._guard:
            for cancel in self._cancels:
                cancel()
            self._cancels = []
            self.edits = {}

    def forget(self) -> None:
        """In a child after fork: the descriptors are gone, the watchers are the parent's."""
        self.__init__(self.place)  # type: ignore[misc]

    def watch_folder(self, path: str, callback: Callable[[], None]) -> Callable[[], None]:
        """Call *callback* at every change in a realm's folder, and take back the proof of that realm's head."""
        from realmconf.stores.embedded.notify import FOLDER_EVENTS, NOTIFIER

        realm = os.path.basename(path)

        def noticed() -> None:
            callback()
            self.edits[realm] = self.edits.get(realm, 0) + 1
            session = self.place.session
            if session is not None:
                session.doubt(realm)
            self.hub.ring(realm)

        return NOTIFIER.watch(path, FOLDER_EVENTS, noticed)

    def _committed(self) -> None:
        session = self.place.session
        try:
            if session is not None and session.counters is not None:
                self.hub.observe(session.counters.words)
        except ValueError:  # unmapped at this moment
            self.hub.ring()

    def _replaced(self) -> None:
        session = self.place.session
        if session is not None:
            _doubt_everything(session)
        self.hub.ring()


def _doubt_everything(session: Session) -> None:
    for realm in list(session.proofs):
        session.doubt(realm)
    session.compared_at = 0.0
