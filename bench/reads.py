"""
M1, M2, M3: what a read costs, when nothing changed and just after somebody's commit.

Every read of ours is checked fresh; those of the libraries beside it are not.
"""

from __future__ import annotations

import json
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from threading import Event, Thread
from time import perf_counter_ns
from typing import Any

from bench import documents, floors, ours
from bench.harness import Batch, compete, each, looped
from bench.peers import libraries
from bench.peers.original import IN_TIME, LATE, Original
from bench.processes import Actor
from bench.results import Figure, Workplace, at_most

REALM = "read"
MODEL = documents.AGENT["agent"]["model"]


class Neighbour:
    """An actor that commits: to the realm that is read when asked, or to others all the time."""

    def __init__(self, root: str) -> None:
        self._client = ours.connect(Path(root))
        self._realm = self._client.realm(REALM)
        self._ended = Event()
        self._thread: Thread | None = None

    def commit(self, counter: int) -> int:
        """Write the realm that is read; return its new generation."""
        generation: int = self._realm.patch({"counter": counter}).generation
        return generation

    def write_others(self) -> None:
        """Write other realms, about a hundred commits a second, until told to stop."""
        self._thread = Thread(target=self._write_others)
        self._thread.start()

    def _write_others(self) -> None:
        realms = [self._client.realm(f"other-{number}") for number in range(8)]
        counter = 0
        while not self._ended.wait(0.01):
            counter += 1
            realms[counter % len(realms)].set({"counter": counter})

    def stop(self) -> int:
        """Stop, and say how many generations the others have."""
        self._ended.set()
        assert self._thread is not None
        self._thread.join()
        return sum(self._client.realm(f"other-{number}").get().generation for number in range(8))

    def close(self) -> None:
        self._client.close()


