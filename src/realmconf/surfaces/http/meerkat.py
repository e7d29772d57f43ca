"""
Meerkat's own routes, for one realm: ``GET``, ``PUT`` and ``PATCH /config``, with its bodies and its envelope.

Decides what a body is, wrapped or direct, and that a configuration comes with its defaults filled in, as Meerkat's
does, and goes back without them.  Rights, writes and errors are those of every other route.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from realmconf.domain.document import check_document
from realmconf.domain.frozen import thaw
from realmconf.domain.names import LIMITS
from realmconf.domain.schemas.filling import filled, unfilled
from realmconf.domain.schemas.shape import NOTHING
from realmconf.domain.secrets import unmarked
from realmconf.errors import GenerationConflict, InvalidArgument, InvalidDocument, InvalidPatch
from realmconf.runtime import arguments
from realmconf.runtime.operations.numbers import with_stored_number_types
from realmconf.runtime.operations.rows import BY_NAME
from realmconf.runtime.operations.table import call
from realmconf.surfaces.http import bodies, negotiation, preconditions
from realmconf.surfaces.http.problems import Problem
from realmconf.surfaces.http.replies import JSON, Reply, json_reply
from realmconf.surfaces.veil import veil_of

if TYPE_CHECKING:
    from realmconf.domain.names import RealmName
    from realmconf.domain.schemas.shape import Shape
    from realmconf.runtime.operations.session import Session
    from realmconf.runtime.snapshot import ConfigSnapshot
    from realmconf.surfaces.http.incoming import Incoming
    from realmconf.surfaces.http.server import Server

PATH = "/config"
READ, SET, PATCH = BY_NAME["config/get"], BY_NAME["config/set"], BY_NAME["config/patch"]
GENERATION = "expected_generation"


async def get(server: Server, incoming: Incoming) -> Reply:
    """The envelope."""
    _conditions(incoming)
    return await server.reading(_get, server, _session(incoming))


async def put(server: Server, incoming: Incoming) -> Reply:
    """A whole configuration, as ``get`` gives it or less, wrapped or direct."""
    write_id = _conditions(incoming)
    body = await _body(server, incoming)
    config, generation = _taken_apart(body, "config")
    if not isinstance(config, dict):
        raise InvalidDocument("a configuration is an object", pointer="")
    options = {GENERATION: generation, "write_id": write_id}
    return await server.writing(_put, server, _session(incoming), config, options)


async def patch(server: Server, incoming: Incoming) -> Reply:
    """A merge patch, wrapped or direct."""
    write_id = _conditions(incoming)
    body = await _body(server, incoming)
    change, generation = _taken_apart(body, "patch")
    if not isinstance(change, dict):
        raise InvalidPatch("a merge patch of a configuration is an object")
    given = {"patch": change, GENERATION: generation, "write_id": write_id}
    return await server.writing(_patch, server, _session(incoming), given)


METHODS = {"GET": get, "PUT": put, "PATCH": patch}


# --- what comes in ---------------------------------------------------------------------------


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


def _taken_apart(body: Any, member: str) -> tuple[Any, int | None]:
    """
    The configuration or patch of a body, and the generation it expects.

    Raises:
        InvalidArgument: It is half wrapped: nothing of it is taken for a configuration.
    """
    if not isinstance(body, dict):
        raise InvalidArgument("the body is not an object")
    if member not in body:
        if GENERATION in body:
            raise InvalidArgument(f"{GENERATION} goes with {member}: wrap what is to be written")
        return body, None
    unknown = sorted(body.keys() - {member, GENERATION})
    if unknown:
        raise InvalidArgument(f"a wrapped body has no member {unknown[0][:100]!a}")
    generation = body.get(GENERATION)
    if generation is None:
        return body[member], None
    return body[member], arguments.generation(generation, limits=LIMITS)


# --- what is done ----------------------------------------------------------------------------


def _get(server: Server, session: Session) -> Reply:
    realm = _realm(server)
    session.require(READ, realm)
    return _reply(server, session, session.realm(realm).get())


def _put(
    server: Server, session: Session, config: dict[str, Any], options: dict[str, Any]
) -> Reply:
    realm = _realm(server)
    session.require(SET, realm)
    # What can be no configuration of any generation is refused as that, before anything is compared with it.
    config = check_document(config, limits=session.client.limits)
    handle = session.realm(realm)
    head = handle.get()
    expected = options[GENERATION]
    if expected not in (None, head.generation):
        # Marks of another generation stand for nothing here, which is not what is wrong.
        raise GenerationConflict(expected, head.generation, realm=realm)
    stated = thaw(head.composed)
    # What was read came with marks and defaults, and some writers make integers of floats.
    config = unmarked(config, stated, session.client.lineages.secrecy(realm))
    shape = _shape(head)
    config = with_stored_number_types(config, filled(stated, shape))
    given = {name: value for name, value in options.items() if value is not None}
    result: Any = handle.set(unfilled(config, stated, shape), base=head, **given)
    return _reply(server, session, result)


def _patch(server: Server, session: Session, given: dict[str, Any]) -> Reply:
    realm = _realm(server)
    return _reply(server, session, call(PATCH, session, {**given, "realm": str(realm)}))


def _realm(server: Server) -> RealmName:
    realm = server.settings.meerkat_realm
    assert realm is not None
    return realm


def _shape(snapshot: ConfigSnapshot[Any]) -> Shape:
    return NOTHING if snapshot.point.problem is not None else snapshot.point.composed.shape


def _reply(server: Server, session: Session, snapshot: ConfigSnapshot[Any]) -> Reply:
    veil = veil_of(session.client, snapshot.realm_id, shows_secrets=session.shows_secrets)
    metadata = snapshot.metadata
    envelope: dict[str, Any] = {
        "config": veil.over(filled(thaw(snapshot.composed), _shape(snapshot))),
        "generation": snapshot.generation,
        "realm_id": str(snapshot.realm_id),
        "instance_id": metadata.instance_id,
        "backend": metadata.backend,
    }
    if server.settings.exposes_paths and metadata.resolved_paths is not None:
        envelope["resolved_paths"] = metadata.resolved_paths.to_dict()
    return json_reply(envelope)
