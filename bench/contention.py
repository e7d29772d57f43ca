"""
M7, M8: eight processes that all write one key, as fast as they can.

Decides what a write attempt is for each contestant, what a rate, a share and a
gap are, and checks after every batch that no write was lost: the counter inside
the document and the generation have both grown by exactly the number of
acknowledged writes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from time import monotonic
from typing import Any

from bench import documents, ours
from bench.harness import Batch, Spread, compete, single
from bench.peers.lockedfile import LockedFile
from bench.peers.naivesqlite import NaiveSqlite
from bench.peers.original import IN_TIME, LATE, Conflict, LockTimeout, Original
from bench.processes import Crew, total, wait_until
from bench.results import Figure, Workplace, at_least, at_most

WRITERS = 8
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


# --- the contestants' writers, each in a process of its own -------------------


class OurUpdater:
    """``realm.update(change)``: the change runs on the head, inside the turn."""

    def __init__(self, root: str, number: int) -> None:
        self._client = ours.connect(Path(root))
        self._realm = self._client.realm(REALM)

    def run(self, start_at: float, seconds: float) -> dict[str, Any]:
        return work(self._attempt, start_at=start_at, seconds=seconds)

    def _attempt(self) -> bool:
        self._realm.update(count_up)
        return True

    def close(self) -> None:
        self._client.close()


class OurSwapper:
    """The caller's own loop: get, change, write with the generation that was read."""

    def __init__(self, root: str, number: int) -> None:
        self._client = ours.connect(Path(root))
        self._realm = self._client.realm(REALM)

    def run(self, start_at: float, seconds: float) -> dict[str, Any]:
        return work(self._attempt, start_at=start_at, seconds=seconds)

    def _attempt(self) -> bool:
        snapshot = self._realm.get()
        counter = snapshot.document.get("counter", 0) + 1
        try:
            self._realm.patch({"counter": counter}, expected_generation=snapshot.generation)
        except ours.GenerationConflict:
            return False
        return True

    def close(self) -> None:
        self._client.close()


class OriginalWriter:
    """Get, and set with the generation that was read, through the original's lock file."""

    def __init__(self, root: str, unlinks: str, number: int) -> None:
        self._peer = Original(Path(root), unlinks=unlinks)

    def run(self, start_at: float, seconds: float) -> dict[str, Any]:
        return work(self._attempt, start_at=start_at, seconds=seconds)

    def _attempt(self) -> bool:
        try:
            text, generation = self._peer.get()
            self._peer.set(text, expected=generation)
        except (Conflict, LockTimeout):
            return False
        return True

    def close(self) -> None:
        self._peer.close()


class NaiveWriter:
    """BEGIN IMMEDIATE, change, COMMIT, with SQLite's own sleeping busy handler."""

    def __init__(self, root: str, number: int) -> None:
        self._peer = NaiveSqlite(Path(root) / "naive.db")

    def run(self, start_at: float, seconds: float) -> dict[str, Any]:
        return work(self._attempt, start_at=start_at, seconds=seconds)

    def _attempt(self) -> bool:
        self._peer.update(count_up)
        return True


class FileWriter:
    """The JSON file behind ``filelock``."""

    def __init__(self, root: str, number: int) -> None:
        self._peer = LockedFile(Path(root) / "config.json")

    def run(self, start_at: float, seconds: float) -> dict[str, Any]:
        return work(self._attempt, start_at=start_at, seconds=seconds)

    def _attempt(self) -> bool:
        self._peer.update(count_up)
        return True


# --- contests ------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Tally:
    """One batch of a crew."""

    rate: float
    share: float
    """Commits of the slowest writer over those of the fastest."""
    gap_ms: float
    conflicts_per_commit: float


class Contest:
    """A crew of writers on one target, and the check that nothing was lost."""

    def __init__(self, crew: Crew, seconds: float, position: Callable[[], Sequence[int]]) -> None:
        self._crew = crew
        self._seconds = seconds
        self._position = position
        """Numbers that must each grow by one per acknowledged write."""
        self.tallies: list[Tally] = []

    def batch(self) -> Batch:
        """One run of the crew; its cost is microseconds per commit."""
        before = self._position()
        results = self._crew.run(seconds=self._seconds)
        commits = total(results, "commits")
        acknowledged = commits + total(results, "late")
        after = self._position()
        for earlier, later in zip(before, after, strict=True):
            assert later == earlier + acknowledged, (
                f"{acknowledged} writes were acknowledged, {later - earlier} are there"
            )
        counts = [result["commits"] for result in results]
        self.tallies.append(
            Tally(
                rate=commits / self._seconds,
                share=min(counts) / max(1, *counts),
                gap_ms=max(result["gap_ms"] for result in results),
                conflicts_per_commit=total(results, "conflicts") / max(1, commits),
            )
        )
        return single(self._seconds * 1_000_000 / max(1, commits))


