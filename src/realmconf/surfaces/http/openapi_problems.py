"""
JSON Schemas of problems, for the OpenAPI document: one for each type, and which of them each status can be.

Printed from the classes of errors, their fields, and the tables of statuses; says nothing of its own.
"""

from __future__ import annotations

from inspect import get_annotations
from typing import Any

from realmconf.surfaces.envelope import ANSWERS
from realmconf.surfaces.http.problems import KINDS, TYPES, title_of

JsonSchema = dict[str, Any]

_TEXT: JsonSchema = {"type": "string"}
_WHOLE: JsonSchema = {"type": "integer"}
_FIELDS: dict[str, JsonSchema] = {
    "int": _WHOLE,
    "float": {"type": "number"},
    "bool": {"type": "boolean"},
    "str": _TEXT,
    "int | None": {"type": ["integer", "null"]},
    "str | None": {"type": ["string", "null"]},
    "tuple[str, ...]": {"type": "array", "items": _TEXT},
    "tuple[Mapping[str, Any], ...]": {"type": "array", "items": {"type": "object"}},
}
"""By the annotations of the fields of errors."""

PROBLEM: JsonSchema = {
    "type": "object",
    "description": "RFC 9457; `code` is what programs go by, and is the same on every surface.",
    "required": ["type", "title", "status", "detail", "code", "message", "retryable"],
    "properties": {
        "type": {"type": "string", "format": "uri-reference"},
        "title": _TEXT,
        "status": {"type": "integer", "minimum": 400, "maximum": 599},
        "detail": _TEXT,
        "code": _TEXT,
        "message": _TEXT,
        "retryable": {
            "type": "boolean",
            "description": "whether the very same request may succeed when it is sent again",
        },
    },
}


def _component(name: str, code: str, statuses: set[int], fields: dict[str, str]) -> JsonSchema:
    return {
        "title": title_of(name),
        "allOf": [
            {"$ref": "#/components/schemas/Problem"},
            {
                "type": "object",
                "required": list(fields),
                "properties": {
                    "type": {"const": TYPES + name},
                    "status": {"enum": sorted(statuses)},
                    "code": {"const": code},
                    **{field: _FIELDS[said] for field, said in fields.items()},
                },
            },
        ],
    }


def component_of(name: str) -> str:
    """What the schema of the problems of one type is called."""
    return "".join(word.capitalize() for word in name.split("_")) + "Problem"


def _made() -> tuple[dict[str, JsonSchema], dict[int, list[str]]]:
    statuses: dict[str, set[int]] = {}
    fields: dict[str, dict[str, str]] = {}
    for error, answer in ANSWERS.items():
        if answer.status is None:
            continue
        own = {answer.status, answer.status_for_header or answer.status}
        statuses[error.code] = statuses.get(error.code, set()) | own
        said = {
            field: annotation
            for cls in reversed(error.__mro__)
            for field, annotation in get_annotations(cls).items()
        }
        # Several classes of one code have in common what the class above them says.
        before = fields.get(error.code, said)
        fields[error.code] = {name: said[name] for name in before if name in said}
    components = {
        code: _component(code, code, statuses[code], fields[code]) for code in sorted(statuses)
    }
    for kind in KINDS.values():
        components[kind.name] = _component(kind.name, kind.code, {kind.status}, {})
        statuses[kind.name] = {kind.status}
    by_status: dict[int, list[str]] = {}
    for name, own in sorted(statuses.items()):
        for status in own:
            by_status.setdefault(status, []).append(name)
    return components, by_status


_OF_TYPES, BY_STATUS = _made()
"""The types of the problems of each status."""

COMPONENTS = {"Problem": PROBLEM} | {component_of(name): one for name, one in _OF_TYPES.items()}


def of_status(status: int) -> JsonSchema:
    """The schema of a problem of this status."""
    named = {
        TYPES + name: f"#/components/schemas/{component_of(name)}" for name in BY_STATUS[status]
    }
    return {
        "oneOf": [{"$ref": place} for place in named.values()],
        "discriminator": {"propertyName": "type", "mapping": named},
    }
