"""Writes made against an older generation, applied to the head."""

from typing import Any

import pytest
from tests.unit.history import TEAM, ListHistory

from realmconf.domain.document import same
from realmconf.domain.jsonpatch import check_operations
from realmconf.domain.names import Limits, RealmName
from realmconf.domain.overlap import changed_places
from realmconf.domain.pointer import Pointer
from realmconf.domain.rebase import touched
from realmconf.domain.revision import Policy
from realmconf.domain.write import (
    Append,
    Command,
    Delete,
    Edit,
    Expected,
    JsonPatch,
    MergePatch,
    Place,
    Rollback,
    SetDocument,
    SetPolicy,
    SetSchema,
    Unchanged,
    Write,
)
from realmconf.errors import GenerationConflict, PatchInapplicable, PatchTestFailed, TimelineChanged

BASE: dict[str, Any] = {"a": 1, "b": 1, "o": {"x": 1, "y": 1}, "l": [1, 2]}


def patch(**changes: Any) -> MergePatch:
    return MergePatch(patch=changes)


def json_patch(*operations: dict) -> JsonPatch:
    return JsonPatch(operations=check_operations(operations))


def rebased(
    history: ListHistory, command: Command, *, expected: int = 1, **fields: Any
) -> Append | Unchanged:
    return history.decide(command, expected=expected, on_conflict="rebase", **fields)


def contested(history: ListHistory, command: Command, **fields: Any) -> list[str]:
    """The contested pointers of a rebase that must fail."""
    with pytest.raises(GenerationConflict) as caught:
        rebased(history, command, **fields)
    assert caught.value.current == history.head(TEAM).generation
    return [entry["pointer"] for entry in caught.value.contested]


def since(*commands: Command, base: dict | None = None) -> ListHistory:
    """A history of the base and what others wrote after it."""
    history = ListHistory(BASE if base is None else base)
    for command in commands:
        history.write(command, author="bob", message="because", surface="cli")
    return history


# --- applied -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("theirs", "mine", "document"),
    [
        (patch(a=2), patch(b=2), {**BASE, "a": 2, "b": 2}),
        (patch(o={"x": 2}), patch(o={"y": 2}), {**BASE, "o": {"x": 2, "y": 2}}),
        (patch(a=2), SetDocument(document={**BASE, "b": 2}), {**BASE, "a": 2, "b": 2}),
        (patch(a=None), SetDocument(document={"a": 1, "l": [1, 2]}), {"l": [1, 2]}),
        (patch(n={"x": 1}), patch(n={"y": 1}), {**BASE, "n": {"x": 1, "y": 1}}),
        (
            patch(a=2),
            json_patch({"op": "add", "path": "/l/-", "value": 3}),
            {**BASE, "a": 2, "l": [1, 2, 3]},
        ),
        (
            patch(a=2),
            Edit(assignments=((Pointer(("o", "x")), 5),)),
            {**BASE, "a": 2, "o": {"x": 5, "y": 1}},
        ),
        (patch(a=2), Edit(removals=(Pointer(("b",)),)), {"a": 2, "o": BASE["o"], "l": BASE["l"]}),
        (SetPolicy(changes={"history_keep": 5}), Delete(), None),
        (SetPolicy(changes={"history_keep": 5}), patch(a=2), {**BASE, "a": 2}),
    ],
)
def test_what_does_not_overlap_is_applied_to_the_head(
    theirs: Command, mine: Command, document: dict | None
) -> None:
    """Both changes stand, and the receipt says over which generation the write was rebased."""
    decision = rebased(since(theirs), mine)
    assert isinstance(decision, Append)
    assert decision.rebased_from == 1
    assert decision.revision.generation == 3
    assert same(decision.revision.document, document)


def test_a_rebased_set_keeps_what_others_changed() -> None:
    """A whole document is taken as its difference to the base, so nothing is put back silently."""
    history = since(patch(a=2), patch(o={"y": 9}))
    decision = rebased(history, SetDocument(document={**BASE, "b": 7}))
    assert isinstance(decision, Append)
    assert decision.revision.document == {**BASE, "a": 2, "b": 7, "o": {"x": 1, "y": 9}}


