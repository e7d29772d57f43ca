"""``watch``: every generation of a realm as it comes, printed or handed to a command."""

from __future__ import annotations

from realmconf.domain.document import ABSENT
from realmconf.domain.pointer import Pointer
from realmconf.errors import HistoryCompacted, InvalidArgument, LineageError
from realmconf.runtime.results import document_of
from realmconf.surfaces import envelope
from realmconf.surfaces.cli.formats import json_line
from realmconf.surfaces.cli.terminal import moment, printable
from realmconf.surfaces.interruption import interruptible

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

    from realmconf.domain.diff import Change
    from realmconf.errors import RealmconfError
    from realmconf.surfaces.cli.call import Call
    from realmconf.surfaces.veil import Veil


def watch(call: Call) -> None:
    """Print changes until interrupted, or until as many generations as were asked for have come."""
    with interruptible():
        _watch(call)


def _watch(call: Call) -> None:
    from realmconf.runtime.operations.results import Step

    request = call.request
    view = "own" if request.own else "effective"
    below = request.path or Pointer()
    remaining = request.count
    for snapshot in _steps(call, view=view):
        changes = [change for change in snapshot.changes if _concerns(below, change.pointer)]
        problem = envelope.problem_of(snapshot, view=view)
        if not changes and not snapshot.reset and below and problem is None:
            continue
        veil = call.veil if view == "own" else call.veil_of_step(snapshot)
        if call.json:
            step = Step(
                realm=snapshot.realm_id, view=view, snapshot=snapshot, cursor=snapshot.cursor
            )
            shown = call.as_json("config/watch", step)
            shown["changes"] = envelope.changes(changes, veil=veil)
            call.print_json_line(shown)
        else:
            _print_lines(call, snapshot, changes, problem=problem, veil=veil)
        if request.exec is not None:
            _run(call, request.exec, snapshot, view=view, below=below, veil=veil)
        if remaining is not None:
            remaining -= 1
            if not remaining:
                return


def _steps(call: Call, *, view: str) -> Iterable[Any]:
    """The steps from where the operation says that they start."""
    from realmconf.runtime.watch import Watch

    realm = call.realm()
    given = call.request.after
    try:
        after = None if given is None else _cursor(given)
        start = call.ask("config/watch", view=view, after=after).start
    except InvalidArgument as unreadable:
        raise InvalidArgument(f"--after: {unreadable}") from None
    steps: Watch[Any] = Watch(
        call.client, realm.source, realm.realm_id, start, view=view, silence_seconds=None
    )
    call.client.watches.add(steps)
    return steps


def _cursor(text: str) -> str | int:
    """A generation of the realm; or an etag or cursor, as it is."""
    if not (text.isascii() and text.isdigit()):
        return text
    from realmconf.surfaces.cli.values import generation

    return generation(text)


def _concerns(below: Pointer, place: Pointer) -> bool:
    return place.within(below) or below.within(place)


def _print_lines(
    call: Call,
    snapshot: Any,
    changes: Iterable[Change],
    *,
    problem: RealmconfError | None,
    veil: Veil,
) -> None:
    step = snapshot.step
    terminal = call.terminal
    is_own = step is None or step.realm == snapshot.realm_id
    name = f"{snapshot.generation}" if is_own else f"{step.realm} {step.generation}"
    prefix = terminal.paint(name, "yellow")
    if step is not None:
        made = terminal.paint(moment(step.created_at), "dim")
        prefix += f"  {made}  {printable(step.author)}"
    suffix = (
        terminal.paint(f"  ({printable(step.message)})", "dim") if step and step.message else ""
    )
    if problem is not None:
        call.print(f"{prefix}  {printable(str(problem))}{suffix}")
    elif snapshot.reset:
        call.print(f"{prefix}  reset: read the whole configuration again")
    elif envelope.event_of(snapshot) == "delete":
        call.print(f"{prefix}  deleted{suffix}")
    else:
        lines = terminal.changes(changes, veil=veil)
        call.print(*(f"{prefix}  {line}{suffix}" for line in lines or ["no change of a value"]))
    call.flush()


def _run(call: Call, command: str, snapshot: Any, *, view: str, below: Pointer, veil: Veil) -> None:
    """
    Run *command* in a shell with the new configuration as one line of JSON on its standard input.

    Its failure is said, and does not end the watch; nor does a step at which there is no configuration.
    """
    import subprocess

    try:
        config = document_of(snapshot.record) if view == "own" else snapshot.composed
    except (LineageError, HistoryCompacted) as problem:
        call.say(f"generation {snapshot.generation}: the command is not run: {problem}")
        return
    value = below.resolve(config or {})
    shown = veil.over(None if value is ABSENT else value, below)
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
