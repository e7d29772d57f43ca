"""
M12, M13: what a hundred thousand generations and ten thousand realms cost the next read and write.

The long history and the many realms are made first, in another process, in memory
where there is a memory file system, and moved to the measured disk when that
process has ended.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from contextlib import ExitStack
from functools import partial
from itertools import count, cycle
from pathlib import Path
from time import perf_counter_ns

from bench import documents, ours
from bench.harness import Batch, Rounds, Spread, compete, each
from bench.processes import Actor
from bench.results import Figure, Workplace, at_most

REALM = "grown"
GENERATIONS = 100_000
REALMS = 10_000
REALMS_VISITED = 16
TRANSACTION_REALMS = 64
DISK_GENERATIONS = (2000, 6000)
"""Both beyond the size to which the log is grown once, so that the difference is the database's."""
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
        names = [f"realm-number-{number}" for number in range(count)]
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


def contest(place: Workplace, small: Path, large: Path, large_names: list[str]) -> Rounds:
    """Reads and writes of the small and the large store, in turn."""
    size = place.effort.count(200) // SLICES
    with ExitStack() as stack:
        one = Pair(stack, small, [REALM])
        many = Pair(stack, large, large_names)
        return compete(
            {
                "read, small": partial(one.reads, size),
                "read, large": partial(many.reads, size),
                "write, small": partial(one.writes, size),
                "write, large": partial(many.writes, size),
            },
            rounds=place.effort.rounds,
            slices=SLICES,
        )


def measure_history(place: Workplace) -> list[Figure]:
    """M12: generation 1 against generation 100,000."""
    generations = place.effort.count(GENERATIONS)
    small = populated(place.folder / "small", "generations", 1)
    large = populated(place.folder / "large", "generations", generations)
    rounds = contest(place, small, large, [REALM])
    with ours.connect(large, working_copies=False) as client:
        unchanged = client.realm(REALM).get
        with ours.connect(small, working_copies=False) as other:
            cached = compete(
                {
                    "large": partial(each, unchanged, 2000),
                    "small": partial(each, other.realm(REALM).get, 2000),
                },
                rounds=place.effort.rounds,
            )
    label = f"{generations:,} generations / 1"
    return [
        disk(place),
        Figure(
            "M12", f"get from the record, {label}", rounds.ratio("read, large", "read, small"), "x",
            at_most(1.5), costs(rounds, "read"),
        ),
        Figure(
            "M12", f"get, unchanged, {label}", cached.ratio("large", "small"), "x", at_most(1.5),
        ),
        Figure(
            "M12", f"CAS, {label}", rounds.ratio("write, large", "write, small"), "x",
            at_most(1.5), costs(rounds, "write"),
        ),
    ]  # fmt: skip


def disk(place: Workplace) -> Figure:
    """What a generation of 2 KB adds to the store on disk, over the document's own bytes."""
    few, many = DISK_GENERATIONS
    bytes_added = stored_bytes(populated(place.folder / "many", "documents", many)) - stored_bytes(
        populated(place.folder / "few", "documents", few)
    )
    length = len(documents.as_json(documents.agent(counter=many)))
    per_generation = bytes_added / (many - few)
    return Figure(
        "M12", "disk bytes of a generation / its document", Spread.of([per_generation / length]),
        "x", at_most(1.5), f"{per_generation:.0f} bytes, {length}",
    )  # fmt: skip


def stored_bytes(root: Path) -> int:
    """The sizes of all files below *root*; of a store that nobody uses."""
    return sum(path.stat().st_size for path in root.rglob("*") if path.is_file())


def measure_realms(place: Workplace) -> list[Figure]:
    """M13: one realm alone, and some among ten thousand, read and written in turn."""
    realms = place.effort.count(REALMS)
    small = populated(place.folder / "small", "generations", 1)
    large = populated(place.folder / "large", "realms", realms)
    # Far apart, and few enough that each was read before: what counts is how many there are beside them.
    names = [f"realm-number-{number}" for number in range(0, realms, realms // REALMS_VISITED)]
    rounds = contest(place, small, large, names)
    label = f"among {realms:,} realms / 1"
    return [
        Figure(
            "M13", f"get from the record, {label}", rounds.ratio("read, large", "read, small"), "x",
            at_most(1.5), costs(rounds, "read"),
        ),
        Figure(
            "M13", f"CAS, {label}", rounds.ratio("write, large", "write, small"), "x", at_most(2),
            costs(rounds, "write"),
        ),
    ]  # fmt: skip


def costs(rounds: Rounds, kind: str) -> str:
    return f"{rounds.cost(f'{kind}, large'):.0f} µs, {rounds.cost(f'{kind}, small'):.0f} µs"
