"""
M7, M8: eight processes that all write one key, as fast as they can.

Decides what a rate, a share and a gap are, and checks after every batch that no
write was lost: the counter inside the document and the generation have both
grown by exactly the number of acknowledged writes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from statistics import median
from typing import Any

from bench import documents, ours
from bench.harness import Batch, Spread, compete, single
from bench.peers.lockedfile import LockedFile
from bench.peers.naivesqlite import NaiveSqlite
from bench.peers.original import IN_TIME, LATE, Original
from bench.peers.postgresconfig import PostgresConfig
from bench.peers.redisconfig import RedisConfig
from bench.peers.servers import Missing, PostgresServer, RedisServer
from bench.processes import Crew, total
from bench.results import Figure, Workplace, at_least, at_most
from bench.writers import REALM

WRITERS = 8
WARM_SECONDS = 0.2

Enter = Callable[..., None]


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

    def warm_up(self) -> None:
        """A short run that does not count: connections, statements and files are there afterwards."""
        self._run(WARM_SECONDS)

    def batch(self) -> Batch:
        """One run of the crew; its cost is microseconds per commit."""
        tally = self._run(self._seconds)
        self.tallies.append(tally)
        return single(1_000_000 / max(tally.rate, 1 / self._seconds))

    def _run(self, seconds: float) -> Tally:
        before = self._position()
        results = self._crew.run(seconds=seconds)
        commits = total(results, "commits")
        acknowledged = commits + total(results, "late")
        after = self._position()
        for earlier, later in zip(before, after, strict=True):
            assert later == earlier + acknowledged, (
                f"{acknowledged} writes were acknowledged, {later - earlier} are there"
            )
        counts = [result["commits"] for result in results]
        return Tally(
            rate=commits / seconds,
            share=min(counts) / max(1, *counts),
            gap_ms=max(result["gap_ms"] for result in results),
            conflicts_per_commit=total(results, "conflicts") / max(1, commits),
        )


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
            crew = stack.enter_context(Crew(size, f"bench.writers:{target}", **arguments))
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

        for name, begin in (("Redis", redis), ("PostgreSQL", postgres)):
            try:
                begin(place, stack, enter, short)
            except Missing as missing:
                place.leave_out(f"M7 against {name}", str(missing))

        for contest in contests.values():
            contest.warm_up()
        compete(
            {name: contest.batch for name, contest in contests.items()},
            rounds=place.effort.rounds,
            warm_up=False,
        )
        tallies = {name: contest.tallies for name, contest in contests.items()}
        found = [*figures(tallies), *servers(tallies)]
        return sorted(found, key=lambda figure: figure.goal)


def redis(place: Workplace, stack: ExitStack, enter: Enter, seconds: float) -> None:
    """Enter the writers of a Redis that syncs its log at every write, one database each."""
    for name, target in (("script", "RedisWriter"), ("WATCH", "RedisWatchingWriter")):
        server = RedisServer(place.path(f"redis-{name}"))
        stack.callback(server.close)
        peer = RedisConfig(server.socket)
        stack.callback(peer.close)
        peer.swap({**documents.agent(), "counter": 1}, expected=0)
        enter(
            f"Redis, {name}", target, WRITERS, seconds, partial(position, peer),
            socket=server.socket,
        )  # fmt: skip


def postgres(place: Workplace, stack: ExitStack, enter: Enter, seconds: float) -> None:
    """Enter the writers of a PostgreSQL, one server each."""
    for name, target in (("generation", "PostgresWriter"), ("lock", "PostgresLockingWriter")):
        server = PostgresServer()
        stack.callback(server.close)
        peer = PostgresConfig(server.conninfo)
        stack.callback(peer.close)
        peer.make()
        peer.swap({**documents.agent(), "counter": 1}, expected=0)
        enter(
            f"PostgreSQL, {name}", target, WRITERS, seconds, partial(position, peer),
            conninfo=server.conninfo,
        )  # fmt: skip


def position(peer: RedisConfig | PostgresConfig) -> Sequence[int]:
    """What grows by one with each write of a server's."""
    document, generation = peer.get()
    return generation, document["counter"], peer.history()


