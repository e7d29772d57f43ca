"""
M9, M14, M15: how soon a commit is seen elsewhere, by one, by a thousand tasks, by many processes.

Every delivery is compared with the commits: each generation once and in order.
Times of different processes are comparable, as they are read from the machine's one monotonic clock.
"""

from __future__ import annotations

import traceback
from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from statistics import linear_regression, median
from threading import Condition, Thread
from time import monotonic_ns, sleep
from typing import Any

from bench import documents, floors, ours
from bench.harness import Batch, Rounds, Spread, by_median, by_p99, compete, each
from bench.laws import FLAT, Plot, contestants, law, named
from bench.peers.naivesqlite import NaiveSqlite
from bench.processes import Actor
from bench.results import Curve, Figure, Workplace, at_most

REALM = "watched"
DELIVERY_SECONDS = 60.0
IDLE_SECONDS = 2.0
WAKE_MICROSECONDS = 40.0
"""What the kernel takes to wake another process, about; a delivery may be seen before the writer's call returns."""
TASKS = (1, 3, 10, 32, 100, 316, 1000)
PROCESSES = 64


class Deliveries:
    """When each generation arrived, and how often: filled by watchers, emptied by the measurement."""

    def __init__(self) -> None:
        self._arrived = Condition()
        self._log: list[tuple[int, int]] = []

    def note(self, generation: int) -> None:
        moment = monotonic_ns()
        with self._arrived:
            self._log.append((generation, moment))
            self._arrived.notify()

    def take(self, count: int) -> list[tuple[int, int]]:
        """Wait for *count* deliveries; return and forget them."""
        with self._arrived:
            self._arrived.wait_for(lambda: len(self._log) >= count, DELIVERY_SECONDS)
            log, self._log = self._log, []
        return log


class Watcher:
    """An actor with one callback on one realm."""

    def __init__(self, root: str) -> None:
        self._deliveries = Deliveries()
        self._client = ours.connect(Path(root))
        self._handle = self._client.realm(REALM).on_change(
            lambda snapshot: self._deliveries.note(snapshot.generation)
        )

    def take(self, count: int) -> list[tuple[int, int]]:
        return self._deliveries.take(count)

    def close(self) -> None:
        self._handle.cancel()
        self._client.close()


class PollingWatcher:
    """An actor that asks SQLite every millisecond whether something changed."""

    def __init__(self, path: str) -> None:
        self._path = Path(path)
        self._deliveries = Deliveries()
        self._ended = False
        self._thread = Thread(target=self._poll)
        self._thread.start()

    def _poll(self) -> None:
        peer = NaiveSqlite(self._path)
        version = peer.data_version()
        seen = peer.get()[1]
        while not self._ended:
            now = peer.wait_for_change(version, timeout_seconds=0.2)
            if now is None:
                continue
            version = now
            _, generation = peer.get()
            # It looked late where there are several: those are all seen now.
            for found in range(seen + 1, generation + 1):
                self._deliveries.note(found)
            seen = generation

    def take(self, count: int) -> list[tuple[int, int]]:
        return self._deliveries.take(count)

    def close(self) -> None:
        self._ended = True
        self._thread.join()


