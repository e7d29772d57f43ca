"""
Secrets in what a caller sends: marks that come back, commands that would read one, and secrets that it states.

Decides what a mark in a command stands for, which commands nobody without the right to
secrets may give, and where one states a secret that may be a guess.  What is secret is for ``domain.secrets``.
"""

from __future__ import annotations

from realmconf.domain.document import ABSENT
from realmconf.domain.names import LIMITS
from realmconf.domain.pointer import ROOT, Pointer
from realmconf.domain.write import Edit, JsonPatch, MergePatch, SetDocument, SetSchema
from realmconf.errors import SecretMarkMisplaced, SecretWithheld

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any

    from realmconf.domain.document import Document, Value
    from realmconf.domain.names import Limits
    from realmconf.domain.secrets import Secrecy
    from realmconf.domain.write import Command

MARK_BYTES = "«secret".encode()
"""How every mark begins, in canonical bytes: looking for it costs next to nothing."""


def without_marks(
    document: Document | None, stored: Document, secrecy: Callable[[], Secrecy] | None
) -> Document:
    """
    *document* with what *stored* has at the place of each mark.

    Raises:
        SecretMarkMisplaced: A mark does not stand for what is stored where it stands; or nobody can tell.
    """
    from realmconf.domain.secrets import unmarked

    if secrecy is None:
        raise SecretMarkMisplaced(pointer="")
    return unmarked(document or {}, stored, secrecy())


def unmark(command: Command, stored: Document, secrecy: Callable[[], Secrecy]) -> Command:
    """
    *command* with every mark in it replaced by what it stands for in *stored*, which its author has seen.

    Raises:
        SecretMarkMisplaced: As ``without_marks``.
    """
    from realmconf.domain.secrets import has_mark

    if isinstance(command, SetDocument) and has_mark(command.document):
        return command.replace(document=without_marks(command.document, stored, secrecy))
    if isinstance(command, MergePatch) and has_mark(command.patch):
        # A patch has its values where the document has them.
        return command.replace(patch=without_marks(command.patch, stored, secrecy))
    if isinstance(command, Edit) and any(has_mark(value) for _, value in command.assignments):
        assignments = tuple(
            (pointer, _unmarked_at(pointer, value, stored, secrecy))
            for pointer, value in command.assignments
        )
        return command.replace(assignments=assignments)
    if isinstance(command, JsonPatch) and any(
        has_mark(operation.get("value")) for operation in command.operations
    ):
        operations = tuple(
            _unmarked_operation(operation, stored, secrecy) for operation in command.operations
        )
        return command.replace(operations=operations)
    return command


def _unmarked_operation(
    operation: dict[str, Any], stored: Document, secrecy: Callable[[], Secrecy]
) -> dict[str, Any]:
    if "value" not in operation:
        return operation
    place = Pointer.parse_json_pointer(operation["path"])
    if operation["op"] == "add" and isinstance(place.parent.resolve(stored), list):
        # What stands at the place of an insertion is another element, and keeps its secrets.
        stored = {}
    value = _unmarked_at(place, operation["value"], stored, secrecy)
    return {**operation, "value": value}


def _unmarked_at(
    pointer: Pointer, value: Value, stored: Document, secrecy: Callable[[], Secrecy]
) -> Value:
    from realmconf.domain.secrets import has_mark, unmarked

    if not has_mark(value):
        return value
    there: Any = pointer.resolve(stored)
    return unmarked(value, there, secrecy(), at=pointer)


def refuse_reading(
    command: Command,
    document: Document,
    secrecy: Callable[[], Secrecy],
    *,
    limits: Limits = LIMITS,
) -> None:
    """
    Refuse a JSON Patch that copies, moves or tests a secret of *document*.

    A copy would put it where others see it, or where it is sent to somebody else; a test tells a guess from
    the truth.  A test for the mark that its author was shown is none.

    Raises:
        SecretWithheld: Naming the place.
    """
    if not isinstance(command, JsonPatch):
        return
    from realmconf.domain.jsonpatch import apply_operations
    from realmconf.errors import RealmconfError

    for operation in command.operations:
        name = "path" if operation["op"] == "test" else "from"
        if operation["op"] in ("copy", "move", "test"):
            _refuse_place(operation, name, document, secrecy())
        if operation["op"] == "test":
            # It changes nothing, and one for a mark holds only once that is taken back.
            continue
        try:
            document = apply_operations(document, (operation,), limits=limits)
        except RealmconfError:
            # It does not fit, and will be refused for that.
            return


def _refuse_place(
    operation: dict[str, Any], name: str, document: Document, secrecy: Secrecy
) -> None:
    place = Pointer.parse_json_pointer(operation[name])
    value = place.resolve(document)
    if value is ABSENT or not secrecy.conceals(value, place):
        return
    if operation["op"] == "test" and operation["value"] == secrecy.redact(value, at=place):
        return
    raise SecretWithheld(pointer=str(place or ROOT), realm=secrecy.realm)


def stated_secrets(
    command: Command, document: Document, secrecy: Secrecy, *, limits: Limits = LIMITS
) -> frozenset[Pointer]:
    """
    The places at which *command*, for a realm that states *document*, brings a secret by its value.

    Each may be a guess.  So nothing that is decided for who may not see secrets depends on whether the value is the
    stored one.  What is in an array is told by the place of that.
    """
    if isinstance(command, SetDocument):
        return frozenset(secrecy.stated(command.document))
    if isinstance(command, (MergePatch, SetSchema)):
        return frozenset(secrecy.stated(command.patch or {}))
    if isinstance(command, Edit):
        return frozenset(
            place
            for pointer, value in command.assignments
            for place in secrecy.stated(value, pointer)
        )
    if isinstance(command, JsonPatch):
        return frozenset(_stated_by_operations(command, document, secrecy, limits))
    # Nothing else brings a value along.
    return frozenset()


def _stated_by_operations(
    command: JsonPatch, document: Document, secrecy: Secrecy, limits: Limits
) -> Iterator[Pointer]:
    from realmconf.domain.jsonpatch import apply_operations
    from realmconf.errors import RealmconfError

    for operation in command.operations:
        place = Pointer.parse_json_pointer(operation["path"])
        if operation["op"] in ("add", "replace"):
            yield from secrecy.stated(operation["value"], place)
        elif operation["op"] in ("copy", "move"):
            # What was stated at an open place first may be brought to a secret one.
            source = Pointer.parse_json_pointer(operation["from"])
            yield from secrecy.stated(source.resolve(document), place)
        if operation["op"] == "test":
            continue
        try:
            document = apply_operations(document, (operation,), limits=limits)
        except RealmconfError:
            # It does not fit, and will be refused for that.
            return
