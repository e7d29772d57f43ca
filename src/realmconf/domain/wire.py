"""
Commands and preconditions as JSON, for a store that decides elsewhere.

Decides their form, and which commands travel at all: those that a caller may give.  What is read back is checked as
if a caller had given it.
"""

from __future__ import annotations

from realmconf.domain.document import check_document, check_value
from realmconf.domain.jsonpatch import check_operations
from realmconf.domain.patch import check_patch
from realmconf.domain.pointer import Pointer
from realmconf.domain.write import (
    Delete,
    Edit,
    Expected,
    JsonPatch,
    MergePatch,
    Rollback,
    SetDocument,
    SetPolicy,
    SetSchema,
)
from realmconf.errors import InvalidArgument

COMPLETE = b"\nrealmconf-complete\n"
"""How a long answer ends that nothing is missing of."""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any

    from realmconf.domain.names import Limits
    from realmconf.domain.write import Command, Write

EDITING_KINDS = ("patch", "set")
EXPECTED_MAX = 64
"""So many states a write may have been made against besides one."""


def write_fields(write: Write) -> dict[str, Any]:
    """What is to be done to a realm and under which conditions; who does it is said elsewhere."""
    expected = write.expected
    others = [[one.generation, one.digest] for one in write.or_expected]
    return {
        "realm": str(write.realm),
        "command": command_fields(write.command),
        "expected": None if expected is None else [expected.generation, expected.digest],
        **({"or_expected": others} if others else {}),
        "create": write.create,
        "must_exist": write.must_exist,
        "on_conflict": write.on_conflict,
        "depends_on": [str(pointer) for pointer in write.depends_on],
    }


def conditions_from(found: Mapping[str, Any], *, limits: Limits) -> dict[str, Any]:
    """
    The preconditions of a write, as fields of a ``Write``.

    Raises:
        InvalidArgument, InvalidPointer: They are none.
    """
    expected = found.get("expected")
    on_conflict = found.get("on_conflict", "fail")
    conditions: dict[str, Any] = {
        "expected": None if expected is None else _expected(expected, limits),
        "or_expected": tuple(
            _expected(one, limits) for one in _listed(found.get("or_expected", []))
        ),
        "create": _flag(found.get("create", False)),
        "must_exist": _flag(found.get("must_exist", False)),
        "on_conflict": on_conflict,
        "depends_on": tuple(map(_pointer, _listed(found.get("depends_on", [])))),
    }
    if len(conditions["or_expected"]) > EXPECTED_MAX or (
        conditions["or_expected"] and expected is None
    ):
        raise InvalidArgument(f"or_expected is up to {EXPECTED_MAX} besides expected")
    if on_conflict not in ("fail", "rebase") or (on_conflict == "rebase" and expected is None):
        raise InvalidArgument("on_conflict is fail, or rebase with an expected generation")
    return conditions


def _expected(found: Any, limits: Limits) -> Expected:
    if isinstance(found, list) and len(found) == 2:
        generation, digest = found
        if type(generation) is int and 0 <= generation <= limits.generation:
            if digest is None:
                return Expected(generation=generation)
            if isinstance(digest, str) and 12 <= len(digest) <= 64 and digest.isalnum():
                return Expected(generation=generation, digest=digest)
    raise InvalidArgument("expected is a generation and the digits of its digest, or null")


def command_fields(command: Command) -> dict[str, Any]:
    """
    A command as JSON.

    Raises:
        InvalidArgument: It is one that does not travel.
    """
    if isinstance(command, SetDocument) and command.kind == "set":
        return {"do": "set", "document": command.document}
    if isinstance(command, MergePatch):
        return {"do": "patch", "patch": command.patch}
    if isinstance(command, JsonPatch):
        return {"do": "json_patch", "operations": list(command.operations)}
    if isinstance(command, Edit):
        return {
            "do": "edit",
            "assignments": [[str(place), value] for place, value in command.assignments],
            "removals": [str(place) for place in command.removals],
            "kind": command.kind,
        }
    if isinstance(command, Delete):
        return {"do": "delete"}
    if isinstance(command, Rollback):
        return {"do": "rollback", "to": command.to}
    if isinstance(command, SetPolicy):
        return {"do": "policy", "changes": command.changes}
    if isinstance(command, SetSchema):
        return {"do": "schema", "schema": command.schema, "patch": command.patch}
    raise InvalidArgument(f"a server does not take the command {type(command).__name__}")


