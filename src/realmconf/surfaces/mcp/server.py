"""
The MCP server: requests of the protocol become operations of the table, for the caller that each request is of.

Decides who a caller is, as far as the protocol tells, and what becomes of errors outside of tools.  Knows nothing of
transports; how a caller's rights are found is given to it.
"""

from __future__ import annotations

import asyncio
import functools
import re
from collections import OrderedDict
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from mcp.server.lowlevel import Server
from mcp.shared.exceptions import MCPError
from mcp_types import (
    INTERNAL_ERROR,
    INVALID_PARAMS,
    CallToolRequestParams,
    CallToolResult,
    EmptyResult,
    ListResourcesResult,
    ListResourceTemplatesResult,
    ListToolsResult,
    PaginatedRequestParams,
    ReadResourceRequestParams,
    ReadResourceResult,
    SubscribeRequestParams,
    SubscriptionsListenRequestParams,
    SubscriptionsListenResult,
    UnsubscribeRequestParams,
)

from realmconf.errors import RealmconfError, Unauthenticated
from realmconf.runtime.operations.rows import BY_TOOL
from realmconf.runtime.operations.session import Session
from realmconf.runtime.operations.waiting import may_wait, wait_of
from realmconf.runtime.placeless import error_afar
from realmconf.runtime.waiting import has_step, watch_of
from realmconf.surfaces.defects import plea
from realmconf.surfaces.envelope import answer_to, error_object
from realmconf.surfaces.mcp import resources, tools
from realmconf.surfaces.mcp.pace import Pace
from realmconf.surfaces.mcp.updates import Updates

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Coroutine, Mapping
    from typing import TypeVar

    from mcp.server.context import ServerRequestContext

    from realmconf.domain.names import RealmName
    from realmconf.runtime.access import Grant
    from realmconf.runtime.client import Client
    from realmconf.runtime.operations.table import Operation
    from realmconf.surfaces.mcp.pace import Call
    from realmconf.surfaces.mcp.updates import Connection

    Context = ServerRequestContext[Any, Any]
    Result = TypeVar("Result")

SESSIONS_KEPT = 256
CLIENT_CHARS_MAX = 64
UNNAMED = "unnamed"


async def never(_: object) -> None:
    """Wait for what does not come."""
    await asyncio.Event().wait()


