"""
Routes in the OpenAPI document that are no operation: the server's own, and Meerkat's.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from realmconf.runtime.access import ROLES
from realmconf.runtime.operations.kinds import KINDS
from realmconf.surfaces.http import openapi_sent
from realmconf.surfaces.http.openapi_answers import ALWAYS, OF_REALMS, OF_WRITES, problems
from realmconf.surfaces.http.openapi_problems import BY_STATUS
from realmconf.surfaces.http.replies import JSON

if TYPE_CHECKING:
    from collections.abc import Sequence

    Described = dict[str, Any]

SECURITY: list[dict[str, list[str]]] = [{"bearer": []}]
READING: list[dict[str, list[str]]] = [*SECURITY, {"cookie": []}]
_TEXT = {"type": "string"}
_TEXTS = {"type": "array", "items": _TEXT}


def _plain(
    summary: str,
    schema: Described | None = None,
    *,
    status: str = "200",
    media: str = JSON,
    security: list[dict[str, list[str]]],
    parameters: Sequence[Described] = (),
    more: Sequence[int] = (),
) -> Described:
    answered: Described = {"description": summary}
    if schema is not None:
        answered["content"] = {media: {"schema": schema}}
    return {
        "summary": summary,
        "tags": ["Server"],
        "parameters": list(parameters),
        "responses": {status: answered, **problems(*ALWAYS, *more)},
        "security": security,
    }


_WELL = {"type": "object", "properties": {"status": {"const": "ok"}}, "required": ["status"]}
_NAME = {
    "name": "name",
    "in": "path",
    "required": True,
    "description": "the end of a problem's type",
    "schema": {"enum": sorted({name for names in BY_STATUS.values() for name in names})},
}
_MEANING = {
    "type": "object",
    "required": ["type", "title", "meaning"],
    "properties": {
        "type": {"type": "string", "format": "uri-reference"},
        "title": _TEXT,
        "meaning": _TEXT,
    },
}
_WHO = {
    "type": "object",
    "required": ["id", "name", "roles", "realms", "paths"],
    "properties": {
        "id": _TEXT,
        "name": _TEXT,
        "roles": {"type": "array", "items": {"enum": list(ROLES)}},
        "realms": _TEXTS,
        "paths": _TEXTS,
    },
}

ORDINARY: dict[str, dict[str, Described]] = {
    "/": {"get": _plain("a page for browsers", _TEXT, media="text/html", security=[])},
    "/healthz": {"get": _plain("whether the process answers", _WELL, security=[])},
    "/readyz": {"get": _plain("whether the store answers", _WELL, security=[])},
    "/openapi.json": {"get": _plain("this document", {"type": "object"}, security=[])},
    "/problems/{name}": {
        "get": _plain(
            "what problems of one type mean",
            _MEANING,
            security=[],
            parameters=(_NAME,),
            more=(404,),
        )
    },
    "/metrics": {
        "get": _plain("counts, for Prometheus", _TEXT, media="text/plain", security=READING)
    },
    "/v1/session": {
        "get": _plain("who asks, and what they may", _WHO, security=READING),
        "post": _plain(
            "give a browser a session of its own as a cookie that only reads",
            status="204",
            security=SECURITY,
            more=(504,),
        ),
        "delete": _plain(
            "end the session, and take its cookie away", status="204", security=[], more=(504,)
        ),
    },
}

# --- Meerkat's routes -----------------------------------------------------------------------------

_ENVELOPE = {
    "type": "object",
    "required": ["config", "generation", "realm_id", "instance_id", "backend"],
    "properties": {
        "config": {"type": "object"},
        "generation": KINDS["generation"].schema,
        "realm_id": {"$ref": "#/components/schemas/Realm"},
        "instance_id": {"type": ["string", "null"]},
        "backend": {"type": ["string", "null"]},
        "resolved_paths": {"type": "object"},
    },
}


def _body(member: str, schema: str) -> Described:
    """
    One of Meerkat's two forms: wrapped, or the thing itself, which has members and none of the wrapping's names.

    That each of its members is a section, or a key that the realm has, depends on what is stored.
    """
    named = {"$ref": f"#/components/schemas/{schema}"}
    wrapped = {
        "type": "object",
        "additionalProperties": False,
        "required": [member],
        "properties": {
            member: named,
            "expected_generation": openapi_sent.or_null(KINDS["generation"].schema),
        },
    }
    reserved = [{"required": [name]} for name in (member, "expected_generation")]
    direct = {"allOf": [named, {"minProperties": 1, "not": {"anyOf": reserved}}]}
    return {"required": True, "content": {JSON: {"schema": {"oneOf": [wrapped, direct]}}}}


def _meerkat() -> dict[str, Described]:
    key = {
        "name": "Idempotency-Key",
        "in": "header",
        "required": False,
        "description": "the write id: makes a retry safe",
        "schema": openapi_sent.WRITE_ID,
    }
    found = {
        "get": _plain(
            "the configuration with its defaults, as Meerkat answers",
            _ENVELOPE,
            security=READING,
            more=OF_REALMS,
        )
    }
    for method, summary, member, schema in (
        ("put", "replace it, wrapped or direct", "config", "Document"),
        ("patch", "apply a merge patch, wrapped or direct", "patch", "MergePatch"),
    ):
        found[method] = {
            **_plain(
                summary,
                _ENVELOPE,
                security=SECURITY,
                parameters=(key,),
                more=(*OF_REALMS, *OF_WRITES),
            ),
            "requestBody": _body(member, schema),
        }
    return found


MEERKAT = _meerkat()
"""What the path of Meerkat's routes has, where they are served."""
