"""
A database engine as a store: the methods of the contract, over a ledger.

Decides what readers are given and who is woken when; how a write is carried out is ``attempt``'s and ``sending``'s.
What a write means is judged by its caller; that it lands on what it was judged on is the ledger's.
"""

from __future__ import annotations

import os
import time
import weakref
from contextlib import contextmanager
from functools import partial

from realmconf.domain.lineage import resolve
from realmconf.domain.names import GLOBAL
from realmconf.errors import OutcomeUnknown, StoreReadOnly, StoreUnavailable
from realmconf.stores import archiving
from realmconf.stores.bell import Bells
from realmconf.stores.engine.arriving import arrival_of
from realmconf.stores.engine.attempt import Attempt
from realmconf.stores.engine.following import Following
from realmconf.stores.engine.hearing import Hearing
from realmconf.stores.engine.leaving import Departure, opening_of
from realmconf.stores.engine.ledger import LostAnswerError
from realmconf.stores.engine.noting import Noting
from realmconf.stores.engine.packing import pack
from realmconf.stores.engine.parting import parts_of
from realmconf.stores.engine.sending import LOST, Sending
from realmconf.stores.followed import Followed, FollowedSight
from realmconf.stores.protocol import Head, key_name
from realmconf.stores.turns import Turns

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping, Sequence

    from realmconf.domain.document import Document
    from realmconf.domain.names import Limits, RealmName
    from realmconf.domain.revision import Revision
    from realmconf.stores.bell import HungBell
    from realmconf.stores.engine.known import Known
    from realmconf.stores.engine.ledger import Ledger, LedgerView, News, Row
    from realmconf.stores.protocol import (
        Applied,
        Arrival,
        Compaction,
        Judgement,
        Proof,
        ReadView,
        Receipt,
        Remembered,
    )

    Judge = Callable[[ReadView], Sequence[Judgement]]

AT_ONCE_REALMS = 16
"""So many may hear of a write from the thread that brings everybody's answers as well."""
REALMS_AT_ONCE = 256
"""In one question, on behalf of all who watch."""
ANSWERS_KEPT = 4_096

_stores: weakref.WeakSet[EngineStore] = weakref.WeakSet()


class _Answer:
    """What was answered of a realm and all that it depends on; what is the same rows is the same answer."""

    __slots__ = ("_rows", "heads", "position")

    def __init__(self, rows: Mapping[RealmName, Row]) -> None:
        self._rows = list(rows.items())
        self.heads = {name: row.head for name, row in self._rows}
        self.position = max(row.version for _, row in self._rows)

    def is_of(self, rows: Mapping[RealmName, Row]) -> bool:
        return all(rows.get(name) is row for name, row in self._rows)


