"""
What a store is: the contract that every implementation keeps and the runtime relies on.

A store keeps, per realm, a contiguous sequence of revisions, and admits one
append at a time.  It decides nothing about documents: it runs a *judgement* (a
pure function of the state at one point) and appends what that returns, all or
nothing.  Everything here is synchronous; times are monotonic deadlines in seconds
(``time.monotonic()``).
"""

from __future__ import annotations

from realmconf.domain.metadata import ConfigResolvedPaths, ConfigStoreMetadata
from realmconf.domain.record import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
    from contextlib import AbstractContextManager
    from typing import Protocol

    from typing_extensions import TypeIs

    from realmconf.domain.document import Document
    from realmconf.domain.names import RealmName
    from realmconf.domain.revision import Revision
    from realmconf.domain.write import Append, Unchanged, Write
else:
    Protocol = object


MINTED = "w-"
"""How a write id begins that we minted: it has no receipt of its own, its revision is one."""


STRANGE = "working_copy_strange"
"""The code of a head's warning that somebody has written the files of a realm that lives in another store."""


class StoreInfo(Record):
    """What this store promises, and where it is weaker than the embedded one."""

    name: str
    durable: bool = True
    reads: str = "linearizable"
    history: str = "all"
    watch: str = "push"
    transaction_realms_max: int = 64
    composition: str = "snapshot"
    cross_realm_validation: str = "strict"
    receipts_kept: int = 100_000
    document_bytes_max: int = 1_048_576
    working_copy: str = "none"
    fresh_read: str = "memory"
    current: str = "proved"
    """proved: ``current`` is the newest; last_known: what was last heard of, which says how old it is."""
    judging: str = "turn"
    """turn: a judgement runs while nobody else can write; optimistic: on a point, and again where that has moved."""


class Receipt(Record):
    """What became of a write id: kept for commits, no-ops under a given id, and voided ids."""

    realm: RealmName
    write_id: str
    request: str
    """Keyed digest of the request, so that an id cannot be reused for another one; empty for a void."""
    outcome: str
    """committed | unchanged | void"""
    generation: int


class Notice(Record):
    """Something a caller should know that failed nothing."""

    code: str
    message: str
    path: str | None = None


class Head(Record):
    """
    The newest state of one realm, at one point.

    ``revision is None`` for a realm never written.  ``floor`` is the oldest generation still kept (1 if
    nothing was compacted).  ``moved_to`` is the store the realm was migrated to.  ``warnings`` are
    codes with detail for the caller (``working_copy_edited``, …).
    """

    realm: RealmName
    revision: Revision | None
    floor: int = 1
    moved_to: str | None = None
    warnings: tuple[Notice, ...] = ()

    @property
    def generation(self) -> int:
        """0 for a realm never written."""
        return 0 if self.revision is None else self.revision.generation


class RealmEntry(Record):
    """One line of ``realms()``."""

    realm: RealmName
    generation: int
    exists: bool
    parent: RealmName | None = None
    """The parent that its document names, be it there or not."""
    moved_to: str | None = None
    """The store that it lives in, if not in this one."""


class Step(Record):
    """One revision in the store's order of commits, under the name that its realm has now."""

    position: int
    realm: RealmName
    revision: Revision


class Proof(Record):
    """
    What shows in one look at memory that *heads* are still the newest, all at one point: ``words[0] == mark``.

    A reader holds it as long as it likes and does nothing but that comparison; an ``IndexError`` or
    ``ValueError`` from it means "no longer".  The store therefore takes a proof back (closing, fork, a
    counter file that was replaced, a directory event) by releasing or emptying ``words``, and everything
    that can make a head old changes that one word: a rename, restore or compaction too.  The word of a
    proof of several realms may also change for less, a commit to another realm: ask for it again.
    """

    heads: tuple[Head, ...]
    words: Sequence[int]
    mark: int


