"""
What a command makes of the document it is applied to.

Decides nothing about whether that may happen: no precondition, no history, no limit
of the result as a whole.
"""

from __future__ import annotations

from realmconf.domain.document import ABSENT, check_value
from realmconf.domain.names import LIMITS
from realmconf.domain.patch import merge
from realmconf.domain.pointer import array_index
from realmconf.domain.write import Edit, JsonPatch, MergePatch, SetDocument
from realmconf.errors import InvalidArgument

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from realmconf.domain.document import Document, Value
    from realmconf.domain.names import Limits
    from realmconf.domain.pointer import Pointer
    from realmconf.domain.write import Command


def transformed(
    command: Command, document: Document, *, limits: Limits = LIMITS
) -> Document | None:
    """
    *document* after *command*, or None if the command is not about the content of a document.

    Raises:
        PatchTestFailed, PatchInapplicable, InvalidDocument, InvalidArgument, LimitExceeded:
            The command does not fit this document.
    """
    if isinstance(command, SetDocument):
        return command.document
    if isinstance(command, MergePatch):
        return merge(document, command.patch)
    if isinstance(command, JsonPatch):
        # Imported here, because reading never needs it.
        from realmconf.domain.jsonpatch import apply_operations

        return apply_operations(document, command.operations, limits=limits)
    if isinstance(command, Edit):
        return edited(document, command, limits=limits)
    return None


def edited(document: Document, command: Edit, *, limits: Limits = LIMITS) -> Document:
    """
    *document* with single places removed and set; parts that are not touched are shared.

    An object that is missing on the way is made, and takes the place of a scalar, as with a
    merge patch.  An array is entered by index, and ``-`` appends.

    Raises:
        InvalidArgument: An array has no such element, or the root is removed or set to no object.
        InvalidDocument, LimitExceeded: A value cannot stand at its place.
    """
    # Later elements first, so that removing one does not move another.
    for pointer in sorted(command.removals, key=_element_order, reverse=True):
        if not pointer:
            raise InvalidArgument("the whole document cannot be unset; delete it")
        if pointer.resolve(document) is not ABSENT:
            document = _without(document, pointer)
    for pointer, value in command.assignments:
        if not pointer and not isinstance(value, dict):
            raise InvalidArgument("the whole document can only be set to an object (a table)")
        document = _with(document, pointer, 0, check_value(value, at=pointer, limits=limits))
    return document


def _element_order(pointer: Pointer) -> list[tuple[int, str]]:
    return [(len(part), part) for part in pointer]


def _without(container: Value, place: Sequence[str]) -> Value:
    part, below = place[0], place[1:]
    if isinstance(container, dict):
        changed = dict(container)
        if below:
            changed[part] = _without(changed[part], below)
        else:
            del changed[part]
        return changed
    elements = list(container)
    if below:
        elements[int(part)] = _without(elements[int(part)], below)
    else:
        del elements[int(part)]
    return elements


def _with(container: Value, pointer: Pointer, depth: int, value: Value) -> Value:
    """*container*, which stands *depth* parts down the way of *pointer*, with *value* set in it."""
    if depth == len(pointer):
        return value
    part = pointer[depth]
    if isinstance(container, list):
        elements = list(container)
        index = len(elements) if part == "-" else array_index(part)
        if index is None or index > len(elements) or (index == len(elements) and part != "-"):
            raise InvalidArgument(
                f"{pointer}: the array has {len(elements)} elements, and none at {part[:20]!a}"
            )
        inner = _with(
            elements[index] if index < len(elements) else ABSENT, pointer, depth + 1, value
        )
        elements[index : index + 1] = [inner]
        return elements
    members = dict(container) if isinstance(container, dict) else {}
    members[part] = _with(members.get(part, ABSENT), pointer, depth + 1, value)
    return members
