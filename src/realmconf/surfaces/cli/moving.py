"""
The command that moves realms from one store into another.

Decides how that is told; the order of things is ``runtime.migrating``'s.
"""

from __future__ import annotations

from realmconf.errors import TimelineChanged

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from realmconf.runtime.client import Client
    from realmconf.runtime.migrating import Migrated, Migration
    from realmconf.surfaces.cli.call import Call

PROGRESS_STEP = 100
"""Revisions between two signs of life."""

TOKENS = {
    "copied": "tokens are in both stores; those of the old one are let in there to be told where to go",
    "kept": "the store has tokens of its own, and keeps those alone: make new ones for whoever comes",
    "left": "tokens are copied when every realm moves",
}


def migrate(call: Call) -> None:
    """
    Move realms, or say what would move.

    Raises:
        TimelineChanged: Of a dry run, when all is told: something would be refused.
    """
    from realmconf.runtime.migrating import family_of, refuse_server
    from realmconf.runtime.migrating import migrate as moved

    request = call.request
    for url in (request.source, request.target):
        refuse_server(url)
    with _client(call, request.source) as source, _client(call, request.target) as target:
        realms = None if request.realm is None else family_of(source, request.realm)
        done = moved(
            source,
            target,
            realms=realms,
            live=bool(request.live),
            dry_run=bool(request.dry_run),
            progress=_progress(call),
        )
        # The working copies that are new there are rendered when it is closed.
    _tell(call, done)
    for one in done.realms:
        call.say(*(f"warning: stays behind: {message}" for message in one.warnings))
    for one in done.realms:
        if one.state == "refused":
            raise TimelineChanged(
                realm=one.realm, generation=one.generation, reason="that the other store has"
            )


def _client(call: Call, store: str) -> Client:
    from realmconf.runtime.client import TIMEOUT_SECONDS, connect

    timeout = call.request.timeout
    return connect(
        store,
        author=call.request.author,
        surface="cli",
        timeout=TIMEOUT_SECONDS if timeout is None else timeout,
    )


def _progress(call: Call) -> Callable[[int, int], None]:
    def show(done: int, total: int) -> None:
        if call.diagnostics_interactive and done % PROGRESS_STEP == 0:
            call.say(f"{done} of {total} revisions …")

    return show


def _tell(call: Call, done: Migration) -> None:
    if call.json:
        call.print_json(
            {
                "to": done.to,
                "tokens": done.tokens,
                "realms": [
                    {name: getattr(one, name) for name in one.__fields__} for one in done.realms
                ],
            }
        )
        return
    call.print(*(f"{one.realm}: {_line(one, done.to)}" for one in done.realms))
    if not done.realms:
        # A name that was mistyped opens a store that is empty.
        call.say(f"there is no realm to move in {done.source}")
    if done.tokens in TOKENS and any(one.state in ("moved", "moves") for one in done.realms):
        call.say(TOKENS[done.tokens])


def _line(one: Migrated, to: str) -> str:
    at = f"generation={one.generation}"
    if one.state == "moved":
        return f"{at}, {one.revisions} revisions carried, lives in {to} now"
    if one.state == "arrived":
        return f"{at}, lives in {to} now"
    if one.state == "moves":
        return f"{at}, {one.revisions} revisions to carry"
    if one.state == "already":
        return f"{at}, has moved to {to} before"
    if one.state == "elsewhere":
        return f"lives in {one.reason}"
    return f"cannot move: {one.reason}"