class ReadView(Protocol):
    """The committed state at one point; every method answers from that same point."""

    def head(self, realm: RealmName) -> Head:
        """The newest revision of *realm*, or a head without one."""
        ...

    def revision(self, realm: RealmName, generation: int) -> Revision:
        """
        The revision at *generation*.

        Raises:
            RevisionNotFound: There is no such generation.
            HistoryCompacted: It was there and is below the floor.
        """
        ...

    def revisions(
        self,
        realm: RealmName,
        *,
        after: int = 0,
        before: int | None = None,
        limit: int | None = None,
        newest_first: bool = False,
    ) -> Sequence[Revision]:
        """
        Revisions with ``after < generation < before``, oldest first unless asked otherwise.

        Raises:
            HistoryCompacted: *after* + 1 is below the floor, and oldest first was asked (a gap would be silent).
        """
        ...

    def receipt(self, realm: RealmName, write_id: str) -> Receipt | None:
        """What is known of *write_id* in *realm*."""
        ...

    def realms(self, *, after: str | None = None, limit: int | None = None) -> Sequence[RealmEntry]:
        """Realms that were ever written, by name."""
        ...

    def children(self, realm: RealmName) -> Sequence[RealmName]:
        """Live realms whose document names *realm* as its parent, by name; *realm* need not be there."""
        ...

    def schema(self, digest: str) -> Document:
        """
        The schema with this digest, whichever realm it was given for.

        Raises:
            StoreCorrupt: The store has none: what names it has lost it.
        """
        ...

    def schemas(self, realm: RealmName) -> Sequence[str]:
        """The digests of all schemas that *realm* ever had, oldest first; nothing ever takes one away."""
        ...

    def position(self, realm: RealmName, generation: int) -> int:
        """
        Where the revision at *generation* stands in the store's order of commits.

        Positions of all realms together rise with every revision appended, and never change: a rename keeps them.
        Another store, and a restored one, has other positions.

        Raises:
            RevisionNotFound, HistoryCompacted: As ``revision``.
        """
        ...

    def as_of(self, realm: RealmName, position: int) -> Revision | None:
        """
        The newest revision that *realm*, under the name it has now, had at *position*; None if it had none then.

        Raises:
            HistoryCompacted: What it had then is below the floor.
        """
        ...

    def last_position(self) -> int:
        """
        The position of the newest revision of any realm; 0 if nothing was ever written.

        Two views with the same one have the same heads: only floors, purges and receipts move without it.
        """
        ...

    def steps(self, after: Mapping[RealmName, int], *, limit: int) -> Sequence[Step]:
        """
        Revisions of several realms, of each those above the generation in *after*, in the order of commits.

        Raises:
            HistoryCompacted: What follows one of the generations is below its realm's floor (a gap would be silent).
        """
        ...


class Judgement(Record):
    """What a judgement made of one write."""

    write: Write
    decision: Append | Unchanged
    request: str = ""
    """Keyed digest of the request, stored in the receipt."""


class Applied(Record):
    """What the store made of one judgement."""

    write: Write
    decision: Append | Unchanged
    head: Head
    """The head after the write."""


class Compaction(Record):
    """What a compaction removed, per realm: the new floor and the number of revisions gone."""

    realm: RealmName
    floor: int
    removed: int


class Signal(Protocol):
    """A wake-up hint for one watcher: it may come without a change, never the other way round."""

    def wait(self, timeout_seconds: float | None) -> bool:
        """Block until something may have changed since the last call, or the time is over (False)."""
        ...

    def listen(self, callback: Callable[[], None]) -> None:
        """Call *callback* (quick, thread-safe, from any thread) at every hint from now on: the async face uses it."""
        ...

    def close(self) -> None:
        """Wake every waiter for good."""
        ...


