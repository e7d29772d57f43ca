"""
Meerkat's configuration as a JSON Schema: ``SCHEMA`` refuses unknown keys, ``OPEN_SCHEMA`` keeps them.

Decides how the sections of v0.4.1 and what came later make one schema.  Every ``config.toml`` that v0.4.1 or v0.8
writes fits it; what neither of them reads, a misspelt key above all, does not fit ``SCHEMA``.  The defaults are those
of v0.4.1; where that has none (``storage.directory`` depends on the folder it runs in), nothing is said.

What ``validate`` refuses and no JSON Schema can say, that a value stands in a list elsewhere, is left to it.
"""

from __future__ import annotations

from realmconf.domain.schemas.schema import DIALECT
from realmconf.meerkat.elements import CLOSED, elements
from realmconf.meerkat.later import custom_model, later_keys, later_sections
from realmconf.meerkat.sections import sections

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from realmconf.meerkat.words import Said


def _built() -> Said:
    properties = {**sections(), **later_sections()}
    for name, keys in later_keys().items():
        properties[name]["properties"] |= keys
    properties["models"]["additionalProperties"] = custom_model()
    return {
        "$schema": DIALECT,
        "title": "Meerkat's configuration",
        "type": "object",
        "properties": properties,
        "additionalProperties": False,
        "$defs": elements(),
    }


def _opened(schema: Said) -> Said:
    """*schema* without what refuses unknown keys, but where the original refuses them as well."""
    definitions = {
        name: said if name in CLOSED else _without_closing(said)
        for name, said in schema["$defs"].items()
    }
    return {**_without_closing({**schema, "$defs": {}}), "$defs": definitions}


def _without_closing(said: Any) -> Any:
    if isinstance(said, dict):
        return {
            key: _without_closing(value)
            for key, value in said.items()
            if (key, value) != ("additionalProperties", False)
        }
    return [_without_closing(one) for one in said] if isinstance(said, list) else said


SCHEMA: Said = _built()
"""Strict: a key that no release reads is refused, with a suggestion."""

OPEN_SCHEMA: Said = _opened(SCHEMA)
"""The same, but unknown keys are kept, as of a release that is not known here."""
