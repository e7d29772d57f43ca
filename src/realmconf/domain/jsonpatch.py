"""
JSON Patch, exactly as RFC 6902 has it, on documents.

Decides what a list of operations makes of a document: all of them, or none.  Knows
nothing of preconditions and history.
"""

from __future__ import annotations

from collections.abc import Mapping

from realmconf.domain.document import ABSENT, check_document, check_value
from realmconf.domain.names import LIMITS
from realmconf.domain.pointer import Pointer, array_index
from realmconf.errors import (
    InvalidPatch,
    InvalidPointer,
    LimitExceeded,
    PatchInapplicable,
    PatchTestFailed,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from realmconf.domain.document import Absent, Document, Value
    from realmconf.domain.names import Limits

_MEMBERS = {
    "add": ("path", "value"),
    "remove": ("path",),
    "replace": ("path", "value"),
    "move": ("from", "path"),
    "copy": ("from", "path"),
    "test": ("path", "value"),
}


# --- the form ----------------------------------------------------------------------


def check_operations(value: object, *, limits: Limits = LIMITS) -> tuple[dict[str, Any], ...]:
    """
    Copy *value* into a list of well-formed operations; members that RFC 6902 does not define are dropped.

    Raises:
        InvalidPatch: Not a list of operations; the text names the first wrong one.
        InvalidDocument: A value that can never be in a document (in ``test``, null is allowed).
        LimitExceeded: Too many operations, or a value too large.
    """
    if not isinstance(value, (list, tuple)):
        raise InvalidPatch(
            "a JSON Patch is a list of operations (RFC 6902); an object is a merge patch (RFC 7396)"
        )
    if len(value) > limits.patch_operations:
        raise LimitExceeded("patch_operations", len(value), maximum=limits.patch_operations)
    return tuple(_operation(index, item, limits) for index, item in enumerate(value))


def _operation(index: int, item: object, limits: Limits) -> dict[str, Any]:
    if not isinstance(item, Mapping):
        raise InvalidPatch(f"operation {index} of the JSON patch is not an object")
    name = item.get("op")
    if not isinstance(name, str) or name not in _MEMBERS:
        raise InvalidPatch(
            f"operation {index} of the JSON patch: 'op' is one of {', '.join(_MEMBERS)}"
        )
    operation: dict[str, Any] = {"op": name}
    for member in _MEMBERS[name]:
        if member not in item:
            raise InvalidPatch(f"operation {index} of the JSON patch: {name} needs {member!r}")
        operation[member] = item[member]
    for member in ("path", "from"):
        if member in operation:
            try:
                operation[member] = str(Pointer.parse_json_pointer(operation[member]))
            except InvalidPointer as error:
                raise InvalidPatch(
                    f"operation {index} of the JSON patch, {member!r}: {error}"
                ) from None
    if "value" in operation:
        operation["value"] = _operand(name, operation["path"], operation["value"], limits)
    return operation


def _operand(name: str, path: str, value: object, limits: Limits) -> Value:
    if name == "test" and value is None:
        return None
    return check_value(
        value, at=Pointer.parse_json_pointer(path), limits=limits, nulls=name == "test"
    )


# --- the effect --------------------------------------------------------------------


def apply_operations(
    document: Document, operations: Sequence[dict[str, Any]], *, limits: Limits = LIMITS
) -> Document:
    """
    *document* with all *operations* applied in order.

    It is not changed itself, and what no operation touches is shared.  The size of the
    result as a whole is the caller's to judge, unless operations moved or copied something.

    Raises:
        PatchTestFailed: A ``test`` does not hold; numbers are compared by value here, ``1`` equals ``1.0``.
        PatchInapplicable: An operation names a place that is not there.
        InvalidDocument: The result is not an object.
        LimitExceeded: Moving and copying would make it too deep or too large.
    """
    draft = _Draft(document, limits)
    for index, operation in enumerate(operations):
        _apply(draft, index, operation)
    if any(operation["op"] in {"move", "copy"} for operation in operations):
        # Only these put a checked value where it was not checked for.
        check_document(draft.root, limits=limits)
    return draft.root


def _apply(draft: _Draft, index: int, operation: dict[str, Any]) -> None:
    name = operation["op"]
    path = Pointer.parse_json_pointer(operation["path"])
    try:
        if name == "test":
            found = draft.find(path)
            if found is ABSENT or not _equal(found, operation["value"]):
                raise PatchTestFailed(pointer=str(path), index=index)
        elif name == "add":
            draft.add(path, operation["value"])
        elif name == "remove":
            draft.remove(path)
        elif name == "replace":
            draft.replace(path, operation["value"])
        elif name == "copy":
            draft.add(path, draft.copied(Pointer.parse_json_pointer(operation["from"])))
        else:
            draft.move(Pointer.parse_json_pointer(operation["from"]), path)
    except _NotThere as error:
        raise PatchInapplicable(error.reason, pointer=str(error.pointer), index=index) from None


def _equal(found: Value, wanted: Value) -> bool:
    """Equality of RFC 6902, section 4.6: numbers by value; booleans are no numbers."""
    if isinstance(found, dict):
        return (
            isinstance(wanted, dict)
            and len(found) == len(wanted)
            and all(key in wanted and _equal(item, wanted[key]) for key, item in found.items())
        )
    if isinstance(found, list):
        return (
            isinstance(wanted, list)
            and len(found) == len(wanted)
            and all(map(_equal, found, wanted))
        )
    if isinstance(found, bool) or isinstance(wanted, bool):
        return found is wanted
    return bool(found == wanted)


class _NotThere(Exception):
    def __init__(self, pointer: Pointer, reason: str) -> None:
        self.pointer = pointer
        self.reason = reason


class _Draft:
    """
    A document being changed: each object and array is copied when it is first written to, and once only.

    So many operations on one wide object cost what they change, and the document
    they started from stays as it is.
    """

    def __init__(self, document: Document, limits: Limits) -> None:
        self.root = document
        self._limits = limits
        # By identity; holding the copy keeps its identity from being used again.
        self._copies: dict[int, Value] = {}
        self._copied_nodes = 0

    def find(self, place: Pointer) -> Value | Absent:
        return place.resolve(self.root)

    def add(self, place: Pointer, value: Value) -> None:
        if not place:
            self._replace_root(value)
            return
        container = self._writable(place)
        part = place[-1]
        if isinstance(container, dict):
            container[part] = value
            return
        index = len(container) if part == "-" else array_index(part)
        if index is None or index > len(container):
            raise _NotThere(
                place, f"the array has {len(container)} elements, and no place {part[:20]!r}"
            )
        container.insert(index, value)

    def replace(self, place: Pointer, value: Value) -> None:
        if not place:
            self._replace_root(value)
            return
        self._existing(place)
        container = self._writable(place)
        if isinstance(container, dict):
            container[place[-1]] = value
        else:
            container[int(place[-1])] = value

    def remove(self, place: Pointer) -> Value:
        value = self._existing(place)
        if not place:
            raise _NotThere(place, "the whole document cannot be removed by a patch; delete it")
        container = self._writable(place)
        if isinstance(container, dict):
            del container[place[-1]]
        else:
            del container[int(place[-1])]
        return value

    def move(self, source: Pointer, target: Pointer) -> None:
        value = self._existing(source)
        if source == target:
            return
        if target.within(source):
            raise _NotThere(target, f"{source} cannot be moved into itself")
        if not target:
            self._replace_root(value)
            return
        self.remove(source)
        self.add(target, value)

    def copied(self, source: Pointer) -> Value:
        """
        A copy of what stands at *source*, sharing nothing that may yet be written to.

        What all copies of one patch hold together is bounded, because copying a document
        into itself a few dozen times would fill any memory.
        """
        return self._copy(self._existing(source))

    def _copy(self, value: Value) -> Value:
        self._copied_nodes += 1
        if 2 * self._copied_nodes > self._limits.document_bytes:
            raise LimitExceeded(
                "document_bytes", 2 * self._copied_nodes, maximum=self._limits.document_bytes
            )
        if isinstance(value, dict):
            return {key: self._copy(item) for key, item in value.items()}
        if isinstance(value, list):
            return [self._copy(item) for item in value]
        return value

    def _replace_root(self, value: Value) -> None:
        if not isinstance(value, dict):
            check_document(value)
        self.root = value

    def _existing(self, place: Pointer) -> Value:
        value = self.find(place)
        if value is ABSENT:
            raise _NotThere(place, "there is nothing")
        return value

    def _writable(self, place: Pointer) -> Any:
        """The object or array that holds *place*, with everything on the way to it copied."""
        node: Value = self._copy_once(self.root)
        self.root = node
        for depth, part in enumerate(place[:-1], start=1):
            here = Pointer(place[:depth])
            key: str | int | None = part if isinstance(node, dict) else array_index(part)
            inner = Pointer((part,)).resolve(node)
            if inner is ABSENT:
                raise _NotThere(here, "there is nothing")
            if not isinstance(inner, (dict, list)):
                raise _NotThere(here, "it is neither an object nor an array")
            node[key] = self._copy_once(inner)
            node = node[key]
        return node

    def _copy_once(self, container: Value) -> Value:
        if id(container) in self._copies:
            return container
        copy = dict(container) if isinstance(container, dict) else list(container)
        self._copies[id(copy)] = copy
        return copy
