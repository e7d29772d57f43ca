"""
How far one store goes: many realms, long histories, many watchers.

    python -m bench.scale postgresql://… [--realms 100000] [--revisions 1000000] [--watchers 10000] [--json FILE]

Fills an empty store step by step, and at each step measures what the next read and the next write cost, the first page
of a list of realms and all of it, and how many writes a second several processes get through together.  Then lets more
and more watchers wait, each for a realm of its own, and measures how long a commit takes to reach the one whom it
concerns, how long a commit that concerns all of them takes to reach the last, and what they cost while others write.
It leaves the store filled.

With ``--copied`` a PostgreSQL server makes all realms but the first itself, as copies of that: in minutes, not hours.
Beside the time that an operation took stands the processor's time of its process, which neighbours change less.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from statistics import median
from typing import Any

import realmconf
from bench import documents
from bench.copying import Copying
from bench.processes import Actor

STEPS = (1, 10, 100, 1_000, 10_000, 100_000, 1_000_000, 10_000_000)
SAMPLES = 300
WRITERS = 8
WRITERS_SECONDS = 5.0
WATCHER_PROCESSES = 4
WATCHED_COMMITS = 40
COPIED_FROM = 1_000
"""Realms of the first step, where they are copied."""
BUSY_SECONDS = 10.0
SHARED = "watched-by-all"


def name_of(number: int) -> str:
    return f"realm-{number:07d}"


class Filler:
    """An actor that makes realms and gives them revisions, in transactions as large as the store takes."""

    def __init__(self, url: str) -> None:
        self._client = realmconf.connect(url)
        self._largest = self._client.info.transaction_realms_max

    def fill(self, first: int, last: int, counter: int) -> int:
        """Give each of these realms one more generation; how many there were."""
        for begin in range(first, last, self._largest):
            numbers = range(begin, min(last, begin + self._largest))
            if self._largest == 1:
                self._client.realm(name_of(begin)).set(documents.agent(counter=counter))
                continue
            document = documents.agent(counter=counter)
            self._client.transaction([(name_of(number), {"set": document}) for number in numbers])
        return last - first

    def close(self) -> None:
        self._client.close()


class Writer:
    """An actor that writes to realms of its own for a while."""

    def __init__(self, url: str, number: int) -> None:
        self._client = realmconf.connect(url)
        self._number = number

    def run(self, start_at: float, seconds: float, realms: int) -> int:
        chance = random.Random(self._number)
        names = [name_of(chance.randrange(realms)) for _ in range(1000)]
        time.sleep(max(0.0, start_at - time.monotonic()))
        done = 0
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            self._client.realm(names[done % 1000]).patch({"counter": done})
            done += 1
        return done

    def close(self) -> None:
        self._client.close()


class Watchers:
    """An actor with many asyncio tasks, each watching a realm of its own, and the one that all share."""

    def __init__(self, url: str, first: int, last: int) -> None:
        import asyncio
        from threading import Thread

        self._loop = asyncio.new_event_loop()
        self._thread = Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self._heard: dict[tuple[str, int], list[float]] = {}
        asyncio.run_coroutine_threadsafe(self._begin(url, first, last), self._loop).result()

    async def _begin(self, url: str, first: int, last: int) -> None:
        import asyncio

        self._client = await realmconf.aconnect(url)
        self._tasks = []
        for number in range(first, last):
            for name in (name_of(number), SHARED):
                watch = self._client.realm(name).watch(view="own")
                self._tasks.append(asyncio.create_task(self._watch(name, watch)))
                if len(self._tasks) % 100 == 0:
                    await asyncio.sleep(0)

    async def _watch(self, name: str, watch: Any) -> None:
        async for snapshot in watch:
            self._heard.setdefault((name, snapshot.generation), []).append(time.monotonic())

    def heard(self, name: str, generation: int, count: int) -> Sequence[float]:
        """When that generation arrived here, waiting for it a while."""
        deadline = time.monotonic() + 120
        while time.monotonic() < deadline:
            found = self._heard.get((name, generation), [])
            if len(found) >= count:
                return found
            time.sleep(0.005)
        raise TimeoutError(f"{name} generation {generation}: {len(found)} of {count} were told")

    def spent(self) -> tuple[float, float]:
        """Seconds of the processor's time until now, and megabytes of memory."""
        return time.process_time(), memory_megabytes()

    def close(self) -> None:
        import asyncio

        asyncio.run_coroutine_threadsafe(self._client.close(), self._loop).result(30)
        self._loop.call_soon_threadsafe(self._loop.stop)


