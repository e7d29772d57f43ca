"""What one writer may change, by what a command names and by what comes of it."""

from __future__ import annotations

from typing import Any

import pytest

from realmconf.domain.names import RealmName
from realmconf.domain.pointer import Pointer
from realmconf.domain.revision import seal
from realmconf.domain.scope import (
    Scope,
    refuse_command,
    refuse_parent,
    refuse_result,
    refuse_stated,
)
from realmconf.domain.write import (
    Command,
    Delete,
    Edit,
    JsonPatch,
    MergePatch,
    Place,
    Rollback,
    SetDocument,
    SetPolicy,
    SetSchema,
)
from realmconf.errors import NotPermitted, ParentNotFound

TEAM = RealmName("team")
AGENT = Scope(below=(Pointer(("agent",)),), changes_place=False, governs=False)


def revision(document: Any, realm: str = TEAM) -> Any:
    return seal(
        realm=RealmName(realm),
        generation=1,
        kind="set",
        document=document,
        author="ada",
        surface="sdk",
        message="",
        write_id="w",
        created_at="",
        salt="",
        previous="",
    )


def refuses(scope: Scope, command: Command) -> str | None:
    try:
        refuse_command(scope, command, realm=TEAM)
    except NotPermitted as refused:
        return str(refused)
    return None


def refuses_result(scope: Scope, before: Any, after: Any) -> str | None:
    known = None if before is None else revision(before)
    try:
        refuse_result(scope, known, after, realm=TEAM, secrecy=None)
    except NotPermitted as refused:
        return str(refused)
    return None


@pytest.mark.parametrize(
    "command",
    [
        MergePatch(patch={"agent": {"model": "m"}}),
        MergePatch(patch={"agent": None}),
        MergePatch(patch={}),
        Edit(assignments=((Pointer(("agent", "model")), 1),)),
        Edit(removals=(Pointer(("agent",)),)),
        JsonPatch(operations=({"op": "add", "path": "/agent/hosts/-", "value": 1},)),
        JsonPatch(operations=({"op": "test", "path": "/other", "value": 1},)),
        JsonPatch(operations=({"op": "copy", "from": "/other", "path": "/agent/x"},)),
        SetDocument(document={"other": 1}),
        Rollback(to=3),
        Delete(),
    ],
)
def test_what_names_nothing_out_of_reach_is_not_refused_by_its_names(command: Command) -> None:
    """What a whole document, a rollback or a deletion changes is told only by what is stored."""
    assert refuses(AGENT, command) is None


@pytest.mark.parametrize(
    ("command", "named"),
    [
        (MergePatch(patch={"agent": {}, "other": 1}), "/other"),
        (MergePatch(patch={"agents": 1}), "/agents"),
        (MergePatch(patch={"realm": {"team": {"parent": "x"}}}), "/realm"),
        (MergePatch(patch={"realm": {}}), "/realm"),
        (Edit(assignments=((Pointer(("other",)), 1),)), "/other"),
        (Edit(removals=(Pointer(("agent2",)),)), "/agent2"),
        (JsonPatch(operations=({"op": "add", "path": "", "value": {}},)), "changing /"),
        (JsonPatch(operations=({"op": "remove", "path": "/other"},)), "/other"),
        (
            JsonPatch(operations=({"op": "move", "from": "/other", "path": "/agent/x"},)),
            "/other",
        ),
        (JsonPatch(operations=({"op": "copy", "from": "/agent", "path": "/x"},)), "/x"),
        (SetSchema(digest="d", schema={}), "schema"),
        (SetSchema(digest=None), "schema"),
        (SetPolicy(changes={"history_keep": 1}), "policy"),
        (Place(document={}, kind="copy"), "another name"),
        (Place(document=None, kind="rename"), "another name"),
    ],
)
def test_what_a_command_names_out_of_reach_is_refused(command: Command, named: str) -> None:
    """Before anything is looked at: pointers are compared key by key, and a move takes from where it comes from."""
    assert named in (refuses(AGENT, command) or "")


def test_a_path_of_one_letter_more_is_another_path() -> None:
    """A place is allowed with all below it, and not what merely begins with the same letters."""
    assert refuses(AGENT, MergePatch(patch={"agent": {"agents": 1}})) is None
    assert refuses(AGENT, MergePatch(patch={"agents": {"agent": 1}})) is not None
    slashed = Scope(below=(Pointer(("a/b",)),))
    assert refuses(slashed, MergePatch(patch={"a/b": 1})) is None
    assert refuses(slashed, MergePatch(patch={"a": {"b": 1}})) is not None


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ({"other": 1}, {"other": 1, "agent": {"model": "m"}}),
        ({"other": 1, "agent": {"model": "m"}}, {"other": 1}),
        ({"agent": {"a": 1}}, {"agent": {}}),
        ({"agent": {}}, {}),
        (None, {"agent": {"a": 1}}),
        ({"other": 1}, {"other": 1}),
    ],
)
def test_whatever_changes_within_the_places_passes(before: Any, after: Any) -> None:
    """Also a whole document, if what differs is within them, and objects that become empty by it."""
    assert refuses_result(AGENT, before, after) is None


