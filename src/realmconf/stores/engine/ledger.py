"""
What an engine has to give: rows read at one point, one conditional write, and a way to hear of others' writes.

Decides nothing.  A *row* is what is kept of a realm besides its revisions; its *version* rises with everything that
somebody may have leaned on: an append, a receipt, a schema, a floor, a marker, a child that came or went.
"""

from __future__ import annotations

from realmconf.domain.record import Record
from realmconf.stores.protocol import ReadView

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from contextlib import AbstractContextManager
    from typing import Protocol, TypeAlias

    from realmconf.domain.document import Document
    from realmconf.domain.names import RealmName
    from realmconf.domain.revision import Revision
    from realmconf.stores.protocol import Compaction, Head, Receipt, StoreInfo

    Heard: TypeAlias = "bool | Sequence[News]"
    """Whether there was a hint: False, or what it told, in order; True where it does not say of which rows."""
else:
    Protocol = object


class LostAnswerError(Exception):
    """
    A conditional write was sent, and what became of it was not heard; never reaches a caller.

    It may still be carried out later, until something that it rests on has moved.
    """


class Row(Record):
    """A realm at one point."""

    version: int
    """
    The number of the store's write that last changed it: rising from write to write in the whole store, and 0 for a
    realm that nothing was ever said of.
    """
    head: Head


class Committed(Record):
    """What a conditional write came to."""

    versions: Mapping[RealmName, int]
    """Of the rows that it changed, as far as the engine tells; who needs another one asks."""


class Put(Record):
    """One revision to be appended."""

    realm: RealmName
    revision: Revision
    packed: bytes
    """The revision as it is kept; ``packing`` reads it."""
    parent: RealmName | None
    """Of a live document, the parent that it names."""


class Changes(Record):
    """One conditional write: what must still stand, and what is put down, all or nothing."""

    __hidden__ = frozenset({"puts", "schemas", "keys"})
    __slots__ = ("_realms",)
    if TYPE_CHECKING:
        _realms: frozenset[RealmName]

    rests_on: Mapping[RealmName, int] = {}
    """The versions of rows that must be unchanged."""
    heads: Mapping[RealmName, str] = {}
    """The digests of the heads of those rows, for engines whose versions begin again when they are set back."""
    newest: int | None = None
    """If given, no row at all may have changed since ``LedgerView.newest`` was that."""
    claims: tuple[RealmName, ...] = ()
    """Names that are written for the first time: none may differ from another claimed name by case alone."""
    puts: tuple[Put, ...] = ()
    """In the order of their positions; each goes behind its realm's head, with the numbers that it has."""
    receipts: tuple[Receipt, ...] = ()
    """Write ids that must be unknown in their realms, and are known from then on: the fence against late writes."""
    schemas: Mapping[RealmName, Mapping[str, Document]] = {}
    """By digest, to be listed beside a realm behind those that it has."""
    touched: frozenset[RealmName] = frozenset()
    """Rows whose version rises though nothing else of them changes: a child of theirs came, went or ended."""
    renamed: tuple[RealmName, RealmName] | None = None
    """
    Before anything is put: the second name, which has none, takes the first one's history, receipts and list of
    schemas; the first keeps its list of schemas and begins anew at the revision that is put for it, its floor.
    """
    floors: Mapping[RealmName, int] = {}
    """Everything below is gone of these realms, and the first revision that is put stands there."""
    moved: Mapping[RealmName, str | None] = {}
    """Where realms live from now on; None: here."""
    told: tuple[Receipt, ...] = ()
    """Receipts from elsewhere: kept unless the id is known with a request; the outcome never changes."""
    keys: Mapping[str, bytes] = {}
    """Keys of requests from elsewhere, by name; kept beside those that are known."""

    @property
    def realms(self) -> frozenset[RealmName]:
        """Every realm whose row changes."""
        try:
            return self._realms
        except AttributeError:
            realms = frozenset(
                [
                    *(put.realm for put in self.puts),
                    *(receipt.realm for receipt in self.receipts),
                    *(receipt.realm for receipt in self.told),
                    *self.schemas,
                    *self.touched,
                    *(self.renamed or ()),
                    *self.floors,
                    *self.moved,
                ]
            )
            # Each step of a write asks for them.
            object.__setattr__(self, "_realms", realms)
            return realms


