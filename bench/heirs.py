"""
M23: a write to a realm that ten thousand inherit from.

Measured apart: the write itself, which must not know how many there are; the dry run's list of those it would
change, and the receipt's warnings, which look at every one of them; and how long another process's writer waits
meanwhile, which must be no longer than it does otherwise.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from itertools import count
from pathlib import Path
from statistics import median
from threading import Event, Thread
from time import monotonic, sleep
from typing import Any

from bench import documents, ours
from bench.growth import populated
from bench.harness import Batch, Spread, compete, each, single
from bench.processes import Actor
from bench.results import Figure, Workplace, at_most

PARENT = "parent"
LONE = "lone"
ELSEWHERE = "elsewhere"
HEIRS = 10_000
HEIRS_QUICK = 1_000
TEAM = 100
"""Each hundredth heir is a team that the next ninety-nine inherit from."""
OVERRIDING = f"heir-{0:05}"
"""The team that states the value which is written, so that neither it nor its heirs are changed."""
TRANSACTION_REALMS = 64
SLICES = 5
LOOK_SECONDS = 0.5


class Family:
    """An actor that makes a parent with as many descendants as asked for."""

    def __init__(self, root: str) -> None:
        self._client = ours.connect(Path(root), working_copies=False)

    def heirs(self, count: int) -> int:
        self._client.realm(PARENT).set(documents.agent())
        for begin in range(0, count, TRANSACTION_REALMS):
            numbers = range(begin, min(count, begin + TRANSACTION_REALMS))
            self._client.transaction([(named(n), {"set": stated(n)}) for n in numbers])
        return count

    def close(self) -> None:
        self._client.close()


def named(number: int) -> str:
    return f"heir-{number:05}"


def stated(number: int) -> dict[str, Any]:
    """What an heir states: the 2 KB document but for the value that is written above it, and its parent."""
    document = documents.agent(counter=number)
    if named(number) != OVERRIDING:
        del document["counter"]
    team = number - number % TEAM
    parent = PARENT if number == team else named(team)
    return {**document, "own": number, "realm": {named(number): {"parent": parent}}}


class Bystander:
    """An actor that commits to a realm of its own, as fast as it can, between ``begin`` and ``end``."""

    def __init__(self, root: str) -> None:
        self._client = ours.connect(Path(root), working_copies=False)
        self._realm = self._client.realm(ELSEWHERE)
        self._numbers = count(1)
        self._thread: Thread | None = None

    def begin(self) -> None:
        self._ended = Event()
        self._gap = 0.0
        self._before = self._commits = self._realm.set({"counter": 0}).generation
        self._begun = monotonic()
        self._thread = Thread(target=self._write)
        self._thread.start()

    def _write(self) -> None:
        last = monotonic()
        while not self._ended.is_set():
            self._realm.set({"counter": next(self._numbers)})
            now = monotonic()
            self._gap = max(self._gap, now - last)
            self._commits += 1
            last = now

    def end(self) -> dict[str, float]:
        """How many commits a second there were, and the longest time without one, in milliseconds."""
        is_writing = self._thread is not None and self._thread.is_alive()
        self.close_thread()
        seconds = monotonic() - self._begun
        assert is_writing, "a write failed"
        assert self._realm.get().generation == self._commits
        return {
            "rate": (self._commits - self._before) / seconds,
            "gap_ms": self._gap * 1000,
        }

    def close_thread(self) -> None:
        if self._thread is not None:
            self._ended.set()
            self._thread.join()
            self._thread = None

    def close(self) -> None:
        self.close_thread()
        self._client.close()


class Looks:
    """Looks at all heirs, each beside a bystander that writes all the time."""

    def __init__(self, parent: Any, heirs: int, bystander: Actor) -> None:
        self._parent = parent
        self._heirs = heirs
        self._bystander = bystander
        self._numbers = count(1)
        self._seconds = LOOK_SECONDS
        self.waits: dict[str, list[dict[str, float]]] = {"plan": [], "receipt": [], "alone": []}

    def plan(self) -> Batch:
        """The descendants that a dry run names."""
        planned = self._parent.patch({"counter": next(self._numbers)}, dry_run=True)

        def look() -> None:
            # All but the team that states the value itself, and those who inherit that.
            assert len(planned.descendants) == self._heirs - TEAM

        return self._beside("plan", look)

    def receipt(self) -> Batch:
        """The warnings of a write that was done."""
        result = self._parent.patch({"counter": next(self._numbers)})

        def look() -> None:
            warnings = result.warnings
            assert [warning.code for warning in warnings] == ["overridden"], warnings
            assert OVERRIDING in warnings[0].message

        return self._beside("receipt", look)

    def alone(self) -> Batch:
        """Nobody looks, for as long as the last look took."""
        return self._beside("alone", partial(sleep, self._seconds))

    def _beside(self, kind: str, look: Callable[[], None]) -> Batch:
        self._bystander.call("begin")
        begun = monotonic()
        look()
        self._seconds = monotonic() - begun
        self.waits[kind].append(self._bystander.call("end"))
        return single(self._seconds * 1_000_000)

    def of(self, kind: str, name: str) -> list[float]:
        """One figure of the bystander's, of every look of one kind."""
        return [tally[name] for tally in self.waits[kind]]