def test_nothing_in_between_is_no_rebase() -> None:
    """An expected generation that is the head is an ordinary write."""
    decision = rebased(since(), patch(a=2))
    assert isinstance(decision, Append)
    assert decision.rebased_from is None


def test_a_rebase_needs_an_expected_generation_that_has_been() -> None:
    """A number above the head is a conflict, and without a number there is nothing to rebase from."""
    history = since(patch(a=2))
    assert contested(history, patch(b=2), expected=3) == []
    decision = history.decide(patch(a=5), on_conflict="rebase")
    assert isinstance(decision, Append)
    assert decision.rebased_from is None


def test_a_realm_that_was_not_yet_written_can_be_the_base() -> None:
    """Two first writers that touch different places both get through."""
    history = ListHistory({"a": 1})
    decision = rebased(history, SetDocument(document={"b": 1}), expected=0)
    assert isinstance(decision, Append)
    assert decision.revision.document == {"a": 1, "b": 1}
    assert decision.rebased_from == 0
    assert contested(history, SetDocument(document={"a": 2}), expected=0) == ["/a"]


def test_a_rebase_may_find_nothing_left_to_do() -> None:
    """If others made the same change, the head stands."""
    history = since(patch(a=2))
    decision = rebased(history, patch(a=2))
    assert isinstance(decision, Unchanged)
    assert decision.head is history.kept[TEAM][-1]
    assert decision.rebased_from == 1


@pytest.mark.parametrize(
    "mine",
    [
        patch(a=2, b=2),
        SetDocument(document={**BASE, "a": 2, "b": 2}),
        Edit(assignments=((Pointer(("a",)), 2), (Pointer(("b",)), 2))),
        json_patch(
            {"op": "replace", "path": "/a", "value": 2}, {"op": "replace", "path": "/b", "value": 2}
        ),
    ],
)
def test_equal_changes_on_both_sides_do_not_conflict(mine: Command) -> None:
    """Who wants what is there already is not stopped by it."""
    decision = rebased(since(patch(a=2)), mine)
    assert isinstance(decision, Append)
    assert decision.revision.document == {**BASE, "a": 2, "b": 2}


def test_equal_removals_do_not_conflict() -> None:
    """Removing what is gone already is the same change."""
    decision = rebased(since(patch(o=None)), patch(o=None, a=3))
    assert isinstance(decision, Append)
    assert decision.revision.document == {"a": 3, "b": 1, "l": [1, 2]}


# --- contested -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("theirs", "mine", "pointers"),
    [
        (patch(a=2), patch(a=3), ["/a"]),
        (patch(a=2), patch(a=2.0), ["/a"]),
        (patch(a=2), patch(a=1), ["/a"]),
        (patch(a=2, b=2), patch(a=3, b=3), ["/a", "/b"]),
        (patch(o={"x": 2}), patch(o=None), ["/o/x"]),
        (patch(o=None), patch(o={"x": 2}), ["/o/x"]),
        (patch(o=None), patch(o={"new": 2}), ["/o/new"]),
        (patch(o=5), patch(o={"x": 2}), ["/o/x"]),
        (patch(a={"n": 1}), patch(a={"m": 1}), ["/a/m"]),
        (patch(l=[1, 2, 3]), patch(l=[0, 1, 2]), ["/l"]),
        (patch(l=[1, 2, 3]), json_patch({"op": "add", "path": "/l/0", "value": 0}), ["/l"]),
        (patch(l=[1, 2, 3]), Edit(assignments=((Pointer(("l", "0")), 0),)), ["/l"]),
        (patch(a=2), Delete(), ["/a"]),
        (patch(a=2), Place(document={"z": 1}, kind="restore"), ["/a"]),
        (patch(a=2), SetDocument(document={**BASE, "a": 3}), ["/a"]),
        (patch(a=2), SetDocument(document={}), ["/a"]),
        (patch(a=2), json_patch({"op": "add", "path": "", "value": {}}), ["/a"]),
        (patch(a=2), json_patch({"op": "move", "from": "/a", "path": "/z"}), ["/a"]),
        (patch(a=2), json_patch({"op": "copy", "from": "/a", "path": "/z"}), ["/a"]),
    ],
)
def test_what_overlaps_is_a_conflict_that_names_the_places(
    theirs: Command, mine: Command, pointers: list
) -> None:
    """Exactly the contested places, where parent meets child and delete meets edit too; arrays are values."""
    assert contested(since(theirs), mine) == pointers


