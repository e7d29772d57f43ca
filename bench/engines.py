"""
What the measurements of all engines share: a realm of ours, one written by hand beside it, and who watches either.

A watcher is an actor of its own, so that what is measured goes from process to process.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import ExitStack
from functools import partial
from importlib import import_module
from threading import Thread
from time import monotonic_ns, sleep
from typing import Protocol

import realmconf
from bench import documents
from bench.harness import Batch, Rounds, compete, each
from bench.processes import Actor
from bench.results import Figure, Workplace, at_most
from bench.watching import Deliveries

REALM = "measured"
WRITES = 400
CAS_MAX, READ_MAX, WATCH_MAX = 1.3, 1.2, 1.3
"""How many times what the same costs by hand."""
SUBSCRIBED_SECONDS = 1.0
"""Whoever watches has begun by then."""


class Written(Protocol):
    """A document that is written again and again by compare-and-swap."""

    generation: int

    def write(self) -> None: ...


class Ours:
    """A realm in one of our stores."""

    def __init__(self, url: str) -> None:
        self._client = realmconf.connect(url)
        self._realm = self._client.realm(REALM)
        self.generation = self._realm.set(documents.agent(counter=0)).generation
        self.read = self._realm.get

    def write(self) -> None:
        document = documents.agent(counter=self.generation)
        done = self._realm.set(document, expected_generation=self.generation)
        self.generation = done.generation

    def close(self) -> None:
        self._client.close()


class Watcher:
    """An actor with one callback on that realm."""

    def __init__(self, url: str) -> None:
        self._deliveries = Deliveries()
        self._client = realmconf.connect(url)
        self._client.realm(REALM).on_change(
            lambda snapshot: self._deliveries.note(snapshot.generation)
        )

    def take(self, count: int) -> list[tuple[int, int]]:
        return self._deliveries.take(count)

    def close(self) -> None:
        self._client.close()


class HandWatcher:
    """An actor in which *kind*, a class by its module and name, listens for what is written by hand at *place*."""

    def __init__(self, kind: str, place: str) -> None:
        self._deliveries = Deliveries()
        module, _, name = kind.partition(":")
        hand = getattr(import_module(module), name)(place)
        Thread(target=hand.listen, args=[self._deliveries.note], daemon=True).start()

    def take(self, count: int) -> list[tuple[int, int]]:
        return self._deliveries.take(count)

    def close(self) -> None:
        """It ends with its process."""


def watched_by(stack: ExitStack, url: str, kind: str, place: str) -> tuple[Actor, Actor]:
    """Whoever watches a realm of ours at *url*, and what is written by hand at *place*; they end with *stack*."""
    mine = stack.enter_context(Actor("bench.engines:Watcher", url=url))
    theirs = stack.enter_context(Actor("bench.engines:HandWatcher", kind=kind, place=place))
    return mine, theirs


def raced(place: Workplace, acts: Mapping[str, Callable[[], object]]) -> Rounds:
    """What each of *acts* takes, side by side."""
    count = place.effort.count(WRITES)
    return compete(
        {name: partial(each, act, count) for name, act in acts.items()},
        rounds=place.effort.rounds,
        slices=4,
    )


def delivered(place: Workplace, watched: Mapping[str, tuple[Written, Actor]]) -> Rounds:
    """How soon after a write was acknowledged whoever watches it, in another process, was told of its generation."""
    sleep(SUBSCRIBED_SECONDS)
    count = place.effort.count(WRITES) // 4
    return compete(
        {name: partial(_delivered, *one, count) for name, one in watched.items()},
        rounds=place.effort.rounds,
        slices=4,
    )


def _delivered(written: Written, watcher: Actor, count: int) -> Batch:
    costs = []
    for _ in range(count):
        written.write()
        acknowledged = monotonic_ns()
        found = watcher.call("take", count=1)
        moments = [moment for arrived, moment in found if arrived == written.generation]
        assert moments, f"generation {written.generation} was not told: {found}"
        costs.append(max(1.0, (moments[0] - acknowledged) / 1000))
    return Batch(costs)


class Claims:
    """What is said of one engine."""

    def __init__(self, goal: str, engine: str) -> None:
        self._goal = goal
        self._engine = engine

    def figure(
        self, claim: str, rounds: Rounds, ours: str, theirs: str, *, limit: float | None
    ) -> Figure:
        """How many times *theirs* of *rounds* is *ours*; *limit* is the goal, if it is one."""
        return Figure(
            self._goal,
            f"{self._engine}: {claim}",
            rounds.ratio(ours, theirs),
            "x",
            None if limit is None else at_most(limit),
            f"{rounds.cost(ours):.0f} µs, {rounds.cost(theirs):.0f} µs",
        )
