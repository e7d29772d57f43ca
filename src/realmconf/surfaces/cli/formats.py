"""
Values and documents as text: bare, TOML, JSON, YAML.

Decides how each is spelled.  Knows nothing of secrets (values arrive redacted) nor of
terminals; the TOML and YAML libraries are loaded when a whole document is printed in them.
"""

from __future__ import annotations

import json

TYPE_CHECKING = False
if TYPE_CHECKING:
    from realmconf.domain.document import Value

_TOML_ESCAPES = {ord("\x7f"): "\\u007F"} | {
    number: f"\\u{number:04X}" for number in range(0x80, 0xA0)
}


def bare(value: Value) -> str:
    """A string as it is; any other single value as in TOML, which for numbers and booleans is JSON too."""
    return value if isinstance(value, str) else toml_value(value)


def toml_value(value: Value) -> str:
    """*value* as one TOML value in one line: what ``set`` takes as an argument."""
    if isinstance(value, str):
        return toml_string(value)
    if isinstance(value, dict):
        inside = ", ".join(f"{toml_key(key)} = {toml_value(item)}" for key, item in value.items())
        return "{" + f" {inside} " * bool(value) + "}"
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(toml_value(item) for item in value) + "]"
    return json.dumps(value)


def toml_string(text: str) -> str:
    """*text* as a TOML basic string."""
    # A JSON string is one, but for the characters from DEL on that only TOML forbids.
    return json.dumps(text, ensure_ascii=False).translate(_TOML_ESCAPES)


def toml_key(key: str) -> str:
    """*key* as a TOML key, quoted only where it must be."""
    plain = key.replace("-", "a").replace("_", "a")
    return key if plain.isascii() and plain.isalnum() else toml_string(key)


def json_text(value: object) -> str:
    """*value* as JSON for a person and a program alike."""
    return json.dumps(value, ensure_ascii=False, indent=2)


def json_line(value: object) -> str:
    """*value* as JSON in one line."""
    return json.dumps(value, ensure_ascii=False)


def toml_text(document: dict[str, Value], *, header: str | None = None) -> str:
    """A whole document as TOML, under a first line of its own if *header* is given."""
    from realmconf.domain.toml import render

    return render(document, header=header)


def yaml_text(value: object) -> str:
    """
    *value* as YAML.

    Raises:
        StoreNotInstalled: The YAML library is an optional package.
    """
    try:
        from ruamel.yaml import YAML
    except ImportError:
        from realmconf.errors import StoreNotInstalled

        raise StoreNotInstalled("YAML output", extra="yaml") from None
    from io import StringIO

    written = StringIO()
    yaml = YAML(typ="safe", pure=True)
    yaml.sort_base_mapping_type_on_output = False  # type: ignore[assignment]
    yaml.allow_unicode = True
    # Through JSON, so that only plain types arrive: the library refuses subclasses of them.
    yaml.dump(json.loads(json.dumps(value)), written)
    return written.getvalue()
