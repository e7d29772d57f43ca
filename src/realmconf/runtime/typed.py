"""
Between plain configuration and a caller's type: pydantic models, dataclasses, TypedDict, msgspec structs;
or a JSON Schema in a type's stead.

Decides which library validates which type, and what a violation says: the place,
a keyword and our own words, never a value and never a library's text, which may
quote one.  Imports nothing that the caller has not imported, save a validator for
the types of the standard library.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from functools import partial

from realmconf.domain.document import canonical_bytes, check_document
from realmconf.domain.pointer import ROOT, Pointer, array_index
from realmconf.domain.schemas.shape import calls_secret
from realmconf.domain.schemas.subschemas import References, closure, escaped_reference
from realmconf.domain.schemas.wording import unknown_key
from realmconf.domain.secrets import MARK
from realmconf.errors import InvalidArgument, SchemaViolation, StoreNotInstalled
from realmconf.runtime.adapter import PLAIN, Adapter, JsonSchemaAdapter
from realmconf.runtime.generic import Config
from realmconf.runtime.sources import JSON_SCHEMA, Secret, stated

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from typing import Any

    from realmconf.domain.document import Document, Value
    from realmconf.domain.schemas.shape import Shape

ACCEPTED = "a pydantic model, a dataclass, a TypedDict, a msgspec Struct, a JSON Schema, or dict"


def adapter_for(schema: object) -> Adapter[Any]:
    """
    The adapter of *schema*.

    Raises:
        InvalidArgument: It is none of the accepted kinds.
        InvalidDocument, LimitExceeded: It is a mapping, and no JSON Schema that can be applied.
        StoreNotInstalled: It is a type of the standard library, and no validator for it is installed.
    """
    if schema is None or schema is dict:
        return PLAIN
    if isinstance(schema, type):
        pydantic = sys.modules.get("pydantic")
        if pydantic is not None and issubclass(schema, pydantic.BaseModel):
            return PydanticAdapter(schema)
        msgspec = sys.modules.get("msgspec")
        if msgspec is not None and issubclass(schema, msgspec.Struct):
            return MsgspecAdapter(schema)
        if hasattr(schema, "__dataclass_fields__") or _is_typed_dict(schema):
            return _standard(schema)
    if isinstance(schema, Mapping):
        return JsonSchemaAdapter(schema)
    raise InvalidArgument(f"schema must be {ACCEPTED}")


def _is_typed_dict(schema: type) -> bool:
    return issubclass(schema, dict) and hasattr(schema, "__required_keys__")


def _standard(schema: type) -> Adapter[Any]:
    from importlib.util import find_spec

    has_msgspec = "msgspec" in sys.modules or find_spec("msgspec") is not None
    if "pydantic" in sys.modules or find_spec("pydantic") is not None:
        # Before Python 3.12 pydantic takes a TypedDict of typing_extensions only.
        unfit = (
            _is_typed_dict(schema)
            and type(schema).__module__ == "typing"
            and sys.version_info < (3, 12)
        )
        if not (unfit and has_msgspec):
            return PydanticAdapter(schema)
    if has_msgspec:
        return MsgspecAdapter(schema)
    raise StoreNotInstalled("validating dataclasses and TypedDict", extra="pydantic")


# --- the schema of a type ------------------------------------------------------------

_LOOSE_FORMATS = ("date-time", "time", "duration")
"""What the libraries call so may lack an offset from UTC, or have a fraction or sign that JSON Schema's has not."""


class _LibraryAdapter(Adapter[Config]):
    """A type for which a library validates, and of which it can give the JSON Schema."""

    __slots__ = ("_shape",)

    def __init__(self, wanted: type[Config]) -> None:
        super().__init__(wanted)
        self._shape: Shape | None = None

    def schema(self) -> Document:
        from realmconf.domain.schemas.schema import check_schema

        return check_schema(_publishable(self._json_schema()))

    def _json_schema(self) -> Document:
        """
        The schema as the library makes it, a fresh copy.

        Raises:
            InvalidArgument: JSON Schema cannot express the type.
        """
        raise NotImplementedError

    def unknown_key(self, pointer: Pointer, composed: Document) -> str:
        """What to say of the key at *pointer*, which the type does not have: which of those it has may be meant."""
        if self._shape is None:
            from realmconf.domain.schemas.shape import NOTHING, Shape

            try:
                self._shape = Shape.of((self._json_schema(),))
            except InvalidArgument:
                self._shape = NOTHING
        present = pointer.parent.resolve(composed)
        keys = self._shape.at(pointer.parent).keys
        missing = [key for key in keys if isinstance(present, dict) and key not in present]
        return unknown_key(pointer[-1], missing, keys)