def test_a_conflict_says_who_changed_what_when_and_why() -> None:
    """Every entry carries the revision that is in the way."""
    history = since(patch(b=2), patch(a=2))
    with pytest.raises(GenerationConflict) as caught:
        rebased(history, patch(a=3))
    (entry,) = caught.value.contested
    assert entry == {
        "pointer": "/a",
        "generation": 3,
        "author": "bob",
        "surface": "cli",
        "message": "because",
        "created_at": history.kept[TEAM][2].created_at,
    }
    assert "/a" in str(caught.value)
    assert caught.value.to_dict()["contested"] == [entry]


def test_each_revision_counts_and_not_the_net_difference() -> None:
    """A value that was changed and put back was not the value all along."""
    assert contested(since(patch(a=2), patch(a=1)), patch(a=7)) == ["/a", "/a"]
    assert contested(since(patch(a=2), patch(a=1)), patch(a=1)) == ["/a"]


def test_a_place_that_the_write_depends_on() -> None:
    """``depends_on`` adds places that must not have changed, also not to what the write itself wants."""
    places = (Pointer(("o",)),)
    assert contested(since(patch(o={"x": 2})), patch(a=3), depends_on=places) == ["/o/x"]
    assert contested(since(patch(a=2)), patch(a=2), depends_on=(Pointer(("a",)),)) == ["/a"]
    assert isinstance(rebased(since(patch(b=2)), patch(a=3), depends_on=places), Append)


def test_what_a_json_patch_tested_must_stand() -> None:
    """A ``test`` is a premise: a change of what was tested conflicts, even where the test would still hold."""
    tested = {"op": "test", "path": "/o", "value": {"x": 1, "y": 1}}
    mine = json_patch(tested, {"op": "add", "path": "/n", "value": 1})
    assert contested(since(patch(o={"x": 2})), mine) == ["/o/x"]
    assert contested(since(patch(o={"x": 2}), patch(o={"x": 1})), mine) == ["/o/x", "/o/x"]
    assert isinstance(rebased(since(patch(a=2)), mine), Append)


@pytest.mark.parametrize(
    ("mine", "error"),
    [
        (json_patch({"op": "remove", "path": "/missing"}), PatchInapplicable),
        (json_patch({"op": "test", "path": "/b", "value": 7}), PatchTestFailed),
    ],
)
def test_a_patch_that_never_fitted_fails_as_it_would_have(
    mine: Command, error: type[Exception]
) -> None:
    """A rebase does not hide that the patch fits neither its base nor the head."""
    with pytest.raises(error):
        rebased(since(patch(a=2)), mine)


# --- never rebased -------------------------------------------------------------------


@pytest.mark.parametrize(
    "mine", [patch(zzz=1), patch(), SetDocument(document=BASE), Delete(), SetPolicy(changes={})]
)
def test_a_deletion_in_between_is_a_conflict(mine: Command) -> None:
    """Nothing is rebased over a tombstone, also when the document has come back since."""
    for history in (since(Delete()), since(Delete(), Rollback(to=1))):
        with pytest.raises(GenerationConflict, match="deleted") as caught:
            rebased(history, mine)
        assert caught.value.contested[0]["generation"] == 2


def test_a_change_of_lineage_in_between_is_a_conflict() -> None:
    """What a write means depends on the parent, so it is not carried over to another one."""
    history = since(patch(realm={"team": {"parent": "org"}}))
    assert contested(history, patch(zzz=1)) == ["/realm"]
    history = since(patch(zzz=1), base={**BASE, "realm": {"team": {"parent": "org"}}})
    assert isinstance(rebased(history, patch(a=2)), Append)


