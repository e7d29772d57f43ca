"""
The long poll: an answer as soon as a view is beyond a cursor, or when the time is over.

Decides that nobody who waits has a thread, and that whoever hangs up waits no longer.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from realmconf.errors import InvalidArgument
from realmconf.runtime.aio import AsyncWatch
from realmconf.runtime.operations.reading import start_of, waiting_seconds
from realmconf.runtime.waiting import has_step
from realmconf.surfaces.http.bodies import ClientGoneError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from starlette.types import Receive

    from realmconf.runtime.operations.session import Session
    from realmconf.surfaces.http.incoming import Incoming
    from realmconf.surfaces.http.server import Server


async def wait_beyond(
    server: Server, incoming: Incoming, session: Session, given: Mapping[str, Any]
) -> bool:
    """
    Whether the view is beyond ``after`` within ``wait`` seconds; also False when the server is about to end, or the
    token has: who asked is looked at again.  Whoever waits counts as a stream.

    Raises:
        RateLimited: There are too many streams and waits.
        Unauthenticated: The token has ended meanwhile.
        InvalidArgument: ``after`` is no place of this view.
        ClientGoneError: Nobody waits any more.
    """
    if given.get("at") is not None:
        raise InvalidArgument("at and after contradict each other")
    view = given.get("view", "own")
    seconds = waiting_seconds(given.get("wait"), default=0.0)
    handle = session.realm(given["realm"])
    hub = server.hub
    place = await server.reading(lambda: start_of(handle, given["after"], view=view))
    watch = await server.reading(
        lambda: AsyncWatch(hub, handle, place, view=view, silence_seconds=seconds)
    )
    try:
        with server.streams.waiting(session, given["realm"]) as ended:
            return await has_step(
                watch, _gone(incoming.receive), server.stopping.wait(), ended.wait()
            )
    finally:
        watch.close()


async def _gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
    raise ClientGoneError
