"""
What a parameter may be: as JSON, as text (a query, a command line), and as a JSON Schema.

Decides the form only; what a value means is decided where it is used.  A value of the wrong form is refused with
the parameter's name, never guessed at.  A schema says as much of what its value must be as fits on a line or two, so
that it can be shown to whoever chooses among tools; OpenAPI, which can refer from one to another, says more.
"""

from __future__ import annotations

from realmconf.domain.document import INTEGER_MAX
from realmconf.domain.names import LIMITS, REALM_NAME_CHARS_MAX
from realmconf.domain.pointer import POINTER_CHARS_MAX
from realmconf.domain.record import Record
from realmconf.errors import InvalidArgument
from realmconf.runtime.access import ROLES
from realmconf.runtime.token_form import GIVEN_NAME
from realmconf.runtime.tokens import EXPIRY_SECONDS_MAX, NAME_CHARS_MAX, PATHS_MAX, PATTERNS_MAX

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
    says_as_text: str = ""
    """What it must be as text, where that may be more than the same in digits."""


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


SECONDS_OF_UNITS = {"s": 1.0, "m": 60.0, "h": 3_600.0, "d": 86_400.0, "w": 604_800.0}


def _seconds(text: str) -> float:
    number, factor = text, 1.0
    if text[-1:] in SECONDS_OF_UNITS:
        number, factor = text[:-1], SECONDS_OF_UNITS[text[-1]]
    if not number.isascii() or not number.replace(".", "", 1).isdigit() or len(number) > 16:
        raise ValueError
    return float(number) * factor


def _cursor(text: str) -> str | int:
    return _integer(text) if text.isascii() and text.isdigit() else text


WAIT_SECONDS_MAX = 60.0
"""The longest that one call waits for a change: whoever wants more asks again from where they are."""

# The dialect of patterns is what ECMA-262, Python and the regular languages have in common.
LINE_PATTERN = r"^[^\x00-\x1f\x7f-\x9f]*[^\s\x00-\x1f\x7f-\x9f][^\x00-\x1f\x7f-\x9f]*$"
GENERATION_PATTERN = "(?:0|[1-9][0-9]{0,14}|[1-8][0-9]{15})"
ETAG_PATTERN = GENERATION_PATTERN + "-[0-9a-f]{12,64}"
_REALM = r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}"
_MARK = rf"{_REALM}@{ETAG_PATTERN}"
CURSOR_PATTERN = rf"^(?:{GENERATION_PATTERN}|{ETAG_PATTERN}|e:{_MARK}(?:,{_MARK}){{0,16}})$"
JSON_POINTER_PATTERN = r"(?:/(?:[^/~]|~[01])*){0,64}"
# Of a dotted path only what it has none of: which letters a key may have is a matter of Unicode.
POINTER_PATTERN = rf"^(?:{JSON_POINTER_PATTERN}|[^/\x00-\x08\x0a-\x1f][^\x00-\x08\x0a-\x1f]*)$"

_ANY: dict[str, Any] = {}
_OBJECT: dict[str, Any] = {"type": "object"}
_POINTER: dict[str, Any] = {
    "type": "string",
    "maxLength": POINTER_CHARS_MAX,
    "pattern": POINTER_PATTERN,
}


def _is_object(value: Any) -> bool:
    return isinstance(value, dict)


def _is_policy(value: Any) -> bool:
    return (
        isinstance(value, dict)
        and bool(value)
        and value.keys() <= {"require_generation", "history_keep"}
        and isinstance(value.get("require_generation", False), bool)
        and _is_kept(value.get("history_keep"))
    )