def test_a_change_of_schema_in_between_is_a_conflict() -> None:
    """Another schema is another question to the author."""
    history = since(patch(b=2))
    history.replace_head(schema_digest="5" * 64)
    with pytest.raises(GenerationConflict, match="schema"):
        rebased(history, patch(a=2))


def test_a_history_that_is_gone_is_a_conflict() -> None:
    """Below the floor, or purged, nobody can tell what was changed."""
    history = since(patch(b=2), patch(b=3))
    history.floor = 2
    with pytest.raises(GenerationConflict, match="compacted"):
        rebased(history, patch(a=2))
    assert isinstance(rebased(history, patch(a=2), expected=2), Append)
    for purged in (1, 2):
        history = since(patch(b=2), patch(b=3))
        revisions = history.kept[TEAM]
        revisions[purged - 1] = revisions[purged - 1].replace(purged=True, document=None, salt="")
        with pytest.raises(GenerationConflict, match="purged"):
            rebased(history, patch(a=2))


def test_a_rebase_looks_through_a_bounded_history() -> None:
    """G12: beyond a page of history the answer is a conflict."""
    history = since(patch(b=2), patch(b=3), patch(b=4))
    assert isinstance(rebased(history, patch(a=2), limits=Limits(history_page=3)), Append)
    with pytest.raises(GenerationConflict, match="at most 2"):
        rebased(history, patch(a=2), limits=Limits(history_page=2))


def test_another_timeline_is_no_base() -> None:
    """The digest of the expected revision is checked before anything is rebased on it."""
    history = since(patch(b=2))
    digest = history.kept[TEAM][0].digest
    good = history.decide(
        patch(a=2), expected=Expected(generation=1, digest=digest[:12]), on_conflict="rebase"
    )
    assert isinstance(good, Append)
    with pytest.raises(TimelineChanged):
        history.decide(
            patch(a=2), expected=Expected(generation=1, digest="0" * 12), on_conflict="rebase"
        )


def test_create_is_not_rebased() -> None:
    """Whoever wants to create wants no document there."""
    with pytest.raises(GenerationConflict):
        rebased(ListHistory({"a": 1}), patch(b=1), expected=0, create=True)


# --- rollback and policy ---------------------------------------------------------------


def test_a_rollback_is_rebased_as_the_difference_it_makes() -> None:
    """What others changed elsewhere stays; then the result is not the old document and does not say so."""
    history = ListHistory({"a": 0, "b": 1}, {"a": 1, "b": 1}, {"a": 1, "b": 2})
    decision = rebased(history, Rollback(to=1), expected=2)
    assert isinstance(decision, Append)
    assert (decision.revision.kind, decision.revision.document) == ("rollback", {"a": 0, "b": 2})
    assert decision.revision.restores is None
    history = ListHistory({"a": 0}, {"a": 1})
    history.write(SetPolicy(changes={"history_keep": 5}))
    decision = rebased(history, Rollback(to=1), expected=2)
    assert isinstance(decision, Append)
    assert decision.revision.restores == 1


def test_a_rollback_beyond_a_rename_is_rebased_under_the_new_name() -> None:
    """What the document says of its realm is said of the name that it has now."""
    history = ListHistory({"realm": {"old": {"parent": "org"}}, "a": 1})
    history.replace_head(realm=RealmName("old"))
    history.write(SetDocument(document={"realm": {"team": {"parent": "org"}}, "a": 2}))
    history.write(patch(b=1))
    decision = rebased(history, Rollback(to=1), expected=2)
    assert isinstance(decision, Append)
    assert decision.revision.document == {
        "realm": {"team": {"parent": "org"}},
        "a": 1,
        "b": 1,
    }


def test_a_rollback_that_overlaps_is_contested() -> None:
    """What the rollback would undo was changed again, or it would delete what others have edited."""
    assert contested(ListHistory({"a": 0}, {"a": 1}, {"a": 2}), Rollback(to=1), expected=2) == [
        "/a"
    ]
    history = ListHistory({"a": 0}, None, {"a": 1}, {"a": 2})
    assert contested(history, Rollback(to=2), expected=3) == ["/a"]


