"""
The one value that ``set`` is given: text, or what TOML and the schema make of it.

Decides how a text becomes a value; what may stand at its place is decided in the domain.
"""

from __future__ import annotations

from realmconf.errors import InvalidArgument, InvalidDocument, LimitExceeded

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from realmconf.domain.pointer import Pointer
    from realmconf.surfaces.cli.call import Call


def type_name(value: Any) -> str:
    """What people call the type of *value*."""
    # A boolean is an integer to Python, so it comes first.
    names = {bool: "boolean", int: "integer", float: "float", str: "string", list: "array"}
    return next((name for kind, name in names.items() if isinstance(value, kind)), "table")


def given_text(call: Call) -> str:
    """
    The value that ``set`` was given, as text.

    Raises:
        InvalidArgument: None was given, or two were.
    """
    request = call.request
    if request.stdin:
        if request.value is not None:
            raise InvalidArgument("VALUE and --stdin contradict each other")
        from realmconf.surfaces.cli.documents import read_bytes

        content = read_bytes(call, None)
        try:
            text = content.decode("utf-8")
        except UnicodeDecodeError:
            raise InvalidArgument("standard input is not UTF-8") from None
        # The line end that `echo` and a terminal add is not part of the secret.
        return text.removesuffix("\n").removesuffix("\r")
    if request.value is None:
        raise InvalidArgument("a value is missing: give VALUE, or --stdin")
    return str(request.value)


def types_at(realm: Any, path: Pointer) -> frozenset[str]:
    """The JSON types that schemas allow at *path*; empty for any, and where nobody can tell."""
    point = realm.get().point
    if point.problem is not None or not point.composed.schemas:
        return frozenset()
    types: frozenset[str] = point.composed.shape.at(path).types
    return types


def read_value(text: str, *, at: Pointer, types: frozenset[str] = frozenset()) -> Any:
    """
    *text* as exactly one TOML value, else as the text it is.

    Where one of *types* (JSON Schema's words; empty: any) is ``string``, and the TOML value is of none of them,
    it is the text too: ``1.10`` is a version there, and no number.

    Raises:
        InvalidDocument: It is a TOML value that no document may hold, such as a number beyond 64 bits.
    """
    try:
        value = _toml_or_text(text, at=at)
    except (InvalidDocument, LimitExceeded):
        if "string" in types:
            return text
        raise
    if "string" not in types:
        return value
    from realmconf.domain.schemas.shape import json_type

    found = json_type(value)
    fits = found in types or (found == "integer" and "number" in types)
    return value if fits else text


def _toml_or_text(text: str, *, at: Pointer) -> Any:
    from realmconf.domain.toml import parse_toml

    def parsed(line: str) -> Any:
        try:
            return parse_toml(line).document
        except InvalidDocument as error:
            if error.pointer is not None:
                # Said of the place where the value is going.
                reason = str(error).partition(": ")[2]
                raise InvalidDocument(reason, pointer=str(at)) from None
            return {}

    # In an array a comment swallows the bracket, and a second value shows; alone, a
    # trailing comma and a line that brings a key of its own do.
    document = parsed(f"value = {text}\n")
    if len(document) != 1 or len(parsed(f"value = [{text}]\n").get("value", ())) != 1:
        return text
    return document["value"]
