"""
The record of tokens: what may be added to it, what goes with what is ended, and what is remembered of both.

Decides shares.  The record is one document with a document's limits, and an admin of a few realms may add to it as
well as whoever has the store in hand; nobody may fill it for others.  Knows no token's text, no clock and no store:
functions of a plain record.

An entry is under the id of its token; beside them, under ``log``, are the newest lines of who made and ended which.
"""

from __future__ import annotations

from realmconf.domain.document import canonical_bytes
from realmconf.errors import LimitExceeded, RateLimited, TokenNotFound, Unauthenticated
from realmconf.runtime.ledger import seconds_left_of_minute

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from typing import Any

    Entry = Mapping[str, Any]

TOKENS_MAX = 1_024
"""That have not expired: of those who have the store in hand, and again of all that were made with a token."""
BYTES_MAX = 458_752
"""Likewise. Two of these and the log are less than a document may be."""
SHARE_TOKENS_MAX = 256
"""Made with one token that is not for the whole store, or with what was made with it."""
SHARE_BYTES_MAX = 98_304
MADE_PER_MINUTE = 120
"""Of one share."""
LOG_BYTES_MAX = 65_536
LOG = "log"


def entries(kept: Mapping[str, Any]) -> dict[str, Entry]:
    """What is kept of each token, by its id."""
    return {token_id: entry for token_id, entry in kept.items() if token_id != LOG}


def share_of(entry: Entry) -> str:
    """
    By whose share the token counts: the first in the line of its makers that is not for the whole store.

    Where all of them are, or whoever has the store in hand made it: its own.
    """
    share: str = entry.get("share", entry["id"])
    return share


def makers_of(kept: Mapping[str, Any], token_id: str) -> list[str]:
    """The token, the one that it was made with, and so on."""
    line = [token_id]
    while (maker := kept[line[-1]].get("created_by_id")) is not None:
        line.append(maker)
    return line


def end_of(kept: Mapping[str, Any], token_id: str) -> str | None:
    """When the token ends: by its own time, or by that of one in the line of its makers; None: never."""
    times = [kept[one].get("expires_at") for one in makers_of(kept, token_id)]
    return min((time for time in times if time is not None), default=None)


def drop_expired(kept: dict[str, Any], now: str) -> None:
    """Forget those that are over."""
    ends = {token_id: end_of(kept, token_id) for token_id in entries(kept)}
    for token_id, end_at in ends.items():
        if end_at is not None and end_at <= now:
            del kept[token_id]


def add(kept: dict[str, Any], entry: Entry, *, share: str, since: str) -> None:
    """
    Add a token, made at ``created_at`` on the account of *share*: empty for whoever has the store in hand.

    *since* is a minute before that.

    Raises:
        Unauthenticated: The token that it is made with has ended.
        LimitExceeded: There are as many as there may be, of this share or of all.
        RateLimited: Too many were made in the last minute.
    """
    now = entry["created_at"]
    drop_expired(kept, now)
    maker = entry.get("created_by_id")
    if maker is not None:
        if maker not in kept:
            raise Unauthenticated("this is no token, or not any more")
        _refuse_hurry(kept, share, now=now, since=since)
    others = entries(kept).values()
    if maker is None:
        _refuse_more([one for one in others if "created_by_id" not in one], entry)
    else:
        made = [one for one in others if "created_by_id" in one]
        if entry.get("share") is not None:
            own = [one for one in made if one.get("share") == share]
            _refuse_more(own, entry, count_max=SHARE_TOKENS_MAX, bytes_max=SHARE_BYTES_MAX)
        _refuse_more(made, entry)
    kept[entry["id"]] = entry
    _note(kept, "made", [entry["id"]], by=entry["created_by"], share=share, at=now)


def end(
    kept: dict[str, Any], token_id: str, *, within: str, by: str, share: str, at: str
) -> list[Entry]:
    """
    Take a token away, and all that were made with it: what was kept of them, the token itself first.  Of each
    ``expires_at`` is when it would have ended.

    *within* is the token whose own, and what was made with it, may be ended; empty for whoever may end every one.

    Raises:
        TokenNotFound: There is none, or none that may be ended.
    """
    if token_id == LOG or token_id not in kept:
        raise TokenNotFound(token_id)
    if within and within not in makers_of(kept, token_id):
        raise TokenNotFound(token_id)
    ended = [one for one in entries(kept) if token_id in makers_of(kept, one)]
    ended.sort(key=lambda one: (len(makers_of(kept, one)), one))
    gone: list[Entry] = [{**kept[one], "expires_at": end_of(kept, one)} for one in ended]
    for one in ended:
        del kept[one]
    _note(kept, "ended", ended, by=by, share=share, at=at)
    drop_expired(kept, at)
    return gone


def _refuse_hurry(kept: Mapping[str, Any], share: str, *, now: str, since: str) -> None:
    recent = [
        line["at"]
        for line in kept.get(LOG, ())
        if line["share"] == share and line["what"] == "made" and line["at"] > since
    ]
    if len(recent) >= MADE_PER_MINUTE:
        wait = seconds_left_of_minute(recent[-MADE_PER_MINUTE], now)
        raise RateLimited("tokens made with this one", retry_after_seconds=wait)


def _refuse_more(
    found: Iterable[Entry],
    entry: Entry,
    *,
    count_max: int | None = None,
    bytes_max: int | None = None,
) -> None:
    sizes = [_size(one) for one in (*found, entry)]
    # By name, so that a test may lower them.
    for limit, value, maximum in (
        ("tokens", len(sizes), TOKENS_MAX if count_max is None else count_max),
        ("tokens_bytes", sum(sizes), BYTES_MAX if bytes_max is None else bytes_max),
    ):
        if value > maximum:
            raise LimitExceeded(limit, value, maximum=maximum)


_KEY_BYTES = 20


def _size(entry: Entry) -> int:
    return _KEY_BYTES + len(canonical_bytes(dict(entry)))


def _note(
    kept: dict[str, Any], what: str, tokens: list[str], *, by: str, share: str, at: str
) -> None:
    """
    Remember who did what; where that is too much, the oldest lines of whoever has most give way.

    So whoever makes and ends tokens without an end covers nobody's tracks but their own.
    """
    log = list(kept.get(LOG, ()))
    log.append({"at": at, "what": what, "tokens": tokens, "by": by, "share": share})
    sizes = [_size(line) for line in log]
    while sum(sizes) > LOG_BYTES_MAX and len(log) > 1:
        room: dict[str, int] = {}
        for line, size in zip(log, sizes, strict=True):
            room[line["share"]] = room.get(line["share"], 0) + size
        largest = max(room, key=lambda name: (room[name], name))
        place = next(n for n, line in enumerate(log) if line["share"] == largest)
        del log[place], sizes[place]
    kept[LOG] = log
