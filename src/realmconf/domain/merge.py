"""
Three-way merge of documents: what two people made of the same base.

Decides which changes overlap; knows nothing of who made them and of revisions.
"""

from __future__ import annotations

from realmconf.domain.document import ABSENT, same
from realmconf.domain.keyed import fold, shown, unfold
from realmconf.domain.pointer import ROOT, Pointer
from realmconf.domain.record import Record
from realmconf.domain.schemas.shape import NOTHING

TYPE_CHECKING = False
if TYPE_CHECKING:
    from realmconf.domain.document import Absent, Document, Value
    from realmconf.domain.schemas.shape import Shape


class Merged(Record):
    """
    A merge: everything that does not overlap, and *theirs* where something does.

    ``contested`` names the overlapping places in order; the merge stands as it is
    only if there are none.
    """

    __hidden__ = frozenset({"document"})

    document: Document
    contested: tuple[Pointer, ...]


def merge_three(
    base: Document, theirs: Document, mine: Document, *, shape: Shape = NOTHING
) -> Merged:
    """
    Put the changes from *base* to *mine* on top of *theirs*.

    Objects merge member by member.  An array is one value, unless *shape* says that its elements have names.
    The same change on both sides is no conflict; different values, an edit against a delete, and an object
    against anything else are, at the place where they meet.
    """
    contested: list[Pointer] = []
    if shape.has_merges:
        base, theirs, mine = (unfold(document, shape, base) for document in (base, theirs, mine))
    document = _objects(base, theirs, mine, ROOT, contested)
    return Merged(
        document=fold(document) if shape.has_merges else document,
        contested=tuple(sorted(map(shown, contested))),
    )


def _objects(
    base: Document, theirs: Document, mine: Document, at: Pointer, contested: list[Pointer]
) -> Document:
    merged: Document = {}
    for key in dict.fromkeys([*theirs, *mine]):
        value = _values(
            base.get(key, ABSENT),
            theirs.get(key, ABSENT),
            mine.get(key, ABSENT),
            at.child(key),
            contested,
        )
        if value is not ABSENT:
            merged[key] = value
    return merged


def _values(
    base: Value | Absent,
    theirs: Value | Absent,
    mine: Value | Absent,
    at: Pointer,
    contested: list[Pointer],
) -> Value | Absent:
    if same(base, mine) or same(theirs, mine):
        return theirs
    if same(base, theirs):
        return mine
    if (
        isinstance(theirs, dict)
        and isinstance(mine, dict)
        and (base is ABSENT or isinstance(base, dict))
    ):
        # Two who both add a section have not touched the same place unless they
        # disagree about something in it.
        return _objects(base if isinstance(base, dict) else {}, theirs, mine, at, contested)
    contested.append(at)
    return theirs
