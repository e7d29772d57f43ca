"""
M24: what an attached schema adds to a write, against the validator's own time.

Measured in the store in memory: microseconds more or less would not be seen beside a disk's sync.  The
validator, compiled before, is asked about the same configuration, the composed one, and as rarely as by writes:
in a loop of its own it would find everything in the processor's caches, where a write never does.
"""

from __future__ import annotations

from contextlib import ExitStack
from functools import partial
from itertools import count
from time import perf_counter_ns
from typing import Any

import jsonschema_rs

import realmconf
from bench import documents, ours
from bench.harness import Batch, Operation, Rounds, compete, each, looped
from bench.lineage import DEPTH, LEAF, NAMES, level, write_chain
from bench.results import Figure, Workplace, at_most
from realmconf.domain.frozen import thaw

LONE = "lone"
LEVELS = dict.fromkeys(NAMES, 0)
SLICES = 2
DURABLE_SLICES = 10
"""More, where a disk is waited for."""
PLACES = {
    "lone": "schema, lone realm",
    "deep": "schema of the root, 16 deep",
    "own": "schema of its own, 16 deep",
}


def measure(place: Workplace) -> list[Figure]:
    """M24: writes of the 2 KB document with and without a schema, alone and at the end of a long chain."""
    from bench.models import Settings

    figures: list[Figure] = []
    closed_schema = closed({**documents.agent(), "levels": LEVELS})
    for name, schema in (("pydantic's", Settings), ("a closed", closed_schema)):
        rounds = contest(place, schema)
        for kind, where in PLACES.items():
            figures.append(
                Figure(
                    "M24", f"added to a write by {name} {where} / is_valid",
                    rounds.ratio(f"{kind}, added", f"{kind}, validator"), "x", at_most(1.2),
                    f"{rounds.cost(f'{kind}, added'):.1f} µs, "
                    f"is_valid {rounds.cost(f'{kind}, validator'):.1f} µs, "
                    f"{rounds.cost(f'{kind}, warm'):.1f} µs in a loop; "
                    f"the write without {rounds.cost(kind):.0f} µs",
                )
            )  # fmt: skip
    return [*figures, durable(place, closed_schema)]


def contest(place: Workplace, schema: Any) -> Rounds:
    """In each place: what a write under the schema takes longer than one without, and the validator alone."""
    size = place.effort.count(200) // SLICES
    contestants = {}
    governed = []
    with ExitStack() as stack:
        for kind in PLACES:
            plain = Governed(stack.enter_context(realmconf.connect("memory://")), kind)
            under = Governed(stack.enter_context(realmconf.connect("memory://")), kind)
            validator = under.attach(schema)
            contestants[kind] = partial(plain.batch, size)
            contestants[f"{kind}, added"] = partial(differences, under, plain, size)
            contestants[f"{kind}, validator"] = partial(between_writes, validator, plain, size)
            contestants[f"{kind}, warm"] = partial(looped, validator, size * 20)
            governed += [plain, under]
        rounds = compete(contestants, rounds=place.effort.rounds, slices=SLICES)
        for one in governed:
            one.check()
    return rounds


def differences(under: Governed, plain: Governed, size: int) -> Batch:
    """
    How much longer each write of *under* takes than one of *plain* right beside it.

    Of two figures a tenth apart, taken even milliseconds apart, the difference would be the machine's.
    """
    under.forget()
    plain.forget()
    costs = []
    for number in range(size):
        first, second = (under, plain) if number % 2 else (plain, under)
        begun = perf_counter_ns()
        first.write()
        between = perf_counter_ns()
        second.write()
        longer = (perf_counter_ns() - between) - (between - begun)
        costs.append((longer if second is under else -longer) / 1000)
    return Batch(costs)


def between_writes(validator: Operation, plain: Governed, size: int) -> Batch:
    """The validator as a write meets it: once, after everything else that a write does has used the caches."""
    plain.forget()
    costs = []
    for _ in range(size):
        plain.write()
        begun = perf_counter_ns()
        validator()
        costs.append((perf_counter_ns() - begun) / 1000)
    return Batch(costs)


class Governed:
    """One realm, alone or at the end of a chain, that is written as fast as it can be."""

    def __init__(self, client: Any, kind: str) -> None:
        self._client = client
        if kind != "lone":
            write_chain(client)
        self._realm = client.realm(LONE if kind == "lone" else LEAF)
        self._owner = client.realm(NAMES[1]) if kind == "deep" else self._realm
        self._stated = level(DEPTH - 1) if kind != "lone" else documents.agent()
        self._stated["levels"] = LEVELS
        self._numbers = count(1)
        self._attached = False
        self.write()

    def attach(self, schema: Any) -> Operation:
        """Put the realm under *schema*; gives the question to the library alone."""
        self._owner.set_schema(schema, patch={"levels": LEVELS})
        self._attached = True
        compiled = jsonschema_rs.Draft202012Validator(
            thaw(self._owner.schema), validate_formats=True
        )
        config = self._composed()
        assert compiled.is_valid(config)
        assert not compiled.is_valid({**config, "counter": "many"})
        return partial(compiled.is_valid, config)

    def batch(self, size: int) -> Batch:
        self.forget()
        return each(self.write, size)

    def forget(self) -> None:
        """Drop the history: what is kept in memory is walked by the collector before every batch."""
        if not self._client.store.paths(self._realm.realm_id):
            self._client.compact(keep=1)

    def check(self) -> None:
        """Nothing that was acknowledged is lost, and the schema, if there is one, is in force."""
        assert self._composed()["counter"] == next(self._numbers) - 1
        try:
            self._realm.set({**self._stated, "counter": "many"}, dry_run=True)
        except realmconf.SchemaViolation:
            assert self._attached
        else:
            assert not self._attached

    def write(self) -> None:
        self._realm.set({**self._stated, "counter": next(self._numbers)})

    def _composed(self) -> Any:
        return self._realm.get().composed


def durable(place: Workplace, schema: Any) -> Figure:
    """What a schema adds to a durable write, over the whole of that."""
    size = place.effort.count(200) // DURABLE_SLICES
    with ExitStack() as stack:
        plain, under = (
            Governed(
                stack.enter_context(ours.connect(place.path(name), working_copies=False)), "lone"
            )
            for name in ("plain", "under")
        )
        under.attach(schema)
        rounds = compete(
            {
                "plain": partial(plain.batch, size),
                "added": partial(differences, under, plain, size),
            },
            rounds=place.effort.rounds,
            slices=DURABLE_SLICES,
        )
        plain.check()
        under.check()
    return Figure(
        "M24", "added to a durable write by a closed schema, lone realm / that write",
        rounds.ratio("added", "plain"), "x", None,
        f"{rounds.cost('added'):.0f} µs, {rounds.cost('plain'):.0f} µs",
    )  # fmt: skip


def closed(value: Any) -> dict[str, Any]:
    """A schema in which everything is stated: no member may be missing or unknown, and each is bounded."""
    if isinstance(value, dict):
        members = {key: closed(item) for key, item in value.items()}
        return {
            "type": "object",
            "properties": members,
            "required": sorted(members),
            "additionalProperties": False,
        }
    if isinstance(value, list):
        return {"type": "array", "items": {"anyOf": [closed(item) for item in value]}}
    if isinstance(value, bool):
        return {"type": "boolean"}
    if isinstance(value, str):
        return {"type": "string", "pattern": "^[ -~]+$", "maxLength": 200}
    return {"type": "number", "minimum": 0, "maximum": 1_000_000_000}
