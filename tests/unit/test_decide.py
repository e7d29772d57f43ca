"""May a write happen, and what does it become."""

import copy
from typing import Any

import pytest
from tests.unit.history import NOW, SALT, TEAM, ListHistory

from realmconf.domain.decide import diff_of
from realmconf.domain.document import ABSENT, canonical_bytes, same
from realmconf.domain.jsonpatch import check_operations
from realmconf.domain.names import Limits, RealmName
from realmconf.domain.pointer import Pointer
from realmconf.domain.revision import GENESIS, Policy, intact
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
    Unchanged,
)
from realmconf.errors import (
    GenerationConflict,
    GenerationRequired,
    HistoryCompacted,
    InvalidArgument,
    InvalidDocument,
    LimitExceeded,
    PatchInapplicable,
    PatchTestFailed,
    RealmMoved,
    RealmNotFound,
    RevisionNotFound,
    TimelineChanged,
)

SET = SetDocument(document={"a": 1})
PATCH = MergePatch(patch={"a": 2})


def appended(decision: Append | Unchanged) -> Append:
    assert isinstance(decision, Append)
    return decision


def assign(place: str, value: object) -> Edit:
    return Edit(assignments=((Pointer.parse(place), value),))


def remove(*places: str) -> Edit:
    return Edit(removals=tuple(map(Pointer.parse, places)))


def json_patch(*operations: dict) -> JsonPatch:
    return JsonPatch(operations=check_operations(operations))


# --- the revision --------------------------------------------------------------------


def test_the_first_write_is_generation_one() -> None:
    """G2: a realm starts at 1, on the chain's beginning, and the record says who, what and when."""
    history = ListHistory()
    revision = appended(
        history.write(SET, author="ada", surface="cli", message="why", write_id="w7")
    ).revision
    assert (revision.realm, revision.generation, revision.kind) == (TEAM, 1, "set")
    assert (revision.document, revision.tombstone) == ({"a": 1}, False)
    assert (revision.author, revision.surface, revision.message) == ("ada", "cli", "why")
    assert (revision.write_id, revision.created_at, revision.salt) == ("w7", NOW, SALT)
    assert revision.previous == GENESIS
    assert intact(revision)


def test_each_write_goes_on_from_the_head() -> None:
    """G2 and G14: generations are contiguous and each digest chains to the one before."""
    history = ListHistory({"a": 1}, {"a": 2}, None, {"a": 3})
    kept = history.kept[TEAM]
    assert [revision.generation for revision in kept] == [1, 2, 3, 4]
    assert [revision.previous for revision in kept[1:]] == [
        revision.digest for revision in kept[:-1]
    ]
    assert all(map(intact, kept))


@pytest.mark.parametrize(
    ("command", "kind", "document"),
    [
        (SetDocument(document={"z": 1}), "set", {"z": 1}),
        (SetDocument(document={}, kind="adopt", reverts=("/a",), restores=1), "adopt", {}),
        (MergePatch(patch={"a": None, "o": {"x": 2}}), "patch", {"o": {"x": 2}, "l": [1, 2]}),
        (
            json_patch({"op": "add", "path": "/l/-", "value": 3}),
            "json_patch",
            {"a": 1, "o": {"x": 1}, "l": [1, 2, 3]},
        ),
        (assign("o.x", 5), "patch", {"a": 1, "o": {"x": 5}, "l": [1, 2]}),
        (Delete(), "delete", None),
        (Rollback(to=1), "rollback", {"first": True}),
        (Place(document={"z": 1}, kind="restore"), "restore", {"z": 1}),
        (Place(document=None, kind="rename"), "rename", None),
    ],
)
def test_every_command_makes_the_next_revision(
    command: Command, kind: str, document: dict | None
) -> None:
    """All writes are: append the next revision, of a kind that says how it came about."""
    history = ListHistory({"first": True}, {"a": 1, "o": {"x": 1}, "l": [1, 2]})
    before = copy.deepcopy(history.kept[TEAM])
    revision = appended(history.decide(command)).revision
    assert (revision.generation, revision.kind, revision.document) == (3, kind, document)
    assert revision.tombstone == (document is None)
    assert intact(revision)
    assert history.kept[TEAM] == before


