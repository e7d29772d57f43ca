"""
The thread in which a ledger speaks to its servers, and the way there and back.

Decides which server is spoken to, when there has to be another connection, and that no caller waits longer than it
said.  What is asked is a coroutine of the caller's, so that it costs one way there and one back, however many questions
it has.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import threading
import time

from realmconf.errors import StoreUnavailable
from realmconf.stores.engine.ledger import LostAnswerError
from realmconf.stores.nats import failures
from realmconf.stores.nats.credentials import read as read_credentials
from realmconf.stores.nats.failures import LostError, RefusedError, UnsentError
from realmconf.stores.nats.handover import Handover
from realmconf.stores.nats.wire import DeniedError, Wire

TYPE_CHECKING = False
if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable, Coroutine, Sequence
    from typing import Any, TypeVar

    from realmconf.stores.nats.address import Address

    T = TypeVar("T")

CONNECT_SECONDS = 5.0
"""For one attempt at one server."""
TRY_SECONDS = 2.0
"""How long an answer to something that may be asked again is waited for, until it is asked elsewhere."""
BUSY_SECONDS = 1.0
"""How long one that answers and cannot do it is asked again before others are."""
PAUSE_SECONDS = 0.02
PAUSE_SECONDS_MAX = 0.25
GRACE_SECONDS = 0.5
"""How much later than its deadline a call gives up on the thread itself."""

_abandoned: list[object] = []
"""What belongs to the parent of this process: let go, it would speak to the parent's server."""


