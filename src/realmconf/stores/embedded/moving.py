"""
Realms that come to a root or leave it: their history taken in as it is, and the marker.

Decides what follows what is here; every change is one transaction of the turn that is held.
"""

from __future__ import annotations

from realmconf.domain.document import canonical_bytes
from realmconf.domain.lineage import parent_of
from realmconf.domain.revision import GENESIS
from realmconf.errors import InvalidArgument, RealmNotFound, TimelineChanged
from realmconf.stores.embedded import database, kinship, workrecord
from realmconf.stores.protocol import Receipt, key_name

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import apsw

    from realmconf.domain.names import RealmName
    from realmconf.domain.revision import Revision
    from realmconf.stores.embedded.turn import Turn
    from realmconf.stores.protocol import Arrival, Head

KEY = "request_key:"
"""How the names begin under which ``meta`` has the keys that came with realms from elsewhere."""


def request_keys(connection: apsw.Connection, own: bytes) -> dict[str, bytes]:
    """Every key that requests were digested under, by name; *own* is this store's."""
    rows = connection.execute(
        "SELECT substr(key, ?1), value FROM meta WHERE key GLOB ?2", (len(KEY) + 1, f"{KEY}*")
    )
    return {key_name(own): own, **dict(rows)}


def receipts(
    connection: apsw.Connection,
    realm: RealmName,
    *,
    since: int,
    after: str | None,
    limit: int | None,
) -> Sequence[Receipt]:
    """What is known of write ids, by id."""
    rows = connection.execute(
        "SELECT write_id, request, outcome, generation FROM receipt "
        "WHERE realm = (SELECT id FROM realm WHERE name = ?1 AND name = ?1 COLLATE BINARY) "
        "AND write_id > ?2 AND generation >= ?3 ORDER BY write_id LIMIT ?4",
        (str(realm), "" if after is None else after, since, -1 if limit is None else limit),
    )
    return [
        Receipt(
            realm=realm, write_id=write_id, request=request, outcome=outcome, generation=generation
        )
        for write_id, request, outcome, generation in rows
    ]


def receive(turn: Turn, arrival: Arrival) -> None:
    """Take *arrival* in, in one transaction."""
    coming = {realm: _Coming(turn, realm, arrival) for realm in arrival.floors}

    def take_in(connection: apsw.Connection) -> None:
        for name, key in arrival.keys.items():
            connection.execute("INSERT OR IGNORE INTO meta VALUES(?, ?)", (f"{KEY}{name}", key))
        for one in coming.values():
            one.mark(connection)
        for realm, schemas in arrival.schemas.items():
            kinship.insert_schemas(connection, coming[realm].key, schemas)
        for step in arrival.steps:
            coming[step.realm].take(connection, step.revision)
        for one in coming.values():
            one.finish(connection)
        for receipt in arrival.receipts:
            _keep(connection, coming[receipt.realm].key, receipt)

    _commit(turn, take_in)


class _Coming:
    """One realm that arrives."""

    def __init__(self, turn: Turn, realm: RealmName, arrival: Arrival) -> None:
        head = turn.head(realm)
        if head.revision is not None and head.moved_to is None:
            raise InvalidArgument(f"realm {realm} lives in this store already")
        self.key = 0
        self._turn = turn
        self._realm = realm
        self._source = arrival.source
        self._floor_there = arrival.floors[realm]
        self._last = head.revision
        self._is_new = False

    def mark(self, connection: apsw.Connection) -> None:
        self.key = self._turn._key(self._realm, [])
        connection.execute("UPDATE realm SET moved_to = ? WHERE id = ?", (self._source, self.key))

    def take(self, connection: apsw.Connection, revision: Revision) -> None:
        last = self._last
        generation, digest = (0, GENESIS) if last is None else (last.generation, last.digest)
        if revision.generation <= generation:
            self._refuse_another(connection, revision)
            return
        is_floor = False
        if revision.previous != digest or last is None:
            is_floor = revision.generation == self._floor_there
            if revision.previous != digest and not is_floor:
                raise TimelineChanged(
                    realm=self._realm, generation=generation, reason="that goes on there"
                )
        document = revision.document
        text = "" if document is None else canonical_bytes(document).decode()
        if not database.insert(
            connection, self.key, revision, head_generation=generation, text=text
        ):
            raise TimelineChanged(
                realm=self._realm, generation=generation, reason="that stands here"
            )
        if is_floor:
            self._forget_below(connection, revision.generation)
        self._last = revision
        self._is_new = True

    def _forget_below(self, connection: apsw.Connection, floor: int) -> None:
        connection.execute(
            "DELETE FROM revision WHERE realm = ? AND generation < ?", (self.key, floor)
        )
        connection.execute("UPDATE realm SET floor = ? WHERE id = ?", (floor, self.key))
        workrecord.forget_below(connection, self._realm, floor=floor)

    def _refuse_another(self, connection: apsw.Connection, revision: Revision) -> None:
        known = connection.execute(
            "SELECT digest FROM revision WHERE realm = ? AND generation = ?",
            (self.key, revision.generation),
        ).get
        if known is not None and known != revision.digest:
            raise TimelineChanged(
                realm=self._realm, generation=revision.generation, reason="that is brought here"
            )

    def finish(self, connection: apsw.Connection) -> None:
        if self._is_new and self._last is not None:
            parent = parent_of(self._realm, self._last.document)
            kinship.set_parent(connection, self.key, parent)


def _keep(connection: apsw.Connection, key: int, receipt: Receipt) -> None:
    connection.execute(
        "INSERT INTO receipt VALUES(?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET request = excluded.request "
        "WHERE receipt.request = '' AND excluded.request <> '' AND receipt.outcome = excluded.outcome",
        (key, receipt.write_id, receipt.request, receipt.outcome, receipt.generation),
    )


def depart(turn: Turn, realm: RealmName, to: str, finish: Callable[[], None]) -> Head:
    """Mark *realm* as moved to *to* once *finish* has gone through."""
    head = turn.head(realm)
    if head.revision is None:
        raise RealmNotFound(realm=realm)
    finish()
    _set_moved(turn, realm, to)
    return turn.head(realm)


def arrive(turn: Turn, realm: RealmName, digest: str) -> Head:
    """Let *realm* live here, at the head with this *digest*."""
    head = turn.head(realm)
    if head.revision is not None and head.moved_to is None:
        return head
    if head.revision is None or head.revision.digest != digest:
        raise TimelineChanged(realm=realm, generation=head.generation, reason="that was to arrive")
    _set_moved(turn, realm, None)
    turn.committed.append(realm)
    return turn.head(realm)


def _set_moved(turn: Turn, realm: RealmName, to: str | None) -> None:
    _commit(
        turn,
        lambda connection: connection.execute(
            "UPDATE realm SET moved_to = ? WHERE name = ? COLLATE BINARY", (to, str(realm))
        ),
    )


def _commit(turn: Turn, also: Callable[[apsw.Connection], object]) -> None:
    try:
        turn.append((), also=also, store_wide=True)  # type: ignore[arg-type]
    finally:
        # Keys of realms that were made in a transaction that came to nothing, too.
        turn.session.forget_all()
