"""What a write becomes where secrets and schemas have a say."""

from typing import Any

import pytest
from tests.unit.history import TEAM, ListHistory

from realmconf.domain.document import canonical_bytes
from realmconf.domain.jsonpatch import check_operations
from realmconf.domain.pointer import Pointer
from realmconf.domain.revision import Policy
from realmconf.domain.scope import Scope
from realmconf.domain.secrets import Secrecy
from realmconf.domain.write import (
    Append,
    Command,
    Delete,
    JsonPatch,
    MergePatch,
    Place,
    Rollback,
    SetDocument,
    SetPolicy,
    SetSchema,
    Unchanged,
)
from realmconf.errors import NotPermitted, RealmMoved, SecretMarkMisplaced, SecretWithheld

SET = SetDocument(document={"a": 1})


def appended(decision: Append | Unchanged) -> Append:
    assert isinstance(decision, Append)
    return decision


def json_patch(*operations: dict) -> JsonPatch:
    return JsonPatch(operations=check_operations(operations))


# --- who may not see secrets ---------------------------------------------------------------


SECRECY = Secrecy(realm="team", key=lambda: b"k" * 32)


def stating(document: dict, scope: Scope | None, *, is_tried: bool = False) -> Append | Unchanged:
    """A write of somebody who may not see secrets, over a secret that is the same."""
    history = ListHistory({"token": "t", "n": 1})
    return history.decide(
        SetDocument(document=document),
        secrecy=SECRECY,
        is_tried=is_tried,
        sees_secrets=False,
        scope=scope,
    )


BLIND = Scope(judges_secrets=False)


def test_a_secret_that_is_stated_is_a_change_whatever_stands_there() -> None:
    """Or whether anything was changed would tell a guess from the truth (G11)."""
    assert isinstance(stating({"token": "t", "n": 1}, BLIND), Append)
    assert isinstance(stating({"token": "t", "n": 1}, Scope()), Unchanged)
    assert isinstance(stating({"token": "t", "n": 1}, None), Unchanged)


def test_a_secret_that_is_brought_from_an_open_place_is_stated_too() -> None:
    """By the operations of a JSON Patch, one after the other, on the document that stands there."""
    history = ListHistory({"token": "t", "n": 1, "open": "t"})
    for mine in (
        json_patch({"op": "copy", "from": "/open", "path": "/token"}),
        json_patch(
            {"op": "add", "path": "/new", "value": "t"},
            {"op": "copy", "from": "/new", "path": "/token"},
            {"op": "remove", "path": "/new"},
        ),
    ):
        blind = history.decide(mine, secrecy=SECRECY, sees_secrets=False, scope=BLIND)
        assert isinstance(blind, Append)
        assert isinstance(history.decide(mine, secrecy=SECRECY), Unchanged)


def test_a_dry_run_tells_nothing_of_a_secret_that_is_stated() -> None:
    """It is refused, unless nothing but violations are told of it; one that states none is as ever."""
    with pytest.raises(SecretWithheld) as refused:
        stating({"token": "t", "n": 1, "api_key": "x"}, BLIND, is_tried=True)
    assert (refused.value.pointer, refused.value.realm) == ("/api_key", TEAM)
    tries = Scope(judges_secrets=False, tries_secrets=True)
    assert isinstance(stating({"token": "t"}, tries, is_tried=True), Append)
    assert isinstance(stating({"n": 1}, BLIND, is_tried=True), Append)


def test_a_secret_is_not_stated_beyond_what_its_author_may_change() -> None:
    """Judged before anything is compared; what stands at ``/realm`` is refused for what it is."""
    narrow = Scope(judges_secrets=False, below=(Pointer(("n",)),))
    with pytest.raises(NotPermitted, match="/token") as refused:
        stating({"token": "t", "n": 2}, narrow)
    assert refused.value.realm == TEAM
    placed = stating({"realm": {"team": {"credential_store": "x"}}}, Scope(judges_secrets=False))
    assert isinstance(placed, Append)


def shown(document: dict) -> Any:
    """A document as whoever may not see secrets is shown it."""
    return SECRECY.redact(document)