def measure(place: Workplace) -> list[Figure]:
    """M23: writes to a parent and to a lone realm, and the looks at all who inherit."""
    heirs = HEIRS if place.effort.share >= 1 else HEIRS_QUICK
    root = populated(place.folder / "family", "heirs", heirs, target="bench.heirs:Family")
    with ExitStack() as stack:
        parent = stack.enter_context(ours.connect(root, working_copies=False)).realm(PARENT)
        alone = stack.enter_context(ours.connect(place.path("alone"), working_copies=False))
        lone = alone.realm(LONE)
        lone.set(documents.agent())
        size = place.effort.count(200) // SLICES
        written = compete(
            {"parent": partial(writes, parent, size), "lone": partial(writes, lone, size)},
            rounds=place.effort.rounds,
            slices=SLICES,
        )
        looks = Looks(
            parent, heirs, stack.enter_context(Actor("bench.heirs:Bystander", root=str(root)))
        )
        before = log_bytes(root)
        looked = compete(
            {"plan": looks.plan, "receipt": looks.receipt, "alone": looks.alone},
            rounds=place.effort.rounds,
            warm_up=False,
        )
        after = log_bytes(root)
    figures = [
        Figure(
            "M23", f"write to a parent of {heirs:,} / to a lone realm",
            written.ratio("parent", "lone"), "x", at_most(1.5),
            f"{written.cost('parent'):.0f} µs, {written.cost('lone'):.0f} µs",
        )
    ]  # fmt: skip
    for kind, what in (("plan", "the plan's descendants"), ("receipt", "the receipt's warnings")):
        costs = Spread.of([batch.median for batch in looked.batches[kind]])
        rates = zip(looks.of(kind, "rate"), looks.of("alone", "rate"), strict=True)
        figures += [
            Figure(
                "M23", f"{what}, each of {heirs:,}", costs.divided_by(heirs), "µs", None,
                f"{costs.value / 1_000_000:.2f} s",
            ),
            Figure(
                "M23", f"{what}: longest wait of a writer elsewhere meanwhile",
                Spread.of(looks.of(kind, "gap_ms")), "ms", at_most(40),
                f"{median(looks.of('alone', 'gap_ms')):.1f} ms when nobody looks",
            ),
            Figure(
                "M23", f"{what}: commits elsewhere meanwhile / when nobody looks",
                Spread.of([beside / undisturbed for beside, undisturbed in rates]), "x", None,
                f"{median(looks.of(kind, 'rate')):.0f}/s, {median(looks.of('alone', 'rate')):.0f}/s",
            ),
        ]  # fmt: skip
    figures.append(
        Figure(
            "M23", "length of the log after these looks / before", Spread.of([after / before]),
            "x", at_most(2), f"{after / 1e6:.1f} MB, {before / 1e6:.1f} MB",
        )
    )  # fmt: skip
    return figures


def writes(realm: Any, size: int) -> Batch:
    """Patches of one value; each is a revision."""
    before = realm.get().generation
    numbers = count(before)
    batch = each(lambda: realm.patch({"counter": -next(numbers)}), size)
    assert realm.get().generation == before + size
    return batch


def log_bytes(root: Path) -> int:
    """How long the log is: it is grown once, and never shortened."""
    return sum(path.stat().st_size for path in root.rglob("*-wal"))
