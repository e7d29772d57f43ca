"""
M4, M5, M10, M11: what a durable write costs one process, against a synced append.
"""

from __future__ import annotations

from contextlib import ExitStack
from functools import partial
from itertools import count
from threading import Thread
from time import perf_counter_ns
from typing import Any

from bench import documents, floors, ours
from bench.harness import Batch, Spread, by_mean, by_median, by_p99, compete, each, slope
from bench.peers.lockedfile import LockedFile
from bench.peers.original import IN_TIME, LATE, Original
from bench.results import Figure, Workplace, at_least, at_most

BATCH_REALMS = 16
SLICES = 10
"""Turns in a round: the disk is shared, and its speed changes within a second."""


class Swaps:
    """Compare-and-swap writes of one realm that always fit: each names the generation the last one made."""

    def __init__(self, realm: Any, size: str = "2 KB") -> None:
        self._realm = realm
        # Every write differs from the one before, as a write that changes nothing is not appended.
        self._documents = [documents.sized(size, counter=number) for number in range(2)]
        self._generation = realm.set(self._documents[1]).generation
        self._started_at = self._generation
        self._commits = 0

    def __call__(self) -> None:
        snapshot = self._realm.set(
            self._documents[self._commits % 2], expected_generation=self._generation
        )
        self._generation = snapshot.generation
        self._commits += 1

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
        with_copy = Swaps(stack.enter_context(ours.connect(root / "with")).realm("one"))
        without = Swaps(
            stack.enter_context(ours.connect(root / "without", working_copies=False)).realm("one")
        )
        ready = ours.ReadyAppends(root / "ready", documents.agent())
        stack.callback(ready.close)
        contestants = {
            "append": partial(each, floors.appending(root / "append"), size),
            "overwrite": partial(each, floors.overwriting(root / "overwrite"), size),
            "ready": partial(ready.batch, size),
            "without": partial(each, without, size),
            "with": partial(each, with_copy, size),
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
    """M5: get, merge patch, validation by a model, compare-and-swap; the same through the original."""
    from bench.models import Settings

    root = place.path("store")
    text = documents.as_toml(documents.agent())
    size = place.effort.count(300) // SLICES
    with ExitStack() as stack:
        realm = stack.enter_context(ours.connect(root / "realms")).realm("one", schema=Settings)
        realm.set(documents.agent())
        numbers = count(1)

        def patch() -> None:
            snapshot = realm.get()
            realm.patch({"counter": next(numbers)}, expected_generation=snapshot.generation)

        contestants = {
            "append": partial(each, floors.appending(root / "append"), size),
            "patch": partial(each, patch, size),
        }
        for name, unlinks, attempts in (("late", LATE, 10), ("in time", IN_TIME, 40)):
            peer = Original(place.path(f"original-{name.replace(' ', '-')}"), unlinks=unlinks)
            stack.callback(peer.close)
            peer.set(text)

            def original(peer: Original = peer) -> None:
                _, generation = peer.get()
                peer.set(text, expected=generation)

            contestants[name] = partial(each, original, attempts // SLICES)
        locked = LockedFile(root / "config.json")
        locked.replace(documents.agent())

        def locked_patch() -> None:
            locked.update(lambda document: document.update(counter=document["counter"] + 1))

        contestants["file"] = partial(each, locked_patch, place.effort.count(60) // SLICES)
        rounds = compete(contestants, rounds=place.effort.rounds, slices=SLICES)
        snapshot = realm.get()
        assert snapshot.config.counter == next(numbers) - 1 == snapshot.generation - 1
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
            "M5", "filelock and JSON / ours", rounds.ratio("file", "patch"), "x", None,
            f"file {rounds.cost('file') / 1000:.2f} ms, not durable, not validated",
        ),
    ]  # fmt: skip


def measure_batches(place: Workplace) -> list[Figure]:
    """M10: sixteen realms in one transaction, and sixteen threads, against one commit after the other."""
    transactions = place.effort.count(40)
    with ours.connect(place.path("store")) as client:
        names = [f"batch-{number}" for number in range(BATCH_REALMS)]
        realms = [client.realm(name) for name in names]
        for realm in realms:
            realm.set(documents.agent())
        numbers = count(1)

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
            {"one by one": one_by_one, "together": together, "threads": in_threads},
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


def measure_sizes(place: Workplace) -> list[Figure]:
    """M11: a commit by the size of its document, against fdatasync of the same bytes."""
    root = place.path("store")
    limits = {"2 KB": 2.0, "10 KB": 2.0, "100 KB": 3.0, "1 MB": 6.0}
    figures = []
    costs: dict[str, float] = {}
    with ExitStack() as stack:
        client = stack.enter_context(ours.connect(root / "with"))
        bare = stack.enter_context(ours.connect(root / "without", working_copies=False))
        for size, limit in limits.items():
            label = size.replace(" ", "").lower()
            swaps = Swaps(client.realm(f"size-{label}"), size)
            bare_swaps = Swaps(bare.realm(f"size-{label}"), size)
            length = len(documents.as_json(documents.sized(size)))
            repeats = place.effort.count({"1 MB": 3, "100 KB": 8}.get(size, 20), least=2)
            floor = floors.appending(root / label, length=length)
            rounds = compete(
                {
                    "commit": partial(each, swaps, repeats),
                    "bare": partial(each, bare_swaps, repeats),
                    "append": partial(each, floor, repeats),
                },
                rounds=place.effort.rounds,
                slices=SLICES if length < 1_000_000 else 3,
            )
            swaps.check()
            bare_swaps.check()
            costs[size] = rounds.cost("commit")
            without = rounds.ratio("bare", "append").value
            figures.append(
                Figure(
                    "M11", f"commit of {size} / synced append of as many bytes",
                    rounds.ratio("commit", "append"), "x", at_most(limit),
                    f"{rounds.cost('commit') / 1000:.2f} ms, append "
                    f"{rounds.cost('append') / 1000:.2f} ms; {without:.1f}x without working copy",
                )
            )  # fmt: skip
    exponent = slope(
        [documents.SIZES["100 KB"], documents.SIZES["1 MB"]], [costs["100 KB"], costs["1 MB"]]
    )
    figures.append(
        Figure(
            "M11", "growth from 100 KB to 1 MB, exponent", Spread.of([exponent]), "", at_most(1),
        )
    )  # fmt: skip
    return figures