def command_from(found: Any, *, limits: Limits) -> Command:
    """
    The command that ``command_fields`` took apart.

    Raises:
        InvalidArgument, InvalidDocument, InvalidPatch, InvalidPointer, LimitExceeded: It is none.
    """
    if not isinstance(found, dict) or not isinstance(found.get("do"), str):
        raise InvalidArgument("a command is an object that says what to do")
    make = _MAKERS.get(found["do"])
    if make is None:
        raise InvalidArgument(f"there is no command {found['do'][:100]!a}")
    try:
        return make(found, limits)
    except KeyError as missing:
        raise InvalidArgument(f"the command {found['do']} needs {missing.args[0]}") from None


def _edit(found: Mapping[str, Any], limits: Limits) -> Command:
    assignments = []
    for pair in _listed(found["assignments"]):
        if not isinstance(pair, list) or len(pair) != 2:
            raise InvalidArgument("an assignment is a pointer and a value")
        place = _inner(pair[0])
        assignments.append((place, check_value(pair[1], limits=limits)))
    if found["kind"] not in EDITING_KINDS:
        raise InvalidArgument("an edit is a patch or a set")
    return Edit(
        assignments=tuple(assignments),
        removals=tuple(map(_inner, _listed(found["removals"]))),
        kind=found["kind"],
    )


def _rollback(found: Mapping[str, Any], limits: Limits) -> Command:
    to = found["to"]
    if type(to) is not int or not 1 <= to <= limits.generation:
        raise InvalidArgument("a rollback is to a generation from 1 on")
    return Rollback(to=to)


def _policy(found: Mapping[str, Any], _: Limits) -> Command:
    changes = found["changes"]
    if not isinstance(changes, dict):
        raise InvalidArgument("a change of policy is an object")
    return SetPolicy(changes=changes)


def _schema(found: Mapping[str, Any], limits: Limits) -> Command:
    from realmconf.domain.schemas.schema import check_schema, schema_digest

    schema, patch = found["schema"], found["patch"]
    checked = None if schema is None else check_schema(schema, limits=limits)
    return SetSchema(
        digest=None if checked is None else schema_digest(checked),
        schema=checked,
        patch=None if patch is None else check_patch(patch, limits=limits),
    )


_MAKERS: dict[str, Callable[[Mapping[str, Any], Limits], Command]] = {
    "set": lambda found, limits: SetDocument(
        document=check_document(found["document"], limits=limits)
    ),
    "patch": lambda found, limits: MergePatch(patch=check_patch(found["patch"], limits=limits)),
    "json_patch": lambda found, limits: JsonPatch(
        operations=check_operations(found["operations"], limits=limits)
    ),
    "edit": _edit,
    "delete": lambda _, __: Delete(),
    "rollback": _rollback,
    "policy": _policy,
    "schema": _schema,
}


def _flag(value: Any) -> bool:
    if not isinstance(value, bool):
        raise InvalidArgument("a condition is true or false")
    return value


def _listed(value: Any) -> list[Any]:
    if not isinstance(value, list):
        raise InvalidArgument("a list is wanted")
    return value


def _pointer(text: Any) -> Pointer:
    if not isinstance(text, str):
        raise InvalidArgument("a pointer is text")
    return Pointer.parse_json_pointer(text)


def _inner(text: Any) -> Pointer:
    pointer = _pointer(text)
    if not pointer:
        raise InvalidArgument("an edit is of places inside the document")
    return pointer
