"""
M4, M5, M10: what a durable write costs one process, against a synced append.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from itertools import count
from threading import Thread
from time import perf_counter_ns
from typing import Any

from bench import documents, floors, ours
from bench.harness import Batch, Operation, by_mean, by_median, by_p99, compete, steady
from bench.peers.lockedfile import LockedFile
from bench.peers.original import IN_TIME, LATE, Original
from bench.peers.postgresconfig import PostgresConfig
from bench.peers.redisconfig import RedisConfig
from bench.peers.servers import Missing, PostgresServer, RedisServer
from bench.results import Figure, Workplace, at_least, at_most

BATCH_REALMS = 16
SLICES = 10
"""Turns in a round: the disk is shared, and its speed changes within a second."""


class Swaps:
    """Compare-and-swap writes of one realm that always fit: each names the generation the last one made."""

    def __init__(self, client: Any, name: str = "one", length: int = 2048) -> None:
        self._client = client
        self._realm = realm = client.realm(name)
        # Every write differs from the one before, as a write that changes nothing is not appended.
        self._documents = [documents.of_length(length, counter=number) for number in range(2)]
        self.length = len(documents.as_json(self._documents[0]))
        self._generation = realm.set(self._documents[1]).generation
        self._started_at = self._generation
        self._commits = 0

    def __call__(self) -> None:
        snapshot = self._realm.set(
            self._documents[self._commits % 2], expected_generation=self._generation
        )
        self._generation = snapshot.generation
        self._commits += 1

    def batch(self, count: int) -> Batch:
        """Time *count* of them, in the middle of others, and leave nothing to be done afterwards."""
        return steady(self, count, afterwards=partial(ours.settle, self._client))

    def check(self) -> None:
        """No write was lost, and none counted twice."""
        snapshot = self._realm.get()
        assert snapshot.generation == self._started_at + self._commits
        assert snapshot.document == self._documents[(self._commits - 1) % 2]


def measure_commit(place: Workplace) -> list[Figure]:
    """M4: one compare-and-swap of 2 KB, against an appended 4 KB record made durable."""
    root = place.path("store")
    size = place.effort.count(300) // SLICES
    with ExitStack() as stack:
        with_copy = Swaps(stack.enter_context(ours.connect(root / "with")))
        without = Swaps(stack.enter_context(ours.connect(root / "without", working_copies=False)))
        ready = ours.ReadyAppends(root / "ready", documents.agent())
        stack.callback(ready.close)
        contestants = {
            "append": partial(steady, floors.appending(root / "append"), size),
            "overwrite": partial(steady, floors.overwriting(root / "overwrite"), size),
            "ready": partial(ready.batch, size),
            "without": partial(without.batch, size),
            "with": partial(with_copy.batch, size),
        }
        rounds = compete(contestants, rounds=place.effort.rounds, slices=SLICES)
        with_copy.check()
        without.check()
        ready.check()
    floor = f"append {rounds.cost('append'):.0f} µs, overwrite {rounds.cost('overwrite'):.0f} µs"
    return [
        Figure(
            "M4", "commit, canonical bytes ready / synced append", rounds.ratio("ready", "append"),
            "x", at_most(1.6), f"{rounds.cost('ready'):.0f} µs; {floor}",
        ),
        Figure(
            "M4", "commit of a dict, with working copy / synced append, median",
            rounds.ratio("with", "append"), "x", at_most(2.5), f"{rounds.cost('with'):.0f} µs",
        ),
        Figure(
            "M4", "commit of a dict, with working copy / synced append, mean",
            rounds.ratio("with", "append", by_mean), "x", at_most(2.5),
            f"{rounds.cost('with', by_mean):.0f} µs",
        ),
        Figure(
            "M4", "commit of a dict, with working copy, p99 / synced append, median",
            rounds.ratio("with", "append", by_p99, by_median), "x", at_most(10),
            f"{rounds.cost('with', by_p99):.0f} µs; append's own p99 "
            f"{rounds.cost('append', by_p99):.0f} µs",
        ),
        Figure(
            "M4", "commit of a dict, no working copy / synced append",
            rounds.ratio("without", "append"), "x", None, f"{rounds.cost('without'):.0f} µs",
        ),
        Figure(
            "M4", "commit of a dict, with working copy / synced overwrite",
            rounds.ratio("with", "overwrite"), "x", None, "the floor below the floor",
        ),
    ]  # fmt: skip


def measure_patch(place: Workplace) -> list[Figure]:
    """M5: get, merge patch, validation by a model, compare-and-swap; the same by the original and by servers."""
    from bench.models import Settings

    root = place.path("store")
    text = documents.as_toml(documents.agent())
    size = place.effort.count(300) // SLICES
    with ExitStack() as stack:
        contestants = {"append": partial(steady, floors.appending(root / "append"), size)}
        realms = []
        for name, copies in (("patch", True), ("bare", False)):
            client = stack.enter_context(ours.connect(root / name, working_copies=copies))
            realm = client.realm("one", schema=Settings)
            realm.set(documents.agent())
            realms.append(realm)

            def patch(realm: Any = realm) -> None:
                snapshot = realm.get()
                counter = snapshot.config.counter + 1
                realm.patch({"counter": counter}, expected_generation=snapshot.generation)

            contestants[name] = partial(
                steady, patch, size, afterwards=partial(ours.settle, client)
            )
        for name, unlinks, attempts in (("late", LATE, 10), ("in time", IN_TIME, 40)):
            peer = Original(place.path(f"original-{name.replace(' ', '-')}"), unlinks=unlinks)
            stack.callback(peer.close)
            peer.set(text)

            def original(peer: Original = peer) -> None:
                _, generation = peer.get()
                peer.set(text, expected=generation)

            contestants[name] = partial(steady, original, attempts // SLICES)
        locked = LockedFile(root / "config.json")
        locked.replace(documents.agent())

        def locked_patch() -> None:
            locked.update(lambda document: document.update(counter=document["counter"] + 1))

        contestants["file"] = partial(steady, locked_patch, place.effort.count(60) // SLICES)
        for server, begin in (("Redis", redis_patches), ("PostgreSQL", postgres_patches)):
            try:
                found = begin(place, stack)
            except Missing as missing:
                place.leave_out(f"M5 against {server}", str(missing))
            else:
                contestants |= {name: partial(steady, way, size) for name, way in found.items()}
        rounds = compete(contestants, rounds=place.effort.rounds, slices=SLICES)
        for snapshot in (realm.get() for realm in realms):
            assert snapshot.config.counter == snapshot.generation - 1
    return [
        Figure(
            "M5", "get, patch, validate, CAS / synced append", rounds.ratio("patch", "append"), "x",
            at_most(4), f"{rounds.cost('patch'):.0f} µs, append {rounds.cost('append'):.0f} µs",
        ),
        Figure(
            "M5", "original, its lock unlinked in time / ours", rounds.ratio("in time", "patch"),
            "x", at_least(10), f"original {rounds.cost('in time') / 1000:.1f} ms, "
            f"{rounds.ratio('in time', 'append').value:.1f} appends",
        ),
        Figure(
            "M5", "original, its lock unlinked late / ours", rounds.ratio("late", "patch"), "x",
            at_least(100), f"original {rounds.cost('late') / 1000:.1f} ms",
        ),
        Figure(
            "M5", "the same, no working copy / synced append", rounds.ratio("bare", "append"), "x",
            None, f"{rounds.cost('bare'):.0f} µs",
        ),
        *(
            Figure(
                "M5", f"ours / {way}", rounds.ratio("patch", name), "x", at_most(1),
                f"{rounds.cost('patch'):.0f} µs, {name.partition(',')[0]} {rounds.cost(name):.0f} µs, "
                f"{rounds.ratio(name, 'append').value:.1f} appends; without working copy "
                f"{rounds.ratio('bare', name).value:.2f}x",
            )
            for name, way in SERVER_WAYS.items()
            if name in rounds.batches
        ),
        Figure(
            "M5", "filelock and JSON / ours", rounds.ratio("file", "patch"), "x", None,
            f"file {rounds.cost('file') / 1000:.2f} ms, not durable, not validated",
        ),
    ]  # fmt: skip


SERVER_WAYS = {
    "Redis, script": "Redis, get and a script that compares the generation",
    "Redis, WATCH": "Redis, WATCH, get, MULTI, EXEC",
    "PostgreSQL": "PostgreSQL, UPDATE where the generation is as read",
}


def redis_patches(place: Workplace, stack: ExitStack) -> dict[str, Operation]:
    """The same with a Redis that syncs its log at every write, in two ways."""
    server = RedisServer(place.path("redis"))
    stack.callback(server.close)
    peer = RedisConfig(server.socket)
    stack.callback(peer.close)
    assert peer.swap(documents.agent(), expected=0)

    def watched() -> None:
        assert peer.watched_update(count_up_validated)

    return {"Redis, script": partial(swapped, peer), "Redis, WATCH": watched}


def postgres_patches(place: Workplace, stack: ExitStack) -> dict[str, Operation]:
    """The same with a table of PostgreSQL's and another for what was there before."""
    server = PostgresServer()
    stack.callback(server.close)
    peer = PostgresConfig(server.conninfo)
    stack.callback(peer.close)
    peer.make()
    assert peer.swap(documents.agent(), expected=0)
    return {"PostgreSQL": partial(swapped, peer)}


