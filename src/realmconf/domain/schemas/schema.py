"""
What a schema may contain, and what is said of a configuration that does not fit one.

Decides which JSON Schemas are taken: draft 2020-12, complete in themselves.  How much work one may make is for
``domain.effort``, why a configuration does not fit for ``domain.schemas.complaints``, what schemas say of a place for
``domain.schemas.shape``.
"""

from __future__ import annotations

from collections.abc import Mapping

from realmconf.domain.document import _Checking, canonical_bytes
from realmconf.domain.names import LIMITS
from realmconf.domain.pointer import ROOT, Pointer
from realmconf.domain.schemas.effort import check_effort
from realmconf.domain.schemas.engine import INTEGER_FORM, Engine, engine
from realmconf.domain.schemas.shape import MERGES
from realmconf.domain.schemas.subschemas import REFERENCES, References, escaped_reference
from realmconf.errors import InvalidDocument

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, NoReturn

    import jsonschema_rs

    from realmconf.domain.document import Document, Value
    from realmconf.domain.names import Limits
    from realmconf.domain.schemas.subschemas import Subschema

DIALECT = "https://json-schema.org/draft/2020-12/schema"
"""What ``$schema`` says, if it is there."""

STRUCTURES_MAX = 100
"""Objects and arrays in one ``enum``: each value is compared with each of them."""


def check_schema(value: object, *, limits: Limits = LIMITS) -> Document:
    """
    Copy *value* into a schema: a JSON Schema (draft 2020-12) of plain types, which shares nothing with it.

    It may hold nulls.  References stay inside it; nothing is ever fetched.  It keeps the limits of documents,
    and some of its own, so that what fits it is found out in bounded time.

    Raises:
        InvalidDocument: It is none, or something in it cannot be applied; ``pointer`` says where.
        LimitExceeded: Too large, too deep, too many keys, or a key too long.
    """
    if not isinstance(value, Mapping):
        raise InvalidDocument("a schema is an object", pointer="")
    schema = _CheckingSchema(limits, nulls=True).document(value)
    _check_language(schema)
    references = References(schema)
    everything = list(references.everything())
    places = {one.where for one in everything}
    anchors: set[str] = set()
    for one in everything:
        _check_names(one, anchors)
        _check_references(one, places)
        _check_own_keywords(one)
    check_effort(references.root, everything)
    # What only the library can tell.
    Engine(schema)
    return schema


def schema_digest(schema: Document) -> str:
    """SHA-256 of the canonical form, in hexadecimal."""
    from hashlib import sha256

    return sha256(canonical_bytes(schema)).hexdigest()


def violations(digest: str, schema: Document, config: Document) -> tuple[dict[str, str], ...]:
    """
    In what *config* does not fit *schema*, which passed ``check_schema`` and has this *digest*.

    ``pointer``, ``keyword`` and ``message`` each, sorted, of at most a hundred places; empty if it fits.  What is
    missing or unknown is named by its own pointer.  A message may name what the schema accepts, never what
    *config* has.

    Raises:
        InvalidDocument: The schema was taken by another version, and cannot be applied by this one.
    """
    applied = engine(digest, schema)
    if applied.fits(config):
        return ()
    from realmconf.domain.schemas.complaints import explain

    return explain(applied, schema, config)


class _CheckingSchema(_Checking):
    """The walk over a document, for one that may have nulls anywhere: as a default, in an enumeration."""

    __slots__ = ()

    def _any(self, item: object) -> Value:
        return None if item is None else super()._any(item)


def _refuse(reason: str, where: Pointer) -> NoReturn:
    raise InvalidDocument(reason, pointer=str(where))


# --- the language -------------------------------------------------------------------------


def _check_language(schema: Document) -> None:
    _check_dialect(schema, ROOT)
    from jsonschema_rs import ValidationError, meta

    try:
        meta.validate(schema)
    except ValidationError as error:
        where = Pointer(map(str, error.instance_path))
        reason = _reason(where, error.kind)
    else:
        return
    _refuse(reason, where)


def _check_dialect(said: Mapping[str, Any], where: Pointer) -> None:
    if said.get("$schema", DIALECT) not in (DIALECT, DIALECT + "#"):
        _refuse(f"only {DIALECT} is understood", where.child("$schema"))


def _reason(where: Pointer, kind: jsonschema_rs.ValidationErrorKind) -> str:
    """Why JSON Schema itself does not allow what stands at *where* in a schema."""
    from realmconf.domain.schemas.wording import message

    if kind.name == "anyOf" and where[-1:] == ("type",):
        return (
            "a type is array, boolean, integer, null, number, object or string, or a list of them"
        )
    if kind.name in ("pattern", "format"):
        return "JSON Schema has another form for it"
    return f"JSON Schema does not allow it: {message(kind.name, kind.value)}"


# --- one schema -----------------------------------------------------------------------------


def _check_names(schema: Subschema, anchors: set[str]) -> None:
    said = schema.said
    if schema.where and "$id" in said:
        _refuse(
            "only the whole schema has an $id; what others refer to has an $anchor, or stands in $defs",
            schema.where.child("$id"),
        )
    _check_dialect(said, schema.where)
    for keyword in ("$anchor", "$dynamicAnchor"):
        if keyword in said:
            if said[keyword] in anchors:
                _refuse("another schema has the same anchor", schema.where.child(keyword))
            anchors.add(said[keyword])


def _check_references(schema: Subschema, places: set[Pointer]) -> None:
    for keyword in REFERENCES:
        reference = schema.said.get(keyword)
        if reference is None:
            continue
        where = schema.where.child(keyword)
        if not reference.startswith("#"):
            _refuse(
                "a reference starts with '#': nothing outside of the schema is looked up", where
            )
        if escaped_reference(reference) != reference:
            _refuse("in a reference, other characters are written as %XX", where)
        target = schema.references.resolve(reference)
        if target is None:
            _refuse("the reference leads nowhere", where)
        if target.where not in places:
            _refuse("the reference leads to what is no schema; schemas are kept in $defs", where)


def _check_own_keywords(schema: Subschema) -> None:
    said = schema.said
    if said.get("x-merge", MERGES[0]) not in MERGES:
        _refuse("x-merge is append or replace", schema.where.child("x-merge"))
    key = said.get("x-merge-key", "key")
    if not key or not isinstance(key, str):
        _refuse(
            "x-merge-key is the name of a member of each element", schema.where.child("x-merge-key")
        )
    if "x-merge-key" in said and said.get("x-merge") == "replace":
        _refuse(
            "what is replaced as a whole is not merged by a key", schema.where.child("x-merge-key")
        )
    if not isinstance(said.get("x-secret", False), bool):
        _refuse("x-secret is true or false", schema.where.child("x-secret"))
    if not isinstance(said.get(INTEGER_FORM, False), bool):
        _refuse(f"{INTEGER_FORM} is true or false", schema.where.child(INTEGER_FORM))
    if not isinstance(said.get("x-default-unless", ""), str):
        _refuse(
            "x-default-unless is the name of another member", schema.where.child("x-default-unless")
        )
    structures = [value for value in said.get("enum", ()) if isinstance(value, (dict, list))]
    if len(structures) > STRUCTURES_MAX:
        _refuse(
            f"at most {STRUCTURES_MAX} of the accepted values are objects or arrays",
            schema.where.child("enum"),
        )
