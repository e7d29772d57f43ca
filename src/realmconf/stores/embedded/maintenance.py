"""
What is rare: renaming, compaction, purging, backup, starting again after a loss.
"""

from __future__ import annotations

import os

import apsw

from realmconf.domain.document import canonical_bytes
from realmconf.domain.lineage import parent_of
from realmconf.errors import (
    InvalidArgument,
    InvalidRealm,
    RealmNotFound,
    StoreUnavailable,
)
from realmconf.stores.embedded import database, kinship, workrecord
from realmconf.stores.embedded.pending import Pending
from realmconf.stores.newfile import new_backup
from realmconf.stores.protocol import Applied, Compaction, Head, Receipt

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from realmconf.domain.document import Document
    from realmconf.domain.names import RealmName
    from realmconf.domain.revision import Revision
    from realmconf.domain.write import Append
    from realmconf.stores.embedded.layout import Layout
    from realmconf.stores.embedded.session import Session
    from realmconf.stores.embedded.turn import Turn
    from realmconf.stores.embedded.turns import Turns
    from realmconf.stores.embedded.workcopy import WorkingCopies
    from realmconf.stores.protocol import Judgement, Notice, ReadView

COMPACT_ROWS = 2_000
"""Revisions removed in one turn: writers wait for no more than that."""

RECEIPTS_KEPT = 100_000


def rename(
    turn: Turn,
    old: RealmName,
    new: RealmName,
    judge: Callable[[ReadView], Sequence[Judgement]],
    warnings: Mapping[str, tuple[Notice, ...]],
    working: WorkingCopies | None,
) -> Sequence[Applied]:
    """Give the history of *old* to *new*, and *old* a tombstone that goes on counting."""
    judged = {judgement.write.realm: judgement for judgement in judge(Pending(turn))}
    left = _append(judged[old]).revision
    before = turn.head(old)
    key = turn.session.realm_id(turn.connection, old)
    if key is None:
        raise RealmNotFound(realm=old)

    def move(connection: apsw.Connection) -> None:
        try:
            connection.execute("UPDATE realm SET name = ? WHERE id = ?", (str(new), key))
        except apsw.ConstraintError:
            raise InvalidRealm(
                f"realm {new} cannot be made: it exists, or one that differs from it only by case"
            ) from None
        connection.execute(
            "INSERT INTO realm(name, floor) VALUES(?, ?)", (str(old), left.generation)
        )
        old_key = connection.last_insert_rowid()
        kinship.copy_schemas(connection, key, old_key)
        for realm_key, judgement in ((key, judged[new]), (old_key, judged[old])):
            append = _append(judgement)
            revision = append.revision
            after = revision.generation - 1 if realm_key == key else 0
            text = "" if revision.document is None else canonical_bytes(revision.document).decode()
            if not database.insert(
                connection, realm_key, revision, head_generation=after, text=text
            ):
                raise StoreUnavailable("the realm was written while it was renamed; try again")
            kinship.set_parent(connection, realm_key, parent_of(revision.realm, revision.document))
            kinship.insert_schemas(connection, realm_key, append.schemas)
            if judgement.write.write_id_given:
                database.insert_receipt(connection, realm_key, _receipt(judgement))
        if working is not None:
            working.renamed(connection, old, new)

    turn.append((), also=move, store_wide=True)
    turn.session.forget_all()
    turn.committed += [old, new]
    # Told from what was judged: a look at the record could fail now, and make a refusal of what is committed.
    floors = {old: left.generation, new: before.floor}
    return [
        Applied(
            write=judgement.write,
            decision=judgement.decision,
            head=Head(
                realm=realm,
                revision=_append(judgement).revision,
                floor=floors[realm],
                warnings=warnings.get(realm, ()),
            ),
        )
        for realm, judgement in judged.items()
    ]


def _append(judgement: Judgement) -> Append:
    append: Append = judgement.decision  # type: ignore[assignment]
    return append


def _receipt(judgement: Judgement) -> Receipt:
    return Receipt(
        realm=judgement.write.realm,
        write_id=judgement.write.write_id,
        request=judgement.request,
        outcome="committed",
        generation=_append(judgement).revision.generation,
    )