def _is_kept(value: Any) -> bool:
    return value is None or (type(value) is int and value >= 1)


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
    "revision": Kind(
        says="a whole number from 1 on",
        schema={"type": "integer", "minimum": 1, "maximum": LIMITS.generation},
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
    "wait": Kind(
        says="a number of seconds",
        says_as_text="a number of seconds, or with its unit (30s, 1m)",
        schema={"type": "number", "minimum": 0, "maximum": WAIT_SECONDS_MAX},
        fits=_is_seconds,
        read=_seconds,
    ),
    "lifetime": Kind(
        says="a number of seconds",
        says_as_text="a number of seconds, or with its unit (45s, 30m, 12h, 90d)",
        schema={"type": "number", "exclusiveMinimum": 0, "maximum": EXPIRY_SECONDS_MAX},
        fits=_is_seconds,
        read=_seconds,
    ),
    "text": Kind(says="text", schema={"type": "string"}, fits=_is_text),
    "token_name": Kind(
        says="text of one line",
        schema={
            "type": "string",
            "minLength": 1,
            "maxLength": NAME_CHARS_MAX,
            # Whoever has the store in hand may give any name, but not through a server.
            "pattern": f"^{GIVEN_NAME}$",
        },
        fits=_is_text,
    ),
    "message": Kind(
        says="text",
        schema={
            "type": "string",
            "maxLength": LIMITS.message_chars,
            "pattern": r"^[^\x00-\x08\x0b-\x1f\x7f-\x9f]*$",
        },
        fits=_is_text,
    ),
    "write_id": Kind(
        says="text",
        schema={
            "type": "string",
            "minLength": 1,
            "maxLength": LIMITS.write_id_chars,
            "pattern": LINE_PATTERN,
        },
        fits=_is_text,
    ),
    "token_id": Kind(
        says="text", schema={"type": "string", "pattern": "^t-[0-9a-f]{12}$"}, fits=_is_text
    ),
    "etag": Kind(
        says="an etag of the own view (5-0123456789ab)",
        schema={"type": "string", "pattern": f"^{ETAG_PATTERN}$"},
        fits=_is_text,
    ),
    "cursor": Kind(
        says="a cursor, an etag or a generation",
        schema={
            "type": ["string", "integer"],
            "pattern": CURSOR_PATTERN,
            "minimum": 0,
            "maximum": LIMITS.generation,
        },
        fits=lambda value: _is_text(value) or _is_integer(value),
        read=_cursor,
    ),
    "pointer": Kind(says="a JSON Pointer or a dotted path", schema=_POINTER, fits=_is_text),
    "pointers": Kind(
        says="a list of JSON Pointers",
        schema={"type": "array", "items": _POINTER},
        fits=_is_texts,
    ),
    "places": Kind(
        says="a list of JSON Pointers",
        schema={"type": "array", "maxItems": PATHS_MAX, "items": _POINTER},
        fits=_is_texts,
    ),
    "patterns": Kind(
        says="a list of texts",
        schema={
            "type": "array",
            "minItems": 1,
            "maxItems": PATTERNS_MAX,
            "items": {
                "type": "string",
                "minLength": 1,
                "maxLength": REALM_NAME_CHARS_MAX,
                "pattern": "^[A-Za-z0-9_*-]+$",
            },
        },
        fits=_is_texts,
    ),
    "roles": Kind(
        says="a list of texts",
        schema={"type": "array", "minItems": 1, "items": {"enum": list(ROLES)}},
        fits=_is_texts,
    ),
    "document": Kind(says="an object", schema=_OBJECT, fits=_is_object),
    "merge_patch": Kind(says="an object", schema=_OBJECT, fits=_is_object),
    "schema": Kind(says="an object", schema=_OBJECT, fits=_is_object),
    "policy": Kind(
        says="an object with require_generation (true or false), history_keep (a whole number from 1 on, or null), "
        "or both",
        schema={
            "type": "object",
            "minProperties": 1,
            "additionalProperties": False,
            "properties": {
                "require_generation": {"type": "boolean"},
                "history_keep": {
                    "type": ["integer", "null"],
                    "minimum": 1,
                    "maximum": INTEGER_MAX,
                },
            },
        },
        fits=_is_policy,
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
        says = kind.says_as_text or kind.says
        raise InvalidArgument(f"{parameter.name} must be {says}") from None


def schema_of(parameter: Parameter) -> dict[str, Any]:
    """The JSON Schema (2020-12) of a parameter."""
    found: dict[str, Any] = {**KINDS[parameter.kind].schema}
    if parameter.choices:
        found["enum"] = list(parameter.choices)
    if parameter.default is not None:
        found["default"] = parameter.default
    return {**found, "description": parameter.help}
