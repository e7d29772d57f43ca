"""
The types that Meerkat's models are made of: numbers with their ranges, lengths of time, secrets.

Decides how a value of the original is held in Python, and what it is written as.  Knows none of the sections, and needs
pydantic.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    WithJsonSchema,
)

from realmconf.meerkat.durations import (
    FORM,
    duration_from_milliseconds,
    duration_from_table,
    duration_to_table,
    format_duration,
    parse_duration,
)
from realmconf.meerkat.elements import I32_MAX, NANOS_MAX
from realmconf.meerkat.words import (
    DURATION,
    SKILL_NAME,
    U16_MAX,
    U32_MAX,
    U64_MAX,
    UUID,
    canonical_uuid,
)


class Section(BaseModel):
    """
    A table of the configuration, which takes no key that it does not know.

    It cannot be changed, nor are its lists and dictionaries to be: others may share them.
    """

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        strict=True,
        allow_inf_nan=False,
        # What is wrong may be a secret in the wrong place.
        hide_input_in_errors=True,
        # ``from_`` and ``schema_`` are names of attributes, and no keys of a file.
        validate_by_alias=True,
        validate_by_name=False,
        # ``model_fallback`` is a section of Meerkat's.
        protected_namespaces=(),
    )


U16 = Annotated[int, Field(ge=0, le=U16_MAX)]
U32 = Annotated[int, Field(ge=0, le=U32_MAX)]
U64 = Annotated[int, Field(ge=0, le=U64_MAX)]
I32 = Annotated[int, Field(ge=-I32_MAX - 1, le=I32_MAX)]


Uuid = Annotated[str, Field(pattern=UUID), AfterValidator(canonical_uuid)]
"""Written in small letters with dashes, as the original writes it."""

SkillName = Annotated[str, Field(pattern=SKILL_NAME)]

Key = Annotated[str, Field(json_schema_extra={"writeOnly": True})]
"""A secret. The field that holds it or a table of such says ``repr=False``."""


def _read(value: object) -> timedelta:
    if isinstance(value, str):
        return parse_duration(value)
    if isinstance(value, timedelta) and value >= timedelta():
        return value
    # Left to pydantic, 5 would be five seconds.
    raise ValueError(f"{FORM} is wanted")


def _read_or_milliseconds(value: object) -> timedelta:
    return duration_from_milliseconds(value) if type(value) is int else _read(value)


def _read_table(value: object) -> timedelta:
    if isinstance(value, str):
        raise ValueError("here a length of time is written as {secs = N, nanos = N}")
    return duration_from_table(value) if isinstance(value, dict) else _read(value)


_TEXT = {"type": "string", "pattern": DURATION}
_TABLE = {
    "type": "object",
    "properties": {
        "secs": {"type": "integer", "minimum": 0, "maximum": U64_MAX},
        "nanos": {"type": "integer", "minimum": 0, "maximum": NANOS_MAX},
    },
    "required": ["secs", "nanos"],
    "additionalProperties": False,
}
_AS_TEXT = PlainSerializer(format_duration, return_type=str)
_AS_TABLE = PlainSerializer(duration_to_table, return_type=dict[str, int])

Duration = Annotated[timedelta, BeforeValidator(_read), _AS_TEXT, WithJsonSchema(_TEXT)]
"""Written as ``1m 30s``."""

DurationOrMilliseconds = Annotated[
    timedelta,
    BeforeValidator(_read_or_milliseconds),
    _AS_TEXT,
    WithJsonSchema({"anyOf": [_TEXT, {"type": "integer", "minimum": 0, "maximum": U64_MAX}]}),
]
"""Written as ``1m 30s``, read from milliseconds as well."""

DurationTable = Annotated[
    timedelta, BeforeValidator(_read_table), _AS_TABLE, WithJsonSchema(_TABLE)
]
"""Written as ``{secs = 90, nanos = 0}``, and as nothing else: the original takes no text here."""
