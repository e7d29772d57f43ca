"""
The smallest host a working copy can have: a real database, a real lock, no counters and no watch.

What the embedded store gives besides (fairness, fences, group commit) is not needed to
say what a file means, and would hide which of the two is wrong.
"""

from __future__ import annotations

import json
import os
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from fcntl import LOCK_EX, LOCK_UN, flock

import apsw

from realmconf.domain.document import canonical_bytes
from realmconf.domain.names import RealmName
from realmconf.domain.revision import GENESIS, Revision, seal
from realmconf.domain.write import Append
from realmconf.errors import HistoryCompacted, RevisionNotFound
from realmconf.stores.embedded.files import Files
from realmconf.stores.embedded.workcopy import WorkingCopies
from realmconf.stores.embedded.workplace import Placer
from realmconf.stores.protocol import Head

REVISIONS = """CREATE TABLE IF NOT EXISTS revision (
    realm TEXT, generation INTEGER, body TEXT, PRIMARY KEY (realm, generation))"""


class Record:
    """What a turn and a view have in common."""

    def __init__(self, connection: apsw.Connection, floors: dict[str, int]) -> None:
        self.connection = connection
        self._floors = floors

    def head(self, realm: RealmName) -> Head:
        newest = self.connection.execute(
            "SELECT body FROM revision WHERE realm = ? ORDER BY generation DESC LIMIT 1", (realm,)
        ).get
        return Head(
            realm=realm,
            revision=None if newest is None else _load(newest),
            floor=self._floors.get(realm, 1),
        )

    def revision(self, realm: RealmName, generation: int) -> Revision:
        if generation < self._floors.get(realm, 1):
            raise HistoryCompacted(generation, self._floors[realm], realm=realm)
        body = self.connection.execute(
            "SELECT body FROM revision WHERE realm = ? AND generation = ?", (realm, generation)
        ).get
        if body is None:
            raise RevisionNotFound(realm=realm, generation=generation, current=0)
        return _load(body)

    def revisions(
        self,
        realm: RealmName,
        *,
        after: int = 0,
        before: int | None = None,
        limit: int | None = None,
        newest_first: bool = False,
    ) -> Sequence[Revision]:
        order = "DESC" if newest_first else "ASC"
        rows = self.connection.execute(
            f"SELECT body FROM revision WHERE realm = ? AND generation > ? ORDER BY generation {order} LIMIT ?",
            (realm, after, -1 if limit is None else limit),
        )
        return [_load(body) for (body,) in rows]

    def schema(self, digest: str) -> dict:
        raise AssertionError(f"no schema was ever written here ({digest})")

    def schemas(self, realm: RealmName) -> Sequence[str]:
        return ()

    def commit(
        self,
        appends: Sequence[Append],
        *,
        also: Callable[[apsw.Connection], None] | None = None,
        receipts: Sequence[object] = (),
    ) -> None:
        self.connection.execute("BEGIN IMMEDIATE")
        try:
            for append in appends:
                revision = append.revision
                self.connection.execute(
                    "INSERT INTO revision VALUES (?, ?, ?)",
                    (revision.realm, revision.generation, _dump(revision)),
                )
            if also is not None:
                also(self.connection)
            self.connection.execute("COMMIT")
        except BaseException:
            if not self.connection.get_autocommit():
                self.connection.execute("ROLLBACK")
            raise


