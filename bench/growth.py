"""
M12, M13: what a hundred thousand generations and ten thousand realms cost the next read and write, and by which law.

The long history and the many realms are made first, in another process, in memory
where there is a memory file system, and moved to the measured disk when that
process has ended.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from functools import partial
from itertools import count, cycle
from pathlib import Path
from time import perf_counter_ns

from bench import documents, ours
from bench.harness import Batch, Rounds, Spread, compete, each
from bench.laws import FLAT, Plot, contestants, law, named
from bench.processes import Actor
from bench.results import Curve, Figure, Workplace, at_most

REALM = "grown"
GENERATIONS = (1, 10, 100, 1_000, 10_000, 100_000)
REALMS = (1, 10, 100, 1_000, 10_000)
REALMS_VISITED = 16
TRANSACTION_REALMS = 64
DISK_GENERATIONS = (10, 60, 300, 1000, 2000, 6000)
"""The last two are beyond the size to which the log is grown once, so that the difference is the database's."""
MEMORY = Path("/dev/shm")
SLICES = 5


class Populator:
    """An actor that fills a store."""

    def __init__(self, root: str) -> None:
        self._client = ours.connect(Path(root), working_copies=False)

    def generations(self, count: int) -> int:
        """Give one realm *count* generations, small ones but for the last."""
        realm = self._client.realm(REALM)
        for number in range(count - 1):
            realm.set({"counter": number})
        generation: int = realm.set(documents.agent()).generation
        return generation

    def documents(self, count: int) -> int:
        """Give one realm *count* generations of the 2 KB document."""
        realm = self._client.realm(REALM)
        for number in range(count):
            generation: int = realm.set(documents.agent(counter=number)).generation
        return generation

    def realms(self, count: int) -> int:
        """Make *count* realms of one generation."""
        names = [name_of(number) for number in range(count)]
        for begin in range(0, count, TRANSACTION_REALMS):
            batch = names[begin : begin + TRANSACTION_REALMS]
            self._client.transaction([(name, {"set": documents.agent()}) for name in batch])
        return count

    def close(self) -> None:
        self._client.close()


def populated(
    root: Path, method: str, count: int, *, target: str = "bench.growth:Populator"
) -> Path:
    """A store at *root* that an actor has filled."""
    elsewhere = MEMORY if os.access(MEMORY, os.W_OK) else root.parent
    with tempfile.TemporaryDirectory(prefix="realmconf-bench-", dir=elsewhere) as folder:
        made = Path(folder) / "realms"
        with Actor(target, root=str(made)) as populator:
            assert populator.call(method, count=count) == count
        shutil.copytree(made, root)
    os.sync()
    return root


class Pair:
    """Two handles of one store: one writes, the other then has to read the record anew."""

    def __init__(self, stack: ExitStack, root: Path, names: list[str]) -> None:
        self._writer = stack.enter_context(ours.connect(root, working_copies=False))
        self._reader = stack.enter_context(ours.connect(root, working_copies=False))
        self._names = cycle(names)
        self._numbers = count(1)

    def writes(self, size: int) -> Batch:
        """Compare-and-swap writes, to one realm after the other."""
        costs = []
        for _ in range(size):
            realm = self._writer.realm(next(self._names))
            before = realm.get().generation
            patch = {"counter": next(self._numbers)}
            begun = perf_counter_ns()
            snapshot = realm.patch(patch, expected_generation=before)
            costs.append((perf_counter_ns() - begun) / 1000)
            assert snapshot.generation == before + 1
        return Batch(costs)

    def reads(self, size: int) -> Batch:
        """First reads after another handle's commit."""
        costs = []
        for _ in range(size):
            name = next(self._names)
            generation = self._writer.realm(name).patch({"counter": next(self._numbers)}).generation
            realm = self._reader.realm(name)
            begun = perf_counter_ns()
            snapshot = realm.get()
            costs.append((perf_counter_ns() - begun) / 1000)
            assert snapshot.generation == generation
        return Batch(costs)


def contest(place: Workplace, stores: dict[int, tuple[Path, list[str]]]) -> Rounds:
    """Reads and writes in stores of all sizes, in turn."""
    size = place.effort.count(100) // SLICES
    with ExitStack() as stack:
        pairs = {grown: Pair(stack, root, names) for grown, (root, names) in stores.items()}
        return compete(
            contestants(pairs, "read", lambda pair: partial(pair.reads, size))
            | contestants(pairs, "write", lambda pair: partial(pair.writes, size)),
            rounds=place.effort.rounds,
            slices=SLICES,
        )


