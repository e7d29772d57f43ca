"""
The commands that write one realm's document: set, unset, replace, patch, json-patch, rollback, delete.

Each turns its arguments into a call of its operation and prints what came of it.  What a write becomes, and whether
it may happen, is decided below.
"""

from __future__ import annotations

from realmconf.domain.document import ABSENT
from realmconf.domain.withheld import Withheld
from realmconf.errors import InvalidArgument, RealmconfError
from realmconf.runtime.results import document_of
from realmconf.surfaces.cli.formats import toml_value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from typing import Any

    from realmconf.domain.names import RealmName
    from realmconf.surfaces.cli.call import Call
    from realmconf.surfaces.veil import Veil


# --- commands ----------------------------------------------------------------------


def set_value(call: Call) -> None:
    """Set the value at one pointer; print what was stored and its type."""
    from realmconf.surfaces.cli.onevalue import given_text, read_value, type_name, types_at

    request = call.request
    path = request.path
    text = given_text(call)
    realm = call.realm()
    if request.text or request.stdin:
        value: Any = text
    else:
        value = read_value(text, at=path, types=types_at(realm, path))
    result = call.ask(
        "config/set_value", path=str(path), value=value, exact_numbers=True, **write_options(call)
    )
    if not call.json and not request.dry_run:
        stored = path.resolve(document_of(result.record) or {})
        if stored is ABSENT:
            # Of a write id that is known, what it made may be gone.
            stored = value
        # What a server keeps to itself is of the type that was sent to it.
        kind = type_name(value if type(stored) is Withheld else stored)
        try:
            shown = call.veil_of(result.realm_id).over(stored, path)
        except RealmconfError as failure:
            call.say(f"{UNSHOWN}: {failure}")
        else:
            call.print(f"{path.dotted} = {toml_value(shown)} ({kind})")
    print_result(call, result)


def unset(call: Call) -> None:
    """Remove the value at one pointer, or mask what is inherited there."""
    from realmconf.surfaces.cli import masks

    request = call.request
    options = write_options(call)
    if request.mask:
        result = masks.mask(call.realm(), request.path, options)
    elif request.unmask:
        result = masks.unmask(call.realm(), request.path, options)
    else:
        result = call.ask("config/unset", path=str(request.path), **options)
    print_result(call, result)
    if not request.unmask:
        call.say(*masks.what_is_left(result, request.path, masked=request.mask))


def replace(call: Call) -> None:
    """Replace the whole own document."""
    from realmconf.surfaces.cli.documents import read_document

    request = call.request
    given = read_document(call, file=request.file, toml=request.toml, json=request.json)
    options = write_options(call)
    stated = {"expected_generation", "expected", "create", "must_exist"}
    if given.realm == call.located.realm and not options.keys() & stated:
        # Whoever sends an envelope back says which state it was made from.
        options["expected_generation"] = given.generation
    exact = not given.is_json
    print_result(
        call, call.ask("config/set", config=given.document, exact_numbers=exact, **options)
    )


def patch(call: Call) -> None:
    """Apply a merge patch to the own document."""
    from realmconf.domain.patch import check_patch
    from realmconf.surfaces.cli.documents import read_input

    given = read_input(call, file=call.request.file, toml=None, json=call.request.json)
    check_patch(given.value)
    exact = not given.is_json
    options = write_options(call)
    print_result(call, call.ask("config/patch", patch=given.value, exact_numbers=exact, **options))


def json_patch(call: Call) -> None:
    """Apply a JSON Patch to the own document."""
    from realmconf.domain.jsonpatch import check_operations
    from realmconf.surfaces.cli.documents import read_json

    operations = read_json(call, file=call.request.file, json=call.request.json)
    check_operations(operations)
    print_result(call, call.ask("config/json_patch", operations=operations, **write_options(call)))


def rollback(call: Call) -> None:
    """Append the document of an older generation."""
    to = call.request.generation
    print_result(call, call.ask("config/rollback", to=to, **write_options(call)))


def delete(call: Call) -> None:
    """Append a tombstone."""
    print_result(call, call.ask("config/delete", **write_options(call)))


# --- arguments and answers that all of them share -------------------------------------------


