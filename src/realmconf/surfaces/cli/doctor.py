"""``doctor``: what is wrong or weak about the store, and what to do about each."""

from __future__ import annotations

import os

from realmconf.errors import RealmconfError
from realmconf.runtime.checkup import PROBLEM, Finding, examine_folder, examine_realms
from realmconf.surfaces.cli.terminal import printable
from realmconf.surfaces.envelope import answer_to

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from realmconf.surfaces.cli.call import Call

EXIT_PROBLEM = 6
COLOURS = {"ok": "green", "note": "blue", "warning": "yellow", "problem": "red"}


def doctor(call: Call) -> int:
    """Print every finding; exit code 6 if one of them is a problem."""
    findings = []
    for one in _findings(call):
        findings.append(one)
        if not call.json:
            level = call.terminal.paint(f"{one.level:8}", COLOURS[one.level])
            call.print(f"{level} {one.subject}: {printable(one.text)}")
            if one.advice:
                call.print(f"         to do: {printable(one.advice)}")
    if call.json:
        call.print_json(
            [
                {
                    "level": one.level,
                    "subject": one.subject,
                    "text": one.text,
                    "advice": one.advice or None,
                }
                for one in findings
            ]
        )
    return EXIT_PROBLEM if any(one.level == PROBLEM for one in findings) else 0


def _findings(call: Call) -> Iterator[Finding]:
    root = call.located.store.removeprefix("sqlite://").partition("?")[0]
    about_store = _realms_or_problem(call)
    # Opened first: a store says by which rule it was found before anything is said about it.
    first = next(about_store, None)
    if "://" not in root and os.path.isdir(root):
        yield from examine_folder(root)
    if first is not None:
        yield first
    yield from about_store


def _realms_or_problem(call: Call) -> Iterator[Finding]:
    try:
        yield from examine_realms(call.client)
    except RealmconfError as error:
        # A store that cannot be opened is the finding that matters most.
        if answer_to(error).exit != EXIT_PROBLEM:
            raise
        yield Finding(level=PROBLEM, subject="store", text=f"{error.code}: {error}")
