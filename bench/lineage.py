"""
M21, M22, M25: reading what a realm at the end of a long chain inherits.

The chain is as long as one may be, 16 realms behind ``global``, and each of the 17 states a whole 2 KB document
of its own, so that every level of the fold has something to do.  Each also states its own level; a composition
that has not all of them, as they stand now, is wrong.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from contextlib import ExitStack
from functools import partial
from operator import attrgetter
from pathlib import Path
from time import perf_counter_ns
from typing import Any

from bench import documents, floors, ours
from bench.growth import populated
from bench.harness import Batch, Rounds, compete, each, looped
from bench.processes import Actor
from bench.results import Figure, Workplace, at_most
from realmconf.domain.composition import Composer

LONE = "lone"
"""A realm without anything to inherit: in a store of its own, since ``global`` is every other realm's root."""
ASIDE = "aside"
NAMES = ["global", *(f"level-{number:02}" for number in range(1, 17))]
"""Root first."""
DEPTH = len(NAMES)
LEAF = NAMES[-1]
VIEWS = ("composed", "config")
MEMBERS = {"direct parent": DEPTH - 2, "middle": DEPTH // 2, "root": 0}
"""Who is written to, by its place in the chain."""
GENERATIONS = 100
SLICES = 4


def level(number: int, *, counter: int = 0) -> dict[str, Any]:
    """What the realm at this place of the chain states: the 2 KB document, its own level, its parent."""
    document = documents.agent(counter=counter)
    document["levels"] = {NAMES[number]: counter}
    if number > 1:
        document["realm"] = {NAMES[number]: {"parent": NAMES[number - 1]}}
    return document


def write_chain(client: Any, *, counter: int = 0) -> None:
    """Write every realm of the chain, root first, in one transaction."""
    client.transaction(
        [(name, {"set": level(number, counter=counter)}) for number, name in enumerate(NAMES)]
    )


def check(composed: Any, *, levels: dict[str, int], counter: int) -> None:
    """That *composed* has what every member states, and the nearest one's where all do."""
    assert composed["levels"] == levels, composed["levels"]
    assert composed["counter"] == counter
    assert composed["agent"] == documents.AGENT["agent"]
    assert LEAF not in composed.get("realm", {}), "the section about itself never takes part"


class Relative:
    """An actor that commits to realms of a store, or populates a new one."""

    def __init__(self, root: str) -> None:
        self._client = ours.connect(Path(root), working_copies=False)

    def commit(self, realm: str, counter: int) -> int:
        """Change what *realm* states of its own level."""
        patch = {"levels": {realm: counter}}
        generation: int = self._client.realm(realm).patch(patch).generation
        return generation

    def chains(self, count: int) -> int:
        """Give every realm of the chain *count* generations."""
        for number in range(count):
            write_chain(self._client, counter=number)
        return count

    def close(self) -> None:
        self._client.close()


# --- M21: nothing changed ----------------------------------------------------------------


def measure_unchanged(place: Workplace) -> list[Figure]:
    """M21: a linearizable read of a realm that inherits from 16 others, none of which is written."""
    root = place.path("store")
    status = root / "stat"
    status.write_text("status", "utf-8")
    with ExitStack() as stack:
        client = stack.enter_context(ours.connect(root / "deep"))
        write_chain(client)
        deep = client.realm(LEAF)
        single = stack.enter_context(ours.connect(root / "lone"))
        single.realm(LONE).set(level(0))
        lone = single.realm(LONE)
        aside = {
            name: stack.enter_context(Actor("bench.lineage:Relative", root=str(root / name)))
            for name in ("deep", "lone")
        }
        counter = 0

        def after_commit_aside(realm: Any, name: str) -> Batch:
            """Another realm of the store was written: nothing of ours, but the store's word has moved."""
            nonlocal counter
            costs = []
            for _ in range(place.effort.count(100)):
                counter += 1
                aside[name].call("commit", realm=ASIDE, counter=counter)
                begun = perf_counter_ns()
                snapshot = realm.get()
                costs.append((perf_counter_ns() - begun) / 1000)
                assert snapshot.generation == 1
            return Batch(costs)

        def current(realm: Any) -> Any:
            def read() -> object:
                return realm.current

            return read

        count = place.effort.count(100_000)
        rounds = compete(
            {
                "get": partial(looped, deep.get, count),
                "lone get": partial(looped, lone.get, count),
                "current": partial(looped, current(deep), count),
                "lone current": partial(looped, current(lone), count),
                "stat": partial(
                    looped, floors.asking_for_status(status), place.effort.count(20_000)
                ),
                "aside": partial(after_commit_aside, deep, "deep"),
                "lone aside": partial(after_commit_aside, lone, "lone"),
            },
            rounds=place.effort.rounds,
        )
        check(deep.current, levels=dict.fromkeys(NAMES, 0), counter=0)
        # Checked fresh: a change of the root through another handle shows at the very next read.
        other = stack.enter_context(ours.connect(root / "deep"))
        other.realm("global").patch({"levels": {"global": 7}})
        assert deep.get().composed["levels"]["global"] == deep.current["levels"]["global"] == 7
    figures = []
    for name in ("get", "current"):
        figures += [
            Figure(
                "M21", f"{name}, unchanged, 16 deep / lone realm's",
                rounds.ratio(name, f"lone {name}"), "x", at_most(4),
                f"{rounds.cost(name) * 1000:.0f} ns, {rounds.cost(f'lone {name}') * 1000:.0f} ns",
            ),
            Figure(
                "M21", f"{name}, unchanged, 16 deep / os.stat", rounds.ratio(name, "stat"), "x",
                at_most(0.5), f"os.stat {rounds.cost('stat') * 1000:.0f} ns",
            ),
        ]  # fmt: skip
    figures.append(
        Figure(
            "M21", "get just after a commit to another realm, 16 deep / lone realm's",
            rounds.ratio("aside", "lone aside"), "x", None,
            f"{rounds.cost('aside'):.1f} µs, {rounds.cost('lone aside'):.1f} µs",
        )
    )  # fmt: skip
    return figures


# --- M22: somebody in the chain was written -----------------------------------------------


def measure_rebuilt(place: Workplace) -> list[Figure]:
    """M22: the first read after another process's commit to a realm of the chain."""
    figures = []
    for copies, label in ((True, ""), (False, ", no working copies")):
        rounds = rebuilding(place, working_copies=copies)
        figures += [
            Figure(
                "M22", f"get().{view} after a commit to the {who}{label} / a lone realm's",
                rounds.ratio(f"{who} {view}", f"lone {view}"), "x", at_most(5),
                f"{rounds.cost(f'{who} {view}'):.0f} µs, {rounds.cost(f'lone {view}'):.0f} µs",
            )
            for view in VIEWS
            for who in MEMBERS
        ]  # fmt: skip
    return figures


def rebuilding(place: Workplace, *, working_copies: bool) -> Rounds:
    """First reads of the end of a chain and of a lone realm, each after a commit of another process."""
    root = place.path("with" if working_copies else "without")
    count = place.effort.count(60) // SLICES
    with ExitStack() as stack:
        realms: dict[str, Any] = {}
        relatives: dict[str, Actor] = {}
        for name, read in (("deep", LEAF), ("lone", LONE)):
            client = stack.enter_context(ours.connect(root / name, working_copies=working_copies))
            realms[name] = client.realm(read)
            if name == "deep":
                write_chain(client)
            else:
                realms[name].set(level(0))
            relatives[name] = stack.enter_context(
                Actor("bench.lineage:Relative", root=str(root / name))
            )
        levels = dict.fromkeys(NAMES, 0)
        counter = 0

        def rebuilt(store: str, written: str, view: str) -> Batch:
            nonlocal counter
            costs = []
            wanted = attrgetter(view)
            for _ in range(count):
                counter += 1
                levels[written] = counter
                relatives[store].call("commit", realm=written, counter=counter)
                begun = perf_counter_ns()
                found = wanted(realms[store].get())
                costs.append((perf_counter_ns() - begun) / 1000)
                # An acknowledged write to any member is in the next composition.
                assert found["levels"][written] == counter
            return Batch(costs)

        contestants = {}
        for view in VIEWS:
            contestants[f"lone {view}"] = partial(rebuilt, "lone", LONE, view)
            for who, number in MEMBERS.items():
                contestants[f"{who} {view}"] = partial(rebuilt, "deep", NAMES[number], view)
        rounds = compete(contestants, rounds=place.effort.rounds, slices=SLICES)
        del levels[LONE]
        check(realms["deep"].get().composed, levels=levels, counter=0)
    return rounds


# --- M25: the fold, and explaining it -------------------------------------------------------


def measure_composition(place: Workplace) -> list[Figure]:
    """M25: the fold in memory, against decoding one of its documents; and who gave one value, and when."""
    root = populated(place.folder / "chain", "chains", GENERATIONS, target="bench.lineage:Relative")
    texts = [
        documents.as_json(level(number, counter=counter))
        for number in range(DEPTH)
        for counter in range(GENERATIONS)
    ]
    with ours.connect(root, working_copies=False) as client:
        leaf = client.realm(LEAF)
        point = leaf.get().point
        assert len(point.heads) == DEPTH
        newest = GENERATIONS - 1

        def composed_anew() -> Any:
            return Composer(client.lineages.schema).compose(point.heads, point.names).config

        check(composed_anew(), levels=dict.fromkeys(NAMES, newest), counter=newest)
        last, never = leaf.explain("counter"), leaf.explain("agent.model")
        assert (last.realm, last.generation) == (LEAF, GENERATIONS)
        assert (never.realm, never.generation) == (LEAF, 1)
        assert len(last.shadowed) == len(never.shadowed) == DEPTH - 1
        select = floors.selecting_all(place.path("floor") / "floor.db", texts)

        def decoded() -> Sequence[Any]:
            found = [json.loads(text) for text in select()]
            assert len(found) == len(texts)
            return found

        count = place.effort.count(10, least=2)
        rounds = compete(
            {
                "fold": partial(each, composed_anew, count * 20),
                "decode": partial(each, partial(json.loads, texts[-1]), count * 50),
                "changed last": partial(each, partial(leaf.explain, "counter"), count),
                "never changed": partial(each, partial(leaf.explain, "agent.model"), count),
                "histories": partial(each, decoded, count),
            },
            rounds=place.effort.rounds,
        )
    fold = rounds.ratio("fold", "decode").divided_by(DEPTH)
    histories = f"{rounds.cost('histories') / 1000:.1f} ms"
    label = f"{DEPTH} realms of {GENERATIONS} generations"
    return [
        Figure(
            "M25", "composing 2 KB documents, each level / json.loads of one", fold, "x", None,
            f"{rounds.cost('fold') / DEPTH:.1f} µs, {rounds.cost('decode'):.1f} µs",
        ),
        Figure(
            "M25", f"explain of a value all changed last, {label} / SELECT, json.loads of all",
            rounds.ratio("changed last", "histories"), "x", None,
            f"{rounds.cost('changed last') / 1000:.1f} ms, {histories}",
        ),
        Figure(
            "M25", f"explain of a value none ever changed, {label} / SELECT, json.loads of all",
            rounds.ratio("never changed", "histories"), "x", None,
            f"{rounds.cost('never changed') / 1000:.1f} ms, {histories}",
        ),
    ]  # fmt: skip
