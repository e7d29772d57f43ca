"""
realmconf as the measurements open it: through its public names, and the store's own
protocol where a part is measured by itself.
"""

from __future__ import annotations

from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING, Any

import realmconf
from bench.harness import Batch, each
from realmconf import GenerationConflict

if TYPE_CHECKING:
    from realmconf.domain.revision import Revision

__all__ = ["GenerationConflict", "ReadyAppends", "aconnect", "connect", "publish", "settle"]

DEADLINE_SECONDS = 10.0


def connect(root: Path, *, working_copies: bool = True) -> Any:
    """A client of the embedded store at *root*; *working_copies* counts where the root is new."""
    return realmconf.connect(location(root, working_copies=working_copies))


async def aconnect(root: Path) -> Any:
    """The same with awaitable methods."""
    return await realmconf.aconnect(location(root, working_copies=True))


def location(root: Path, *, working_copies: bool) -> str:
    return f"sqlite://{root}?working_copies={'on' if working_copies else 'off'}"


def publish(client: Any, realm: str) -> None:
    """Render what is pending of *realm* now, in this thread, instead of waiting for the publisher."""
    client.store.publish(client.realm(realm).realm_id)


def settle(client: Any) -> None:
    """
    Render everything that is pending, so that none of it falls into the time of the next contestant.

    What was rendered while the commits were timed is in their time.
    """
    client.store.publish()


class ReadyAppends:
    """
    The store's own append, with everything decided and digested before: what of a commit is the store's.

    No judgement, no checks, no snapshot; the revisions are made outside of the timing.
    """

    def __init__(self, root: Path, document: dict[str, Any]) -> None:
        from realmconf.domain.names import LIMITS, RealmName
        from realmconf.stores.registry import open_store

        self._store = open_store(location(root, working_copies=False), limits=LIMITS)
        self._realm = RealmName("ready")
        self._document = document
        self._last: Revision | None = None
        self._appended = 0

    def batch(self, count: int) -> Batch:
        """Append *count* revisions, each timed by itself, after as many that are not timed."""
        ready = iter([self._next() for _ in range(2 * count)])
        each(lambda: self._append(next(ready)), count)
        batch = each(lambda: self._append(next(ready)), count)
        self._appended += 2 * count
        return batch

    def check(self) -> None:
        """No append was lost, and none counted twice."""
        assert self._store.head(self._realm).generation == self._appended

    def close(self) -> None:
        self._store.close()

    def _next(self) -> Revision:
        from realmconf.domain.revision import GENESIS, seal

        last = self._last
        self._last = seal(
            realm=self._realm,
            generation=1 if last is None else last.generation + 1,
            kind="set",
            document=self._document,
            author="bench",
            surface="sdk",
            write_id=f"ready-{0 if last is None else last.generation}",
            created_at="2026-01-01T00:00:00.000000Z",
            salt="0" * 32,
            previous=GENESIS if last is None else last.digest,
        )
        return self._last

    def _append(self, revision: Revision) -> None:
        from realmconf.domain.write import Append, SetDocument, Write
        from realmconf.stores.protocol import Judgement

        write = Write(
            realm=self._realm,
            command=SetDocument(document=self._document),
            author="bench",
            write_id=revision.write_id,
        )
        judgement = Judgement(write=write, decision=Append(revision=revision))
        self._store.apply(
            [self._realm], lambda _: [judgement], deadline=monotonic() + DEADLINE_SECONDS
        )
