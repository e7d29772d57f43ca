"""
From what a caller passes to a command: each verb's argument, checked.

The verbs of ``ConfigRuntime`` and the parts of a transaction are read here, so
that both accept the same.
"""

from __future__ import annotations

from collections.abc import Mapping

from realmconf.domain.document import check_document
from realmconf.domain.lineage import SECTION, own_section
from realmconf.domain.patch import check_patch
from realmconf.domain.pointer import Pointer
from realmconf.domain.write import Delete, Edit, JsonPatch, MergePatch, Rollback, SetDocument
from realmconf.errors import InvalidArgument, InvalidDocument
from realmconf.runtime import arguments
from realmconf.runtime.envelope import ConfigEnvelope

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from realmconf.domain.document import Document
    from realmconf.domain.names import Limits
    from realmconf.domain.write import Command
    from realmconf.runtime.arguments import WriteOptions
    from realmconf.stores.protocol import Head


def whole_document(config: object, *, limits: Limits) -> Document:
    """
    A document given as a plain mapping or as an envelope of the own view.

    Raises:
        InvalidArgument: An envelope of the effective view, which holds inherited values.
        InvalidDocument: Anything else.
    """
    if isinstance(config, ConfigEnvelope):
        if config.view != "own":
            raise InvalidArgument(
                "this envelope is of the effective view: writing it would copy inherited values; "
                "take the envelope of the own view"
            )
        config = config.config
    if not isinstance(config, Mapping):
        raise InvalidDocument(f"a document is an object, not {type(config).__name__}", pointer="")
    return check_document(config, limits=limits)


def set_document(config: object, *, limits: Limits) -> Command:
    """``set``: the whole own document, as given."""
    return SetDocument(document=whole_document(config, limits=limits))


def merge_patch(patch: object, *, limits: Limits) -> Command:
    """``patch``: RFC 7396."""
    return MergePatch(patch=check_patch(patch, limits=limits))


def json_patch(operations: object, *, limits: Limits) -> Command:
    """``json_patch``: RFC 6902."""
    from realmconf.domain.jsonpatch import check_operations

    return JsonPatch(operations=check_operations(operations, limits=limits))


def set_values(values: object, *, limits: Limits) -> Command:
    """``set_value``: a mapping of paths to values."""
    if not isinstance(values, Mapping) or not values:
        raise InvalidArgument("set_value takes paths and their values")
    assignments = []
    for path, given in values.items():
        pointer = arguments.inner_pointer(path)
        assignments.append((pointer, arguments.value(given, at=pointer, limits=limits)))
    return Edit(assignments=tuple(assignments))


def unset(paths: object) -> Command:
    """``unset``: one path, or a list of them."""
    listed = [paths] if isinstance(paths, (str, tuple)) else paths
    pointers = arguments.pointers(listed, name="unset")
    return Edit(removals=tuple(arguments.inner_pointer(pointer) for pointer in pointers))


def set_schema(schema: object, patch: object, *, limits: Limits) -> Command:
    """``set_schema``: a JSON Schema as a mapping, or a type that has one; *patch* migrates the document."""
    from realmconf.domain.schemas.schema import check_schema, schema_digest
    from realmconf.domain.write import SetSchema

    if not isinstance(schema, Mapping):
        from realmconf.runtime.typed import adapter_for

        schema = adapter_for(schema).schema()
    checked = check_schema(schema, limits=limits)
    return SetSchema(
        digest=schema_digest(checked),
        schema=checked,
        patch=None if patch is None else check_patch(patch, limits=limits),
    )


def without_parent(head: Head) -> Command:
    """``set_parent(None)`` at *head*: no parent, and no section about itself that says nothing any more."""
    realm, document = head.realm, None if head.revision is None else head.revision.document
    own = own_section(realm, document)
    place = Pointer((SECTION, realm, "parent"))
    if own is not None and own.keys() <= {"parent"}:
        place = place.parent
        assert document is not None
        if document[SECTION].keys() <= {realm}:
            place = place.parent
    return Edit(removals=(place,))


def rollback(to: object, *, limits: Limits) -> Command:
    """``rollback``: the generation whose document comes back."""
    return Rollback(to=arguments.existing_generation(to, name="to", limits=limits))


def _delete(wanted: object, *, limits: Limits) -> Command:
    if wanted is not True:
        raise InvalidArgument("delete takes True")
    return Delete()


def _unset(paths: object, *, limits: Limits) -> Command:
    return unset(paths)


VERBS: dict[str, Callable[..., Command]] = {
    "set": set_document,
    "set_value": set_values,
    "unset": _unset,
    "patch": merge_patch,
    "json_patch": json_patch,
    "delete": _delete,
    "rollback": rollback,
}
"""What a part of a transaction may do, each with its one argument."""

PART_OPTIONS = (
    "expected_generation",
    "expected",
    "create",
    "must_exist",
    "on_conflict",
    "depends_on",
)
"""What a part may state besides; the rest belongs to the transaction."""


def transaction_part(part: object, *, limits: Limits) -> tuple[Command, WriteOptions]:
    """The command and the options of one part: a mapping with exactly one verb."""
    if not isinstance(part, Mapping):
        raise InvalidArgument(
            "each part of a transaction is a mapping with one verb and its preconditions"
        )
    verbs = [name for name in part if name in VERBS]
    unknown = [name for name in part if name not in VERBS and name not in PART_OPTIONS]
    if unknown:
        raise InvalidArgument(f"a part of a transaction has no {str(unknown[0])[:100]!a}")
    if len(verbs) != 1:
        raise InvalidArgument(f"each part of a transaction has exactly one of {', '.join(VERBS)}")
    command = VERBS[verbs[0]](part[verbs[0]], limits=limits)
    options: Any = {name: part[name] for name in PART_OPTIONS if name in part}
    return command, options
