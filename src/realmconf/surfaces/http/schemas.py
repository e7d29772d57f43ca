"""
JSON Schemas of what is answered, for the OpenAPI document: one for each shape of an answer.

Says what ``surfaces.answers`` gives; a test compares the two.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from realmconf.runtime.access import ROLES
from realmconf.runtime.operations.kinds import ETAG_PATTERN, KINDS

if TYPE_CHECKING:
    from collections.abc import Mapping

JsonSchema = dict[str, Any]

TEXT: JsonSchema = {"type": "string"}
FLAG: JsonSchema = {"type": "boolean"}
NUMBER: JsonSchema = {"type": "integer", "minimum": 0}
ANYTHING: JsonSchema = {}
OBJECT: JsonSchema = {"type": "object"}


def _or_null(schema: JsonSchema) -> JsonSchema:
    return {"anyOf": [schema, {"type": "null"}]}


def _list(schema: JsonSchema) -> JsonSchema:
    return {"type": "array", "items": schema}


def _named(name: str) -> JsonSchema:
    return {"$ref": f"#/components/schemas/{name}"}


def _record(
    required: Mapping[str, JsonSchema], optional: Mapping[str, JsonSchema] | None = None
) -> JsonSchema:
    return {
        "type": "object",
        "required": list(required),
        "properties": {**required, **(optional or {})},
    }


WHEN: JsonSchema = {"type": "string", "format": "date-time"}
ETAG: JsonSchema = {"type": "string", "pattern": f"^{ETAG_PATTERN}$"}
REALM = KINDS["realm"].schema

_ENVELOPE = {
    "config": _or_null(OBJECT),
    "generation": NUMBER,
    "realm_id": REALM,
    "instance_id": _or_null(TEXT),
    "backend": _or_null(TEXT),
    "view": {"enum": ["own", "effective"]},
}
_REVISION = {
    "realm": REALM,
    "generation": NUMBER,
    "kind": TEXT,
    "author": TEXT,
    "surface": TEXT,
    "message": TEXT,
    "write_id": TEXT,
    "created_at": WHEN,
    "deleted": FLAG,
    "purged": FLAG,
    "restores": _or_null(NUMBER),
    "reverts": _list(NUMBER),
    "etag": ETAG,
    "digest": TEXT,
    "previous": TEXT,
}
_TOKEN = {
    "id": TEXT,
    "name": TEXT,
    "roles": _list({"enum": list(ROLES)}),
    "realms": _list(TEXT),
    "paths": _list(TEXT),
    "created_at": WHEN,
    "created_by": TEXT,
    "created_by_id": _or_null(TEXT),
    "expires_at": _or_null(WHEN),
}
_PROVENANCE = {
    "pointer": TEXT,
    "realm": _or_null(TEXT),
    "generation": _or_null(NUMBER),
    "author": _or_null(TEXT),
    "surface": _or_null(TEXT),
    "message": _or_null(TEXT),
    "created_at": _or_null(TEXT),
    "at_least": FLAG,
    "shadowed": _list(_named("Provenance")),
    "masked_by": _or_null(ANYTHING),
    "parts": _list(_named("Provenance")),
}

COMPONENTS: dict[str, JsonSchema] = {
    "Envelope": _record(_ENVELOPE),
    "NoDocument": {
        "allOf": [
            {"$ref": "#/components/schemas/RealmNotFoundProblem"},
            _record(
                {
                    **_ENVELOPE,
                    "config": {"type": "null"},
                    "view": {"const": "own"},
                    "deleted": FLAG,
                }
            ),
        ]
    },
    "Warning": _record({"code": TEXT, "message": TEXT}, {"path": TEXT}),
    "Change": _record({"pointer": TEXT}, {"before": ANYTHING, "after": ANYTHING}),
    "Receipt": _record(
        {
            **_ENVELOPE,
            "changed": FLAG,
            "rebased_from": _or_null(NUMBER),
            "write_id": TEXT,
            "warnings": _list(_named("Warning")),
        }
    ),
    "Plan": _record(
        {
            "dry_run": {"const": True},
            "generation": NUMBER,
            "kind": _or_null(TEXT),
            "changes": _list(_named("Change")),
            "effective_changes": _or_null(_list(_named("Change"))),
            "descendants": _list(TEXT),
            "warnings": _list(_named("Warning")),
        }
    ),
    "Revision": _record(_REVISION),
    "Provenance": _record(_PROVENANCE, {"value": ANYTHING, "default": ANYTHING}),
    "Token": _record(_TOKEN),
}

RECEIPT = _named("Receipt")
_WRITTEN = {"anyOf": [RECEIPT, _named("Plan")]}

ANSWERS: dict[str, JsonSchema] = {
    "view": {
        "description": "the envelope; with `path` the bare value",
        "anyOf": [_named("Envelope"), {}],
    },
    "receipt": _WRITTEN,
    "receipts": _record({"results": _list(_WRITTEN)}),
    "step": {"type": "string", "description": "events: change, delete, reset, bookmark"},
    "revisions": _record(
        {
            "realm": TEXT,
            "revisions": _list(_named("Revision")),
            "before": _or_null(NUMBER),
        }
    ),
    "revision": _record(
        {
            **_REVISION,
            "document": _or_null(OBJECT),
            "changes": _or_null(_list(_named("Change"))),
        }
    ),
    "diff": _record(
        {"realm": TEXT, "from": NUMBER, "to": NUMBER, "changes": _list(_named("Change"))}
    ),
    "blame": _list(_record({**_REVISION, "pointer": TEXT, "value": ANYTHING, "at_least": FLAG})),
    "provenance": _named("Provenance"),
    "violations": _record(
        {
            "valid": FLAG,
            "violations": _list(_record({"pointer": TEXT, "keyword": TEXT, "message": TEXT})),
        }
    ),
    "settled": _record(
        {
            "write_id": TEXT,
            "outcome": {"enum": ["committed", "void", "pending"]},
            "generation": _or_null(NUMBER),
        }
    ),
    "schema": {"description": "the JSON Schema, or null", "type": ["object", "null"]},
    "policy": _record({"require_generation": FLAG, "history_keep": _or_null(NUMBER)}),
    "realms": _record(
        {
            "realms": _list(
                _record(
                    {
                        "realm": TEXT,
                        "generation": NUMBER,
                        "exists": FLAG,
                        "parent": _or_null(TEXT),
                    }
                )
            ),
            "after": _or_null(TEXT),
        }
    ),
    "ended_token": _record({**_TOKEN, "also_revoked": _list(TEXT)}),
    "tokens": _list(_named("Token")),
    "new_token": _record({**_TOKEN, "token": TEXT}),
    "info": OBJECT,
}
"""By the names that the rows of the table use."""