def _publishable(schema: Document) -> Document:
    """*schema*, which a library made of a type, changed where it would refuse what that type is dumped as."""
    for one in References(schema).everything():
        said = one.said
        if said.get("format") in _LOOSE_FORMATS:
            said["x-format"] = said.pop("format")
        if "default" in said and (
            any(calls_secret(other.said) for other in closure([one])) or _is_masked(said["default"])
        ):
            # It would be published, or it is asterisks.
            del said["default"]
        if "$ref" in said:
            # Names of types may have letters that a reference writes as %XX.
            said["$ref"] = escaped_reference(said["$ref"])
    return schema


def _is_masked(value: Any) -> bool:
    """Whether a secret was hidden when *value* was written."""
    if isinstance(value, dict):
        return any(map(_is_masked, value.values()))
    if isinstance(value, list):
        return any(map(_is_masked, value))
    return value in ("**********", MARK)


# --- pydantic ------------------------------------------------------------------------


class PydanticAdapter(_LibraryAdapter[Config]):
    """Pydantic models, and whatever its ``TypeAdapter`` takes."""

    __slots__ = ("_adapter",)

    def __init__(self, wanted: type[Config]) -> None:
        super().__init__(wanted)
        from pydantic import TypeAdapter
        from pydantic.errors import PydanticUserError

        try:
            self._adapter = TypeAdapter(wanted)
        except PydanticUserError as unusable:
            raise InvalidArgument(
                f"schema {wanted.__name__} is not one that pydantic can validate ({unusable.code})"
            ) from unusable

    def load(self, composed: Document) -> Config:
        from pydantic import ValidationError

        try:
            # As JSON, because that is what a document is: a strict model takes a date from text there.
            return self._adapter.validate_json(canonical_bytes(composed))
        except ValidationError as invalid:
            found = invalid.errors(include_url=False, include_input=False)
        raise SchemaViolation(
            [
                self._violation(entry["type"], entry["loc"], composed, entry.get("ctx", {}))
                for entry in found
            ]
        )

    def _violation(
        self, kind: str, location: Iterable[int | str], composed: Document, context: dict[str, Any]
    ) -> dict[str, str]:
        violation = _pydantic_violation(kind, location, composed, context)
        if violation["keyword"] == "additionalProperties":
            pointer = Pointer.parse(violation["pointer"])
            if pointer:
                violation["message"] = self.unknown_key(pointer, composed)
        return violation

    def _json_schema(self) -> Document:
        from pydantic.errors import PydanticUserError
        from pydantic.json_schema import GenerateJsonSchema

        class Generate(GenerateJsonSchema):
            # A default that JSON cannot say is left out, and nobody need hear of it.
            ignored_warning_kinds = {"skipped-choice", "non-serializable-default"}  # noqa: RUF012

        try:
            return self._adapter.json_schema(schema_generator=Generate, mode="validation")
        except PydanticUserError as unusable:
            raise InvalidArgument(
                f"schema {self.type.__name__} is not one that JSON Schema can express ({unusable.code})"
            ) from unusable

    def dump(self, config: Config) -> Document:
        return self._dump(config, exclude_defaults=False)

    def dump_stated(self, config: Config) -> Document:
        return self._dump(config, exclude_defaults=True)

    def _dump(self, config: Config, *, exclude_defaults: bool) -> Document:
        python = self._adapter.dump_python(
            config, by_alias=True, exclude_defaults=exclude_defaults, warnings=False
        )
        json = self._adapter.dump_python(
            config, mode="json", by_alias=True, exclude_defaults=exclude_defaults, warnings=False
        )
        return check_document(_without_nulls(_revealed(python, json)))

    def is_model(self, value: object) -> bool:
        return not _is_typed_dict(self.type) and isinstance(value, self.type)


