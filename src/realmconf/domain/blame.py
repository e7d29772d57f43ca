"""
Who set each value of a document: the newest revision that changed it.

Decides attribution from the history alone.  A value that is as old as the oldest revision
still kept is attributed to that one, and said to be at least as old.
"""

from __future__ import annotations

from realmconf.domain.diff import changes, leaves
from realmconf.domain.record import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any, Protocol

    from realmconf.domain.document import Value
    from realmconf.domain.pointer import Pointer

    class Recorded(Protocol):
        """What is needed of a revision, as it is stored or as users see it."""

        @property
        def generation(self) -> int: ...
        @property
        def document(self) -> Any: ...


class Blame(Record):
    """One leaf of a document, and the revision that gave it its value."""

    pointer: Pointer
    value: Value
    revision: Any
    """One of those that were given."""
    at_least: bool = False
    """The value is older than the kept history: *revision* is the oldest that has it."""


def blame(newest_first: Iterable[Recorded]) -> tuple[Blame, ...]:
    """
    Attribute every leaf of the newest document, in the order of their pointers.

    *newest_first* is a history without gaps, and is read only as far as needed.  A purged
    revision hides what it changed: what the next newer one states is attributed to that one.
    """
    history = iter(newest_first)
    newer = next(history, None)
    if newer is None or newer.document is None:
        return ()
    unclaimed = dict(leaves(newer.document))
    found: dict[Pointer, Blame] = {}
    while unclaimed and (older := next(history, None)) is not None:
        for change in changes(older.document, newer.document):
            if change.pointer in unclaimed:
                value = unclaimed.pop(change.pointer)
                found[change.pointer] = Blame(pointer=change.pointer, value=value, revision=newer)
        newer = older
    first_ever = newer.generation == 1
    for pointer, value in unclaimed.items():
        found[pointer] = Blame(
            pointer=pointer, value=value, revision=newer, at_least=not first_ever
        )
    return tuple(found[pointer] for pointer in sorted(found))
