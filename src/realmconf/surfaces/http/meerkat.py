"""
Meerkat's own routes, for one realm: ``GET``, ``PUT`` and ``PATCH /config``.

Decides which headers and media types they take; what bodies and answers are is for ``surfaces.meerkat``.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from realmconf.surfaces.http import bodies, negotiation, preconditions
from realmconf.surfaces.http.problems import Problem
from realmconf.surfaces.http.replies import JSON, Reply, json_reply

if TYPE_CHECKING:
    from collections.abc import Callable

    from realmconf.runtime.operations.session import Session
    from realmconf.surfaces.http.incoming import Incoming
    from realmconf.surfaces.http.server import Server
    from realmconf.surfaces.meerkat import Wire

PATH = "/config"


async def get(server: Server, incoming: Incoming) -> Reply:
    """The envelope."""
    _conditions(incoming)
    return await server.reading(_answered, _wire(server).get, _session(incoming))


async def put(server: Server, incoming: Incoming) -> Reply:
    """A whole configuration, as ``get`` gives it or less, wrapped or direct."""
    return await _write(server, incoming, _wire(server).put)


async def patch(server: Server, incoming: Incoming) -> Reply:
    """A merge patch, wrapped or direct."""
    return await _write(server, incoming, _wire(server).patch)


METHODS = {"GET": get, "PUT": put, "PATCH": patch}


async def _write(server: Server, incoming: Incoming, write: Callable[..., Any]) -> Reply:
    write_id = _conditions(incoming)
    body = await _body(server, incoming)
    written = partial(write, write_id=write_id)
    realm = server.settings.meerkat_realm
    return await server.writing(
        _answered, written, _session(incoming), body, write_id=write_id, realm=realm
    )


def _answered(ask: Callable[..., Any], *arguments: Any) -> Reply:
    return json_reply(ask(*arguments))


def _wire(server: Server) -> Wire:
    from realmconf.surfaces.meerkat import Wire

    settings = server.settings
    assert settings.meerkat_realm is not None
    return Wire(
        realm=settings.meerkat_realm,
        sessions=settings.meerkat_sessions,
        shows_paths=settings.exposes_paths,
    )


def _session(incoming: Incoming) -> Session:
    assert incoming.caller is not None
    return incoming.caller.session


def _conditions(incoming: Incoming) -> str | None:
    """The write id; every other precondition of a header is refused, since Meerkat's routes have no entity-tags."""
    negotiation.choose(",".join(incoming.headers.getlist("accept")), (JSON,))
    incoming.refuse_query()
    conditions = preconditions.read(incoming.headers)
    preconditions.refuse_all(conditions, incoming.headers)
    return conditions.write_id


async def _body(server: Server, incoming: Incoming) -> Any:
    settings = server.settings
    body = await bodies.read(
        incoming.receive,
        incoming.headers,
        bytes_max=settings.body_bytes_max,
        seconds=settings.request_seconds,
    )
    if bodies.media_type(incoming.headers) != JSON:
        name = b"accept-patch" if incoming.method == "PATCH" else b"accept"
        raise Problem(
            "unsupported_media_type",
            f"this is taken as {JSON}",
            headers=((name, JSON.encode()),),
        )
    return bodies.parse(body or b"", JSON, limits=server.client.limits)
