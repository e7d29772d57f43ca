"""
What we know besides the files: revisions, receipts, schemas, and commits that were begun.

Decides how that is kept (SQLite, in a folder that Meerkat leaves alone) and that each step of it is all or nothing.
The files are the truth: whether a commit that was begun became one is ``standing``'s to say.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import threading
import weakref
from contextlib import contextmanager, suppress

import apsw

from realmconf.domain.archive import revision_fields, revision_from
from realmconf.domain.names import RealmName, SystemName, is_system
from realmconf.domain.record import Record
from realmconf.errors import (
    OutcomeUnknown,
    StoreCorrupt,
    StoreFull,
    StoreReadOnly,
    StoreTooNew,
    StoreUnavailable,
)
from realmconf.stores.meerkat import places, tellings
from realmconf.stores.meerkat.lockfile import LostLockError
from realmconf.stores.meerkat.tellings import Told
from realmconf.stores.protocol import Receipt

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from realmconf.domain.document import Document
    from realmconf.domain.names import Limits
    from realmconf.domain.revision import Revision
    from realmconf.errors import RealmconfError
    from realmconf.stores.meerkat.places import Place

FORMAT = 1
"""Of a new one; ``places`` raises it."""
BUSY_MILLISECONDS = 5_000
RECEIPTS_KEPT = 100_000
"""Per realm; the oldest goes first."""
KEY_SHOWN = 16
FINISHED_SEARCHED = 256
"""Revisions among which one is looked for that somebody else may have finished meanwhile."""

_SCHEMA = """
CREATE TABLE meta(name TEXT PRIMARY KEY, value) WITHOUT ROWID;
-- A realm's floor, and nothing else that could be had from its revisions.
CREATE TABLE realm(name TEXT PRIMARY KEY, folded TEXT NOT NULL UNIQUE, floor INTEGER NOT NULL DEFAULT 1);
-- position is the order of commits: it never repeats.
CREATE TABLE revision(
    position INTEGER PRIMARY KEY AUTOINCREMENT,
    realm TEXT NOT NULL, generation INTEGER NOT NULL,
    text TEXT NOT NULL, is_stamped INTEGER NOT NULL,
    write_id TEXT NOT NULL, record TEXT NOT NULL,
    UNIQUE(realm, generation)
);
CREATE INDEX revision_write ON revision(realm, write_id);
-- A commit that was begun, by the digest of its revision: whoever has lost the lock without knowing it may begin one
-- beside that of the holder.
CREATE TABLE intent(
    realm TEXT NOT NULL, digest TEXT NOT NULL, generation INTEGER NOT NULL, text TEXT NOT NULL,
    write_id TEXT NOT NULL, record TEXT NOT NULL, receipt TEXT, schemas TEXT NOT NULL,
    PRIMARY KEY(realm, digest)
) WITHOUT ROWID;
CREATE TABLE receipt(
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    realm TEXT NOT NULL, write_id TEXT NOT NULL, request TEXT NOT NULL, outcome TEXT NOT NULL,
    generation INTEGER NOT NULL, UNIQUE(realm, write_id)
);
CREATE TABLE schema(digest TEXT PRIMARY KEY, body TEXT NOT NULL) WITHOUT ROWID;
-- position is that of the revision it came with.
CREATE TABLE realm_schema(
    number INTEGER PRIMARY KEY AUTOINCREMENT, realm TEXT NOT NULL, digest TEXT NOT NULL,
    position INTEGER NOT NULL, UNIQUE(realm, digest)
);
"""

ABSENT_TEXT = "absent"
"""In place of the digest of a text: there is no file, which is what a tombstone looks like."""


class Known(Record):
    """The newest revision of a realm, and the text that it stood in."""

    revision: Revision
    text: str
    """The keyed digest of the file's content."""
    is_stamped: bool
    """Whether we wrote it, with its digest beside the number."""
    floor: int
    position: int
    place: Place | None = None
    """Where its files are not what its history is; None as a rule."""
    told: Told | None = None
    """What is newer still, and not kept; None as a rule."""

    @property
    def moved_to(self) -> str | None:
        """The store that the realm lives in, if not in this one."""
        return None if self.place is None else self.place.to

    @property
    def last(self) -> Revision:
        """The newest that anybody was told."""
        return self.revision if self.told is None else self.told.revision

    @property
    def last_floor(self) -> int:
        """From where on the history up to ``last`` is known."""
        is_next = self.told is None or self.told.revision.previous == self.revision.digest
        return self.floor if is_next else self.last.generation


