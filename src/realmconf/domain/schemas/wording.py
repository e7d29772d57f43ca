"""
What a person is told about a value that does not fit: our words, for every library that validates.

Decides the text for each keyword of JSON Schema.  It names what a schema accepts, never what a
configuration has there, which may be a secret.
"""

from __future__ import annotations

import json

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from typing import Any

NAMED_VALUES_MAX = 8
"""Accepted values that are named."""

NAMED_CHARS_MAX = 60
"""Of one value, key or pattern of a schema."""

_KNOWN_MAX = 5_000
_COMPARED_MAX = 200
_COMPARED_CHARS_MAX = 64

UNFIT = "it does not fit"

TYPE_WORDS = {
    "string": "text",
    "integer": "an integer",
    "number": "a number",
    "array": "an array",
    "object": "an object",
    # Last, because it has an "or" of its own.
    "boolean": "true or false",
}

_FORMAT_WORDS = {
    "date": "a date (2026-01-31)",
    "date-time": "a date and time with its offset (2026-01-31T12:00:00Z)",
    "time": "a time of day with its offset (12:00:00Z)",
    "duration": "a duration (PT1H30M)",
    "email": "an e-mail address",
    "idn-email": "an e-mail address",
    "hostname": "a host name",
    "idn-hostname": "a host name",
    "ipv4": "an IPv4 address",
    "ipv6": "an IPv6 address",
    "uri": "a URI",
    "uri-reference": "a URI or a relative reference",
    "uri-template": "a URI template",
    "iri": "an IRI",
    "iri-reference": "an IRI or a relative reference",
    "uuid": "a UUID",
    "json-pointer": "a JSON Pointer",
    "relative-json-pointer": "a relative JSON Pointer",
    "regex": "a regular expression",
}


def message(keyword: str, wanted: Any, *, secret: bool = False) -> str:
    """What to say where *keyword*, for which the schema says *wanted*, does not hold; at a *secret* place less."""
    words = _MESSAGES.get(keyword)
    if words is None:
        return UNFIT
    if secret and keyword in TELLING:
        return TELLING[keyword]
    return words(wanted)


# --- parts of sentences -----------------------------------------------------------------------


def quoted(value: Any) -> str:
    """*value*, which is of a schema, as JSON, cut where it gets long."""
    if isinstance(value, str):
        # What is written out need not be longer than what is shown.
        value = value[: NAMED_CHARS_MAX + 1]
    plain = isinstance(value, str) and value.isprintable() and '"' not in value
    text = f'"{value}"' if plain else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= NAMED_CHARS_MAX + 2 else text[:NAMED_CHARS_MAX] + "…"


def suggestion(name: str, known: Sequence[str]) -> str:
    """`; did you mean "max_tokens"?` where one of the *known* names is close to *name*; else nothing."""
    if not 0 < len(name) <= _COMPARED_CHARS_MAX:
        return ""
    # Names that are much longer or shorter are not close.  A schema may have tens of thousands.
    slack = 1 + len(name) // 3
    near = [
        other
        for other in known[:_KNOWN_MAX]
        if abs(len(other) - len(name)) <= slack and other != name
    ][:_COMPARED_MAX]
    folded = _folded(name)
    meant = next((other for other in near if _folded(other) == folded), None)
    if meant is None:
        from difflib import get_close_matches

        meant = next(iter(get_close_matches(name, near, n=1, cutoff=0.7)), None)
    return "" if meant is None else f"; did you mean {quoted(meant)}?"


def _folded(name: str) -> str:
    return name.lower().replace("_", "").replace("-", "")


def unknown_key(name: str, missing: Sequence[str], stated: Sequence[str] = ()) -> str:
    """
    What to say of a key that the schema does not have.

    Most likely one is meant that is *missing*, else one that is *stated*: by a parent, it may be.
    """
    return "there is no such key" + (suggestion(name, missing) or suggestion(name, stated))


