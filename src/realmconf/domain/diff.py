"""
What differs between two documents, leaf by leaf.

Decides what counts as one change; knows nothing of how changes are shown, and
which of them are secret.
"""

from __future__ import annotations

from realmconf.domain.document import ABSENT, same
from realmconf.domain.pointer import ROOT, Pointer
from realmconf.domain.record import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from realmconf.domain.document import Absent, Document, Value


class Change(Record):
    """
    The leaf at *pointer* before and after; ``ABSENT`` where there is no leaf.

    A leaf is a scalar, an array, or an object without members.  The ``repr`` tells which
    side there is, and no value: what a schema calls secret does not show in the value.
    """

    pointer: Pointer
    before: Value | Absent
    after: Value | Absent

    def __repr__(self) -> str:
        # Reprs end up in logs.
        return (
            f"Change({str(self.pointer)!r}, before={_side(self.before)}, after={_side(self.after)})"
        )


def _side(value: Value | Absent) -> str:
    return repr(value) if value is ABSENT else "…"


def changes(before: Document | None, after: Document | None) -> tuple[Change, ...]:
    """
    The leaves in which two documents differ, in order of their pointers.

    None is "no document", and every leaf of the other side is a change then (the
    root itself, if that is empty).  Otherwise ``{"a": {"b": 1}}`` against
    ``{"a": 5}`` is two changes: the leaf ``/a`` appears, the leaf ``/a/b`` goes.
    Parts that both documents share in memory cost nothing.
    """
    if before is None and after is None:
        return ()
    if before is None:
        return tuple(_replaced(ABSENT, after, ROOT))
    if after is None:
        return tuple(_replaced(before, ABSENT, ROOT))
    return tuple(_members(before, after, ROOT))


def leaves(value: Value | Absent, at: Pointer = ROOT) -> Iterator[tuple[Pointer, Value]]:
    """Every leaf of *value* with its place, in order."""
    if isinstance(value, dict) and value:
        for key in sorted(value):
            yield from leaves(value[key], at.child(key))
    elif value is not ABSENT:
        yield at, value


def _members(before: Document, after: Document, at: Pointer) -> Iterator[Change]:
    earlier = before.get
    differing = [key for key, item in after.items() if earlier(key, ABSENT) is not item]
    come = sum([key not in before for key in differing])
    # Most changes remove nothing, and then the numbers add up.
    if len(before) + come != len(after):
        differing += [key for key in before if key not in after]
    for key in sorted(differing):
        old = before.get(key, ABSENT)
        new = after.get(key, ABSENT)
        if old and new and isinstance(old, dict) and isinstance(new, dict):
            yield from _members(old, new, at.child(key))
        elif not same(old, new):
            yield from _replaced(old, new, at.child(key))


def _replaced(old: Value | Absent, new: Value | Absent, at: Pointer) -> Iterator[Change]:
    """
    All leaves of two values that differ and are not both objects with members.

    So only one of them can have leaves below *at*; the other is a leaf at *at*, or
    absent, and comes first.
    """
    if old and isinstance(old, dict):
        if new is not ABSENT:
            yield Change(pointer=at, before=ABSENT, after=new)
        for pointer, leaf in leaves(old, at):
            yield Change(pointer=pointer, before=leaf, after=ABSENT)
    elif new and isinstance(new, dict):
        if old is not ABSENT:
            yield Change(pointer=at, before=old, after=ABSENT)
        for pointer, leaf in leaves(new, at):
            yield Change(pointer=pointer, before=ABSENT, after=leaf)
    else:
        yield Change(pointer=at, before=old, after=new)
