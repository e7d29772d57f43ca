"""
The OpenAPI 3.1 document, printed from the table of operations.

Decides how a row and its parameters look in it; what is answered is ``openapi_answers``, what is sent
``openapi_sent``, what is no operation ``openapi_ordinary``.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

from realmconf.surfaces.http import (
    manners,
    openapi_answers,
    openapi_examples,
    openapi_problems,
    openapi_sent,
    schemas,
)
from realmconf.surfaces.http.dispatch import operations_by_path
from realmconf.surfaces.http.openapi_answers import operation_id, responses
from realmconf.surfaces.http.openapi_ordinary import MEERKAT, ORDINARY, SECURITY
from realmconf.surfaces.http.replies import JSON, TOML

if TYPE_CHECKING:
    from collections.abc import Sequence

    from realmconf.runtime.operations.table import Operation, Parameter

SPECIFICATION = "3.1.0"
BODILESS = ("GET", "HEAD", "DELETE")
INTRODUCTION = """\
Every GET has a HEAD. A member of a body that is null counts as not given. A whole number is written as one: 1, not 1.0.

What a request states about the state it was made for may come in a header, in the query and in the body; where it is
there twice, both must agree. `on_conflict=rebase` needs an expected generation or etag, `depends_on` needs
`on_conflict=rebase`, and there cannot both be a document and be none (`If-Match: *`, `If-None-Match: *`).

What lies below `/v1/store/` is left out: with it a server is the store of another process that runs this library,
which is its only reader. So is `/mcp`, which describes itself."""


@cache
def document(*, meerkat: bool) -> dict[str, Any]:
    """The document; with the routes of Meerkat where they are served."""
    from realmconf.domain.release import __version__

    paths = {
        path: {method.lower(): _operation(operations) for method, operations in methods.items()}
        for path, methods in operations_by_path().items()
    }
    for path, methods in ORDINARY.items():
        paths.setdefault(path, {}).update(methods)
    if meerkat:
        paths["/config"] = MEERKAT
    return {
        "openapi": SPECIFICATION,
        "info": {
            "title": "realmconf",
            "version": __version__,
            "summary": "Realm-scoped, typed, versioned configuration",
            "description": INTRODUCTION,
        },
        "paths": dict(sorted(paths.items())),
        "components": {
            "schemas": {
                **schemas.COMPONENTS,
                **openapi_sent.COMPONENTS,
                **openapi_problems.COMPONENTS,
            },
            "responses": openapi_answers.COMPONENTS,
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
        "operationId": operation_id(first),
        "tags": [first.group],
        "summary": "; ".join(operation.summary for operation in operations),
        "description": " ".join(operation.details for operation in operations if operation.details),
        "parameters": [*_parameters(first, route.path), *_headers(first)],
        "responses": responses(first),
        "security": _security(first),
    }
    if route.method not in BODILESS or route.bare:
        described["requestBody"] = _body(operations)
    return described


def _security(operation: Operation) -> list[dict[str, list[str]]]:
    reads = not operation.writes and operation.role != "write"
    return [*SECURITY, {"cookie": []}] if reads else SECURITY


# --- parameters -------------------------------------------------------------------------------------


def _parameters(operation: Operation, path: str) -> list[dict[str, Any]]:
    route = operation.route
    assert route is not None
    found = []
    if "{realm}" in path:
        schema = {"$ref": "#/components/schemas/Realm"}
        named = _parameter("realm", schema, "path", "the realm")
        found.append({**named, "example": openapi_examples.REALM})
    for parameter in operation.parameters:
        if f"{{{parameter.name}}}" in path:
            found.append(_of_row(parameter, "path"))
        elif route.method == "GET" or parameter.name in route.query:
            needed = parameter.required and route.method == "GET"
            found.append({**_of_row(parameter, "query"), "required": needed})
    return found


def _of_row(parameter: Parameter, place: str) -> dict[str, Any]:
    schema = openapi_sent.in_query(parameter)
    found = _parameter(parameter.name, schema, place, parameter.help)
    if place == "path" and parameter.kind in openapi_examples.BY_KIND:
        found["example"] = openapi_examples.BY_KIND[parameter.kind]
    return found


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
    named: list[tuple[str, dict[str, Any], str]] = []
    if operation.writes:
        if "must_exist" in takes:
            says = "entity-tags of the own view, or *: there must be a document"
            named.append(("If-Match", openapi_sent.OWN_TAGS_OR_ANY, says))
        elif "expected" in takes:
            named.append(("If-Match", openapi_sent.OWN_TAGS, "entity-tags of the own view"))
        if "create" in takes:
            says = "*: there must be no document"
            named.append(("If-None-Match", openapi_sent.ANY_ONLY, says))
        if "write_id" in takes:
            says = "the write id: makes a retry safe"
            named.append(("Idempotency-Key", openapi_sent.WRITE_ID, says))
    elif manners.has_etag(operation):
        says = "answer 304 if this is what there is"
        named.append(("If-None-Match", openapi_sent.TAGS_OR_ANY, says))
        says = "answer 412 unless this is what there is"
        named.append(("If-Match", openapi_sent.TAGS_OR_ANY, says))
    elif operation.streams:
        schema = openapi_sent.in_query(operation.parameter("after"))
        named.append(("Last-Event-ID", schema, "go on after this event"))
    return [_parameter(name, schema, "header", says) for name, schema, says in named]


# --- bodies -----------------------------------------------------------------------------------------


def _body(operations: Sequence[Operation]) -> dict[str, Any]:
    content: dict[str, Any] = {}
    wrapped: list[dict[str, Any]] = []
    example: dict[str, Any] = {}
    is_required = False
    for operation in operations:
        route = operation.route
        assert route is not None
        members = [
            parameter
            for parameter in operation.parameters
            if f"{{{parameter.name}}}" not in route.path
        ]
        required = [parameter for parameter in members if parameter.required]
        is_required = is_required or bool(required)
        wrapped.append(_wrapped(members))
        example = example or {one.name: openapi_examples.BY_KIND[one.kind] for one in required}
        for media, name in route.bare:
            content[media] = _bare(operation.parameter(name), media)
    whole = wrapped[0] if len(wrapped) == 1 else {"anyOf": wrapped}
    content[JSON] = {"schema": whole, "example": example}
    return {"required": is_required, "content": content}


def _wrapped(members: Sequence[Parameter]) -> dict[str, Any]:
    properties = {
        one.name: openapi_sent.of(one)
        if one.required
        else openapi_sent.or_null(openapi_sent.of(one))
        for one in members
    }
    schema: dict[str, Any] = {
        "type": "object",
        "additionalProperties": False,
        "required": [one.name for one in members if one.required],
        "properties": properties,
    }
    if {"create", "must_exist"} <= properties.keys():
        schema["not"] = openapi_sent.CONTRADICTION
    return schema


def _bare(parameter: Parameter, media: str) -> dict[str, Any]:
    if media == TOML:
        return {"schema": {"type": "string"}, "example": openapi_examples.TOML}
    return {
        "schema": openapi_sent.of(parameter),
        "example": openapi_examples.BY_KIND[parameter.kind],
    }