def up_to(place: Workplace, sizes: Sequence[int]) -> list[int]:
    """*sizes*, the last one as large as the effort allows."""
    last = max(sizes[-2] * 2, place.effort.count(sizes[-1]))
    return [*sizes[:-1], last]


def laws(goal: str, rounds: Rounds, sizes: Sequence[int], what: str) -> list[Figure]:
    """By which law a read and a write grow with *what* there is in the store."""
    plot = Plot(f"get-by-{what}", what)
    return [
        law(
            goal, f"get from the record by the number of {what}", rounds, named(sizes, "read"),
            limit=at_most(FLAT), either_way=True, line="get, after somebody's commit", plot=plot,
        ),
        law(
            goal, f"CAS by the number of {what}", rounds, named(sizes, "write"),
            line="compare-and-swap", plot=plot,
        ),
    ]  # fmt: skip


def measure_history(place: Workplace) -> list[Figure]:
    """M12: generation 1 against generation 100,000, and some between."""
    sizes = up_to(place, GENERATIONS)
    stores = {
        size: (populated(place.folder / f"history-{size}", "generations", size), [REALM])
        for size in sizes
    }
    rounds = contest(place, stores)
    most = sizes[-1]
    with ExitStack() as stack:
        cached = compete(
            {
                str(size): partial(
                    each,
                    stack.enter_context(ours.connect(stores[size][0], working_copies=False))
                    .realm(REALM)
                    .get,
                    2000,
                )
                for size in (1, most)
            },
            rounds=place.effort.rounds,
        )
    label = f"{most:,} generations / 1"
    return [
        disk(place),
        Figure(
            "M12", f"get from the record, {label}", rounds.ratio(f"read, {most}", "read, 1"), "x",
            at_most(1.5), costs(rounds, "read", most),
        ),
        Figure(
            "M12", f"get, unchanged, {label}", cached.ratio(str(most), "1"), "x", at_most(1.5),
        ),
        Figure(
            "M12", f"CAS, {label}", rounds.ratio(f"write, {most}", "write, 1"), "x",
            at_most(1.5), costs(rounds, "write", most),
        ),
        *laws("M12", rounds, sizes, "generations"),
    ]  # fmt: skip


def disk(place: Workplace) -> Figure:
    """What a generation of 2 KB adds to the store on disk, over the document's own bytes."""
    stored = [
        stored_bytes(populated(place.folder / f"disk-{size}", "documents", size))
        for size in DISK_GENERATIONS
    ]
    *_, few, many = DISK_GENERATIONS
    length = len(documents.as_json(documents.agent(counter=many)))
    per_generation = (stored[-1] - stored[-2]) / (many - few)
    return Figure(
        "M12", "disk bytes of a generation / its document", Spread.of([per_generation / length]),
        "x", at_most(1.5), f"{per_generation:.0f} bytes, {length}",
        Curve(
            plot="disk-by-generations", line="the store, its log included", size="generations",
            cost="KB", sizes=DISK_GENERATIONS, costs=[Spread.of([size / 1000]) for size in stored],
        ),
    )  # fmt: skip


def stored_bytes(root: Path) -> int:
    """The sizes of all files below *root*; of a store that nobody uses."""
    return sum(path.stat().st_size for path in root.rglob("*") if path.is_file())


def measure_realms(place: Workplace) -> list[Figure]:
    """M13: one realm alone, and some among up to ten thousand, read and written in turn."""
    sizes = up_to(place, REALMS)
    # Far apart, and few enough that each was read before: what counts is how many there are beside them.
    stores = {
        size: (
            populated(place.folder / f"realms-{size}", "realms", size),
            [name_of(number) for number in range(0, size, max(1, size // REALMS_VISITED))],
        )
        for size in sizes
    }
    rounds = contest(place, stores)
    most = sizes[-1]
    label = f"among {most:,} realms / 1"
    return [
        Figure(
            "M13", f"get from the record, {label}", rounds.ratio(f"read, {most}", "read, 1"), "x",
            at_most(1.5), costs(rounds, "read", most),
        ),
        Figure(
            "M13", f"CAS, {label}", rounds.ratio(f"write, {most}", "write, 1"), "x", at_most(2),
            costs(rounds, "write", most),
        ),
        *laws("M13", rounds, sizes, "realms"),
    ]  # fmt: skip


def name_of(number: int) -> str:
    return f"realm-number-{number}"


def costs(rounds: Rounds, kind: str, most: int) -> str:
    return f"{rounds.cost(f'{kind}, {most}'):.0f} µs, {rounds.cost(f'{kind}, 1'):.0f} µs"
