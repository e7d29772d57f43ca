"""
What streams may cost: how many there are, how long one is silent, how long a reader is waited for that takes nothing.

Decides when a bookmark is due and which reader is too slow; the clock is whoever's that asks.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from realmconf.domain.record import Record
from realmconf.surfaces.http.stream_events import part

if TYPE_CHECKING:
    from realmconf.surfaces.http.stream_steps import Steps

LOG = logging.getLogger("realmconf")


class StreamLimits(Record):
    """How many streams there may be in one process, and how long each is waited for."""

    total: int = 1_024
    of_one_token: int = 64
    heartbeat_seconds: float = 13.0
    """Silence after which a bookmark is sent, a tick later at most."""
    slow_seconds: float = 10.0
    """How long a connection may take nothing while there is something to send."""
    retry_after_seconds: float = 5.0
    """What is said to who is refused."""


STREAM_LIMITS = StreamLimits()


def say_alive(steps: Steps, limits: StreamLimits, now: float) -> None:
    """Send a bookmark to each reader that was told nothing for a while; *now* is the loop's time."""
    latest = now - limits.heartbeat_seconds
    silent = [reader for reader in steps.current if reader.told_at <= latest]
    if silent:
        message = part(steps.bookmark())
        for reader in silent:
            reader.tell(message, now)


def end_stuck(steps: Steps, limits: StreamLimits, now: float) -> None:
    """
    End the streams whose connection takes nothing: for too long, or while more came than is at hand.

    Their readers go on from what they had, which history still tells.
    """
    latest = now - limits.slow_seconds
    for reader in list(steps.readers):
        since, place = reader.waits_since, reader.place
        if since is None:
            continue
        if since <= latest or (place is not None and not steps.is_kept(place)):
            LOG.info("a stream of realm %s was ended: its reader is too slow", steps.realm)
            reader.end()
