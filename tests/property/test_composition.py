"""Laws of composition, provenance and their inverse, against replays that know nothing of how they are made."""

from __future__ import annotations

from itertools import zip_longest

import pytest
from hypothesis import given
from hypothesis import strategies as st

from realmconf.domain.composition import Composed, Composer
from realmconf.domain.diff import changes, leaves
from realmconf.domain.document import ABSENT, same
from realmconf.domain.edit import edited
from realmconf.domain.inverse import edit_to
from realmconf.domain.lineage import resolve
from realmconf.domain.names import GLOBAL, RealmName
from realmconf.domain.pointer import Pointer
from realmconf.domain.provenance import Tracer
from realmconf.domain.revision import GENESIS, seal
from realmconf.errors import InvalidDocument
from realmconf.runtime.adapter import PLAIN
from realmconf.runtime.difference import edit_from
from realmconf.stores.protocol import Head

KEYS = st.sampled_from("abc")
SCALARS = st.one_of(st.integers(0, 3), st.booleans(), st.sampled_from(["x", "y"]), st.just(1.0))
VALUES: st.SearchStrategy[object] = st.recursive(
    st.one_of(SCALARS, st.lists(SCALARS, max_size=2), st.just({})),
    lambda inner: st.dictionaries(KEYS, inner, max_size=3),
    max_leaves=6,
)
DOCUMENTS = st.dictionaries(KEYS, VALUES, max_size=3)
MASKS = st.lists(
    st.lists(KEYS, min_size=1, max_size=2).map(lambda parts: str(Pointer(parts))), max_size=2
)


@st.composite
def chains(draw, documents=DOCUMENTS, masks=MASKS):
    """A lineage, root first: realm names and documents with their links; no schema."""
    names = ["global", "org", "team", "head"][: draw(st.integers(1, 4))]
    chain = []
    for place, name in enumerate(names):
        own: dict = {}
        if name != "global":
            own["unset"] = draw(masks)
            if place > 1:
                own["parent"] = names[place - 1]
        document = dict(draw(documents))
        if own:
            document["realm"] = {name: own}
        chain.append((RealmName(name), document, None))
    return chain


def head_of(realm: RealmName, document: dict | None, schema: str | None = None) -> Head:
    revision = seal(
        realm=realm,
        generation=1,
        kind="set",
        document=document,
        author="a",
        surface="sdk",
        write_id="w",
        created_at="2024-02-29T12:00:00.000Z",
        salt="s",
        previous=GENESIS,
        schema_digest=schema,
    )
    return Head(realm=realm, revision=revision)


def composed_of(chain, known=None) -> Composed:
    heads = {name: head_of(name, document, schema) for name, document, schema in chain}
    found = resolve(chain[-1][0], lambda name: heads.get(name) or Head(realm=name, revision=None))
    assert found.problem is None
    return Composer((known or {}).__getitem__).compose(found.heads, found.names)


# --- a replay that knows leaves only -----------------------------------------------------------


def replay(chain) -> dict[Pointer, object]:
    """Apply each document leaf by leaf, root first, to a flat table of leaves."""
    table: dict[Pointer, object] = {}
    for name, document, _ in chain:
        links = document.get("realm", {}).get(name, {})
        for text in links.get("unset", []):
            remove(table, Pointer.parse(text))
        for pointer, value in leaves({k: v for k, v in document.items() if k != "realm"}):
            if pointer:
                put(table, pointer, value)
    return table


def remove(table, mask) -> None:
    gone = [pointer for pointer in table if pointer.within(mask)]
    for pointer in gone:
        del table[pointer]
    above = mask.parent
    if gone and above and not any(pointer.within(above) for pointer in table):
        table[above] = {}


def put(table, pointer, value) -> None:
    below = [other for other in table if other.within(pointer) and other != pointer]
    if value == {} and isinstance(value, dict) and below:
        return
    if value == {} and isinstance(value, dict) and table.get(pointer) == {}:
        return
    for other in [*below, *(Pointer(pointer[:depth]) for depth in range(1, len(pointer) + 1))]:
        table.pop(other, None)
    table[pointer] = value


