"""
What a write attempt is for each contestant of M7, and for how long one is made after the other.

Every contestant is an actor, in a process of its own, that counts the same document up.  A peer's is written as its
users write it; where it may lose against another writer it tries again, as ours does that is the caller's own loop.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from pathlib import Path
from time import monotonic
from typing import Any

from bench import ours
from bench.peers.lockedfile import LockedFile
from bench.peers.naivesqlite import NaiveSqlite
from bench.peers.original import Conflict, LockTimeout, Original
from bench.peers.postgresconfig import PostgresConfig
from bench.peers.redisconfig import RedisConfig
from bench.processes import wait_until

REALM = "contended"

Attempt = Callable[[], bool]
"""Try to write once; whether it was committed."""


def work(attempt: Attempt, *, start_at: float, seconds: float) -> dict[str, Any]:
    """
    Attempt writes from *start_at* for *seconds*.

    ``gap_ms`` is the longest time without a commit of this writer, the ends of the run included.
    """
    wait_until(start_at)
    end_at = start_at + seconds
    commits = conflicts = late = 0
    last = start_at
    gap = 0.0
    while (now := monotonic()) < end_at:
        committed = attempt()
        now = monotonic()
        if not committed:
            conflicts += 1
            continue
        gap = max(gap, min(now, end_at) - last)
        last = now
        if now <= end_at:
            commits += 1
        else:
            late += 1
    gap = max(gap, end_at - last)
    return {"commits": commits, "late": late, "conflicts": conflicts, "gap_ms": gap * 1000}


def count_up(document: dict[str, Any]) -> None:
    """The change that every writer makes."""
    document["counter"] = document.get("counter", 0) + 1


class _Writer(ABC):
    """One contestant's process."""

    def run(self, start_at: float, seconds: float) -> dict[str, Any]:
        """See ``work``."""
        return work(self._attempt, start_at=start_at, seconds=seconds)

    @abstractmethod
    def _attempt(self) -> bool: ...


class _Ours(_Writer):
    """A client of ours, whose working copies are in step at the end of each run."""

    def __init__(self, root: str, number: int) -> None:
        self._client = ours.connect(Path(root))
        self._realm = self._client.realm(REALM)

    def run(self, start_at: float, seconds: float) -> dict[str, Any]:
        tally = super().run(start_at, seconds)
        ours.settle(self._client)
        return tally

    def close(self) -> None:
        self._client.close()


class _Swapping(_Writer):
    """Get, change, and write where the generation is the one that was read."""

    _peer: RedisConfig | PostgresConfig

    def _attempt(self) -> bool:
        document, generation = self._peer.get()
        count_up(document)
        return self._peer.swap(document, expected=generation)

    def close(self) -> None:
        self._peer.close()


class OurUpdater(_Ours):
    """``realm.update(change)``: the change runs on the head, inside the turn."""

    def _attempt(self) -> bool:
        self._realm.update(count_up)
        return True


class OurSwapper(_Ours):
    """The caller's own loop: get, change, write with the generation that was read."""

    def _attempt(self) -> bool:
        snapshot = self._realm.get()
        counter = snapshot.document.get("counter", 0) + 1
        try:
            self._realm.patch({"counter": counter}, expected_generation=snapshot.generation)
        except ours.GenerationConflict:
            return False
        return True


class OriginalWriter(_Writer):
    """Get, and set with the generation that was read, through the original's lock file."""

    def __init__(self, root: str, unlinks: str, number: int) -> None:
        self._peer = Original(Path(root), unlinks=unlinks)

    def _attempt(self) -> bool:
        try:
            text, generation = self._peer.get()
            self._peer.set(text, expected=generation)
        except (Conflict, LockTimeout):
            return False
        return True

    def close(self) -> None:
        self._peer.close()


class NaiveWriter(_Writer):
    """BEGIN IMMEDIATE, change, COMMIT, with SQLite's own sleeping busy handler."""

    def __init__(self, root: str, number: int) -> None:
        self._peer = NaiveSqlite(Path(root) / "naive.db")

    def _attempt(self) -> bool:
        self._peer.update(count_up)
        return True


class FileWriter(_Writer):
    """The JSON file behind ``filelock``."""

    def __init__(self, root: str, number: int) -> None:
        self._peer = LockedFile(Path(root) / "config.json")

    def _attempt(self) -> bool:
        self._peer.update(count_up)
        return True


class RedisWriter(_Swapping):
    """Get, change, and write by a script that compares the generation."""

    _peer: RedisConfig

    def __init__(self, socket: str, number: int) -> None:
        self._peer = RedisConfig(socket)


class RedisWatchingWriter(RedisWriter):
    """WATCH, get, change, MULTI, EXEC."""

    def _attempt(self) -> bool:
        return self._peer.watched_update(count_up)


class PostgresWriter(_Swapping):
    """SELECT, change, and UPDATE where the generation is the one that was read."""

    _peer: PostgresConfig

    def __init__(self, conninfo: str, number: int) -> None:
        self._peer = PostgresConfig(conninfo)


class PostgresLockingWriter(PostgresWriter):
    """SELECT FOR UPDATE, change, UPDATE, in one transaction: in turn, as ``update`` is."""

    def _attempt(self) -> bool:
        self._peer.locked_update(count_up)
        return True