def test_what_a_revision_brings_back_is_recorded() -> None:
    """A rollback names its generation; an adoption what it reverts or restores."""
    history = ListHistory({"a": 1}, {"a": 2})
    assert appended(history.decide(Rollback(to=1))).revision.restores == 1
    adopted = appended(
        history.decide(SetDocument(document={"a": 1}, kind="adopt", restores=1, reverts=("/a",)))
    ).revision
    assert (adopted.restores, adopted.reverts) == (1, ("/a",))


def test_what_a_decision_changes_can_be_told() -> None:
    """``diff_of`` compares with the head the decision goes on from; a no-op changes nothing."""
    history = ListHistory({"a": 1})
    (change,) = diff_of(history.decide(PATCH))
    assert (str(change.pointer), change.before, change.after) == ("/a", 1, 2)
    assert diff_of(history.decide(SET)) == ()
    (change,) = diff_of(history.decide(Delete()))
    assert (str(change.pointer), change.before, change.after) == ("/a", 1, ABSENT)
    (change,) = diff_of(ListHistory().decide(SET))
    assert (str(change.pointer), change.before, change.after) == ("/a", ABSENT, 1)


# --- no-ops --------------------------------------------------------------------------


@pytest.mark.parametrize(
    "command",
    [
        SetDocument(document={"l": [1], "a": 1}),
        MergePatch(patch={}),
        MergePatch(patch={"a": 1, "missing": None}),
        json_patch(),
        json_patch({"op": "test", "path": "/a", "value": 1.0}),
        json_patch({"op": "replace", "path": "/a", "value": 1}),
        assign("/a", 1),
        remove("/missing", "/a/b", "/l/7"),
        Rollback(to=1),
        SetPolicy(changes={}),
        SetPolicy(changes={"require_generation": False}),
        Place(document={"a": 1, "l": [1]}, kind="restore"),
    ],
)
def test_a_write_that_changes_nothing_appends_nothing(command: Command) -> None:
    """A no-op returns the head."""
    history = ListHistory({"a": 1, "l": [1]})
    decision = history.decide(command)
    assert isinstance(decision, Unchanged)
    assert decision.head is history.kept[TEAM][0]


@pytest.mark.parametrize("value", [1.0, True, "1"])
def test_a_change_of_type_alone_is_a_change(value: object) -> None:
    """1, 1.0 and true differ, so storing one for the other is a revision."""
    assert same(
        appended(ListHistory({"a": 1}).decide(assign("/a", value))).revision.document, {"a": value}
    )


@pytest.mark.parametrize("command", [SET, MergePatch(patch={}), Delete(), Rollback(to=1)])
def test_the_precondition_of_a_no_op_counts(command: Command) -> None:
    """A given precondition is never ignored, also where nothing would change."""
    history = ListHistory({"a": 2}, {"a": 1})
    with pytest.raises(GenerationConflict):
        history.decide(command, expected=1)


def test_a_change_of_nothing_calls_no_realm_into_being() -> None:
    """A patch without effect leaves a realm unwritten and a deleted one deleted; ``set`` of {} writes."""
    for history in (ListHistory(), ListHistory({"a": 1}, None)):
        head = history.head(TEAM).revision
        for command in (
            MergePatch(patch={}),
            MergePatch(patch={"x": None}),
            json_patch(),
            remove("/x"),
        ):
            decision = history.decide(command)
            assert isinstance(decision, Unchanged)
            assert decision.head is head
        assert appended(history.decide(SetDocument(document={}))).revision.document == {}
        assert appended(history.decide(MergePatch(patch={"x": {}}))).revision.document == {"x": {}}


def test_changing_a_deleted_realm_starts_from_nothing() -> None:
    """A patch, JSON Patch or edit of a realm without document starts from the empty one, and counts on."""
    for command in (
        MergePatch(patch={"x": 1}),
        json_patch({"op": "add", "path": "/x", "value": 1}),
        assign("x", 1),
    ):
        revision = appended(ListHistory({"a": 1}, None).decide(command)).revision
        assert (revision.generation, revision.document) == (3, {"x": 1})