def _revealed(python: Any, json: Any) -> Any:
    """
    *json* with the secrets that its serialization hides: pydantic writes a ``SecretStr`` as asterisks,
    and a ``Secret`` is written as a mark.  References stay references.

    Both are dumps of one model, so they have the same shape wherever no custom serializer made another.
    """
    if isinstance(json, dict) and isinstance(python, dict) and len(json) == len(python):
        return {
            key: _revealed(inner, json[key])
            for key, inner in zip(json, python.values(), strict=True)
        }
    if isinstance(json, list) and isinstance(python, (list, tuple)) and len(json) == len(python):
        return [_revealed(inner, item) for inner, item in zip(python, json, strict=True)]
    if isinstance(json, list) and isinstance(python, (set, frozenset)) and len(json) == len(python):
        # Two iterations of one set are in the same order.
        return _sorted_items(
            [_revealed(inner, item) for inner, item in zip(python, json, strict=True)]
        )
    if isinstance(python, Secret):
        return stated(python)
    if json == MARK and isinstance(python, str):
        # Text that was assigned to such a field, without the model making a secret of it.
        return python
    reveal = getattr(python, "get_secret_value", None)
    if reveal is not None:
        secret = reveal()
        return secret.decode() if isinstance(secret, bytes) else secret
    return json


def _sorted_items(items: list[Any]) -> list[Any]:
    """The items of a set in an order that equal sets have in every process."""
    try:
        return sorted(items)
    except TypeError:
        # Of several types, or of one without an order.
        return sorted(items, key=canonical_bytes)


_KEYWORDS = (
    # What a pydantic error type ends or starts with, the JSON Schema keyword, what we say.
    ("missing", "required", "it is required"),
    ("extra_forbidden", "additionalProperties", "there is no such key"),
    ("unexpected_keyword_argument", "additionalProperties", "there is no such key"),
    ("literal_error", "enum", "it is none of the accepted values"),
    ("enum", "enum", "it is none of the accepted values"),
    ("greater_than_equal", "minimum", "it is too small"),
    ("greater_than", "exclusiveMinimum", "it is too small"),
    ("less_than_equal", "maximum", "it is too large"),
    ("less_than", "exclusiveMaximum", "it is too large"),
    ("multiple_of", "multipleOf", "it is not a multiple of what is wanted"),
    ("string_pattern_mismatch", "pattern", "it does not have the wanted form"),
    ("too_short", "minLength", "it is too short"),
    ("too_long", "maxLength", "it is too long"),
    ("union_tag", "oneOf", "it is none of the accepted alternatives"),
    ("value_error", "validator", "the model refuses it"),
    ("assertion_error", "validator", "the model refuses it"),
)

_TYPE_WORDS = {
    "string": "text",
    "int": "an integer",
    "float": "a number",
    "decimal": "a number",
    "bool": "true or false",
    "list": "an array",
    "tuple": "an array",
    "set": "an array",
    "frozen_set": "an array",
    "dict": "an object",
    "model": "an object",
    "model_attributes": "an object",
    "dataclass": "an object",
    "date": "a date",
    "datetime": "a date and time",
    "time": "a time of day",
    "time_delta": "a duration",
    "url": "a URL",
    "uuid": "a UUID",
    "bytes": "text",
    "is_instance_of": "something else",
}


_BOUNDS = (
    # What the schema itself sets, by pydantic's name; whatever else a context has may come from the value.
    ("ge", "at least {} is wanted"),
    ("gt", "more than {} is wanted"),
    ("le", "at most {} is wanted"),
    ("lt", "less than {} is wanted"),
    ("multiple_of", "a multiple of {} is wanted"),
    ("min_length", "at least {} long is wanted"),
    ("max_length", "at most {} long is wanted"),
    ("expected", "{} is wanted"),
)

_TYPE_ENDINGS = (
    # What pydantic says about how a type was missed, in an order that takes the longest off.
    "_from_datetime_parsing",
    "_from_date_parsing",
    "_from_datetime_inexact",
    "_object_invalid",
    "_invalid",
    "_type",
    "_parsing",
    "_exact",
    "_from_float",
    "_strict",
    "_inclusive",
)


