"""
The routes of a client that takes this server for a store of its own: ``/v1/store/…``.

Decides where each question goes and how its answer is written; what is answered is ``runtime.serving``'s.  Everything
runs in worker threads: none of it is a mere look-up.
"""

from __future__ import annotations

import asyncio
import threading
from contextlib import asynccontextmanager
from functools import partial
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

from starlette.datastructures import Headers

from realmconf.domain.jsontext import parse_json
from realmconf.errors import InvalidArgument, RateLimited
from realmconf.runtime.serving import keeping, reads, sealed, writes
from realmconf.runtime.serving.patience import NobodyWaitsError, Patience
from realmconf.surfaces.http import bodies, store_files, store_signals
from realmconf.surfaces.http.problems import Problem
from realmconf.surfaces.http.replies import Reply, json_reply, send_reply

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from starlette.types import Receive, Scope, Send

    from realmconf.domain.names import Limits
    from realmconf.runtime.operations.session import Session
    from realmconf.surfaces.http.server import Server

PREFIX = "/v1/store/"
BODY_DOCUMENTS = 16
"""A body holds so many of the largest documents: a transaction of more large ones is several."""
WRAPPING_DEPTH = 8
BODY_SECONDS = 60.0
"""Until a body is there that may be as large as that."""
READS_OF_ONE_MAX = 4
"""Requests of one token that are worked on at once: half of the threads."""
READS_WAITING_MAX = 64

READING: dict[str, Callable[..., Any]] = {
    "read": reads.read,
}
WRITING: dict[str, Callable[[Session, Any], Any]] = {
    "write": writes.decide,
    "apply": sealed.append,
    "void": keeping.void,
    "compact": keeping.compact,
    "purge": keeping.purge,
}
STREAMS: dict[str, tuple[str, Callable[..., Awaitable[None]]]] = {
    "signals": ("GET", store_signals.signals),
    "backup": ("POST", store_files.backup),
    "contents": ("POST", store_files.contents),
}


async def store(
    scope: Scope, receive: Receive, send: Send, *, session: Session, server: Server
) -> None:
    """
    Answer one request below ``/v1/store/``.

    Raises:
        Problem: There is no such route, or not with this method; or the body is none.
        RealmconfError: As the question says.
    """
    name = scope["path"].removeprefix(PREFIX)
    method = scope["method"]
    if scope.get("query_string"):
        raise InvalidArgument("the query has no parameters here")
    if name in STREAMS:
        wanted, answer = STREAMS[name]
        _check_method(method, wanted)
        await answer(scope, receive, send, session=session, server=server)
        return
    if name == "info":
        _check_method(method, "GET")
        found = await server.reading(keeping.info, session, {})
        # What no transaction may be larger than, as it is sent.
        reply = json_reply({**found, "request_bytes_max": bytes_max(session.client.limits)})
    elif name in READING or name in WRITING:
        _check_method(method, "POST")
        reply = await _answered(name, Headers(scope=scope), receive, session, server)
    else:
        raise Problem("unknown_path", "there is no such path")
    await send_reply(send, reply, method=method)


async def _answered(
    name: str, headers: Headers, receive: Receive, session: Session, server: Server
) -> Reply:
    limits = session.client.limits
    body = await bodies.read(receive, headers, bytes_max=bytes_max(limits), seconds=BODY_SECONDS)
    if name in READING:
        return await _read(READING[name], session, body or b"", receive, server)
    return await server.writing(_reply, WRITING[name], session, body or b"", limits)


async def _read(
    answer: Callable[..., Any], session: Session, body: bytes, receive: Receive, server: Server
) -> Reply:
    """Answer a question as long as somebody waits for that, a few of one caller at a time."""
    gone = threading.Event()
    waiting = asyncio.ensure_future(_wait_until_gone(receive, gone))
    patient = partial(answer, patience=Patience(is_gone=gone.is_set))
    try:
        async with _turns(server).of(session.grant.id):
            if gone.is_set():
                raise bodies.ClientGoneError
            return await server.reading(_reply, patient, session, body, session.client.limits)
    except NobodyWaitsError:
        raise bodies.ClientGoneError from None
    finally:
        waiting.cancel()


async def _wait_until_gone(receive: Receive, gone: threading.Event) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
    gone.set()


class Turns:
    """Who reads now: a few requests of one token at a time, and some that wait for those."""

    def __init__(self) -> None:
        self._of_token: dict[str, tuple[asyncio.Semaphore, list[int]]] = {}

    @asynccontextmanager
    async def of(self, token_id: str) -> AsyncIterator[None]:
        """
        One turn; whoever has no token has the store in hand.

        Raises:
            RateLimited: Too many wait already.
        """
        if not token_id:
            yield
            return
        turns, count = self._of_token.setdefault(
            token_id, (asyncio.Semaphore(READS_OF_ONE_MAX), [0])
        )
        if count[0] >= READS_OF_ONE_MAX + READS_WAITING_MAX:
            raise RateLimited("reads of one token", retry_after_seconds=1.0)
        count[0] += 1
        try:
            async with turns:
                yield
        finally:
            count[0] -= 1
            if not count[0]:
                del self._of_token[token_id]


_turns_of: WeakKeyDictionary[Server, Turns] = WeakKeyDictionary()


def _turns(server: Server) -> Turns:
    found = _turns_of.get(server)
    if found is None:
        found = _turns_of[server] = Turns()
    return found


def bytes_max(limits: Limits) -> int:
    """What one request may have, of whoever has shown a token."""
    return BODY_DOCUMENTS * limits.document_bytes


def _reply(
    answer: Callable[[Session, Any], Any], session: Session, body: bytes, limits: Limits
) -> Reply:
    wide = limits.replace(document_bytes=bytes_max(limits), depth=limits.depth + WRAPPING_DEPTH)
    asked = parse_json(body, limits=wide)
    if not isinstance(asked, dict):
        raise InvalidArgument("the body is an object")
    return json_reply(answer(session, asked))


def _check_method(method: str, wanted: str) -> None:
    if method != wanted:
        raise Problem(
            "method_not_allowed",
            f"this path takes {wanted}",
            headers=((b"allow", wanted.encode()),),
        )