def test_a_mark_that_is_sent_back_keeps_the_secret_that_stands_there() -> None:
    """In each command; with the head that it was shown of, or over one that moved on."""
    stored = {"token": "t", "n": 1}
    history = ListHistory(stored)
    history.write(MergePatch(patch={"m": 2}))
    commands: list[tuple[Command, int]] = [
        (SetDocument(document=shown({"token": "t", "n": 5, "m": 2})), 2),
        (SetDocument(document=shown({"token": "t", "n": 5})), 1),
        (MergePatch(patch=shown({"token": "t", "n": 5})), 2),
        (MergePatch(patch=shown({"token": "t", "n": 5})), 1),
        (
            json_patch(
                {"op": "test", "path": "/token", "value": shown(stored)["token"]},
                {"op": "add", "path": "/n", "value": 5},
            ),
            2,
        ),
        (
            json_patch(
                {"op": "test", "path": "/token", "value": shown(stored)["token"]},
                {"op": "add", "path": "/n", "value": 5},
            ),
            1,
        ),
    ]
    for command, expected in commands:
        decision = appended(
            history.decide(command, expected=expected, on_conflict="rebase", secrecy=SECRECY)
        )
        assert decision.revision.document == {"token": "t", "n": 5, "m": 2}
        assert decision.canonical == canonical_bytes({"token": "t", "n": 5, "m": 2})
        assert decision.rebased_from == (None if expected == 2 else 1)


def test_a_mark_of_what_nobody_can_look_up_any_more_is_refused() -> None:
    """Of a base that was purged, or where nobody told what is secret; it is never stored."""
    history = ListHistory({"token": "t"})
    history.write(MergePatch(patch={"m": 2}))
    mine = MergePatch(patch=shown({"token": "t"}))
    with pytest.raises(SecretMarkMisplaced):
        history.decide(mine)
    history.floor = 2
    with pytest.raises(SecretMarkMisplaced):
        history.decide(mine, expected=1, on_conflict="rebase", secrecy=SECRECY)


def test_who_may_not_see_secrets_reads_none_by_a_command() -> None:
    """Neither by a test nor by a copy; who may, does."""
    history = ListHistory({"token": "t"})
    mine = json_patch({"op": "copy", "from": "/token", "path": "/open"})
    with pytest.raises(SecretWithheld):
        history.decide(mine, secrecy=SECRECY, sees_secrets=False)
    assert isinstance(history.decide(mine, secrecy=SECRECY), Append)


# --- schemas -------------------------------------------------------------------------------


SCHEMA = {"type": "object"}
WITH_SCHEMA = SetSchema(digest="5" * 64, schema=SCHEMA)


def test_a_schema_is_attached_and_taken_away_by_revisions() -> None:
    """The document stays, or is called into being: a realm that only governs others states nothing itself."""
    history = ListHistory()
    first = appended(history.write(WITH_SCHEMA))
    assert (first.revision.document, first.revision.kind) == ({}, "schema")
    assert (first.revision.schema_digest, first.schemas) == ("5" * 64, {"5" * 64: SCHEMA})
    assert isinstance(history.decide(WITH_SCHEMA), Unchanged)
    history.write(SET)
    assert appended(history.decide(MergePatch(patch={"b": 1}))).revision.schema_digest == "5" * 64
    last = appended(history.write(SetSchema(digest=None)))
    assert (last.revision.document, last.revision.schema_digest) == ({"a": 1}, None)
    assert last.schemas == {}
    assert isinstance(history.decide(SetSchema(digest=None)), Unchanged)


def test_a_schema_comes_with_what_makes_the_document_fit() -> None:
    """In the same revision; also where there was no document."""
    made = SetSchema(digest="5" * 64, schema=SCHEMA, patch={"b": 2})
    assert appended(ListHistory({"a": 1}).decide(made)).revision.document == {"a": 1, "b": 2}
    assert appended(ListHistory().decide(made)).revision.document == {"b": 2}
    removed = SetSchema(digest=None, patch={"a": None, "b": 2})
    history = ListHistory({"a": 1})
    history.write(WITH_SCHEMA)
    assert appended(history.decide(removed)).revision.document == {"b": 2}


def test_taking_away_a_schema_that_was_never_there_makes_no_realm() -> None:
    """Nor gives a deleted one a document."""
    assert isinstance(ListHistory().decide(SetSchema(digest=None)), Unchanged)
    history = ListHistory({"a": 1}, None)
    assert isinstance(history.decide(SetSchema(digest=None)), Unchanged)
    assert appended(history.decide(WITH_SCHEMA)).revision.document == {}


