"""
What came after what, for watchers of one client that are a little behind: read once, and not by each of them.

Decides how long that is kept.  It never turns wrong, since history only grows; but what is erased from it is not to
be handed out for long.
"""

from __future__ import annotations

import threading
import time

from realmconf.domain.record import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Hashable

    from realmconf.domain import revision as stored
    from realmconf.runtime.lineages import Point

STEPS_KEPT = 1_024
SECONDS_KEPT = 5.0


class Ahead(Record):
    """The step after some place: what was committed and, in the effective view, the point that it has led to."""

    revision: stored.Revision | None
    point: Point | None = None


class Trail:
    """The newest steps that watchers of one client have gone. Thread-safe."""

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._guard = threading.Lock()
        self._steps: dict[Hashable, tuple[float, Ahead]] = {}

    def after(self, place: Hashable) -> Ahead | None:
        """The step after *place*, if somebody has gone it of late."""
        found = self._steps.get(place)
        if found is None or found[0] < self._now():
            return None
        return found[1]

    def note(self, place: Hashable, ahead: Ahead) -> None:
        """Keep the step after *place* for a while."""
        with self._guard:
            if place in self._steps:
                return
            if len(self._steps) >= STEPS_KEPT:
                self._drop_old()
            self._steps[place] = (self._now() + SECONDS_KEPT, ahead)

    def _drop_old(self) -> None:
        now = self._now()
        kept = {place: step for place, step in self._steps.items() if step[0] >= now}
        # More than are kept in that time: the newer half, which is at the end.
        self._steps = dict(list(kept.items())[-STEPS_KEPT // 2 :])
