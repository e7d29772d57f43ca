"""
What a parameter may be: as JSON, as text (a query, a command line), and as a JSON Schema.

Decides the form only; what a value means is decided where it is used.  A value of the wrong form is refused with
the parameter's name, never guessed at.
"""

from __future__ import annotations

from realmconf.domain.names import LIMITS, REALM_NAME_CHARS_MAX
from realmconf.domain.record import Record
from realmconf.errors import InvalidArgument

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from realmconf.runtime.operations.table import Parameter


class Kind(Record):
    """One kind of value."""

    says: str
    """What it must be, as an error says it."""
    schema: dict[str, Any]
    fits: Callable[[Any], bool]
    read: Callable[[str], Any] | None = None
    """From text; None: text cannot hold it, or it is text."""


def _is_integer(value: Any) -> bool:
    return type(value) is int


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


def _is_texts(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(one, str) for one in value)


def _is_seconds(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _integer(text: str) -> int:
    if not text.isascii() or not text.isdigit() or len(text) > 16:
        raise ValueError
    return int(text)


def _flag(text: str) -> bool:
    return {"true": True, "1": True, "false": False, "0": False}[text]


def _seconds(text: str) -> float:
    number, factor = text, 1.0
    if text[-1:] in ("s", "m", "h"):
        number, factor = text[:-1], {"s": 1.0, "m": 60.0, "h": 3600.0}[text[-1]]
    if not number.isascii() or not number.replace(".", "", 1).isdigit() or len(number) > 16:
        raise ValueError
    return float(number) * factor


def _cursor(text: str) -> str | int:
    return _integer(text) if text.isascii() and text.isdigit() else text


_ANY: dict[str, Any] = {}

KINDS: dict[str, Kind] = {
    "realm": Kind(
        says="a realm's name",
        schema={
            "type": "string",
            "minLength": 1,
            "maxLength": REALM_NAME_CHARS_MAX,
            "pattern": "^[A-Za-z0-9][A-Za-z0-9_-]*$",
        },
        fits=_is_text,
    ),
    "generation": Kind(
        says="a whole number from 0 on",
        schema={"type": "integer", "minimum": 0, "maximum": LIMITS.generation},
        fits=_is_integer,
        read=_integer,
    ),
    "count": Kind(
        says="a whole number from 1 on",
        schema={"type": "integer", "minimum": 1},
        fits=_is_integer,
        read=_integer,
    ),
    "page": Kind(
        says="a whole number from 1 on",
        schema={"type": "integer", "minimum": 1, "maximum": LIMITS.history_page},
        fits=_is_integer,
        read=_integer,
    ),
    "flag": Kind(
        says="true or false",
        schema={"type": "boolean"},
        fits=lambda value: isinstance(value, bool),
        read=_flag,
    ),
    "seconds": Kind(
        says="a number of seconds (30, 30s, 5m)",
        schema={"type": "number", "minimum": 0},
        fits=_is_seconds,
        read=_seconds,
    ),
    "text": Kind(says="text", schema={"type": "string"}, fits=_is_text),
    "message": Kind(
        says="text", schema={"type": "string", "maxLength": LIMITS.message_chars}, fits=_is_text
    ),
    "write_id": Kind(
        says="text",
        schema={"type": "string", "minLength": 1, "maxLength": LIMITS.write_id_chars},
        fits=_is_text,
    ),
    "etag": Kind(
        says="an etag of the own view (5-0123456789ab)", schema={"type": "string"}, fits=_is_text
    ),
    "cursor": Kind(
        says="a cursor, an etag or a generation",
        schema={"type": ["string", "integer"], "minimum": 0, "maximum": LIMITS.generation},
        fits=lambda value: _is_text(value) or _is_integer(value),
        read=_cursor,
    ),
    "pointer": Kind(
        says="a JSON Pointer or a dotted path", schema={"type": "string"}, fits=_is_text
    ),
    "pointers": Kind(
        says="a list of JSON Pointers",
        schema={"type": "array", "items": {"type": "string"}},
        fits=_is_texts,
    ),
    "texts": Kind(
        says="a list of texts",
        schema={"type": "array", "items": {"type": "string"}, "minItems": 1},
        fits=_is_texts,
    ),
    "object": Kind(
        says="an object",
        schema={"type": "object"},
        fits=lambda value: isinstance(value, dict),
    ),
    "operations": Kind(
        says="a list of operations (RFC 6902)",
        schema={
            "type": "array",
            "maxItems": LIMITS.patch_operations,
            "items": {
                "type": "object",
                "required": ["op", "path"],
                "properties": {
                    "op": {"enum": ["add", "remove", "replace", "move", "copy", "test"]},
                    "path": {"type": "string"},
                    "from": {"type": "string"},
                    "value": _ANY,
                },
            },
        },
        fits=lambda value: isinstance(value, list),
    ),
    "parts": Kind(
        says="a list of parts, each with a realm and one verb",
        schema={
            "type": "array",
            "minItems": 1,
            "maxItems": LIMITS.transaction_realms,
            "items": {
                "type": "object",
                "required": ["realm"],
                "properties": {"realm": {"type": "string"}},
            },
        },
        fits=lambda value: isinstance(value, list),
    ),
    "value": Kind(says="a value", schema=_ANY, fits=lambda _: True),
}
"""Every kind, by the name that parameters use."""


def check(parameter: Parameter, value: Any) -> Any:
    """
    *value*, which is of the parameter's kind.

    Raises:
        InvalidArgument: It is not.
    """
    kind = KINDS[parameter.kind]
    if not kind.fits(value):
        raise InvalidArgument(f"{parameter.name} must be {kind.says}")
    if parameter.choices and value not in parameter.choices:
        raise InvalidArgument(f"{parameter.name} must be one of {', '.join(parameter.choices)}")
    return value


def from_text(parameter: Parameter, text: str) -> Any:
    """
    What *text* says, for a parameter that came in a query or on a command line.

    Raises:
        InvalidArgument: It says nothing of the kind.
    """
    kind = KINDS[parameter.kind]
    if kind.read is None:
        return text
    try:
        return kind.read(text)
    except (ValueError, KeyError):
        raise InvalidArgument(f"{parameter.name} must be {kind.says}") from None


def schema_of(parameter: Parameter) -> dict[str, Any]:
    """The JSON Schema (2020-12) of a parameter."""
    found: dict[str, Any] = {**KINDS[parameter.kind].schema}
    if parameter.choices:
        found["enum"] = list(parameter.choices)
    if parameter.default is not None:
        found["default"] = parameter.default
    return {**found, "description": parameter.help}
