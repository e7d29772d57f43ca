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
from realmconf.domain.inverse import edit_to
from realmconf.domain.write import Edit
from realmconf.errors import InvalidDocument, SchemaViolation

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from realmconf.domain.composition import Composed
    from realmconf.domain.document import Document
    from realmconf.runtime.adapter import Adapter


def edit_from(adapter: Adapter[Any], composed: Composed, model: Any) -> Edit:
    """
    The edit that makes *model* of *composed*, the composition it came from.

    Raises:
        InvalidDocument: No edit does: a value is absent in the model that its type or a parent supplies.
    """
    wanted = adapter.dump(model)
    try:
        came_from = adapter.dump(adapter.load(composed.config))
    except SchemaViolation:
        edit = _edit_of_unfitting(adapter, composed.config, wanted, model)
    else:
        edit = edit_to(composed, came_from, wanted)
    _check_gives_back(adapter, composed, edit, wanted)
    return edit


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
    adapter: Adapter[Any], composed: Composed, edit: Edit, wanted: Document
) -> None:
    document = None if composed.revision is None else composed.revision.document
    after = composed.with_document(edited(document or {}, edit))
    differing = changes(adapter.dump(adapter.load(after.config)), wanted)
    if differing:
        places = ", ".join(str(change.pointer) for change in differing[:5])
        raise InvalidDocument(
            f"the document cannot say what the model does at {places}: "
            "what is absent there has a default, or is inherited (to mask that: unset in the realm's own section)",
            pointer=str(differing[0].pointer),
        )
