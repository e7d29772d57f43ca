"""
How much history stays: compaction by number and age, and the purge of one document.

Decides which generations go; removing them is the store's.  This is the one place
where wall-clock time decides anything.
"""

from __future__ import annotations

from realmconf.domain.document import ABSENT
from realmconf.domain.edit import edited
from realmconf.domain.write import Edit
from realmconf.errors import InvalidArgument
from realmconf.runtime import arguments
from realmconf.runtime.history import published
from realmconf.runtime.outcome import refuse_inside_change

TYPE_CHECKING = False
if TYPE_CHECKING:
    from datetime import timedelta

    from realmconf.domain.document import Document
    from realmconf.domain.names import RealmName
    from realmconf.domain.pointer import Pointer
    from realmconf.runtime.client import Client
    from realmconf.runtime.history import Revision
    from realmconf.stores.protocol import Compaction, ReadView

PAGE = 256


def compact(
    client: Client,
    *,
    keep: int | None,
    older_than: timedelta | float | None,
    realm: RealmName | None,
    timeout: float | None,
) -> list[Compaction]:
    """Remove what both rules let go; see ``Client.compact``."""
    if keep is None and older_than is None:
        raise InvalidArgument("compact takes keep or older_than")
    if keep is not None:
        arguments.count(keep, name="keep")
    created_before = None
    if older_than is not None:
        created_before = client.world.timestamp_before(seconds_of(older_than))
    refuse_inside_change(client.store)
    deadline = client.deadline(timeout)
    done: list[Compaction] = []
    for name in [entry.realm for entry in client.realms()] if realm is None else [realm]:
        with client.store.view() as view:
            floor = floor_of(view, name, keep=keep, created_before=created_before)
            current = view.head(name).floor
        if floor > current:
            done.append(client.store.compact(name, floor=floor, deadline=deadline))
    return done


def purge(
    client: Client,
    realm: RealmName,
    generation: int,
    *,
    pointer: str | Pointer | None,
    timeout: float | None,
) -> Revision:
    """Erase one document, or one value in it; see ``Client.purge``."""
    number = arguments.existing_generation(generation, name="generation", limits=client.limits)
    place = None if pointer is None else arguments.inner_pointer(pointer)
    refuse_inside_change(client.store)
    with client.store.view() as view:
        revision = view.revision(realm, number)
        if view.head(realm).generation == number:
            raise InvalidArgument(
                f"generation {number} is the head of realm {realm}: write a revision without the value, then purge"
            )
    kept: Document | None = None
    if place is not None:
        if revision.document is None or place.resolve(revision.document) is ABSENT:
            raise InvalidArgument(
                f"nothing stands at {place} in generation {number} of realm {realm}"
            )
        kept = edited(revision.document, Edit(removals=(place,)))
    deadline = client.deadline(timeout)
    return published(client.store.purge(realm, number, document=kept, deadline=deadline))


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
