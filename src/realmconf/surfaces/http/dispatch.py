"""
Operations as routes: one loop over the table.

Decides how path, query, headers and body become the arguments of a row, and where it runs.  What its answer looks
like besides its JSON is for ``manners``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from realmconf.domain.document import same
from realmconf.errors import InvalidArgument, RealmconfError
from realmconf.runtime.operations.kinds import from_text
from realmconf.runtime.operations.rows import OPERATIONS
from realmconf.runtime.operations.table import call, function_of, prepared
from realmconf.surfaces.http import bodies, manners, negotiation, preconditions
from realmconf.surfaces.http.access import READING_METHODS
from realmconf.surfaces.http.polling import wait_beyond
from realmconf.surfaces.http.problems import problem_of
from realmconf.surfaces.http.replies import EVENTS, Reply, send_reply

if TYPE_CHECKING:
    from collections.abc import Mapping

    from realmconf.runtime.operations.session import Session
    from realmconf.runtime.operations.table import Operation
    from realmconf.surfaces.http.incoming import Incoming
    from realmconf.surfaces.http.server import Server

LAST_EVENT_ID = "Last-Event-ID"


def operations_by_path() -> dict[str, dict[str, tuple[Operation, ...]]]:
    """The rows that have a route: by path, then by method; several of one method differ by media type."""
    found: dict[str, dict[str, tuple[Operation, ...]]] = {}
    for operation in OPERATIONS:
        route = operation.route
        if route is not None:
            methods = found.setdefault(route.path, {})
            methods[route.method] = (*methods.get(route.method, ()), operation)
    return found


async def answer(server: Server, incoming: Incoming, operations: tuple[Operation, ...]) -> None:
    """
    Answer a request for one of *operations*.

    Raises:
        Problem, RealmconfError: Why it is refused.
    """
    caller = incoming.caller
    assert caller is not None
    for operation in operations:
        caller.require_for(operation)
    conditions = preconditions.read(incoming.headers)
    accept = ",".join(incoming.headers.getlist("accept"))
    if operations[0].streams:
        negotiation.choose(accept, (EVENTS,))
        await _stream(server, incoming, operations[0], conditions)
        return
    body = await bodies.read(
        incoming.receive,
        incoming.headers,
        bytes_max=server.settings.body_bytes_max,
        seconds=server.settings.request_seconds,
    )
    if incoming.method in READING_METHODS:
        operation = operations[0]
        if body:
            raise InvalidArgument(f"{incoming.method} takes no body")
        given: dict[str, Any] = {}
        in_query = {parameter.name for parameter in operation.parameters}
    else:
        operation, given = bodies.choose(
            operations, body, incoming.headers, limits=server.client.limits
        )
        assert operation.route is not None
        in_query = set(operation.route.query) & operation.takes
    media = negotiation.choose(accept, manners.forms(operation))
    from_path = {
        name: from_text(operation.parameter(name), incoming.from_path(name))
        if name != "realm"
        else incoming.from_path(name)
        for name in incoming.scope["path_params"]
    }
    arguments = _merged(from_path, incoming.query_of(operation, in_query - from_path.keys()), given)
    asked = manners.Asked(
        operation=operation, arguments=arguments, conditions=conditions, media=media
    )
    if operation.writes:
        reply = await _written(server, incoming, asked)
    else:
        reply = await _read(server, incoming, asked)
    await send_reply(incoming.send, reply, method=incoming.method)


def _merged(
    from_path: Mapping[str, Any], query: Mapping[str, Any], body: Mapping[str, Any]
) -> dict[str, Any]:
    for name in from_path:
        if name in body:
            raise InvalidArgument(f"{name} is said by the path, and has no place in the body")
    for name, value in query.items():
        # Strictly, since to Python false is 0, and 1.0 is 1.
        if body.get(name) is not None and not same(body[name], value):
            raise InvalidArgument(f"{name} in the query and in the body must agree")
    return {**body, **query, **from_path}


async def _written(server: Server, incoming: Incoming, asked: manners.Asked) -> Reply:
    caller = incoming.caller
    assert caller is not None
    write_id = asked.conditions.write_id or asked.arguments.get("write_id")
    if write_id is None and "write_id" in asked.operation.takes:
        # Before it begins, so that whoever is not told what became of it can ask.
        write_id = server.client.world.write_id()
        asked = asked.replace(arguments={**asked.arguments, "write_id": write_id})
    return await server.writing(
        _write,
        caller.session,
        asked,
        incoming,
        write_id=write_id if isinstance(write_id, str) else None,
        realm=asked.arguments.get("realm"),
    )


# --- what runs in a thread ---------------------------------------------------------------


def _write(session: Session, asked: manners.Asked, incoming: Incoming) -> Reply:
    operation = asked.operation
    # The right first, so that no refusal tells what is there.
    prepared(operation, session, asked.arguments)
    stated = preconditions.stated(operation, asked.arguments, asked.conditions, incoming.headers)
    given = prepared(operation, session, stated.arguments)
    if stated.candidates:
        # All at once: which of them is the realm's is judged where the write is, and they are what makes it the same.
        given["expected"] = stated.candidates
    try:
        found = function_of(operation)(session, **given)
    except RealmconfError as error:
        return problem_of(error, in_header=stated.in_header(error))
    return manners.of_answer(session, asked, found)


async def _read(server: Server, incoming: Incoming, asked: manners.Asked) -> Reply:
    caller = incoming.caller
    assert caller is not None
    operation = asked.operation
    if not manners.has_etag(operation):
        preconditions.refuse_ignored(asked.conditions)
    given = await server.reading(prepared, operation, caller.session, asked.arguments)
    if manners.waits(operation) and given.get("after") is not None:
        incoming.is_long = True
        is_beyond = await wait_beyond(server, incoming, caller.session, given)
        # A token may have ended while its caller waited.
        session = server.access.again(caller)
        without = {**asked.arguments, "after": None, "wait": None}
        reply = await server.reading(_answered, session, asked.replace(arguments=without))
        return reply if is_beyond else manners.not_modified(reply)
    return await server.reading(_answered, caller.session, asked)


def _answered(session: Session, asked: manners.Asked) -> Reply:
    state = manners.state_before(session, asked)
    found = call(asked.operation, session, asked.arguments)
    return manners.of_answer(session, asked, found, state=state)


# --- streams -----------------------------------------------------------------------------


async def _stream(
    server: Server,
    incoming: Incoming,
    operation: Operation,
    conditions: preconditions.Conditions,
) -> None:
    caller = incoming.caller
    assert caller is not None
    preconditions.refuse_ignored(conditions)
    incoming.is_long = True
    bodies.refuse(incoming.headers)
    names = {parameter.name for parameter in operation.parameters}
    arguments = {
        **incoming.query_of(operation, names),
        "realm": incoming.from_path("realm"),
    }
    # Where a stream that is resumed goes on is for the stream, which knows its cursors.
    preconditions.one_header(incoming.headers, LAST_EVENT_ID)
    watching = await server.reading(call, operation, caller.session, arguments)
    with server.metrics.streaming():
        await server.streams.watch(
            incoming.scope,
            incoming.receive,
            incoming.send,
            session=caller.session,
            watching=watching,
        )
