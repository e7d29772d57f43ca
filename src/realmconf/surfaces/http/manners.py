"""
What HTTP adds to the answers of operations: entity-tags, links, statuses.

Decides by the shape of an answer, never by the name of an operation.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlencode

from realmconf.domain.names import RealmName
from realmconf.domain.record import Record
from realmconf.runtime.results import Plan
from realmconf.surfaces import answers
from realmconf.surfaces.http import etags
from realmconf.surfaces.http.preconditions import Conditions
from realmconf.surfaces.http.replies import JSON, NO_STORE, Reply, json_reply
from realmconf.surfaces.http.views import FORMS, conditional, representation, unchanged

if TYPE_CHECKING:
    from collections.abc import Mapping

    from realmconf.runtime.operations.session import Session
    from realmconf.runtime.operations.table import Operation

GOVERNED = ("schema", "policy")
"""Answers that belong to a generation of the realm without saying so."""
CREATED = 201


class Asked(Record):
    """An operation, as a request asks for it."""

    operation: Operation
    arguments: Mapping[str, Any]
    conditions: Conditions
    media: str
    """What the answer is to be."""


def forms(operation: Operation) -> tuple[str, ...]:
    """The media types in which its answer is had."""
    return FORMS if operation.answer == "view" else (JSON,)


def has_etag(operation: Operation) -> bool:
    """Whether what a read answers has an entity-tag."""
    return operation.answer in ("view", *GOVERNED)


def waits(operation: Operation) -> bool:
    """Whether a read may wait for what comes after a cursor."""
    return operation.answer == "view"


def state_before(session: Session, asked: Asked) -> str | None:
    """The etag of the realm's own view, where the answer to come belongs to it and does not say so."""
    if asked.operation.answer not in GOVERNED:
        return None
    return str(session.realm(session.named(asked.arguments.get("realm"))).get().etag)


def of_answer(session: Session, asked: Asked, found: Any, *, state: str | None = None) -> Reply:
    """
    What *found*, the answer of the operation, is as an answer of HTTP.

    Raises:
        Problem: It is not had in the form that was asked for, or a precondition of a read does not hold.
    """
    shape = asked.operation.answer
    if shape == "view":
        at = asked.arguments.get("at")
        reply, opaque = representation(session, found, at=at, media=asked.media)
        return conditional(reply, opaque, asked.conditions)
    shown = answers.render(asked.operation, session, found)
    if shape in GOVERNED:
        return _governed(session, asked, shown, state)
    if shape == "receipt":
        return _receipt(found, shown)
    if shape == "new_token":
        return json_reply(shown, status=CREATED, headers=(NO_STORE,))
    reply = json_reply(shown)
    page = _next_page(asked, shown)
    return reply if page is None else reply.with_headers((b"link", page))


def _receipt(found: Any, shown: Mapping[str, Any]) -> Reply:
    if isinstance(found, Plan):
        return json_reply(shown)
    opaque = etags.own(found.etag, shown["config"], media=JSON)
    before = found.before
    is_new = found.changed and found.exists and (before is None or before.tombstone)
    is_told_again = any(warning["code"] == "replayed" for warning in shown["warnings"])
    return json_reply(
        shown,
        status=CREATED if is_new and not is_told_again else 200,
        headers=((b"etag", etags.quoted(opaque)),),
    )


def _governed(session: Session, asked: Asked, shown: Any, state: str | None) -> Reply:
    reply = json_reply(shown)
    if state is None or state_before(session, asked) != state:
        # Somebody wrote at this moment: nobody can tell which generation was read.
        return reply
    opaque = f"{state}.{asked.operation.answer}"
    return conditional(
        reply.with_headers((b"etag", etags.quoted(opaque))), opaque, asked.conditions
    )


def not_modified(reply: Reply) -> Reply:
    """304 instead of *reply*, also one that there is nothing: the time to wait for anything newer is over."""
    for name, value in reply.headers:
        if name == b"etag":
            return unchanged(value.decode().strip('"'))
    return reply


def _next_page(asked: Asked, shown: Any) -> bytes | None:
    """A link to the next page, where there is one."""
    if asked.operation.answer == "realms":
        place = ("after", shown["after"])
    elif asked.operation.answer == "revisions":
        place = ("before", shown["before"])
    else:
        return None
    name, value = place
    if value is None:
        return None
    query = {name: value}
    if asked.arguments.get("limit") is not None:
        query["limit"] = asked.arguments["limit"]
    assert asked.operation.route is not None
    path = asked.operation.route.path
    realm = asked.arguments.get("realm")
    if realm is not None:
        path = path.replace("{realm}", quote(RealmName(realm)))
    return f'<{path}?{urlencode(query)}>; rel="next"'.encode()
