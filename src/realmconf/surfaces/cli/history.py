"""The commands that read the history: log, show, diff, blame."""

from __future__ import annotations

from itertools import islice

from realmconf.domain.document import ABSENT
from realmconf.domain.pointer import Pointer
from realmconf.errors import ValueNotFound
from realmconf.surfaces import envelope
from realmconf.surfaces.cli.formats import toml_value
from realmconf.surfaces.cli.terminal import moment, printable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from typing import Any

    from realmconf.domain.blame import Blame
    from realmconf.domain.diff import Change
    from realmconf.runtime.history import Revision
    from realmconf.runtime.runtime import ConfigRuntime
    from realmconf.surfaces.cli.call import Call
    from realmconf.surfaces.veil import Veil


def log(call: Call) -> None:
    """List revisions, newest first."""
    request = call.request
    realm = _looked_at(call)
    revisions = list(islice(newest_first(realm, before=request.before), request.limit))
    veil = call.veil
    if call.json:
        call.print_json(
            [
                envelope.revision(one, veil=veil, with_document=False)
                | (_changes_as_json(realm, one, veil=veil) if request.patch else {})
                for one in revisions
            ]
        )
    elif request.patch:
        for place, one in enumerate(revisions):
            call.print(*([""] if place else []), *_record_lines(call, one))
            call.print(*_change_lines(call, realm, one, veil=veil))
    else:
        call.print(*log_table(call, revisions))


def show(call: Call) -> None:
    """Print one revision: its record, its changes; as JSON its document too."""
    realm = _looked_at(call)
    one = realm.at(call.request.generation).revision
    # A generation from 1 on has a revision, or there was an error.
    assert one is not None
    veil = call.veil
    if call.json:
        shown = envelope.revision(one, veil=veil, with_document=True)
        call.print_json(shown | _changes_as_json(realm, one, veil=veil))
        return
    call.print(*_record_lines(call, one), *_change_lines(call, realm, one, veil=veil))


def diff(call: Call) -> None:
    """Print the changes between two generations; by default the last change."""
    request = call.request
    realm = _looked_at(call)
    head = realm.get().generation
    start = max(head - 1, 0) if request.a is None else request.a
    end = head if request.b is None else request.b
    changes = realm.diff(start, end)
    if call.json:
        call.print_json(
            {
                "realm": str(realm.realm_id),
                "from": start,
                "to": end,
                "changes": envelope.changes(changes, veil=call.veil),
            }
        )
        return
    call.print(call.terminal.paint(f"{realm.realm_id}: generation {start} → {end}", "dim"))
    call.print(*(call.terminal.changes(changes, veil=call.veil) or ["no difference"]))


def blame(call: Call) -> None:
    """Print, for each value of the own document, the revision that set it."""
    from realmconf.domain.blame import blame as attribute

    realm = _looked_at(call)
    below = call.request.path or Pointer()
    head = realm.get()
    if below and below.resolve(head.document or {}) is ABSENT:
        raise ValueNotFound(realm=head.realm_id, pointer=str(below), generation=head.generation)
    found = [one for one in attribute(newest_first(realm)) if one.pointer.within(below)]
    veil = call.veil
    if call.json:
        call.print_json(
            [
                {
                    "pointer": str(one.pointer),
                    "value": veil.over(one.value, one.pointer),
                    "at_least": one.at_least,
                    **envelope.revision(one.revision, veil=veil, with_document=False),
                }
                for one in found
            ]
        )
        return
    call.print(*blame_table(call, found, veil=veil))


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


def newest_first(realm: Any, *, before: int | None = None) -> Iterator[Revision]:
    """The whole history of *realm*, read as far as it is used."""
    while page := realm.history(limit=100, before=before):
        yield from page
        before = page[-1].generation


def _looked_at(call: Call) -> ConfigRuntime[Mapping[str, Any]]:
    """The realm, after a look at its head: a hand edit that was not taken in yet belongs to the history too."""
    realm = call.realm()
    head = realm.get()
    call.warn(head.warnings)
    if not head.generation:
        call.say(f"realm {head.realm_id} was never written")
    return realm


def _changes_of(realm: Any, one: Revision) -> tuple[Change, ...] | None:
    """What the revision changed, or None where one of the two documents is gone."""
    from realmconf.errors import HistoryCompacted

    try:
        return tuple(realm.diff(one.generation - 1, one.generation))
    except HistoryCompacted:
        return None


def _changes_as_json(realm: Any, one: Revision, *, veil: Veil) -> dict[str, Any]:
    changes = _changes_of(realm, one)
    return {"changes": None if changes is None else envelope.changes(changes, veil=veil)}


def _change_lines(call: Call, realm: Any, one: Revision, *, veil: Veil) -> list[str]:
    changes = _changes_of(realm, one)
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