def measure_attribute(place: Workplace) -> list[Figure]:
    """M1: ``realm.current.agent.model``, against one mapped word read inside a function."""
    from bench.models import Settings, SlottedSettings

    root = place.path("store")
    toml = root / "agent.toml"
    toml.write_text(documents.as_toml(documents.AGENT), "utf-8")
    word = floors.reading_a_mapped_word(root / "word")
    with ours.connect(root / "realms") as client:
        client.realm(REALM).set(documents.agent())
        pydantic_realm = client.realm(REALM, schema=Settings)
        slotted_realm = client.realm(REALM, schema=SlottedSettings)
        dynaconf = libraries.dynaconf(toml)
        omegaconf = libraries.omegaconf(documents.AGENT)
        settings = libraries.pydantic_settings(toml)

        def pydantic_leaf() -> object:
            return pydantic_realm.current.agent.model

        def slotted_leaf() -> object:
            return slotted_realm.current.agent.model

        def dynaconf_leaf() -> object:
            return dynaconf.AGENT.model

        def omegaconf_leaf() -> object:
            return omegaconf.agent.model

        def settings_leaf() -> object:
            return settings.agent.model

        readers = {
            "pydantic": pydantic_leaf,
            "slotted": slotted_leaf,
            "dynaconf": dynaconf_leaf,
            "omegaconf": omegaconf_leaf,
            "pydantic-settings": settings_leaf,
        }
        for name, reader in readers.items():
            assert reader() == MODEL, name
        count = place.effort.count(100_000)
        contestants = {name: partial(looped, reader, count) for name, reader in readers.items()}
        contestants["omegaconf"] = partial(looped, omegaconf_leaf, count // 10)
        contestants["dynaconf"] = partial(looped, dynaconf_leaf, count // 10)
        contestants["word"] = partial(looped, word, count)
        rounds = compete(contestants, rounds=place.effort.rounds)
        # Checked fresh: a change through another handle shows at the very next read.
        client.realm(REALM).patch({"agent": {"model": "another"}})
        assert pydantic_leaf() == slotted_leaf() == "another"
        assert settings_leaf() == MODEL, "the library is not expected to notice"
    detail = {name: f"{rounds.cost(name) * 1000:.0f} ns" for name in contestants}
    return [
        Figure(
            "M1", "realm.current.a.b, slotted / mapped word", rounds.ratio("slotted", "word"), "x",
            at_most(2.5), f"{detail['slotted']}, word {detail['word']}",
        ),
        Figure(
            "M1", "realm.current.a.b, pydantic / mapped word", rounds.ratio("pydantic", "word"),
            "x", at_most(4), detail["pydantic"],
        ),
        Figure(
            "M1", "realm.current.a.b, pydantic / dynaconf", rounds.ratio("pydantic", "dynaconf"),
            "x", at_most(1 / 15), f"dynaconf {detail['dynaconf']}, never fresh",
        ),
        Figure(
            "M1", "realm.current.a.b, pydantic / OmegaConf", rounds.ratio("pydantic", "omegaconf"),
            "x", at_most(1 / 100), f"OmegaConf {detail['omegaconf']}, never fresh",
        ),
        Figure(
            "M1", "realm.current.a.b, pydantic / pydantic-settings",
            rounds.ratio("pydantic", "pydantic-settings"), "x", None,
            f"pydantic-settings {detail['pydantic-settings']}, never fresh",
        ),
    ]  # fmt: skip


def measure_unchanged(place: Workplace) -> list[Figure]:
    """M2: a linearizable get of a realm nobody writes, while another process writes others."""
    root = place.path("store")
    text = documents.as_toml(documents.agent())
    status = root / "stat"
    status.write_text(text, "utf-8")
    with ExitStack() as stack:
        client = stack.enter_context(ours.connect(root / "realms"))
        realm = client.realm(REALM)
        realm.set(documents.agent())
        contestants = {
            "get": partial(looped, realm.get, place.effort.count(100_000)),
            "stat": partial(looped, floors.asking_for_status(status), place.effort.count(20_000)),
        }
        for name, unlinks, count in (("late", LATE, 12), ("in time", IN_TIME, 60)):
            peer = Original(place.path(f"original-{unlinks}"), unlinks=unlinks)
            stack.callback(peer.close)
            peer.set(text)
            contestants[name] = partial(each, peer.get, place.effort.count(count))
        neighbour = stack.enter_context(Actor("bench.reads:Neighbour", root=str(root / "realms")))
        neighbour.call("write_others")
        rounds = compete(contestants, rounds=place.effort.rounds)
        assert neighbour.call("stop") > 0
        assert realm.get().generation == 1
    return [
        Figure(
            "M2", "get, unchanged / os.stat", rounds.ratio("get", "stat"), "x", at_most(0.15),
            f"{rounds.cost('get') * 1000:.0f} ns, os.stat {rounds.cost('stat') * 1000:.0f} ns",
        ),
        Figure(
            "M2", "get, unchanged / original's get, its lock unlinked in time",
            rounds.ratio("get", "in time"), "x", at_most(0.001),
            f"original {rounds.cost('in time') / 1000:.2f} ms",
        ),
        Figure(
            "M2", "get, unchanged / original's get, its lock unlinked late",
            rounds.ratio("get", "late"), "x", at_most(0.001),
            f"original {rounds.cost('late') / 1000:.2f} ms",
        ),
    ]  # fmt: skip


def measure_foreign_commit(place: Workplace) -> list[Figure]:
    """M3: the first read after another process's commit, against a SELECT in the same place."""
    root = place.path("store")
    text = documents.as_json(documents.agent())
    database = root / "floor.db"
    count = place.effort.count(200)
    with ExitStack() as stack:
        client = stack.enter_context(ours.connect(root / "realms"))
        realm = client.realm(REALM)
        realm.set(documents.agent())
        select = floors.selecting(database, text)
        neighbour = stack.enter_context(Actor("bench.reads:Neighbour", root=str(root / "realms")))
        row_writer = stack.enter_context(
            Actor("bench.floors:RowWriter", path=str(database), document=text)
        )
        counter = 0

        def ours_after_commit() -> Batch:
            nonlocal counter
            costs = []
            for _ in range(count):
                counter += 1
                generation = neighbour.call("commit", counter=counter)
                begun = perf_counter_ns()
                snapshot = realm.get()
                costs.append((perf_counter_ns() - begun) / 1000)
                # Linearizable: an acknowledged write is seen by the next get, and whole.
                assert snapshot.generation == generation
                assert snapshot.document["counter"] == counter
            return Batch(costs)

        def select_after_commit() -> Batch:
            costs = []
            for _ in range(count):
                row_writer.call("commit")
                begun = perf_counter_ns()
                select()
                costs.append((perf_counter_ns() - begun) / 1000)
            return Batch(costs)

        def select_and_decode() -> Any:
            return json.loads(str(select()))

        rounds = compete(
            {
                "get": ours_after_commit,
                "select": select_after_commit,
                "warm": partial(each, select, count * 5),
                "warm, decoded": partial(each, select_and_decode, count * 5),
            },
            rounds=place.effort.rounds,
        )
    return [
        Figure(
            "M3", "get just after a foreign commit / SELECT just after one",
            rounds.ratio("get", "select"), "x", at_most(4),
            f"{rounds.cost('get'):.0f} µs, SELECT {rounds.cost('select'):.1f} µs",
        ),
        Figure(
            "M3", "get just after a foreign commit / SELECT repeated, nothing changed",
            rounds.ratio("get", "warm"), "x", None,
            f"SELECT {rounds.cost('warm'):.1f} µs, with json.loads "
            f"{rounds.cost('warm, decoded'):.1f} µs",
        ),
    ]  # fmt: skip
