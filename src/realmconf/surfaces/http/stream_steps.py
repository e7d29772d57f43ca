"""
The steps of one view of one realm for all streams that show them alike: read once, encoded once, sent to each.

Decides what is read when, and where a stream can go on without the store being asked.  Reading and encoding happen
in worker threads; everything else on the event loop.
"""

from __future__ import annotations

import asyncio
from collections import deque
from contextlib import suppress
from itertools import islice
from typing import TYPE_CHECKING, Any, NamedTuple

from realmconf.domain.revision import DIGEST_SHOWN
from realmconf.runtime.follow import Start, follower_of, parse_after
from realmconf.runtime.hub import awaiting_adoption
from realmconf.runtime.lineages import etag_of
from realmconf.runtime.operations.results import Step
from realmconf.runtime.snapshot import EFFECTIVE_PREFIX
from realmconf.surfaces import answers
from realmconf.surfaces.http.stream_events import Event, bookmark, event, part

if TYPE_CHECKING:
    from collections.abc import Callable
    from concurrent.futures import Executor

    from realmconf.domain.names import RealmName
    from realmconf.domain.write import Expected
    from realmconf.runtime.operations.session import Session
    from realmconf.surfaces.http.stream_reader import Reader

EVENTS_AT_ONCE = 32
BYTES_AT_ONCE = 256 * 1024
"""What is read and encoded in one visit to a thread, and sent in one part: up to the event that exceeds it."""

EVENTS_KEPT = 256
BYTES_KEPT = 256 * 1024
"""The newest events, for who was away for a moment or reads slowly; what is older is read from history."""


class Batch(NamedTuple):
    """Steps that were read together."""

    events: list[Event]
    cursor: str
    """Where it goes on after them."""
    is_all: bool
    """Whether there was nothing more."""