@given(chains())
def test_composition_equals_a_replay_leaf_by_leaf(chain) -> None:
    """G9: the composed configuration is what a root-first replay of every leaf gives, masks included."""
    config = composed_of(chain).config
    expected = replay(chain)
    found = dict(leaves(config)) if config else {}
    assert found.keys() == expected.keys()
    assert all(same(found[pointer], expected[pointer]) for pointer in found)


@given(chains())
def test_every_leaf_has_the_origin_that_a_replay_gives(chain) -> None:
    """G9: each leaf is attributed to the nearest realm that states it, and everybody farther off is named."""
    composed = composed_of(chain)
    tracer = Tracer(composed)
    for pointer in replay(chain):
        found = tracer.contributions(pointer)
        stating = [
            (name, pointer.resolve({k: v for k, v in document.items() if k != "realm"}))
            for name, document, _ in reversed(chain)
        ]
        stating = [(name, value) for name, value in stating if value is not ABSENT]
        assert [(one.member.realm, one.value) for one in found] == stating
        value = pointer.resolve(composed.config)
        counting = [one for one in found if one.counts]
        if counting:
            assert found[0] is counting[0]
            assert same(counting[0].value, value) or value == {}
        else:
            # What is left of an object whose members are all masked is nobody's.
            assert value == {}


@given(chains())
def test_the_parts_of_a_configuration_are_its_leaves(chain) -> None:
    """Without schemas, what has an origin of its own is each leaf."""
    composed = composed_of(chain)
    assert set(Tracer(composed).parts_of(Pointer())) == {
        pointer for pointer in dict(leaves(composed.config)) if pointer
    }


@given(chains())
def test_a_child_sees_what_its_parent_sees_where_it_says_nothing(chain) -> None:
    """A realm that states and masks nothing has its parent's configuration."""
    *above, (name, document, schema) = chain
    if not above:
        return
    section = document.get("realm", {}).get(name, {})
    silent = {"realm": {name: {"parent": section["parent"]}}} if "parent" in section else {}
    parents = composed_of(above).config
    assert same(composed_of([*above, (name, silent, schema)]).config, parents)


@given(chains(), DOCUMENTS)
def test_a_wanted_configuration_is_reached_or_refused(chain, wanted) -> None:
    """G10: the edit of the own document makes the configuration the wanted one, or what is inherited stands."""
    composed = composed_of(chain)
    edit = edit_to(composed, composed.config, wanted)
    document = edited(composed.revision.document, edit)  # type: ignore[union-attr, arg-type]
    after = composed.with_document(document)
    for change in changes(after.config, wanted):
        # Only what is absent in the wanted one cannot be said: it is inherited.
        assert (
            change.pointer.resolve(composed.base) is not ABSENT
            or change.before == {}
            or change.after == {}
        )
    unchanged = edit_to(composed, composed.config, composed.config)
    assert not unchanged.assignments
    assert not unchanged.removals


def edit_or_refusal(composed, wanted):
    """The edit, or the place at which it is refused."""
    try:
        return edit_to(composed, composed.config, wanted), ""
    except InvalidDocument as refused:
        return None, str(refused.pointer)


def lacks_only_inherited(wanted, found, inherited) -> bool:
    """Whether all that is wrong with *found* is inherited members that *wanted* is to be without: that takes a mask."""
    return len(wanted) == len(found) and all(
        same(one, other)
        or (
            isinstance(one, dict)
            and isinstance(other, dict)
            and all(
                # An object that is to be empty is no leaf any more once it has members.
                (change.before == {} and change.after is ABSENT)
                or (change.before is ABSENT and same(change.pointer.resolve(stated), change.after))
                for change in changes(one, other)
            )
        )
        for one, other, stated in zip_longest(wanted, found, inherited[: len(wanted)])
    )


