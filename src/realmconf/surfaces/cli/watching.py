"""``watch``: every generation of a realm as it comes, printed or handed to a command."""

from __future__ import annotations

from realmconf.domain.document import ABSENT
from realmconf.domain.pointer import Pointer
from realmconf.errors import InvalidArgument
from realmconf.surfaces import envelope
from realmconf.surfaces.cli.formats import json_line
from realmconf.surfaces.cli.terminal import moment, printable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

    from realmconf.domain.diff import Change
    from realmconf.surfaces.cli.call import Call


def watch(call: Call) -> None:
    """Print changes until interrupted, or until as many generations as were asked for have come."""
    request = call.request
    realm = call.realm()
    view = "own" if request.own else "effective"
    below = request.path or Pointer()
    after = realm.get() if request.after is None else _cursor(request.after, realm, view=view)
    remaining = request.count
    try:
        watching = realm.watch(after=after, view=view)
    except InvalidArgument as unreadable:
        raise InvalidArgument(f"--after: {unreadable}") from None
    for snapshot in watching:
        changes = [
            change
            for change in snapshot.changes
            if change.pointer.within(below) or below.within(change.pointer)
        ]
        if not changes and not snapshot.reset and below:
            continue
        if call.json:
            _print_json(call, snapshot, changes)
        else:
            _print_lines(call, snapshot, changes)
        if request.exec is not None:
            _run(call, request.exec, snapshot, view=view, below=below)
        if remaining is not None:
            remaining -= 1
            if not remaining:
                return


def _cursor(text: str, realm: Any, *, view: str) -> Any:
    """Where to start: a generation of the realm, an etag or a cursor."""
    if not (text.isascii() and text.isdigit()):
        return text
    from realmconf.errors import HistoryCompacted
    from realmconf.surfaces.cli.values import generation

    number = generation(text)
    if view == "own":
        return number
    try:
        # The effective view knows no bare numbers; as a snapshot it is one of this realm's.
        return realm.at(number)
    except HistoryCompacted:
        return 0


def _print_json(call: Call, snapshot: Any, changes: Iterable[Change]) -> None:
    call.print_json_line(
        {
            "realm": str(snapshot.realm_id),
            "generation": snapshot.generation,
            "event": _event(snapshot),
            "cursor": str(snapshot.cursor),
            **_authorship(snapshot),
            "changes": envelope.changes(changes, veil=call.veil),
        }
    )


def _print_lines(call: Call, snapshot: Any, changes: Iterable[Change]) -> None:
    made = _authorship(snapshot)
    terminal = call.terminal
    prefix = terminal.paint(f"{snapshot.generation}", "yellow")
    if made:
        prefix += (
            "  "
            + terminal.paint(moment(made["created_at"]), "dim")
            + "  "
            + printable(made["author"])
        )
    suffix = (
        terminal.paint(f"  ({printable(made['message'])})", "dim") if made.get("message") else ""
    )
    if snapshot.reset:
        call.print(f"{prefix}  reset: read the whole configuration again")
    elif not snapshot.exists:
        call.print(f"{prefix}  deleted{suffix}")
    else:
        lines = terminal.changes(changes, veil=call.veil)
        call.print(*(f"{prefix}  {line}{suffix}" for line in lines or ["no change of a value"]))
    call.flush()


def _event(snapshot: Any) -> str:
    if snapshot.reset:
        return "reset"
    return "change" if snapshot.exists else "delete"


def _authorship(snapshot: Any) -> dict[str, Any]:
    made = snapshot.revision
    if made is None:
        return {}
    return {
        "author": made.author,
        "surface": made.surface,
        "message": made.message,
        "created_at": made.created_at,
    }


def _run(call: Call, command: str, snapshot: Any, *, view: str, below: Pointer) -> None:
    """
    Run *command* in a shell with the new configuration as one line of JSON on its standard input.

    Its failure is said, and does not end the watch.
    """
    import subprocess

    config = snapshot.document if view == "own" else snapshot.composed
    value = below.resolve(config or {})
    shown = call.veil.over(None if value is ABSENT else value, below)
    finished = subprocess.run(
        ["/bin/sh", "-c", command],
        check=False,
        input=json_line(shown).encode() + b"\n",
        env={
            **call.environment,
            "REALMCONF_REALM": str(snapshot.realm_id),
            "REALMCONF_GENERATION": str(snapshot.generation),
        },
    )
    if finished.returncode:
        call.say(f"generation {snapshot.generation}: the command ended with {finished.returncode}")