class Intent(Record):
    """A commit that was begun."""

    revision: Revision
    text: str


class Journal:
    """One handle on a root's journal. Thread-safe; closed before a fork and opened again when it is next asked."""

    def __init__(self, path: str, *, limits: Limits, read_only: bool) -> None:
        self.path = path
        self._limits = limits
        self._read_only = read_only
        self.lock = threading.RLock()
        self._connection: apsw.Connection | None = None
        self._inode: tuple[int, int] | None = None
        self._keys: dict[str, bytes] = {}
        self._changes = 0
        _alive.add(self)

    # --- being there --------------------------------------------------------------------

    def version(self) -> tuple[object, ...] | None:
        """What changes with every change of it, by whomever; None where there is none, or none that can be read."""
        with self._reading() as connection:
            if connection is None:
                return None
            return (self._inode, connection.pragma("data_version"), self._changes)

    def make(self) -> None:
        """Make it if there is none."""
        with self._writing():
            pass

    @property
    def can_be_written(self) -> bool:
        """Whether what is learned can be kept."""
        return not self._read_only

    def request_key(self) -> bytes:
        """The secret under which requests are digested for receipts."""
        return self._key("request_key")

    def key_name(self) -> str:
        """Which key texts are digested under; no secret."""
        return hashlib.sha256(self._key("text_key")).hexdigest()[:KEY_SHOWN]

    def digest(self, text: bytes | None) -> str:
        """The keyed digest of a file's content: a bare one would confirm a guessed secret."""
        if text is None:
            return ABSENT_TEXT
        return hmac.new(self._key("text_key"), text, "sha256").hexdigest()

    def has_keys(self) -> bool:
        """Whether digests can be made without making a journal."""
        return bool(self._keys) or self.version() is not None

    def _key(self, name: str) -> bytes:
        found = self._keys.get(name)
        if found is None:
            with self._reading() as connection:
                if connection is not None:
                    self._read_keys(connection)
            if name not in self._keys:
                self.make()
            found = self._keys[name]
        return found

    def _read_keys(self, connection: apsw.Connection) -> None:
        for name in ("text_key", "request_key"):
            found = connection.execute("SELECT value FROM meta WHERE name = ?", (name,)).get
            if not isinstance(found, bytes):
                raise _damaged(self.path)
            self._keys[name] = found

    # --- reading -----------------------------------------------------------------------

    def newest(self, realm: RealmName) -> Known | None:
        """The newest revision of *realm*."""
        with self._reading() as connection:
            if connection is None:
                return None
            row = connection.execute(
                "SELECT record, text, is_stamped, floor, position, (SELECT value FROM meta WHERE name = ?), "
                "(SELECT value FROM meta WHERE name = ?) "
                "FROM revision JOIN realm ON realm.name = realm WHERE realm = ? ORDER BY generation DESC LIMIT 1",
                (f"{places.PREFIX}{realm}", f"{tellings.PREFIX}{realm}", realm),
            ).fetchone()
            if row is None:
                return None
            newest = self._revision(row[0])
            return Known(
                revision=newest,
                text=row[1],
                is_stamped=bool(row[2]),
                floor=row[3],
                position=row[4],
                place=places.parsed(row[5]),
                told=self._told(row[6], newest),
            )

    def _told(self, value: object, newest: Revision) -> Told | None:
        if value is None:
            return None
        stated = json.loads(str(value))
        revision = self._revision(json.dumps(stated["record"]))
        is_newer = revision.generation > newest.generation
        return Told(revision=revision, text=stated["text"]) if is_newer else None

    def intents(self, realm: RealmName) -> list[Intent]:
        """The commits that were begun for *realm* and of which nobody has said yet what became of them."""
        return [
            Intent(revision=self._revision(row[0]), text=str(row[1]))
            for row in self.rows("SELECT record, text FROM intent WHERE realm = ?", realm)
        ]

    def rows(self, statement: str, *bindings: object) -> list[tuple[object, ...]]:
        """What a SELECT gives."""
        with self._reading() as connection:
            return [] if connection is None else list(connection.execute(statement, bindings))

    def revisions(self, statement: str, *bindings: object) -> list[Revision]:
        """The revisions whose records a SELECT gives."""
        return [self._revision(row[0]) for row in self.rows(statement, *bindings)]

    def realms(self) -> list[RealmName]:
        """Every realm of which anything is known, system records too."""
        found = [str(row[0]) for row in self.rows("SELECT name FROM realm ORDER BY name")]
        return [_name(name) for name in found]

    def receipt(self, realm: RealmName, write_id: str) -> Receipt | None:
        """What is known of *write_id*; of a minted one its revision says it."""
        for row in self.rows(
            "SELECT request, outcome, generation FROM receipt WHERE realm = ? AND write_id = ?",
            realm,
            write_id,
        ):
            return Receipt(
                realm=realm,
                write_id=write_id,
                request=str(row[0]),
                outcome=str(row[1]),
                generation=int(row[2]),  # type: ignore[call-overload]
            )
        for row in self.rows(
            "SELECT generation FROM revision WHERE realm = ? AND write_id = ? ORDER BY generation LIMIT 1",
            realm,
            write_id,
        ):
            return Receipt(
                realm=realm,
                write_id=write_id,
                request="",
                outcome="committed",
                generation=int(row[0]),  # type: ignore[call-overload]
            )
        return None

    def schema(self, digest: str) -> Document:
        """See ``ReadView``."""
        for row in self.rows("SELECT body FROM schema WHERE digest = ?", digest):
            found: Document = json.loads(str(row[0]))
            return found
        raise StoreCorrupt(f"the store has lost the schema {digest}")

    def _revision(self, record: object) -> Revision:
        try:
            return revision_from(
                json.loads(str(record)), limits=self._limits, trusted=True, name=_name
            )
        except (KeyError, TypeError, ValueError) as problem:
            raise StoreCorrupt(f"{self.path} has a revision that is none") from problem

    # --- writing -------------------------------------------------------------------------

    def begin(
        self,
        realm: RealmName,
        revision: Revision,
        *,
        text: str,
        receipt: Receipt | None,
        schemas: Mapping[str, Document],
    ) -> None:
        """
        Keep what is about to be committed; the realm's lock is held.

        Raises:
            LostLockError: It is not held any more: the realm has moved into another store meanwhile.
        """
        with self._writing() as connection:
            if places.lives_elsewhere(connection, realm):
                raise LostLockError
            connection.execute(
                "INSERT OR REPLACE INTO intent VALUES(?, ?, ?, ?, ?, ?, ?, ?)",
                (
                    realm,
                    revision.digest,
                    revision.generation,
                    text,
                    revision.write_id,
                    record_of(revision),
                    None if receipt is None else json.dumps([receipt.request, receipt.outcome]),
                    json.dumps(dict(schemas), ensure_ascii=False),
                ),
            )

    def finish(self, realm: RealmName, digest: str) -> bool:
        """
        The revision with this *digest*, which was begun, is committed: the files say so.

        Whether it is in the history, by whomever; not, where another one has its generation.
        """
        with self._writing() as connection:
            row = connection.execute(
                "SELECT generation, text, write_id, record, receipt, schemas FROM intent "
                "WHERE realm = ? AND digest = ?",
                (realm, digest),
            ).fetchone()
            if row is None:
                found = connection.execute(
                    "SELECT record FROM revision WHERE realm = ? ORDER BY generation DESC LIMIT ?",
                    (realm, FINISHED_SEARCHED),
                )
                return any(json.loads(record)["digest"] == digest for (record,) in found)
            connection.execute("DELETE FROM intent WHERE realm = ? AND digest = ?", (realm, digest))
            generation, text, write_id, record, receipt, schemas = row
            newest = connection.execute(
                "SELECT max(generation) FROM revision WHERE realm = ?", (realm,)
            ).get
            if newest is not None and newest >= generation:
                return False
            if places.lives_elsewhere(connection, realm):
                return False
            self.append(connection, realm, generation, text, True, write_id, record)
            _leave_out(connection, realm, newest, generation)
            for name, schema in json.loads(schemas).items():
                keep_schema(connection, realm, name, schema)
            if receipt is not None:
                request, outcome = json.loads(receipt)
                self.insert_receipt(connection, realm, write_id, request, outcome, generation)
            return True

    def drop_intents(self, realm: RealmName, digest: str | None = None) -> None:
        """What was begun (all of it, or the one revision) was not done, and never will be."""
        with self._writing() as connection:
            connection.execute(
                "DELETE FROM intent WHERE realm = ? AND digest = coalesce(?, digest)",
                (realm, digest),
            )

    def note(self, realm: RealmName, revision: Revision, *, text: str) -> bool:
        """Keep a revision that somebody else wrote; whether it was new."""
        with self._writing() as connection:
            known = connection.execute(
                "SELECT max(generation) FROM revision WHERE realm = ?", (realm,)
            ).get
            if known is not None and known >= revision.generation:
                return False
            if places.lives_elsewhere(connection, realm):
                return False
            self.append(
                connection,
                realm,
                revision.generation,
                text,
                False,
                revision.write_id,
                record_of(revision),
            )
            _leave_out(connection, realm, known, revision.generation)
            return True

    def tell(self, realm: RealmName, told: Told) -> None:
        """Remember what a reader is told that cannot be kept yet, until something newer is kept."""
        with self._writing() as connection:
            tellings.put(connection, realm, told, record=record_of(told.revision))

    def keep_told(self, realm: RealmName, known: Known) -> None:
        """Keep what was told beyond the newest revision, *known*: an older one stands in the files again."""
        assert known.told is not None
        told = known.told.revision
        if self.note(realm, told, text=known.told.text) and known.last_floor == told.generation:
            # It was told behind another one.
            self.set_floor(realm, told.generation)

    def restyled(self, realm: RealmName, generation: int, *, text: str) -> None:
        """The newest revision stands in another text of the same document from now on."""
        with self._writing() as connection:
            connection.execute(
                "UPDATE revision SET text = ? WHERE realm = ? AND generation = ?",
                (text, realm, generation),
            )

    def keep_receipt(self, receipt: Receipt) -> None:
        """Keep what became of a write id that appended nothing."""
        with self.deciding() as connection:
            self.insert_receipt(
                connection,
                receipt.realm,
                receipt.write_id,
                receipt.request,
                receipt.outcome,
                receipt.generation,
            )

    def known_or(self, receipt: Receipt) -> Receipt:
        """What is known of the receipt's write id, else *receipt*, kept from now on."""
        with self.deciding() as connection:
            known = self.receipt(receipt.realm, receipt.write_id)
            if known is None:
                self.insert_receipt(
                    connection,
                    receipt.realm,
                    receipt.write_id,
                    receipt.request,
                    receipt.outcome,
                    receipt.generation,
                )
            return known or receipt

    def has_text(self, realm: RealmName, text: str) -> bool:
        """Whether a revision of *realm* that is kept stood in the text with this digest."""
        return bool(
            self.rows("SELECT 1 FROM revision WHERE realm = ? AND text = ? LIMIT 1", realm, text)
        )

    def due(self, realm: RealmName, generation: int, *, text: str) -> None:
        """The newest revision is about to be put into the files, in the text with this digest."""
        with self._writing() as connection:
            found = places.find(connection, realm)
            if found is None or found.to is not None:
                raise LostLockError
            numbers = {number for _, number in found.kept} | {generation}
            states = ((text, number) for number in sorted(numbers, key=lambda one: one or 0))
            kept = dict.fromkeys([*found.kept, *states])
            places.put(connection, realm, found.replace(kept=tuple(kept)))
            connection.execute(
                "UPDATE revision SET text = ?, is_stamped = 1 WHERE realm = ? AND generation = ?",
                (text, realm, generation),
            )

    def rendered(self, realm: RealmName) -> None:
        """The files say what the history does."""
        with self._writing() as connection:
            places.clear(connection, realm)

    def set_floor(self, realm: RealmName, floor: int) -> int:
        """Remove what is below *floor*; how many revisions that were."""
        with self.deciding() as connection:
            connection.execute(
                "UPDATE realm SET floor = max(floor, ?) WHERE name = ?", (floor, realm)
            )
            connection.execute(
                "DELETE FROM revision WHERE realm = ? AND generation < ?", (realm, floor)
            )
            return connection.changes()

    def rewrite(self, realm: RealmName, revision: Revision) -> None:
        """Put *revision* in place of the one of its generation (a purge)."""
        with self.deciding() as connection:
            connection.execute(
                "UPDATE revision SET record = ? WHERE realm = ? AND generation = ?",
                (record_of(revision), realm, revision.generation),
            )

    def flush(self) -> None:
        """Let nothing of what was overwritten stand in the log any more."""
        with self.lock:
            connection = self._opened()
            if connection is not None:
                try:
                    connection.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_TRUNCATE)
                except apsw.Error as error:
                    raise explain(error, self.path) from error

    def append(
        self,
        connection: apsw.Connection,
        realm: RealmName,
        generation: int,
        text: str,
        is_stamped: bool,  # noqa: FBT001 - a column
        write_id: str,
        record: str,
    ) -> None:
        """Put a revision behind the newest one, in the transaction that is open; the first one is the floor."""
        connection.execute(
            "INSERT OR IGNORE INTO realm VALUES(?, ?, ?)", (realm, realm.folded, generation)
        )
        connection.execute(
            "INSERT INTO revision(realm, generation, text, is_stamped, write_id, record) VALUES(?, ?, ?, ?, ?, ?)",
            (realm, generation, text, is_stamped, write_id, record),
        )
        # The files say it.
        places.clear(connection, realm)
        tellings.forget(connection, realm, generation)

    @staticmethod
    def insert_receipt(
        connection: apsw.Connection,
        realm: RealmName,
        write_id: str,
        request: str,
        outcome: str,
        generation: int,
    ) -> None:
        """
        Keep a receipt, in the transaction that is open.

        One that is there stays, unless it tells nothing of its request and this one does.
        """
        connection.execute(
            "INSERT INTO receipt(realm, write_id, request, outcome, generation) VALUES(?, ?, ?, ?, ?) "
            "ON CONFLICT DO UPDATE SET request = excluded.request "
            "WHERE receipt.request = '' AND excluded.request <> '' AND receipt.outcome = excluded.outcome",
            (realm, write_id, request, outcome, generation),
        )
        connection.execute(
            "DELETE FROM receipt WHERE realm = ? AND number <= (SELECT number FROM receipt WHERE realm = ? "
            "ORDER BY number DESC LIMIT 1 OFFSET ?)",
            (realm, realm, RECEIPTS_KEPT),
        )

    # --- the connection ------------------------------------------------------------------

    @contextmanager
    def _reading(self) -> Iterator[apsw.Connection | None]:
        with self.lock:
            try:
                connection = self._opened()
            except (StoreReadOnly, StoreUnavailable):
                if not self._read_only:
                    raise
                # Without it the files are read as Meerkat reads them.
                connection = None
            try:
                yield connection
            except apsw.Error as error:
                raise explain(error, self.path) from error

    @contextmanager
    def _writing(self) -> Iterator[apsw.Connection]:
        """A transaction that changes nothing by itself: if it fails, and is there all the same, no harm is done."""
        try:
            with self.deciding() as connection:
                yield connection
        except OutcomeUnknown as unknown:
            raise unknown.__cause__ or unknown from None

    @contextmanager
    def deciding(self) -> Iterator[apsw.Connection]:
        """
        A transaction, all or nothing.

        Raises:
            OutcomeUnknown: It failed at its end; the cause is what it would mean if nothing had been changed.
        """
        if self._read_only:
            raise StoreReadOnly("this handle was opened for reading only")
        with self.lock:
            connection = self._opened() or self._made()
            try:
                connection.execute("BEGIN IMMEDIATE")
                yield connection
            except apsw.Error as error:
                self._take_back(connection)
                raise explain(error, self.path) from error
            except BaseException:
                self._take_back(connection)
                raise
            self._changes += 1
            try:
                connection.execute("COMMIT")
            except apsw.Error as error:
                self._take_back(connection)
                reason = explain(error, self.path)
                raise OutcomeUnknown(None, reason=str(reason)) from reason

    def _take_back(self, connection: apsw.Connection) -> None:
        try:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
        except apsw.Error:
            # Opened again, it says what is there.
            self.close()

    def _opened(self) -> apsw.Connection | None:
        """The connection; None if there is no journal."""
        inode = _inode(self.path)
        if self._connection is not None and inode == self._inode:
            return self._connection
        self.close()
        if inode is None:
            return None
        try:
            flags = apsw.SQLITE_OPEN_READONLY if self._read_only else apsw.SQLITE_OPEN_READWRITE
            connection = apsw.Connection(self.path, flags=flags)
        except apsw.Error as error:
            raise explain(error, self.path) from error
        try:
            self._prepare(connection)
            self._check_format(connection)
            self._read_keys(connection)
        except BaseException as error:
            connection.close()
            if isinstance(error, apsw.Error):
                raise explain(error, self.path) from error
            raise
        self._connection, self._inode = connection, inode
        return connection

    def _check_format(self, connection: apsw.Connection) -> None:
        found = connection.execute("SELECT value FROM meta WHERE name = 'format'").get
        if not isinstance(found, int):
            raise _damaged(self.path)
        if found > places.FORMAT:
            raise StoreTooNew(
                f"{self.path} has format {found}, this program knows {places.FORMAT}: use a newer realmconf for it"
            )

    def _made(self) -> apsw.Connection:
        """A new journal, complete or not at all."""
        folder = os.path.dirname(self.path)
        try:
            os.makedirs(folder, mode=0o700, exist_ok=True)
            temporary = f"{self.path}.{os.urandom(8).hex()}"
            os.close(os.open(temporary, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
        except OSError as error:
            raise _of_system(error, self.path) from error
        try:
            connection = apsw.Connection(temporary)
            with connection:
                connection.execute(_SCHEMA)
                connection.executemany(
                    "INSERT INTO meta VALUES(?, ?)",
                    [
                        ("format", FORMAT),
                        ("text_key", os.urandom(32)),
                        ("request_key", os.urandom(32)),
                    ],
                )
            connection.close()
            # Whoever was faster has made the one that counts.
            os.link(temporary, self.path)
        except FileExistsError:
            pass
        except apsw.Error as error:
            raise explain(error, self.path) from error
        except OSError as error:
            raise _of_system(error, self.path) from error
        finally:
            with suppress(OSError):
                # It holds nothing, and is in nobody's way.
                os.unlink(temporary)
        opened = self._opened()
        assert opened is not None
        return opened

    def _prepare(self, connection: apsw.Connection) -> None:
        connection.set_busy_timeout(BUSY_MILLISECONDS)
        connection.config(apsw.SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1)
        if not self._read_only:
            connection.pragma("journal_mode", "wal")
            connection.pragma("synchronous", 2)
            # What was purged, and every intent, is overwritten where it stood.
            connection.pragma("secure_delete", 1)

    def close(self) -> None:
        """Close the connection; the next question opens it again."""
        with self.lock:
            if self._connection is not None:
                self._connection.close()
                self._connection = None


def _name(text: str) -> RealmName:
    """A name that was kept here; what realmconf keeps for itself is kept too."""
    return SystemName(text) if is_system(text) else RealmName(text)


def record_of(revision: Revision) -> str:
    """A revision as it is kept."""
    return json.dumps(revision_fields(revision), ensure_ascii=False, separators=(",", ":"))


def _leave_out(
    connection: apsw.Connection, realm: RealmName, newest: int | None, generation: int
) -> None:
    """Let the history of *realm* begin with *generation*, where nobody of ours has seen what came before it."""
    if newest is None or newest + 1 != generation:
        connection.execute("UPDATE realm SET floor = ? WHERE name = ?", (generation, realm))


def keep_schema(
    connection: apsw.Connection, realm: RealmName, digest: str, schema: Document
) -> None:
    """Keep a schema beside *realm*, in the transaction that is open."""
    connection.execute(
        "INSERT OR IGNORE INTO schema VALUES(?, ?)",
        (digest, json.dumps(schema, ensure_ascii=False)),
    )
    connection.execute(
        "INSERT OR IGNORE INTO realm_schema(realm, digest, position) "
        "VALUES(?, ?, coalesce((SELECT max(position) FROM revision), 0))",
        (realm, digest),
    )


def _inode(path: str) -> tuple[int, int] | None:
    try:
        found = os.stat(path)
    except (FileNotFoundError, NotADirectoryError, PermissionError):
        return None
    return (found.st_dev, found.st_ino)


# --- what an error means ---------------------------------------------------------------------


def explain(error: apsw.Error, path: str) -> RealmconfError:
    """What an error of SQLite means: nothing was changed."""
    if isinstance(error, apsw.FullError):
        return StoreFull(f"no space left for {path}; free some, reads go on meanwhile")
    if isinstance(error, (apsw.ReadOnlyError, apsw.PermissionsError)):
        return StoreReadOnly(f"{path} can be read but not written from here")
    if isinstance(error, (apsw.CorruptError, apsw.NotADBError, apsw.SQLError)):
        # Of the last kind is a table that is not there: our statements are right.
        return _damaged(path)
    if isinstance(error, apsw.CantOpenError):
        return StoreReadOnly(f"{path} cannot be opened from here")
    return StoreUnavailable(f"{path} is held by another program, or cannot be used now")


def _damaged(path: str) -> StoreCorrupt:
    return StoreCorrupt(
        f"{path} is damaged; without it the realms go on from their files: move it away, "
        "with those beside it whose names begin with its own"
    )


def _of_system(error: OSError, path: str) -> RealmconfError:
    import errno

    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return StoreFull(f"no space left for {path}; free some, reads go on meanwhile")
    if error.errno in (errno.EROFS, errno.EACCES, errno.EPERM):
        return StoreReadOnly(f"{path} cannot be written from here: {error.strerror}")
    return StoreUnavailable(f"{path}: {error.strerror or type(error).__name__}")


# --- forks -------------------------------------------------------------------------------------

_alive: weakref.WeakSet[Journal] = weakref.WeakSet()
_stopped: list[Journal] = []


def _before_fork() -> None:
    # A connection that a child inherits would take no kernel lock of its own.
    for journal in list(_alive):
        journal.lock.acquire()
        journal.close()
        _stopped.append(journal)


def _after_fork() -> None:
    while _stopped:
        _stopped.pop().lock.release()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(
        before=_before_fork, after_in_parent=_after_fork, after_in_child=_after_fork
    )


def sealed_salt(key: bytes, realm: RealmName, generation: int, text: bytes | None) -> str:
    """The salt of a revision that somebody else wrote: the same for everybody who sees it, and no secret's oracle."""
    stated = f"{realm}\0{generation}\0".encode() + (text or b"")
    return hmac.new(key, stated, "sha256").hexdigest()[:32]
