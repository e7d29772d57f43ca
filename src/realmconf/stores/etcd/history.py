"""
The revisions of a history: by generation, from the newest back, as of a position, and of several realms in order.

Decides how many are asked for at once: a page has about a megabyte, however large each of them is.
"""

from __future__ import annotations

from realmconf.stores.etcd.asking import range_of
from realmconf.stores.etcd.failures import RefusedError
from realmconf.stores.etcd.layout import (
    generation_in,
    packed_in,
    position_in,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Protocol

    from realmconf.stores.etcd.asking import Found, Operation, Outcome
    from realmconf.stores.etcd.layout import Entry, Keys

    class Asking(Protocol):
        """Whoever asks at a point."""

        def ask(self, made: Callable[[int], Sequence[Operation]], /) -> Outcome: ...


__all__ = ["as_of", "between", "last", "packed_in", "steps"]

PAGE = 16
PAGE_MAX = 1_000
PAGE_BYTES = 1 << 20
FEW_REALMS = 8
FEW_STEPS = 8
REALMS_AT_ONCE = 100


def between(
    view: Asking, keys: Keys, entry: Entry, first: int, end: int, limit: int | None
) -> list[Found]:
    """Those from generation *first* up to before *end*, oldest first; *first* is not below the floor."""
    found: list[Found] = []
    page = PAGE
    key, last = keys.revision(entry.history, first), keys.revision(entry.history, end)
    while first < end and (limit is None or len(found) < limit):
        number = page if limit is None else min(page, limit - len(found))
        start = key
        try:
            (part,) = view.ask(
                lambda revision: [range_of(start, last, revision=revision, limit=number)]  # noqa: B023
            ).parts
        except RefusedError:
            # More than the server sends at once.
            if page == 1:
                raise
            page = max(1, page // 4)
            continue
        found += part.found
        if part.is_all or not part.found:
            break
        key = part.found[-1].key + "\0"
        size = sum(len(one.value) for one in part.found) // len(part.found)
        page = min(max(1, PAGE_BYTES // max(1, size)), PAGE_MAX)
    return found


def last(
    view: Asking, keys: Keys, entry: Entry, first: int, end: int, limit: int | None
) -> list[Found]:
    """The last *limit* of those from *first* up to before *end*, newest first: numbers may have been stepped over."""
    first, end = max(first, entry.floor), min(end, entry.generation + 1)
    found: list[Found] = []
    width = PAGE if limit is None else max(1, min(limit, PAGE_MAX))
    while first < end and (limit is None or len(found) < limit):
        start = first if limit is None else max(first, end - width)
        found += reversed(between(view, keys, entry, start, end, None))
        end, width = start, 2 * width
    return found[:limit]


def as_of(view: Asking, keys: Keys, entry: Entry, position: int) -> Found | None:
    """The newest that was there at *position*; None if what was there then, if anything, is gone."""
    low, high = entry.floor, entry.generation + 1
    found: Found | None = None
    # Positions rise with generations.
    while low < high:
        middle = (low + high) // 2
        start, end = (keys.revision(entry.history, one) for one in (middle, high))
        (part,) = view.ask(
            lambda revision: [range_of(start, end, revision=revision, limit=1)]  # noqa: B023
        ).parts
        if part.found and position_in(part.found[0]) <= position:
            found = part.found[0]
            low = generation_in(found.key) + 1
        else:
            high = middle
    return found


def steps(
    view: Asking, keys: Keys, wanted: Sequence[tuple[Entry, int]], limit: int
) -> list[tuple[str, Found]]:
    """The first *limit* revisions behind a generation of each realm, in the order of commits, with its name."""
    wanted = [one for one in wanted if one[0].generation > one[1]]
    if len(wanted) <= FEW_REALMS:
        found = _few(view, keys, wanted, min(limit, FEW_STEPS))
        if found is not None:
            return found[:limit]
    listed: list[tuple[int, str, str, int]] = []
    for first in range(0, len(wanted), REALMS_AT_ONCE):
        group = wanted[first : first + REALMS_AT_ONCE]
        outcome = view.ask(lambda revision: _ranges(keys, group, limit, revision, only_keys=True))  # noqa: B023
        for (entry, _), part in zip(group, outcome.parts, strict=True):
            listed += [
                (one.created, entry.realm, entry.history, generation_in(one.key))
                for one in part.found
            ]
    listed.sort()
    if len(listed) > limit:
        # Those that were committed together are told apart by what stands in them.
        bound = listed[limit - 1][0]
        listed = [one for one in listed if one[0] <= bound]
    ends: dict[tuple[str, str], list[int]] = {}
    for _, realm, history, generation in listed:
        ends.setdefault((realm, history), []).append(generation)
    entries = {entry.realm: entry for entry, _ in wanted}
    found = [
        (realm, one)
        for (realm, _), generations in ends.items()
        for one in between(view, keys, entries[realm], min(generations), max(generations) + 1, None)
    ]
    found.sort(key=lambda step: position_in(step[1]))
    return found[:limit]


def _few(
    view: Asking, keys: Keys, wanted: Sequence[tuple[Entry, int]], number: int
) -> list[tuple[str, Found]] | None:
    """All that follows, in one question; None if that is more than *number* of one realm."""
    if not wanted:
        return []
    try:
        outcome = view.ask(lambda revision: _ranges(keys, wanted, number, revision))
    except RefusedError:
        return None
    if not all(part.is_all for part in outcome.parts):
        return None
    found = [
        (entry.realm, one)
        for (entry, _), part in zip(wanted, outcome.parts, strict=True)
        for one in part.found
    ]
    found.sort(key=lambda step: position_in(step[1]))
    return found


def _ranges(
    keys: Keys,
    wanted: Sequence[tuple[Entry, int]],
    limit: int,
    revision: int,
    *,
    only_keys: bool = False,
) -> list[Operation]:
    return [
        range_of(
            keys.revision(entry.history, generation + 1),
            keys.revision(entry.history, entry.generation + 1),
            revision=revision,
            limit=limit,
            only_keys=only_keys,
        )
        for entry, generation in wanted
    ]
