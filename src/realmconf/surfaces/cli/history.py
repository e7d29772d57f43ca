"""The commands that read the history: log, show, diff, blame."""

from __future__ import annotations

from realmconf.domain.names import LIMITS
from realmconf.errors import RealmMoved
from realmconf.surfaces.cli.formats import toml_value
from realmconf.surfaces.cli.terminal import moment, printable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from typing import Any

    from realmconf.domain.blame import Blame
    from realmconf.domain.diff import Change
    from realmconf.runtime.history import Revision
    from realmconf.runtime.operations.results import History
    from realmconf.runtime.runtime import ConfigRuntime
    from realmconf.surfaces.cli.call import Call
    from realmconf.surfaces.veil import Veil


def log(call: Call) -> None:
    """List revisions, newest first."""
    request = call.request
    realm = _looked_at(call)
    found = _history(call, limit=request.limit, before=request.before)
    if call.json:
        shown = call.as_json("config/history", found)
        if request.patch:
            _add_changes(call, realm, found, shown)
        call.print_json(shown)
    elif request.patch:
        from realmconf.runtime.operations.reading import changes_of

        veil = call.veil
        for place, one in enumerate(found.revisions):
            call.print(*([""] if place else []), *_record_lines(call, one))
            call.print(*_change_lines(call, changes_of(realm, one), veil=veil))
    else:
        call.print(*log_table(call, found.revisions))


def show(call: Call) -> None:
    """Print one revision: its record, its changes; as JSON its document too."""
    _looked_at(call)
    found = call.ask("config/revision", generation=call.request.generation)
    if call.json:
        call.print_json(call.as_json("config/revision", found))
        return
    call.print(
        *_record_lines(call, found.revision), *_change_lines(call, found.changes, veil=call.veil)
    )


def diff(call: Call) -> None:
    """Print the changes between two generations; by default the last change."""
    request = call.request
    _looked_at(call)
    found = call.ask("config/diff", **{"from": request.a, "to": request.b})
    if call.json:
        call.print_json(call.as_json("config/diff", found))
        return
    heading = f"{found.realm}: generation {found.start} → {found.end}"
    call.print(call.terminal.paint(heading, "dim"))
    call.print(*(call.terminal.changes(found.changes, veil=call.veil) or ["no difference"]))


def blame(call: Call) -> None:
    """Print, for each value of the own document, the revision that set it."""
    _looked_at(call)
    path = call.request.path
    found = call.ask("config/blame", path=None if path is None else str(path))
    if call.json:
        call.print_json(call.as_json("config/blame", found))
        return
    call.print(*blame_table(call, found.entries, veil=call.veil))


# --- tables ---------------------------------------------------------------------------


def log_table(call: Call, revisions: Iterable[Revision]) -> list[str]:
    """One line for each revision."""
    return call.terminal.table(
        ("generation", "time (utc)", "author", "surface", "change", "message"),
        (
            (
                str(one.generation),
                moment(one.created_at),
                one.author,
                one.surface,
                _kind(one),
                shortened(one.message),
            )
            for one in revisions
        ),
    )


def blame_table(call: Call, found: Iterable[Blame], *, veil: Veil) -> list[str]:
    """One line for each value."""
    return call.terminal.table(
        ("generation", "time (utc)", "author", "message", "value"),
        (
            (
                since(one.revision.generation, at_least=one.at_least),
                moment(one.revision.created_at),
                one.revision.author,
                shortened(one.revision.message),
                f"{one.pointer.dotted} = {toml_value(veil.over(one.value, one.pointer))}",
            )
            for one in found
        ),
    )


# --- parts --------------------------------------------------------------------------

MESSAGE_COLUMN_CHARACTERS = 40


def _history(call: Call, *, limit: int, before: int | None) -> History:
    """As many revisions as were asked for, which may be more than a page."""
    revisions: list[Revision] = []
    while True:
        wanted = min(limit - len(revisions), LIMITS.history_page)
        page: History = call.ask("config/history", limit=wanted, before=before)
        revisions += page.revisions
        before = page.before
        if before is None or len(revisions) == limit:
            return page.replace(revisions=tuple(revisions))


def _add_changes(call: Call, realm: Any, found: History, shown: dict[str, Any]) -> None:
    """``--patch``: each entry with its ``changes``, null where they are not known any more."""
    from realmconf.runtime.operations.reading import changes_of
    from realmconf.surfaces import envelope

    veil = call.veil
    for one, entry in zip(found.revisions, shown["revisions"], strict=True):
        changes = changes_of(realm, one)
        entry["changes"] = None if changes is None else envelope.changes(changes, veil=veil)


def _looked_at(call: Call) -> ConfigRuntime[Mapping[str, Any]]:
    """The realm, after a look at its head: a hand edit that was not taken in yet belongs to the history too."""
    realm = call.realm()
    try:
        head = realm.get()
    except RealmMoved as moved:
        call.say(f"{moved}: this is what was written here")
        return realm
    call.warn(head.warnings)
    if not head.generation:
        call.say(f"realm {head.realm_id} was never written")
    return realm


def _change_lines(call: Call, changes: tuple[Change, ...] | None, *, veil: Veil) -> list[str]:
    if changes is None:
        return [
            "  (what it changed is not known any more: it was purged, or what was before it is gone)"
        ]
    return call.terminal.changes(changes, veil=veil, indent="  ")


def _record_lines(call: Call, one: Revision) -> list[str]:
    by = f"{printable(one.author)} by {one.surface}"
    lines = [
        call.terminal.paint(f"generation {one.generation}", "yellow")
        + f"  {_kind(one)}  {moment(one.created_at)} UTC  {by}"
    ]
    if one.message:
        lines += [f"  {printable(line)}" for line in one.message.splitlines()]
    if one.reverts:
        lines.append("  puts back what a newer write had changed: " + ", ".join(one.reverts))
    return lines


def _kind(one: Revision) -> str:
    if one.purged:
        return f"{one.kind} (purged)"
    return f"{one.kind} of {one.restores}" if one.restores else one.kind


def since(generation: int, *, at_least: bool) -> str:
    """The generation that gave a value; one that is as old as the kept history may have had it from an older one."""
    return f"{'<= ' if at_least else ''}{generation}"


def shortened(message: str) -> str:
    """What a column of a table has room for."""
    line = message.partition("\n")[0]
    if len(line) <= MESSAGE_COLUMN_CHARACTERS:
        return line
    return line[: MESSAGE_COLUMN_CHARACTERS - 1] + "…"
