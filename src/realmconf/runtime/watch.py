"""
Watching a realm: every generation after a cursor, in order, once, or an explicit reset.

Decides what a cursor means, when a watch must reset, and that nothing is missed:
it subscribes first, then reads history, then waits.  History is the buffer, so a
slow reader loses nothing and holds up nobody.
"""

from __future__ import annotations

import threading
from collections import deque

from realmconf.domain.revision import DIGEST_SHOWN, GENESIS
from realmconf.domain.write import Expected
from realmconf.errors import (
    HistoryCompacted,
    InvalidArgument,
    RealmconfError,
    RevisionNotFound,
)
from realmconf.runtime import arguments
from realmconf.runtime.generic import Config, Generic
from realmconf.runtime.snapshot import ConfigSnapshot, WatchedSnapshot

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, Self

    from realmconf.domain import revision as stored
    from realmconf.domain.document import Document
    from realmconf.domain.names import Limits, RealmName
    from realmconf.domain.pointer import Pointer
    from realmconf.runtime.snapshot import Source
    from realmconf.stores.protocol import Head, ReadView, Signal, Store

    After = ConfigSnapshot[Any] | str | int | None

VIEWS = ("effective", "own")
EFFECTIVE_PREFIX = "e:"
"""Cursors of the effective view: this, then ``realm@etag`` of each member of the lineage, joined by commas."""
RETRY_SECONDS = 1.0
"""Between two attempts of a subscription to watch a store that cannot be reached."""
PAGE = 256
"""Revisions read from history at once."""


def parse_after(realm: RealmName, after: After, *, view: str, limits: Limits) -> Expected | None:
    """
    The position that *after* names in *realm*; None is "from now on".

    Raises:
        InvalidArgument: It names none, or one of another realm or view.
    """
    arguments.choice(view, name="view", among=VIEWS)
    if after is None:
        return None
    if isinstance(after, ConfigSnapshot):
        if after.realm_id != realm:
            raise InvalidArgument(f"after is a snapshot of realm {after.realm_id}, not of {realm}")
        return Expected(
            generation=after.generation, digest=after.digest if after.generation else None
        )
    if isinstance(after, str):
        return arguments.etag(_own_part(realm, after, view=view))
    if view != "own" and after != 0:
        raise InvalidArgument(
            "a bare generation is a cursor of the own view only; take a snapshot or a cursor"
        )
    return Expected(generation=arguments.generation(after, name="after", limits=limits))


def _own_part(realm: RealmName, cursor: str, *, view: str) -> str:
    if not cursor.startswith(EFFECTIVE_PREFIX):
        return cursor
    if view != "effective":
        raise InvalidArgument(
            "after is a cursor of the effective view; this watch is of the own one"
        )
    members = dict(
        member.partition("@")[::2] for member in cursor[len(EFFECTIVE_PREFIX) :].split(",")
    )
    if realm not in members:
        raise InvalidArgument(f"after is a cursor of another realm than {realm}")
    return members[realm]


class Follower(Generic[Config]):
    """
    A position in a realm's history that moves forward when asked; it neither waits nor subscribes.

    The order that makes a watch gap-free is the caller's: subscribe, construct the follower, then ``read``
    until nothing comes, then wait.
    """

    def __init__(
        self,
        store: Store,
        source: Source[Config],
        realm: RealmName,
        after: Expected | None,
        *,
        view: str,
        adopt: bool = True,
    ) -> None:
        self._store = store
        self._source = source
        self._realm = realm
        self._view = view
        self._ready: deque[WatchedSnapshot[Config]] = deque()
        self._reset_due = False
        self._document: Document | None = None
        if after is None:
            self._stand_at(store.head(realm, adopt=adopt).revision)
            return
        self._generation = after.generation
        self._digest = after.digest or ""
        with store.view() as view_now:
            self._find_place(view_now)

    def read(self, head: Head) -> WatchedSnapshot[Config] | None:
        """The next generation up to *head* (as the store gives it now), or None if there is none yet."""
        if self._ready:
            return self._ready.popleft()
        newest = head.revision
        generation = head.generation
        if generation == self._generation and not self._reset_due:
            if self._matches(GENESIS if newest is None else newest.digest):
                return None
            return self._reset(head)
        if newest is not None and generation == self._generation + 1 and not self._reset_due:
            # The common case, one new revision, needs no look at history.
            if self._matches(newest.previous):
                return self._deliver(newest, warnings=head.warnings)
            return self._reset(head)
        if generation < self._generation or self._reset_due:
            return self._reset(head)
        return self._read_history(head)

    def _read_history(self, head: Head) -> WatchedSnapshot[Config] | None:
        with self._store.view() as view:
            try:
                # Not beyond *head*, though the view may be newer: the next call may come with the same head,
                # and a follower that stood beyond it would take it for another timeline.
                revisions = view.revisions(
                    self._realm, after=self._generation, before=head.generation + 1, limit=PAGE
                )
            except HistoryCompacted:
                return self._reset(view.head(self._realm))
        if not revisions or not self._matches(revisions[0].previous):
            return self._reset(head)
        self._ready.extend(self._deliver(revision) for revision in revisions)
        return self._ready.popleft()

    def _find_place(self, view: ReadView) -> None:
        """Check that the cursor lies on this store's timeline, and fetch the document it stands on."""
        head = view.head(self._realm)
        if self._generation > head.generation:
            self._reset_due = True
            return
        if self._generation == 0:
            self._digest = GENESIS
            self._reset_due = head.floor > 1
            return
        try:
            revision = view.revision(self._realm, self._generation)
        except (HistoryCompacted, RevisionNotFound):
            self._reset_due = True
            return
        if not self._matches(revision.digest):
            self._reset_due = True
            return
        self._stand_at(revision)

    def _matches(self, digest: str) -> bool:
        # A bare generation states no digest: then there is nothing to compare, once.
        return digest.startswith(self._digest)

    def _stand_at(self, revision: stored.Revision | None) -> None:
        self._generation = 0 if revision is None else revision.generation
        self._digest = GENESIS if revision is None else revision.digest
        self._document = None if revision is None else revision.document

    def _deliver(
        self, revision: stored.Revision, *, warnings: tuple[Any, ...] = ()
    ) -> WatchedSnapshot[Config]:
        before = self._document
        self._stand_at(revision)
        return self._snapshot(revision, warnings, before=before, reset=False)

    def _reset(self, head: Head) -> WatchedSnapshot[Config]:
        self._ready.clear()
        self._reset_due = False
        self._stand_at(head.revision)
        return self._snapshot(head.revision, head.warnings, before=None, reset=True)

    def _snapshot(
        self,
        revision: stored.Revision | None,
        warnings: tuple[Any, ...],
        *,
        before: Document | None,
        reset: bool,
    ) -> WatchedSnapshot[Config]:
        def make() -> WatchedSnapshot[Config]:
            etag = f"{self._generation}-{self._digest[:DIGEST_SHOWN]}"
            cursor = etag if self._view == "own" else f"{EFFECTIVE_PREFIX}{self._realm}@{etag}"
            return WatchedSnapshot(
                self._source,
                self._realm,
                revision,
                warnings,
                before=before,
                reset=reset,
                cursor=cursor,
            )

        return self._source.shared((revision, before, warnings, reset, self._view), make)