class Store(Protocol):
    """
    A place that keeps realms.  Thread-safe and fork-safe.

    Contracts of all methods: a *deadline* that passes while waiting for the turn to write raises
    ``LockTimeout`` and nothing was changed.  A failure whose effect cannot be told raises
    ``OutcomeUnknown``; any other error means that nothing was changed, ever.
    """

    info: StoreInfo
    url: str
    """The URL that opens this store again."""

    def head(self, realm: RealmName, *, adopt: bool = True) -> Head:
        """
        The linearizable newest state: a cached one only if it is *proved* unchanged.

        The same object is returned as long as nothing changed, so callers may key caches by identity.
        *adopt* False never adopts a hand edit nor waits for anything but a look-up (the caller is an event
        loop): an edit that waits is then a warning in the answer.
        """
        ...

    def peek(self, realm: RealmName) -> Head | None:
        """The cached head if it can be proved fresh without I/O, else None. Never blocks."""
        ...

    def proof(self, realms: Sequence[RealmName]) -> Proof | None:
        """
        What proves the cached heads of *realms* fresh by one comparison: one head for each, in the order asked for.

        They were all the newest at one point of this call.  Realms that were never written are proved as
        any other.  None where it cannot be had now: ask again after the next ``head`` of each.  Whoever asks again
        because the word has changed gets the identical heads, without I/O, if none of these realms has changed.
        """
        ...

    def request_key(self) -> bytes:
        """The secret of this store under which requests are digested for receipts: made once, kept with them."""
        ...

    def paths(self, realm: RealmName) -> Mapping[str, str]:
        """Where *realm* lives on this machine: what ``ConfigResolvedPaths`` has, by name; empty without files."""
        ...

    def view(self) -> AbstractContextManager[ReadView]:
        """A consistent point to read from (a context manager; ends at exit)."""
        ...

    def apply(
        self,
        realms: Sequence[RealmName],
        judge: Callable[[ReadView], Sequence[Judgement]],
        *,
        deadline: float,
        groupable: bool = True,
        precheck: Callable[[ReadView], None] | None = None,
    ) -> Sequence[Applied]:
        """
        Run *judge* on the heads inside this store's turn, and append what it decides: all or nothing.
        The schemas that come with an append are kept beside its realm, for ever.

        *judge* may be called again (after a lost race, or a COMMIT that failed) and must have no effects.
        It is asked about realms that have moved, too; what it makes of one is refused, no-ops and receipts included.
        What it raises is raised here, after the state it was judged on is known to be committed; nothing
        was changed then.  A judgement with a given write id is recorded in the receipts in the same
        transaction, also when nothing changes.  Hand edits of the named realms are adopted, as revisions of
        their own, before *judge* runs.  *groupable* False runs *judge* in the calling thread and alone (it calls
        user code).  *precheck* is asked before queueing, on heads that are proved newest: what it raises is
        raised at once, so that a write that is already stale does not stand in the queue.  It is never asked
        while an outcome is open.

        Raises:
            LockTimeout, OutcomeUnknown, StoreUnavailable, StoreFull, StoreReadOnly: See above.
            RealmMoved: One of the realms that were judged lives in another store; nothing was changed.
        """
        ...

    def void(self, realm: RealmName, write_id: str, *, deadline: float) -> Receipt:
        """
        Settle *write_id*: its receipt if it was applied, else record it as void, so that a late commit is refused.

        Raises:
            RealmMoved: It was not applied, and whether it ever is will be decided in another store.
        """
        ...

    def signal(self, realms: Sequence[RealmName]) -> Signal:
        """Subscribe to hints about *realms* (empty: all). Subscribe first, then read, then wait: gap-free."""
        ...

    def rename(
        self,
        old: RealmName,
        new: RealmName,
        judge: Callable[[ReadView], Sequence[Judgement]],
        *,
        deadline: float,
    ) -> Sequence[Applied]:
        """
        Move the history of *old* to the name *new* (never written) and append the two judged revisions.

        Both names go on counting from the old head: *new* with the document, *old* with a tombstone and a floor there,
        so no number is ever used twice under either name.  Both keep the schemas.
        """
        ...

    def compact(self, realm: RealmName, *, floor: int, deadline: float) -> Compaction:
        """
        Remove revisions below *floor* (never the head). Receipts and schemas stay.

        A store may do it in several steps, oldest revisions first.  An error then means that some are still there,
        not that nothing is gone, and the next call goes on.
        """
        ...

    def purge(
        self, realm: RealmName, generation: int, *, document: object, deadline: float
    ) -> Revision:
        """Erase the document and salt of one older generation; the chain stays verifiable. Also overwritten on disk."""
        ...

    def backup(self, path: str) -> None:
        """Write a consistent copy of the whole store to *path* (a new file, mode 0600)."""
        ...

    def revisions_in(self, path: str) -> Iterator[Revision]:
        """Every revision in the backup at *path*, realm by realm, oldest first."""
        ...

    def schemas_in(self, path: str) -> Mapping[RealmName, Mapping[str, Document]]:
        """
        The schemas in the backup at *path*, by digest, oldest first; only realms that have some, by present name.
        """
        ...

    def close(self) -> None:
        """Finish what is pending (publish working copies) and release everything. Idempotent."""
        ...


