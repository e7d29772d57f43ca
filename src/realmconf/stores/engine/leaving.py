"""
Where a realm lives: the marker that is set when it has left, and taken away when it has come.

Decides who may be marked; pure, on one point.
"""

from __future__ import annotations

from realmconf.errors import RealmMoved, RealmNotFound, TimelineChanged

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from realmconf.domain.names import RealmName
    from realmconf.stores.engine.ledger import Changes
    from realmconf.stores.engine.noting import Noting
    from realmconf.stores.protocol import ReadView

LOOKS_MAX = 2
"""How often somebody may write while *finish* goes on, before nobody can."""


class Departure:
    """
    One departure of *realm* to the store *to*; see ``MovingStore.depart`` for *finish*.

    What *finish* has to do lasts longer than the time between two writes of a busy realm.  So at last the marker comes
    first, and *finish* sees a state that nobody can write to any more; what it raises takes the marker back.
    """

    def __init__(self, realm: RealmName, to: str, finish: Callable[[ReadView], None]) -> None:
        self._realm = realm
        self._to = to
        self._finish = finish
        self._looks = 0
        self.is_unfinished = False
        """Whether the marker was sent before *finish* was called."""

    def changes(self, view: Noting) -> Changes | None:
        """
        What marks the realm, once *finish* has gone through; None where it is marked so.

        Raises:
            RealmNotFound: It was never written.
            RealmMoved: It is marked as moved elsewhere.
        """
        head = view.head(self._realm)
        if head.revision is None:
            raise RealmNotFound(realm=self._realm)
        if head.moved_to == self._to:
            return None
        if head.moved_to is not None:
            raise RealmMoved(head.moved_to, realm=self._realm)
        self._looks += 1
        self.is_unfinished = self._looks > LOOKS_MAX
        if not self.is_unfinished:
            self._finish(view)
        return view.resting().replace(moved={self._realm: self._to})

    def returning(self, view: Noting) -> Changes | None:
        """What takes the marker back; None where it is not there."""
        if view.head(self._realm).moved_to != self._to:
            return None
        return view.resting().replace(moved={self._realm: None})


def opening_of(realm: RealmName, digest: str, view: Noting) -> Changes | None:
    """
    What lets *realm*, whose head has this *digest*, live here; None where it does.

    Raises:
        TimelineChanged: Its head is another one.
    """
    head = view.head(realm)
    if head.revision is not None and head.moved_to is None:
        return None
    if head.revision is None or head.revision.digest != digest:
        raise TimelineChanged(realm=realm, generation=head.generation, reason="that was to arrive")
    return view.resting().replace(moved={realm: None})