# --- preconditions -------------------------------------------------------------------


def test_an_expected_generation_must_be_the_head() -> None:
    """G1: any other number, older or newer, is a conflict that carries both."""
    history = ListHistory({"a": 0}, {"a": 1})
    assert appended(history.decide(PATCH, expected=2)).revision.generation == 3
    for wrong in (0, 1, 3, 99):
        with pytest.raises(GenerationConflict) as caught:
            history.decide(PATCH, expected=wrong)
        assert (caught.value.expected, caught.value.current) == (wrong, 2)
        assert str(caught.value).startswith(f"generation conflict: expected {wrong}, current 2")


def test_expected_zero_matches_only_a_realm_never_written() -> None:
    """A deleted realm has a generation, so 0 does not match it."""
    assert appended(ListHistory().decide(SET, expected=0)).revision.generation == 1
    with pytest.raises(GenerationConflict):
        ListHistory().decide(SET, expected=1)
    with pytest.raises(GenerationConflict):
        ListHistory({"a": 1}, None).decide(SET, expected=0)


def test_an_etag_tells_timelines_apart() -> None:
    """The same number with another digest is another history: ``TimelineChanged``, not a conflict."""
    history = ListHistory({"a": 1})
    digest = history.kept[TEAM][0].digest
    for good in (digest, digest[:12]):
        history.decide(PATCH, expected=Expected(generation=1, digest=good))
    with pytest.raises(TimelineChanged):
        history.decide(PATCH, expected=Expected(generation=1, digest="0" * 12))
    with pytest.raises(TimelineChanged):
        ListHistory().decide(PATCH, expected=Expected(generation=0, digest="f" * 12))
    appended(ListHistory().decide(PATCH, expected=Expected(generation=0, digest=GENESIS[:12])))
    with pytest.raises(GenerationConflict):
        history.decide(PATCH, expected=Expected(generation=2, digest=digest))


def test_create_needs_a_realm_without_document() -> None:
    """``create`` holds for a realm never written and for a deleted one, and reports the current generation."""
    assert appended(ListHistory().decide(SET, create=True)).revision.generation == 1
    assert appended(ListHistory({"a": 1}, None).decide(SET, create=True)).revision.generation == 3
    with pytest.raises(GenerationConflict) as caught:
        ListHistory({"a": 1}).decide(SET, create=True)
    assert (caught.value.expected, caught.value.current) == (0, 1)


def test_must_exist_needs_a_live_document() -> None:
    """``If-Match: *`` is no "force": without a document it is a conflict."""
    appended(ListHistory({"a": 1}).decide(PATCH, must_exist=True))
    for history in (ListHistory(), ListHistory({"a": 1}, None)):
        with pytest.raises(GenerationConflict):
            history.decide(PATCH, must_exist=True)


def test_a_policy_may_ask_for_a_precondition() -> None:
    """Without one the write is refused; ``create`` is one, ``must_exist`` is not."""
    history = ListHistory({"a": 1})
    history.write(SetPolicy(changes={"require_generation": True}))
    for command in (
        PATCH,
        SET,
        Delete(),
        Rollback(to=1),
        SetPolicy(changes={}),
        assign("a", 1),
        json_patch(),
    ):
        with pytest.raises(GenerationRequired) as caught:
            history.decide(command, must_exist=True)
        assert caught.value.current == 2
        history.decide(command, expected=2)
    history.write(Delete(), expected=2)
    assert appended(history.decide(SET, create=True)).revision.policy.require_generation


@pytest.mark.parametrize(
    "command",
    [
        SetDocument(document={"z": 1}, kind=kind)
        for kind in ("adopt", "restore", "import", "migrate")
    ]
    + [Place(document={"z": 1}, kind=kind) for kind in ("restore", "import", "copy", "rename")],
)
def test_what_nobody_read_a_generation_for_needs_none(command: Command) -> None:
    """A hand edit, a restore and an import come without a number, whatever the policy."""
    history = ListHistory({"a": 1})
    history.write(SetPolicy(changes={"require_generation": True}))
    assert appended(history.decide(command)).revision.generation == 3


