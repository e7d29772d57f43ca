"""
The database: its settings, its tables, and what its errors mean.

Turns rows into revisions and back.  Decides nothing about when to write; holds no lock of ours.
"""

from __future__ import annotations

import json
import os
from bisect import bisect_right

import apsw

from realmconf.domain.document import load_document
from realmconf.domain.names import RealmName
from realmconf.domain.revision import Policy, Revision
from realmconf.errors import (
    HistoryMissing,
    OutcomeUnknown,
    RealmconfError,
    StoreCorrupt,
    StoreFull,
    StoreReadOnly,
    StoreTooNew,
    StoreUnavailable,
)
from realmconf.stores.protocol import Receipt

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from typing import Any


Error = apsw.Error
"""What SQLite raises."""

FORMAT = 1
PAGE_BYTES = 8192
"""A 2 KB document costs 2.7 KB a row at 8192, 4.1 KB at 4096."""

REALMS_AT_ONCE = 400
"""Realms that are named in one statement; SQLite takes no more than 500 parts of one."""

CHECKPOINT_PAGES = 1000
BUSY_MILLISECONDS = 10_000
"""How long a statement waits for SQLite's own locks; our queue makes every other wait ours."""

SCHEMA = f"""
CREATE TABLE meta(key TEXT PRIMARY KEY, value) WITHOUT ROWID;
CREATE TABLE fence(id INTEGER PRIMARY KEY, number INTEGER NOT NULL);
INSERT INTO fence VALUES(1, 0);
CREATE TABLE realm(
    id INTEGER PRIMARY KEY,
    name TEXT NOT NULL UNIQUE COLLATE NOCASE,
    floor INTEGER NOT NULL DEFAULT 1,
    moved_to TEXT
);
-- seq is the store-wide commit order: it never repeats, because a realm's head is never removed.
CREATE TABLE revision(
    seq INTEGER PRIMARY KEY,
    realm INTEGER NOT NULL,
    generation INTEGER NOT NULL,
    name TEXT NOT NULL,
    kind TEXT NOT NULL,
    document TEXT,
    tombstone INTEGER NOT NULL,
    purged INTEGER NOT NULL DEFAULT 0,
    policy TEXT,
    schema_digest TEXT,
    author TEXT NOT NULL,
    surface TEXT NOT NULL,
    message TEXT NOT NULL,
    write_id TEXT NOT NULL,
    created_at TEXT NOT NULL,
    reverts TEXT,
    restores INTEGER,
    salt TEXT NOT NULL,
    document_digest TEXT NOT NULL,
    previous TEXT NOT NULL,
    digest TEXT NOT NULL
);
CREATE UNIQUE INDEX revision_at ON revision(realm, generation);
CREATE TABLE receipt(
    realm INTEGER NOT NULL,
    write_id TEXT NOT NULL,
    request TEXT NOT NULL,
    outcome TEXT NOT NULL,
    generation INTEGER NOT NULL,
    PRIMARY KEY(realm, write_id)
) WITHOUT ROWID;
INSERT INTO meta VALUES('format', {FORMAT});
"""

_COLUMNS = (
    "name, kind, document, tombstone, purged, policy, schema_digest, author, surface, message, write_id, "
    "created_at, reverts, restores, salt, document_digest, previous, digest"
)

# The primary key's job is done by revision_at; the WHERE makes the statement itself the compare-and-swap,
# so that not even a mistake in our queue could let a stale writer in.
_INSERT = f"""
INSERT INTO revision(realm, generation, {_COLUMNS})
SELECT ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?
WHERE ifnull((SELECT generation FROM revision WHERE realm = ?1 ORDER BY generation DESC LIMIT 1), 0) = ?
"""  # noqa: S608 - built from constants

_SELECT_HEAD = f"""
SELECT revision.seq, revision.generation, realm.floor, realm.moved_to, {_COLUMNS.replace("name,", "revision.name,", 1)}
FROM realm JOIN revision ON revision.realm = realm.id
WHERE realm.id = ? ORDER BY revision.generation DESC LIMIT 1
"""  # noqa: S608 - built from constants

_SELECT = f"SELECT seq, generation, 1, NULL, {_COLUMNS} FROM revision"  # noqa: S608 - built from constants
_SELECT_STEP = f"SELECT seq, generation, realm, NULL, {_COLUMNS} FROM revision"  # noqa: S608 - built from constants


