"""
Watching a realm: what a watch waits for, and who is called.

Decides that nothing is missed between two looks: it subscribes first, then reads what is
new (``runtime.follow``), then waits; and what becomes of a callback when something fails.
"""

from __future__ import annotations

import threading
import time

from realmconf.errors import RealmconfError
from realmconf.runtime.follow import follower_of
from realmconf.runtime.generic import Config, Generic

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, Self

    from realmconf.domain.names import RealmName
    from realmconf.domain.pointer import Pointer
    from realmconf.runtime.client import Client
    from realmconf.runtime.follow import Start
    from realmconf.runtime.results import WatchedSnapshot
    from realmconf.runtime.source import Source
    from realmconf.stores.protocol import Signal

RETRY_SECONDS = 1.0
"""Between two attempts of a subscription to watch a store that cannot be reached."""
OUTAGE_SECONDS = 60.0
"""After so long without a failure, the next one is of another outage."""


class Watch(Generic[Config]):
    """
    An iterator over the generations after a cursor, each once and in order; blocks until the next one.

    Subscribed from construction on, not from the first ``next``.  ``close()`` (from any thread) ends it; with
    a *silence_seconds* it also ends when nothing has come for so long.  A context manager.
    """

    def __init__(
        self,
        client: Client,
        source: Source[Config],
        realm: RealmName,
        after: Start,
        *,
        view: str,
        silence_seconds: float | None,
    ) -> None:
        self._store = client.store
        self._now = client.world.monotonic_seconds
        self.realm_id = realm
        self._silence_seconds = silence_seconds
        self._closed = False
        self._guard = threading.Lock()
        # Who is to be watched is known after the first look, and told of from before it.
        self._watched = (realm,) if view == "own" else client.lineages.point(realm).watched
        self._signal: Signal = self._store.signal(self._watched)
        try:
            self._follower = follower_of(client, source, realm, after, view=view)
        except BaseException:
            self._signal.close()
            raise

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> WatchedSnapshot[Config]:
        silence_seconds = self._silence_seconds
        until = None if silence_seconds is None else self._now() + silence_seconds
        while not self.is_closed():
            try:
                snapshot = self._follower.step()
                if snapshot is None and self._watched != self._follower.watched:
                    # A parent has changed: hear of the new ones before the next look at them.
                    self._subscribe_anew()
                    continue
            except Exception:
                if not self.is_closed():
                    raise
                # Whatever it is: the store was being closed by whoever closed this watch.
                continue
            if snapshot is not None:
                return snapshot
            # Of the next step, not of the next hint, which may come without one.
            rest_seconds = None if until is None else max(0.0, until - self._now())
            if rest_seconds == 0 or not self._signal.wait(rest_seconds):
                self.close()
        raise StopIteration

    def _subscribe_anew(self) -> None:
        watched = self._follower.watched
        signal = self._store.signal(watched)
        with self._guard:
            old, self._signal, self._watched = self._signal, signal, watched
            if self._closed:
                signal.close()
        old.close()

    def is_closed(self) -> bool:
        """Whether the iteration has ended, or will before its next snapshot."""
        return self._closed

    def close(self) -> None:
        """End the iteration, also one that waits in another thread. Idempotent."""
        with self._guard:
            self._closed = True
            signal = self._signal
        signal.close()
        self._follower.close()

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
        self._troubles = Troubles(watch.realm_id)
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
                    self._troubles.over()
                    if concerns(snapshot, self._pointer):
                        self._call(snapshot)
                return
            except Exception as failure:  # noqa: BLE001 - in the log
                if not self._troubles.may_go_on_after(failure):
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


class Troubles:
    """What the log is told when watching *realm* for a callback fails: of an outage once, however long it lasts."""

    def __init__(self, realm: RealmName) -> None:
        self._realm = realm
        self._failed_at: float | None = None

    def over(self) -> None:
        """Something has come."""
        self._failed_at = None

    def may_go_on_after(self, failure: Exception) -> bool:
        """Whether it is to be tried again."""
        import logging

        log = logging.getLogger("realmconf")
        if not (isinstance(failure, RealmconfError) and failure.retryable):
            log.error(
                "watching realm %s failed; its callback is called no more",
                self._realm,
                exc_info=failure,
            )
            return False
        now = time.monotonic()
        if self._failed_at is None or now - self._failed_at > OUTAGE_SECONDS:
            log.error("watching realm %s failed; it is tried again: %s", self._realm, failure)
        self._failed_at = now
        return True


def concerns(snapshot: WatchedSnapshot[Any], pointer: Pointer) -> bool:
    """
    Whether *snapshot* changed something at, above or below *pointer*; one that cannot be told may have.

    Every generation of the realm itself changed its root; what an ancestor did that nobody sees here did not.
    """
    if not snapshot.is_legible or (not pointer and snapshot.step is snapshot.record):
        return True
    return any(change.pointer.overlaps(pointer) for change in snapshot.changes)