def is_store(found: object) -> TypeIs[Store]:
    """Whether *found*, which may be the name of one, is an open store."""
    return hasattr(found, "apply") and hasattr(found, "view")


class Decided(Record):
    """What a store that decides by itself made of one write."""

    __hidden__ = frozenset({"members"})

    realm: RealmName
    generation: int
    """The one that the write made, or left as it was."""
    changed: bool
    is_known: bool = False
    """Whether this is the first answer to a known write id: then there is nothing but the two before this."""
    revision: Revision | None = None
    """What the write appended, or the head that it left unchanged."""
    before: Revision | None = None
    rebased_from: int | None = None
    head: Head | None = None
    """The head after the write."""
    members: Mapping[RealmName, Head] = {}
    """Whatever the realm depends on, as it stood with the write."""
    warnings: tuple[Notice, ...] = ()
    """What the write means for those who inherit the realm."""
    descendants: tuple[RealmName, ...] | None = None
    """Of a plan: those whose configuration it would change."""


class Remembered(Record):
    """
    What a store last knew of a realm and of all that it depends on, for readers who take that without asking again.

    It is what it knows as long as ``words[0] == mark``, as with a ``Proof``; whether it is the newest is not said.
    """

    heads: Mapping[RealmName, Head]
    words: Sequence[int]
    mark: int


class Seen:
    """
    The heads of a realm and of all that it depends on, as they stood together; the same object as long as they stand.
    """

    __slots__ = ("__weakref__", "heads")

    def __init__(self, heads: Mapping[RealmName, Head]) -> None:
        self.heads = dict(heads)


class Sight(Protocol):
    """What a store hears of one realm for somebody who watches it; to be closed at the end."""

    def seen(self) -> Seen | None:
        """
        What was heard last; waits for nothing.  None where nothing was, or more was told of than could be looked at:
        then whoever watches asks.

        It is brought up to date before a signal tells of anything, so whoever subscribes first, asks once, and looks
        here after each hint misses nothing.
        """
        ...

    def close(self) -> None:
        """Hear no more of it. Idempotent."""
        ...


class Arrival(Record):
    """
    What is taken in of realms that move here: a part of their history, as it is, and all that hangs on it.
    """

    source: str
    """Where they live until their cut-over: a URL without secrets."""
    floors: Mapping[RealmName, int]
    """Every realm that something is brought for, and the oldest generation that is kept of it there."""
    steps: Sequence[Step] = ()
    """Revisions in the order in which they were committed there; positions are that store's and mean nothing here."""
    receipts: Sequence[Receipt] = ()
    """``request`` as ``key_name`` and digest with a colon between: made under one of *keys*."""
    schemas: Mapping[RealmName, Mapping[str, Document]] = {}
    """By digest, oldest first: to be kept beside the realm, before anything names them."""
    keys: Mapping[str, bytes] = {}
    """By ``key_name``: what the requests of *receipts* were digested under."""


