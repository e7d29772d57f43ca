"""
The OpenAPI 3.1 document, printed from the table of operations.

Decides how a row, a parameter and an error look in it; says nothing that the table and ``schemas`` do not.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

from realmconf.domain.record import Record
from realmconf.runtime.operations.kinds import KINDS, schema_of
from realmconf.surfaces.http import manners, schemas
from realmconf.surfaces.http.dispatch import operations_by_path
from realmconf.surfaces.http.replies import EVENTS, JSON, PROBLEM, TOML

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from realmconf.runtime.operations.table import Operation, Parameter

VERSION = "3.1.0"
BODILESS = ("GET", "HEAD", "DELETE")
SECURITY: list[dict[str, list[str]]] = [{"bearer": []}]


class Status(Record):
    """A status that is no answer to what was asked, and when it comes."""

    number: int
    says: str


ALWAYS = (
    Status(number=400, says="something in the request cannot be read, or contradicts itself"),
    Status(number=401, says="nobody can tell who asks"),
    Status(number=403, says="the caller, or the page, may not"),
    Status(number=404, says="there is no such thing"),
    Status(number=406, says="it is not had in a form that was asked for"),
    Status(number=408, says="the request came too slowly"),
    Status(number=410, says="it was there and is gone"),
    Status(number=413, says="it is more than a limit allows"),
    Status(number=421, says="the server, or the realm, is not known here by that name"),
    Status(number=422, says="it was understood and does not fit"),
    Status(number=429, says="too much was asked in too short a time"),
    Status(number=431, says="the headers are too large"),
    Status(number=500, says="the store is damaged"),
    Status(number=501, says="this store cannot do that"),
    Status(number=503, says="the store is in the way now"),
)
OF_CONDITIONS = (Status(number=412, says="a precondition of a header does not hold"),)
OF_WRITES = (
    Status(number=409, says="a precondition of the body or the query does not hold"),
    *OF_CONDITIONS,
    Status(number=415, says="the body is of a media type that is not taken here"),
    Status(number=428, says="the realm asks every write for a precondition"),
    Status(number=504, says="nobody can tell yet whether it was written"),
)


@cache
def document(*, meerkat: bool) -> dict[str, Any]:
    """The document; with the routes of Meerkat where they are served."""
    from realmconf import __version__

    paths = {
        path: {method.lower(): _operation(operations) for method, operations in methods.items()}
        for path, methods in operations_by_path().items()
    }
    for path, methods in _ORDINARY.items():
        paths.setdefault(path, {}).update(methods)
    if meerkat:
        paths["/config"] = _meerkat()
    return {
        "openapi": VERSION,
        "info": {
            "title": "realmconf",
            "version": __version__,
            "summary": "Realm-scoped, typed, versioned configuration",
        },
        "paths": dict(sorted(paths.items())),
        "components": {
            "schemas": schemas.COMPONENTS,
            "securitySchemes": {
                "bearer": {"type": "http", "scheme": "bearer"},
                "cookie": {"type": "apiKey", "in": "cookie", "name": "realmconf_session"},
            },
        },
        "security": SECURITY,
    }


def _operation(operations: Sequence[Operation]) -> dict[str, Any]:
    first = operations[0]
    route = first.route
    assert route is not None
    described = {
        "operationId": first.name.replace("/", "_"),
        "tags": [first.group],
        "summary": "; ".join(operation.summary for operation in operations),
        "description": " ".join(operation.details for operation in operations if operation.details),
        "parameters": [*_parameters(first, route.path), *_headers(first)],
        "responses": _responses(first),
        "security": _security(first),
    }
    if route.method not in BODILESS or route.bare:
        described["requestBody"] = _body(operations)
    return described


def _security(operation: Operation) -> list[dict[str, list[str]]]:
    reads = not operation.writes and operation.role != "write"
    return [*SECURITY, {"cookie": []}] if reads else SECURITY


def _parameters(operation: Operation, path: str) -> list[dict[str, Any]]:
    route = operation.route
    assert route is not None
    found = []
    if "{realm}" in path:
        found.append(_parameter("realm", KINDS["realm"].schema, "path", "the realm"))
    for parameter in operation.parameters:
        if f"{{{parameter.name}}}" in path:
            found.append(_parameter(parameter.name, _schema(parameter), "path", parameter.help))
        elif route.method == "GET" or parameter.name in route.query:
            found.append(
                {
                    **_parameter(parameter.name, _schema(parameter), "query", parameter.help),
                    "required": parameter.required and route.method == "GET",
                }
            )
    return found


def _schema(parameter: Parameter) -> dict[str, Any]:
    schema = {name: value for name, value in schema_of(parameter).items() if name != "description"}
    if parameter.kind == "seconds":
        # As text it may have a unit.
        return {"type": "string", "pattern": r"^[0-9]+(\.[0-9]+)?[smh]?$"}
    return schema


def _parameter(name: str, schema: dict[str, Any], place: str, help_: str) -> dict[str, Any]:
    found: dict[str, Any] = {
        "name": name,
        "in": place,
        "required": place == "path",
        "description": help_,
        "schema": schema,
    }
    if schema.get("type") == "array":
        found |= {"style": "form", "explode": True}
    return found


def _headers(operation: Operation) -> list[dict[str, Any]]:
    takes = operation.takes
    named: list[tuple[str, str]] = []
    if operation.writes:
        if "expected" in takes:
            named.append(
                ("If-Match", "entity-tags of the own view, or *: there must be a document")
            )
        if "create" in takes:
            named.append(("If-None-Match", "*: there must be no document"))
        if "write_id" in takes:
            named.append(("Idempotency-Key", "the write id: makes a retry safe"))
    elif manners.has_etag(operation):
        named.append(("If-None-Match", "answer 304 if this is what there is"))
        named.append(("If-Match", "answer 412 unless this is what there is"))
    elif operation.streams:
        named.append(("Last-Event-ID", "go on after this event"))
    return [_parameter(name, {"type": "string"}, "header", help_) for name, help_ in named]


def _body(operations: Sequence[Operation]) -> dict[str, Any]:
    content: dict[str, Any] = {}
    wrapped: list[dict[str, Any]] = []
    is_required = False
    for operation in operations:
        route = operation.route
        assert route is not None
        members = [
            parameter
            for parameter in operation.parameters
            if f"{{{parameter.name}}}" not in route.path
        ]
        required = [parameter.name for parameter in members if parameter.required]
        is_required = is_required or bool(required)
        wrapped.append(
            {
                "type": "object",
                "additionalProperties": False,
                "required": required,
                "properties": {parameter.name: schema_of(parameter) for parameter in members},
            }
        )
        for media, name in route.bare:
            whole = schema_of(operation.parameter(name))
            content[media] = {"schema": {"type": "string"} if media == TOML else whole}
    content[JSON] = {"schema": wrapped[0] if len(wrapped) == 1 else {"anyOf": wrapped}}
    return {"required": is_required, "content": content}


def _responses(operation: Operation) -> dict[str, Any]:
    schema = schemas.ANSWERS[operation.answer]
    content: dict[str, Any] = {JSON: {"schema": schema}}
    found: dict[str, Any] = {}
    if operation.streams:
        content = {EVENTS: {"schema": schema}}
    elif operation.answer == "view":
        content[TOML] = {"schema": {"type": "string"}}
        found["304"] = {"description": "nothing newer", "headers": _ETAG}
    if manners.has_etag(operation):
        found["304"] = {"description": "nothing newer", "headers": _ETAG}
    answered: dict[str, Any] = {"description": operation.summary, "content": content}
    if manners.has_etag(operation) or operation.answer == "receipt":
        answered["headers"] = _ETAG
    if operation.answer in ("realms", "revisions"):
        answered["headers"] = {"Link": _header('the next page, as rel="next"')}
    if operation.answer == "new_token":
        found["201"] = answered
    else:
        found["200"] = answered
        if operation.answer == "receipt":
            found["201"] = {**answered, "description": "there was no document before"}
    statuses: Iterable[Status] = ALWAYS
    if operation.writes:
        statuses = (*ALWAYS, *OF_WRITES)
    elif operation.parameters and operation.route is not None and operation.route.bare:
        statuses = (*ALWAYS, Status(number=415, says="the body's media type is not taken here"))
    elif manners.has_etag(operation):
        statuses = (*ALWAYS, *OF_CONDITIONS)
    return {**found, **{str(one.number): _problem(one.says) for one in statuses}}


def _header(meaning: str) -> dict[str, Any]:
    return {"description": meaning, "schema": {"type": "string"}}


_ETAG = {"ETag": _header("what this representation is called")}


def _problem(meaning: str) -> dict[str, Any]:
    return {
        "description": meaning,
        "content": {PROBLEM: {"schema": {"$ref": "#/components/schemas/Problem"}}},
    }


def _plain(
    summary: str,
    schema: dict[str, Any] | None = None,
    *,
    status: str = "200",
    media: str = JSON,
    is_open: bool = False,
    parameters: Sequence[dict[str, Any]] = (),
) -> dict[str, Any]:
    """A route that is no operation."""
    answered: dict[str, Any] = {"description": summary}
    if schema is not None:
        answered["content"] = {media: {"schema": schema}}
    errors = {str(one.number): _problem(one.says) for one in ALWAYS}
    return {
        "summary": summary,
        "tags": ["Server"],
        "parameters": list(parameters),
        "responses": {status: answered, **errors},
        "security": [] if is_open else SECURITY,
    }


_WELL = {"type": "object", "properties": {"status": {"const": "ok"}}, "required": ["status"]}
_NAME = _parameter("name", {"type": "string"}, "path", "the end of a problem's type")

_ORDINARY: dict[str, dict[str, Any]] = {
    "/": {
        "get": _plain("a page for browsers", {"type": "string"}, media="text/html", is_open=True)
    },
    "/healthz": {"get": _plain("whether the process answers", _WELL, is_open=True)},
    "/readyz": {"get": _plain("whether the store answers", _WELL, is_open=True)},
    "/openapi.json": {"get": _plain("this document", {"type": "object"}, is_open=True)},
    "/problems/{name}": {
        "get": _plain(
            "what problems of one type mean", {"type": "object"}, is_open=True, parameters=(_NAME,)
        )
    },
    "/metrics": {"get": _plain("counts, for Prometheus", {"type": "string"}, media="text/plain")},
    "/v1/session": {
        "get": _plain("who asks, and what they may", {"type": "object"}),
        "post": _plain("give a browser the token as a cookie that only reads", status="204"),
        "delete": _plain("take the cookie away", status="204", is_open=True),
    },
}


def _meerkat() -> dict[str, Any]:
    envelope = {"type": "object", "required": ["config", "generation", "realm_id"]}
    body = {"required": True, "content": {JSON: {"schema": {"type": "object"}}}}
    writes = {str(one.number): _problem(one.says) for one in OF_WRITES}
    found = {}
    for method, summary in (
        ("get", "the configuration with its defaults, as Meerkat answers"),
        ("put", "replace it, wrapped or direct"),
        ("patch", "apply a merge patch, wrapped or direct"),
    ):
        described = _plain(summary, envelope)
        if method != "get":
            described["requestBody"] = body
            described["responses"] |= writes
        found[method] = described
    return found