def memory_megabytes() -> float:
    """Of this process, shared pages included."""
    pages = int(Path("/proc/self/statm").read_text("ascii").split()[1])
    return round(pages * os.sysconf("SC_PAGE_SIZE") / 1e6, 1)


def milliseconds(costs: Sequence[float]) -> dict[str, float]:
    """Median and the one in a hundred."""
    ordered = sorted(costs)
    return {
        "p50": round(median(ordered) * 1000, 2),
        "p99": round(ordered[min(len(ordered) - 1, len(ordered) * 99 // 100)] * 1000, 2),
    }


def timed(operations: Sequence[Any]) -> dict[str, float]:
    """What each of *operations* took, and how much of the processor's time on average."""
    costs = []
    spent = time.process_time()
    for operation in operations:
        begun = time.perf_counter()
        operation()
        costs.append(time.perf_counter() - begun)
    spent = time.process_time() - spent
    return {**milliseconds(costs), "cpu": round(spent / len(costs) * 1000, 3)}


def measured(url: str, realms: int) -> dict[str, Any]:
    """What one read, one write and one list cost now, in milliseconds."""
    chance = random.Random(realms)
    with realmconf.connect(url) as client:
        first = [client.realm(name_of(chance.randrange(realms))) for _ in range(SAMPLES)]
        found = {
            "get": timed([realm.get for realm in first]),
            "get_again": timed([realm.get for realm in first]),
            "patch": timed(
                [
                    lambda realm=realm, number=number: realm.patch({"counter": -number})
                    for number, realm in enumerate(first)
                ]
            ),
            "history": timed([lambda realm=realm: realm.history(limit=10) for realm in first]),
            "list": timed([lambda: client.realms(limit=100)] * 50),
            "megabytes_before_list": memory_megabytes(),
            "list_all": timed([client.realms]),
            "megabytes": memory_megabytes(),
        }
    with ExitStack() as stack:
        writers = [
            stack.enter_context(Actor("bench.scale:Writer", url=url, number=number))
            for number in range(WRITERS)
        ]
        start_at = time.monotonic() + 0.5
        for writer in writers:
            writer.start("run", start_at=start_at, seconds=WRITERS_SECONDS, realms=realms)
        done = sum(writer.finish() for writer in writers)
    return {**found, "writes_per_second": round(done / WRITERS_SECONDS, 1), "load": load()}


def load() -> float:
    """Of the machine in the last minute: processes that want a processor."""
    return round(os.getloadavg()[0], 1)


def steps_to(most: int) -> Iterator[int]:
    for step in STEPS:
        if step < most:
            yield step
    yield most


def say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def filled(url: str, *, realms: int, revisions: int) -> Iterator[dict[str, Any]]:
    """Fill the store, and what was measured at each step."""
    stand = {"realms": 0, "revisions": 0}

    def fill(filler: Actor, first: int, last: int, counter: int) -> None:
        done = 0
        while first + done < last:
            done += filler.call(
                "fill", first=first + done, last=min(last, first + done + 5000), counter=counter
            )
            say(f"  {stand['realms']} realms, {stand['revisions'] + done} revisions")
        stand["revisions"] += done

    with Actor("bench.scale:Filler", url=url) as filler:
        for step in steps_to(realms):
            fill(filler, stand["realms"], step, 0)
            stand["realms"] = step
            yield {**stand, **measured(url, step)}
        counter = 0
        for step in steps_to(revisions):
            if step <= stand["revisions"]:
                continue
            while stand["revisions"] < step:
                counter += 1
                fill(filler, 0, min(realms, step - stand["revisions"]), counter)
            yield {**stand, **measured(url, realms)}


def copied(url: str, *, realms: int, revisions: int) -> Iterator[dict[str, Any]]:
    """As ``filled``, with as many revisions in every realm as there are in the first."""
    depth = max(1, revisions // realms)
    with realmconf.connect(url) as client:
        template = client.realm(name_of(0))
        for number in range(depth):
            template.set(documents.agent(counter=number))
    copying = Copying(url)
    done = 1
    for step in (step for step in steps_to(realms) if step >= min(COPIED_FROM, realms)):
        begun = time.monotonic()
        copying.copy(name_of(0), done, step, lambda made: say(f"  {made} realms"))
        done = step
        seconds = round(time.monotonic() - begun, 1)
        yield {
            "realms": step,
            "revisions": step * depth,
            "copied_s": seconds,
            **measured(url, step),
            "disk_mb": copying.megabytes(),
        }
    copying.close()


def watched(url: str, *, watchers: int, realms: int) -> Iterator[dict[str, Any]]:
    """How long commits take to reach ever more watchers."""
    watchers = min(watchers, realms)
    for count in (step for step in steps_to(watchers) if step >= WATCHER_PROCESSES):
        share = count // WATCHER_PROCESSES
        with ExitStack() as stack, realmconf.connect(url) as client:
            shared = client.realm(SHARED)
            shared.set({"n": 0})
            begun = time.monotonic()
            actors = [
                stack.enter_context(
                    Actor(
                        "bench.scale:Watchers",
                        url=url,
                        first=number * share,
                        last=(number + 1) * share,
                    )
                )
                for number in range(WATCHER_PROCESSES)
            ]
            ready = time.monotonic() - begun
            ones, lasts = [], []
            for number in range(WATCHED_COMMITS):
                actor = actors[number % WATCHER_PROCESSES]
                name = name_of((number % WATCHER_PROCESSES) * share + number % share)
                snapshot = client.realm(name).patch({"watched": time.monotonic_ns()})
                committed = time.monotonic()
                (heard,) = actor.call("heard", name=name, generation=snapshot.generation, count=1)
                ones.append(heard - committed)
            for number in range(1, 6):
                snapshot = shared.set({"n": number})
                committed = time.monotonic()
                arrived = [
                    actor.call("heard", name=SHARED, generation=snapshot.generation, count=share)
                    for actor in actors
                ]
                lasts.append(max(map(max, arrived)) - committed)
            yield {
                "watchers": share * WATCHER_PROCESSES,
                "processes": WATCHER_PROCESSES,
                "ready_s": round(ready, 2),
                "one": milliseconds(ones),
                "last": milliseconds(lasts),
                "megabytes_each_process": max(actor.call("spent")[1] for actor in actors),
                "busy": busy(client, actors, share * WATCHER_PROCESSES, realms),
                "load": load(),
            }


def busy(client: Any, actors: Sequence[Actor], first: int, last: int) -> dict[str, float]:
    """What watchers cost while somebody else writes: to realms that none of them watches, if there are such."""
    realm = client.realm(name_of(last - 1) if last > first else "watched-by-none")
    before = [actor.call("spent")[0] for actor in actors]
    begun = time.monotonic()
    writes = 0
    while time.monotonic() < begun + BUSY_SECONDS:
        realm.patch({"watched": writes})
        writes += 1
    seconds = time.monotonic() - begun
    spent = [actor.call("spent")[0] - one for actor, one in zip(actors, before, strict=True)]
    return {
        "writes_per_second": round(writes / seconds, 1),
        "cpu_ms_per_second_each_process": round(sum(spent) / len(spent) / seconds * 1000, 1),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("url", help="an empty store")
    parser.add_argument("--realms", type=int, default=100_000)
    parser.add_argument("--revisions", type=int, default=1_000_000)
    parser.add_argument("--watchers", type=int, default=10_000)
    parser.add_argument("--json", help="write the figures there, too")
    parser.add_argument("--copied", action="store_true", help="PostgreSQL makes all but the first")
    asked = parser.parse_args()
    found: dict[str, Any] = {"filled": [], "watched": []}

    def keep(kind: str, figures: dict[str, Any]) -> None:
        found[kind].append(figures)
        print(json.dumps(figures), flush=True)
        if asked.json:
            with open(asked.json, "w", encoding="utf-8") as file:
                json.dump(found, file, indent=1)

    fill = copied if asked.copied else filled
    for figures in fill(asked.url, realms=asked.realms, revisions=asked.revisions):
        keep("filled", figures)
    for figures in watched(asked.url, watchers=asked.watchers, realms=asked.realms):
        keep("watched", figures)


if __name__ == "__main__":
    main()
