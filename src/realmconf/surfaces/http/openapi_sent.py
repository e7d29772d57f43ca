"""
JSON Schemas of what is sent, for the OpenAPI document: where a kind of parameter alone says too little.

Decides how much of the rules of documents, patches and transactions is said in a schema: all that needs no look at
what is stored, but sizes and depths.  The kinds themselves are ``operations.kinds``; headers are HTTP's own.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from realmconf.domain.names import LIMITS
from realmconf.domain.pointer import POINTER_CHARS_MAX
from realmconf.runtime.commands import PART_OPTIONS, VERBS
from realmconf.runtime.operations import rows
from realmconf.runtime.operations.kinds import (
    GENERATION_PATTERN,
    JSON_POINTER_PATTERN,
    KINDS,
    schema_of,
)
from realmconf.surfaces.http import etags

if TYPE_CHECKING:
    from realmconf.runtime.operations.table import Parameter

JsonSchema = dict[str, Any]

_UUID = "[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}|[0-9A-Fa-f]{32}"
_NULL: JsonSchema = {"type": "null"}
_SCALARS = ("string", "boolean", "number")
_KEYS: JsonSchema = {"maxLength": LIMITS.key_bytes}


def _named(name: str) -> JsonSchema:
    return {"$ref": f"#/components/schemas/{name}"}


def _table(values: str) -> JsonSchema:
    """An object of such values."""
    return {"type": "object", "propertyNames": _KEYS, "additionalProperties": _named(values)}


def _any(*more: str, values: str, elements: str) -> JsonSchema:
    """Any value; what it consists of is of the schemas that are named."""
    table = {**_table(values), "items": _named(elements)}
    return {**table, "type": [*_SCALARS, "array", "object", *more]}


def or_null(schema: JsonSchema) -> JsonSchema:
    """*schema*, or null, which counts as not given."""
    if isinstance(schema.get("type"), str) and "enum" not in schema:
        return {**schema, "type": [schema["type"], "null"]}
    said = _said(schema)
    bare = {name: value for name, value in schema.items() if name not in said}
    return {"anyOf": [bare, _NULL], **said}


def _said(schema: JsonSchema) -> JsonSchema:
    """What it says for people."""
    return {name: value for name, value in schema.items() if name in ("description", "default")}


# --- operations of a JSON Patch, parts of a transaction -----------------------------------------

_PLACE: JsonSchema = {
    "type": "string",
    "maxLength": POINTER_CHARS_MAX,
    "pattern": f"^{JSON_POINTER_PATTERN}$",
}


def _step(*verbs: str, **members: JsonSchema) -> JsonSchema:
    # What RFC 6902 does not define is left out of account, as it asks.
    return {
        "type": "object",
        "required": ["op", "path", *members],
        "properties": {"op": {"enum": list(verbs)}, "path": _PLACE, **members},
        "additionalProperties": _named("Json"),
    }


_INNER: JsonSchema = {"allOf": [_named("Path"), {"minLength": 1}]}
_VERBS: dict[str, JsonSchema] = {
    "set": _named("Document"),
    "set_value": {
        "type": "object",
        "minProperties": 1,
        "propertyNames": _INNER,
        "additionalProperties": _named("Value"),
    },
    "unset": {"anyOf": [_INNER, {"type": "array", "items": _INNER}]},
    "patch": _named("MergePatch"),
    "json_patch": _named("JsonPatch"),
    "delete": {"const": True},
    "rollback": KINDS["revision"].schema,
}
assert _VERBS.keys() == VERBS.keys()


def _states(*names: str) -> JsonSchema:
    """That each of *names* is stated: there, and not null."""
    return {"required": list(names), "properties": {name: {"not": _NULL} for name in names}}


CONTRADICTION: JsonSchema = {
    "required": ["create", "must_exist"],
    "properties": {"create": {"const": True}, "must_exist": {"const": True}},
}
"""There cannot both be a document and be none."""


def _part() -> JsonSchema:
    options = {one.name: one for one in rows.WRITING if one.name in PART_OPTIONS}
    return {
        "type": "object",
        "additionalProperties": False,
        "required": ["realm"],
        "properties": {
            "realm": _named("Realm"),
            **{verb: or_null(schema) for verb, schema in _VERBS.items()},
            **{name: or_null(of(one)) for name, one in options.items()},
        },
        "oneOf": [_states(verb) for verb in _VERBS],
        # What must hold among the preconditions of one part, which has no headers to state more of them.
        "allOf": [
            {"not": CONTRADICTION},
            {
                "if": {
                    "required": ["on_conflict"],
                    "properties": {"on_conflict": {"const": "rebase"}},
                },
                "then": {"anyOf": [_states("expected_generation"), _states("expected")]},
                "else": {"properties": {"depends_on": {"anyOf": [_NULL, {"maxItems": 0}]}}},
            },
        ],
    }


# --- by the kinds of parameters -------------------------------------------------------------------

_OF_KINDS: dict[str, str] = {
    "realm": "Realm",
    "pointer": "Path",
    "document": "Document",
    "merge_patch": "MergePatch",
    "operations": "JsonPatch",
    "schema": "Schema",
    "value": "Value",
}
_LISTS: dict[str, str] = {"pointers": "Path", "places": "Path", "parts": "Part"}


def of(parameter: Parameter) -> JsonSchema:
    """The schema of a parameter, with what its kind alone does not say."""
    schema = schema_of(parameter)
    if parameter.kind in _OF_KINDS:
        return {**_named(_OF_KINDS[parameter.kind]), **_said(schema)}
    if parameter.kind in _LISTS:
        return {**schema, "items": _named(_LISTS[parameter.kind])}
    return schema


_SECONDS = r"(?:[0-5]?[0-9](?:\.[0-9]{1,6})?|60)s?|1m"


def in_query(parameter: Parameter) -> JsonSchema:
    """The same for a parameter that is written as text, which may have a unit."""
    schema = {name: value for name, value in of(parameter).items() if name != "description"}
    if parameter.kind == "wait":
        return {"type": "string", "pattern": f"^(?:{_SECONDS})$"}
    if parameter.kind == "cursor":
        return {"type": "string", "pattern": schema["pattern"]}
    return schema


COMPONENTS: dict[str, JsonSchema] = {
    "Realm": {**KINDS["realm"].schema, "not": {"pattern": f"^(?:{_UUID})$"}},
    "Path": {
        **KINDS["pointer"].schema,
        "description": "A JSON Pointer (RFC 6901), or a dotted path: keys of letters, digits, '_' and '-', or in "
        "quotes as TOML has them, joined by dots.",
    },
    "Value": {
        **_any(values="Value", elements="Value"),
        "description": "An integer of more than 64 bits is refused, unless it is written as a fraction or with an "
        "exponent.",
    },
    "Document": {
        **_table("Value"),
        "description": "No nulls; "
        f"at most {LIMITS.document_bytes} bytes, {LIMITS.depth} levels and {LIMITS.keys} keys of {LIMITS.key_bytes} "
        "bytes each. Below `realm` it says something about realms, in a table by the name of each: of its own what "
        "it inherits from (`parent`, a realm) and what not (`unset`, a list of places).",
    },
    "MergePatch": {
        **_table("ChangeOfValue"),
        "description": "RFC 7396: null removes.",
    },
    "ChangeOfValue": _any("null", values="ChangeOfValue", elements="Value"),
    "Json": _any("null", values="Json", elements="Json"),
    "Schema": {
        "type": "object",
        "propertyNames": _KEYS,
        "additionalProperties": _named("Json"),
        "description": "A JSON Schema (2020-12) that refers to nothing outside.",
    },
    "JsonPatch": {
        "type": "array",
        "maxItems": LIMITS.patch_operations,
        "description": "RFC 6902.",
        "items": {
            "oneOf": [
                _step("add", "replace", value=_named("Value")),
                _step("test", value=_named("ChangeOfValue")),
                _step("remove"),
                _step("move", "copy", **{"from": _PLACE}),
            ]
        },
    },
    "Part": _part(),
}

# --- headers ------------------------------------------------------------------------------------

_TAG = r'(?:W/)?"[\x21\x23-\x7e]{0,200}"'
_OWN_TAG = f'"{GENERATION_PATTERN}-[0-9a-f]{{12}}{etags.FORMS}"'
_KEY = r"[!#-\[\]-~]"
_KEY_INNER = rf"{_KEY}(?:[ !#-\[\]-~]{{0,{LIMITS.write_id_chars - 2}}}{_KEY})?"


def _listed(one: str) -> str:
    return f"{one}(?:, ?{one}){{0,{etags.TAGS_MAX - 1}}}"


ANY_ONLY: JsonSchema = {"type": "string", "enum": [etags.ANY]}
OWN_TAGS: JsonSchema = {
    "type": "string",
    "format": "own-entity-tags",
    "pattern": f"^{_listed(_OWN_TAG)}$",
}
OWN_TAGS_OR_ANY: JsonSchema = {"anyOf": [ANY_ONLY, OWN_TAGS]}
TAGS_OR_ANY: JsonSchema = {
    "anyOf": [
        ANY_ONLY,
        {"type": "string", "format": "entity-tags", "pattern": f"^{_listed(_TAG)}$"},
    ]
}
WRITE_ID: JsonSchema = {"type": "string", "pattern": rf'^(?:{_KEY_INNER}|"{_KEY_INNER}")$'}
