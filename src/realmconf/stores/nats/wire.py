"""
One connection to a server, from its beginning to its end: questions, and their answers.

Decides that nothing is ever sent later than its caller believes: a connection that is lost stays lost, and what was not
sent by then never is.  What was given to the socket counts as sent, from its first byte on; what fails before that is
``UnsentError``, and whatever fails after it ``LostError``.  Runs in the loop of ``link`` alone.
"""

from __future__ import annotations

import asyncio
import json
import os

from nats.errors import Error as NatsError
from nats.errors import NoServersError

from realmconf.stores.nats.client import STATUS, DirectClient
from realmconf.stores.nats.failures import (
    LostError,
    NobodyError,
    UnsentError,
    is_denied,
    refusal_in,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable, Mapping
    from typing import Any

    from realmconf.stores.nats.address import Address
    from realmconf.stores.nats.client import Heard
    from realmconf.stores.nats.credentials import Credentials

PING_SECONDS = 5
"""How often a connection that nothing comes from is tried; after two without an answer it is over."""
CLOSE_SECONDS = 1.0
NO_RESPONDERS = "503"


class DeniedError(Exception):
    """The user may not do what was asked, or hear the answer. Never reaches a caller."""

    @property
    def is_of_hearing(self) -> bool:
        """Whether it may have been done, and only the answer is not heard."""
        return "subscription" in str(self).lower()


class Wire:
    """An open connection."""

    def __init__(self, address: str) -> None:
        self.address = address
        """Of the server, as it was named."""
        self._client = DirectClient()
        self._waiting: dict[str, _Waiting] = {}
        self._number = 0
        self._inbox = ""
        self._over: str | None = "not connected"
        self._failures: list[str] = []
        self._on_over: list[Callable[[], None]] = []

    @classmethod
    async def connected(
        cls,
        server: str,
        address: Address,
        context: ssl.SSLContext | None,
        credentials: Credentials | None,
        *,
        seconds: float,
    ) -> Wire:
        """
        A connection to *server*; an encrypted one if there is a *context*.

        Raises:
            UnsentError: None came about; the text says why, and nothing secret.
        """
        wire = cls(server)
        options: dict[str, Any] = {}
        if address.user is not None:
            options |= {"user": address.user, "password": address.password}
        if address.token is not None:
            options["token"] = address.token
        if credentials is not None:
            options |= {
                "user_jwt_cb": credentials.token,
                "signature_cb": credentials.signature,
            }
        if context is not None:
            wire._client.must_encrypt = True
            options |= {"tls": context, "tls_hostname": _host(server)}
        try:
            async with asyncio.timeout(seconds):
                await wire._client.connect(
                    [("tls://" if context is not None else "nats://") + server],
                    error_cb=wire._failed,
                    name="realmconf",
                    # Another connection is ours to make: this one would send what is too late by then.
                    allow_reconnect=False,
                    pending_size=0,
                    max_reconnect_attempts=1,
                    reconnect_time_wait=0,
                    connect_timeout=max(1, int(seconds)),
                    ping_interval=PING_SECONDS,
                    max_outstanding_pings=2,
                    **options,
                )
                wire._over = None
                wire._client.at_end(lambda: wire._end("the connection was lost"))
                wire._client.hear_at_once()
                wire._inbox = wire._client.new_inbox()
                wire._client.hear(f"{wire._inbox}.*", wire._answered)
        except TimeoutError:
            await wire._dropped()
            raise UnsentError("; ".join(wire._failures) or "no answer in time") from None
        except asyncio.CancelledError:
            await wire._dropped()
            raise
        except (OSError, NatsError, ValueError) as failure:
            await wire._dropped()
            # That none is left, of one, says nothing where it is said why.
            last = () if wire._failures and isinstance(failure, NoServersError) else (failure,)
            said = dict.fromkeys((*wire._failures, *map(_words, last)))
            raise UnsentError("; ".join(said)) from None
        return wire

    async def _dropped(self) -> None:
        self._over = "closed"
        # Not closed, which would first send what nobody waits for any more.
        self._client.abort()
        if self._client.is_connected:
            # Else it would wait for the end of what never began.
            try:
                async with asyncio.timeout(CLOSE_SECONDS):
                    await self._client.close()
            except (OSError, NatsError, AssertionError):
                pass

    # --- what it knows -----------------------------------------------------------------------

    @property
    def is_over(self) -> bool:
        """Whether nothing can be sent any more."""
        return self._over is not None or not self._client.is_connected

    @property
    def server(self) -> Mapping[str, Any]:
        """What the server has said of itself."""
        return self._client._server_info

    def at_end(self, tell: Callable[[], None]) -> None:
        """Call *tell* when the connection is over."""
        if self._over is not None:
            tell()
        else:
            self._on_over.append(tell)

    # --- asking ----------------------------------------------------------------------------------

    async def ask(
        self,
        subject: str,
        body: bytes = b"",
        *,
        deadline: float,
        headers: Mapping[str, str] | None = None,
    ) -> Heard:
        """
        The one answer to *body* on *subject*.

        Raises:
            UnsentError: Nothing was sent, or nobody took it.
            LostError: It was sent, and no answer came up to *deadline*, or the connection was lost.
            DeniedError: The user may not do that.
        """
        (answer,) = await self._asked(_Waiting(is_single=True), subject, body, deadline, headers)
        return answer

    async def ask_many(self, subject: str, body: bytes, *, deadline: float) -> list[Heard]:
        """All answers, up to and with the one that has a status; errors as of ``ask``."""
        return await self._asked(_Waiting(is_single=False), subject, body, deadline, None)

    async def _asked(
        self,
        waiting: _Waiting,
        subject: str,
        body: bytes,
        deadline: float,
        headers: Mapping[str, str] | None,
    ) -> list[Heard]:
        loop = asyncio.get_running_loop()
        if loop.time() >= deadline:
            raise UnsentError("there is no time left")
        self._number += 1
        token = str(self._number)
        waiting.done = loop.create_future()
        waiting.subject = subject
        self._waiting[token] = waiting
        timer = loop.call_at(deadline, waiting.fail, LostError("no answer in time"))
        try:
            # Whether the server takes it is told by its answer, or by none.
            self._hand_over(subject, body, headers=headers, reply=f"{self._inbox}.{token}")
            return await waiting.done
        finally:
            timer.cancel()
            waiting.done.cancel()
            del self._waiting[token]

    async def tell(
        self,
        subject: str,
        body: bytes,
        *,
        deadline: float,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        """
        Send it, and hear nothing of it.

        Raises:
            UnsentError: The connection is over.
            LostError: It was sent, and the server did not take it up to *deadline*, or the connection was lost.
        """
        self._hand_over(subject, body, headers=headers, reply="")
        try:
            async with asyncio.timeout_at(deadline):
                await self._client.drained()
        except TimeoutError:
            self._client.abort()
            raise LostError("the server did not read in time") from None
        except OSError as failure:
            raise LostError(_words(failure)) from None

    def _hand_over(
        self, subject: str, body: bytes, *, headers: Mapping[str, str] | None, reply: str
    ) -> None:
        """Give it to the socket; UnsentError: nothing of it was given."""
        if self.is_over:
            raise UnsentError(self._over or "the connection was lost")
        try:
            self._client.say(subject, body, reply=reply, headers=headers)
        except NatsError as failure:
            raise UnsentError(_words(failure)) from None

    async def ask_json(
        self, subject: str, fields: Mapping[str, Any] | None, *, deadline: float
    ) -> dict[str, Any]:
        """
        A question to JetStream, and what it says.

        Raises:
            RefusedError: It refuses; else as ``ask``.
        """
        body = b"" if fields is None else json.dumps(fields, separators=(",", ":")).encode()
        answer = await self.ask(subject, body, deadline=deadline)
        found: dict[str, Any] = json.loads(answer.data)
        refused = refusal_in(found)
        if refused is not None:
            raise refused
        return found

    # --- hearing ---------------------------------------------------------------------------------

    def new_inbox(self) -> str:
        """A subject that nobody else has."""
        return self._client.new_inbox()

    async def subscribed(self, subject: str, heard: Callable[[Heard], None]) -> None:
        """Call *heard* at each message on *subject*."""
        try:
            self._client.hear(subject, heard)
            # Once this has come back the server has taken it.
            await self._client.flush()
        except NatsError as failure:
            raise UnsentError(_words(failure)) from None

    def _answered(self, message: Heard) -> None:
        waiting = self._waiting.get(message.subject.rpartition(".")[2])
        if waiting is not None:
            waiting.take(message)

    # --- its end ---------------------------------------------------------------------------------

    async def _failed(self, failure: Exception) -> None:
        text = _words(failure)
        if is_denied(text):
            lowered = text.lower()
            for waiting in list(self._waiting.values()):
                if f'"{waiting.subject.lower()}"' in lowered or "subscription" in lowered:
                    waiting.fail(DeniedError(text))
        elif len(self._failures) < 4:
            self._failures.append(text)

    def _end(self, why: str) -> None:
        self._over = self._over or why
        for waiting in list(self._waiting.values()):
            waiting.fail(LostError(why))
        told, self._on_over = self._on_over, []
        for tell in told:
            tell()

    async def close(self) -> None:
        """Be over."""
        self._end("closed")
        await self._dropped()


class _Waiting:
    """Somebody who waits for an answer."""

    __slots__ = ("done", "found", "is_single", "subject")

    def __init__(self, *, is_single: bool) -> None:
        self.is_single = is_single
        self.found: list[Heard] = []
        self.subject = ""
        self.done: asyncio.Future[list[Heard]]

    def take(self, message: Heard) -> None:
        headers = message.headers
        status = None if headers is None else headers.get(STATUS)
        if self.done.done():
            return
        if status == NO_RESPONDERS:
            self.done.set_exception(NobodyError("nobody answers there: no leader, or no JetStream"))
            return
        self.found.append(message)
        if self.is_single or status is not None:
            self.done.set_result(self.found)

    def fail(self, failure: Exception) -> None:
        if not self.done.done():
            self.done.set_exception(failure)


def _host(server: str) -> str:
    return server.rpartition(":")[0].strip("[]")


def _words(failure: Exception) -> str:
    """What *failure* says, in one line and without names of classes where it says anything."""
    if hasattr(failure, "verify_message"):
        # Of the encryption: its number is none of the system's.
        return f"certificate verify failed: {failure.verify_message}"
    if isinstance(failure, OSError) and failure.errno is not None and failure.strerror:
        return os.strerror(failure.errno) if failure.errno > 0 else failure.strerror
    return (
        " ".join(str(failure).split()).removeprefix("nats: ").strip("'") or type(failure).__name__
    )
