"""
Realms that come to a root or leave it, and realms that change their names: history as it is, and the marker.

Decides what follows what is in the journal, and what the files of a realm that lives elsewhere may say.  Each change is
one transaction of the journal, made by whoever holds the realms' locks; files are brought into step afterwards, by
``settling``.
"""

from __future__ import annotations

import json

from realmconf.domain.revision import GENESIS
from realmconf.errors import InvalidArgument, OutcomeUnknown, TimelineChanged
from realmconf.stores.meerkat import places, standing
from realmconf.stores.meerkat.journal import ABSENT_TEXT, keep_schema, record_of
from realmconf.stores.meerkat.lockfile import LostLockError
from realmconf.stores.meerkat.places import Place
from realmconf.stores.meerkat.settling import state_of
from realmconf.stores.protocol import STRANGE, Notice, Receipt, key_name

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import apsw

    from realmconf.domain.names import RealmName
    from realmconf.domain.revision import Revision
    from realmconf.stores.meerkat.journal import Journal, Known
    from realmconf.stores.meerkat.layout import Layout
    from realmconf.stores.meerkat.lockfile import Held
    from realmconf.stores.meerkat.look import Look
    from realmconf.stores.meerkat.settling import Settler
    from realmconf.stores.protocol import Arrival, Judgement

KEY = "request_key:"
"""How the names begin under which ``meta`` has the keys that came with realms from elsewhere."""


# --- what there is to carry ------------------------------------------------------------------


def request_keys(journal: Journal) -> dict[str, bytes]:
    """Every key that requests were digested under, by name, the journal's own first."""
    own = journal.request_key()
    rows = journal.rows(
        "SELECT substr(name, ?), value FROM meta WHERE name GLOB ?", len(KEY) + 1, f"{KEY}*"
    )
    return {key_name(own): own, **{str(name): bytes(key) for name, key in rows}}  # type: ignore[call-overload]


def receipts(
    journal: Journal, realm: RealmName, *, since: int, after: str | None, limit: int | None
) -> list[Receipt]:
    """What is known of write ids, by id."""
    return [
        Receipt(
            realm=realm,
            write_id=str(write_id),
            request=str(request),
            outcome=str(outcome),
            generation=int(generation),  # type: ignore[call-overload]
        )
        for write_id, request, outcome, generation in journal.rows(
            "SELECT write_id, request, outcome, generation FROM receipt "
            "WHERE realm = ? AND write_id > ? AND generation >= ? ORDER BY write_id LIMIT ?",
            realm,
            "" if after is None else after,
            since,
            -1 if limit is None else limit,
        )
    ]


# --- files of a realm that lives elsewhere -----------------------------------------------------


def is_strange(journal: Journal, look: Look, known: Known) -> bool:
    """Whether somebody else has written the files since the realm left, or before it has come."""
    return standing.is_strange(look.state, journal.digest(look.text), known)


def warnings_of(
    layout: Layout, journal: Journal, realm: RealmName, look: Look, known: Known
) -> tuple[Notice, ...]:
    """What a reader is told of the files of a realm that lives elsewhere."""
    if not is_strange(journal, look, known):
        return ()
    path = layout.config(realm)
    return (
        Notice(
            code=STRANGE,
            message=f"{path} was written by another program although the realm lives in {known.moved_to}: "
            "nobody takes that in",
            path=path,
        ),
    )


def refuse_strange(journal: Journal, realm: RealmName, look: Look, known: Known) -> None:
    """
    Let no realm come to files that say what nobody has decided about.

    Raises:
        TimelineChanged: Another program has written them.
    """
    if is_strange(journal, look, known):
        _, number = state_of(look, "")
        raise TimelineChanged(realm=realm, generation=number or 0, reason=STRANGE_REASON)


STRANGE_REASON = (
    "that the history goes on with: another program has written the realm's files since it left. "
    "Write what is to count where the realm lives, remove config.toml and config_state.json, and move it again"
)


