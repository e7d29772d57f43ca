"""A model on its way back, for every base and every change (G10)."""

from __future__ import annotations

import copy
from typing import Any

import pydantic
from hypothesis import given
from hypothesis import strategies as st
from tests.property.test_composition import head_of

import realmconf
from realmconf.domain.composition import Composed
from realmconf.domain.diff import changes, leaves
from realmconf.domain.document import ABSENT, same
from realmconf.domain.edit import edited
from realmconf.domain.names import RealmName
from realmconf.domain.pointer import Pointer
from realmconf.errors import InvalidDocument
from realmconf.runtime.difference import edit_from
from realmconf.runtime.typed import adapter_for

REALM = RealmName("team")
ORG = RealmName("org")


def composed(base: Any, inherited: Any = None) -> Composed:
    """The composition of an own document, if there is one, on what its parent has."""
    parent = None
    if inherited is not None:
        parent = Composed(ORG, head_of(ORG, inherited).revision, None, ())
    revision = None if base is None else head_of(REALM, base).revision
    return Composed(REALM, revision, parent, ())


class Inner(pydantic.BaseModel):
    name: str = "n"
    size: int = 1
    note: str | None = None


class Outer(pydantic.BaseModel):
    inner: Inner = Inner()
    spare: Inner | None = None
    table: dict[str, int] = {}
    rows: list[int] = [1]
    flag: bool = False


ADAPTER = adapter_for(Outer)

small = st.integers(0, 3)
words = st.sampled_from(["n", "m", ""])
inners = st.builds(Inner, name=words, size=small, note=st.none() | words)
outers = st.builds(
    Outer,
    inner=inners,
    spare=st.none() | inners,
    table=st.dictionaries(st.sampled_from("abc"), small, max_size=3),
    rows=st.lists(small, max_size=2),
    flag=st.booleans(),
)
unknown = st.dictionaries(st.sampled_from(["x", "y"]), small, max_size=2)


@st.composite
def bases(draw: Any) -> dict[str, Any] | None:
    """Own documents that fit the type: parts of a model's dump, keys it does not know, a section of the realm's own."""
    if draw(st.booleans()) and draw(st.booleans()):
        return None
    document = copy.deepcopy(ADAPTER.dump(draw(outers)))
    for key in list(document):
        if draw(st.booleans()):
            del document[key]
    for part in (document, document.get("inner"), document.get("spare")):
        if isinstance(part, dict):
            part.update(draw(unknown))
    if draw(st.booleans()):
        document["realm"] = {"team": {"parent": "org"}, **draw(unknown)}
    return document


@st.composite
def parents(draw: Any) -> dict[str, Any] | None:
    """What is inherited, if anything is: parts of a model's dump."""
    inherited = draw(bases())
    if inherited is not None:
        inherited.pop("realm", None)
    return inherited


@given(bases(), parents(), outers)
def test_the_edited_document_gives_the_model_back(base, inherited, model):
    """Whatever the base stated and inherited, the document after the edit is the model, typed; or it cannot be said."""
    origin = composed(base, inherited)
    refused: InvalidDocument | None = None
    try:
        edit = edit_from(ADAPTER, origin, model)
    except InvalidDocument as error:
        refused = error
    if refused is not None:
        # Only what is absent in the model, and inherited, cannot be.
        assert inherited is not None
        assert Pointer.parse(str(refused.pointer)).resolve(inherited) is not ABSENT
        return
    document = edited(base or {}, edit)
    assert ADAPTER.load(composed(document, inherited).config) == model


@given(bases(), parents(), outers)
def test_nothing_inherited_is_stated_unless_it_was_changed(base, inherited, model):
    """G10: each leaf that the document states anew is one in which the two models differ."""
    origin = composed(base, inherited)
    came_from = ADAPTER.dump(ADAPTER.load(origin.config))
    differing = [change.pointer for change in changes(came_from, ADAPTER.dump(model))]
    try:
        document = edited(base or {}, edit_from(ADAPTER, origin, model))
    except InvalidDocument:
        return
    for pointer in dict(leaves(document)).keys() - dict(leaves(base or {})).keys():
        assert any(pointer.overlaps(place) for place in differing), pointer


