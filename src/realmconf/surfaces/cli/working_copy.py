"""
The commands about ``config.toml``: what it means now, and how to settle it when it needs a person.

Decides only how a state is explained; what the file means is decided in the domain.
"""

from __future__ import annotations

import os

from realmconf.domain.workfile import read_header
from realmconf.errors import (
    Unsupported,
    WorkingCopyBroken,
    WorkingCopyContested,
    WorkingCopyRefused,
)
from realmconf.surfaces.cli.terminal import printable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from realmconf.surfaces.cli.call import Call

MEANINGS = {
    "none": ("there is no working copy", ""),
    "clean": ("the file is the newest generation", ""),
    "stale": ("an older rendering of ours", "nothing: the next look writes it anew"),
    "saving": ("somebody has it open for writing", "nothing: it is looked at when they are done"),
    "absent": ("the file is not there, or empty", "nothing: it is written anew"),
    "edited": ("edited by hand", "nothing: the next read or write takes it in"),
    "restored": ("an older generation put back by hand", "nothing: the next write takes it in"),
    "broken": (
        "it is no valid document; the newest generation stays in force",
        "mend the file, or: realmconf resolve --edit (or --head, to drop the edit)",
    ),
    "contested": (
        "the edit overlaps with newer changes; reads and writes go on with the newest generation",
        "realmconf resolve --edit (both sides in your editor), --head (drop the edit) or --file FILE",
    ),
    "moved": (
        "the realm lives in another store",
        "edit it there",
    ),
    "refused": (
        "it is not a regular file of this user; it is neither read nor written",
        "move it away",
    ),
}
"""State -> what it means, and what to do."""


# --- commands ------------------------------------------------------------------------


def status(call: Call) -> None:
    """Print the state of the working copy of the realm, or of all, and whether the configuration is valid."""
    from realmconf.surfaces.cli.validity import validity_as_json, validity_lines, validity_of

    if call.request.all:
        realms = [call.client.realm(one.realm) for one in call.client.realms()]
    else:
        realms = [call.realm()]
    found = [
        (_with_file(realm.working_copy()), validity_of(call, realm.realm_id)) for realm in realms
    ]
    if call.json:
        shown = [state_as_json(state) | validity_as_json(validity) for state, validity in found]
        call.print_json(shown if call.request.all else shown[0])
        return
    for state, validity in found:
        call.print(*state_lines(call, state), *validity_lines(call, validity))


def resolve(call: Call) -> None:
    """Settle a contested or broken working copy with a document that the user chooses."""
    from realmconf.surfaces.cli.documents import read_document
    from realmconf.surfaces.cli.editing import resolve_in_editor
    from realmconf.surfaces.cli.parsing import UsageError
    from realmconf.surfaces.cli.usage import usage_of
    from realmconf.surfaces.cli.writing import print_result, write_options

    request = call.request
    realm = call.realm()
    if not (request.head or request.edit or request.file):
        raise UsageError(
            "say how: --head, --edit or --file FILE",
            usage=usage_of(request.command),
        )
    state = realm.working_copy()
    if state.state == "refused":
        raise WorkingCopyRefused(realm=str(realm.realm_id), path=state.path, reason=state.reason)
    if state.state not in ("contested", "broken"):
        call.say(f"nothing to settle: {MEANINGS[state.state][0]}")
        return
    if request.edit:
        result = resolve_in_editor(call, realm, state)
    else:
        document = (
            realm.get().document or {}
            if request.head
            else read_document(call, file=request.file).document
        )
        result = realm.resolve(document, shown=state.shown, **write_options(call))
    if result is None:
        call.say("nothing was changed")
    else:
        print_result(
            call,
            result,
            unchanged="the edit is dropped: the file shows what was in force all along",
        )


# --- states -----------------------------------------------------------------------------


def _with_file(state: Any) -> Any:
    """*state* for people: where there is neither a document nor a file, that is told, and no path."""
    if state.state in ("clean", "none") and not os.path.lexists(state.path):
        return state.replace(state="none", path="")
    return state


def state_as_json(state: Any) -> dict[str, Any]:
    """A state as JSON, without texts: they hold values."""
    return {
        "realm": str(state.realm),
        "state": state.state,
        "path": state.path or None,
        "generation": state.generation,
        "file_generation": state.file_generation,
        "reason": state.reason or None,
        "line": state.line,
        "column": state.column,
        "contested": list(state.contested),
        "kept": list(state.kept),
        "advice": advice(state) or None,
    }


def state_lines(call: Call, state: Any) -> list[str]:
    """A state for people."""
    meaning, _ = MEANINGS[state.state]
    colour = "green" if state.state in ("clean", "none") else "yellow"
    colour = "red" if state.state in ("broken", "contested", "refused") else colour
    painted = call.terminal.paint(state.state, colour)
    lines = [f"{state.realm}, generation {state.generation}: {painted} ({meaning})"]
    if state.path:
        lines.append(f"  file: {printable(state.path)}")
    if state.file_generation is not None and state.file_generation != state.generation:
        lines.append(f"  its first line names generation {state.file_generation}")
    if state.reason:
        place = f"line {state.line}" if state.line else ""
        place += f", column {state.column}" if state.line and state.column else ""
        lines.append(f"  reason: {place}{': ' if place else ''}{printable(state.reason)}")
    lines += [f"  contested: {printable(pointer) or '/'}" for pointer in state.contested]
    lines += [f"  kept: {printable(path)}" for path in state.kept]
    if advice(state):
        lines.append(f"  to do: {advice(state)}")
    return lines


def advice(state: Any) -> str:
    """What a person should do about *state*; empty for nothing."""
    return MEANINGS[state.state][1]


def refuse_unsettled(realm: Any) -> None:
    """
    Make sure that the file is not waiting for a decision.

    Raises:
        WorkingCopyContested, WorkingCopyBroken, WorkingCopyRefused: It is.
    """
    state = state_of(realm)
    if state is None:
        return
    name = str(realm.realm_id)
    if state.state == "contested":
        raise WorkingCopyContested(
            realm=name,
            path=state.path,
            kept=state.kept[0] if state.kept else None,
            pointers=state.contested,
        )
    if state.state == "broken":
        raise WorkingCopyBroken(
            realm=name,
            path=state.path,
            reason=state.reason,
            line=state.line,
            column=state.column,
        )
    if state.state == "refused":
        raise WorkingCopyRefused(realm=name, path=state.path, reason=state.reason)


def state_of(realm: Any) -> Any:
    """The state of the realm's working copy; None where the store keeps none."""
    try:
        return realm.working_copy()
    except Unsupported:
        return None


def clean_text(realm: Any, generation: int) -> str | None:
    """
    The text of the working copy, if it is the rendering of *generation*: with its comments.

    None where it is not: then nobody knows what it would bring along.
    """
    state = state_of(realm)
    if state is None or state.state != "clean" or state.generation != generation:
        return None
    try:
        with open(state.path, encoding="utf-8", newline="") as file:
            text = file.read()
    except (OSError, UnicodeDecodeError):
        return None
    header = read_header(text)
    return text if header is not None and header.generation == generation else None
