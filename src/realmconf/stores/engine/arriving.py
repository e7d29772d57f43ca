"""
What a realm's history that comes from elsewhere becomes here.

Decides what follows what is here already, and what is refused as another history; pure, on one point.
"""

from __future__ import annotations

from realmconf.domain.lineage import parent_of
from realmconf.domain.names import case_twin
from realmconf.domain.revision import GENESIS
from realmconf.errors import HistoryCompacted, InvalidArgument, RevisionNotFound, TimelineChanged
from realmconf.stores.engine.composing import refuse_twins
from realmconf.stores.engine.ledger import Put
from realmconf.stores.engine.packing import pack
from realmconf.stores.protocol import Receipt

TYPE_CHECKING = False
if TYPE_CHECKING:
    from realmconf.domain.names import RealmName
    from realmconf.domain.revision import Revision
    from realmconf.stores.engine.ledger import Changes
    from realmconf.stores.engine.noting import Noting
    from realmconf.stores.protocol import Arrival


def arrival_of(arrival: Arrival, view: Noting) -> Changes:
    """
    What taking *arrival* in writes, on *view*.

    Raises:
        InvalidArgument: One of the realms lives here.
        TimelineChanged: Another history stands here; or a step does not follow.
        InvalidRealm: The name differs from another one's by case alone.
    """
    view.ask(arrival.floors)
    coming = {realm: _Coming(view, realm, arrival.floors[realm]) for realm in arrival.floors}
    puts = [put for step in arrival.steps for put in coming[step.realm].taken(step.revision)]
    # Of an id that was given this is what is known until its receipt comes.
    told = [_receipt(put.realm, put.revision) for put in puts]
    touched = {parent for one in coming.values() for parent in one.parents_touched()}
    claims = tuple(realm for realm, one in coming.items() if one.is_first)
    refuse_twins(claims)
    return view.resting().replace(
        claims=claims,
        puts=tuple(puts),
        schemas=arrival.schemas,
        floors={realm: one.restarts_at for realm, one in coming.items() if one.restarts_at},
        moved=dict.fromkeys(arrival.floors, arrival.source),
        told=(*told, *arrival.receipts),
        keys=arrival.keys,
        touched=frozenset(touched - set(arrival.floors)),
    )


class _Coming:
    """One realm that arrives."""

    def __init__(self, view: Noting, realm: RealmName, floor_there: int) -> None:
        head = view.head(realm)
        self._before = head.revision
        self.is_first = self._before is None
        if self.is_first and view.twin(realm):
            raise case_twin(realm)
        if self._before is not None and head.moved_to is None:
            raise InvalidArgument(f"realm {realm} lives in this store already")
        self.restarts_at = 0
        self._view = view
        self._realm = realm
        self._floor_there = floor_there
        self._last = self._before
        self._taken: dict[int, str] = {}

    def taken(self, revision: Revision) -> list[Put]:
        """What *revision* puts: itself, or nothing where it is here already."""
        last = self._last
        generation, digest = (0, GENESIS) if last is None else (last.generation, last.digest)
        if revision.generation <= generation:
            self._refuse_another(revision)
            return []
        if revision.previous != digest:
            if revision.generation != self._floor_there:
                raise TimelineChanged(
                    realm=self._realm, generation=generation, reason="that goes on there"
                )
            self.restarts_at = revision.generation
        self._last = revision
        self._taken[revision.generation] = revision.digest
        return [
            Put(
                realm=self._realm,
                revision=revision,
                packed=pack(revision),
                parent=parent_of(revision.realm, revision.document),
            )
        ]

    def _refuse_another(self, revision: Revision) -> None:
        generation = revision.generation
        known = self._taken.get(generation)
        if known is None:
            try:
                known = self._view.revision(self._realm, generation).digest
            except (HistoryCompacted, RevisionNotFound):
                return
        if known != revision.digest:
            raise TimelineChanged(
                realm=self._realm, generation=generation, reason="that is brought here"
            )

    def parents_touched(self) -> list[RealmName]:
        """Whose children change."""
        parents = [
            None if one is None else parent_of(one.realm, one.document)
            for one in (self._before, self._last)
        ]
        if parents[0] == parents[1]:
            return []
        return [parent for parent in parents if parent is not None]


def _receipt(realm: RealmName, revision: Revision) -> Receipt:
    return Receipt(
        realm=realm,
        write_id=revision.write_id,
        request="",
        outcome="committed",
        generation=revision.generation,
    )