UNSHOWN = "it is done, and what came of it cannot be shown now"

OPTIONS = (
    "expected_generation",
    "expected",
    "create",
    "must_exist",
    "on_conflict",
    "depends_on",
    "message",
    "write_id",
    "dry_run",
)
"""What every write takes, as the runtime names it."""


def write_options(call: Call) -> dict[str, Any]:
    """The options of a write that were given, as JSON values."""
    given = {name: getattr(call.request, name, None) for name in OPTIONS}
    if given["depends_on"] is not None:
        given["depends_on"] = [str(path) for path in given["depends_on"]]
    return {
        name: value for name, value in given.items() if value is not None and value is not False
    }


def refuse_options_of_writes(call: Call) -> None:
    """
    Make sure that a command that also writes, and only reads this time, was given nothing that is for writing.

    Raises:
        InvalidArgument: A precondition is never ignored.
    """
    given = [f"--{name.replace('_', '-')}" for name in write_options(call)]
    if given:
        action = f"{call.request.command.name} {call.request.action}"
        raise InvalidArgument(f"{action} takes no {given[0]}: it writes nothing")


def print_result(
    call: Call,
    result: Any,
    *,
    others: Sequence[RealmName] = (),
    unchanged: str = "nothing to change",
) -> None:
    """What a write or a dry run answers, in which values of *others* may be; *unchanged* says why nothing was."""
    is_planned = bool(getattr(call.request, "dry_run", False))
    if not is_planned:
        call.wrote(result)
        call.warn(result.warnings)
    if call.json:
        call.print_json(_receipt(call, result, others=others, is_planned=is_planned))
        return
    if is_planned:
        _print_plan(call, result, veil=call.veil_of_plan(result, others=others))
        return
    if not result.changed:
        call.say(unchanged)
    elif result.rebased_from is not None:
        call.say(f"applied on top of newer changes (made against generation {result.rebased_from})")
    call.print(f"generation={result.generation}")


def _receipt(
    call: Call, result: Any, *, others: Sequence[RealmName], is_planned: bool
) -> dict[str, Any]:
    from realmconf.surfaces import envelope
    from realmconf.surfaces.answers import receipt

    try:
        return receipt(call.session, result, others=others)
    except RealmconfError as failure:
        if is_planned:
            raise
        # It is written: that nobody can tell now which of its values are secret makes it no refusal.
        call.say(f"{UNSHOWN}: {failure}")
        return {
            "generation": result.generation,
            "realm_id": str(result.realm_id),
            "changed": result.changed,
            "rebased_from": result.rebased_from,
            "write_id": result.write_id,
            "warnings": envelope.warnings(result.warnings),
        }


def _print_plan(call: Call, planned: Any, *, veil: Veil) -> None:
    from realmconf.surfaces.envelope import effective_changes

    terminal = call.terminal
    own, effective = planned.changes, effective_changes(planned)
    call.print(*terminal.changes(own, veil=veil), *_beside_the_document(planned))
    if effective is not None and effective != own:
        call.print(terminal.paint("effective:", "dim"))
        changed = terminal.changes(effective, veil=veil, indent="  ")
        call.print(*(changed or ["  no change"]))
    if planned.descendants:
        names = ", ".join(planned.descendants)
        call.print(f"{terminal.paint('realms that inherit a change:', 'dim')} {names}")
    call.warn(planned.warnings)
    call.say("dry run: nothing was written")
    call.print(f"generation={planned.generation}")


def _beside_the_document(planned: Any) -> Iterator[str]:
    """What a plan changes that is no value."""
    before, after = planned.before, planned.record
    if not planned.changed:
        return
    had = None if before is None else before.schema_digest
    if after.schema_digest != had:
        done = (
            "taken away"
            if after.schema_digest is None
            else "attached"
            if had is None
            else "replaced"
        )
        yield f"the realm's own schema is {done}"
    if before is not None and after.policy != before.policy:
        for name in after.policy.__fields__:
            was, is_now = getattr(before.policy, name), getattr(after.policy, name)
            if was != is_now:
                yield f"policy {name}: {_policy_value(was)} → {_policy_value(is_now)}"


def _policy_value(value: Any) -> str:
    return "all" if value is None else toml_value(value)
