"""
Event streams: what changes in a realm, as server-sent events, to as many readers as a process admits.

Decides who may have a stream, and when it ends: with its token, with the right to read, with a reader that does not
read, with the server.  Each process has one subscription to the store for all of them, and one clock.
"""

from __future__ import annotations

import asyncio
import logging
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any

from realmconf.errors import RateLimited, RealmMoved, StoreUnavailable, Unauthenticated
from realmconf.runtime.access import EVERYWHERE, Grant
from realmconf.runtime.hub import Hub
from realmconf.runtime.operations import reading
from realmconf.runtime.operations.session import Session
from realmconf.surfaces.http.stream_connection import transport_of
from realmconf.surfaces.http.stream_events import START, part
from realmconf.surfaces.http.stream_limits import STREAM_LIMITS, StreamLimits, end_stuck, say_alive
from realmconf.surfaces.http.stream_reader import Reader
from realmconf.surfaces.http.stream_steps import Steps, cursor_of
from realmconf.surfaces.http.stream_waits import Bell, Waiter, may_see

if TYPE_CHECKING:
    from collections.abc import Iterator

    from starlette.types import Receive, Scope, Send

    from realmconf.domain.names import RealmName
    from realmconf.runtime.client import Client
    from realmconf.runtime.operations.results import Watching
    from realmconf.runtime.tokens import Tokens

THREADS_MAX = 2
TICK_SECONDS = 1.0
LOG = logging.getLogger("realmconf")


