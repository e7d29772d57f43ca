"""
Merge patches, exactly as RFC 7396 has them, and the patch between two documents.

Decides what a patch makes of a document; knows nothing of limits of the result,
preconditions or history.
"""

from __future__ import annotations

from collections.abc import Mapping

from realmconf.domain.document import ABSENT, check_value, same
from realmconf.domain.names import LIMITS
from realmconf.errors import InvalidPatch

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from realmconf.domain.document import Document, Value
    from realmconf.domain.names import Limits


def check_patch(value: object, *, limits: Limits = LIMITS) -> dict[str, Any]:
    """
    Copy *value* into a merge patch: a plain ``dict`` in which null, as a member of an object, removes.

    Raises:
        InvalidPatch: Not an object. (RFC 7396 would replace the whole document by it.)
        InvalidDocument: Something in it can never be in a document, a null in an array for one.
        LimitExceeded: As for documents.
    """
    if not isinstance(value, Mapping):
        raise InvalidPatch(
            "a merge patch is an object (RFC 7396); a list is a JSON Patch (RFC 6902)"
        )
    checked: dict[str, Any] = check_value(value, limits=limits, nulls=True)
    return checked


def merge(document: Document, patch: dict[str, Any]) -> Document:
    """
    *document* with *patch* applied (RFC 7396).

    Neither is changed.  The result shares every part that the patch does not
    touch, and is *document* itself if the patch changes nothing; so the cost is
    that of the objects on the way to a change, whatever hangs beside them.
    """
    merged = document
    for key, change in patch.items():
        current = merged.get(key, ABSENT)
        if change is None:
            if current is ABSENT:
                continue
            merged = _own(merged, document)
            del merged[key]
            continue
        if isinstance(change, dict):
            change = merge(current if isinstance(current, dict) else {}, change)
            # Where nothing changed the same object comes back.
            unchanged = change is current
        else:
            unchanged = same(current, change)
        if not unchanged:
            merged = _own(merged, document)
            merged[key] = change
    return merged


def merge_any(target: Value, patch: Value) -> Value:
    """RFC 7396 on any two JSON values: a patch that is not an object replaces the target."""
    if not isinstance(patch, dict):
        return patch
    return merge(target if isinstance(target, dict) else {}, patch)


def derive(before: Document, after: Document) -> dict[str, Any]:
    """
    The smallest patch for which ``merge(before, patch)`` is *after*.

    It always exists, because documents have no nulls.
    """
    patch: dict[str, Any] = {key: None for key in before if key not in after}
    for key, item in after.items():
        current = before.get(key, ABSENT)
        if current is item:
            continue
        if isinstance(current, dict) and isinstance(item, dict):
            inner = derive(current, item)
            if inner:
                patch[key] = inner
        elif not same(current, item):
            patch[key] = item
    return patch


def _own(merged: Document, document: Document) -> Document:
    return dict(document) if merged is document else merged