# --- leaving and coming -------------------------------------------------------------------------


def receive(journal: Journal, arrival: Arrival) -> None:
    """
    Take *arrival* in; its realms' locks are held.

    Raises:
        InvalidArgument, TimelineChanged: See ``MovingStore``.
        OutcomeUnknown: It may have been taken in.
    """
    with journal.deciding() as connection:
        coming = {realm: _Coming(journal, connection, realm, arrival) for realm in arrival.floors}
        for name, key in arrival.keys.items():
            connection.execute("INSERT OR IGNORE INTO meta VALUES(?, ?)", (f"{KEY}{name}", key))
        for realm, schemas in arrival.schemas.items():
            for digest, schema in schemas.items():
                keep_schema(connection, realm, digest, schema)
        for step in arrival.steps:
            coming[step.realm].take(step.revision)
        for receipt in arrival.receipts:
            journal.insert_receipt(
                connection,
                receipt.realm,
                receipt.write_id,
                receipt.request,
                receipt.outcome,
                receipt.generation,
            )


class _Coming:
    """One realm that arrives."""

    def __init__(
        self, journal: Journal, connection: apsw.Connection, realm: RealmName, arrival: Arrival
    ) -> None:
        self._journal = journal
        self._connection = connection
        self._realm = realm
        self._floor_there = arrival.floors[realm]
        row = connection.execute(
            "SELECT record FROM revision WHERE realm = ? ORDER BY generation DESC LIMIT 1", (realm,)
        ).fetchone()
        newest = None if row is None else json.loads(row[0])
        self._generation = 0 if newest is None else newest["generation"]
        self._digest = GENESIS if newest is None else newest["digest"]
        place = places.find(connection, realm)
        if newest is not None and (place is None or place.to is None):
            raise InvalidArgument(f"realm {realm} lives in this store already")
        if place is None:
            place = Place(to=None, kept=((ABSENT_TEXT, None),), generation=0)
        places.put(connection, realm, place.replace(to=arrival.source))

    def take(self, revision: Revision) -> None:
        if revision.generation <= self._generation:
            self._refuse_another(revision)
            return
        is_next = (revision.generation, revision.previous) == (self._generation + 1, self._digest)
        is_floor = revision.generation == self._floor_there
        if not is_next and not is_floor:
            raise TimelineChanged(
                realm=self._realm, generation=self._generation, reason="that goes on there"
            )
        self._journal.append(
            self._connection,
            self._realm,
            revision.generation,
            "",
            False,
            revision.write_id,
            record_of(revision),
        )
        if not is_next:
            self._forget_below(revision.generation)
        self._generation, self._digest = revision.generation, revision.digest

    def _forget_below(self, floor: int) -> None:
        self._connection.execute(
            "DELETE FROM revision WHERE realm = ? AND generation < ?", (self._realm, floor)
        )
        self._connection.execute("UPDATE realm SET floor = ? WHERE name = ?", (floor, self._realm))

    def _refuse_another(self, revision: Revision) -> None:
        row = self._connection.execute(
            "SELECT record FROM revision WHERE realm = ? AND generation = ?",
            (self._realm, revision.generation),
        ).fetchone()
        if row is not None and json.loads(row[0])["digest"] != revision.digest:
            raise TimelineChanged(
                realm=self._realm, generation=revision.generation, reason="that is brought here"
            )


def arrive(journal: Journal, realm: RealmName, look: Look, known: Known) -> None:
    """
    Let *realm* live here, at the head that is *known*; its files are rendered next.

    Where nothing has come from elsewhere, what another program has written since is simply what follows.

    Raises:
        LostLockError: Another head has come meanwhile.
        TimelineChanged: Another program has written the files, and what came does not know of it.
        OutcomeUnknown: It may live here.
    """
    assert known.place is not None
    if is_strange(journal, look, known):
        if known.revision.generation > known.place.generation:
            refuse_strange(journal, realm, look, known)
        place = None
    else:
        kept = (state_of(look, journal.digest(look.text)),)
        place = known.place.replace(to=None, kept=kept)
    with journal.deciding() as connection:
        newest = _newest_digest(connection, realm)
        if newest != known.revision.digest or not places.lives_elsewhere(connection, realm):
            raise LostLockError
        if place is None:
            places.remove(connection, realm)
        else:
            places.put(connection, realm, place)


