"""
How much history stays: from what a caller and a policy ask for to the oldest generation kept.

Removing is the store's part.  This is the one place where wall-clock time decides anything.
"""

from __future__ import annotations

from realmconf.errors import InvalidArgument

TYPE_CHECKING = False
if TYPE_CHECKING:
    from realmconf.domain.names import RealmName
    from realmconf.stores.protocol import ReadView

PAGE = 256


def seconds_of(age: object) -> float:
    """An age given in seconds or as a ``timedelta``."""
    total = getattr(age, "total_seconds", None)
    seconds = total() if total is not None else age
    if (
        isinstance(seconds, bool)
        or not isinstance(seconds, (int, float))
        or not 0 <= seconds < 2**40
    ):
        raise InvalidArgument("older_than must be a number of seconds from 0 on, or a timedelta")
    return float(seconds)


def floor_of(
    view: ReadView, realm: RealmName, *, keep: int | None, created_before: str | None
) -> int:
    """
    The oldest generation to keep: a revision goes only if every rule that was given lets it go.

    Generations are contiguous in what is kept, so the first revision that must stay keeps all after it.
    """
    head = view.head(realm)
    if head.revision is None:
        return head.floor
    asked = head.revision.policy.history_keep
    kept_count = max(keep or 1, asked or 1)
    newest = view.revisions(realm, limit=kept_count, newest_first=True)
    floor = newest[-1].generation
    if created_before is None:
        return floor
    return min(floor, _first_since(view, realm, head.floor, floor, created_before))


def _first_since(
    view: ReadView, realm: RealmName, oldest: int, newest: int, created_before: str
) -> int:
    """The first generation between two that was not created before a time."""
    position = oldest - 1
    while position < newest:
        page = view.revisions(realm, after=position, before=newest, limit=PAGE)
        for revision in page:
            if revision.created_at >= created_before:
                return revision.generation
        if not page:
            break
        position = page[-1].generation
    return newest
