"""A model on its way back, for every base and every change (G10)."""

from __future__ import annotations

import copy
from typing import Any

import pydantic
from hypothesis import given
from hypothesis import strategies as st

from realmconf.domain.diff import changes, leaves
from realmconf.domain.document import ABSENT, same
from realmconf.domain.edit import edited
from realmconf.domain.names import RealmName
from realmconf.runtime.difference import edit_from
from realmconf.runtime.snapshot import compose
from realmconf.runtime.typed import adapter_for

REALM = RealmName("team")


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


@given(bases(), outers)
def test_the_edited_document_gives_the_model_back(base, model):
    """Whatever the base stated, the document after the edit is the model, typed."""
    document = edited(base or {}, edit_from(ADAPTER, REALM, base, model))
    assert ADAPTER.load(compose(REALM, document)) == model


@given(bases(), outers)
def test_nothing_but_what_differs_is_touched(base, model):
    """Every leaf that is new or another one in the document is one in which the two models differ."""
    came_from = ADAPTER.dump(ADAPTER.load(compose(REALM, base)))
    stated = ADAPTER.dump(model)
    differing = [change.pointer for change in changes(came_from, stated)]
    # A table that the model does without goes as a whole, with what the model does not know of in it.
    differing += [
        at.parent for at in differing if at.parent and at.parent.resolve(stated) is ABSENT
    ]
    document = edited(base or {}, edit_from(ADAPTER, REALM, base, model))
    for change in changes(base or {}, document):
        assert any(pointer.overlaps(change.pointer) for pointer in differing), change


@given(bases())
def test_an_unchanged_model_changes_nothing(base):
    """No default is written out by reading and writing back."""
    edit = edit_from(ADAPTER, REALM, base, ADAPTER.load(compose(REALM, base)))
    assert (edit.assignments, edit.removals) == ((), ())


@given(bases(), outers)
def test_keys_the_type_does_not_know_survive(base, model):
    """At the root and in objects that stay; the realm's section about itself is never touched."""
    document = edited(base or {}, edit_from(ADAPTER, REALM, base, model))
    for pointer, value in leaves(base or {}):
        if pointer[-1:] in (("x",), ("y",)) and pointer[0] != "spare":
            assert same(pointer.resolve(document), value)
        if pointer[:1] == ("realm",):
            assert pointer.resolve(document) is not ABSENT
