"""
One open stream: what its reader has had, and what becomes of it when the reader is slow or leaves.

Decides that a stream costs no task while its reader keeps up; that one behind is brought up from the newest events,
or from history; and that what waits for a reader is bounded by what the connection holds and one part more.
"""

from __future__ import annotations

import asyncio
import logging
from functools import partial
from typing import TYPE_CHECKING, Any

from realmconf.surfaces.http.stream_events import OPENING, START, bookmark, part

if TYPE_CHECKING:
    from collections.abc import Coroutine, Generator

    from starlette.types import Message, Receive, Send

    from realmconf.runtime.follow import Start
    from realmconf.surfaces.http.stream_steps import Batch, Steps

LOG = logging.getLogger("realmconf")


class Reader:
    """One stream from its request to its end; in ``steps.readers`` all that time."""

    __slots__ = (
        "_opening",
        "_owes_bookmark",
        "_send",
        "_serving",
        "_task",
        "_transport",
        "cursor",
        "is_over",
        "place",
        "steps",
        "token_id",
        "told_at",
        "waits_since",
    )  # fmt: skip

    def __init__(
        self, steps: Steps, send: Send, transport: asyncio.Transport | None, *, token_id: str
    ) -> None:
        self.steps = steps
        self.token_id = token_id
        self.cursor = ""
        """Where it stands, or will when what is being sent is sent; not kept up while it is in ``steps.current``."""
        self.place: int | None = None
        """That place among the newest events; None: it is not known to be there."""
        self.told_at = 0.0
        self.waits_since: float | None = None
        """Since when the connection takes nothing more (the loop's time, seconds)."""
        self.is_over = False
        self._send = send
        self._transport = transport
        self._opening = OPENING
        self._owes_bookmark = True
        self._task: asyncio.Task[None] | None = None
        """Brings it up to date; None while it is."""
        self._serving: asyncio.Task[Any] | None = None
        steps.readers.add(self)

    # --- its life -----------------------------------------------------------------------------

    async def begin(self, start: Start, cursor: str | None) -> Batch | None:
        """
        Find the place of *start* (*cursor*, where it has that form); nothing is sent yet.

        Returns what came after it, where that is not among the newest events.
        """
        steps = self.steps
        if start.own is None and start.members is None:
            # From now on: after all that was committed before it was asked for.
            await steps.catch_up()
            self.cursor, self.place = steps.cursor, steps.end
            return None
        self.place = None if cursor is None else steps.place_of(cursor)
        if cursor is not None and self.place is not None:
            self.cursor = cursor
            return None
        batch = await steps.history(start)
        self._stand_after(batch)
        return batch

    async def serve(self, receive: Receive, first: Batch | None) -> None:
        """Answer: *first*, then whatever comes, until the reader goes or ``end``."""
        try:
            await self._send(START)
            if self.is_over:
                await self._send(part(b"", more=False))
                return
            self._serving = asyncio.current_task()
            rest = _begun(self._bring_up(first))
            if rest is not None:
                self._finish(rest)
            while (await receive())["type"] != "http.disconnect":
                pass
        except asyncio.CancelledError:
            if not self.is_over:
                raise
        finally:
            self.leave()

    def leave(self) -> None:
        """Let everything go; for whoever serves it."""
        self.is_over = True
        self.steps.readers.discard(self)
        self.steps.current.pop(self, None)
        if self._task is not None:
            self._task.cancel()
            self._task = None

    def end(self) -> None:
        """End it for good: with a bookmark and a whole body, or at once where its reader does not read."""
        if self.is_over:
            return
        if self in self.steps.current:
            self.cursor = self.steps.cursor
        is_stuck = self.waits_since is not None
        self.leave()
        if self._serving is None:
            # Nothing is sent yet, and whoever began it will see.
            return
        text = bookmark(self.steps.realm, self.cursor)
        if is_stuck or _begun(self._send(part(text, more=False))) is not None:
            self._cut()

    def _cut(self) -> None:
        if self._transport is not None:
            self._transport.abort()
        elif self._serving is not None:
            self._serving.cancel()

    # --- what it is told ------------------------------------------------------------------------

    def tell(self, message: Message, now: float) -> None:
        """Send *message*, after which it has had everything there is; it is one of ``steps.current``."""
        self.told_at = now
        try:
            # Most connections take it at once; a task for each would have to be woken.
            rest = _begun(self._send(message))
        except Exception as failure:  # noqa: BLE001 - whatever it is, the reader asks again
            self._fail(failure)
            return
        if rest is not None:
            del self.steps.current[self]
            self.cursor, self.place = self.steps.cursor, self.steps.end
            self.waits_since = now
            self._finish(rest)

    def _finish(self, rest: _Rest) -> None:
        self._task = asyncio.get_running_loop().create_task(self._finished(rest))

    async def _finished(self, rest: _Rest) -> None:
        try:
            await rest
            self.waits_since = None
            if self not in self.steps.current:
                await self._bring_up(None)
        except Exception as failure:  # noqa: BLE001 - in the log; the reader asks again
            self._fail(failure)
        self._task = None

    def _fail(self, failure: Exception) -> None:
        LOG.error("a stream of realm %s was ended", self.steps.realm, exc_info=failure)
        self.end()

    async def _bring_up(self, batch: Batch | None) -> None:
        """Send *batch*, and what came since, until it has had everything; then it is one of ``steps.current``."""
        steps = self.steps
        while True:
            if batch is not None:
                pass
            elif self.place is not None and steps.is_kept(self.place):
                batch = steps.after(self.place)
                self.cursor, self.place = batch.cursor, self.place + len(batch.events)
            else:
                batch = await steps.history(steps.start_at(self.cursor))
                self._stand_after(batch)
            text = b"".join(one.text for one in batch.events)
            if self.place == steps.end and self._owes_bookmark:
                text += bookmark(steps.realm, self.cursor)
                self._owes_bookmark = False
            await self._pass(text)
            if self.place == steps.end:
                break
            if batch.is_all and self.place is None:
                # It is ahead of the others, by what they are told next.
                await steps.catch_up()
                self.place = steps.place_of(self.cursor)
            batch = None
        steps.current[self] = None

    async def _pass(self, text: bytes) -> None:
        text, self._opening = self._opening + text, b""
        if text:
            now = asyncio.get_running_loop().time()
            self.told_at = self.waits_since = now
            await self._send(part(text))
            self.waits_since = None

    def _stand_after(self, batch: Batch) -> None:
        self.cursor = batch.cursor
        self.place = self.steps.place_of(batch.cursor)


class _Rest:
    """What is left of a coroutine that has run up to where it waits for the first time; to be awaited by a task."""

    __slots__ = ("_coroutine", "_waits_for")

    def __init__(self, coroutine: Coroutine[Any, Any, None], waits_for: Any) -> None:
        self._coroutine = coroutine
        self._waits_for = waits_for

    def __await__(self) -> Generator[Any, Any, None]:
        coroutine, waits_for = self._coroutine, self._waits_for
        while True:
            try:
                got = yield waits_for
            except BaseException as failure:  # noqa: BLE001 - it is the coroutine's
                resume = partial(coroutine.throw, failure)
            else:
                resume = partial(coroutine.send, got)
            try:
                waits_for = resume()
            except StopIteration:
                return


def _begun(coroutine: Any) -> _Rest | None:
    """Run *coroutine* up to where it waits; None if that is its end."""
    try:
        waits_for = coroutine.send(None)
    except StopIteration:
        return None
    return _Rest(coroutine, waits_for)
