"""
Realms that come to a memory store or leave it: their history taken in as it is, and the marker.

Decides what follows what is here; who may be asked to move is not its business.
"""

from __future__ import annotations

from collections import OrderedDict

from realmconf.domain.revision import GENESIS
from realmconf.errors import InvalidArgument, RealmMoved, RealmNotFound, TimelineChanged
from realmconf.stores.memory.view import History
from realmconf.stores.protocol import Receipt

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from realmconf.domain.names import RealmName
    from realmconf.domain.revision import Revision
    from realmconf.stores.memory.state import Memory
    from realmconf.stores.protocol import Arrival, Head


def receipts(
    memory: Memory, realm: RealmName, *, since: int, after: str | None, limit: int | None
) -> Sequence[Receipt]:
    """What is known of write ids, by id."""
    with memory.guard:
        kept = list(memory.receipts.get(realm, {}).values())
    found = [
        one for one in kept if one.generation >= since and (after is None or one.write_id > after)
    ]
    found.sort(key=lambda one: one.write_id)
    return found[:limit]


def receive(memory: Memory, arrival: Arrival) -> None:
    """Take *arrival* in; the turn is held."""
    coming = {realm: _Coming(memory, realm, arrival) for realm in arrival.floors}
    position = memory.position
    for step in arrival.steps:
        if coming[step.realm].take(step.revision, position + 1):
            position += 1
    for realm, schemas in arrival.schemas.items():
        coming[realm].schemas.update(dict.fromkeys(schemas))
        memory.schemas.update(schemas)
    memory.keys.update(arrival.keys)
    _keep_receipts(memory, arrival)
    memory.position = position
    histories: dict[str, History] = {
        realm: found.history(arrival.source) for realm, found in coming.items() if found.revisions
    }
    memory.publish(histories, every_word=True)


class _Coming:
    """One realm that arrives, as it will stand."""

    def __init__(self, memory: Memory, realm: RealmName, arrival: Arrival) -> None:
        before = memory.histories.get(realm)
        if before is None:
            memory.refuse_case_twin(realm)
        elif before.head.moved_to is None:
            raise InvalidArgument(f"realm {realm} lives in this store already")
        self.realm = realm
        self.revisions: list[Revision] = [] if before is None else before.revisions[: before.count]
        self.positions: list[int] = [] if before is None else before.positions[: before.count]
        self.schemas = dict.fromkeys(() if before is None else before.schemas)
        self.floor = 1 if before is None else before.floor
        self._floor_there = arrival.floors[realm]

    def take(self, revision: Revision, position: int) -> bool:
        """Whether *revision* is new here, and now the newest."""
        last = self.revisions[-1] if self.revisions else None
        generation, digest = (0, GENESIS) if last is None else (last.generation, last.digest)
        if revision.generation <= generation:
            self._refuse_another(revision)
            return False
        if revision.previous != digest:
            if revision.generation != self._floor_there:
                raise TimelineChanged(
                    realm=self.realm, generation=generation, reason="that goes on there"
                )
            self.revisions, self.positions = [], []
        if not self.revisions:
            self.floor = revision.generation
        self.revisions.append(revision)
        self.positions.append(position)
        return True

    def _refuse_another(self, revision: Revision) -> None:
        for known in reversed(self.revisions):
            if known.generation == revision.generation:
                if known.digest != revision.digest:
                    raise TimelineChanged(
                        realm=self.realm, generation=known.generation, reason="that is brought here"
                    )
                return

    def history(self, source: str) -> History:
        return History(
            self.realm,
            self.revisions,
            self.positions,
            floor=self.floor,
            schemas=tuple(self.schemas),
            moved_to=source,
        )


def _keep_receipts(memory: Memory, arrival: Arrival) -> None:
    for step in arrival.steps:
        revision = step.revision
        kept = memory.receipts.setdefault(step.realm, OrderedDict())
        made = Receipt(
            realm=step.realm,
            write_id=revision.write_id,
            request="",
            outcome="committed",
            generation=revision.generation,
        )
        kept.setdefault(revision.write_id, made)
    for receipt in arrival.receipts:
        kept = memory.receipts.setdefault(receipt.realm, OrderedDict())
        known = kept.get(receipt.write_id)
        if known is None or (not known.request and receipt.request):
            kept[receipt.write_id] = receipt


def depart(memory: Memory, realm: RealmName, to: str, finish: Callable[[], None]) -> Head:
    """Mark *realm* as moved to *to* once *finish* has gone through; the turn is held."""
    history = memory.histories.get(realm)
    if history is None:
        raise RealmNotFound(realm=realm)
    if history.head.moved_to is not None and history.head.moved_to != to:
        raise RealmMoved(history.head.moved_to, realm=realm)
    if history.head.moved_to is None:
        finish()
        memory.publish({realm: history.living(to)}, every_word=True)
    return memory.head(realm)


def arrive(memory: Memory, realm: RealmName, digest: str) -> Head:
    """Let *realm* live here; the turn is held."""
    history = memory.histories.get(realm)
    if history is None:
        raise TimelineChanged(realm=realm, generation=0, reason="that was to arrive")
    head = history.head
    if head.moved_to is not None:
        if head.revision is None or head.revision.digest != digest:
            raise TimelineChanged(
                realm=realm, generation=head.generation, reason="that was to arrive"
            )
        memory.publish({realm: history.living(None)}, every_word=True)
    return memory.head(realm)
