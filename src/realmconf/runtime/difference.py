"""
A model on its way back: what its owner changed, and nothing else (G10).

Decides which leaves of a composed, typed configuration are stored in the realm's
own document when the whole of it is written: those that differ from the
composition it came from.  No default is written out, no inherited value copied
down, no key the type does not know is lost.
"""

from __future__ import annotations

from realmconf.domain.diff import changes, leaves
from realmconf.domain.document import ABSENT, same
from realmconf.domain.edit import edited
from realmconf.domain.write import Edit
from realmconf.errors import InvalidDocument, SchemaViolation
from realmconf.runtime.snapshot import compose

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from realmconf.domain.document import Document
    from realmconf.domain.names import RealmName
    from realmconf.domain.pointer import Pointer
    from realmconf.runtime.adapter import Adapter


def edit_from(adapter: Adapter[Any], realm: RealmName, base: Document | None, model: Any) -> Edit:
    """
    The edit that makes *model* of the composition of *base*, the own document it came from.

    Raises:
        InvalidDocument: No edit does: a value is absent in the model that its type or a parent supplies.
    """
    composed = compose(realm, base)
    wanted = adapter.dump(model)
    edit = _edit(adapter, composed, wanted, model)
    _check_gives_back(adapter, realm, edited(base or {}, edit), wanted)
    return edit


def _edit(adapter: Adapter[Any], composed: Document, wanted: Document, model: Any) -> Edit:
    try:
        came_from = adapter.dump(adapter.load(composed))
    except SchemaViolation:
        return _edit_of_unfitting(adapter, composed, wanted, model)
    assignments: list[tuple[Pointer, Any]] = []
    removals: list[Pointer] = []
    for change in changes(came_from, wanted):
        pointer = change.pointer
        if change.after is ABSENT:
            # An object that merely gains its first members stays: it may hold keys the type does not know.
            if not isinstance(pointer.resolve(wanted), dict):
                removals.append(_highest_absent(pointer, wanted))
        elif change.after != {} or not isinstance(pointer.resolve(composed), dict):
            assignments.append((pointer, change.after))
    return Edit(assignments=tuple(assignments), removals=tuple(dict.fromkeys(removals)), kind="set")


def _highest_absent(pointer: Pointer, wanted: Document) -> Pointer:
    """The place nearest the root, on the way to *pointer*, that *wanted* does not have: a whole part became None."""
    while pointer.parent and pointer.parent.resolve(wanted) is ABSENT:
        pointer = pointer.parent
    return pointer


def _edit_of_unfitting(
    adapter: Adapter[Any], composed: Document, wanted: Document, model: Any
) -> Edit:
    """
    The edit where the base did not fit the type, so that no model of it exists to compare with.

    What the base states and the model has otherwise is set; what it does not state is set unless it is a default.
    """
    stated = dict(leaves(adapter.dump_stated(model)))
    assignments = []
    for pointer, value in leaves(wanted):
        before = pointer.resolve(composed)
        if before is ABSENT:
            if pointer in stated and pointer:
                assignments.append((pointer, value))
        elif not same(before, value) and pointer:
            assignments.append((pointer, value))
    return Edit(assignments=tuple(assignments), kind="set")


def _check_gives_back(
    adapter: Adapter[Any], realm: RealmName, document: Document, wanted: Document
) -> None:
    found = adapter.dump(adapter.load(compose(realm, document)))
    differing = changes(found, wanted)
    if differing:
        places = ", ".join(str(change.pointer) for change in differing[:5])
        raise InvalidDocument(
            f"the document cannot say what the model does at {places}: what is absent there has another default",
            pointer=str(differing[0].pointer),
        )