class Link:
    """The thread of one ledger, and its connection.  Thread-safe; begins anew in a child of a fork."""

    def __init__(self, address: Address) -> None:
        self._address = address
        self._is_closed = False
        self.place = address.place
        self.try_seconds = TRY_SECONDS
        self.on_anew: Callable[[], None] = _nothing
        """
        Called in the thread when there is another connection: behind it may be a server that was set back, and gives
        numbers again that something else had.
        """
        self._begin()

    def _begin(self) -> None:
        self._process = os.getpid()
        self._guard = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._wire: Wire | None = None
        self._context: ssl.SSLContext | None = None
        self._connecting: asyncio.Lock | None = None
        self._choice = Choice(self._address.servers)
        self._calls: set[_Call] = set()

    # --- there and back ------------------------------------------------------------------------

    def run(self, work: Callable[[], Coroutine[Any, Any, T]], *, deadline: float) -> T:
        """
        What *work*, called in the thread, comes to.

        Raises:
            StoreUnavailable: It did not come to an end in time, or this is closed; nothing was changed, or will be.
            LostAnswerError: Likewise, and something that changes the stream was sent.
        """
        call = _Call(work)
        with self._guard:
            if self._is_closed:
                raise self._closed_error()
            loop = self._loop or self._started()
            self._calls.add(call)
            loop.call_soon_threadsafe(call.start)
        try:
            if not call.ended.acquire(
                timeout=max(0.0, deadline - time.monotonic()) + GRACE_SECONDS
            ):
                failure = call.given_up(self.late())
                with contextlib.suppress(RuntimeError):
                    # Closed meanwhile, and the loop with it.
                    loop.call_soon_threadsafe(call.cancel)
                raise failure
        finally:
            self._calls.discard(call)
        if call.failure is not None:
            try:
                raise call.failure
            finally:
                # Else the traceback and the call would hold each other.
                call.failure = None
        result: T = call.result
        return result

    def _started(self) -> asyncio.AbstractEventLoop:
        loop = asyncio.new_event_loop()
        self._connecting = asyncio.Lock()
        self._loop = loop
        self._thread = threading.Thread(
            target=_serve, args=(loop,), name="realmconf-nats", daemon=True
        )
        self._thread.start()
        return loop

    def late(self) -> StoreUnavailable:
        """The error of whoever has waited long enough."""
        return StoreUnavailable(f"{self._address.place} gave no answer in time")

    @property
    def has_others(self) -> bool:
        """Whether there is more than one server to speak to."""
        return len(self._address.servers) > 1

    @staticmethod
    def _closed_error() -> StoreUnavailable:
        return StoreUnavailable("this client is closed", retryable=False)

    # --- in the thread -------------------------------------------------------------------------

    async def wire(self, deadline: float) -> Wire:
        """
        A connection that is open.

        Raises:
            StoreUnavailable: There is none in time, or none of the servers lets us in.
        """
        wire = self._wire
        if wire is not None and not wire.is_over:
            return wire
        assert self._connecting is not None
        try:
            async with asyncio.timeout_at(deadline):
                async with self._connecting:
                    if self._wire is None or self._wire.is_over:
                        self._wire = await self._reached(deadline)
                        self.on_anew()
                    return self._wire
        except TimeoutError:
            raise failures.explain_unreached(
                ["no answer in time"], self._address.place, has_credentials=True
            ) from None

    async def _reached(self, deadline: float) -> Wire:
        address = self._address
        pause = PAUSE_SECONDS
        while True:
            reasons = []
            credentials = (
                None
                if address.credentials_file is None
                else read_credentials(address.credentials_file)
            )
            for _ in address.servers:
                server = self._choice.next()
                left = deadline - time.monotonic()
                if left <= 0:
                    break
                try:
                    return await Wire.connected(
                        server,
                        address,
                        self._encrypted(),
                        credentials,
                        seconds=min(left, CONNECT_SECONDS),
                    )
                except UnsentError as unsent:
                    reasons.append(str(unsent))
                    self._choice.failed(server)
            unreached = failures.explain_unreached(
                reasons,
                address.place,
                has_credentials=None
                is not (address.user or address.token or address.credentials_file),
            )
            if not unreached.retryable or time.monotonic() + pause >= deadline:
                raise unreached
            await asyncio.sleep(pause * random.uniform(0.5, 1.0))
            pause = min(2 * pause, PAUSE_SECONDS_MAX)

    def _encrypted(self) -> ssl.SSLContext | None:
        address = self._address
        if not address.is_tls:
            return None
        if self._context is None:
            import ssl

            try:
                self._context = ssl.create_default_context(cafile=address.authority_file)
            except (OSError, ssl.SSLError) as failure:
                raise StoreUnavailable(
                    f"the file that ca= names cannot be read as certificates: {failure.strerror or failure}",
                    retryable=False,
                ) from None
        return self._context

    async def repeated(
        self, ask: Callable[[Wire, float], Coroutine[Any, Any, T]], *, deadline: float
    ) -> T:
        """
        The answer to what may be asked more than once: asked again, elsewhere if need be, up to *deadline*.

        Raises:
            RefusedError: JetStream refuses it.
            StoreUnavailable: There was no answer in time.
        """
        pause = PAUSE_SECONDS
        patience = Patience(self)
        while True:
            wire = await self.wire(deadline)
            asked_at = time.monotonic()
            try:
                found = await ask(wire, min(deadline, asked_at + self.try_seconds))
            except (LostError, UnsentError) as lost:
                if time.monotonic() - asked_at >= self.try_seconds:
                    await self.distrust(wire)
                reason = str(lost)
            except RefusedError as refused:
                if refused.number not in failures.BUSY:
                    raise
                reason = refused.text
            except DeniedError as denied:
                raise failures.explain_denied(str(denied), self._address.place) from None
            else:
                self._choice.answered(wire.address)
                return found
            if time.monotonic() + pause >= deadline:
                raise StoreUnavailable(f"{self._address.place} gave no answer in time: {reason}")
            await patience.with_one_that_refuses(wire)
            await asyncio.sleep(pause * random.uniform(0.5, 1.0))
            pause = min(2 * pause, PAUSE_SECONDS_MAX)

    async def turn_away(self) -> None:
        """Whoever is spoken to now is behind the others: speak to one of them."""
        if self._wire is not None and self.has_others:
            await self.distrust(self._wire)

    async def distrust(self, wire: Wire) -> None:
        """*wire* has been silent, or of no use, for too long: the next question goes elsewhere."""
        if self._wire is wire:
            self._wire = None
            self._choice.failed(wire.address)
        await wire.close()

    # --- the end, and forks ----------------------------------------------------------------------

    def close(self) -> None:
        """Wake whoever waits, with an error, and end the thread. Idempotent."""
        with self._guard:
            if self._is_closed:
                return
            self._is_closed = True
            loop, thread = self._loop, self._thread
        if loop is None or thread is None:
            return
        for call in list(self._calls):
            call.abandon(call.given_up(self._closed_error()))
        loop.call_soon_threadsafe(lambda: loop.create_task(self._ending(loop)))
        if thread is not threading.current_thread():
            thread.join(timeout=CONNECT_SECONDS)

    async def _ending(self, loop: asyncio.AbstractEventLoop) -> None:
        for call in list(self._calls):
            call.cancel()
        if self._wire is not None:
            await self._wire.close()
        loop.stop()

    def after_fork_in_child(self) -> None:
        """Begin anew: loop, thread and connection are the parent's."""
        _abandoned.append((self._loop, self._thread, self._wire, self._connecting, self._calls))
        self._begin()


