"""
The record of plans: whose plans there is room for, and which give way.

Decides that one caller's plans never keep another from planning: where there is no more room, the oldest give way of
whoever has most.  Functions of a plain record; what a plan is, and whether it may be carried out, is for
``runtime.operations.planning``.
"""

from __future__ import annotations

from realmconf.domain.document import canonical_bytes
from realmconf.errors import RateLimited
from realmconf.runtime.ledger import seconds_left_of_minute

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from typing import Any

    Entry = Mapping[str, Any]

PLANS_PER_MINUTE = 240
"""Of one caller."""
SHARE_PLANS_PER_MINUTE = 960
"""Of all whose tokens were made with one that is not for the whole store."""
CALLER_BYTES_MAX = 131_072
"""Of the plans of one caller that are kept: beyond it the oldest give way, but none of the last minute."""
BYTES_MAX = 786_432
"""Of all that are kept: the record is a document, and has a document's limits."""
REVISIONS_KEPT = 16
"""Of the record, and up to twice as many: what there was before is of no use to anybody."""
_KEY_BYTES = 40
"""Of a plan's id, and of the member that says its size."""


def sized(entry: dict[str, Any]) -> dict[str, Any]:
    """*entry* with its size, in bytes of what is kept: text within text may be twice as long as it looks."""
    return {**entry, "bytes": len(canonical_bytes(entry)) + _KEY_BYTES}


def add(kept: dict[str, Any], plan_id: str, entry: Entry, *, since: str) -> None:
    """
    Add a plan, made at ``created_at``; *since* is a minute before that.

    Raises:
        RateLimited: Its caller makes too many, or too large ones.
    """
    now = entry["created_at"]
    for name in [name for name, one in kept.items() if one["expires_at"] <= now]:
        del kept[name]
    refuse_hurry(kept, entry["caller"], entry["share"], now=now, since=since)
    _make_room_of_own(kept, entry, since=since)
    _make_room(kept, BYTES_MAX - entry["bytes"])
    kept[plan_id] = entry


def refuse_hurry(kept: Mapping[str, Any], caller: str, share: str, *, now: str, since: str) -> None:
    """
    Go on only if *caller*, and all who have part in *share*, made no more plans than they may since *since*.

    Raises:
        RateLimited: Saying when there may be another one.
    """
    recent = [one for one in kept.values() if one["created_at"] > since]
    for what, key, own, maximum in (
        ("plans of this caller", "caller", caller, PLANS_PER_MINUTE),
        ("plans with tokens of this maker", "share", share, SHARE_PLANS_PER_MINUTE),
    ):
        made = sorted(one["created_at"] for one in recent if one.get(key) == own)
        if len(made) >= maximum:
            wait = seconds_left_of_minute(made[-maximum], now)
            raise RateLimited(what, retry_after_seconds=wait)


def _make_room_of_own(kept: dict[str, Any], entry: Entry, *, since: str) -> None:
    own = _oldest_first(kept, (name for name in kept if kept[name]["caller"] == entry["caller"]))
    size = entry["bytes"] + sum(_size(kept[name]) for name in own)
    for name in own:
        if size <= CALLER_BYTES_MAX:
            return
        begun = kept[name]["created_at"]
        if begun > since:
            wait = seconds_left_of_minute(begun, entry["created_at"])
            raise RateLimited("plans of this size", retry_after_seconds=wait)
        size -= _size(kept.pop(name))


def _make_room(kept: dict[str, Any], room: int) -> None:
    """
    Let plans go until the rest needs no more than *room*: of the share that has most, of its caller that has most.

    Six callers that have made as much as each may leave a seventh its room; whoever has little is never meant.
    """
    size = sum(map(_size, kept.values()))
    while size > room:
        of_share = _largest(kept, _oldest_first(kept, kept), "share")
        of_caller = _largest(kept, of_share, "caller")
        size -= _size(kept.pop(of_caller[0]))


def _largest(kept: Mapping[str, Any], names: Iterable[str], key: str) -> list[str]:
    """Those of *names* that have in common, by *key*, whose they are: of whom they take most, or
    who comes first."""
    found: dict[str, list[str]] = {}
    for name in names:
        found.setdefault(kept[name].get(key, kept[name]["caller"]), []).append(name)
    return max(found.values(), key=lambda those: sum(_size(kept[name]) for name in those))


def _oldest_first(kept: Mapping[str, Any], names: Iterable[str]) -> list[str]:
    return sorted(names, key=lambda name: str(kept[name]["created_at"]))


def _size(entry: Entry) -> int:
    # Those of an older release have no size, and are gone in ten minutes.
    size: int = entry.get("bytes", 2 * len(entry["patch"]))
    return size