def swapped(peer: RedisConfig | PostgresConfig) -> None:
    """Get, change, validate, and write if nobody has written meanwhile."""
    document, generation = peer.get()
    count_up_validated(document)
    assert peer.swap(document, expected=generation)


def count_up_validated(document: documents.Document) -> None:
    """What a careful caller does between the read and the write."""
    from bench.models import Settings

    document["counter"] += 1
    Settings.model_validate(document)


def measure_batches(place: Workplace) -> list[Figure]:
    """M10: sixteen realms in one transaction, and sixteen threads, against one commit after the other."""
    transactions = place.effort.count(40)
    with ours.connect(place.path("store")) as client:
        names = [f"batch-{number}" for number in range(BATCH_REALMS)]
        realms = [client.realm(name) for name in names]
        for realm in realms:
            realm.set(documents.agent())
        numbers = count(1)

        def settled(batch: Callable[[], Batch]) -> Batch:
            costs = batch()
            ours.settle(client)
            return costs

        def one_by_one() -> Batch:
            begun = perf_counter_ns()
            for _ in range(transactions):
                number = next(numbers)
                for realm in realms:
                    realm.patch({"counter": number})
            return per_commit(begun)

        def together() -> Batch:
            begun = perf_counter_ns()
            for _ in range(transactions):
                patch = {"patch": {"counter": next(numbers)}}
                client.transaction([(name, patch) for name in names])
            return per_commit(begun)

        def in_threads() -> Batch:
            mine = [next(numbers) for _ in range(transactions)]

            def work(realm: Any) -> None:
                for number in mine:
                    realm.patch({"counter": number})

            threads = [Thread(target=work, args=(realm,)) for realm in realms]
            begun = perf_counter_ns()
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            return per_commit(begun)

        def per_commit(begun: int) -> Batch:
            elapsed = (perf_counter_ns() - begun) / 1000
            return Batch([elapsed / transactions / BATCH_REALMS])

        rounds = compete(
            {
                "one by one": partial(settled, one_by_one),
                "together": partial(settled, together),
                "threads": partial(settled, in_threads),
            },
            rounds=place.effort.rounds,
        )
        made = next(numbers)
        for realm in realms:
            snapshot = realm.get()
            assert snapshot.generation == made, "one generation per acknowledged write"
            assert snapshot.document["counter"] < made
    return [
        Figure(
            "M10", "16 realms in one transaction, per realm / one commit",
            rounds.ratio("together", "one by one"), "x", at_most(0.8),
            f"{rounds.cost('together'):.0f} µs, {rounds.cost('one by one'):.0f} µs",
        ),
        Figure(
            "M10", "16 threads, per commit / one after the other",
            rounds.ratio("threads", "one by one"), "x", at_most(1.0),
            f"{rounds.cost('threads'):.0f} µs",
        ),
    ]  # fmt: skip