def compact(turns: Turns, realm: RealmName, *, floor: int, deadline: float) -> Compaction:
    """Remove revisions below *floor*, a bounded number in each turn; ids that were minted get receipts first."""
    removed = 0
    while True:
        with turns.hold(deadline) as turn:
            head = turn.head(realm)
            if head.revision is None:
                raise RealmNotFound(realm=realm)
            target = min(floor, head.generation)
            step = min(target, head.floor + COMPACT_ROWS)
            if step <= head.floor:
                return Compaction(realm=realm, floor=head.floor, removed=removed)
            key = turn.session.realm_id(turn.connection, realm)
            assert key is not None
            removed += step - head.floor
            turn.append((), also=_remover(realm, key, step), store_wide=True)
            turn.session.forget_all()
            if step == target:
                # Not found out by one more turn: that could fail, with everything done.
                return Compaction(realm=realm, floor=step, removed=removed)


def _remover(realm: RealmName, key: int, floor: int) -> Callable[[apsw.Connection], None]:
    def remove(connection: apsw.Connection) -> None:
        connection.execute(
            "INSERT OR IGNORE INTO receipt SELECT realm, write_id, '', 'committed', generation FROM revision "
            "WHERE realm = ?1 AND generation < ?2",
            (key, floor),
        )
        connection.execute("DELETE FROM revision WHERE realm = ? AND generation < ?", (key, floor))
        connection.execute("UPDATE realm SET floor = ? WHERE id = ?", (floor, key))
        connection.execute(
            "DELETE FROM receipt WHERE realm = ?1 AND generation < (SELECT generation FROM receipt WHERE realm = ?1 "
            "ORDER BY generation DESC LIMIT 1 OFFSET ?2)",
            (key, RECEIPTS_KEPT),
        )
        workrecord.forget_below(connection, realm, floor=floor)

    return remove


def purge(
    turn: Turn, realm: RealmName, generation: int, document: object, working: WorkingCopies | None
) -> Revision:
    """Erase a document from the record, from freed pages, from the log and from what renderings keep of it."""
    head = turn.head(realm)
    if generation == head.generation:
        raise InvalidArgument(
            f"generation {generation} is the current one of realm {realm}: write a new one without the secret first"
        )
    revision = turn.revision(realm, generation)
    key = turn.session.realm_id(turn.connection, realm)
    kept: Document | None = document if isinstance(document, dict) else None
    # Before the record forgets: what still has the text is known by it.
    erased = working is not None and working.erase(turn, realm)
    text = None if kept is None else canonical_bytes(kept).decode()

    def erase(connection: apsw.Connection) -> None:
        connection.execute(
            "UPDATE revision SET document = ?, salt = '', purged = 1 WHERE realm = ? AND generation = ?",
            (text, key, generation),
        )
        if working is not None:
            working.purged(connection, realm, generation, erased=erased)

    connection = turn.connection
    # Freed pages are overwritten with zeros in this transaction, and the log is emptied after it.
    connection.pragma("secure_delete", 1)
    try:
        turn.append((), also=erase, store_wide=True)
    finally:
        connection.pragma("secure_delete", 0)
    turn.session.forget_all()
    try:
        connection.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_TRUNCATE)
        database.grow_log(connection)
    except apsw.Error:
        # A reader holds the log back; its old frames are overwritten by the next checkpoints.
        pass
    return revision.replace(document=kept, salt="", purged=True)


def backup(session: Session, path: str) -> None:
    """A consistent copy of the whole store in a new file of mode 0600."""
    with new_backup(path):
        connection = session.borrow_view()
        try:
            connection.execute("VACUUM INTO ?", (path,))
        except apsw.Error as error:
            raise database.explain(error, path) from error
        finally:
            session.return_view(connection)


def revisions_in(layout: Layout, path: str) -> Iterator[Revision]:
    """Every revision of a backup."""
    _refuse_live(layout, path)
    return database.revisions_of_copy(path)


def schemas_in(layout: Layout, path: str) -> Mapping[RealmName, Mapping[str, Document]]:
    """The schemas of a backup, by realm and digest."""
    _refuse_live(layout, path)
    return kinship.schemas_of_copy(path)


def _refuse_live(layout: Layout, path: str) -> None:
    """Refuse to read this store itself as a backup: opening its files here would drop our locks."""
    try:
        found = os.stat(path)
    except OSError as error:
        raise InvalidArgument(f"cannot read the backup {path}: {error.strerror}") from error
    if os.path.lexists(layout.database) and os.path.samestat(found, os.stat(layout.database)):
        raise InvalidArgument(f"{path} is this store's own database, not a backup of it")
