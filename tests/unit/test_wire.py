"""Commands and preconditions as JSON: what goes out comes back, and nothing else is taken."""

from __future__ import annotations

import json
from typing import Any

import pytest

from realmconf.domain.names import LIMITS, Limits, RealmName
from realmconf.domain.pointer import Pointer
from realmconf.domain.schemas.schema import schema_digest
from realmconf.domain.wire import (
    EXPECTED_MAX,
    command_fields,
    command_from,
    conditions_from,
    write_fields,
)
from realmconf.domain.write import (
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
    Write,
)
from realmconf.errors import InvalidArgument, LimitExceeded

DIGEST = "0123456789ab"
SCHEMA = {"type": "object"}


@pytest.mark.parametrize(
    "command",
    [
        SetDocument(document={"a": [1, {}]}),
        MergePatch(patch={"a": None}),
        JsonPatch(operations=({"op": "add", "path": "/a", "value": 1},)),
        Edit(assignments=((Pointer(("a", "b/c")), 1),), removals=(Pointer(("d",)),)),
        Edit(assignments=(), removals=(Pointer(("d",)),), kind="set"),
        Delete(),
        Rollback(to=1),
        Rollback(to=LIMITS.generation),
        SetPolicy(changes={"history_keep": 5}),
        SetSchema(digest=None),
        SetSchema(digest=schema_digest(SCHEMA), schema=SCHEMA, patch={"a": 1}),
    ],
)
def test_a_command_arrives_as_it_was_sent(command: Command) -> None:
    """Through JSON, and checked on the way in."""
    sent = json.loads(json.dumps(command_fields(command)))
    assert command_from(sent, limits=LIMITS) == command


@pytest.mark.parametrize(
    "command",
    [SetDocument(document={}, kind="restore"), Place(document=None, kind="rename"), Command()],
)
def test_a_command_that_no_caller_may_give_does_not_travel(command: Command) -> None:
    """A server decides those itself."""
    with pytest.raises(InvalidArgument):
        command_fields(command)


@pytest.mark.parametrize(
    "found",
    [
        None,
        [],
        {},
        {"do": 5},
        {"do": "explode"},
        {"do": "set"},
        {"do": "patch"},
        {"do": "edit", "assignments": {}, "removals": [], "kind": "patch"},
        {"do": "edit", "assignments": [["/a"]], "removals": [], "kind": "patch"},
        {"do": "edit", "assignments": ["/a"], "removals": [], "kind": "patch"},
        {"do": "edit", "assignments": [["", {}]], "removals": [], "kind": "patch"},
        {"do": "edit", "assignments": [[5, {}]], "removals": [], "kind": "patch"},
        {"do": "edit", "assignments": [], "removals": [""], "kind": "patch"},
        {"do": "edit", "assignments": [], "removals": "/a", "kind": "patch"},
        {"do": "edit", "assignments": [], "removals": [], "kind": "adopt"},
        {"do": "rollback", "to": 0},
        {"do": "rollback", "to": True},
        {"do": "rollback", "to": LIMITS.generation + 1},
        {"do": "policy", "changes": []},
        {"do": "schema", "schema": None},
    ],
)
def test_what_is_no_command_is_refused(found: Any) -> None:
    """Typed, whatever a peer sends."""
    with pytest.raises(InvalidArgument):
        command_from(found, limits=LIMITS)


def test_what_is_missing_in_a_command_is_named() -> None:
    """By the name under which it is wanted."""
    with pytest.raises(InvalidArgument, match="document"):
        command_from({"do": "set"}, limits=LIMITS)


@pytest.mark.parametrize(
    "conditions",
    [
        {},
        {"expected": Expected(generation=0)},
        {"expected": Expected(generation=3, digest=DIGEST), "on_conflict": "rebase"},
        {
            "expected": Expected(generation=LIMITS.generation, digest="a" * 64),
            "or_expected": (Expected(generation=3),) * EXPECTED_MAX,
        },
        {"create": True},
        {"must_exist": True, "depends_on": (Pointer(("a",)), Pointer())},
    ],
)
def test_preconditions_arrive_as_they_were_sent(conditions: dict[str, Any]) -> None:
    """Through JSON, and checked on the way in."""
    write = Write(realm=RealmName("team"), command=Delete(), author="a", write_id="w", **conditions)
    sent = json.loads(json.dumps(write_fields(write)))
    assert sent["realm"] == "team"
    found = conditions_from(sent, limits=LIMITS)
    assert found == {name: getattr(write, name) for name in found}
    assert conditions.keys() <= found.keys()


@pytest.mark.parametrize(
    "found",
    [
        {"expected": 3},
        {"expected": [3]},
        {"expected": [-1, None]},
        {"expected": [True, None]},
        {"expected": [LIMITS.generation + 1, None]},
        {"expected": [3, "0123456789a"]},
        {"expected": [3, "a" * 65]},
        {"expected": [3, "0123456789a "]},
        {"expected": [3, 5]},
        {"or_expected": [[3, None]]},
        {"expected": [3, None], "or_expected": {}},
        {"expected": [3, None], "or_expected": [[3, None]] * (EXPECTED_MAX + 1)},
        {"on_conflict": "rebase"},
        {"expected": [3, None], "on_conflict": "merge"},
        {"create": 1},
        {"must_exist": None},
        {"depends_on": "/a"},
        {"depends_on": [5]},
    ],
)
def test_what_is_no_precondition_is_refused(found: dict[str, Any]) -> None:
    """A write is never taken with less conditions than its author meant."""
    with pytest.raises(InvalidArgument):
        conditions_from(found, limits=LIMITS)


def test_what_is_not_said_of_a_write_is_no_precondition() -> None:
    """Nothing is expected, and a conflict fails; what is to be done stands beside under its own name."""
    assert conditions_from({}, limits=LIMITS) == {
        "expected": None,
        "or_expected": (),
        "create": False,
        "must_exist": False,
        "on_conflict": "fail",
        "depends_on": (),
    }
    write = Write(realm=RealmName("team"), command=Delete(), author="a", write_id="w")
    sent = write_fields(write)
    assert sent["command"] == {"do": "delete"}
    assert "or_expected" not in sent


@pytest.mark.parametrize(
    "found",
    [
        {"do": "set", "document": {"a": {"b": {}}}},
        {"do": "patch", "patch": {"a": {"b": {}}}},
        {"do": "json_patch", "operations": [{"op": "add", "path": "/a", "value": {"b": {}}}]},
        {"do": "edit", "assignments": [["/a", {"b": {}}]], "removals": [], "kind": "patch"},
        {"do": "schema", "schema": {"properties": {"b": {}}}, "patch": None},
        {"do": "schema", "schema": None, "patch": {"a": {"b": {}}}},
    ],
)
def test_what_arrives_is_within_the_limits_of_whoever_takes_it(found: dict[str, Any]) -> None:
    """Each command that brings values."""
    assert isinstance(command_from(found, limits=LIMITS), Command)
    with pytest.raises(LimitExceeded):
        command_from(found, limits=Limits(depth=1))