class TaskWatchers:
    """An actor with many asyncio tasks, each in its own ``async for`` over one realm."""

    def __init__(self, root: str, tasks: int) -> None:
        import asyncio

        self._deliveries = Deliveries()
        self._failures: list[str] = []
        self._loop = asyncio.new_event_loop()
        self._thread = Thread(target=self._loop.run_forever)
        self._thread.start()
        self._waiting = asyncio.run_coroutine_threadsafe(
            self._begin(Path(root), tasks), self._loop
        ).result()

    async def _begin(self, root: Path, tasks: int) -> Any:
        import asyncio

        self._client = await ours.aconnect(root)
        realm = self._client.realm(REALM)
        after = await realm.get()

        async def watch() -> None:
            try:
                async for snapshot in realm.watch(after=after):
                    self._deliveries.note(snapshot.generation)
            except Exception:  # noqa: BLE001 - a watcher that dies is told of where somebody looks
                self._failures.append(traceback.format_exc())

        waiting = [asyncio.create_task(watch()) for _ in range(tasks)]
        await asyncio.sleep(0.1)
        return waiting

    def take(self, count: int) -> list[tuple[int, int]]:
        log = self._deliveries.take(count)
        if self._failures:
            raise AssertionError(
                f"{len(self._failures)} watchers failed, one so: {self._failures[0]}"
            )
        return log

    def memory_kilobytes(self) -> int:
        for line in Path("/proc/self/status").read_text("utf-8").splitlines():
            if line.startswith("VmRSS:"):
                return int(line.split()[1])
        raise AssertionError("the system does not tell a process's memory")

    def close(self) -> None:
        import asyncio

        async def end() -> None:
            for task in self._waiting:
                task.cancel()
            await asyncio.gather(*self._waiting, return_exceptions=True)
            await self._client.close()

        asyncio.run_coroutine_threadsafe(end(), self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()


class Audience:
    """
    A realm of *client*, the actors that watch it, and the commits made before their eyes.

    ``listeners`` is how many deliveries a commit makes in each actor.
    """

    PAUSE_SECONDS = 0.004
    """Between commits, so that everybody sleeps again before the next."""

    def __init__(
        self,
        client: Any,
        actors: list[Actor],
        *,
        listeners: int = 1,
        pause_seconds: float = PAUSE_SECONDS,
        commit: Callable[[], int] | None = None,
    ) -> None:
        self._client = client
        self._commit = commit or counting(client.realm(REALM))
        self.actors = actors
        self._listeners = listeners
        self._pause_seconds = pause_seconds
        self.commit_batches: list[Batch] = []
        self.whole_batches: list[Batch] = []
        """From the call of each commit to its last delivery."""

    def batch(self, count: int) -> Batch:
        """Commit *count* times; the cost of each is from its acknowledgement to the last delivery."""
        called: dict[int, int] = {}
        acknowledged: dict[int, int] = {}
        commits = []
        for _ in range(count):
            begun = monotonic_ns()
            generation = self._commit()
            moment = monotonic_ns()
            called[generation] = begun
            acknowledged[generation] = moment
            commits.append((moment - begun) / 1000)
            sleep(self._pause_seconds)
        self.commit_batches.append(Batch(commits))
        if self._client is not None:
            ours.settle(self._client)
        last = dict.fromkeys(acknowledged, 0)
        for actor in self.actors:
            log = actor.call("take", count=count * self._listeners)
            generations = [generation for generation, _ in log]
            if self._listeners == 1:
                assert generations == list(acknowledged), (
                    f"of {count} commits from generation {min(acknowledged)} on, "
                    f"{len(generations)} were delivered to {actor.process_id}; missing "
                    f"{sorted(set(acknowledged) - set(generations))}"
                )
            else:
                found = Counter(generations)
                assert found == dict.fromkeys(acknowledged, self._listeners), (
                    f"of {count} commits from generation {min(acknowledged)} on to "
                    f"{self._listeners} listeners came {sorted(found.items())}"
                )
            for generation, moment in log:
                last[generation] = max(last[generation], moment)
        self.whole_batches.append(Batch([(last[g] - called[g]) / 1000 for g in called]))
        return Batch([(last[g] - acknowledged[g]) / 1000 for g in acknowledged])

    def floored(self, count: int) -> Batch:
        """The same where it is divided by: a callback that beat the acknowledgement took no less than a wake-up."""
        return Batch([max(cost, WAKE_MICROSECONDS) for cost in self.batch(count).microseconds])


def counting(realm: Any) -> Callable[[], int]:
    """Commits of a counter; each returns its generation."""
    realm.set(documents.agent())
    counter = 0

    def commit() -> int:
        nonlocal counter
        counter += 1
        generation: int = realm.patch({"counter": counter}).generation
        return generation

    return commit


def wake_ups(process_id: int, seconds: float) -> float:
    """Times a second that a thread of the process came back from sleep."""

    def switches() -> int:
        found = 0
        for status in Path(f"/proc/{process_id}/task").glob("*/status"):
            for line in status.read_text("utf-8").splitlines():
                if line.startswith("voluntary_ctxt_switches"):
                    found += int(line.split()[1])
        return found

    before = switches()
    sleep(seconds)
    return (switches() - before) / seconds


def measure_one(place: Workplace) -> list[Figure]:
    """M9: from the acknowledgement to a callback in another process."""
    root = place.path("store")
    size = place.effort.count(200)
    with ExitStack() as stack:
        client = stack.enter_context(ours.connect(root / "realms"))
        audience = Audience(client, [])
        watcher = stack.enter_context(Actor("bench.watching:Watcher", root=str(root / "realms")))
        audience.actors.append(watcher)

        naive = NaiveSqlite(root / "naive.db")

        def naive_commit() -> int:
            return naive.update(lambda document: document.update(documents.agent()))

        naive_commit()
        polling = stack.enter_context(
            Actor("bench.watching:PollingWatcher", path=str(root / "naive.db"))
        )
        sleep(0.2)
        naive_audience = Audience(None, [polling], commit=naive_commit)

        trip = floors.RoundTrip(place.path("socket") / "echo")
        echo = stack.enter_context(
            Actor("bench.floors:Echo", path=str(place.path("socket") / "echo"))
        )
        # Closed before the actor, which serves until then.
        stack.callback(trip.close)
        echo.start("serve")
        trip.accept()

        rounds = compete(
            {
                "round trip": partial(each, trip.ask, size * 5),
                "watch": partial(audience.floored, size),
                "poll": partial(naive_audience.floored, size),
            },
            rounds=place.effort.rounds,
        )
        sleep(0.5)
        idle = Spread.of(
            [wake_ups(watcher.process_id, IDLE_SECONDS) for _ in range(place.effort.rounds)]
        )
    whole = Rounds({"watch": audience.whole_batches[1:], "poll": naive_audience.whole_batches[1:]})
    trip_cost = f"round trip {rounds.cost('round trip'):.0f} µs"
    return [
        Figure(
            "M9", "commit acknowledged to callback elsewhere / socket round trip, median",
            rounds.ratio("watch", "round trip"), "x", at_most(8),
            f"{rounds.cost('watch'):.0f} µs, {trip_cost}; {WAKE_MICROSECONDS:.0f} µs where the "
            "callback ran before the writer's call returned",
        ),
        Figure(
            "M9", "the same, p99 / round trip's median",
            rounds.ratio("watch", "round trip", by_p99, by_median), "x", at_most(25),
            f"{rounds.cost('watch', by_p99):.0f} µs; round trip's own p99 "
            f"{rounds.cost('round trip', by_p99):.0f} µs",
        ),
        Figure(
            "M9", "the same, median / naive polling every millisecond",
            rounds.ratio("watch", "poll"), "x", at_most(0.5),
            f"polling {rounds.cost('poll'):.0f} µs",
        ),
        Figure(
            "M9", "commit called to callback elsewhere / the same with naive polling",
            whole.ratio("watch", "poll"), "x", None,
            f"{whole.cost('watch'):.0f} µs, {whole.cost('poll'):.0f} µs",
        ),
        Figure("M9", "wake-ups a second of an idle watcher", idle, "/s", at_most(0)),
    ]  # fmt: skip


def measure_tasks(place: Workplace) -> list[Figure]:
    """M14: a thousand asyncio watchers in one process, and fewer, down to one."""
    size = place.effort.count(20)
    with ExitStack() as stack:
        audiences: dict[int, Audience] = {}
        memory: dict[int, int] = {}
        for tasks in TASKS:
            root = place.path(f"tasks-{tasks}")
            client = stack.enter_context(ours.connect(root))
            audiences[tasks] = Audience(client, [], listeners=tasks, pause_seconds=0.03)
            actor = stack.enter_context(
                Actor("bench.watching:TaskWatchers", root=str(root), tasks=tasks)
            )
            memory[tasks] = actor.call("memory_kilobytes")
            audiences[tasks].actors.append(actor)
        none = Audience(
            stack.enter_context(ours.connect(place.path("alone"))), [], pause_seconds=0.03
        )
        rounds = compete(
            contestants(audiences, "last", lambda one: partial(one.floored, size))
            | {"none": partial(nobody, none, size)},
            rounds=place.effort.rounds,
        )
    most = TASKS[-1]
    last = Spread.of([batch.median / 1000 for batch in rounds.batches[f"last, {most}"]])
    pairs = zip(rounds.batches[f"last, {most}"], rounds.batches["last, 1"], strict=True)
    more = Spread.of([(many.median - one.median) / (most - 1) for many, one in pairs])
    commits = Rounds(
        {f"commit, {tasks}": one.commit_batches[1:] for tasks, one in audiences.items()}
    )
    watchers = linear_regression(TASKS, [memory[tasks] for tasks in TASKS]).slope
    plot = Plot("commit-by-watchers", "watching tasks in one other process")
    return [
        Figure(
            "M14", "last of 1,000 watchers in one process", last, "ms", at_most(10),
            f"one watcher {rounds.cost('last, 1') / 1000:.2f} ms",
        ),
        Figure("M14", "each further watcher", more, "µs", at_most(10)),
        Figure(
            "M14", "commit with 1,000 watchers / with none",
            commits_ratio(audiences[most], none), "x", at_most(1.5),
        ),
        Figure(
            "M14", "memory of each further watcher", Spread.of([watchers]), "KB", at_most(10), "",
            Curve(
                plot="memory-by-watchers", line="resident memory of the process",
                size="watching tasks", cost="MB", sizes=TASKS,
                costs=[Spread.of([memory[tasks] / 1000]) for tasks in TASKS],
            ),
        ),
        law(
            "M14", "commit by the number of watchers", commits, named(TASKS, "commit"),
            limit=at_most(FLAT), line="commit", plot=plot,
        ),
        law(
            "M14", "acknowledged to the last delivery by the number of watchers", rounds,
            named(TASKS, "last"), limit=at_most(1), line="acknowledged to the last delivery", plot=plot,
        ),
    ]  # fmt: skip


def nobody(audience: Audience, count: int) -> Batch:
    """Commits that nobody watches."""
    audience.batch(count)
    return audience.commit_batches[-1]


def commits_ratio(audience: Audience, other: Audience) -> Spread:
    """The commits of one audience over those of the other, round by round; the first is the warm-up."""
    pairs = zip(audience.commit_batches[1:], other.commit_batches[1:], strict=True)
    return Spread.of([ours.median / theirs.median for ours, theirs in pairs])


def measure_processes(place: Workplace) -> list[Figure]:
    """M15: sixty-four watching processes."""
    size = place.effort.count(30)
    with ExitStack() as stack:
        audiences: dict[str, Audience] = {}
        for processes in (1, PROCESSES):
            root = place.path(f"processes-{processes}")
            client = stack.enter_context(ours.connect(root))
            audience = Audience(client, [], pause_seconds=0.03)
            actors = [Actor("bench.watching:Watcher", root=str(root)) for _ in range(processes)]
            for actor in actors:
                stack.callback(actor.close)
            for actor in actors:
                actor.ready()
            audience.actors += actors
            audiences[str(processes)] = audience
        alone = stack.enter_context(ours.connect(place.path("alone")))
        audiences["none"] = Audience(alone, [], pause_seconds=0.03)
        rounds = compete(
            {
                name: partial(audience.floored, size)
                for name, audience in audiences.items()
                if name != "none"
            }
            | {"none": partial(nobody, audiences["none"], size)},
            rounds=place.effort.rounds,
        )
    return [
        Figure(
            "M15", "last of 64 watching processes / the only one",
            rounds.ratio(str(PROCESSES), "1"), "x", at_most(20),
            f"{rounds.cost(str(PROCESSES)) / 1000:.2f} ms, {rounds.cost('1'):.0f} µs",
        ),
        Figure(
            "M15", "commit with 64 watching processes / with none",
            commits_ratio(audiences[str(PROCESSES)], audiences["none"]), "x", at_most(2),
            f"{median(batch.median for batch in audiences['none'].commit_batches):.0f} µs with none",
        ),
    ]  # fmt: skip