def test_policies_do_not_overwrite_each_other() -> None:
    """A policy is rebased over changes of the document, and not over another policy."""
    mine = SetPolicy(changes={"require_generation": True})
    decision = rebased(since(patch(a=2)), mine)
    assert isinstance(decision, Append)
    assert decision.revision.policy == Policy(require_generation=True)
    keeping = since(SetPolicy(changes={"history_keep": 5}))
    with pytest.raises(GenerationConflict, match="policy") as refused:
        rebased(keeping, mine)
    told = (refused.value.expected, refused.value.current, refused.value.realm)
    assert told == (1, 2, TEAM)
    keeping.write(patch(a=2))
    decision = rebased(keeping, mine, expected=2)
    assert isinstance(decision, Append)
    assert decision.revision.policy == Policy(require_generation=True, history_keep=5)
    decision = rebased(ListHistory({"a": 1}), mine, expected=0)
    assert isinstance(decision, Append)
    assert decision.revision.policy == Policy(require_generation=True)


# --- what is touched ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("command", "places"),
    [
        (patch(a=1, o={"x": None, "n": {}}, m={"n": {"k": 1}}), ["/a", "/m/n/k", "/o/n", "/o/x"]),
        (patch(), []),
        (
            SetDocument(document={"a": 2, "b": 1, "o": {"x": 1}, "l": [1, 2], "n": {"k": 1}}),
            ["/a", "/n/k", "/o/y"],
        ),
        (json_patch({"op": "move", "from": "/l/0", "path": "/l/1"}), ["/l", "/l/0"]),
        (json_patch({"op": "move", "from": "/a", "path": "/o/n"}), ["/a", "/o/n"]),
        (json_patch({"op": "copy", "from": "/a", "path": "/o/n"}), ["/a", "/o/n"]),
        (json_patch({"op": "test", "path": "/a", "value": 1}), ["/a"]),
        (json_patch({"op": "add", "path": "/o/n", "value": 1}), ["/o/n"]),
        (Edit(assignments=((Pointer(("l", "1")), 1),), removals=(Pointer(("b",)),)), ["/b", "/l"]),
        (Edit(assignments=((Pointer(("a", "x", "y")), 1),)), ["/a/x/y"]),
        (Delete(), [""]),
        (Rollback(to=1), [""]),
        (SetPolicy(changes={}), []),
        (SetSchema(digest="5" * 64, schema={}), []),
        (SetSchema(digest=None, patch={"a": 1, "o": {"x": None}}), ["/a", "/o/x"]),
        (Place(document={}, kind="copy"), [""]),
    ],
)
def test_what_a_write_touches(command: Command, places: list) -> None:
    """Every pointer that the command names; for a whole document, what it changes; arrays as a whole."""
    write = Write(realm=TEAM, command=command, author="ada", write_id="w1")
    assert sorted(map(str, touched(write, BASE))) == places
    depending = write.replace(depends_on=(Pointer(("dep",)),))
    assert sorted(map(str, touched(depending, BASE))) == sorted([*places, "/dep"])


@pytest.mark.parametrize(
    ("before", "after", "places"),
    [
        ({"a": {"x": 1}}, {}, ["/a"]),
        ({"a": {"x": 1, "y": 1}}, {"a": {"x": 2}}, ["/a/x", "/a/y"]),
        ({}, {"a": {"x": {"y": 1}}}, ["/a/x/y"]),
        ({}, {"a": {}}, ["/a"]),
        ({"a": 1}, {"a": {"x": 1}}, ["/a"]),
        ({"a": {}}, {"a": {"x": 1}}, ["/a/x"]),
        ({"a": [1]}, {"a": [1, 2]}, ["/a"]),
        (None, {"a": 1}, ["/a"]),
        ({"a": 1}, None, ["/a"]),
        ({"a": 1}, {"a": 1}, []),
    ],
)
def test_the_topmost_places_that_differ(
    before: dict | None, after: dict | None, places: list
) -> None:
    """An object that goes is one place; one that comes is the places in it."""
    assert sorted(map(str, changed_places(before, after))) == places