def measure(place: Workplace) -> list[Figure]:
    """Rates, shares and gaps of eight writers, of one, and of the peers."""
    long, short = place.effort.seconds(1.2), place.effort.seconds(0.6)
    text = documents.as_toml(documents.agent())
    with ExitStack() as stack:
        contests: dict[str, Contest] = {}

        def enter(
            name: str,
            target: str,
            size: int,
            seconds: float,
            position: Callable[[], Sequence[int]],
            **arguments: Any,
        ) -> None:
            crew = stack.enter_context(Crew(size, f"bench.contention:{target}", **arguments))
            contests[name] = Contest(crew, seconds, position)

        for name, target, copies in (
            ("update", "OurUpdater", True),
            ("own loop", "OurSwapper", True),
            ("bare update", "OurUpdater", False),
        ):
            for size in (WRITERS, 1):
                root = place.path(f"{name.replace(' ', '-')}-{size}")
                client = stack.enter_context(ours.connect(root, working_copies=copies))
                realm = client.realm(REALM)
                realm.set(documents.agent())

                def ours_at(realm: Any = realm) -> Sequence[int]:
                    snapshot = realm.get()
                    return snapshot.generation, snapshot.document["counter"]

                seconds = long if copies and size == WRITERS else short
                enter(f"{name} {size}", target, size, seconds, ours_at, root=str(root))

        for name, unlinks in (("original, late", LATE), ("original, in time", IN_TIME)):
            root = place.path(name.replace(", ", "-").replace(" ", "-"))
            peer = Original(root, unlinks=IN_TIME)
            peer.set(text)

            def original_at(peer: Original = peer) -> Sequence[int]:
                return (peer.get()[1],)

            enter(
                name, "OriginalWriter", WRITERS, long if unlinks == LATE else short, original_at,
                root=str(root), unlinks=unlinks,
            )  # fmt: skip

        root = place.path("naive")
        naive = NaiveSqlite(root / "naive.db")
        naive.update(lambda document: document.update(documents.agent()))

        def naive_at() -> Sequence[int]:
            document, generation = naive.get()
            return generation, document["counter"]

        enter("naive", "NaiveWriter", WRITERS, long, naive_at, root=str(root))

        root = place.path("file")
        locked = LockedFile(root / "config.json")
        locked.replace(documents.agent())
        enter(
            "file", "FileWriter", WRITERS, short, lambda: (locked.read()["counter"],),
            root=str(root),
        )  # fmt: skip

        compete(
            {name: contest.batch for name, contest in contests.items()},
            rounds=place.effort.rounds,
            warm_up=False,
        )
        return figures({name: contest.tallies for name, contest in contests.items()})


def figures(tallies: dict[str, list[Tally]]) -> list[Figure]:
    def rate(name: str) -> float:
        return median(tally.rate for tally in tallies[name])

    def times(name: str, reference: str) -> Spread:
        pairs = zip(tallies[name], tallies[reference], strict=True)
        return Spread.of([ours.rate / max(theirs.rate, 0.1) for ours, theirs in pairs])

    def share(name: str) -> Spread:
        return Spread.of([tally.share for tally in tallies[name]])

    def gap(name: str) -> Spread:
        return Spread.of([tally.gap_ms for tally in tallies[name]])

    def shown(name: str) -> str:
        return f"{rate(name):.0f}/s"

    eight, swap, bare = (f"{name} {WRITERS}" for name in ("update", "own loop", "bare update"))
    conflicts = median(tally.conflicts_per_commit for tally in tallies[swap])
    naive_gap = gap("naive").value
    return [
        Figure(
            "M7", "update: rate of 8 writers / of 1", times(eight, "update 1"), "x", at_least(0.5),
            f"{shown(eight)}, {shown('update 1')}",
        ),
        Figure(
            "M7", "update / original, its lock unlinked late", times(eight, "original, late"), "x",
            at_least(60), f"original {shown('original, late')}",
        ),
        Figure(
            "M7", "update / original, its lock unlinked in time",
            times(eight, "original, in time"), "x", at_least(12),
            f"original {shown('original, in time')}",
        ),
        Figure(
            "M7", "caller's own get and CAS loop: rate of 8 / of 1", times(swap, "own loop 1"), "x",
            at_least(0.25),
            f"{shown(swap)}, {shown('own loop 1')}; {conflicts:.1f} conflicts per commit",
        ),
        Figure(
            "M7", "update without working copies: rate of 8 writers / of 1",
            times(bare, "bare update 1"), "x", None, f"{shown(bare)}, {shown('bare update 1')}",
        ),
        Figure(
            "M7", "update / naive SQLite", times(eight, "naive"), "x", None,
            f"naive {shown('naive')}, without history, attribution or working copy",
        ),
        Figure(
            "M7", "update / filelock and JSON", times(eight, "file"), "x", None,
            f"file {shown('file')}, not durable",
        ),
        Figure(
            "M8", "update: slowest writer / fastest", share(eight), "x", at_least(0.8),
            f"naive SQLite {share('naive').value:.2f}, filelock {share('file').value:.2f}, "
            f"original {share('original, late').value:.2f}",
        ),
        Figure(
            "M8", "update: longest wait of a writer", gap(eight), "ms", at_most(40),
            f"naive SQLite {naive_gap:.0f} ms, filelock {gap('file').value:.0f} ms, "
            f"original {gap('original, late').value:.0f} ms",
        ),
        Figure(
            "M8", "own loop: slowest writer / fastest", share(swap), "x", at_least(0.5),
        ),
        Figure(
            "M8", "own loop: longest wait / naive SQLite's",
            gap(swap).divided_by(naive_gap), "x", at_most(0.2), f"{gap(swap).value:.0f} ms",
        ),
    ]  # fmt: skip
