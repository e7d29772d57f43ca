"""
Where a model came from: the snapshots that a handle has given out.

Decides which of them a generation means, so that a model on its way back is
compared with the composition it was made from and never with another.
"""

from __future__ import annotations

from realmconf.errors import HistoryCompacted, InvalidArgument, RevisionNotFound
from realmconf.runtime.generic import Config, Generic

TYPE_CHECKING = False
if TYPE_CHECKING:
    from realmconf.domain.document import Document
    from realmconf.domain.names import RealmName
    from realmconf.domain.write import Expected
    from realmconf.runtime.snapshot import ConfigSnapshot
    from realmconf.stores.protocol import ReadView

GENERATIONS_KEPT = 64
"""Generations a handle remembers; an older model needs its snapshot as ``base``, or the history."""


class Origins(Generic[Config]):
    """The newest snapshots given out, by generation."""

    __slots__ = ("_given", "_realm")

    def __init__(self, realm: RealmName) -> None:
        self._realm = realm
        self._given: dict[int, tuple[ConfigSnapshot[Config], ...]] = {}

    def remember(self, snapshot: ConfigSnapshot[Config]) -> None:
        """Note that *snapshot* was given out."""
        given = self._given
        others = given.get(snapshot.generation)
        if others is not None:
            others = tuple(each for each in others if each.digest != snapshot.digest)
        given[snapshot.generation] = (*others, snapshot) if others else (snapshot,)
        while len(given) > GENERATIONS_KEPT:
            # Another thread may have taken the oldest one away already.
            given.pop(next(iter(list(given))), None)

    def at(self, expected: Expected) -> ConfigSnapshot[Config] | None:
        """
        The snapshot that was given out at a generation, if any.

        Raises:
            InvalidArgument: Several different ones were, and a number does not tell them apart.
        """
        found = self._given.get(expected.generation, ())
        digest = expected.digest
        if digest is not None:
            found = tuple(each for each in found if each.digest.startswith(digest))
        if len(found) > 1:
            raise InvalidArgument(
                f"generation {expected.generation} of realm {self._realm} has been several different ones: "
                "name the snapshot the model came from as base"
            )
        return found[0] if found else None

    def gave_out(self, config: object) -> bool:
        """Whether *config* is the very object that one of the snapshots shows."""
        given = [snapshot for snapshots in list(self._given.values()) for snapshot in snapshots]
        return any(snapshot.config is config for snapshot in given)


def document_at(view: ReadView, realm: RealmName, generation: int | None) -> Document | None:
    """
    The own document at *generation*, or the head's if none is named.

    The head's too where that generation is gone: the write is refused then in any case.
    """
    head = view.head(realm)
    if generation == 0:
        return None
    if generation is not None and generation != head.generation:
        try:
            return view.revision(realm, generation).document
        except (RevisionNotFound, HistoryCompacted):
            pass
    return None if head.revision is None else head.revision.document
