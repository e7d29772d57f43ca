"""
Read views for callers: one consistent point as a context manager, and the proved heads of a precheck.
"""

from __future__ import annotations

from realmconf.errors import RevisionNotFound, StoreCorrupt, StoreUnavailable
from realmconf.stores.embedded.failures import typed
from realmconf.stores.embedded.view import Rows
from realmconf.stores.protocol import Head

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from types import TracebackType

    import apsw

    from realmconf.domain.document import Document
    from realmconf.domain.names import RealmName
    from realmconf.domain.revision import Revision
    from realmconf.stores.embedded.forking import Gate
    from realmconf.stores.embedded.place import Place
    from realmconf.stores.embedded.session import Session
    from realmconf.stores.protocol import ReadView, RealmEntry, Receipt, Step


class View:
    """A read transaction: everything in its block is of one point."""

    def __init__(self, place: Place, gate: Gate) -> None:
        self._place = place
        self._gate = gate
        self._session: Session | None = None

    @typed
    def __enter__(self) -> ReadView:
        self._gate.__enter__()
        try:
            self._session = self._place.usable()
            if self._session is None:
                return Nothing()
            self._connection = self._session.borrow_view()
            self._connection.execute("BEGIN")
            # A deferred transaction has no point in time before its first read.
            self._connection.execute("SELECT count(*) FROM fence").fetchall()
            return Rows(self._session, self._connection)
        except BaseException:
            self._gate.__exit__()
            raise

    @typed
    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        try:
            if self._session is not None:
                if not self._connection.get_autocommit():
                    self._connection.execute("ROLLBACK")
                self._session.return_view(self._connection)
        finally:
            self._gate.__exit__()


class Nothing:
    """The ``ReadView`` of a root where nothing was ever written, or whose folder was removed since."""

    @property
    def connection(self) -> apsw.Connection:
        """For working copies, of which nobody looks at any before there is a record."""
        raise StoreUnavailable("there is no store any more: its folder was removed")

    def head(self, realm: RealmName) -> Head:
        return Head(realm=realm, revision=None)

    def revision(self, realm: RealmName, generation: int) -> Revision:
        raise RevisionNotFound(realm=realm, generation=generation, current=0)

    def revisions(
        self,
        realm: RealmName,
        *,
        after: int = 0,
        before: int | None = None,
        limit: int | None = None,
        newest_first: bool = False,
    ) -> Sequence[Revision]:
        return ()

    def receipt(self, realm: RealmName, write_id: str) -> Receipt | None:
        return None

    def realms(self, *, after: str | None = None, limit: int | None = None) -> Sequence[RealmEntry]:
        return ()

    def children(self, realm: RealmName) -> Sequence[RealmName]:
        return ()

    def schema(self, digest: str) -> Document:
        raise StoreCorrupt(f"the store has lost the schema {digest}")

    def schemas(self, realm: RealmName) -> Sequence[str]:
        return ()

    def position(self, realm: RealmName, generation: int) -> int:
        raise RevisionNotFound(realm=realm, generation=generation, current=0)

    def as_of(self, realm: RealmName, position: int) -> Revision | None:
        return None

    def last_position(self) -> int:
        return 0

    def steps(self, after: Mapping[RealmName, int], *, limit: int) -> Sequence[Step]:
        return ()


class Newest:
    """
    The ``ReadView`` of a precheck: heads proved newest, each by itself; what else is asked is answered from a point
    that is no older.
    """

    def __init__(self, head: Callable[[RealmName], Head], view: Callable[[], View]) -> None:
        self.head = head
        self._view = view

    def revision(self, realm: RealmName, generation: int) -> Revision:
        with self._view() as view:
            return view.revision(realm, generation)

    def revisions(
        self,
        realm: RealmName,
        *,
        after: int = 0,
        before: int | None = None,
        limit: int | None = None,
        newest_first: bool = False,
    ) -> Sequence[Revision]:
        with self._view() as view:
            return view.revisions(
                realm, after=after, before=before, limit=limit, newest_first=newest_first
            )

    def receipt(self, realm: RealmName, write_id: str) -> Receipt | None:
        with self._view() as view:
            return view.receipt(realm, write_id)

    def realms(self, *, after: str | None = None, limit: int | None = None) -> Sequence[RealmEntry]:
        with self._view() as view:
            return view.realms(after=after, limit=limit)

    def children(self, realm: RealmName) -> Sequence[RealmName]:
        with self._view() as view:
            return view.children(realm)

    def schema(self, digest: str) -> Document:
        with self._view() as view:
            return view.schema(digest)

    def schemas(self, realm: RealmName) -> Sequence[str]:
        with self._view() as view:
            return view.schemas(realm)

    def position(self, realm: RealmName, generation: int) -> int:
        with self._view() as view:
            return view.position(realm, generation)

    def as_of(self, realm: RealmName, position: int) -> Revision | None:
        with self._view() as view:
            return view.as_of(realm, position)

    def last_position(self) -> int:
        with self._view() as view:
            return view.last_position()

    def steps(self, after: Mapping[RealmName, int], *, limit: int) -> Sequence[Step]:
        with self._view() as view:
            return view.steps(after, limit=limit)
