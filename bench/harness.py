"""
How a cost is measured: batches, in interleaved rounds, compared by ratio.

Decides what a median, a ratio and its spread are; knows nothing of what is
measured.  Contestants take turns within a round, each time in another order, so
that a slow second of the machine, or what the one before left behind, falls on
all of them alike.
"""

from __future__ import annotations

import gc
import random
import statistics
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import repeat
from time import monotonic, perf_counter_ns

Operation = Callable[[], object]

ORDER_SEED = 4
"""The orders are random and in every run the same."""
LEAD_SECONDS = 0.02
"""As long as it takes until ``config.toml`` is being written beside our commits."""


@dataclass(frozen=True, slots=True)
class Batch:
    """What each operation of one batch cost, in microseconds."""

    microseconds: Sequence[float]

    @property
    def median(self) -> float:
        return statistics.median(self.microseconds)

    @property
    def mean(self) -> float:
        return statistics.fmean(self.microseconds)

    @property
    def p99(self) -> float:
        ordered = sorted(self.microseconds)
        return ordered[min(len(ordered) - 1, len(ordered) * 99 // 100)]


def each(operation: Operation, count: int) -> Batch:
    """Time every call by itself: for operations of ten microseconds and more."""
    costs = []
    for _ in repeat(None, count):
        begun = perf_counter_ns()
        operation()
        costs.append((perf_counter_ns() - begun) / 1000)
    return Batch(costs)


def steady(
    operation: Operation, count: int, *, afterwards: Callable[[], object] | None = None
) -> Batch:
    """
    Time *count* calls of one who has been at it for a while, and then do what is left *afterwards*, untimed.

    For writes: a batch that began in quiet would end before the work that follows them has begun beside it, and leave
    that to its neighbour.  Whoever is compared with such a batch begins in the same way, and has as much in its caches.
    """
    until = monotonic() + LEAD_SECONDS
    while monotonic() < until:
        operation()
    batch = each(operation, count)
    if afterwards is not None:
        afterwards()
    return batch


def looped(operation: Operation, count: int, *, chunks: int = 20) -> Batch:
    """Time *chunks* loops of calls: for operations that cost less than reading the clock."""
    length = max(1, count // chunks)
    costs = []
    for _ in repeat(None, chunks):
        begun = perf_counter_ns()
        for _ in repeat(None, length):
            operation()
        costs.append((perf_counter_ns() - begun) / 1000 / length)
    return Batch(costs)


def single(microseconds: float) -> Batch:
    """A batch of one figure that was measured elsewhere."""
    return Batch([microseconds])


@dataclass(frozen=True, slots=True)
class Spread:
    """The median over the rounds, and the rounds that were lowest and highest."""

    value: float
    low: float
    high: float

    @classmethod
    def of(cls, values: Sequence[float]) -> Spread:
        return cls(statistics.median(values), min(values), max(values))

    def divided_by(self, divisor: float) -> Spread:
        return Spread(self.value / divisor, self.low / divisor, self.high / divisor)


Statistic = Callable[[Batch], float]


def by_median(batch: Batch) -> float:
    return batch.median


def by_mean(batch: Batch) -> float:
    return batch.mean


def by_p99(batch: Batch) -> float:
    return batch.p99


@dataclass(frozen=True, slots=True)
class Rounds:
    """The batches of each contestant, one a round."""

    batches: Mapping[str, Sequence[Batch]]

    def cost(self, name: str, statistic: Statistic = by_median) -> float:
        """Microseconds of *name*: the median over the rounds."""
        return statistics.median(map(statistic, self.batches[name]))

    def ratio(
        self,
        name: str,
        reference: str,
        statistic: Statistic = by_median,
        reference_statistic: Statistic | None = None,
    ) -> Spread:
        """How many times the *reference* of its own round *name* costs."""
        below = reference_statistic or statistic
        pairs = zip(self.batches[name], self.batches[reference], strict=True)
        return Spread.of([statistic(ours) / below(theirs) for ours, theirs in pairs])


def compete(
    contestants: Mapping[str, Callable[[], Batch]],
    *,
    rounds: int,
    slices: int = 1,
    warm_up: bool = True,
) -> Rounds:
    """
    Let *contestants* run one batch each in turn, *rounds* times, each round in another order.

    With *slices* a round is that many turns, and a contestant's batch what it did in all of
    them: for operations that wait for a disk, whose speed changes within a second.
    """
    names = list(contestants)
    chance = random.Random(ORDER_SEED)
    if warm_up:
        for name in names:
            contestants[name]()
    batches: dict[str, list[Batch]] = {name: [] for name in names}
    with collector_paused():
        for _ in range(rounds):
            parts: dict[str, list[float]] = {name: [] for name in names}
            for _ in range(slices):
                # Not turned but shuffled: turned, each would always come after the same one.
                for name in chance.sample(names, len(names)):
                    # Garbage of one contestant is not collected at another's expense.
                    gc.collect()
                    parts[name] += contestants[name]().microseconds
            for name in names:
                batches[name].append(Batch(parts[name]))
    return Rounds(batches)


@contextmanager
def collector_paused() -> Iterator[None]:
    """Keep Python's cycle collector out of the timings, and what is there already out of the collections."""
    gc.collect()
    gc.disable()
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()
        gc.enable()


@dataclass(frozen=True, slots=True)
class Effort:
    """How much of a measurement is done: rounds, and the share of each batch."""

    rounds: int = 5
    share: float = 1.0

    def count(self, whole: int, *, least: int = 10) -> int:
        """The size of a batch that is *whole* in a full run."""
        return max(least, round(whole * self.share))

    def seconds(self, whole: float, *, least: float = 0.3) -> float:
        """The length of a batch that takes *whole* seconds in a full run."""
        return max(least, whole * self.share)


def slope(sizes: Sequence[float], costs: Sequence[float]) -> float:
    """The exponent of the growth law: the slope of log(cost) over log(size), least squares."""
    from math import log

    return statistics.linear_regression(list(map(log, sizes)), list(map(log, costs))).slope
