"""What a realm's readers see: the fold, masks, what is remembered; and the edit that leads back."""

from __future__ import annotations

from typing import Any

import pytest

from realmconf.domain import composition
from realmconf.domain.composition import Composed, Composer, combine, element_named
from realmconf.domain.edit import edited
from realmconf.domain.inverse import edit_to
from realmconf.domain.lineage import resolve, with_own_section
from realmconf.domain.names import GLOBAL, RealmName
from realmconf.domain.pointer import Pointer
from realmconf.domain.provenance import Tracer
from realmconf.domain.revision import GENESIS, Revision, seal
from realmconf.errors import HistoryCompacted, InvalidDocument
from realmconf.stores.protocol import Head

ORG, TEAM = RealmName("org"), RealmName("team")


def revision(realm: RealmName, document: dict[str, Any] | None) -> Revision:
    return seal(
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
    )


def composed(
    own: dict[str, Any], inherited: dict[str, Any], schema: dict[str, Any] | None = None
) -> Composed:
    """``team`` below ``org``, which has the schema."""
    schemas = () if schema is None else ((str(schema), schema),)
    parent = Composed(ORG, revision(ORG, inherited), None, schemas)
    return Composed(TEAM, revision(TEAM, own), parent, schemas)


def masked(*unset: str, **own: Any) -> dict[str, Any]:
    return {**own, "realm": {"team": {"parent": "org", "unset": list(unset)}}}


# --- the fold ----------------------------------------------------------------------------------


def test_sections_about_other_realms_are_joined_by_name_alone():
    """What stands below ``/realm`` (credentials, for one) is never spliced from two owners."""
    found = combine(
        {"realm": {"a": {"store": "s", "key": "k"}, "b": {"store": "s"}}, "x": 1},
        {"realm": {"a": {"store": "t"}}, "y": 2},
    )
    assert found == {"realm": {"a": {"store": "t"}, "b": {"store": "s"}}, "x": 1, "y": 2}


def test_on_top_of_nothing_and_below_nothing_is_what_there_is():
    """And it is shared, not copied."""
    stated = {"a": 1}
    assert combine({}, stated) is stated
    assert combine(stated, {}) is stated
    assert combine({}, {}) == {}


def test_only_the_array_that_a_schema_speaks_of_is_put_together():
    """Any other is one value, and the nearest wins."""
    schema = {"properties": {"hooks": {"x-merge": "append"}, "tags": {"x-merge": "replace"}}}
    found = composed(
        {"hooks": [2], "tags": [2], "rows": [2]}, {"hooks": [1], "tags": [1], "rows": [1]}, schema
    )
    assert found.config == {"hooks": [1, 2], "tags": [2], "rows": [2]}


def test_a_mask_names_an_element_by_its_key_or_nobody():
    """Where no element has the name nothing is taken away, and a boolean or an object is no name."""
    schema = {"properties": {"servers": {"x-merge-key": "name"}}}
    servers = [{"name": "a"}, {"name": True}, {"name": {}}, "a", {"name": 7}]
    assert composed(masked("/servers/b"), {"servers": servers}, schema).config == {
        "servers": servers
    }
    assert composed(masked("/servers/7"), {"servers": servers}, schema).config == {
        "servers": servers[:4]
    }
    assert [element_named(servers, part, "name") for part in ("a", "True", "7", "b")] == [
        0,
        None,
        4,
        None,
    ]
    assert element_named(servers, "a", None) is None


def test_masks_that_are_none_mask_nothing():
    """Another program may have stored what nobody could write."""
    found = composed({"realm": {"team": {"unset": 5}}, "b": 2}, {"a": 1})
    assert found.masks == ()
    assert found.config == {"a": 1, "b": 2}


def test_what_schemas_say_is_right_for_however_many_there_are(monkeypatch):
    """What is remembered of them is bounded, and forgetting changes no answer."""
    monkeypatch.setattr(composition, "SHAPES_KEPT", 2)
    monkeypatch.setattr(composition, "_shapes", {})
    for _ in range(2):
        for number in range(5):
            schema = {"properties": {f"k{number}": {"x-merge": "append"}}}
            key = f"k{number}"
            assert composed({key: [2]}, {key: [1]}, schema).config == {key: [1, 2]}
            assert len(composition._shapes) <= 2