def test_a_realm_that_moved_is_not_written() -> None:
    """After a migration every write is told where to, before anything else is judged."""
    history = ListHistory({"a": 1})
    history.moved_to = "postgresql://there"
    for fields in ({}, {"expected": 9}, {"create": True}):
        with pytest.raises(RealmMoved) as caught:
            history.decide(PATCH, **fields)
        assert caught.value.to == "postgresql://there"


# --- single commands -----------------------------------------------------------------


def test_deleting_what_is_not_there() -> None:
    """A realm never written is not found; a deleted one stays as it is."""
    with pytest.raises(RealmNotFound):
        ListHistory().decide(Delete())
    assert isinstance(ListHistory({"a": 1}, None).decide(Delete()), Unchanged)


def test_rollback_appends_what_was() -> None:
    """A rollback is a new revision with an older document, or an older deletion."""
    history = ListHistory({"a": 1}, None, {"a": 3})
    assert appended(history.decide(Rollback(to=1))).revision.document == {"a": 1}
    deleted = appended(history.decide(Rollback(to=2))).revision
    assert (deleted.generation, deleted.document, deleted.tombstone, deleted.kind) == (
        4,
        None,
        True,
        "rollback",
    )


def test_rollback_to_what_is_gone() -> None:
    """A generation that never was, was compacted or was purged cannot be brought back."""
    history = ListHistory({"a": 1}, {"a": 2}, {"a": 3})
    for missing in (0, 4, -1):
        with pytest.raises(RevisionNotFound):
            history.decide(Rollback(to=missing))
    history.floor = 2
    with pytest.raises(HistoryCompacted):
        history.decide(Rollback(to=1))
    history.kept[TEAM][1] = history.kept[TEAM][1].replace(purged=True, document=None)
    with pytest.raises(HistoryCompacted):
        history.decide(Rollback(to=2))


def test_policy_is_part_of_the_revision_and_stays() -> None:
    """Setting a policy keeps the document; every later write keeps the policy, a deletion too."""
    history = ListHistory({"a": 1})
    revision = appended(history.write(SetPolicy(changes={"history_keep": 5}))).revision
    assert (revision.kind, revision.document, revision.policy) == (
        "policy",
        {"a": 1},
        Policy(history_keep=5),
    )
    history.write(Delete())
    history.write(SET)
    history.write(Rollback(to=1))
    assert all(revision.policy == Policy(history_keep=5) for revision in history.kept[TEAM][1:])
    assert (
        appended(history.write(SetPolicy(changes={"history_keep": None}))).revision.policy
        == Policy()
    )


@pytest.mark.parametrize(
    "changes",
    [
        {"nope": 1},
        {"require_generation": 1},
        {"require_generation": "yes"},
        {"history_keep": 0},
        {"history_keep": -1},
        {"history_keep": True},
        {"history_keep": "5"},
        {"history_keep": 1.0},
    ],
)
def test_a_policy_that_is_none(changes: dict) -> None:
    """Unknown policies and values of another type are refused."""
    with pytest.raises(InvalidArgument):
        ListHistory({"a": 1}).decide(SetPolicy(changes=changes))
    with pytest.raises(RealmNotFound):
        ListHistory().decide(SetPolicy(changes={"history_keep": 5}))


def test_a_rename_continues_the_chain_under_another_name() -> None:
    """The new name counts on from the old head, and chains to it; the policy comes along."""
    history = ListHistory({"a": 1})
    history.write(SetPolicy(changes={"history_keep": 5}))
    old_head = history.kept[TEAM][-1]
    new = RealmName("crew")
    revision = appended(
        history.decide(Place(document={"a": 1}, kind="rename", previous=old_head), realm=new)
    ).revision
    assert (revision.realm, revision.generation, revision.previous) == (new, 3, old_head.digest)
    assert revision.policy == Policy(history_keep=5)
    assert intact(revision)