def _nothing() -> None:
    pass


class Patience:
    """
    How long one question, or write, bears with a server that answers and cannot do it.

    One that is cut off from the others answers every question at once, and will do so for as long as it is.
    """

    def __init__(self, link: Link) -> None:
        self._link = link
        self._wire: Wire | None = None
        self._since = 0.0

    async def with_one_that_refuses(self, wire: Wire) -> None:
        """It has refused, or is lost; after a while others are asked, where there are any."""
        now = time.monotonic()
        if wire is not self._wire:
            self._wire, self._since = wire, now
        elif now - self._since > BUSY_SECONDS and self._link.has_others and not wire.is_over:
            await self._link.distrust(wire)


class Choice:
    """Which server is spoken to next: of those that have failed least since they last answered, the first."""

    FAILURES_MAX = 3
    """Then it is one of the bad ones, and no worse than they are."""

    def __init__(self, servers: Sequence[str]) -> None:
        # Clients of one store spread over its servers.
        first = random.randrange(len(servers))
        self._failures = dict.fromkeys([*servers[first:], *servers[:first]], 0)

    def next(self) -> str:
        return min(self._failures, key=self._failures.__getitem__)

    def failed(self, server: str) -> None:
        """It could not be reached, or did not answer; it is the last of those that are as bad."""
        number = self._failures.pop(server, 0)
        self._failures[server] = min(number + 1, self.FAILURES_MAX)

    def answered(self, server: str) -> None:
        """It is as good as any."""
        self._failures[server] = 0


class _Call:
    """One call on its way there and back."""

    __slots__ = ("_handover", "_is_told", "_work", "ended", "failure", "result", "task")

    def __init__(self, work: Callable[[], Coroutine[Any, Any, Any]]) -> None:
        self._work = work
        self._handover = Handover()
        self._is_told = False
        self.ended = threading.Lock()
        self.ended.acquire()
        self.result: Any = None
        self.failure: BaseException | None = None
        self.task: asyncio.Task[Any] | None = None

    def start(self) -> None:
        self.task = asyncio.get_running_loop().create_task(self._carried_out())
        self.task.add_done_callback(self._done)

    async def _carried_out(self) -> Any:
        self._handover.enter()
        result = await self._work()
        if self.ended.locked():
            # Now, and not a round of the loop later, when the task is seen to be over.
            self.result = result
            self._is_told = True
            self._wake()
        return result

    def given_up(self, failure: StoreUnavailable) -> Exception:
        """What to tell whoever leaves for *failure*: nothing goes any more, and something may have gone."""
        return LostAnswerError(str(failure)) if self._handover.give_up() else failure

    def _done(self, task: asyncio.Task[Any]) -> None:
        if task.cancelled():
            failure: BaseException | None = self.given_up(
                StoreUnavailable("this client is closed", retryable=False)
            )
        else:
            failure = task.exception()
        if self.ended.locked() and not self._is_told:
            self.failure = self.failure or failure
            self.result = None if failure is not None else task.result()
            self._wake()

    def cancel(self) -> None:
        if self.task is not None:
            self.task.cancel()

    def abandon(self, failure: Exception) -> None:
        """Wake the caller; whatever the work comes to, nobody waits for it."""
        self.failure = failure
        self._wake()

    def _wake(self) -> None:
        try:
            self.ended.release()
        except RuntimeError:
            # Woken already.
            pass


def _serve(loop: asyncio.AbstractEventLoop) -> None:
    asyncio.set_event_loop(loop)
    try:
        loop.run_forever()
        tasks = asyncio.all_tasks(loop)
        for task in tasks:
            task.cancel()
        if tasks:
            loop.run_until_complete(asyncio.gather(*tasks, return_exceptions=True))
        # What ended with the loop is still to be told.
        loop.run_until_complete(asyncio.sleep(0))
    finally:
        loop.close()
