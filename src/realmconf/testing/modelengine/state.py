"""
All that an engine keeps, at one point, and what a conditional write makes of it.

Decides what the words of ``Changes`` mean, one by one and as plainly as can be; a state never changes.
"""

from __future__ import annotations

from realmconf.domain.record import Record
from realmconf.stores.engine.packing import unpack
from realmconf.stores.memory.view import History
from realmconf.stores.protocol import Compaction, Head

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from realmconf.domain.document import Document
    from realmconf.domain.names import RealmName
    from realmconf.domain.revision import Revision
    from realmconf.stores.engine.ledger import Changes, Put
    from realmconf.stores.protocol import Receipt


class State(Record):
    """The engine at one point."""

    version: int = 0
    """The number of the last write."""
    position: int = 0
    """That of the last revision."""
    versions: Mapping[RealmName, int] = {}
    histories: Mapping[str, History] = {}
    receipts: Mapping[str, Mapping[str, Receipt]] = {}
    listed: Mapping[RealmName, tuple[str, ...]] = {}
    """Digests of schemas, by realm."""
    schemas: Mapping[str, Document] = {}
    homes: Mapping[RealmName, str] = {}
    """Where realms live that do not live here."""
    claimed: frozenset[str] = frozenset()
    keys: Mapping[str, bytes] = {}

    def head(self, realm: RealmName) -> Head:
        """What the row of *realm* says."""
        history, home = self.histories.get(realm), self.homes.get(realm)
        if history is None:
            return Head(realm=realm, revision=None, moved_to=home)
        return history.head

    def twin(self, realm: RealmName) -> bool:
        """Whether a name is claimed that differs from this one by case alone."""
        return any(name != realm and name.lower() == realm.folded for name in self.claimed)


def stands(state: State, changes: Changes) -> bool:
    """Whether all that *changes* rest on is so."""
    return (
        all(state.versions.get(realm, 0) == version for realm, version in changes.rests_on.items())
        and changes.newest in (None, max(state.versions.values(), default=0))
        and not any(state.twin(realm) for realm in changes.claims)
        and all(
            receipt.write_id not in state.receipts.get(receipt.realm, {})
            for receipt in changes.receipts
        )
    )


def after(state: State, changes: Changes) -> State:
    """*state* after *changes*, which must stand."""
    return _Next(state, changes).state()


def compacted(state: State, realm: RealmName, floor: int) -> tuple[State, Compaction]:
    """*state* without the revisions of *realm* below *floor*, and what has gone."""
    history = state.histories.get(realm)
    if history is None:
        return state, Compaction(realm=realm, floor=1, removed=0)
    kept = history.since(max(history.floor, min(floor, history.head.generation)))
    done = Compaction(realm=realm, floor=kept.floor, removed=history.count - kept.count)
    if not done.removed and kept.floor == history.floor:
        return state, done
    return _moved_on(state, realm, kept), done


def replaced(state: State, realm: RealmName, revision: Revision) -> State | None:
    """*state* with *revision* in the place of that of its generation; None if that is not there."""
    history = state.histories.get(realm)
    if history is None:
        return None
    copied = history.since(history.floor)
    index = copied.index(revision.generation)
    if index == copied.count or copied.revisions[index].generation != revision.generation:
        return None
    copied.revisions[index] = revision
    return _moved_on(state, realm, copied)


def _moved_on(state: State, realm: RealmName, history: History) -> State:
    version = state.version + 1
    return state.replace(
        version=version,
        versions={**state.versions, realm: version},
        histories={**state.histories, realm: history},
    )


class _Next:
    """The next state while it is made."""

    def __init__(self, state: State, changes: Changes) -> None:
        self._state = state
        self._changes = changes
        self._histories = dict(state.histories)
        self._receipts = {realm: dict(kept) for realm, kept in state.receipts.items()}
        self._listed = dict(state.listed)
        self._position = state.position

    def state(self) -> State:
        state, changes = self._state, self._changes
        if changes.renamed is not None:
            self._rename(*changes.renamed)
        for put in changes.puts:
            self._put(put)
        for realm, schemas in changes.schemas.items():
            self._listed[realm] = tuple(dict.fromkeys((*self._listed.get(realm, ()), *schemas)))
        for receipt in changes.receipts:
            self._receipts.setdefault(receipt.realm, {})[receipt.write_id] = receipt
        for receipt in changes.told:
            self._tell(receipt)
        homes = {**state.homes, **changes.moved}
        version = state.version + 1
        return State(
            version=version,
            position=self._position,
            versions={**state.versions, **dict.fromkeys(changes.realms, version)},
            histories={
                realm: history.living(homes.get(history.head.realm))
                for realm, history in self._histories.items()
            },
            receipts=self._receipts,
            listed=self._listed,
            schemas={
                **state.schemas,
                **{d: schema for of in changes.schemas.values() for d, schema in of.items()},
            },
            homes={realm: home for realm, home in homes.items() if home is not None},
            claimed=state.claimed | set(changes.claims),
            keys={**changes.keys, **state.keys},
        )

    def _rename(self, old: RealmName, new: RealmName) -> None:
        assert new not in self._histories, "a realm is renamed to a name that has a history"
        left = self._histories.pop(old)
        self._histories[new] = _history(new, left.revisions, left.positions, left.floor)
        self._listed[new] = self._listed.get(old, ())
        self._receipts[new] = {
            write_id: receipt.replace(realm=new)
            for write_id, receipt in self._receipts.pop(old, {}).items()
        }

    def _put(self, put: Put) -> None:
        revision = unpack(put.packed)
        assert revision == put.revision, "a revision is packed as another one"
        before = self._histories.get(put.realm)
        self._position += 1
        restarts_at = self._changes.floors.get(put.realm)
        if before is None or revision.generation == restarts_at:
            self._histories[put.realm] = _history(
                put.realm, [revision], [self._position], revision.generation
            )
            return
        assert revision.generation > before.head.generation, "a generation is given twice"
        self._histories[put.realm] = _history(
            put.realm,
            [*before.revisions, revision],
            [*before.positions, self._position],
            before.floor,
        )

    def _tell(self, receipt: Receipt) -> None:
        kept = self._receipts.setdefault(receipt.realm, {})
        known = kept.setdefault(receipt.write_id, receipt)
        if not known.request and receipt.request:
            kept[receipt.write_id] = receipt.replace(outcome=known.outcome)


def _history(
    realm: RealmName, revisions: list[Revision], positions: list[int], floor: int
) -> History:
    return History(realm, list(revisions), list(positions), floor=floor)
