"""
A model on its way back: what its owner changed, and nothing else (G10).

Decides which leaves of a composed, typed configuration are stored in the realm's
own document when the whole of it is written: those that differ from the
composition it came from.  No default is written out (but what the type demands
beside what is stated), no inherited value copied down, no key the type does not
know is lost.
"""

from __future__ import annotations

from realmconf.domain.diff import changes, leaves
from realmconf.domain.document import ABSENT, same
from realmconf.domain.edit import edited
from realmconf.domain.inverse import edit_to
from realmconf.domain.pointer import ROOT, Pointer
from realmconf.domain.write import Edit
from realmconf.errors import InvalidArgument, InvalidDocument, SchemaViolation
from realmconf.runtime.leaning import as_stated, has_elements, leaned

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from realmconf.domain.composition import Composed
    from realmconf.domain.document import Document
    from realmconf.runtime.adapter import Adapter


_COMPLETIONS_MAX = 3
"""What a type demands may demand something beside it in turn."""


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
        if any(has_elements(value) for _, value in edit.assignments):
            try:
                lean = _leaning(adapter, composed, came_from, wanted, model)
                return _that_gives_back(adapter, composed, lean, wanted)
            except (InvalidArgument, InvalidDocument, SchemaViolation):
                # A type may read an element otherwise than by its members: then the array is stated whole.
                pass
    return _that_gives_back(adapter, composed, edit, wanted)


def _leaning(
    adapter: Adapter[Any], composed: Composed, came_from: Document, wanted: Document, model: Any
) -> Edit:
    """The edit that states no default in an element of an array which its owner has not changed."""
    stated = composed.config
    lean = leaned(wanted, came_from, stated, adapter.dump_stated(model))
    return edit_to(composed, as_stated(came_from, stated), lean)


def _that_gives_back(
    adapter: Adapter[Any], composed: Composed, edit: Edit, wanted: Document
) -> Edit:
    """
    *edit*, and what the type demands besides.

    Raises:
        InvalidDocument, SchemaViolation: What it makes is not read as *wanted*.
    """
    for _ in range(_COMPLETIONS_MAX):
        try:
            _check_gives_back(adapter, composed, edit, wanted)
        except SchemaViolation as unfitting:
            completed = _completed(edit, wanted, unfitting)
            if completed.assignments == edit.assignments:
                raise
            edit = completed
        else:
            return edit
    _check_gives_back(adapter, composed, edit, wanted)
    return edit


def _completed(edit: Edit, wanted: Document, unfitting: SchemaViolation) -> Edit:
    """
    *edit*, which also states what the type demands beside what is stated: the tag of an alternative, above all.

        type: provider = Anthropic(type)       {"provider": {"api_key": "k"}} is no provider
        model: provider = Anthropic(type, "k") {"provider": {"api_key": "k", "type": "anthropic"}}
    """
    assigned = dict(edit.assignments)
    for one in unfitting.violations:
        place = Pointer.parse_json_pointer(one["pointer"])
        value = place.resolve(wanted)
        if value is ABSENT or not place:
            continue
        added = leaves(value) if isinstance(value, dict) else [(ROOT, value)]
        for inner, leaf in added:
            assigned.setdefault(Pointer((*place, *inner)), leaf)
    return edit.replace(assignments=tuple(assigned.items()))


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