class Host:
    """A root with one realm or more, and the working copies over it."""

    def __init__(
        self,
        root: os.PathLike[str] | str,
        *,
        files: Files | None = None,
        header: bool = True,
        read_only: bool = False,
        placer: Callable[[Files, str], Placer] | None = None,
        record: type[Record] = Record,
        seconds_per_second: float = 50.0,
        background: bool = False,
    ) -> None:
        self.root = os.fspath(root)
        self.read_only = read_only
        self.floors: dict[str, int] = {}
        self._record = record
        store = os.path.join(self.root, ".store")
        os.makedirs(store, exist_ok=True)
        self._path = os.path.join(store, "record.db")
        self._lock_path = os.path.join(store, "turn.lock")
        self._mutex = threading.Lock()
        self._connection = self._connect()
        self._connection.execute(REVISIONS)
        self._connection.execute(WorkingCopies.SCHEMA)
        files = files or Files()
        self._clock = lambda: time.monotonic() * seconds_per_second
        self.copies = WorkingCopies(
            self,
            files=files,
            header=header,
            placer=None if placer is None else placer(files, self.root),
            # Waiting for an editor between two steps is part of many cases, and of no interest.
            clock=self._clock,
            sleep=lambda seconds: time.sleep(seconds / seconds_per_second),
        )

        if not background:
            # A test says itself when something is rendered.
            self.copies.committed = lambda realm: None  # type: ignore[method-assign]

    def _connect(self) -> apsw.Connection:
        connection = apsw.Connection(self._path)
        connection.set_busy_timeout(10_000)
        connection.execute("PRAGMA journal_mode=WAL")
        # Processes die in these tests, machines do not.
        connection.execute("PRAGMA synchronous=OFF")
        return connection

    @contextmanager
    def turn(self, deadline: float = 0.0) -> Iterator[Record]:
        with self._mutex:
            lock = os.open(self._lock_path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            flock(lock, LOCK_EX)
            try:
                yield self._record(self._connection, self.floors)
            finally:
                flock(lock, LOCK_UN)
                os.close(lock)

    @contextmanager
    def view(self) -> Iterator[Record]:
        yield Record(self._connection, self.floors)

    def head(self, realm: RealmName, *, adopt: bool = True) -> Head:
        with self.view() as view:
            return view.head(realm)

    def stamp(self) -> tuple[str, str]:
        return "2026-01-01T00:00:00.000Z", os.urandom(16).hex()

    def request_key(self) -> bytes:
        return b"key"

    def watch_folder(
        self, path: str, callback: Callable[[], None], lost: Callable[[], None]
    ) -> Callable[[], None]:
        raise OSError("no notification here")

    def watch_for_folder(self, path: str, callback: Callable[[], None]) -> bool:
        return False

    # --- what a test does

    def write(
        self, realm: str, change: dict | None, *, publish: bool = True, author: str = "program"
    ) -> Revision:
        """Settle, then append *change* merged into the head (None: a tombstone), as a program's write does."""
        name = RealmName(realm)
        with self.turn() as turn:
            self.copies.settle(turn, name)
            head = turn.head(name)
            before = head.revision.document if head.revision is not None else None
            document = None if change is None else {**(before or {}), **change}
            created_at, salt = self.stamp()
            revision = seal(
                realm=name,
                generation=head.generation + 1,
                kind="delete" if change is None else "patch",
                document=document,
                author=author,
                surface="sdk",
                write_id=os.urandom(8).hex(),
                created_at=created_at,
                salt=salt,
                previous=GENESIS if head.revision is None else head.revision.digest,
            )
            turn.commit([Append(revision=revision)])
        if publish:
            self.publish(realm)
        return revision

    def publish(self, realm: str, *, seconds: float = 5.0) -> None:
        self.copies.publish(RealmName(realm), deadline=self._clock() + seconds)

    def settle(self, realm: str, *, tolerant: bool = False) -> tuple[str, ...]:
        """The codes of the warnings."""
        with self.turn() as turn:
            warnings = self.copies.settle(turn, RealmName(realm), tolerant=tolerant)
        return tuple(warning.code for warning in warnings)

    def look(self, realm: str) -> Head:
        """Settle, as a read that may adopt does, and return the head."""
        self.settle(realm)
        return self.head(RealmName(realm))

    def document(self, realm: str) -> dict | None:
        revision = self.look(realm).revision
        return None if revision is None else revision.document

    def history(self, realm: str) -> Sequence[Revision]:
        with self.view() as view:
            return view.revisions(RealmName(realm))

    def state(self, realm: str):
        return self.copies.state(RealmName(realm))

    def path(self, realm: str, name: str = "config.toml") -> str:
        return os.path.join(self.root, realm, name)

    def text(self, realm: str) -> str:
        with open(self.path(realm), encoding="utf-8", newline="") as file:
            return file.read()

    def names(self, realm: str) -> list[str]:
        return sorted(os.listdir(os.path.join(self.root, realm)))


def _dump(revision: Revision) -> str:
    fields = {
        name: getattr(revision, name)
        for name in revision.__fields__
        if name not in {"policy", "document"}
    }
    document = None if revision.document is None else canonical_bytes(revision.document).decode()
    return json.dumps([fields, document])


def _load(body: str) -> Revision:
    fields, document = json.loads(body)
    fields["reverts"] = tuple(fields["reverts"])
    fields["realm"] = RealmName(fields["realm"])
    return Revision(**fields, document=None if document is None else json.loads(document))
