"""The commands about what a configuration must be: schema, validate."""

from __future__ import annotations

import os

from realmconf.domain.lineage import is_live
from realmconf.domain.patch import check_patch
from realmconf.errors import InvalidArgument
from realmconf.surfaces.cli.writing import print_result, refuse_options_of_writes, write_options

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from realmconf.surfaces.cli.call import Call

BUILT_IN: dict[str, str] = {
    "meerkat": "realmconf.meerkat.schema:SCHEMA",
    "meerkat-open": "realmconf.meerkat.schema:OPEN_SCHEMA",
}
"""Schemas that come with the program: name -> ``module:name`` of the schema."""

EXIT_INVALID = 4


# --- schema ----------------------------------------------------------------------------


def schema(call: Call) -> None:
    """Show, attach or take away the realm's own schema."""
    request = call.request
    if request.action != "set" and (request.source is not None or request.patch is not None):
        given = "FILE|NAME" if request.source is not None else "--patch"
        raise InvalidArgument(f"schema {request.action} takes no {given}")
    if request.action == "show":
        refuse_options_of_writes(call)
        _show(call)
    elif request.action == "unset":
        print_result(call, call.ask("schema/unset", **write_options(call)))
    else:
        _set(call)


def _set(call: Call) -> None:
    from realmconf.surfaces.cli.documents import STANDARD_INPUT, read_input

    request = call.request
    if request.source is None:
        raise InvalidArgument("schema set needs a FILE, or the NAME of a built-in schema")
    if request.source == request.patch == STANDARD_INPUT:
        raise InvalidArgument("the schema and --patch cannot both be read from standard input")
    given = given_schema(call, request.source)
    patch = None
    if request.patch is not None:
        patch = read_input(call, file=request.patch, toml=None, json=None).value
        check_patch(patch)
    options = write_options(call)
    print_result(call, call.ask("schema/set", schema=given, patch=patch, **options))


def given_schema(call: Call, source: str) -> Mapping[str, Any]:
    """
    The schema that *source* names: one of the built-in ones, else a file; ``./NAME`` is always a file.

    Raises:
        InvalidArgument: There is neither.
        InvalidDocument: It is no schema.
    """
    from realmconf.domain.schemas.schema import check_schema
    from realmconf.surfaces.cli.documents import STANDARD_INPUT, read_schema

    if source in BUILT_IN:
        module, _, name = BUILT_IN[source].partition(":")
        built_in: Mapping[str, Any] = getattr(__import__(module, fromlist=[name]), name)
        return built_in
    if source != STANDARD_INPUT and not os.path.exists(source):
        known = ", ".join(BUILT_IN) or "none in this release"
        raise InvalidArgument(
            f"{source}: there is no such file, and no built-in schema of that name (built in: {known})"
        )
    return check_schema(read_schema(call, file=source))


def _show(call: Call) -> None:
    found = call.ask("schema/get")
    snapshot = found.snapshot
    call.warn(snapshot.warnings)
    shown = call.as_json("schema/get", found)
    if shown is not None or call.json:
        call.print_json(shown)
    if shown is None:
        call.say(f"realm {snapshot.realm_id} has no schema of its own{_inherited(snapshot)}")


def _inherited(snapshot: Any) -> str:
    owners = _owners(snapshot)
    if not owners:
        return ", nor does it inherit one"
    return f"; what applies is that of {', '.join(owners)}"


def _owners(snapshot: Any) -> list[str]:
    """The realms whose schemas govern *snapshot*'s, nearest first."""
    point = snapshot.point
    return [
        str(name)
        for name, head in zip(point.names, point.heads, strict=True)
        if is_live(head) and head.revision.schema_digest is not None
    ]


# --- validate ----------------------------------------------------------------------------


def validate(call: Call) -> int:
    """Print everything in which the configuration, or what it would be with another document, does not fit."""
    from realmconf.surfaces.cli.documents import read_document

    file = call.request.file
    given = None if file is None else read_document(call, file=file).document
    snapshot = call.realm().get()
    call.warn(snapshot.point.head.warnings)
    found = call.ask("config/validate", config=given)
    if call.json:
        call.print_json(call.as_json("config/validate", found))
        return EXIT_INVALID if found.violations else 0
    if found.violations:
        from realmconf.surfaces.cli.terminal import violation_lines

        call.print(*violation_lines(found.violations))
        return EXIT_INVALID
    call.print("valid")
    if not _owners(snapshot):
        call.say(f"no schema governs realm {snapshot.realm_id}")
    return 0