class MovingStore(Protocol):
    """
    What a store offers besides whose realms can move into another one, or from there.

    A realm lives in one store at a time.  Where it does not live its head has ``moved_to``: the store that it has left
    has one for good, and the store that it comes to has one until the cut-over, which names the store it comes from.
    Such a realm is read as any other, and is written by nobody (``apply``, ``void``, ``rename``, adoption, ``resolve``)
    but ``receive``; compaction and purges go on.  Every change of ``moved_to`` takes proofs back and wakes watchers.
    """

    def request_keys(self) -> Mapping[str, bytes]:
        """Every key that requests of receipts in this store were digested under, by ``key_name``: its own first."""
        ...

    def receipts(
        self,
        realm: RealmName,
        *,
        since: int = 0,
        after: str | None = None,
        limit: int | None = None,
    ) -> Sequence[Receipt]:
        """
        Receipts of *realm* whose generation is *since* or newer, by write id, from behind the id *after* on.

        The generation of a receipt is the head's after its write; so whatever was added since a head was looked at is
        at its generation or above.  A revision under a minted id may have none: it is one.  Inside *finish* of
        ``depart`` it answers from the state that is marked.
        """
        ...

    def receive(self, arrival: Arrival, *, deadline: float) -> None:
        """
        Take *arrival* in, all or nothing; its realms do not live here before (never written, or moved) nor after.

        A step follows its realm's head (next generation, ``previous`` its digest); or it is the first above the head
        that is kept there (its generation is the floor): then all below it is removed here, and that is the floor.  One
        that is here already is passed over.  A receipt that is here stays, unless it tells nothing of its request.

        Raises:
            InvalidArgument: One of the realms lives here.
            TimelineChanged: Another history stands here under its name; or a step does not follow.
            InvalidRealm: The name differs from another one's by case alone.
        """
        ...

    def depart(
        self,
        realm: RealmName,
        to: str,
        *,
        finish: Callable[[ReadView], None],
        deadline: float,
    ) -> Head:
        """
        Mark *realm* as moved to *to*, a URL without secrets, by compare-and-swap on the state that *finish* has seen.

        Hand edits are adopted first; warnings of the head that is returned tell of those that could not be.  *finish*
        is called on the newest state, and may be called again after a lost race, so what it does must bear that; what
        it raises is raised here, and nothing was marked.  Between its look and the marker nothing is appended to the
        realm, no receipt included.  A realm that is marked so already is left as it is, without a call.

        Raises:
            RealmNotFound: It was never written.
            RealmMoved: It is marked as moved elsewhere.
        """
        ...

    def arrive(self, realm: RealmName, *, digest: str, deadline: float) -> Head:
        """
        Let *realm* live here from now on: its head, which has this *digest*, is written on, watched and rendered.

        One that lives here already is left as it is.

        Raises:
            TimelineChanged: Its head is another one.
        """
        ...


def moving(store: Store) -> MovingStore | None:
    """*store* as one whose realms can move; None where they cannot."""
    return store if hasattr(store, "depart") else None  # type: ignore[return-value]


def key_name(key: bytes) -> str:
    """What a key of requests is called in other stores: 16 hex digits that tell nothing of it."""
    from hashlib import sha256

    return sha256(b"realmconf receipts\0" + key).hexdigest()[:16]


class FarStore(Protocol):
    """What a store offers besides where asking takes a while: a lineage in one question, and what was last heard of."""

    def lineage(self, realm: RealmName) -> Mapping[RealmName, Head]:
        """The newest heads of *realm* and of all that it depends on, of one point; identical ones while unchanged."""
        ...

    def remembered(self, realm: RealmName) -> Remembered:
        """What was last known of *realm*, kept up from now on; asked for only where nothing is known."""
        ...

    def remembered_age_seconds(self, realm: RealmName) -> float:
        """How long ago that was shown to be the newest."""
        ...

    def watched(self, realm: RealmName) -> Sight:
        """Keep up what is known of *realm* for one who watches it."""
        ...


def far(store: Store) -> FarStore | None:
    """*store* as one where asking takes a while; None where its heads are proved in memory, or read from a file."""
    return store if hasattr(store, "remembered") else None  # type: ignore[return-value]


class DecidingStore(FarStore, Protocol):
    """
    What a store offers besides that decides by itself: a server with schemas, secrets and rights of its own.

    Its callers may know less than it does; ``apply`` and ``rename``, for what is decided here, need every right.
    """

    def caller_name(self, *, deadline: float) -> str:
        """What the history calls whoever writes here without a name, asked for once; empty if it has none."""
        ...

    def judging_turn(
        self, realms: Sequence[RealmName], deadline: float
    ) -> AbstractContextManager[Callable[[], None]]:
        """
        Held by whoever decides on a point and then sends: those of this handle do so one after the other in each realm.

        What is given raises ``ForkedInTransaction`` in a child of the process that holds it: to be called before
        anything is sent.

        Raises:
            LockTimeout: It did not come in time.
            InvalidArgument: It is held by the caller itself.
        """
        ...

    def decide(
        self,
        writes: Sequence[Write],
        *,
        identities: Sequence[object] | None,
        standing: Mapping[RealmName, str] | None,
        deadline: float,
        dry_run: bool,
    ) -> Sequence[Decided] | None:
        """
        Let the store decide *writes*, all of one id, and carry them out together; asked once.

        *identities* are what makes each the same request, where the writes were made for one state; *standing* are
        the digests (empty: none) of the heads of that state.  None if one of them stands no more: nothing was done.

        Raises:
            OutcomeUnknown: It was sent, and no answer came.
            RealmconfError: It was refused, or could not be sent; nothing was changed.
        """
        ...

    def operate(self, method: str, path: str, arguments: Mapping[str, object]) -> object:
        """What the server answers on one of its public routes, as JSON: for what is not a store's to do."""
        ...