def test_a_composer_is_right_for_however_many_realms_there_are(monkeypatch):
    """What it remembers is bounded, and what it forgot it makes again."""
    monkeypatch.setattr(composition, "COMPOSED_KEPT", 3)
    composer = Composer(lambda digest: {})
    heads = {
        name: Head(realm=RealmName(name), revision=revision(RealmName(name), {"n": name}))
        for name in "abcdef"
    }
    root = Head(realm=GLOBAL, revision=revision(GLOBAL, {"g": 1}))
    for name, head in [*heads.items(), *heads.items()]:
        names = (RealmName(name), GLOBAL)
        found = composer.compose((head, root), names)
        assert found.config == {"n": name, "g": 1}
        assert len(composer._known) <= 3


# --- lineage -----------------------------------------------------------------------------------


def test_a_document_with_sections_of_both_names_is_not_renamed():
    """One of the two would be lost."""
    with pytest.raises(InvalidDocument) as refused:
        with_own_section({"realm": {"old": {}, "new": {}}}, "old", "new")
    assert refused.value.pointer == "/realm/new"


@pytest.mark.parametrize("unset", [["a..b"], [""], ["realm.team"], ["/realm"], [5], 5, "a"])
def test_what_a_realm_does_not_take_is_a_list_of_paths_to_inherited_values(unset):
    """Not of the whole, not of the sections about realms, and no text that is no path."""
    from realmconf.domain.lineage import links

    with pytest.raises(InvalidDocument) as refused:
        links("team", {"realm": {"team": {"unset": unset}}})
    assert refused.value.pointer == "/realm/team/unset"


def test_a_root_that_was_purged_is_missed():
    """Its heirs are not composed as if it had stated nothing."""
    root = Head(
        realm=GLOBAL, revision=revision(GLOBAL, {"a": 1}).replace(purged=True, document=None)
    )
    team = Head(realm=TEAM, revision=revision(TEAM, {"b": 1}))
    found = resolve(TEAM, {TEAM: team, GLOBAL: root}.__getitem__)
    assert isinstance(found.problem, HistoryCompacted)


def test_what_was_taken_away_of_named_elements_is_found_behind_the_last_that_stayed():
    """Each element of the composition is traced to where it is inherited from, also where the tail is masked."""
    schema = {"properties": {"servers": {"x-merge-key": "name"}}}
    inherited = {"servers": [{"name": "a", "v": 1}, {"name": "b"}, {"name": "c"}]}
    found = composed(masked("/servers/b", "/servers/c"), inherited, schema)
    assert found.config == {"servers": [{"name": "a", "v": 1}]}
    (origin,) = Tracer(found).contributions(Pointer(("servers", "0", "v")))
    assert (origin.member.realm, origin.value) == ("org", 1)


def test_what_a_mask_takes_away_is_told_with_whose_it_is():
    """A mask that names an element which is not there takes nothing."""
    schema = {"properties": {"servers": {"x-merge-key": "name"}}}
    inherited = {"servers": [{"name": "a", "v": 1}], "x": {"y": 1}}
    tracer = Tracer(composed(masked("/servers/z", "/x/y"), inherited, schema))
    (stays,) = tracer.contributions(Pointer(("servers", "0", "v")))
    assert (stays.member.realm, stays.counts, stays.masked_by) == ("org", True, None)
    (gone,) = tracer.contributions(Pointer(("x", "y")))
    assert (gone.member.realm, gone.counts, gone.masked_by) == ("org", False, "team")


# --- the edit that leads back --------------------------------------------------------------------


def back(
    own: dict[str, Any], inherited: dict[str, Any], wanted: dict[str, Any], schema: Any
) -> Any:
    """The own document after the edit, of which the composition is what was wanted."""
    before = composed(own, inherited, schema)
    document = edited(own, edit_to(before, before.config, wanted))
    assert composed(document, inherited, schema).config == wanted
    return document