def connect(path: str, *, read_only: bool = False) -> apsw.Connection:
    """
    Open an existing database with the settings the guarantees rest on.

    Raises:
        HistoryMissing: The file is gone or empty.
        StoreCorrupt, StoreTooNew, StoreUnavailable, StoreReadOnly: As they say.
    """
    flags = apsw.SQLITE_OPEN_READONLY if read_only else apsw.SQLITE_OPEN_READWRITE
    try:
        connection = apsw.Connection(path, flags=flags | apsw.SQLITE_OPEN_EXRESCODE)
        # Else the last one to close would checkpoint and delete the log, and every first commit would grow it again.
        connection.config(apsw.SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1)
        # This SQLite plans by the values that are bound, and would compile a statement anew at every use of it.
        connection.config(apsw.SQLITE_DBCONFIG_ENABLE_QPSG, 1)
        connection.set_busy_timeout(BUSY_MILLISECONDS)
        connection.pragma("synchronous", 2)
        if not read_only:
            connection.wal_autocheckpoint(CHECKPOINT_PAGES)
        check_format(connection)
    except apsw.Error as error:
        raise explain(error, path) from error
    return connection


def check_format(connection: apsw.Connection) -> None:
    """
    Raises:
        HistoryMissing: The file is a database without our tables (an emptied file).
        StoreTooNew: A newer program wrote it.
    """
    found = connection.execute("SELECT count(*) FROM sqlite_schema WHERE name = 'meta'").get
    if not found:
        raise HistoryMissing(
            "the database holds no record: it was emptied or replaced; restore a backup"
        )
    newest = connection.execute("SELECT value FROM meta WHERE key = 'format'").get
    if newest is None or newest > FORMAT:
        raise StoreTooNew(
            f"the store has format {newest}, this program knows {FORMAT}: use a newer realmconf for it"
        )