@pytest.mark.parametrize(
    ("before", "after", "named"),
    [
        ({"other": 1}, {"other": 2}, "/other"),
        ({"other": 1}, {"other": 1.0}, "/other"),
        ({"other": 1}, {}, "/other"),
        ({"agent": 1, "other": {}}, {"agent": 1}, "/other"),
        ({"agent": 1}, {"agent": 1, "realm": {}}, "/realm"),
        ({"agent": 1}, None, "changing /"),
        ({}, None, "changing /"),
    ],
)
def test_whatever_changes_out_of_the_places_is_refused(before: Any, after: Any, named: str) -> None:
    """One leaf is enough; to delete the document is to change all of it."""
    assert named in (refuses_result(AGENT, before, after) or "")


def test_an_element_is_no_place_of_its_own() -> None:
    """Arrays are values: whoever may change one element only may not change the array."""
    first = Scope(below=(Pointer(("hosts", "0")),))
    assert "/hosts" in (refuses_result(first, {"hosts": [1]}, {"hosts": [2]}) or "")


def test_without_the_right_to_the_place_nobody_touches_the_section_about_realms() -> None:
    """Neither the parent, nor masks, nor what else is kept below /realm, nor the empty table."""
    scope = Scope(changes_place=False)
    for before, after in (
        ({}, {"realm": {"team": {"parent": "org"}}}),
        ({"realm": {"team": {"unset": ["a"]}}}, {"realm": {"team": {"unset": []}}}),
        ({"realm": {"key": "k"}}, None),
        ({"realm": {}}, {}),
        (None, {"realm": {}}),
    ):
        assert refuses_result(scope, before, after) is not None
    assert refuses_result(scope, {"realm": {"key": "k"}}, {"realm": {"key": "k"}, "a": 1}) is None
    contradictory = scope.replace(below=(Pointer(("realm", "team")),))
    assert refuses_result(contradictory, {"realm": {}}, {}) is not None


def test_without_the_right_to_secrets_no_reference_is_written_or_taken_away() -> None:
    """In a value of any depth; also where nothing is known of what is secret by a schema."""
    scope = Scope(states_secrets=False)
    reference = "secret://env/KEY"
    assert "/a" in (refuses(scope, MergePatch(patch={"a": [{"b": reference}]})) or "")
    assert refuses(scope, MergePatch(patch={"a": "secret"})) is None
    for before, after in (
        ({}, {"a": reference}),
        ({"a": reference}, {}),
        ({"a": {"b": [reference]}}, {"a": 1}),
    ):
        assert refuses_result(scope, before, after) is not None
    assert refuses_result(scope, {"a": reference}, {"a": reference, "b": 1}) is None


def test_only_a_parent_that_may_be_inherited_from_is_taken() -> None:
    """One that is forbidden looks as if it were not there; the parent that was there stays, under a new name too."""
    scope = Scope(may_inherit=lambda realm: realm != "hidden")

    def under(parent: str, realm: str = TEAM) -> Any:
        return {"realm": {realm: {"parent": parent}}}

    with pytest.raises(ParentNotFound) as refused:
        refuse_parent(scope, None, under("hidden"), realm=TEAM)
    assert refused.value.to_dict() == {
        "code": "lineage_error",
        "message": "the parent hidden of realm team does not exist",
        "retryable": False,
        "realm": "team",
        "parent": "hidden",
        "chain": ["team", "hidden"],
    }
    refuse_parent(scope, None, under("open"), realm=TEAM)
    refuse_parent(scope, revision(under("hidden")), under("hidden"), realm=TEAM)
    refuse_parent(scope, revision(under("hidden")), None, realm=TEAM)
    crew = RealmName("crew")
    refuse_parent(scope, revision(under("hidden")), under("hidden", crew), realm=crew)
    with pytest.raises(ParentNotFound):
        refuse_parent(scope, revision(under("open")), under("hidden"), realm=TEAM)


def test_scopes_narrow_each_other() -> None:
    """Both must allow it; of places within each other the inner ones are left, of others none."""
    one = Scope(
        below=(Pointer(("a",)), Pointer(("b", "c"))), may_inherit=lambda realm: realm != "x"
    )
    other = Scope(
        below=(Pointer(("a", "b")), Pointer(("b",)), Pointer(("d",))),
        governs=False,
        may_inherit=lambda realm: realm != "y",
    )
    both = one.narrowed(other)
    assert set(both.below or ()) == {Pointer(("a", "b")), Pointer(("b", "c"))}
    assert not both.governs
    assert both.changes_place
    assert both.may_inherit is not None
    assert [both.may_inherit(RealmName(name)) for name in ("x", "y", "z")] == [False, False, True]
    assert Scope().narrowed(one) == one == one.narrowed(Scope())
    nothing = Scope(below=(Pointer(("a",)),)).narrowed(Scope(below=(Pointer(("b",)),)))
    assert nothing.below == ()
    assert refuses(nothing, MergePatch(patch={"a": 1})) is not None


def test_a_secret_is_not_stated_where_its_author_may_change_nothing() -> None:
    """Judged by its place alone, whatever stands there: the first place is named."""
    places = [Pointer(("agent", "token")), Pointer(("agent", "key", "password"))]
    refuse_stated(Scope(), places, realm=TEAM)
    refuse_stated(AGENT, places, realm=TEAM)
    refuse_stated(Scope(states_secrets=False), [], realm=TEAM)
    with pytest.raises(NotPermitted, match="/agent/key/password"):
        refuse_stated(Scope(states_secrets=False), places, realm=TEAM)
    with pytest.raises(NotPermitted, match="/other/token"):
        refuse_stated(AGENT, [*places, Pointer(("other", "token"))], realm=TEAM)
