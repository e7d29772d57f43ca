"""Composition and provenance of random lineages over random histories, against a replay of what was written."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.property.test_composition import replay

from realmconf.domain.diff import leaves
from realmconf.domain.document import ABSENT, same
from realmconf.domain.frozen import thaw
from realmconf.domain.pointer import Pointer
from realmconf.errors import ParentNotFound, RealmconfError
from realmconf.runtime.client import connect

NAMES = ("global", "org", "team", "unit")
KEYS = st.sampled_from("abc")
VALUES = st.recursive(
    st.one_of(st.integers(0, 2), st.just("x"), st.just([1])),
    lambda inner: st.dictionaries(KEYS, inner, max_size=2),
    max_leaves=4,
)
DOCUMENTS = st.dictionaries(KEYS, VALUES, max_size=3)
PATCHES = st.dictionaries(KEYS, st.one_of(st.none(), VALUES), min_size=1, max_size=2)
PATHS = st.lists(KEYS, min_size=1, max_size=2).map(Pointer)
REALMS = st.sampled_from(NAMES)
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("set"), REALMS, DOCUMENTS),
        st.tuples(st.just("patch"), REALMS, PATCHES),
        st.tuples(st.just("rebase"), REALMS, PATCHES),
        st.tuples(st.just("parent"), REALMS, st.one_of(st.none(), REALMS)),
        st.tuples(st.just("mask"), REALMS, st.lists(PATHS, max_size=2)),
        st.tuples(st.just("rollback"), REALMS, st.integers(1, 4)),
        st.tuples(st.just("delete"), REALMS, st.none()),
        st.tuples(st.just("rename"), REALMS, st.sampled_from(["corp", "crew"])),
        st.tuples(st.just("model"), REALMS, PATCHES),
    ),
    min_size=3,
    max_size=14,
)


class World:
    """The realms as the replay knows them: every document that each ever had, by generation."""

    def __init__(self, client: Any) -> None:
        self.client = client
        self.histories: dict[str, dict[int, dict | None]] = {}

    def step(self, kind: str, name: str, argument: Any) -> None:
        """Do one thing; what is refused changes nothing."""
        realm = self.client.realm(name)
        try:
            if kind == "set":
                document = dict(argument)
                own = realm.get().document
                if own is not None and "realm" in own:
                    document["realm"] = thaw(own["realm"])
                result = realm.set(document)
            elif kind == "patch":
                result = realm.patch(argument)
            elif kind == "rebase":
                stale = max(realm.get().generation - 1, 0)
                result = realm.patch(argument, expected_generation=stale, on_conflict="rebase")
            elif kind == "parent":
                result = realm.set_parent(argument)
            elif kind == "mask":
                masks = [str(path) for path in argument]
                result = realm.set_value(Pointer(("realm", name, "unset")), masks)
            elif kind == "rollback":
                result = realm.rollback(to=argument)
            elif kind == "delete":
                result = realm.delete()
            elif kind == "rename":
                result = self.rename(name, argument)
            else:
                result = self.write_back(realm, argument)
        except RealmconfError:
            return
        self.note(result)

    def rename(self, name: str, new: str) -> Any:
        result = self.client.rename(name, new)
        self.histories[new] = self.histories.pop(name)
        self.histories[name] = {result.generation: None}
        return result

    def write_back(self, realm: Any, changes: dict) -> Any:
        """Write the whole composed configuration with some values changed, after its parents went on."""
        snapshot = realm.get()
        wanted = thaw(snapshot.config)
        for key, value in changes.items():
            if value is not None:
                wanted[key] = value
        parent = self.client.realm(realm.parent or "global")
        if parent.realm_id != realm.realm_id and parent.get().exists:
            self.note(parent.set_value("meanwhile", parent.get().generation))
        before = realm.get()
        result = realm.set(wanted, base=snapshot)
        stated = {pointer for pointer, _ in leaves(result.document or {})}
        had = {pointer for pointer, _ in leaves(before.document or {})}
        for pointer in stated - had:
            # Nothing is stated anew but what was changed.
            assert pointer[0] in changes
        return result

    def note(self, result: Any) -> None:
        document = None if result.document is None else thaw(result.document)
        self.histories.setdefault(str(result.realm_id), {})[result.generation] = document

    # --- what should be -----------------------------------------------------------------

    def document(self, name: str) -> dict | None:
        history = self.histories.get(name)
        return history[max(history)] if history else None

    def chain(self, name: str) -> list[tuple[str, dict, None]] | None:
        """The lineage root first; None where a parent is missing."""
        chain: list[tuple[str, dict, None]] = []
        current: str | None = name
        while current is not None and current != "global":
            document = self.document(current)
            if document is None and chain:
                return None
            chain.append((current, document or {}, None))
            current = (document or {}).get("realm", {}).get(current, {}).get("parent")
        if name == "global" or self.document("global") is not None:
            chain.append(("global", self.document("global") or {}, None))
        return chain[::-1]

    def since(self, name: str, pointer: Pointer) -> int:
        """The generation that gave a realm's own document the value it has at a place."""
        history = self.histories[name]
        numbers = sorted(history, reverse=True)
        newest = numbers[0]
        for number in numbers[1:]:
            if not same(at(history[number], pointer), at(history[newest], pointer)):
                return newest
            newest = number
        return newest


def at(document: dict | None, pointer: Pointer) -> Any:
    return ABSENT if document is None else pointer.resolve(document)


def check(world: World) -> None:
    for name in world.histories:
        chain = world.chain(name)
        realm = world.client.realm(name)
        if chain is None:
            with pytest.raises(ParentNotFound):
                realm.get().config  # noqa: B018
            continue
        snapshot = realm.get()
        expected = replay(chain)
        found = dict(leaves(snapshot.composed)) if snapshot.composed else {}
        assert found.keys() == expected.keys()
        for pointer, value in found.items():
            assert same(value, expected[pointer])
            check_origin(world, realm, chain, pointer, value)


def check_origin(world: World, realm: Any, chain: Any, pointer: Pointer, value: Any) -> None:
    found = realm.explain(pointer)
    assert same(found.value, value)
    stating = [
        name
        for name, document, _ in reversed(chain)
        if pointer.resolve({k: v for k, v in document.items() if k != "realm"}) is not ABSENT
    ]
    if found.realm is None:
        assert value == {}
        return
    assert found.realm == stating[0]
    assert found.generation == world.since(stating[0], pointer)
    if value != {}:
        assert [one.realm for one in found.shadowed] == stating[1:]
        for one in found.shadowed:
            assert one.generation == world.since(one.realm, pointer)


@settings(max_examples=150, deadline=None)
@given(STEPS)
def test_composition_and_provenance_equal_a_replay(steps) -> None:
    """
    G9, G10: after any history of writes, rollbacks, deletes, renames, masks and new parents, every leaf has the value
    and the origin, realm and generation, that a root-first replay gives; a model written back states what it changed.
    """
    with connect("memory://", author="t") as client:
        world = World(client)
        for name in NAMES:
            world.note(client.realm(name).set({"a": {"b": 1}}))
        for kind, name, argument in steps:
            world.step(kind, name, argument)
        check(world)