def create(path: str, *, extra_schema: str, meta: dict[str, object]) -> None:
    """
    Make the database file at *path*, complete or not at all.

    The caller holds the turn.  The log is created by the first connection and grown once by :func:`grow_log`.
    """
    temporary = f"{path}.new"
    for leftover in (temporary, f"{temporary}-journal", f"{temporary}-wal", f"{temporary}-shm"):
        if os.path.lexists(leftover):
            os.unlink(leftover)
    # SQLite gives a new file the umask's mode; an empty one made beforehand keeps its own, and log and index
    # take theirs from it.
    os.close(
        os.open(temporary, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    )
    os.chmod(temporary, 0o600)
    try:
        connection = apsw.Connection(temporary)
        connection.pragma("page_size", PAGE_BYTES)
        connection.pragma("synchronous", 2)
        with connection:
            connection.execute(SCHEMA + extra_schema)
            connection.executemany("INSERT INTO meta VALUES(?, ?)", list(meta.items()))
        connection.pragma("journal_mode", "wal")
        connection.close()
    except apsw.Error as error:
        raise explain(error, temporary) from error
    os.rename(temporary, path)
    folder = os.open(os.path.dirname(path), os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def grow_log(connection: apsw.Connection) -> None:
    """
    Make the log as long as it ever gets, once.

    A commit that lengthens the log costs about twice the fsync of one that overwrites it.  An interrupted
    growth leaves a table that the next one drops.
    """
    connection.execute("DROP TABLE IF EXISTS filler; CREATE TABLE filler(content)")
    connection.execute(
        "INSERT INTO filler VALUES(zeroblob(?))", (int(1.15 * CHECKPOINT_PAGES * PAGE_BYTES),)
    )
    connection.execute("DROP TABLE filler; VACUUM")
    connection.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_RESTART)


# --- rows ---------------------------------------------------------------------


def insert(
    connection: apsw.Connection,
    realm_id: int,
    revision: Revision,
    *,
    head_generation: int,
    text: str,
) -> int:
    """
    Append *revision* while the realm's head is still at *head_generation*; *text* is its document as canonical JSON.

    Returns its place in the store-wide order, or 0 when the head is another one.
    """
    connection.execute(
        _INSERT,
        (
            realm_id,
            revision.generation,
            revision.realm,
            revision.kind,
            None if revision.document is None else text,
            int(revision.tombstone),
            int(revision.purged),
            _pack_policy(revision.policy),
            revision.schema_digest,
            revision.author,
            revision.surface,
            revision.message,
            revision.write_id,
            revision.created_at,
            json.dumps(revision.reverts) if revision.reverts else None,
            revision.restores,
            revision.salt,
            revision.document_digest,
            revision.previous,
            revision.digest,
            head_generation,
        ),
    )
    return connection.last_insert_rowid() if connection.changes() else 0


def select_key(connection: apsw.Connection, realm: str) -> int | None:
    """The key of *realm*, or None if it was never written."""
    # The first comparison finds it in the index, the second is the one that counts.
    key: int | None = connection.execute(
        "SELECT id FROM realm WHERE name = ?1 AND name = ?1 COLLATE BINARY", (str(realm),)
    ).get
    return key


def select_head(connection: apsw.Connection, realm_id: int) -> tuple[Any, ...] | None:
    """The head's row: seq, generation, floor, moved_to, then the record."""
    return connection.execute(_SELECT_HEAD, (realm_id,)).fetchone()


def select_revision(connection: apsw.Connection, realm_id: int, generation: int) -> Revision | None:
    row = connection.execute(
        f"{_SELECT} WHERE realm = ? AND generation = ?", (realm_id, generation)
    ).fetchone()
    return None if row is None else to_revision(row)


def select_revisions(
    connection: apsw.Connection,
    realm_id: int,
    *,
    after: int,
    before: int | None,
    limit: int | None,
    newest_first: bool,
) -> list[Revision]:
    order = "DESC" if newest_first else "ASC"
    rows = connection.execute(
        f"{_SELECT} WHERE realm = ? AND generation > ? AND generation < ? ORDER BY generation {order} LIMIT ?",
        (realm_id, after, 2**63 - 1 if before is None else before, -1 if limit is None else limit),
    )
    return [to_revision(row) for row in rows]


def select_last_position(connection: apsw.Connection) -> int:
    """The place of the newest revision in the store-wide order; 0 if there is none."""
    last: int = connection.execute("SELECT ifnull(max(seq), 0) FROM revision").get
    return last


def select_position(connection: apsw.Connection, realm_id: int, generation: int) -> int | None:
    """The place of a kept revision in the store-wide order."""
    found: int | None = connection.execute(
        "SELECT seq FROM revision JOIN realm ON realm.id = revision.realm "
        "WHERE realm.id = ? AND generation = ? AND generation >= floor",
        (realm_id, generation),
    ).get
    return found


def select_as_of(
    connection: apsw.Connection, realm_id: int, position: int, *, floor: int, newest: int
) -> Revision | None:
    """The newest revision between two generations that is not after *position* in the store-wide order."""

    def position_from(generation: int) -> int:
        found: int = connection.execute(
            "SELECT seq FROM revision WHERE realm = ? AND generation >= ? ORDER BY generation LIMIT 1",
            (realm_id, generation),
        ).get
        return found

    # Positions rise with the generations of a realm. An index of their own would be a third b-tree in every write.
    number = bisect_right(range(floor, newest + 1), position, key=position_from)
    if not number:
        return None
    row = connection.execute(
        f"{_SELECT} WHERE realm = ? AND generation BETWEEN ? AND ? ORDER BY generation DESC LIMIT 1",
        (realm_id, floor, floor + number - 1),
    ).fetchone()
    return None if row is None else to_revision(row)


def select_floors(connection: apsw.Connection, realms: Iterable[str]) -> dict[str, tuple[int, int]]:
    """Key and floor of each of *realms* that was ever written."""
    names = [str(realm) for realm in realms]
    found: dict[str, tuple[int, int]] = {}
    for first in range(0, len(names), REALMS_AT_ONCE):
        part = names[first : first + REALMS_AT_ONCE]
        marks = ", ".join("?" * len(part))
        rows = connection.execute(
            f"SELECT name, id, floor FROM realm WHERE name IN ({marks})",  # noqa: S608 - question marks
            part,
        )
        found |= {name: (key, floor) for name, key, floor in rows}
    return {name: found[name] for name in names if name in found}


def select_steps(
    connection: apsw.Connection, after: Mapping[int, int], *, limit: int
) -> list[tuple[int, int, Revision]]:
    """Position, realm's key and revision of what follows a generation of each realm, in the store-wide order."""
    if len(after) > REALMS_AT_ONCE:
        return _select_steps_of_many(connection, after, limit=limit)
    # Of each realm no more than can be asked for, and that from the index alone; then the rows that it comes to.
    following = " UNION ALL ".join(
        [
            "SELECT * FROM (SELECT seq FROM revision WHERE realm = ? AND generation > ? ORDER BY generation LIMIT ?)"
        ]
        * len(after)
    )
    bound = [
        value for realm_id, generation in after.items() for value in (realm_id, generation, limit)
    ]
    rows = connection.execute(
        f"{_SELECT_STEP} WHERE seq IN ({following}) ORDER BY seq LIMIT ?", (*bound, limit)
    )
    return [(row[0], row[2], to_revision(row)) for row in rows]


def _select_steps_of_many(
    connection: apsw.Connection, after: Mapping[int, int], *, limit: int
) -> list[tuple[int, int, Revision]]:
    """The same, of more realms than one statement can name: from the first that follows on, whose soever it is."""
    first: int | None = connection.execute(
        "SELECT min((SELECT seq FROM revision WHERE realm = CAST(each.key AS INTEGER) AND generation > each.value "
        "ORDER BY generation LIMIT 1)) FROM json_each(?) AS each",
        (json.dumps(after),),
    ).get
    if first is None:
        return []
    found: list[int] = []
    for seq, realm, generation in connection.execute(
        "SELECT seq, realm, generation FROM revision WHERE seq >= ? ORDER BY seq", (first,)
    ):
        if len(found) == limit:
            break
        if generation > after.get(realm, generation):
            found.append(seq)
    rows = connection.execute(
        f"{_SELECT_STEP} WHERE seq IN (SELECT value FROM json_each(?)) ORDER BY seq",  # noqa: S608 - built from constants
        (json.dumps(found),),
    )
    return [(row[0], row[2], to_revision(row)) for row in rows]


def to_revision(row: Sequence[Any]) -> Revision:
    """The record of a row of ``_SELECT`` or ``_SELECT_HEAD``."""
    (
        _, generation, _, _, name, kind, document, tombstone, purged, policy, schema_digest, author, surface,
        message, write_id, created_at, reverts, restores, salt, document_digest, previous, digest,
    ) = row  # fmt: skip
    return Revision(
        realm=trusted_name(name),
        generation=generation,
        kind=kind,
        document=None if document is None else load_document(document),
        tombstone=bool(tombstone),
        purged=bool(purged),
        policy=_DEFAULT_POLICY if policy is None else Policy(**json.loads(policy)),
        schema_digest=schema_digest,
        author=author,
        surface=surface,
        message=message,
        write_id=write_id,
        created_at=created_at,
        reverts=tuple(json.loads(reverts)) if reverts else (),
        restores=restores,
        salt=salt,
        document_digest=document_digest,
        previous=previous,
        digest=digest,
    )


_DEFAULT_POLICY = Policy()


def _pack_policy(policy: Policy) -> str | None:
    if not policy.require_generation and policy.history_keep is None:
        return None
    return json.dumps(
        {"require_generation": policy.require_generation, "history_keep": policy.history_keep}
    )


def trusted_name(text: str) -> RealmName:
    """A realm name from our own record: it was checked when it was written."""
    return str.__new__(RealmName, text)


def select_receipt(
    connection: apsw.Connection, realm_id: int, realm: RealmName, write_id: str
) -> Receipt | None:
    row = connection.execute(
        "SELECT request, outcome, generation FROM receipt WHERE realm = ? AND write_id = ?",
        (realm_id, write_id),
    ).fetchone()
    if row is None:
        return None
    return Receipt(
        realm=realm, write_id=write_id, request=row[0], outcome=row[1], generation=row[2]
    )


def insert_receipt(connection: apsw.Connection, realm_id: int, receipt: Receipt) -> None:
    connection.execute(
        "INSERT INTO receipt VALUES(?, ?, ?, ?, ?)",
        (realm_id, receipt.write_id, receipt.request, receipt.outcome, receipt.generation),
    )


def revisions_of_copy(path: str) -> Iterator[Revision]:
    """Every revision in the backup at *path*, realm by realm, oldest first; *path* is never a live store."""
    connection = connect(path, read_only=True)
    try:
        for row in connection.execute(f"{_SELECT} ORDER BY realm, generation"):
            yield to_revision(row)
    except apsw.Error as error:
        raise explain(error, path) from error
    finally:
        connection.close()


# --- what an error means --------------------------------------------------------


def explain(error: apsw.Error, path: str) -> RealmconfError:
    """What an error outside of a commit means: nothing was changed."""
    if isinstance(error, apsw.FullError):
        return StoreFull(f"no space left for {path}; free some, reads go on meanwhile")
    if isinstance(error, (apsw.ReadOnlyError, apsw.PermissionsError)):
        return StoreReadOnly(f"{path} can be read but not written from here")
    if isinstance(error, (apsw.CorruptError, apsw.NotADBError)):
        return StoreCorrupt(f"{path} is damaged: {error}; restore a backup (nothing was changed)")
    if isinstance(error, apsw.CantOpenError):
        return StoreUnavailable(f"cannot open {path}: {_reason(error)}")
    if isinstance(error, apsw.BusyError):
        return StoreUnavailable(f"{path} is held by another program")
    return StoreUnavailable(f"{path}: {_reason(error)}")


def explain_commit(error: apsw.Error, path: str, write_id: str | None) -> RealmconfError:
    """
    What an error of a commit means.

    Only these codes prove that nothing was changed and never will be: SQLite had not begun to write (busy,
    read-only), or a frame of the log could not be written for want of space, so the commit frame, which is
    the last and is covered by the checksum, is not there.  After any other error the row may come back with the
    next open.
    """
    if isinstance(error, (apsw.FullError, apsw.BusyError, apsw.ReadOnlyError, apsw.CantOpenError)):
        return explain(error, path)
    return OutcomeUnknown(write_id, reason=_reason(error))


def _reason(error: apsw.Error) -> str:
    code = getattr(error, "extendedresult", 0)
    name = apsw.mapping_extended_result_codes.get(code) or type(error).__name__
    return f"SQLite reports {name}"
