"""
M6, M20: ``config.toml``, from a commit to the file and from a hand edit to a read.
"""

from __future__ import annotations

import re
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from time import monotonic, perf_counter_ns, sleep
from typing import Any

from bench import documents, floors, ours
from bench.harness import Batch, Spread, by_p99, compete, each, looped
from bench.peers import libraries
from bench.results import Figure, Workplace, at_most

REALM = "edited"
LOOK_SECONDS = 0.0005
YIELD_SECONDS = 0.0001
VISIBLE_SECONDS = 5.0

GENERATION = re.compile(r"generation (\d+)")
COUNTER = re.compile(r"^counter = (\d+)$", re.MULTILINE)


def shown_generation(path: Path) -> int:
    """The generation that the file's first line names; 0 while there is none."""
    try:
        with path.open(encoding="utf-8") as file:
            found = GENERATION.search(file.readline())
    except FileNotFoundError:
        return 0
    return int(found[1]) if found else 0


def wait_for_file(path: Path, generation: int) -> None:
    """Look until the file shows *generation*."""
    deadline = monotonic() + VISIBLE_SECONDS
    while shown_generation(path) != generation:
        if monotonic() > deadline:
            raise AssertionError(f"the file never showed generation {generation}")
        sleep(LOOK_SECONDS)


def edit(path: Path, counter: int) -> None:
    """Save the file with another counter, as an editor that writes in place does."""
    text = path.read_text("utf-8")
    changed, count = COUNTER.subn(f"counter = {counter}", text)
    assert count == 1
    path.write_text(changed, "utf-8")


def measure_projection(place: Workplace) -> list[Figure]:
    """M6: when the file shows a commit, and what making it costs."""
    root = place.path("store")
    content = documents.as_toml(documents.agent()).encode()
    with ExitStack() as stack:
        client = stack.enter_context(ours.connect(root / "realms"))
        realm = client.realm(REALM)
        generation = realm.set(documents.agent()).generation
        path = root / "realms" / REALM / "config.toml"
        wait_for_file(path, generation)
        counter = 0

        def commit() -> int:
            nonlocal counter
            counter += 1
            made: int = realm.patch({"counter": counter}).generation
            return made

        def visible(count: int) -> Batch:
            costs = []
            for _ in range(count):
                made = commit()
                begun = perf_counter_ns()
                wait_for_file(path, made)
                costs.append((perf_counter_ns() - begun) / 1000)
            assert COUNTER.search(path.read_text("utf-8"))
            return Batch(costs)

        def published(count: int) -> Batch:
            costs = []
            for _ in range(count):
                made = commit()
                begun = perf_counter_ns()
                ours.publish(client, REALM)
                costs.append((perf_counter_ns() - begun) / 1000)
                assert shown_generation(path) == made
            return Batch(costs)

        replace = floors.replacing(root / "file", content)
        rounds = compete(
            {
                "visible": partial(visible, place.effort.count(4, least=2)),
                "publish": partial(published, place.effort.count(8, least=4)),
                "replace": partial(each, replace, place.effort.count(12, least=4)),
            },
            rounds=place.effort.rounds,
            slices=5,
        )
    visible_spread = Spread.of([by_p99(batch) / 1000 for batch in rounds.batches["visible"]])
    return [
        Figure(
            "M6", "commit acknowledged to config.toml on disk, worst of a round", visible_spread,
            "ms", at_most(50), f"median {rounds.cost('visible') / 1000:.0f} ms",
        ),
        Figure(
            "M6", "render and exchange config.toml / write, fsync, rename",
            rounds.ratio("publish", "replace"), "x", at_most(0.25),
            f"{rounds.cost('publish'):.0f} µs, rename {rounds.cost('replace'):.0f} µs",
        ),
    ]  # fmt: skip


def measure_hand_edit(place: Workplace) -> list[Figure]:
    """M20: the first read after a hand edit, against dynaconf's reload; and the check when there was none."""
    root = place.path("store")
    count = place.effort.count(4, least=2)
    with ExitStack() as stack:
        client = stack.enter_context(ours.connect(root / "realms"))
        realm = client.realm(REALM)
        realm.set(documents.agent())
        path = root / "realms" / REALM / "config.toml"
        peer_path = root / "peer.toml"
        peer_path.write_text(documents.as_toml(documents.agent()), "utf-8")
        settings = libraries.dynaconf(peer_path)
        assert settings.COUNTER == 0
        counter = 0

        def adopt() -> Batch:
            nonlocal counter
            costs = []
            for _ in range(count):
                counter += 1
                before = realm.get().generation
                wait_for_file(path, before)
                edit(path, counter)
                begun = perf_counter_ns()
                snapshot = read_until(realm, counter)
                costs.append((perf_counter_ns() - begun) / 1000)
                assert snapshot.generation == before + 1, "an edit is one revision"
            return Batch(costs)

        def reload() -> Batch:
            nonlocal counter
            costs = []
            for _ in range(count * 2):
                counter += 1
                edit(peer_path, counter)
                begun = perf_counter_ns()
                settings.reload()
                seen: Any = settings.COUNTER
                costs.append((perf_counter_ns() - begun) / 1000)
                assert seen == counter
            return Batch(costs)

        rounds = compete(
            {
                "adopt": adopt,
                "reload": reload,
                "unchanged": partial(looped, realm.get, place.effort.count(20_000)),
                "stat": partial(
                    looped, floors.asking_for_status(peer_path), place.effort.count(5_000)
                ),
            },
            rounds=place.effort.rounds,
            slices=4,
        )
    return [
        Figure(
            "M20", "hand edit to the read that has it, committed / dynaconf.reload",
            rounds.ratio("adopt", "reload"), "x", at_most(0.6),
            f"{rounds.cost('adopt') / 1000:.2f} ms, dynaconf {rounds.cost('reload') / 1000:.2f} ms",
        ),
        Figure(
            "M20", "check of an unchanged file / os.stat", rounds.ratio("unchanged", "stat"), "x",
            at_most(2),
        ),
    ]  # fmt: skip


def read_until(realm: Any, counter: int) -> Any:
    """Read until the edit is there: the first read after the save, unless the file counts as unfinished."""
    deadline = monotonic() + VISIBLE_SECONDS
    while True:
        snapshot = realm.get()
        if snapshot.document["counter"] == counter:
            return snapshot
        if monotonic() > deadline:
            raise AssertionError("the hand edit was never adopted")
        # A reader that spins would keep the interpreter from the thread that is told of the edit.
        sleep(YIELD_SECONDS)