class Told(Record):
    """A head that an engine tells of unasked."""

    __hidden__ = frozenset({"packed"})

    digest: str
    packed: bytes
    """The revision; ``packing`` reads it."""
    floor: int | None = None
    """That of its row now; None: as it was."""


class News(Record):
    """
    What an engine tells of one write that it has committed.

    It may be lost, come late, or twice; but what it says is so.
    """

    realms: frozenset[RealmName]
    """Every realm whose row was changed."""
    version: int | None = None
    """That of those rows since; None where nothing but the names is told."""
    before: int | None = None
    """The newest version of any row just before: who heard of that one, and then of this, has missed nothing."""
    heads: Mapping[RealmName, Told] = {}
    """Those that it has left, of realms that live here, as far as they are told."""


class LedgerView(ReadView, Protocol):
    """The committed state at one point: what ``ReadView`` asks, and the rows behind it."""

    def rows(self, realms: Sequence[RealmName]) -> Mapping[RealmName, Row]:
        """The rows of *realms*, asked for in one question."""
        ...

    def newest(self) -> int:
        """The highest version of any row; 0 before the first."""
        ...

    def twin(self, realm: RealmName) -> bool:
        """Whether a realm was written whose name differs from this one by case alone."""
        ...

    def receipts(
        self, realm: RealmName, *, since: int, after: str | None, limit: int | None
    ) -> Sequence[Receipt]:
        """As ``MovingStore.receipts``."""
        ...


class Ledger(Protocol):
    """
    An engine, reached by one process.  Thread-safe; a child of a fork begins anew with ``after_fork_in_child``.

    Deadlines are monotonic seconds; without one the engine's own time-out of reading applies.  What is refused or
    cannot be reached is typed (``StoreUnavailable``, ``StoreFull``, ``StoreReadOnly``, ``StoreTooNew``,
    ``StoreCorrupt``), and then nothing was changed.

    A ledger may have ``arrives_at_once: AtOnce`` (``parting``): how much of what moves here it takes in one write.

    And ``on_news: Callable[[News], bool] | None``, to be set before it listens: what its own thread may tell at once of
    what it hears, in order, and only while somebody waits for hints.  Where that gives False, whoever waits is given
    the same ``News``.
    """

    url: str
    info: StoreInfo

    def request_key(self) -> bytes:
        """As ``Store.request_key``."""
        ...

    def keys(self) -> Mapping[str, bytes]:
        """Keys of requests that came from elsewhere, by name."""
        ...

    def rows(
        self, realms: Sequence[RealmName], *, deadline: float | None = None
    ) -> Mapping[RealmName, Row]:
        """The newest rows of *realms*, at one point of this call; one round trip where the engine can."""
        ...

    def view(self, *, deadline: float | None = None) -> AbstractContextManager[LedgerView]:
        """The newest point, to ask several questions at; it begins with the first of them."""
        ...

    def commit(self, changes: Changes, *, deadline: float) -> Committed | None:
        """
        Carry *changes* out, durably as declared; None if something of what must stand does not: nothing was changed.

        Raises:
            LostAnswerError: It was sent, and no answer came.
        """
        ...

    def turn(self, realms: Sequence[RealmName], *, deadline: float) -> AbstractContextManager[None]:
        """
        Whoever was overtaken once judges in here, one process after the other in the order of asking, where the engine
        can; those who were not overtaken do not ask.

        Raises:
            LockTimeout: It did not come in time.
        """
        ...

    def compact(self, realm: RealmName, *, floor: int, deadline: float) -> Compaction:
        """As ``Store.compact``."""
        ...

    def purge(self, realm: RealmName, purged: Revision, packed: bytes, *, deadline: float) -> bool:
        """Put *purged* in the place of the revision of its generation; False if that is not there (any more)."""
        ...

    def listening(self) -> AbstractContextManager[Callable[[float], Heard]]:
        """
        Hear of writes: what is given waits that many seconds for the next hint, and gives what it told.

        It hears of whatever is committed from its beginning on, but for what the engine loses.  Names spare everybody
        else a question, and heads spare those who are told of them one.
        """
        ...

    def close(self) -> None:
        """Release everything; whoever waits is woken with ``StoreUnavailable``. Idempotent."""
        ...

    def after_fork_in_child(self) -> None:
        """Forget what is the parent's, and disturb none of it."""
        ...