def accepted(values: Sequence[Any]) -> str:
    """What to say where none of *values* is there."""
    values = [value for value in values if value is not None]
    if not values:
        return "it is none of the accepted values"
    named = ", ".join(map(quoted, values[:NAMED_VALUES_MAX]))
    more = len(values) - NAMED_VALUES_MAX
    if more > 0:
        named += f" and {more} more"
    return f"it is none of the accepted values: {named} {'is' if len(values) == 1 else 'are'}"


def of_type(types: str | Iterable[str]) -> str:
    """What to say where the value has none of *types*."""
    names = [types] if isinstance(types, str) else list(types)
    words = [TYPE_WORDS[name] for name in TYPE_WORDS if name in names]
    if "number" in names and "integer" in names:
        words.remove(TYPE_WORDS["integer"])
    if not words:
        return "nothing may stand here"
    return f"it must be {_either(words)}"


def _either(words: Sequence[str]) -> str:
    *first, last = words
    return f"{', '.join(first)} or {last}" if first else last


def _at_least(fault: str, unit: str = "") -> Callable[[Any], str]:
    return lambda bound: f"{fault}: at least {_counted(bound, unit)} wanted"


def _at_most(fault: str, unit: str = "") -> Callable[[Any], str]:
    return lambda bound: f"{fault}: at most {_counted(bound, unit)} wanted"


def _counted(bound: Any, unit: str) -> str:
    if not unit:
        return f"{bound} is"
    return f"{bound} {unit}{' is' if bound == 1 else 's are'}"


_MESSAGES: dict[str, Callable[[Any], str]] = {
    "type": of_type,
    "enum": accepted,
    "const": lambda wanted: accepted([wanted]),
    "required": lambda _: "it is required",
    "dependentRequired": lambda other: f"it is required where {quoted(other)} is there",
    "properties": lambda _: "nothing may stand here",
    "patternProperties": lambda _: "nothing may stand here",
    "prefixItems": lambda _: "nothing may stand here",
    "items": lambda _: "there are too many elements",
    "unevaluatedItems": lambda _: "there are too many elements",
    "propertyNames": lambda _: "it is a key that is not accepted",
    "minimum": _at_least("it is too small"),
    "exclusiveMinimum": lambda bound: f"it is too small: more than {bound} is wanted",
    "maximum": _at_most("it is too large"),
    "exclusiveMaximum": lambda bound: f"it is too large: less than {bound} is wanted",
    "multipleOf": lambda unit: f"it is not a multiple of {unit}",
    "minLength": _at_least("it is too short", "character"),
    "maxLength": _at_most("it is too long", "character"),
    "minItems": _at_least("it has too few elements", "element"),
    "maxItems": _at_most("it has too many elements", "element"),
    "minProperties": _at_least("it has too few keys", "key"),
    "maxProperties": _at_most("it has too many keys", "key"),
    "x-integer": lambda _: "it must be an integer, written without a point",
    "uniqueItems": lambda _: "an element is there more than once",
    "contains": lambda _: "too few of its elements have the wanted form",
    "maxContains": lambda _: "too many of its elements have one form",
    "pattern": lambda pattern: f"it does not have the wanted form: {quoted(pattern)} must match",
    "format": lambda name: f"it must be {_FORMAT_WORDS.get(name, 'of the format ' + quoted(name))}",
    "not": lambda _: "it has a form that is not accepted",
    "anyOf": lambda _: "it fits none of the accepted forms",
    "oneOf": lambda fitting: (
        f"it fits {fitting} of the accepted forms, and must fit one"
        if fitting
        else "it fits none of the accepted forms"
    ),
}

TELLING = {
    "enum": "it is none of the accepted values",
    "const": "it is none of the accepted values",
    "pattern": "it does not have the wanted form",
}
"""Keywords whose message names values, and what is left to say where they could be somebody's secret."""