@given(bases(), outers)
def test_nothing_but_what_differs_is_touched(base, model):
    """Every leaf that is new or another one in the document is one in which the two models differ."""
    came_from = ADAPTER.dump(ADAPTER.load(composed(base).config))
    stated = ADAPTER.dump(model)
    differing = [change.pointer for change in changes(came_from, stated)]
    # A table that the model does without goes as a whole, with what the model does not know of in it.
    differing += [
        at.parent for at in differing if at.parent and at.parent.resolve(stated) is ABSENT
    ]
    document = edited(base or {}, edit_from(ADAPTER, composed(base), model))
    for change in changes(base or {}, document):
        assert any(pointer.overlaps(change.pointer) for pointer in differing), change


@given(bases())
def test_an_unchanged_model_changes_nothing(base):
    """No default is written out by reading and writing back."""
    edit = edit_from(ADAPTER, composed(base), ADAPTER.load(composed(base).config))
    assert (edit.assignments, edit.removals) == ((), ())


@given(bases(), outers)
def test_keys_the_type_does_not_know_survive(base, model):
    """At the root and in objects that stay; the realm's section about itself is never touched."""
    document = edited(base or {}, edit_from(ADAPTER, composed(base), model))
    for pointer, value in leaves(base or {}):
        if pointer[-1:] in (("x",), ("y",)) and pointer[0] != "spare":
            assert same(pointer.resolve(document), value)
        if pointer[:1] == ("realm",):
            assert pointer.resolve(document) is not ABSENT


# --- arrays of tables -------------------------------------------------------------------------


class Rows(pydantic.BaseModel):
    rows: list[Inner] = []


ROWS = adapter_for(Rows)

stated_rows = st.lists(
    st.fixed_dictionaries({}, optional={"name": words, "size": small, "note": words}), max_size=5
)
row_lists = st.lists(inners, max_size=3)


@given(stated_rows, st.permutations(range(5)), row_lists)
def test_elements_that_stay_are_stated_as_they_were(stated, order, others):
    """G10: however an array of tables is turned round, cut and added to, it is the model's, and who stayed stays."""
    origin = composed({"rows": stated})
    before = ROWS.load(origin.config)
    stayed = [place for place in order if place < len(stated)][: len(stated) - len(others) // 2]
    model = Rows(rows=[*(before.rows[place] for place in stayed), *others])
    document = edited({"rows": stated}, edit_from(ROWS, origin, model))
    assert ROWS.load(composed(document).config) == model
    for place, element in enumerate(model.rows):
        ours = [at for at in range(len(stated)) if before.rows[at] == element]
        if len(ours) == model.rows.count(element) == 1:
            assert same(document["rows"][place], stated[ours[0]])


# --- written while others go on ---------------------------------------------------------------

PLACES = [Pointer((outer, inner)) for outer in "ab" for inner in "xyz"]
VALUES = st.integers(0, 2)
WRITES = st.lists(
    st.tuples(
        st.sampled_from(["global", "org", "team"]),
        st.sampled_from(PLACES),
        st.one_of(VALUES, st.just(ABSENT)),
    ),
    max_size=8,
)


def carry_out(client, writes) -> None:
    for name, place, value in writes:
        realm = client.realm(name)
        if value is ABSENT:
            realm.unset(place)
        else:
            realm.set_value(place, value)


@given(WRITES, st.dictionaries(st.sampled_from(PLACES), VALUES, max_size=3), WRITES)
def test_what_others_did_meanwhile_stays(before, mine, between):
    """
    G10: whatever the realm and its parents became between read and write, ``set`` changes what the caller changed.

    Each leaf of the own document that differs is one that the caller changed; so it is with what the readers see.
    """
    with realmconf.connect("memory://", author="t") as client:
        client.realm("org").set({})
        client.realm("team").set({"realm": {"team": {"parent": "org"}}})
        carry_out(client, before)
        team = client.realm("team")
        snapshot = team.get()
        config = copy.deepcopy(dict(snapshot.config))
        changed = set()
        for place, value in mine.items():
            if place.resolve(config) != value:
                changed.add(place)
            config.setdefault(place[0], {})[place[1]] = value
        carry_out(client, between)
        then = team.get()
        now = team.set(config, base=snapshot)
        assert now.document is not None
        for earlier, later in ((then.document, now.document), (then.config, now.config)):
            found = {place for place in PLACES if place.resolve(earlier) != place.resolve(later)}
            assert found <= changed
        assert all(place.resolve(now.config) == mine[place] for place in changed)
        assert now.document["realm"] == {"team": {"parent": "org"}}
