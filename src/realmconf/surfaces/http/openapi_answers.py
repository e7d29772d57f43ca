"""
Responses in the OpenAPI document: what each operation answers, with which status and headers, and what that makes
possible.

Decides which statuses an operation can have, by its row, and that a link leads to whatever takes something that an
answer has.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from realmconf.domain.record import Record
from realmconf.surfaces.http import manners, openapi_problems, schemas
from realmconf.surfaces.http.dispatch import operations_by_path
from realmconf.surfaces.http.replies import EVENTS, JSON, PROBLEM, TOML

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from realmconf.runtime.operations.table import Operation

    Described = dict[str, Any]


# --- problems -------------------------------------------------------------------------------------


class Status(Record):
    """A status that is no answer to what was asked, and when it comes."""

    number: int
    says: str


_STATUSES = {
    one.number: one
    for one in (
        Status(number=400, says="something in the request cannot be read, or contradicts itself"),
        Status(number=401, says="nobody can tell who asks"),
        Status(number=403, says="the caller, or the page, may not"),
        Status(number=404, says="there is no such thing"),
        Status(number=406, says="it is not had in a form that was asked for"),
        Status(number=408, says="the request came too slowly"),
        Status(number=409, says="a precondition of the body or the query does not hold"),
        Status(number=410, says="it was there and is gone"),
        Status(number=412, says="a precondition of a header does not hold"),
        Status(number=413, says="it is more than a limit allows"),
        Status(number=415, says="the body is of a media type that is not taken here"),
        Status(number=421, says="the server, or the realm, is not known here by that name"),
        Status(number=422, says="it was understood and does not fit"),
        Status(number=428, says="the realm asks every write for a precondition"),
        Status(number=429, says="too much was asked in too short a time"),
        Status(number=431, says="the headers are too large"),
        Status(number=500, says="the store is damaged, or this is a defect of the server"),
        Status(number=501, says="this store cannot do that"),
        Status(number=503, says="the store, or the server, is in the way now"),
        Status(number=504, says="nobody can tell yet whether it was written: ask again by its id"),
    )
}
ALWAYS = (400, 401, 403, 406, 408, 413, 421, 429, 431, 500, 503)
"""Of whatever is asked."""
OF_REALMS = (404, 410, 422, 501)
"""Of what concerns a realm, or something else that has a name."""
OF_WRITES = (409, 412, 415, 428, 504)


def _header(meaning: str, schema: Described, *, required: bool = False) -> Described:
    return {"description": meaning, "required": required, "schema": schema}


_RETRY = {
    "Retry-After": _header(
        "seconds until it is worth trying again", {"type": "integer", "minimum": 0}, required=True
    )
}
_CHALLENGE = {
    "WWW-Authenticate": _header("that a token is asked for", {"type": "string"}, required=True)
}
_TAKEN = {
    name: _header(f"the media types that are taken here ({method})", {"type": "string"})
    for name, method in (("Accept", "PUT and POST"), ("Accept-Patch", "PATCH"))
}
_HEADERS: dict[int, Described] = {
    401: _CHALLENGE,
    415: _TAKEN,
    429: _RETRY,
    503: _RETRY,
    504: _RETRY,
}


def _problem(status: Status) -> Described:
    described: Described = {
        "description": status.says,
        "content": {PROBLEM: {"schema": openapi_problems.of_status(status.number)}},
    }
    if status.number in _HEADERS:
        described["headers"] = _HEADERS[status.number]
    return described


COMPONENTS = {f"Problem{number}": _problem(status) for number, status in _STATUSES.items()}
"""The responses that several operations share."""


def problems(*statuses: int) -> Described:
    """References to the responses of these *statuses*, by status."""
    return {
        str(status): {"$ref": f"#/components/responses/Problem{status}"}
        for status in sorted(statuses)
    }


# --- answers --------------------------------------------------------------------------------------

_NAME = {"type": "string", "pattern": r'^(?:W/)?"[\x21\x23-\x7e]*"$'}
_OPTIONAL_ETAG = {"ETag": _header("what this representation is called", _NAME)}
_ETAG = {"ETag": _header("what this representation is called", _NAME, required=True)}
_NEXT = {
    "Link": _header(
        'the next page, as rel="next", where there is one',
        {"type": "string", "pattern": '^<[^<>]+>; rel="next"$'},
    )
}
_NO_DOCUMENT: Described = {
    "description": "there is no such thing; of a realm without a document, with what its envelope would say",
    "headers": _OPTIONAL_ETAG,
    "content": {
        PROBLEM: {
            "schema": {
                "anyOf": [
                    {"$ref": "#/components/schemas/NoDocument"},
                    openapi_problems.of_status(404),
                ]
            }
        }
    },
}


def responses(operation: Operation) -> Described:
    """Every response of an operation, by status."""
    route = operation.route
    assert route is not None
    found: Described = {}
    if manners.has_etag(operation):
        found["304"] = {"description": "nothing newer", "headers": _ETAG}
    found |= _successes(operation)
    statuses = set(ALWAYS)
    if "{" in route.path or "parts" in operation.takes:
        statuses |= set(OF_REALMS)
    if operation.writes:
        statuses |= set(OF_WRITES)
    elif route.bare:
        statuses.add(415)
    elif manners.has_etag(operation):
        statuses.add(412)
    found |= problems(*statuses)
    if operation.answer == "view":
        found["404"] = _NO_DOCUMENT
    return found


def _successes(operation: Operation) -> Described:
    route = operation.route
    assert route is not None
    schema = schemas.ANSWERS[operation.answer]
    content: Described = {JSON: {"schema": schema}}
    if operation.streams:
        content = {EVENTS: {"schema": schema}}
    elif operation.answer == "view":
        content[TOML] = {"schema": {"type": "string"}}
    answered: Described = {"description": operation.summary, "content": content}
    if operation.answer in ("realms", "revisions"):
        answered["headers"] = _NEXT
    elif operation.answer == "view":
        answered["headers"] = _ETAG
    elif manners.has_etag(operation) or operation.answer == "receipt":
        # A dry run has none; and there is none of what changed while it was read.
        answered["headers"] = _OPTIONAL_ETAG
    links = _links(operation)
    if links:
        answered["links"] = links
    if operation.answer == "new_token":
        return {"201": answered}
    if operation.answer == "receipt" and route.method != "DELETE":
        made = {
            **answered,
            "description": "there was no document before",
            "headers": _ETAG,
            "content": {JSON: {"schema": schemas.RECEIPT}},
        }
        return {"200": answered, "201": made}
    return {"200": answered}


# --- links ----------------------------------------------------------------------------------------

_HAS: dict[str, Mapping[str, str]] = {
    "receipt": {"generation": "/generation", "write_id": "/write_id", "to": "/generation"},
    "view": {"generation": "/generation"},
    "revisions": {
        "generation": "/revisions/0/generation",
        "write_id": "/revisions/0/write_id",
        "to": "/revisions/0/generation",
    },
    "revision": {"write_id": "/write_id", "to": "/generation", "from": "/generation"},
    "realms": {"realm": "/realms/0/realm"},
    "new_token": {"id": "/id"},
}
"""What an answer has that an operation can be asked with, and where."""
_BODY = "$response.body#"
_ASKED_REALM = "$request.path.realm"


def operation_id(operation: Operation) -> str:
    """What an operation is called in the document."""
    return operation.name.replace("/", "_")


def _links(operation: Operation) -> Described:
    """What can be asked next with something that is in the answer."""
    route = operation.route
    assert route is not None
    has = _HAS.get(operation.answer, {})
    found: Described = {}
    for methods in operations_by_path().values():
        for other, *_ in methods.values():
            if not other.streams and other.route != route:
                found.update(_steps(operation, other, has))
    return found


def _steps(
    operation: Operation, other: Operation, has: Mapping[str, str]
) -> Iterator[tuple[str, Described]]:
    route, target = operation.route, other.route
    assert route is not None
    assert target is not None
    named = {parameter.name for parameter in other.parameters if parameter.required}
    in_path = {name for name in ("realm", *named) if f"{{{name}}}" in target.path}
    given = {name: f"{_BODY}{has[name]}" for name in in_path if name in has}
    if "realm" in in_path and "realm" not in has and "{realm}" in route.path:
        given["realm"] = _ASKED_REALM
    if given.keys() != in_path or not in_path:
        return
    in_body = named - in_path
    name = operation_id(other)
    if in_body and in_body <= has.keys():
        body = {one: f"{_BODY}{has[one]}" for one in sorted(in_body)}
        yield name, {"operationId": name, "parameters": given, "requestBody": body}
    elif has.keys() & in_path and ("realm" not in has or not other.writes):
        yield name, {"operationId": name, "parameters": given}
    elif target.path == route.path:
        yield from _of_same_path(operation, other, given)


def _of_same_path(
    operation: Operation, other: Operation, given: Described
) -> Iterator[tuple[str, Described]]:
    """What was written can be read; and what was read or written can be compared with when it is written."""
    name = operation_id(other)
    has_etag = operation.answer in ("view", "receipt", *manners.GOVERNED)
    if not other.writes:
        yield name, {"operationId": name, "parameters": given}
    elif has_etag and "expected" in other.takes:
        parameters = {**given, "header.If-Match": "$response.header.ETag"}
        yield name, {"operationId": name, "parameters": parameters}