def _newest_digest(connection: apsw.Connection, realm: RealmName) -> str | None:
    row = connection.execute(
        "SELECT record FROM revision WHERE realm = ? ORDER BY generation DESC LIMIT 1", (realm,)
    ).fetchone()
    return None if row is None else str(json.loads(row[0])["digest"])


# --- another name ---------------------------------------------------------------------------------


def rename(
    settler: Settler,
    journal: Journal,
    old: RealmName,
    looks: Mapping[RealmName, Look],
    held: Mapping[RealmName, Held],
    judgements: Sequence[Judgement],
) -> None:
    """
    Give the history of *old* to the other name in *looks*, and append what was judged to both.

    Raises:
        LostLockError: Somebody else has written to one of them: look again.
        OutcomeUnknown: It may be done.
    """
    (new,) = looks.keys() - {old}
    known = journal.newest(old)
    assert known is not None
    for one in held.values():
        one.prove()
    try:
        with journal.deciding() as connection:
            is_as_seen = _newest_digest(connection, old) == known.revision.digest
            if not is_as_seen or _newest_digest(connection, new) is not None:
                raise LostLockError
            _give_history(connection, old, new, floor=known.floor)
            for judgement in judgements:
                realm = judgement.write.realm
                _append(settler, journal, connection, judgement, looks[old])
                kept = (state_of(looks[realm], journal.digest(looks[realm].text)),)
                places.put(connection, realm, Place(to=None, kept=kept, generation=0))
    except OutcomeUnknown as unknown:
        raise unknown.for_write(judgements[0].write.write_id, realm=new) from unknown.__cause__


def _give_history(
    connection: apsw.Connection, old: RealmName, new: RealmName, *, floor: int
) -> None:
    """With its places in the order; both names keep the schemas."""
    # What the old name says from here on starts a history of its own.
    connection.execute("DELETE FROM realm WHERE name = ?", (old,))
    connection.execute("INSERT INTO realm VALUES(?, ?, ?)", (new, new.folded, floor))
    connection.execute("UPDATE revision SET realm = ? WHERE realm = ?", (new, old))
    connection.execute("DELETE FROM intent WHERE realm IN (?, ?)", (new, old))
    connection.execute(
        "INSERT OR IGNORE INTO realm_schema(realm, digest, position) "
        "SELECT ?, digest, position FROM realm_schema WHERE realm = ? ORDER BY number",
        (new, old),
    )
    connection.execute(
        "INSERT OR IGNORE INTO receipt(realm, write_id, request, outcome, generation) "
        "SELECT ?, write_id, request, outcome, generation FROM receipt WHERE realm = ? ORDER BY number",
        (new, old),
    )


def _append(
    settler: Settler,
    journal: Journal,
    connection: apsw.Connection,
    judgement: Judgement,
    before: Look,
) -> None:
    write, decision = judgement.write, judgement.decision
    revision = getattr(decision, "revision", None)
    if revision is None:
        raise InvalidArgument("a rename writes to both names")
    content = settler.content_of(revision.document, before.text)
    journal.append(
        connection,
        write.realm,
        revision.generation,
        journal.digest(content),
        True,
        revision.write_id,
        record_of(revision),
    )
    for digest, schema in getattr(decision, "schemas", {}).items():
        keep_schema(connection, write.realm, digest, schema)
    if write.write_id_given:
        journal.insert_receipt(
            connection,
            write.realm,
            write.write_id,
            judgement.request,
            "committed",
            revision.generation,
        )