def test_a_restore_steps_over_numbers_that_were_used() -> None:
    """G2: after a lost history, numbers go on above all that is known, even if the document is the same."""
    history = ListHistory({"a": 1})
    revision = appended(
        history.decide(Place(document={"a": 1}, kind="restore", generation_min=40))
    ).revision
    assert (revision.generation, revision.previous) == (40, history.kept[TEAM][0].digest)
    revision = appended(
        ListHistory().decide(Place(document={"a": 1}, kind="import", generation_min=7))
    ).revision
    assert (revision.generation, revision.previous) == (7, GENESIS)
    assert (
        appended(
            history.decide(Place(document={}, kind="import", generation_min=1))
        ).revision.generation
        == 2
    )


def test_a_placed_policy_replaces_the_old_one() -> None:
    """A restore brings the policy back too."""
    history = ListHistory({"a": 1})
    revision = appended(
        history.decide(Place(document={"a": 1}, kind="restore", policy=Policy(history_keep=9)))
    ).revision
    assert revision.policy == Policy(history_keep=9)


# --- edits by pointer ----------------------------------------------------------------

EDITED: dict[str, Any] = {"a": 1, "o": {"x": {"y": 1}, "z": [1, {"k": 1}, 3]}}


@pytest.mark.parametrize(
    ("command", "document"),
    [
        (assign("/b/c", 1), {**EDITED, "b": {"c": 1}}),
        (assign("/a/b", 1), {**EDITED, "a": {"b": 1}}),
        (assign("/o", {"n": 1}), {"a": 1, "o": {"n": 1}}),
        (assign("/o/x", {}), {"a": 1, "o": {"x": {}, "z": [1, {"k": 1}, 3]}}),
        (assign("/o/z/1/k", 2), {"a": 1, "o": {"x": {"y": 1}, "z": [1, {"k": 2}, 3]}}),
        (assign("/o/z/-", 4), {"a": 1, "o": {"x": {"y": 1}, "z": [1, {"k": 1}, 3, 4]}}),
        (assign("/o/z/-/n", 4), {"a": 1, "o": {"x": {"y": 1}, "z": [1, {"k": 1}, 3, {"n": 4}]}}),
        (assign("", {"n": 1}), {"n": 1}),
        (remove("/o/z/0", "/o/z/2", "/o/x/y"), {"a": 1, "o": {"x": {}, "z": [{"k": 1}]}}),
        (remove("/o", "/o/x"), {"a": 1}),
        (remove("/o/z/1/k"), {"a": 1, "o": {"x": {"y": 1}, "z": [1, {}, 3]}}),
        (
            Edit(removals=(Pointer(("a",)),), assignments=((Pointer(("a", "b")), 1),)),
            {**EDITED, "a": {"b": 1}},
        ),
    ],
)
def test_an_edit_changes_single_places(command: Edit, document: dict) -> None:
    """A value is replaced as a whole, missing objects are made, arrays are entered by index."""
    history = ListHistory(EDITED)
    assert same(appended(history.decide(command)).revision.document, document)
    assert same(history.kept[TEAM][0].document, EDITED)


def test_removing_elements_of_a_long_array() -> None:
    """Indices of one edit are those before it: the tenth element is not confused with the second."""
    history = ListHistory({"l": list(range(12))})
    revision = appended(history.decide(remove("/l/2", "/l/10", "/l/9"))).revision
    assert revision.document == {"l": [0, 1, 3, 4, 5, 6, 7, 8, 11]}


@pytest.mark.parametrize(
    ("command", "error"),
    [
        (assign("/o/z/3", 1), InvalidArgument),
        (assign("/o/z/x", 1), InvalidArgument),
        (assign("/o/z/01", 1), InvalidArgument),
        (assign("/o/z/9/x", 1), InvalidArgument),
        (assign("", [1]), InvalidArgument),
        (remove(""), InvalidArgument),
        (assign("/a", None), InvalidDocument),
        (assign("/a", {"b": [float("nan")]}), InvalidDocument),
        (assign("/a/" + "k" * 513, 1), LimitExceeded),
        (assign("/a" * 60, {"x": {"x": {"x": {"x": {}}}}}), LimitExceeded),
    ],
)
def test_an_edit_that_cannot_be(command: Edit, error: type[Exception]) -> None:
    """An array without that element, a value that no document has: typed, and nothing happens."""
    with pytest.raises(error):
        ListHistory(EDITED).decide(command)