def test_what_is_placed_has_the_schema_and_the_policy_of_where_it_comes_from() -> None:
    """What the command names itself goes first; a realm that is left keeps what it had beside its numbers."""
    policy, other = Policy(history_keep=5), Policy(history_keep=7)
    source = ListHistory({"a": 1})
    source.write(WITH_SCHEMA)
    source.write(SetPolicy(changes={"history_keep": 5}))
    previous = source.head(TEAM).revision
    assert previous is not None

    def placed(history: ListHistory, **fields: Any) -> Any:
        return appended(
            history.decide(Place(**{"document": {"b": 1}, "kind": "rename", **fields}))
        ).revision

    def said(revision: Any) -> tuple[Any, Any]:
        return revision.policy, revision.schema_digest

    fresh, there = ListHistory(), ListHistory({"c": 1})
    there.write(SetPolicy(changes={"history_keep": 7}))
    assert said(placed(fresh)) == (Policy(), None)
    assert said(placed(fresh, previous=previous)) == (policy, "5" * 64)
    assert said(placed(fresh, previous=previous, schema_digest="6" * 64)) == (policy, "6" * 64)
    assert said(placed(there, previous=previous)) == (other, "5" * 64)
    assert said(placed(there, previous=previous, policy=policy)) == (policy, "5" * 64)
    there.write(WITH_SCHEMA)
    assert said(placed(there)) == (other, None)
    assert said(placed(there, document=None)) == (other, "5" * 64)
    assert said(placed(fresh, document=None)) == (Policy(), None)
    assert placed(fresh, restores=3, kind="restore").restores == 3
    assert placed(fresh).restores is None
    made = Place(document={}, kind="copy", schema_digest="6" * 64, schemas={"6" * 64: SCHEMA})
    assert appended(fresh.decide(made)).schemas == {"6" * 64: SCHEMA}


# --- what its author may change -------------------------------------------------------------


def test_a_command_that_its_author_may_not_give_is_refused_before_anything_else() -> None:
    """By what it names; so nothing is told of the head."""
    moved = ListHistory({"a": 1})
    moved.moved_to = "elsewhere"
    with pytest.raises(NotPermitted) as refused:
        moved.decide(SetPolicy(changes={}), scope=Scope(governs=False), expected=7)
    assert refused.value.realm == TEAM
    with pytest.raises(RealmMoved) as gone:
        moved.decide(SetPolicy(changes={}), scope=Scope(), expected=7)
    assert gone.value.realm == TEAM


def test_what_comes_of_a_command_is_within_what_its_author_may_change() -> None:
    """Though it names no place: a rollback, a whole document, an erasure, a secret in either."""
    history = ListHistory({"a": 1, "n": 1}, {"a": 2, "n": 2})
    narrow = Scope(below=(Pointer(("n",)),))
    for command in (Rollback(to=1), SetDocument(document={"n": 3}), Delete()):
        with pytest.raises(NotPermitted) as refused:
            history.decide(command, scope=narrow)
        assert refused.value.realm == TEAM
    assert isinstance(history.decide(SetDocument(document={"a": 2, "n": 3}), scope=narrow), Append)
    secret = ListHistory({"token": "s", "n": 1}, {"token": "t", "n": 1}, {"token": "t", "n": 2})
    states_none = Scope(states_secrets=False)
    with pytest.raises(NotPermitted):
        secret.decide(Rollback(to=1), scope=states_none, secrecy=SECRECY)
    assert isinstance(secret.decide(Rollback(to=2), scope=states_none, secrecy=SECRECY), Append)


def test_a_deletion_has_no_bytes_and_a_rebase_may_find_nothing_left_to_do() -> None:
    """Then the receipt says over which generation it was rebased all the same."""
    history = ListHistory({"a": 1}, {"a": 1, "b": 1})
    deleted = appended(history.decide(Delete()))
    assert (deleted.canonical, deleted.revision.tombstone) == (None, True)
    same = history.decide(MergePatch(patch={"b": 1}), expected=1, on_conflict="rebase")
    assert isinstance(same, Unchanged)
    assert same.rebased_from == 1
    assert same.head == history.head(TEAM).revision