REPLACED = {"properties": {"tls": {"x-merge": "replace"}}}
KEYED = {"properties": {"servers": {"x-merge-key": "name"}}}
KEYED_WHOLE = {"properties": {"servers": {"x-merge-key": "name", "items": {"x-merge": "replace"}}}}
APPENDED = {"properties": {"hooks": {"x-merge": "append"}}}


def test_an_object_that_is_replaced_as_a_whole_is_stated_as_a_whole():
    """A change inside it states all that stands there, or it would be lost."""
    inherited = {"tls": {"key": "k", "cert": "c"}, "a": 1}
    assert back({}, inherited, {"tls": {"key": "x", "cert": "c"}, "a": 1}, REPLACED) == {
        "tls": {"key": "x", "cert": "c"}
    }
    assert back({}, inherited, {"tls": "off", "a": 1}, REPLACED) == {"tls": "off"}
    assert back({}, inherited, {"tls": {"key": "k", "cert": "c"}, "a": 2}, REPLACED) == {"a": 2}


def test_of_a_named_element_only_what_differs_is_stated():
    """With its name; what is said of it already stays."""
    inherited = {"servers": [{"name": "a", "x": 1, "y": 1}, {"name": "b", "x": 1}]}
    wanted = {"servers": [{"name": "a", "x": 2, "y": 1}, {"name": "b", "x": 1}, {"name": "c"}]}
    own = back({}, inherited, wanted, KEYED)
    assert own == {"servers": [{"name": "a", "x": 2}, {"name": "c"}]}
    wanted = {"servers": [{"name": "a", "x": 2, "y": 3}, *wanted["servers"][1:]]}
    assert back(own, inherited, wanted, KEYED) == {
        "servers": [{"name": "a", "x": 2, "y": 3}, {"name": "c"}]
    }


def test_a_named_element_that_is_replaced_as_a_whole_is_stated_as_a_whole():
    """Of what it inherits nothing would be left otherwise."""
    inherited = {"servers": [{"name": "a", "x": 1, "y": 1}, {"name": "b"}]}
    wanted = {"servers": [{"name": "a", "x": 2, "y": 1}, {"name": "b"}]}
    assert back({}, inherited, wanted, KEYED_WHOLE) == {"servers": [{"name": "a", "x": 2, "y": 1}]}


def test_what_is_added_to_an_inherited_array_is_the_realm_s_own():
    """Elements of its own that were not changed stay as they are stated."""
    inherited = {"hooks": ["a"]}
    assert back({"hooks": ["b"]}, inherited, {"hooks": ["a", "b", "c"]}, APPENDED) == {
        "hooks": ["b", "c"]
    }
    assert back({}, inherited, {"hooks": ["a", "c"]}, APPENDED) == {"hooks": ["c"]}


@pytest.mark.parametrize(
    ("schema", "inherited", "wanted", "place"),
    [
        (APPENDED, {"hooks": ["a", "b"]}, {"hooks": ["a"]}, "/hooks/1"),
        (APPENDED, {"hooks": ["a", "b"]}, {"hooks": ["x", "b"]}, "/hooks/0"),
        (KEYED, {"servers": [{"name": "a"}]}, {"servers": [{"name": "b"}]}, "/servers/0"),
        (KEYED, {"servers": [{"name": "a"}]}, {"servers": ["a"]}, "/servers/0"),
        (KEYED, {"servers": [{"x": 1}]}, {"servers": [{"x": 2}]}, "/servers/0"),
    ],
)
def test_what_is_inherited_of_an_array_is_not_changed_here(schema, inherited, wanted, place):
    """The realm can add to it and, where elements have names, change them; anything else is refused, not lost."""
    before = composed({}, inherited, schema)
    with pytest.raises(InvalidDocument) as refused:
        edit_to(before, before.config, wanted)
    assert refused.value.pointer == place


def test_an_object_in_the_place_of_an_array_is_set_as_one_value():
    """Its members are no elements to set one by one."""
    assert back({}, {"rows": [1, {"a": 1}]}, {"rows": {"x": {"y": 1}}}, None) == {
        "rows": {"x": {"y": 1}}
    }