# --- refusals --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("operation", "error"),
    [
        ({"op": "remove", "path": "/missing"}, PatchInapplicable),
        ({"op": "test", "path": "/a", "value": 2}, PatchTestFailed),
        ({"op": "replace", "path": "", "value": []}, InvalidDocument),
    ],
)
def test_a_json_patch_that_does_not_fit(operation: dict, error: type[Exception]) -> None:
    """The command's own refusals come after the precondition, and change nothing."""
    history = ListHistory({"a": 1})
    with pytest.raises(error):
        history.decide(json_patch(operation))
    with pytest.raises(GenerationConflict):
        history.decide(json_patch(operation), expected=7)


@pytest.mark.parametrize(
    ("fields", "limit"),
    [
        ({"message": "x" * 2_001}, "message_chars"),
        ({"author": "x" * 257}, "author_chars"),
        ({"write_id": "x" * 129}, "write_id_chars"),
    ],
)
def test_labels_have_limits(fields: dict, limit: str) -> None:
    """Message, author and write id are bounded, in characters."""
    with pytest.raises(LimitExceeded) as caught:
        ListHistory().decide(SET, **fields)
    assert caught.value.limit == limit
    shorter: dict = {name: text[:-1] for name, text in fields.items()}
    appended(ListHistory().decide(SET, **shorter))


@pytest.mark.parametrize("name", ["message", "author", "write_id"])
def test_labels_are_text(name: str) -> None:
    """What an argument vector or environment smuggles in is refused before it is hashed or stored."""
    with pytest.raises(InvalidArgument):
        ListHistory().write(SET, **{name: "x\udcff"})


def test_a_result_that_is_too_large() -> None:
    """Two small patches may make one large document: the result is measured."""
    history = ListHistory({"a": "x" * 60})
    with pytest.raises(LimitExceeded) as caught:
        history.decide(MergePatch(patch={"b": "x" * 60}), limits=Limits(document_bytes=100))
    assert caught.value.limit == "document_bytes"
    with pytest.raises(LimitExceeded) as caught:
        history.decide(MergePatch(patch={"b": 1, "c": 1}), limits=Limits(keys=2))
    assert caught.value.limit == "keys"
    # A text full of what looks like keys is none.
    appended(history.decide(MergePatch(patch={"b": '":' * 10}), limits=Limits(keys=2)))


def test_the_last_generation() -> None:
    """G2: at 2^53-1 the counter ends with a typed error; what changes nothing is still answered."""
    history = ListHistory({"a": 1})
    history.replace_head(generation=2**53 - 1)
    with pytest.raises(LimitExceeded) as caught:
        history.decide(PATCH)
    assert (caught.value.limit, caught.value.value) == ("generation", 2**53)
    assert isinstance(history.decide(SET), Unchanged)
    history.replace_head(generation=2**53 - 2)
    assert appended(history.decide(PATCH)).revision.generation == 2**53 - 1


# --- what a refusal says ---------------------------------------------------------------------


def test_a_refusal_says_of_which_realm_and_which_generations() -> None:
    """Whoever is refused can go on from what it says."""
    history = ListHistory({"a": 1}, {"a": 2}, None)
    told = []
    for fields in ({"expected": 1}, {"create": True, "expected": 2}, {"must_exist": True}):
        with pytest.raises(GenerationConflict) as refused:
            history.decide(SET, **fields)
        told.append((refused.value.expected, refused.value.current, refused.value.realm))
    assert told == [(1, 3, TEAM), (2, 3, TEAM), (3, 3, TEAM)]
    live = ListHistory({"a": 1}, {"a": 2})
    with pytest.raises(GenerationConflict) as refused:
        live.decide(SET, create=True)
    assert (refused.value.expected, refused.value.current, refused.value.realm) == (0, 2, TEAM)
    assert "already" in str(refused.value)
    with pytest.raises(GenerationConflict) as refused:
        ListHistory().decide(SET, must_exist=True)
    assert (refused.value.expected, refused.value.current) == (1, 0)
    assert "no document" in str(refused.value)
    live.write(SetPolicy(changes={"require_generation": True, "history_keep": 1}))
    with pytest.raises(GenerationRequired) as required:
        live.decide(SET)
    assert (required.value.realm, required.value.current) == (TEAM, 3)
    live = ListHistory({"a": 1}, {"a": 2})
    with pytest.raises(TimelineChanged) as changed:
        live.decide(SET, expected=Expected(generation=2, digest="0" * 12))
    assert (changed.value.realm, changed.value.generation) == (TEAM, 2)


