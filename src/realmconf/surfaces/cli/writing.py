"""
The commands that write one realm's document: set, unset, replace, patch, json-patch, rollback, delete.

Each turns its arguments into one call of the runtime and prints what came of it.  What a write
becomes, and whether it may happen, is decided below.
"""

from __future__ import annotations

from realmconf.domain.document import ABSENT
from realmconf.domain.pointer import Pointer
from realmconf.errors import GenerationRequired, InvalidArgument
from realmconf.surfaces.cli.formats import toml_value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from realmconf.surfaces.cli.call import Call


# --- commands ----------------------------------------------------------------------


def set_value(call: Call) -> None:
    """Set the value at one pointer; print what was stored and its type."""
    from realmconf.domain.edit import edited
    from realmconf.domain.write import Edit
    from realmconf.surfaces.intake import has_mark, with_secrets

    path = call.request.path
    value = _one_value(call)
    realm = call.realm()
    if has_mark(value):

        def kept(draft: dict[str, Any]) -> dict[str, Any]:
            meant = with_secrets(value, path.resolve(draft), at=path)
            return edited(draft, Edit(assignments=((path, meant),)))

        result = _updated(realm, kept, write_options(call))
    else:
        result = realm.set_value(path, value, **write_options(call))
    if not call.json and not call.request.dry_run:
        shown = call.veil.over(value, path)
        call.print(f"{path.dotted} = {toml_value(shown)} ({type_name(value)})")
    print_result(call, result)


def unset(call: Call) -> None:
    """Remove the value at one pointer."""
    print_result(call, call.realm().unset(call.request.path, **write_options(call)))


def replace(call: Call) -> None:
    """Replace the whole own document."""
    from realmconf.surfaces.cli.documents import read_document
    from realmconf.surfaces.intake import has_mark, with_secrets, with_stored_number_types

    request = call.request
    given = read_document(call, file=request.file, toml=request.toml, json=request.json)
    realm = call.realm()
    options = write_options(call)
    document = given.document
    if given.is_json:
        document = with_stored_number_types(document, realm.get().document)
    if given.realm == realm.realm_id and not options.keys() & {
        "expected_generation",
        "expected",
        "create",
    }:
        # Whoever sends an envelope back says which state it was made from.
        options["expected_generation"] = given.generation
    if has_mark(document):
        result = _updated(realm, lambda draft: with_secrets(document, draft, at=Pointer()), options)
    else:
        result = realm.set(document, **options)
    print_result(call, result)


def patch(call: Call) -> None:
    """Apply a merge patch to the own document."""
    from realmconf.domain.patch import check_patch, merge
    from realmconf.surfaces.cli.documents import read_input
    from realmconf.surfaces.intake import has_mark, with_secrets, with_stored_number_types

    given = read_input(call, file=call.request.file, toml=None, json=call.request.json)
    realm = call.realm()
    merged = check_patch(given.value)
    if given.is_json:
        merged = with_stored_number_types(merged, realm.get().document)
    options = write_options(call)
    if has_mark(merged):
        result = _updated(
            realm, lambda draft: merge(draft, with_secrets(merged, draft, at=Pointer())), options
        )
    else:
        result = realm.patch(merged, **options)
    print_result(call, result)


def json_patch(call: Call) -> None:
    """Apply a JSON Patch to the own document."""
    from realmconf.domain.jsonpatch import apply_operations, check_operations
    from realmconf.surfaces.cli.documents import read_json
    from realmconf.surfaces.intake import has_mark, with_secrets, with_stored_number_types

    operations = check_operations(read_json(call, file=call.request.file, json=call.request.json))
    realm = call.realm()

    def meant(operation: dict[str, Any], stored: Any) -> dict[str, Any]:
        if "value" not in operation:
            return operation
        place = Pointer.parse_json_pointer(operation["path"])
        inserted = operation["op"] == "add" and isinstance(place.parent.resolve(stored), list)
        # What stands at the place of an insertion is another element, and keeps its secrets.
        there = ABSENT if inserted else place.resolve(stored)
        value = with_stored_number_types(operation["value"], there)
        return {**operation, "value": with_secrets(value, there, at=place)}

    options = write_options(call)
    if any(has_mark(operation.get("value")) for operation in operations):
        result = _updated(
            realm,
            lambda draft: apply_operations(draft, [meant(one, draft) for one in operations]),
            options,
        )
    else:
        stored = realm.get().document
        result = realm.json_patch([meant(one, stored) for one in operations], **options)
    print_result(call, result)


def rollback(call: Call) -> None:
    """Append the document of an older generation."""
    print_result(call, call.realm().rollback(to=call.request.generation, **write_options(call)))


def delete(call: Call) -> None:
    """Append a tombstone."""
    print_result(call, call.realm().delete(**write_options(call)))


# --- arguments and answers that all of them share -------------------------------------------


def write_options(call: Call) -> dict[str, Any]:
    """The options that every write takes, as the runtime names them; only those that were given."""
    request = call.request
    given = {
        name: getattr(request, name, None)
        for name in (
            "expected_generation",
            "expected",
            "create",
            "on_conflict",
            "depends_on",
            "message",
            "write_id",
            "dry_run",
        )
    }
    return {
        name: value for name, value in given.items() if value is not None and value is not False
    }


def _updated(
    realm: Any, change: Callable[[dict[str, Any]], object], options: dict[str, Any]
) -> Any:
    """
    The result of *change*, which takes only the stored secrets from the head it is called with.

    Raises:
        GenerationRequired: The person has not said which state theirs was made from, and the policy asks for it.
    """
    if not options.keys() & {"expected_generation", "expected", "create"}:
        head = realm.get()
        if head.record is not None and head.record.policy.require_generation:
            raise GenerationRequired(realm=str(realm.realm_id), current=head.generation)
    return realm.update(change, **options)


def print_result(call: Call, result: Any) -> None:
    """What a write or a dry run answers."""
    from realmconf.surfaces import envelope

    if getattr(call.request, "dry_run", False):
        if call.json:
            call.print_json(envelope.plan(result, veil=call.veil))
            return
        call.print(*call.terminal.changes(result.changes, veil=call.veil))
        call.warn(result.warnings)
        call.say("dry run: nothing was written")
        call.print(f"generation={result.generation}")
        return
    call.wrote(result)
    call.warn(result.warnings)
    if call.json:
        call.print_json(envelope.receipt(result, veil=call.veil))
        return
    if not result.changed:
        call.say("nothing to change")
    elif result.rebased_from is not None:
        call.say(f"applied on top of newer changes (made against generation {result.rebased_from})")
    call.print(f"generation={result.generation}")


def type_name(value: Any) -> str:
    """What people call the type of *value*."""
    names = {bool: "boolean", int: "integer", float: "float", str: "string", list: "array"}
    return names.get(type(value), "table")


def _one_value(call: Call) -> Any:
    """
    The value that ``set`` was given: one TOML value, else text.

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
    return request.value if request.text else read_value(request.value, at=request.path)


def read_value(text: str, *, at: Pointer) -> Any:
    """
    *text* as exactly one TOML value, else as the text it is.

    Raises:
        InvalidDocument: It is a TOML value that no document may hold, such as a number beyond 64 bits.
    """
    from realmconf.domain.toml import parse_toml
    from realmconf.errors import InvalidDocument

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