def deciding(store: Store) -> DecidingStore | None:
    """*store* as one that decides by itself; None where what is written to it is decided here."""
    return store if hasattr(store, "decide") else None  # type: ignore[return-value]


class DescribingStore(Protocol):
    """What a store offers besides that knows more of itself than its name and its paths."""

    def metadata(self, realm: RealmName) -> ConfigStoreMetadata:
        """
        What readers of *realm* are told of where it comes from; ``instance_id`` None is for the client to say.

        Asked for with every envelope: it waits for nothing, and what cannot be told is None, never an error.
        """
        ...


def description(store: Store, realm: RealmName) -> ConfigStoreMetadata:
    """What *store* says of itself to readers of *realm*: its name and paths, unless it is one that describes itself."""
    describe = getattr(store, "metadata", None)
    if describe is not None:
        described: ConfigStoreMetadata = describe(realm)
        return described
    paths = store.paths(realm)
    return ConfigStoreMetadata(
        realm_id=realm,
        backend=store.info.name,
        resolved_paths=ConfigResolvedPaths(**paths) if paths else None,
    )


class Trouble(Record):
    """One thing that is wrong or weak about a store's own files, and what to do about it."""

    level: str
    """note | warning | problem"""
    subject: str
    text: str
    advice: str = ""


class ExaminableStore(Protocol):
    """What a store offers besides that can be looked at from outside."""

    def examine(self) -> Iterator[Trouble]:
        """What is worth telling a person; changes nothing, and takes no lock."""
        ...


def examinable(store: Store) -> ExaminableStore | None:
    """*store* as one that can be looked at from outside; None where there is nothing to look at."""
    return store if hasattr(store, "examine") else None  # type: ignore[return-value]


class WorkingCopyStore(Protocol):
    """What a store with working copies offers besides."""

    def working_copy(self, realm: RealmName) -> WorkingCopyState:
        """Look at the file now and say what it means; changes nothing."""
        ...

    def publish(self, realm: RealmName | None = None) -> None:
        """
        Render what is pending now, in this thread (all realms if none is named).

        Never raises for a failed rendering: see ``working_copy``.
        """
        ...

    def restyle(self, realm: RealmName, text: str, *, deadline: float) -> None:
        """
        Let renderings from now on keep the comments, order and layout of *text*; what it states does not matter.

        For a document that somebody wrote as a text: the comments they added are in the file then.
        """
        ...

    def resolve(
        self,
        realm: RealmName,
        judge: Callable[[ReadView], Sequence[Judgement]],
        *,
        deadline: float,
        shown: Collection[str] | None = None,
    ) -> Sequence[Applied]:
        """
        Like ``apply``, and settles a contested or broken file with it: what the file says, and what was set
        aside of it, is done with.

        *shown* (of a ``WorkingCopyState``) limits that to what somebody has seen: what was saved since stays,
        and is told of.  Without it a broken file, and what stands beside the file, are settled as they are found.
        """
        ...


class WorkingCopyState(Record):
    """
    What the file means: one word of the protocol's table, and what a person needs to act on it.

    ``state``: clean stale saving absent broken refused restored edited contested moved none
    """

    realm: RealmName
    path: str
    state: str
    generation: int = 0
    """The head's."""
    file_generation: int | None = None
    """What the file's first line names."""
    reason: str = ""
    line: int | None = None
    column: int | None = None
    contested: tuple[str, ...] = ()
    """Overlapping pointers."""
    kept: tuple[str, ...] = ()
    """Files set aside with somebody's edit in them."""
    base_text: str | None = None
    mine_text: str | None = None
    shown: tuple[str, ...] = ()
    """What this state tells of and ``resolve`` would settle, each as a mark of its content; ``mine_text`` first."""