class Host:
    """
    One store, served.  To be used on one event loop; the client stays its maker's.

    *grant_of* tells the rights of a request's caller, given what its client calls itself; *is_current* whether a
    grant is still good; *gone* returns when nobody waits for a request's answer any more.
    """

    def __init__(
        self,
        client: Client,
        *,
        grant_of: Callable[[Context, str | None], Grant],
        is_current: Callable[[Grant], bool] = lambda _: True,
        gone: Callable[[Context], Coroutine[Any, Any, object]] = never,
        default_realm: RealmName | None = None,
        keeps_connections: bool = True,
        shows_paths: bool = True,
    ) -> None:
        self._client = client
        self._grant_of = grant_of
        self._is_current = is_current
        self._gone = gone
        self._default_realm = default_realm
        self._shows_paths = shows_paths
        self._sessions: OrderedDict[Grant, Session] = OrderedDict()
        self._pace = Pace(monotonic_seconds=client.world.monotonic_seconds)
        self.updates = Updates(client)
        self.server = self._server(keeps_connections=keeps_connections)

    def close(self) -> None:
        """End every stream, subscription and wait, and begin nothing more. Idempotent."""
        self.updates.close()
        self._pace.close()

    def _server(self, *, keeps_connections: bool) -> Server[Connection]:
        from realmconf.domain.release import __version__

        server: Server[Connection] = Server(
            "realmconf",
            version=__version__,
            instructions=tools.INSTRUCTIONS,
            lifespan=self._connected,
            # No tool takes an argument from a header, so that nobody need list them before each call.
            get_tool_input_schema=lambda _: None,
            on_list_tools=self._list_tools,
            on_call_tool=self._call_tool,
            on_list_resources=self._list_resources,
            on_list_resource_templates=self._list_templates,
            on_read_resource=self._read_resource,
            # Where each request is a connection of its own, nothing could be told later.
            on_subscribe_resource=self._subscribe if keeps_connections else None,
            on_unsubscribe_resource=self._unsubscribe if keeps_connections else None,
            on_subscriptions_listen=self._listen,
        )
        # Spans would carry what is asked and answered to wherever an exporter sends them.
        server.middleware.clear()
        return server

    @asynccontextmanager
    async def _connected(self, _: Server[Connection]) -> AsyncIterator[Connection]:
        connection = self.updates.connection()
        try:
            yield connection
        finally:
            connection.close()

    # --- who asks

    def _session(self, context: Context) -> Session:
        """
        The session of a request's caller.

        Raises:
            MCPError: It has no rights here, or not any more.
        """
        with _as_protocol_errors():
            grant = self._grant_of(context, client_name(context))
        found = self._sessions.get(grant)
        if found is None:
            found = self._sessions[grant] = Session(
                self._client,
                grant,
                surface="mcp",
                default_realm=self._default_realm,
                shows_paths=self._shows_paths,
            )
            if len(self._sessions) > SESSIONS_KEPT:
                self._sessions.popitem(last=False)
        else:
            self._sessions.move_to_end(grant)
        return found

    async def _run(self, session: Session, work: Callable[[], Result]) -> Result:
        with (
            _as_protocol_errors(session=session),
            self._pace.call(session.grant.id) as call,
        ):
            return await call.read(work)

    # --- tools

    async def _list_tools(
        self, context: Context, _: PaginatedRequestParams | None
    ) -> ListToolsResult:
        session = self._session(context)
        return ListToolsResult(
            tools=tools.tools_for(session.grant, has_default_realm=self._default_realm is not None)
        )

    async def _call_tool(self, context: Context, params: CallToolRequestParams) -> CallToolResult:
        # Also one that is not listed for this caller: the core refuses it.
        operation = BY_TOOL.get(params.name)
        if operation is None:
            raise MCPError(INVALID_PARAMS, f"Unknown tool: {params.name[:64]!a}")
        session = self._session(context)
        given: Mapping[str, Any] = params.arguments or {}
        try:
            with _as_protocol_errors(but_refusals=True), self._pace.call(session.grant.id) as call:
                if may_wait(operation):
                    given = await self._waited(call, context, session, operation, given)
                work = functools.partial(tools.call, operation, session, given)
                # Whoever plans writes too: the plan.
                return await (call.read if operation.role == "read" else call.write)(work)
        except RealmconfError as refusal:
            return tools.refused(refusal)

    async def _waited(
        self,
        call: Call,
        context: Context,
        session: Session,
        operation: Operation,
        given: Mapping[str, Any],
    ) -> Mapping[str, Any]:
        """
        Wait as a call says, if it does, and return the arguments of the same call that waits no more.

        Raises:
            Unauthenticated: Its caller's rights have ended meanwhile.
            RealmconfError: As the call itself.
        """
        wait = await call.read(lambda: wait_of(operation, session, given))
        if wait is None:
            return given
        with call.waiting():
            hub = self.updates.hub
            watch = await call.read(lambda: watch_of(wait, hub))
            await has_step(
                watch,
                self.updates.until_closed(),
                self.updates.until_not_current(lambda: self._is_current(session.grant)),
                self._gone(context),
            )
        if not self._is_current(session.grant):
            raise Unauthenticated
        return wait.again

    # --- resources

    async def _list_resources(
        self, context: Context, params: PaginatedRequestParams | None
    ) -> ListResourcesResult:
        session = self._session(context)
        after = None if params is None else params.cursor
        return await self._run(session, lambda: resources.listed(session, after=after))

    async def _list_templates(
        self, _: Context, __: PaginatedRequestParams | None
    ) -> ListResourceTemplatesResult:
        return resources.templates()

    async def _read_resource(
        self, context: Context, params: ReadResourceRequestParams
    ) -> ReadResourceResult:
        session = self._session(context)
        return await self._run(session, lambda: resources.read(session, params.uri))

    async def _subscribe(self, context: Context, params: SubscribeRequestParams) -> EmptyResult:
        session = self._session(context)
        with _as_protocol_errors():
            context.lifespan_context.subscribe(session, params.uri, context.session)
        return EmptyResult()

    async def _unsubscribe(self, context: Context, params: UnsubscribeRequestParams) -> EmptyResult:
        context.lifespan_context.unsubscribe(params.uri)
        return EmptyResult()

    async def _listen(
        self, context: Context, params: SubscriptionsListenRequestParams
    ) -> SubscriptionsListenResult:
        session = self._session(context)
        with _as_protocol_errors():
            return await self.updates.listen(
                session,
                context,
                params,
                is_current=lambda: self._is_current(session.grant),
            )


def client_name(context: Context) -> str | None:
    """What the client calls itself, in plain letters; None if it did not say, which is its right."""
    told = context.session.client_params
    return None if told is None else plain_name(told.client_info.name)


def plain_name(told: str) -> str:
    """A name that cannot be taken for anything else in a history: plain ASCII, one line, short."""
    plain = re.sub(r"[^A-Za-z0-9._/+ -]+", "-", told[: 4 * CLIENT_CHARS_MAX]).strip(" -")
    return plain[:CLIENT_CHARS_MAX] or UNNAMED


class _as_protocol_errors:  # noqa: N801 - used as a function
    """Turn what is raised inside into errors of the protocol, by the one table, and defects into a plea to report."""

    def __init__(self, *, but_refusals: bool = False, session: Session | None = None) -> None:
        self._but_refusals = but_refusals
        self._session = session

    def __enter__(self) -> None:
        pass

    def __exit__(self, _: object, error: BaseException | None, __: object) -> None:
        if isinstance(error, RealmconfError):
            if self._but_refusals:
                return
            if self._session is not None and not self._session.shows_paths:
                error = error_afar(error, self._session.client)
            code = answer_to(error).rpc or INTERNAL_ERROR
            raise MCPError(code, str(error), error_object(error)) from None
        if isinstance(error, Exception) and not isinstance(error, MCPError):
            raise MCPError(INTERNAL_ERROR, plea(error)) from None