def test_one_of_several_expectations_is_enough() -> None:
    """The write was made for any of them; a rebase starts at the newest that is older than the head."""
    history = ListHistory({"a": 1}, {"a": 1, "b": 1}, {"a": 1, "b": 2}, {"a": 1, "b": 2, "c": 1})
    also = (Expected(generation=4), Expected(generation=1))
    assert isinstance(history.decide(PATCH, expected=9, or_expected=also), Append)
    with pytest.raises(GenerationConflict):
        history.decide(PATCH, expected=1, or_expected=(Expected(generation=2),))
    decision = appended(
        history.decide(
            PATCH, expected=1, or_expected=(Expected(generation=3),), on_conflict="rebase"
        )
    )
    assert decision.rebased_from == 3
    wrong = (Expected(generation=4, digest="0" * 12), Expected(generation=3))
    rebased = history.decide(PATCH, expected=9, or_expected=wrong, on_conflict="rebase")
    assert appended(rebased).rebased_from == 3


def test_the_limits_of_a_result_are_the_last_that_is_allowed() -> None:
    """As many bytes and keys as the limit says, and not one more."""
    document = {"a": {"b": 1}, "c": 2}
    size = len(canonical_bytes(document))
    for limits in (Limits(document_bytes=size), Limits(keys=3)):
        assert isinstance(
            ListHistory().decide(SetDocument(document=document), limits=limits), Append
        )
    for limits, name, found in (
        (Limits(document_bytes=size - 1), "document_bytes", size),
        (Limits(keys=2), "keys", 3),
    ):
        with pytest.raises(LimitExceeded) as refused:
            ListHistory().decide(SetDocument(document=document), limits=limits)
        assert (refused.value.limit, refused.value.value) == (name, found)


def test_a_rollback_that_cannot_be_says_of_which_realm_and_generation() -> None:
    """Erased on purpose is told from compacted; a realm that is not there is named."""
    history = ListHistory({"a": 1}, {"a": 2})
    history.floor = 2
    history.kept[TEAM][1] = history.kept[TEAM][1].replace(purged=True, document=None)
    with pytest.raises(HistoryCompacted) as refused:
        history.decide(Rollback(to=2))
    erased = HistoryCompacted(2, 2, realm=TEAM, purged=True)
    assert refused.value.to_dict() == erased.to_dict()
    for command in (Delete(), SetPolicy(changes={"history_keep": 5})):
        with pytest.raises(RealmNotFound) as missing:
            ListHistory().decide(command)
        assert missing.value.realm == TEAM


def test_a_rollback_beyond_a_rename_is_under_the_new_name() -> None:
    """What the document says of its realm is said of the name that it has now."""
    history = ListHistory({"realm": {"old": {"parent": "org"}}, "a": 1})
    history.replace_head(realm=RealmName("old"))
    history.write(SET)
    document = appended(history.decide(Rollback(to=1))).revision.document
    assert document == {"realm": {"team": {"parent": "org"}}, "a": 1}


def test_a_command_that_builds_on_the_document_is_within_the_limits_that_are_given() -> None:
    """Those of the client or server that decides."""
    deep = json_patch({"op": "copy", "from": "/a", "path": "/a/b/c"})
    history = ListHistory({"a": {"b": {}}})
    assert isinstance(history.decide(deep, limits=Limits(depth=5)), Append)
    with pytest.raises(LimitExceeded):
        history.decide(deep, limits=Limits(depth=4))