class EngineStore:
    """One handle on an engine; see ``Store``, ``FarStore`` and ``MovingStore`` in the protocol for the contract."""

    def __init__(self, ledger: Ledger, known: Known, *, limits: Limits, read_only: bool) -> None:
        self._ledger = ledger
        self._known = known
        self._sending = Sending(ledger, known, on_sent=self._sent)
        self._limits = limits
        self._read_only = read_only
        self._closed = False
        self._contended: set[RealmName] = set()
        """Realms in which we were overtaken by others: the next write asks first."""
        self.url = ledger.url
        self.info = ledger.info
        self._bells = Bells()
        self._followed = Followed()
        self._answers: dict[RealmName, _Answer] = {}
        if hasattr(ledger, "on_news"):
            ledger.on_news = self._told_at_once
        self._begin()
        _stores.add(self)

    def _begin(self) -> None:
        self._turns = Turns()
        self._hearing = Hearing(self._followed, self._known, self._limits)
        self._heard: tuple[News, Sequence[RealmName]] | None = None
        """What was heard by whoever could not ask, and whom to ask for."""
        self._following = Following(self._ledger, on_hint=self._hinted, on_beat=self._beat)
        self._newest = -1
        """The store's newest version at the last beat, and since when it is."""
        self._newest_at = 0.0

    # --- what it is --------------------------------------------------------------------------

    def request_key(self) -> bytes:
        """See the protocol."""
        self._check_open()
        return self._ledger.request_key()

    def paths(self, realm: RealmName) -> Mapping[str, str]:
        """See the protocol: nothing of it is on this machine."""
        return {}

    # --- reading -----------------------------------------------------------------------------

    def head(self, realm: RealmName, *, adopt: bool = True) -> Head:
        """See the protocol: one question to the engine."""
        self._check_open()
        return self._ledger.rows([realm])[realm].head

    def peek(self, realm: RealmName) -> Head | None:
        """See the protocol: nothing is proved without asking."""
        return None

    def proof(self, realms: Sequence[RealmName]) -> Proof | None:
        """See the protocol: nothing is proved without asking."""
        return None

    def lineage(self, realm: RealmName) -> Mapping[RealmName, Head]:
        """See ``FarStore``: one question, as long as the realm has the parents that it had."""
        self._check_open()
        if not self._bells.is_empty:
            # Those who watched before a fork are told of what comes after it.
            self._following.start()
        asked_at = time.monotonic()
        names = {*self._known.chain(realm), GLOBAL}
        rows = self._ledger.rows(list(names))
        heads = self._noted(realm, rows, asked_at)
        while heads is None:
            # It has another parent than was known.
            if self._ledger.info.reads == "stale":
                # Not by a view, which wants the newest and may not have it; of one point they are all the same.
                names.update(self._chain(realm, rows))
                rows = self._ledger.rows(list(names))
            else:
                rows = self._rows_at_once(realm)
            heads = self._noted(realm, rows, asked_at)
        return heads

    def _rows_at_once(self, realm: RealmName) -> Mapping[RealmName, Row]:
        """The rows of all that *realm* depends on, whatever was known of that, at one point."""
        rows: dict[RealmName, Row] = {}
        missing: Sequence[RealmName] = [realm, GLOBAL]
        with self._ledger.view() as view:
            while missing:
                rows.update(view.rows(missing))
                missing = [name for name in self._chain(realm, rows) if name not in rows]
        return rows

    def _noted(
        self, realm: RealmName, rows: Mapping[RealmName, Row], asked_at: float
    ) -> Mapping[RealmName, Head] | None:
        """The heads of all that *realm* depends on, kept for readers; None if *rows* do not have them all."""
        last = self._answers.get(realm)
        if last is None or not last.is_of(rows):
            watched = self._chain(realm, rows)
            if any(name not in rows for name in watched):
                return None
            self._known.note_chain(realm, watched)
            last = _Answer({name: rows[name] for name in watched})
            if len(self._answers) >= ANSWERS_KEPT:
                self._answers.clear()
            self._answers[realm] = last
        self._followed.note(realm, last.heads, position=last.position, asked_at=asked_at)
        return last.heads

    def _chain(self, realm: RealmName, rows: Mapping[RealmName, Row]) -> tuple[RealmName, ...]:
        """Those that *realm* depends on as far as *rows* tell; perhaps with one at the end that they do not have."""

        def head_of(name: RealmName) -> Head:
            row = rows.get(name)
            return Head(realm=name, revision=None) if row is None else row.head

        return tuple(resolve(realm, head_of, limits=self._limits).watched)

    def remembered(self, realm: RealmName) -> Remembered:
        """See ``FarStore``."""
        self._check_open()
        if not self._followed.follow(realm):
            # Whatever comes between this and the first hint is told by that.
            self._following.start()
            self.lineage(realm)
        return self._followed.remembered(realm)

    def remembered_age_seconds(self, realm: RealmName) -> float:
        """See ``FarStore``."""
        while True:
            self.remembered(realm)
            age_seconds = self._followed.age_seconds(realm)
            if age_seconds is not None:
                return age_seconds

    def watched(self, realm: RealmName) -> FollowedSight:
        """See ``FarStore``."""
        self._check_open()
        self._following.start()
        return self._followed.watch(realm)

    @contextmanager
    def view(self) -> Iterator[LedgerView]:
        """See the protocol; the point is that of the first question."""
        self._check_open()
        with self._ledger.view() as view:
            yield view

    # --- writing -----------------------------------------------------------------------------

    def apply(
        self,
        realms: Sequence[RealmName],
        judge: Judge,
        *,
        deadline: float,
        groupable: bool = True,
        precheck: Callable[[ReadView], None] | None = None,
    ) -> Sequence[Applied]:
        """
        See the protocol: judged on a point, first perhaps on one from memory, and again until it is the newest.

        What a judgement raises on a point from memory is no refusal: it is judged once more on the newest.
        """
        return self._write(realms, judge, deadline=deadline, renamed=None)

    def rename(
        self, old: RealmName, new: RealmName, judge: Judge, *, deadline: float
    ) -> Sequence[Applied]:
        """See the protocol."""
        return self._write((old, new), judge, deadline=deadline, renamed=(old, new))

    def _write(
        self,
        realms: Sequence[RealmName],
        judge: Judge,
        *,
        deadline: float,
        renamed: tuple[RealmName, RealmName] | None,
    ) -> Sequence[Applied]:
        self._check_writable()
        with self._turns.held(realms, deadline) as refuse_child:
            return Attempt(
                self._sending,
                realms,
                judge,
                renamed=renamed,
                contended=self._contended,
                refuse_child=refuse_child,
                on_written=self._written,
                deadline=deadline,
            ).carried_out()

    def _sent(self, realms: Collection[RealmName]) -> None:
        # Whoever watches hears of it from the engine, as everybody does, unless what it made is at hand below.
        self._followed.doubt(realms)

    def _written(self, rows: Mapping[RealmName, Row], sent_at: float) -> None:
        """What was judged on and written stood together, so that whoever depends on it need not ask."""
        for realm in self._followed.concerned(rows):
            watched = self._chain(realm, rows)
            if realm in rows and all(name in rows for name in watched):
                self._known.note_chain(realm, watched)
                self._followed.wrote(
                    realm,
                    {name: rows[name].head for name in watched},
                    position=max(rows[name].version for name in watched),
                    sent_at=sent_at,
                )
        self._bells.ring(rows)

    def void(self, realm: RealmName, write_id: str, *, deadline: float) -> Receipt:
        """See the protocol."""
        self._check_writable()
        return self._sending.void(realm, write_id, deadline=deadline)

    # --- watching ----------------------------------------------------------------------------

    def signal(self, realms: Sequence[RealmName]) -> HungBell:
        """See the protocol: one thread of the store rings them all, and all of them once it listens."""
        self._check_open()
        signal = self._bells.add(realms)
        self._following.start()
        return signal

    def _told_at_once(self, news: News) -> bool:
        """
        Wake who watches, if *news* tells enough; else whoever may ask is to come back with it.

        Called by a thread that must not wait, while the one that listens does: a wake-up of that one less.
        """
        if self._ledger.info.reads == "stale":
            # What any replica takes for the newest is no ground to go on from.
            return False
        if self._followed.number_concerned(news.realms) > AT_ONCE_REALMS:
            # Nobody's answer comes in while each of them is gone through.
            return False
        untold = self._hearing.hear(news)
        if untold:
            self._heard = (news, untold)
            return False
        self._bells.ring(news.realms)
        return True

    def _untold(self, news: News) -> Sequence[RealmName]:
        """Whom *news* concerns without telling enough."""
        heard, self._heard = self._heard, None
        if heard is not None and heard[0] is news:
            return heard[1]
        return self._hearing.hear(news)

    def _hinted(self, heard: Sequence[News] | None) -> None:
        """Bring up to date what is remembered of those that *heard* concerns, or of all; then wake who watches."""
        if heard is None:
            self._heard = None
            self._hearing.begin()
            self._look_at(self._followed.realms)
            self._bells.ring()
            return
        told_of = {realm for news in heard for realm in news.realms}
        if self._ledger.info.reads == "stale":
            # What was answered may lack what was committed before it was asked for.
            self._look_at(self._followed.concerned(told_of))
        else:
            untold = {realm: None for news in heard for realm in self._untold(news)}
            self._look_at(list(untold))
        self._bells.ring(told_of)

    def _beat(self, newest: int, asked_at: float, answered_at: float) -> None:
        if newest != self._newest:
            self._newest, self._newest_at = newest, answered_at
            # As a rule hints have told of it; if not, this does. What they tell next shows whether one is missing.
            self._look_at(self._followed.realms)
            self._bells.ring()
            return
        late = self._followed.note_unchanged(since=self._newest_at, at=asked_at)
        if late:
            self._look_at(late)
            self._bells.ring()

    def _look_at(self, realms: Sequence[RealmName]) -> None:
        """Bring what is remembered of *realms* up to date: a question for many, as long as no parents have changed."""
        for first in range(0, len(realms), REALMS_AT_ONCE):
            some = realms[first : first + REALMS_AT_ONCE]
            try:
                self._look_at_once(some)
            except Exception:  # noqa: BLE001 - whatever it is, whoever asks is told
                # What is remembered only gets older, which its age tells; and watchers ask for themselves.
                self._followed.miss(some)

    def _newest_rows(self, names: Sequence[RealmName]) -> Mapping[RealmName, Row]:
        """The rows of *names*, the newest also where readers are content with less: by these watchers are told."""
        if self._ledger.info.reads != "stale":
            return self._ledger.rows(names)
        with self._ledger.view() as view:
            return view.rows(names)

    def _look_at_once(self, realms: Sequence[RealmName]) -> None:
        chains = {realm: self._known.chain(realm) for realm in realms}
        while chains:
            asked_at = time.monotonic()
            names = {GLOBAL: None, **{name: None for chain in chains.values() for name in chain}}
            rows = self._newest_rows(list(names))
            # Of those that have other parents than were known all is asked again, so that it is of one point.
            chains = {
                realm: self._chain(realm, rows)
                for realm in chains
                if self._noted(realm, rows, asked_at) is None
            }

    # --- housekeeping ------------------------------------------------------------------------

    def compact(self, realm: RealmName, *, floor: int, deadline: float) -> Compaction:
        """See the protocol."""
        self._check_writable()
        try:
            return self._ledger.compact(realm, floor=floor, deadline=deadline)
        except LostAnswerError as lost:
            raise OutcomeUnknown(None, realm=realm, reason=LOST) from lost
        finally:
            self._known.forget(realm)
            self._sent([realm])

    def purge(
        self, realm: RealmName, generation: int, *, document: object, deadline: float
    ) -> Revision:
        """See the protocol."""
        self._check_writable()
        while True:
            with self._ledger.view(deadline=deadline) as view:
                purged = view.revision(realm, generation).replace(
                    document=document, salt="", purged=True
                )
            try:
                if self._ledger.purge(realm, purged, pack(purged), deadline=deadline):
                    return purged
                # It was compacted in between, which the next look tells.
            except LostAnswerError as lost:
                raise OutcomeUnknown(None, realm=realm, reason=LOST) from lost
            finally:
                self._known.forget(realm)
                self._bells.ring()

    # --- moving ------------------------------------------------------------------------------

    def request_keys(self) -> Mapping[str, bytes]:
        """See ``MovingStore``."""
        self._check_open()
        own = self._ledger.request_key()
        return {key_name(own): own, **self._ledger.keys()}

    def receipts(
        self,
        realm: RealmName,
        *,
        since: int = 0,
        after: str | None = None,
        limit: int | None = None,
    ) -> Sequence[Receipt]:
        """See ``MovingStore``."""
        self._check_open()
        with self._ledger.view() as view:
            return view.receipts(realm, since=since, after=after, limit=limit)

    def receive(self, arrival: Arrival, *, deadline: float) -> None:
        """See ``MovingStore``."""
        self._check_writable()
        parts = list(parts_of(arrival, getattr(self._ledger, "arrives_at_once", None)))
        if len(parts) > 1:
            # What is refused is refused as a whole.
            with self._ledger.view(deadline=deadline) as view:
                arrival_of(arrival, Noting(self._known, view))
        for part in parts:
            self._sending.until_done(partial(arrival_of, part), deadline=deadline)

    def depart(
        self,
        realm: RealmName,
        to: str,
        *,
        finish: Callable[[ReadView], None],
        deadline: float,
    ) -> Head:
        """See ``MovingStore``."""
        self._check_writable()
        departure = Departure(realm, to, finish)
        self._sending.until_done(departure.changes, deadline=deadline, realm=realm)
        if departure.is_unfinished:
            try:
                with self._ledger.view() as view:
                    finish(view)
            except BaseException:
                self._sending.until_done(departure.returning, deadline=deadline, realm=realm)
                raise
        return self.head(realm)

    def arrive(self, realm: RealmName, *, digest: str, deadline: float) -> Head:
        """See ``MovingStore``."""
        self._check_writable()
        self._sending.until_done(partial(opening_of, realm, digest), deadline=deadline, realm=realm)
        return self.head(realm)

    # --- copies ------------------------------------------------------------------------------

    def backup(self, path: str) -> None:
        """See the protocol."""
        with self.view() as view:
            archiving.write_backup(path, view, store=self.info.name)

    def revisions_in(self, path: str) -> Iterator[Revision]:
        """See the protocol."""
        for entry in archiving.entries_in(path):
            yield entry.revision

    def schemas_in(self, path: str) -> Mapping[RealmName, Mapping[str, Document]]:
        """See the protocol."""
        return archiving.schemas_in(path)

    # --- the end, and forks --------------------------------------------------------------------

    def close(self) -> None:
        """See the protocol."""
        if self._closed:
            return
        self._closed = True
        self._followed.forget()
        self._bells.close()
        self._ledger.close()
        self._following.stop()

    def after_fork_in_child(self) -> None:
        """A new life: connections, thread and locks are the parent's."""
        self._ledger.after_fork_in_child()
        self._turns.after_fork_in_child()
        self._followed.after_fork_in_child()
        self._bells.after_fork_in_child()
        self._begin()

    def _check_open(self) -> None:
        if self._closed:
            raise StoreUnavailable("this client is closed", retryable=False)

    def _check_writable(self) -> None:
        self._check_open()
        if self._read_only:
            raise StoreReadOnly("this handle was opened for reading only")


def _after_fork_in_child() -> None:
    for store in list(_stores):
        store.after_fork_in_child()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork_in_child)
