"""
What the kernel tells this store: commits of other processes, replaced files, hand edits, dead writers.

Turns events into two things: watchers are rung, and proofs of freshness are taken back.  Loads what asks
the kernel when something is to be watched; a process that reads once watches nothing.
"""

from __future__ import annotations

import os
import threading
from contextlib import suppress

from realmconf.stores.embedded.counters import PENDING, STORE_WORD
from realmconf.stores.embedded.layout import WORKING_COPY, open_private
from realmconf.stores.embedded.signals import Hub

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from realmconf.stores.embedded.place import Place


class Watching:
    """The watches of one store, set when somebody first needs them."""

    def __init__(self, place: Place) -> None:
        self.place = place
        self.hub = Hub()
        self.attended: set[str] = set()
        """Realms of whose hand edits we are told, if there are any."""
        self.edits: dict[str, int] = {}
        """Hand edits noticed, by realm: a read that saw the number change was overtaken by one."""
        self._cancels: list[Callable[[], None]] = []
        self._cancel_wake: Callable[[], None] | None = None
        self._told_of_files = False
        self._told_of_entries = False
        self._awaited: dict[str, Callable[[], None]] | None = None
        """Whom to tell that something has the name of a realm's folder; None until the root is watched."""
        self._polled_folders: dict[str, Callable[[], None]] = {}
        self._guard = threading.Lock()

    @property
    def active(self) -> bool:
        """Whether the kernel tells us of replaced files now, so that nobody need compare them."""
        return self._told_of_files

    def start(self) -> None:
        """
        Watch the store's folder from now until :meth:`stop`, and its wake file if somebody waits for commits.

        Who only reads is not woken by every commit of others: the next read sees the counters.
        """
        layout = self.place.layout
        with self._guard:
            if self.place.session is None:
                return
            is_first = not self._cancels
            if is_first:
                if not self.place.read_only and not os.path.lexists(layout.wake):
                    # Without the right to, or on a full disk, it is watched once a writer has made it.
                    with suppress(OSError):
                        os.close(open_private(layout.wake, os.O_RDWR | os.O_CREAT))
                self._watch_files()
            if self._cancel_wake is None:
                self._watch_wake()
        if is_first:
            self._replaced_before()

    def stop(self) -> None:
        """End the watches; watchers keep their signals and are rung by what comes next."""
        with self._guard:
            self._told_of_files = self._told_of_entries = False
            for cancel in (*self._cancels, *self._polled_folders.values()):
                cancel()
            if self._cancel_wake is not None:
                self._cancel_wake()
            self._cancels = []
            self._cancel_wake = None
            self._polled_folders = {}
            self._awaited = None
            self.attended = set()

    def forget(self) -> None:
        """In a child after fork: the descriptors are gone, the watchers are the parent's."""
        self.__init__(self.place)  # type: ignore[misc]

    def watch_folder(
        self, path: str, callback: Callable[[], None], lost: Callable[[], None]
    ) -> Callable[[], None]:
        """
        Call *callback* at every change in a realm's folder, and take back the proof of that realm's head.

        *lost* is called before it when the folder itself may be gone, of which nothing more would be told.

        Raises:
            OSError: The kernel cannot tell.  *callback* is called all the same, until the watches
                stop, but too late for its silence to prove anything: whoever reads has to look.
        """
        from realmconf.stores.embedded.notify import FOLDER_EVENTS, NOTIFIER

        realm = os.path.basename(path)

        def told(names: Collection[str]) -> None:
            if not names:
                lost()
            self._edited(realm, callback)

        try:
            cancel = NOTIFIER.watch_entries(path, FOLDER_EVENTS, told)
        except OSError:
            self._poll_folder(path, callback)
            raise
        self._end_poll(path)
        # What was saved before is told by nobody: it is found by the look that comes next.
        self._doubt(realm)
        return cancel

    def watch_for_folder(self, path: str, callback: Callable[[], None]) -> bool:
        """
        Whether nothing stands at *path*, a realm's folder, and the kernel tells of what comes there: *callback* is
        called then, and the proof of that realm's head taken back.

        It is called where the kernel cannot tell as well, but too late for its silence to prove anything.
        """
        with self._guard:
            if not self._cancels:
                return False  # stopped meanwhile
            is_first = self._awaited is None
            if self._awaited is None:
                self._awaited = {}
                self._watch_root()
            self._awaited[os.path.basename(path)] = callback
        if is_first:
            self._replaced_before()
        self._end_poll(path)
        # After the kernel was asked: what came before that is seen here.
        return self._told_of_entries and not os.path.lexists(path)

    def _watch_root(self) -> None:
        from realmconf.stores.embedded.notify import ENTRY_EVENTS, NOTIFIER, state_of

        root = self.place.layout.root
        try:
            self._cancels.append(NOTIFIER.watch_entries(root, ENTRY_EVENTS, self._entered))
            self._told_of_entries = True
        except OSError:
            self._cancels.append(
                NOTIFIER.poll(lambda: state_of((root,)), lambda: self._entered(()))
            )

    def _entered(self, names: Collection[str]) -> None:
        """Something has these names below the root now; none are told where it may be any, or the root is another."""
        root, awaited = self.place.layout.root, self._awaited or {}
        for realm in names or tuple(awaited):
            callback = awaited.get(realm)
            if callback is not None and (names or os.path.lexists(os.path.join(root, realm))):
                self._edited(realm, callback)
                # That it came was all that we would be told: of what is saved in it we are not told yet.
                self.attended.discard(realm)
        if not names:
            self._replaced()

    def _poll_folder(self, path: str, callback: Callable[[], None]) -> None:
        from realmconf.stores.embedded.notify import NOTIFIER, state_of

        realm = os.path.basename(path)
        # Saved in place, a file leaves its folder's times as they were.
        paths = (path, os.path.join(path, WORKING_COPY))
        with self._guard:
            if path not in self._polled_folders:
                self._polled_folders[path] = NOTIFIER.poll(
                    lambda: state_of(paths), lambda: self._noticed(realm, callback)
                )

    def _end_poll(self, path: str) -> None:
        with self._guard:
            polled = self._polled_folders.pop(path, None)
        if polled is not None:
            polled()

    def _edited(self, realm: str, callback: Callable[[], None]) -> None:
        self.edits[realm] = self.edits.get(realm, 0) + 1
        self._noticed(realm, callback)

    def _noticed(self, realm: str, callback: Callable[[], None]) -> None:
        callback()
        self._doubt(realm)
        self.hub.ring(realm)

    def _doubt(self, realm: str) -> None:
        session = self.place.session
        if session is not None:
            session.doubt(realm)

    def _replaced_before(self) -> None:
        """Nobody has told of files that were replaced before the kernel was asked: the next read compares them."""
        session = self.place.session
        if session is not None:
            session.doubt_files()

    def _watch_files(self) -> None:
        """Be told of files in the store's folder that are replaced.  The guard is held."""
        from realmconf.stores.embedded.notify import NOTIFIER, REPLACED_EVENTS, state_of

        folder = self.place.layout.folder
        try:
            cancel = NOTIFIER.watch_entries(folder, REPLACED_EVENTS, self._replaced)
            self._told_of_files = True
        except OSError:
            cancel = NOTIFIER.poll(lambda: state_of((folder,)), self._replaced)
        self._cancels.append(cancel)

    def _watch_wake(self) -> None:
        """Be told of commits by the wake file that is there now, if somebody waits for them.  The guard is held."""
        path = self.place.layout.wake
        is_wanted = self._cancel_wake is not None or self.hub.signals
        if not is_wanted or not os.path.lexists(path):
            return
        from realmconf.stores.embedded.notify import NOTIFIER, WAKE_EVENTS

        # Before the old watch ends: if it is of the same file, no event falls between the two.
        before = self._cancel_wake
        try:
            self._cancel_wake = NOTIFIER.watch(path, WAKE_EVENTS, self._committed)
        except OSError:
            self._cancel_wake = NOTIFIER.poll(self._commits, self._committed)
        if before is not None:
            before()

    def _commits(self) -> object:
        """
        What every commit moves; ``ValueError`` while the counters are unmapped.

        The wake file's time would not do: it stands still for two commits within one tick of the clock.
        """
        from realmconf.stores.embedded.notify import state_of

        layout = self.place.layout
        session = self.place.session
        if session is None or session.counters is None:
            return state_of((layout.wake,))
        words = session.counters.words
        pending = words[PENDING]
        # In progress, what shows is only in the log, and its writer may die before it says more.
        log = state_of((f"{layout.database}-wal",)) if pending & 1 else None
        return (pending, words[STORE_WORD], log)

    def _committed(self) -> None:
        session = self.place.session
        try:
            if session is not None and session.counters is not None:
                self.hub.observe(session.counters.words)
        except ValueError:  # unmapped at this moment
            self.hub.ring()

    def _replaced(self, names: Collection[str] = ()) -> None:
        """Files of the store with these names were replaced; none are told where it may be any."""
        with self._guard:
            # Whoever commits from now on writes to the wake file that has come. It is watched before anybody is rung
            # who then finds what was committed until now.
            if self._cancels and (not names or os.path.basename(self.place.layout.wake) in names):
                self._watch_wake()
        session = self.place.session
        if session is not None:
            session.doubt_files()
        self.hub.ring()
