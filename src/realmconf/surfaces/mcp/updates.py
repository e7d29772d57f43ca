"""
Telling clients that a realm's configuration has changed.

Decides for whom a change is news: whoever may read the realm and has asked, in either way that the protocol has
(``resources/subscribe`` until 2025, ``subscriptions/listen`` since).  Driven by the store's own hints through
``runtime.aio``; what has changed is for its reader to read.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from mcp.server.subscriptions import ListenHandler, ResourceUpdated
from mcp_types import SubscriptionFilter, SubscriptionsListenResult

from realmconf.errors import InvalidArgument, InvalidRealm, LimitExceeded
from realmconf.runtime.aio import AsyncClient, AsyncConfigRuntime, AsyncSubscription
from realmconf.surfaces.mcp.resources import realm_at

if TYPE_CHECKING:
    from collections.abc import Callable

    from mcp.server.context import ServerRequestContext
    from mcp.server.session import ServerSession
    from mcp.server.subscriptions import ServerEvent
    from mcp_types import SubscriptionsListenRequestParams

    from realmconf.domain.names import RealmName
    from realmconf.runtime.client import Client
    from realmconf.runtime.hub import Hub
    from realmconf.runtime.operations.session import Session

SUBSCRIPTIONS_MAX = 256
"""Realms that one connection or stream is told of."""
STREAMS_MAX = 1_024
"""Of all callers of one process."""
STREAMS_OF_CALLER_MAX = 64
CURRENT_SECONDS = 0.5
"""Between two looks at whether a stream's caller still has its rights: that they end by time, no event tells."""


class Updates:
    """The subscriptions of one process. To be used on one event loop."""

    def __init__(self, client: Client) -> None:
        self._client = AsyncClient(client)
        self._streams: dict[ListenHandler, str] = {}
        self._connections: set[Connection] = set()
        self._closed = asyncio.Event()

    def follow(
        self, session: Session, realm: RealmName, told: Callable[[], object]
    ) -> AsyncSubscription:
        """Call *told* after each change of what applies to *realm*, from now on."""
        handle = AsyncConfigRuntime(self._client, session.realm(realm))
        return handle.on_change(lambda _: told())

    @property
    def hub(self) -> Hub:
        """The one subscription to the store of all who wait here."""
        return self._client.hub()

    async def until_closed(self) -> None:
        """Return when everything is to end."""
        await self._closed.wait()

    async def until_not_current(self, is_current: Callable[[], bool]) -> None:
        """Return when a caller's rights have ended."""
        while is_current():
            await asyncio.sleep(CURRENT_SECONDS)

    def connection(self) -> Connection:
        """The subscriptions of a new connection."""
        found = Connection(self)
        self._connections.add(found)
        return found

    def forget(self, connection: Connection) -> None:
        """It has ended."""
        self._connections.discard(connection)

    async def listen(
        self,
        session: Session,
        context: ServerRequestContext[Any, Any],
        params: SubscriptionsListenRequestParams,
        *,
        is_current: Callable[[], bool],
    ) -> SubscriptionsListenResult:
        """
        Tell one stream of the changes of the realms that it asks for, until it, its rights or the server end.

        What its caller may not read is left out, as is what no realm has; whether there is such a realm is not told.

        Raises:
            LimitExceeded: There are too many streams, or it asks for too many realms.
        """
        wanted = _readable(session, params.notifications.resource_subscriptions or ())
        caller = session.grant.id
        _refuse_beyond("subscriptions", len(wanted), SUBSCRIPTIONS_MAX)
        _refuse_beyond("streams", len(self._streams) + 1, STREAMS_MAX)
        ours = sum(one == caller for one in self._streams.values())
        _refuse_beyond("streams_of_caller", ours + 1, STREAMS_OF_CALLER_MAX)
        handler = ListenHandler(_Realms(self, session, wanted))
        self._streams[handler] = caller
        honored = SubscriptionFilter(resource_subscriptions=list(wanted) or None)
        watching = asyncio.create_task(self._end(handler, is_current))
        try:
            return await handler(context, params.model_copy(update={"notifications": honored}))
        finally:
            watching.cancel()
            self._streams.pop(handler, None)

    async def _end(self, handler: ListenHandler, is_current: Callable[[], bool]) -> None:
        await self.until_not_current(lambda: is_current() and not self._closed.is_set())
        handler.close()

    def close(self) -> None:
        """End every stream, subscription and wait; a stream says so itself."""
        self._closed.set()
        for handler in list(self._streams):
            handler.close()
        for connection in list(self._connections):
            connection.close()


class Connection:
    """What one connection has subscribed to by ``resources/subscribe``; it ends with the connection."""

    def __init__(self, updates: Updates) -> None:
        self._updates = updates
        self._subscriptions: dict[str, AsyncSubscription] = {}

    def subscribe(self, session: Session, address: str, channel: ServerSession) -> None:
        """
        Tell *channel* of changes at *address*; a second time changes nothing.

        Raises:
            InvalidArgument, InvalidRealm: Nothing can stand there.
            NotPermitted: The caller may not read it.
            LimitExceeded: It has subscribed to too much.
        """
        realm = realm_at(address)
        session.require_role("read", realm, action="resources/subscribe")
        if address in self._subscriptions:
            return
        _refuse_beyond("subscriptions", len(self._subscriptions) + 1, SUBSCRIPTIONS_MAX)
        self._subscriptions[address] = self._updates.follow(
            session, realm, lambda: channel.send_resource_updated(address)
        )

    def unsubscribe(self, address: str) -> None:
        """Tell nothing more of it."""
        found = self._subscriptions.pop(address, None)
        if found is not None:
            found.cancel()

    def close(self) -> None:
        """Tell nothing more. Idempotent."""
        for subscription in self._subscriptions.values():
            subscription.cancel()
        self._subscriptions.clear()
        self._updates.forget(self)


class _Realms:
    """What a stream hears of, in the form in which the SDK listens."""

    def __init__(self, updates: Updates, session: Session, wanted: dict[str, RealmName]) -> None:
        self._updates = updates
        self._session = session
        self._wanted = wanted

    async def publish(self, event: ServerEvent) -> None:
        """Nobody else publishes here."""

    def subscribe(self, listener: Callable[[ServerEvent], None]) -> Callable[[], None]:
        followed: list[AsyncSubscription] = []

        def unsubscribe() -> None:
            for one in followed:
                one.cancel()

        def teller(address: str) -> Callable[[], None]:
            return lambda: listener(ResourceUpdated(uri=address))

        try:
            for address, realm in self._wanted.items():
                followed.append(self._updates.follow(self._session, realm, teller(address)))
        except BaseException:
            unsubscribe()
            raise
        return unsubscribe


def _readable(session: Session, addresses: Any) -> dict[str, RealmName]:
    found = {}
    for address in dict.fromkeys(addresses):
        with suppress(InvalidArgument, InvalidRealm):
            realm = realm_at(address)
            if session.grant.may_read(realm):
                found[address] = realm
    return found


def _refuse_beyond(limit: str, value: int, maximum: int) -> None:
    if value > maximum:
        raise LimitExceeded(limit, value, maximum=maximum)
