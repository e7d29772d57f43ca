"""
Somebody who writes to a realm and somebody who follows it, while a test does something to what is between them.

Decides what must be so at the end: what was acknowledged is there, and the follower was told of every generation once.
"""

from __future__ import annotations

import threading
import time
from itertools import pairwise

from realmconf.domain.names import RealmName
from realmconf.errors import LockTimeout, OutcomeUnknown, StoreUnavailable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from realmconf.runtime.client import Client

WATCHED = RealmName("watched")


class Watcher:
    """A thread that follows the realm and keeps the generations that it is told."""

    def __init__(self, client: Client) -> None:
        self.heard: list[int] = []
        self.changed = threading.Condition()
        self._handle = client.realm(WATCHED).on_change(self._note)

    def _note(self, snapshot: object) -> None:
        with self.changed:
            self.heard.append(snapshot.generation)  # type: ignore[attr-defined]
            self.changed.notify_all()

    def wait_for(self, generation: int, seconds: float = 30.0) -> None:
        """Wait until it was told of that one."""
        with self.changed:
            assert self.changed.wait_for(
                lambda: bool(self.heard) and self.heard[-1] >= generation, seconds
            ), self.heard[-5:]

    def close(self) -> None:
        self._handle.cancel()


class Writer(threading.Thread):
    """Writes to the realm until it is told to end, and keeps what it was told."""

    def __init__(self, client: Client, *, timeout_seconds: float = 10.0) -> None:
        super().__init__(daemon=True)
        self._realm = client.realm(WATCHED)
        self._timeout_seconds = timeout_seconds
        self._ended = threading.Event()
        self.acknowledged: list[int] = []
        self.unknown = 0
        self.refused = 0
        self.failure: BaseException | None = None

    def run(self) -> None:
        number = 0
        try:
            while not self._ended.is_set():
                number += 1
                try:
                    done = self._realm.patch({"n": number}, timeout=self._timeout_seconds)
                except OutcomeUnknown:
                    self.unknown += 1
                except (StoreUnavailable, LockTimeout):
                    self.refused += 1
                else:
                    self.acknowledged.append(done.generation)
        except BaseException as failure:  # noqa: BLE001 - shown by the test's own thread
            self.failure = failure

    def wait_for(self, number: int, seconds: float = 60.0) -> None:
        """Wait until so many more are acknowledged."""
        wanted = len(self.acknowledged) + number
        deadline = time.monotonic() + seconds
        while len(self.acknowledged) < wanted:
            assert time.monotonic() < deadline, (self.failure, self.refused, self.unknown)
            assert self.is_alive(), self.failure
            time.sleep(0.002)

    def end(self) -> None:
        self._ended.set()
        self.join(60)
        assert not self.is_alive()
        if self.failure is not None:
            raise self.failure


def checked(writer: Writer, watcher: Watcher, client: Client) -> None:
    """Every acknowledged write is there, and the watcher was told of every generation, in order, once."""
    last = client.realm(WATCHED).get().generation
    watcher.wait_for(last)
    assert all(after == before + 1 for before, after in pairwise(watcher.heard))
    assert len(set(writer.acknowledged)) == len(writer.acknowledged)
    with client.store.view() as view:
        history = [revision.generation for revision in view.revisions(WATCHED)]
    assert history == list(range(1, last + 1))
    assert set(writer.acknowledged) <= set(history)
    # Nothing was carried out that was refused for good.
    assert len(history) <= 1 + len(writer.acknowledged) + writer.unknown