class Steps:
    """
    One view of one realm, as it is shown to those who may read the same realms, with or without the right to secrets.

    ``session`` is one with exactly those rights.  To be used on one event loop only.
    """

    def __init__(
        self,
        session: Session,
        realm: RealmName,
        view: str,
        *,
        threads: Executor,
        failed: Callable[[Steps, Exception], None],
    ) -> None:
        self.realm = realm
        self.view = view
        self.shows_secrets = session.shows_secrets
        self.shown_to = session.grant.realms
        self.readers: set[Reader] = set()
        self.current: dict[Reader, None] = {}
        """Those that have had everything and wait for more, in the order in which they came."""
        self._session = session
        self._threads = threads
        self._failed = failed
        self._loop = asyncio.get_running_loop()
        self._follower = self._follower_at(Start())
        self._seen: Any = None
        self._is_due = False
        self._task: asyncio.Task[None] | None = None
        self._waiting: list[asyncio.Future[None]] = []
        # Events are numbered from 0 on; ``_first`` is the number of the oldest that is kept.
        self._kept: deque[Event] = deque()
        self._kept_bytes = 0
        self._first = 0
        self.cursor = self._follower.cursor
        self._places = {self.cursor: 0}

    # --- where a stream goes on ---------------------------------------------------------

    @property
    def end(self) -> int:
        """The place after the newest event."""
        return self._first + len(self._kept)

    def place_of(self, cursor: str) -> int | None:
        """The place after the step that *cursor* names; None: it is not among the newest."""
        return self._places.get(cursor)

    def is_kept(self, place: int) -> bool:
        """Whether everything after *place* is at hand."""
        return place >= self._first

    def after(self, place: int) -> Batch:
        """Events from *place* on, which is kept, as many as are sent at once."""
        events: list[Event] = []
        size = 0
        for one in islice(self._kept, place - self._first, None):
            if len(events) >= EVENTS_AT_ONCE or size >= BYTES_AT_ONCE:
                return Batch(events, events[-1].cursor, is_all=False)
            events.append(one)
            size += len(one.text)
        return Batch(events, self.cursor, is_all=True)

    def bookmark(self) -> bytes:
        """Says where a stream stands that has had everything."""
        return bookmark(self.realm, self.cursor)

    def start_at(self, cursor: str) -> Start:
        """The start that *cursor*, one of this view, names."""
        return parse_after(self.realm, cursor, view=self.view, limits=self._session.client.limits)

    async def history(self, start: Start) -> Batch:
        """
        What came after *start*, or a reset, from the store itself.

        Raises:
            RealmconfError: It cannot be told now.
        """

        def read() -> Batch:
            return self._read(self._follower_at(start))

        return await self._loop.run_in_executor(self._threads, read)

    # --- going on ----------------------------------------------------------------------------

    def look(self) -> None:
        """Something was committed somewhere: if it concerns this view, read and send it."""
        try:
            self._look()
        except Exception as failure:  # noqa: BLE001 - told to whoever made this
            self._failed(self, failure)

    async def catch_up(self) -> None:
        """
        Return when all that was committed before this call is among the events.

        Raises:
            RealmconfError: It cannot be read.
        """
        if self._follower.sight is None:
            self._look()
        else:
            # What was heard may be a little old; only the store itself tells all that was committed before.
            self._begin()
        if self._task is not None:
            done = self._loop.create_future()
            self._waiting.append(done)
            await done

    def close(self) -> None:
        """Read nothing more."""
        self._follower.close()
        if self._task is not None:
            self._task.cancel()

    def _look(self) -> None:
        sight = self._follower.sight
        if sight is not None:
            # Asking takes a while: not on the loop, and not where what was heard is what it was.
            heard = sight.seen()
            if heard is None or heard is not self._seen:
                self._seen = heard
                self._begin()
            return
        seen = self._follower.look()
        for realm in awaiting_adoption(seen):
            # If the edit is adopted, the commit is the next hint.
            adopted = self._loop.run_in_executor(
                self._threads, self._session.client.store.head, realm
            )
            adopted.add_done_callback(_seen_to)
        if seen is not self._seen:
            self._seen = seen
            self._begin()

    def _begin(self) -> None:
        self._is_due = True
        if self._task is None:
            self._task = self._loop.create_task(self._go_on())

    async def _go_on(self) -> None:
        waiting: list[asyncio.Future[None]] = []
        try:
            while self._is_due or self._waiting:
                # Who comes while something is being read waits for what is read after that.
                waiting += self._waiting
                self._waiting.clear()
                self._is_due = False
                batch = await self._loop.run_in_executor(self._threads, self._read, self._follower)
                self._send(batch)
                if batch.is_all:
                    _settle(waiting, None)
                else:
                    self._is_due = True
        except Exception as failure:  # noqa: BLE001 - told to whoever made this
            self._failed(self, failure)
            _settle(waiting + self._waiting, failure)
        finally:
            self._task = None
            for one in waiting + self._waiting:
                one.cancel()

    def _send(self, batch: Batch) -> None:
        self.cursor = batch.cursor
        if not batch.events:
            self._places.setdefault(self.cursor, self.end)
            return
        for one in batch.events:
            self._kept.append(one)
            self._kept_bytes += len(one.text)
            # In the order of their places also where a store went back to an earlier point.
            self._places.pop(one.cursor, None)
            self._places[one.cursor] = self.end
        while len(self._kept) > EVENTS_KEPT or self._kept_bytes > BYTES_KEPT:
            self._forget()
        message = part(b"".join(one.text for one in batch.events))
        now = self._loop.time()
        for reader in list(self.current):
            reader.tell(message, now)

    def _forget(self) -> None:
        """Let the oldest event go; a cursor before it is one for the store from then on."""
        self._kept_bytes -= len(self._kept.popleft().text)
        self._first += 1
        oldest = next(iter(self._places))
        if self._places[oldest] < self._first:
            del self._places[oldest]

    # --- in a worker thread --------------------------------------------------------------------

    def _follower_at(self, start: Start) -> Any:
        handle = self._session.realm(self.realm)
        return follower_of(
            self._session.client,
            handle.source,
            self.realm,
            start,
            view=self.view,
            adopt=False,
            page=EVENTS_AT_ONCE,
        )

    def _read(self, follower: Any) -> Batch:
        events: list[Event] = []
        size = 0
        # Looked at here, since a follower must not be shown an older look than the last.
        seen = follower.look()
        while len(events) < EVENTS_AT_ONCE and size < BYTES_AT_ONCE:
            snapshot = follower.read(seen)
            if snapshot is None:
                cursor = events[-1].cursor if events else follower.cursor
                return Batch(events, cursor, is_all=True)
            if snapshot.reset:
                seen = follower.look()
            step = Step(realm=self.realm, view=self.view, snapshot=snapshot, cursor=snapshot.cursor)
            events.append(event(answers.step(self._session, step)))
            size += len(events[-1].text)
        return Batch(events, events[-1].cursor, is_all=False)


def cursor_of(start: Start) -> str | None:
    """*start* in the form in which events name their places; None: it names none so."""
    if start.members is not None:
        marks = [f"{name}@{_mark(one)}" for name, one in start.members.items()]
        return EFFECTIVE_PREFIX + ",".join(marks)
    if start.own is None or (start.own.digest is None and start.own.generation):
        return None
    return _mark(start.own)


def _mark(place: Expected) -> str:
    if place.digest is None:
        return etag_of(None)
    return f"{place.generation}-{place.digest[:DIGEST_SHOWN]}"


def _settle(waiting: list[asyncio.Future[None]], failure: Exception | None) -> None:
    for one in waiting:
        if one.done():
            continue
        if failure is None:
            one.set_result(None)
        else:
            one.set_exception(failure)
    waiting.clear()


def _seen_to(adopting: asyncio.Future[Any]) -> None:
    # What is in the way of it is said to the next one who reads.
    with suppress(asyncio.CancelledError):
        adopting.exception()