class Watch(Generic[Config]):
    """
    An iterator over the generations after a cursor, each once and in order; blocks until the next one.

    Subscribed from construction on, not from the first ``next``.  ``close()`` (from any thread) ends it; with
    a *silence_seconds* it also ends when nothing has come for so long.  A context manager.
    """

    def __init__(
        self,
        store: Store,
        source: Source[Config],
        realm: RealmName,
        after: Expected | None,
        *,
        view: str,
        silence_seconds: float | None,
    ) -> None:
        self._store = store
        self.realm_id = realm
        self._silence_seconds = silence_seconds
        self._closed = False
        self._signal: Signal = store.signal([realm])
        try:
            self._follower = Follower(store, source, realm, after, view=view)
        except BaseException:
            self._signal.close()
            raise

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> WatchedSnapshot[Config]:
        while not self.is_closed():
            try:
                snapshot = self._follower.read(self._store.head(self.realm_id))
            except Exception:
                if not self.is_closed():
                    raise
                # Whatever it is: the store was being closed by whoever closed this watch.
                continue
            if snapshot is not None:
                return snapshot
            if not self._signal.wait(self._silence_seconds):
                self.close()
        raise StopIteration

    def is_closed(self) -> bool:
        """Whether the iteration has ended, or will before its next snapshot."""
        return self._closed

    def close(self) -> None:
        """End the iteration, also one that waits in another thread. Idempotent."""
        self._closed = True
        self._signal.close()

    def pause(self, seconds: float) -> None:
        """Wait, after a failure, for a hint, the end, or so long."""
        self._signal.wait(seconds)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class Subscription(Generic[Config]):
    """
    A callback on changes, on a thread of its own, until ``cancel()`` or the end of the client.

    What fails is logged; the callback is called no more after what trying again would not mend.
    """

    def __init__(
        self,
        watch: Watch[Config],
        callback: Callable[[WatchedSnapshot[Config]], object],
        *,
        pointer: Pointer,
    ) -> None:
        self._watch = watch
        self._callback = callback
        self._pointer = pointer
        self._thread = threading.Thread(target=self._run, name="realmconf-on-change", daemon=True)
        self._thread.start()

    def cancel(self) -> None:
        """
        Call the callback no more.

        A call that is under way is waited for, unless it is the one that cancels.
        """
        self._watch.close()
        if threading.current_thread() is not self._thread:
            self._thread.join()

    def _run(self) -> None:
        while True:
            try:
                for snapshot in self._watch:
                    if concerns(snapshot, self._pointer):
                        self._call(snapshot)
                return
            except Exception as failure:  # noqa: BLE001 - in the log, with its traceback
                if not may_go_on_after(failure, self._watch.realm_id):
                    self._watch.close()
                    return
                self._watch.pause(RETRY_SECONDS)

    def _call(self, snapshot: WatchedSnapshot[Config]) -> None:
        try:
            self._callback(snapshot)
        except Exception:
            # The callback is the user's, and the next change is still owed to it.
            import logging

            logging.getLogger("realmconf").exception(
                "a callback on changes of realm %s failed", snapshot.realm_id
            )


def may_go_on_after(failure: Exception, realm: RealmName) -> bool:
    """Whether watching *realm* for a callback is to be tried again; either way the log tells of *failure*."""
    import logging

    retryable = isinstance(failure, RealmconfError) and failure.retryable
    logging.getLogger("realmconf").error(
        "watching realm %s failed; %s",
        realm,
        "it is tried again" if retryable else "its callback is called no more",
        exc_info=failure,
    )
    return retryable


def concerns(snapshot: WatchedSnapshot[Any], pointer: Pointer) -> bool:
    """Whether *snapshot* changed something at, above or below *pointer*; a reset may have."""
    return (
        snapshot.reset
        or not pointer
        or any(change.pointer.overlaps(pointer) for change in snapshot.changes)
    )
