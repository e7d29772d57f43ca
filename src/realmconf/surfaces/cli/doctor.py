"""``doctor``: what is wrong or weak about the store, and what to do about each."""

from __future__ import annotations

import os

from realmconf.errors import NotPermitted, RealmconfError
from realmconf.runtime.checkup import (
    NOTE,
    OK,
    PROBLEM,
    WARNING,
    Finding,
    examine_folder,
    examine_realms,
)
from realmconf.surfaces.cli.terminal import printable
from realmconf.surfaces.envelope import answer_to

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from realmconf.runtime.tokens import Token
    from realmconf.surfaces.cli.call import Call

EXIT_PROBLEM = 6
NAMED_MAX = 8
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
        yield from _tokens(call)
    except RealmconfError as error:
        # A store that cannot be opened is the finding that matters most.
        if answer_to(error).exit != EXIT_PROBLEM:
            raise
        yield Finding(level=PROBLEM, subject="store", text=f"{error.code}: {error}")


def _tokens(call: Call) -> Iterator[Finding]:
    """How many there are, and those that should not be."""
    try:
        found = call.ask("token/list")
    except NotPermitted as refused:
        yield Finding(
            level=NOTE,
            subject="tokens",
            text="a server tells of its tokens only to who may make them",
            advice=f"doctor with a token that may: {refused}",
        )
        return
    now = call.client.world.timestamp()
    yield Finding(level=OK, subject="tokens", text=_counted(len(found), "token"))
    over = [one for one in found if one.expires_at is not None and one.expires_at <= now]
    if over:
        yield Finding(
            level=NOTE,
            subject="tokens",
            text=f"{_counted(len(over), 'token')} no longer good: {_named(over)}",
            advice=f"realmconf token revoke {over[0].id}",
        )
    endless = [
        one
        for one in found
        if one.expires_at is None and "admin" in one.roles and "*" in one.realms and not one.paths
    ]
    if endless:
        yield Finding(
            level=WARNING,
            subject="tokens",
            text=f"{_counted(len(endless), 'token')} for everything, without an end: {_named(endless)}",
            advice="make one that ends (token create --expires 90d) or is for fewer realms, and revoke this one",
        )


def _counted(count: int, noun: str) -> str:
    return f"{count or 'no'} {noun}{'' if count == 1 else 's'}"


def _named(tokens: list[Token]) -> str:
    shown = ", ".join(f"{one.id} ({one.name})" for one in tokens[:NAMED_MAX])
    return shown if len(tokens) <= NAMED_MAX else f"{shown}, …"