def _pydantic_violation(
    kind: str, location: Iterable[int | str], composed: Document, context: Mapping[str, Any]
) -> dict[str, str]:
    pointer = _place(location, composed, absent_last=kind == "missing")
    for part, keyword, message in _KEYWORDS:
        if kind.startswith(part) or kind.endswith(part):
            bounds = [words.format(context[name]) for name, words in _BOUNDS if name in context]
            message = ": ".join([message, *bounds[:1]])
            return {"pointer": str(pointer), "keyword": keyword, "message": message}
    subject = kind
    for ending in _TYPE_ENDINGS:
        subject = subject.removesuffix(ending)
    wanted = _TYPE_WORDS.get(subject)
    message = f"it must be {wanted}" if wanted else f"it does not fit ({kind})"
    return {"pointer": str(pointer), "keyword": "type" if wanted else kind, "message": message}


def _place(location: Iterable[int | str], composed: Document, *, absent_last: bool) -> Pointer:
    """
    The part of a library's location that lies in the document.

    The rest names branches of a union or wrapping validators, which nobody wrote into the document.
    """
    pointer = ROOT
    value: Value = composed
    parts = [str(part) for part in location]
    for number, part in enumerate(parts):
        last = number == len(parts) - 1
        if isinstance(value, dict) and part in value:
            value = value[part]
        elif (
            isinstance(value, list)
            and (index := array_index(part)) is not None
            and index < len(value)
        ):
            value = value[index]
        elif not (last and absent_last and isinstance(value, dict)):
            continue
        pointer = pointer.child(part)
    return pointer


# --- msgspec ---------------------------------------------------------------------------


class MsgspecAdapter(_LibraryAdapter[Config]):
    """msgspec structs, and dataclasses and TypedDict where pydantic is not installed."""

    __slots__ = ()

    def _json_schema(self) -> Document:
        import msgspec

        try:
            return msgspec.json.schema(self.type, schema_hook=_schema_of)
        except (TypeError, NotImplementedError) as unusable:
            raise InvalidArgument(
                f"schema {self.type.__name__} is not one that JSON Schema can express: "
                "a type in it, or a default, is none of JSON"
            ) from unusable

    def load(self, composed: Document) -> Config:
        import msgspec

        try:
            return msgspec.convert(composed, self.type, dec_hook=_decoded)
        except msgspec.ValidationError as invalid:
            violation = _msgspec_violation(str(invalid))
        if violation["keyword"] == "additionalProperties":
            pointer = Pointer.parse(violation["pointer"])
            violation["message"] = self.unknown_key(pointer, composed)
        raise SchemaViolation([violation])

    def dump(self, config: Config) -> Document:
        return check_document(_without_nulls(_builtins(config)))

    def dump_stated(self, config: Config) -> Document:
        return _without_defaults(config, self.dump(config))

    def is_model(self, value: object) -> bool:
        return not _is_typed_dict(self.type) and isinstance(value, self.type)