def servers(tallies: dict[str, list[Tally]]) -> list[Figure]:
    """Ours beside those servers that there were; a loop of a caller's own beside such loops, too."""
    ways = {
        "Redis, script": "Redis, get and a script that compares the generation",
        "Redis, WATCH": "Redis, WATCH, get, MULTI, EXEC",
        "PostgreSQL, generation": "PostgreSQL, UPDATE where the generation is as read",
        "PostgreSQL, lock": "PostgreSQL, SELECT FOR UPDATE",
    }
    found = []
    for name, way in ways.items():
        if name not in tallies:
            continue
        rate, share, gap, conflicts = (
            median(getattr(tally, field) for tally in tallies[name])
            for field in ("rate", "share", "gap_ms", "conflicts_per_commit")
        )
        found.append(
            Figure(
                "M7", f"update / {way}", times(tallies, f"update {WRITERS}", name), "x",
                at_least(2), f"{rate:.0f}/s, {conflicts:.1f} conflicts per commit, slowest writer / "
                f"fastest {share:.2f}, longest wait {gap:.0f} ms",
            )
        )  # fmt: skip
    return found


def times(tallies: dict[str, list[Tally]], name: str, reference: str) -> Spread:
    """How many times as many commits as the *reference* of its own round."""
    pairs = zip(tallies[name], tallies[reference], strict=True)
    return Spread.of([ours.rate / max(theirs.rate, 0.1) for ours, theirs in pairs])


def figures(tallies: dict[str, list[Tally]]) -> list[Figure]:
    def rate(name: str) -> float:
        return median(tally.rate for tally in tallies[name])

    def share(name: str) -> Spread:
        return Spread.of([tally.share for tally in tallies[name]])

    def gap(name: str) -> Spread:
        return Spread.of([tally.gap_ms for tally in tallies[name]])

    def shown(name: str) -> str:
        return f"{rate(name):.0f}/s"

    eight, swap, bare = (f"{name} {WRITERS}" for name in ("update", "own loop", "bare update"))
    conflicts = median(tally.conflicts_per_commit for tally in tallies[swap])
    gaps = zip(tallies[swap], tallies["naive"], strict=True)
    return [
        Figure(
            "M7", "update: rate of 8 writers / of 1", times(tallies, eight, "update 1"), "x", at_least(0.5),
            f"{shown(eight)}, {shown('update 1')}",
        ),
        Figure(
            "M7", "update / original, its lock unlinked late", times(tallies, eight, "original, late"), "x",
            at_least(60), f"original {shown('original, late')}",
        ),
        Figure(
            "M7", "update / original, its lock unlinked in time",
            times(tallies, eight, "original, in time"), "x", at_least(12),
            f"original {shown('original, in time')}",
        ),
        Figure(
            "M7", "caller's own get and CAS loop: rate of 8 / of 1", times(tallies, swap, "own loop 1"), "x",
            at_least(0.25),
            f"{shown(swap)}, {shown('own loop 1')}; {conflicts:.1f} conflicts per commit",
        ),
        Figure(
            "M7", "update without working copies: rate of 8 writers / of 1",
            times(tallies, bare, "bare update 1"), "x", None, f"{shown(bare)}, {shown('bare update 1')}",
        ),
        Figure(
            "M7", "update / naive SQLite", times(tallies, eight, "naive"), "x", None,
            f"naive {shown('naive')}, without history, attribution or working copy",
        ),
        Figure(
            "M7", "update / filelock and JSON", times(tallies, eight, "file"), "x", None,
            f"file {shown('file')}, not durable",
        ),
        Figure(
            "M8", "update: slowest writer / fastest", share(eight), "x", at_least(0.8),
            f"naive SQLite {share('naive').value:.2f}, filelock {share('file').value:.2f}, "
            f"original {share('original, late').value:.2f}",
        ),
        Figure(
            "M8", "update: longest wait of a writer", gap(eight), "ms", at_most(40),
            f"naive SQLite {gap('naive').value:.0f} ms, filelock {gap('file').value:.0f} ms, "
            f"original {gap('original, late').value:.0f} ms",
        ),
        Figure(
            "M8", "own loop: slowest writer / fastest", share(swap), "x", at_least(0.5),
        ),
        Figure(
            "M8", "own loop: longest wait / naive SQLite's",
            Spread.of([mine.gap_ms / theirs.gap_ms for mine, theirs in gaps]), "x", at_most(0.2),
            f"{gap(swap).value:.0f} ms",
        ),
    ]  # fmt: skip