# --- arrays that are put together ---------------------------------------------------------------

ELEMENTS = st.lists(
    st.one_of(
        st.fixed_dictionaries(
            {"id": st.integers(0, 3)}, optional={"v": SCALARS, "w": st.dictionaries(KEYS, SCALARS)}
        ),
        SCALARS,
    ),
    max_size=4,
)
APPEND = {"properties": {"a": {"type": "array", "x-merge": "append"}}}
KEYED = {"properties": {"a": {"type": "array", "x-merge-key": "id"}}}
SCHEMAS = {"append": APPEND, "keyed": KEYED}


@given(st.lists(ELEMENTS, min_size=1, max_size=4))
def test_appended_arrays_are_their_concatenation(arrays) -> None:
    """``x-merge: append`` puts each realm's elements behind those it inherits."""
    names = ["global", "org", "team", "head"][: len(arrays)]
    chain = [
        (
            RealmName(name),
            {"a": array, "realm": {name: {"parent": names[place - 1]}} if place else {}},
            "append" if not place else None,
        )
        for place, (name, array) in enumerate(zip(names, arrays, strict=True))
    ]
    composed = composed_of(chain, SCHEMAS)
    assert same(composed.config["a"], [element for array in arrays for element in array])
    origins = [
        Tracer(composed).contributions(Pointer(("a", str(place))))[0]
        for place in range(len(composed.config["a"]))
    ]
    assert [one.member.realm for one in origins] == [
        name for name, array in zip(names, arrays, strict=True) for _ in array
    ]
    assert all(same(one.value, composed.config["a"][place]) for place, one in enumerate(origins))


@given(ELEMENTS, ELEMENTS)
def test_keyed_arrays_merge_elements_of_one_name(inherited, own) -> None:
    """``x-merge-key`` merges the elements of one name where the inherited one stands, and adds the others behind."""
    chain = [
        (GLOBAL, {"a": inherited}, "keyed"),
        (RealmName("head"), {"a": own}, None),
    ]
    found = composed_of(chain, SCHEMAS).config["a"]
    expected = [dict(one) if isinstance(one, dict) else one for one in inherited]
    taken: set[int] = set()
    for element in own:
        place = next(
            (
                index
                for index, one in enumerate(inherited)
                if isinstance(element, dict)
                and isinstance(one, dict)
                and same(one["id"], element["id"])
            ),
            None,
        )
        if place is None or place in taken:
            expected.append(element)
            continue
        taken.add(place)
        merged = {**expected[place], **element}
        if "w" in element and "w" in inherited[place]:
            merged["w"] = {**inherited[place]["w"], **element["w"]}
        expected[place] = merged
    assert same(found, expected)


@given(
    st.sampled_from(["append", "keyed"]),
    ELEMENTS,
    ELEMENTS,
    ELEMENTS,
)
def test_arrays_put_together_are_taken_apart_again(kind, inherited, own, wanted) -> None:
    """G10: what a realm states of a joined array gives the wanted one back, or the change is refused with its place."""
    chain = [(GLOBAL, {"a": inherited}, kind), (RealmName("head"), {"a": own}, None)]
    composed = composed_of(chain, SCHEMAS)
    for target in (wanted, [*composed.config["a"], *wanted], composed.config["a"]):
        config = {**composed.config, "a": target}
        edit, refused = edit_or_refusal(composed, config)
        if edit is None:
            assert refused.startswith("/a/")
            continue
        document = edited(composed.revision.document, edit)  # type: ignore[union-attr, arg-type]
        found = composed.with_document(document).config["a"]
        if kind == "append" or len(
            {str(e.get("id")) for e in target if isinstance(e, dict)}
        ) == len([e for e in target if isinstance(e, dict)]):
            assert same(found, target) or lacks_only_inherited(target, found, inherited)
        if not same(found, target):
            # What the edit cannot say is not written in part: whoever sets it is told.
            with pytest.raises(InvalidDocument):
                edit_from(PLAIN, composed, config)