class Streams:
    """
    The event streams of one process, on one event loop; to be made there.

    The streams of readers who see the same of the same view share what is read and encoded for them.  *hub* is the
    process's subscription to the store, and not closed with them.
    """

    def __init__(
        self,
        client: Client,
        tokens: Tokens,
        *,
        hub: Hub | None = None,
        limits: StreamLimits = STREAM_LIMITS,
    ) -> None:
        self._tokens = tokens
        self._limits = limits
        self._loop = asyncio.get_running_loop()
        self._threads = ThreadPoolExecutor(THREADS_MAX, thread_name_prefix="realmconf-stream")
        self._bell = Bell(client)
        self._hub = Hub(client.store, self._loop) if hub is None else hub
        self._owns_hub = hub is None
        self._listening: asyncio.Task[None] | None = None
        self._ticking: asyncio.TimerHandle | None = None
        self._client = client
        self._steps: dict[tuple[RealmName, str, bool, tuple[str, ...]], Steps] = {}
        self._by_token: dict[str, set[Reader | Waiter]] = {}
        self._count = 0
        self._closed = False

    def __len__(self) -> int:
        """How many are open."""
        return self._count

    async def watch(
        self, scope: Scope, receive: Receive, send: Send, *, session: Session, watching: Watching
    ) -> None:
        """
        Answer one request with the steps of *watching*, until its reader goes or the stream is ended.

        ``Last-Event-ID`` says better than *watching* where it starts.  What is raised is raised before anything is
        sent.

        Raises:
            RateLimited: There are too many streams already, or too many of this token.
            InvalidArgument: ``Last-Event-ID`` is no cursor of this view.
            Unauthenticated: The token has ended meanwhile.
            StoreError: It cannot be read; or the server ends.
        """
        resumed = _last_event_id(scope)
        if resumed:
            watching = reading.watch(
                session, realm=watching.realm, view=watching.view, after=resumed
            )
        if scope["method"] == "HEAD":
            await send(START)
            await send(part(b"", more=False))
            return
        reader = self._admit(session, watching, send, transport_of(scope))
        try:
            first = await reader.begin(watching.start, cursor_of(watching.start))
            if reader.is_over:
                self._refuse_if_closed()
                raise Unauthenticated("the token is not good any more")
            await reader.serve(receive, first)
        finally:
            self._release(reader)

    async def close(self) -> None:
        """
        End every stream at once, each with a last bookmark; whoever asks for one from now on is refused.

        After return no thread of this reads the store.  Idempotent.
        """
        self._closed = True
        for reader in self._readers():
            reader.end()
        for steps in self._steps.values():
            steps.close()
        if self._owns_hub:
            self._hub.close()
        if self._listening is not None:
            self._listening.cancel()
        if self._ticking is not None:
            self._ticking.cancel()
        await self._loop.run_in_executor(None, partial(self._threads.shutdown, cancel_futures=True))

    # --- coming and going -------------------------------------------------------------------

    def _admit(
        self,
        session: Session,
        watching: Watching,
        send: Send,
        transport: asyncio.Transport | None,
    ) -> Reader:
        self._check(session)
        steps = self._steps_of(watching.realm, watching.view, session.grant)
        reader = Reader(steps, send, transport, token_id=session.grant.id)
        self._count_in(reader)
        return reader

    @contextmanager
    def waiting(self, session: Session, realm: RealmName) -> Iterator[asyncio.Event]:
        """
        Count somebody who waits for one step of *realm*; the event is set when their token no longer lets them.

        Raises:
            RateLimited: There are too many streams and waits already, or too many of this token.
            Unauthenticated: The token has ended meanwhile.
            StoreError: The tokens cannot be read; or the server ends.
        """
        self._check(session)
        waiter = Waiter(realm, shows_secrets=session.shows_secrets, token_id=session.grant.id)
        self._count_in(waiter)
        try:
            yield waiter.ended
        finally:
            self._count_out(waiter)

    def _check(self, session: Session) -> None:
        self._refuse_if_closed()
        token_id = session.grant.id
        wait = self._limits.retry_after_seconds
        if self._count >= self._limits.total:
            raise RateLimited("open streams", retry_after_seconds=wait)
        if token_id and len(self._by_token.get(token_id, ())) >= self._limits.of_one_token:
            raise RateLimited("open streams of one token", retry_after_seconds=wait)
        self._listen()
        # After the subscription to its end, and before the next look at it.
        if token_id and not self._tokens.is_good(token_id):
            raise Unauthenticated("the token is not good any more")

    def _count_in(self, one: Reader | Waiter) -> None:
        self._by_token.setdefault(one.token_id, set()).add(one)
        self._count += 1

    def _count_out(self, one: Reader | Waiter) -> None:
        self._count -= 1
        of_token = self._by_token[one.token_id]
        of_token.discard(one)
        if not of_token:
            del self._by_token[one.token_id]

    def _refuse_if_closed(self) -> None:
        if self._closed or self._hub.closed:
            raise StoreUnavailable("this server is ending: ask again in a moment")

    def _release(self, reader: Reader) -> None:
        self._count_out(reader)
        reader.leave()
        steps = reader.steps
        if not steps.readers:
            self._drop(steps)

    def _steps_of(self, realm: RealmName, view: str, grant: Grant) -> Steps:
        shown = _reader_grant(grant, view)
        key = (realm, view, shown.sees_secrets, shown.realms)
        found = self._steps.get(key)
        if found is None:
            found = self._steps[key] = Steps(
                Session(self._client, shown, surface="http"),
                realm,
                view,
                threads=self._threads,
                failed=self._failed,
            )
        return found

    def _drop(self, steps: Steps) -> None:
        key = (steps.realm, steps.view, steps.shows_secrets, steps.shown_to)
        if self._steps.get(key) is steps:
            del self._steps[key]
        steps.close()

    def _readers(self) -> list[Reader]:
        return [reader for steps in self._steps.values() for reader in steps.readers]

    def _failed(self, steps: Steps, failure: Exception) -> None:
        """End the streams of a view that cannot be read now; their readers ask again, which says why."""
        if isinstance(failure, RealmMoved):
            LOG.info("the streams of realm %s were ended: it lives elsewhere", steps.realm)
        else:
            LOG.error("the streams of realm %s were ended", steps.realm, exc_info=failure)
        self._drop(steps)
        for reader in list(steps.readers):
            reader.end()

    # --- what wakes them ------------------------------------------------------------------------

    def _listen(self) -> None:
        if self._listening is None:
            self._listening = self._loop.create_task(self._heed(self._hub))
        if self._ticking is None:
            self._ticking = self._loop.call_later(TICK_SECONDS, self._tick)

    async def _heed(self, hub: Hub) -> None:
        """At every hint, look at the tokens and at every view that somebody reads."""
        tokens: Any = None
        while not hub.closed:
            future = hub.wait(self._bell)
            try:
                look = await future
            except Exception as failure:  # noqa: BLE001 - in the log
                self._end_all(failure)
                continue
            finally:
                hub.leave(self._bell, future)
            if look is None:
                break
            if look.seen is not tokens:
                tokens = look.seen
                self._check_rights()
            for steps in list(self._steps.values()):
                steps.look()
        for reader in self._readers():
            reader.end()

    def _tick(self) -> None:
        self._ticking = None
        if self._closed or not self._count:
            return
        self._ticking = self._loop.call_later(TICK_SECONDS, self._tick)
        self._check_rights()
        now = self._loop.time()
        for steps in list(self._steps.values()):
            end_stuck(steps, self._limits, now)
            say_alive(steps, self._limits, now)

    def _check_rights(self) -> None:
        """End the streams of tokens that are no longer good, or no longer good for that."""
        try:
            for token_id, readers in list(self._by_token.items()):
                if not token_id:
                    continue
                grant = self._tokens.grant_by_id(token_id)
                for one in list(readers):
                    seen = one if isinstance(one, Waiter) else one.steps
                    if grant is None or not may_see(
                        grant, seen.realm, shows_secrets=seen.shows_secrets
                    ):
                        one.end()
        except Exception as failure:  # noqa: BLE001 - in the log
            # Nobody can tell who still may read.
            self._end_all(failure)

    def _end_all(self, failure: Exception) -> None:
        LOG.error("all streams were ended: the tokens cannot be read", exc_info=failure)
        for of_token in list(self._by_token.values()):
            for one in list(of_token):
                one.end()


def _reader_grant(grant: Grant, view: str) -> Grant:
    """What is shown depends on the right to secrets and, where others' steps are among them, on whose may be read."""
    roles = ("read", "secrets") if grant.sees_secrets else ("read",)
    realms = EVERYWHERE if view == "own" or "*" in grant.realms else grant.realms
    return Grant(id="", name="", roles=frozenset(roles), realms=realms)


def _last_event_id(scope: Any) -> str:
    for name, value in scope["headers"]:
        if name == b"last-event-id":
            found: str = value.decode("utf-8", "replace")
            return found
    return ""