def _builtins(value: Any) -> Any:
    """
    *value* as plain values.

    A dataclass is read by its fields, because msgspec leaves out those that it filled in by default itself.
    """
    if hasattr(value, "__dataclass_fields__"):
        return {name: _builtins(getattr(value, name)) for name in value.__dataclass_fields__}
    if isinstance(value, dict):
        return {str(key): _builtins(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_builtins(item) for item in value]
    if isinstance(value, (set, frozenset)):
        return _sorted_items([_builtins(item) for item in value])
    import msgspec

    return msgspec.to_builtins(value, str_keys=True, order="deterministic", enc_hook=_encoded)


def _decoded(wanted: type, value: object) -> object:
    """What msgspec has to be told of types that are not its own: how a ``Secret`` is made."""
    if isinstance(value, wanted):
        return value
    if wanted is Secret and isinstance(value, str):
        return Secret(value)
    name = "str" if wanted is Secret else wanted.__name__
    raise TypeError(f"Expected `{name}`, got `{type(value).__name__}`")


def _schema_of(wanted: type) -> Document:
    if wanted is Secret:
        return dict(JSON_SCHEMA)
    raise NotImplementedError(wanted.__name__)


def _encoded(value: object) -> object:
    if isinstance(value, Secret):
        return stated(value)
    raise TypeError(f"a document cannot hold a Python {type(value).__name__}")


def _without_defaults(config: object, dumped: Document) -> Document:
    """*dumped* without the fields in which *config*, a struct or dataclass, equals its type's defaults."""
    stated: Document = {}
    fields = {encoded: (name, make) for name, encoded, make in _defaults_of(config)}
    for encoded, value in dumped.items():
        name, make = fields.get(encoded, (None, None))
        current = None if name is None else getattr(config, name)
        if make is not None and make() == current:
            continue
        stated[encoded] = _without_defaults(current, value) if isinstance(value, dict) else value
    return stated


def _defaults_of(config: object) -> Iterator[tuple[str, str, Callable[[], object] | None]]:
    """Name, name in documents, and what makes the default (None if there is none) of each field."""
    import msgspec

    if isinstance(config, msgspec.Struct):
        for field in msgspec.structs.fields(config):
            if field.default is not msgspec.NODEFAULT:
                yield field.name, field.encode_name, partial(_itself, field.default)
            elif field.default_factory is not msgspec.NODEFAULT:
                yield field.name, field.encode_name, field.default_factory
            else:
                yield field.name, field.encode_name, None
    elif hasattr(config, "__dataclass_fields__"):
        from dataclasses import MISSING, fields

        for member in fields(config):  # type: ignore[arg-type]
            if member.default is not MISSING:
                yield member.name, member.name, partial(_itself, member.default)
            else:
                factory = member.default_factory
                yield member.name, member.name, None if factory is MISSING else factory


def _itself(value: object) -> object:
    return value


def _msgspec_violation(text: str) -> dict[str, str]:
    """
    Our words for msgspec's: "Expected `int`, got `str` - at `$.agent.retries[0]`".

    Only the place, the kind of problem and the names of keys are taken over.
    """
    problem, _, path = text.rpartition(" - at `$")
    if not problem:
        problem, path = text, "`"
    pointer = _msgspec_place(path.rstrip("`"))
    named = problem.split("`")[1] if problem.count("`") >= 2 else ""
    if problem.startswith("Object missing required field"):
        return {
            "pointer": str(pointer.child(named)),
            "keyword": "required",
            "message": "it is required",
        }
    if problem.startswith("Object contains unknown field"):
        message = "there is no such key"
        return {
            "pointer": str(pointer.child(named)),
            "keyword": "additionalProperties",
            "message": message,
        }
    if problem.startswith("Invalid enum value"):
        return {
            "pointer": str(pointer),
            "keyword": "enum",
            "message": "it is none of the accepted values",
        }
    if problem.startswith("Expected `"):
        wanted = {
            "str": "text",
            "int": "an integer",
            "float": "a number",
            "bool": "true or false",
        }.get(
            named,
            "an array"
            if named.startswith("array")
            else "an object"
            if named.startswith("object")
            else named,
        )
        keyword = "type" if problem.count("`") >= 4 else "constraint"
        message = (
            f"it must be {wanted}"
            if keyword == "type"
            else f"it is {wanted} outside the accepted range or form"
        )
        return {"pointer": str(pointer), "keyword": keyword, "message": message}
    return {"pointer": str(pointer), "keyword": "type", "message": "it does not fit the type"}


def _msgspec_place(path: str) -> Pointer:
    """``.agent.retries[0]`` as a pointer; ``[...]`` (some key of a mapping) ends what can be said."""
    parts: list[str] = []
    for step in path.replace("[", ".[").split("."):
        if step == "[" or step.startswith("[]"):
            break
        if step.startswith("[") and step.endswith("]"):
            if not step[1:-1].isdigit():
                break
            parts.append(step[1:-1])
        elif step:
            parts.append(step)
    return Pointer(parts)


def _without_nulls(value: Any) -> Any:
    """An optional field that is None is absent; a null inside an array stays, and is refused later."""
    if isinstance(value, dict):
        return {key: _without_nulls(item) for key, item in value.items() if item is not None}
    if isinstance(value, list):
        return [_without_nulls(item) if item is not None else None for item in value]
    return value
