"""
Pages of history: how much of it is read, and held, at once.

Decides that a page ends by its size as well as by its number: history has documents of any size.  Knows nothing of
what a page is read for.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from typing import Any

    from realmconf.domain.names import RealmName
    from realmconf.domain.revision import Revision
    from realmconf.stores.protocol import ReadView, Step

PAGE = 256
"""Revisions of a page."""
PAGE_BYTES = 8 * 1_048_576
"""Of the documents of a page; the part that goes beyond it is the last one."""
PART_FIRST, PART_MAX = 8, 32
"""Revisions that are asked of the store at once: what a page may be too large by."""


def revisions(
    view: ReadView, realm: RealmName, *, after: int, before: int, page: int = PAGE
) -> list[Revision]:
    """
    The next revisions of *realm* above *after* and below *before*; none: there are no more.

    Raises:
        HistoryCompacted: What follows *after* is below the realm's floor.
    """
    found: list[Revision] = []
    size, part = 0, min(PART_FIRST, page)
    while size < PAGE_BYTES and len(found) < page:
        limit = min(part, page - len(found))
        more = view.revisions(realm, after=after, before=before, limit=limit)
        found.extend(more)
        if len(more) < limit:
            break
        after = more[-1].generation
        size += sum(weight(one.document) for one in more)
        part = min(2 * part, PART_MAX)
    return found


def steps(
    view: ReadView,
    after: Mapping[RealmName, int],
    *,
    page: int = PAGE,
    may_end: Callable[[Sequence[Step]], bool],
) -> tuple[list[Step], bool]:
    """
    The next steps after those generations, and whether they are all there are; a page ends only where it *may_end*.

    Raises:
        HistoryCompacted: What follows one of the generations is below its realm's floor.
    """
    found: list[Step] = []
    place = dict(after)
    size, part = 0, min(PART_FIRST, page)
    while (size < PAGE_BYTES and len(found) < page) or not may_end(found):
        more = view.steps(place, limit=part)
        found.extend(more)
        if len(more) < part:
            return found, True
        for step in more:
            place[step.realm] = step.revision.generation
            size += weight(step.revision.document)
        part = min(2 * part, PART_MAX)
    return found, False


def weight(document: Any) -> int:
    """About how many bytes *document* has as JSON."""
    size = 0
    rest = [document]
    while rest:
        value = rest.pop()
        if isinstance(value, dict):
            size += sum(map(len, value)) + 4 * len(value)
            rest.extend(value.values())
        elif isinstance(value, (list, tuple)):
            size += len(value)
            rest.extend(value)
        else:
            size += len(value) if isinstance(value, str) else 4
    return size
