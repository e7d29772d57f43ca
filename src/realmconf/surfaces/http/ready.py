"""
Answers that are at hand as bytes: one for each realm and each kind of reader, as many as fit.

Decides that callers who are shown the same share what was made for one of them, and that of all that is kept the least
recently used goes first.
"""

from __future__ import annotations

import operator
from typing import TYPE_CHECKING, Any

from realmconf.runtime.operations.results import View
from realmconf.surfaces.http.etags import quoted
from realmconf.surfaces.http.replies import JSON
from realmconf.surfaces.http.views import representation, unchanged

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from starlette.types import Message

    from realmconf.domain.names import RealmName
    from realmconf.runtime.lineages import Point
    from realmconf.runtime.operations.session import Session
    from realmconf.runtime.runtime import ConfigRuntime
    from realmconf.surfaces.http.replies import Headers

BYTES_KEPT_MAX = 64 * 1_048_576
OVERHEAD_BYTES = 4_096
"""What an answer takes besides its body."""


class Ready:
    """The answer for one point, as bytes; never changed, but for the proof that it is still the newest."""

    __slots__ = ("body", "etag", "point", "proof", "size_bytes", "start", "unchanged")

    def __init__(
        self, session: Session, where: ConfigRuntime[Mapping[str, Any]], point: Point, more: Headers
    ) -> None:
        found = View(snapshot=where.snapshot_of(point), view="own")
        reply, opaque = representation(session, found, at=None, media=JSON)
        self.point = point
        self.start = reply.with_headers(*more).start()
        self.body: Message = {"type": "http.response.body", "body": reply.body}
        self.unchanged = unchanged(opaque).with_headers(*more).start()
        # What is not there is not unchanged.
        self.etag = quoted(opaque) if reply.status == 200 else b""
        self.size_bytes = len(reply.body) + OVERHEAD_BYTES
        self.proof: tuple[Sequence[int], int] = ((), 0)
        """A word of the store's memory, and what it was when the point was the newest."""

    def is_proved(self) -> bool:
        """Whether nothing has been written since; one look at memory."""
        words, mark = self.proof
        try:
            return words[0] == mark
        except (IndexError, ValueError):
            # There is no proof, or the store has taken it back.
            return False

    def prove(self, store: Any) -> None:
        """Have the store prove that the point is the newest, from now on."""
        point = self.point
        proof = store.proof(point.watched)
        if proof is not None and all(map(operator.is_, proof.heads, point.watched_heads)):
            self.proof = (proof.words, proof.mark)


class Place:
    """Where the answer for one realm stands, as one kind of reader is shown it."""

    __slots__ = ("key", "ready", "used")

    def __init__(self, key: tuple[RealmName, bool]) -> None:
        self.key = key
        self.ready: Ready | None = None
        self.used = 0
        """When it was last asked for, as a number that grows."""


class Shelf:
    """All of one server, on its event loop."""

    def __init__(self, *, bytes_max: int = BYTES_KEPT_MAX) -> None:
        self._bytes_max = bytes_max
        self._places: dict[tuple[RealmName, bool], Place] = {}
        self.bytes_kept = 0
        self.clock = 0

    def place(self, realm: RealmName, *, shows_secrets: bool) -> Place:
        """The place of *realm*, which whoever has it may go on using after it was emptied."""
        key = (realm, shows_secrets)
        found = self._places.get(key)
        if found is None:
            found = self._places[key] = Place(key)
        return found

    def put(self, place: Place, ready: Ready) -> None:
        """Keep *ready* in *place*, and let go of what was used least recently if it is too much."""
        other = self._places.get(place.key)
        for one in (place,) if other is None or other is place else (place, other):
            if one.ready is not None:
                self.bytes_kept -= one.ready.size_bytes
                one.ready = None
        self._places[place.key] = place
        self.bytes_kept += ready.size_bytes
        place.ready = ready
        place.used = self.clock = self.clock + 1
        if self.bytes_kept > self._bytes_max:
            self._let_go()

    def _let_go(self) -> None:
        # A part more than is too much, so that it is not each time that all are sorted.
        goal = self._bytes_max - self._bytes_max // 8
        for key, place in sorted(self._places.items(), key=lambda item: item[1].used):
            if self.bytes_kept <= goal:
                break
            if place.ready is not None:
                self.bytes_kept -= place.ready.size_bytes
                place.ready = None
            del self._places[key]
