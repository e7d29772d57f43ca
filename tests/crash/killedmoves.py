"""
A move between two stores that is killed at each of its steps, before or after, and what the same call makes of it.

It claims the same of every pair of stores: at no step does a realm live in both, and nothing of the meantime is lost.
"""

from __future__ import annotations

import os
import signal
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

from realmconf.domain.lineage import SECTION
from realmconf.domain.names import RealmName
from realmconf.errors import RealmMoved
from realmconf.runtime.client import Client, connect
from realmconf.runtime.migrating import migrate

REALMS = ("alone", "company", "team")
STEPS = ("receive", "depart", "arrive", "purge")
"""What a move asks of a store."""
HEIR = {SECTION: {"team": {"parent": "company"}}}

FILLED = {"alone": 2, "company": 2, "team": 1}
"""How many generations there are before the move."""

Point = tuple[type, str]
"""A method that is a step."""


def killed_at(
    source: str, target: str, points: Sequence[Point], number: int, *, is_before: bool
) -> dict[str, list[str]] | None:
    """
    Move from one address to the other, killed at the step with that number of *points*; check all that is said above.

    Returns:
        The digests of each realm's history where it lives then; None if there was no such step.
    """
    with connect(source, author="ada") as client:
        _fill(client)
    code = in_a_child(lambda: _die_at(source, target, points, number, is_before=is_before))
    if code == 0:
        return None
    assert code == -signal.SIGKILL
    with connect(source, author="ben") as old, connect(target, author="ben") as new:
        homes = Counter(
            realm for client in (old, new) for realm in REALMS if lives_in(client, realm)
        )
        assert max(homes.values()) <= 1, "a realm lives in two stores"
        for realm in REALMS:
            # Whoever is let in goes on writing: nothing of that may be lost by going on.
            for client in (old, new):
                if lives_in(client, realm):
                    client.realm(realm).patch({"meanwhile": True})
        histories = {realm: _newest_history(old, new, realm) for realm in REALMS}
        for realm, generations in FILLED.items():
            assert len(histories[realm]) >= generations, f"{realm} has lost some of its history"
        migrate(old, new)
        for realm, history in histories.items():
            assert digests(new, realm) == history
            assert [one.digest for one in reversed(new.realm(realm).history())] == history
            new.realm(realm).verify()
            assert not lives_in(old, realm)
        assert new.realm("team").get().config["retries"] == 2
        again = new.realm("team").set(HEIR, write_id="first")
        assert again.generation == 1
    return histories


def _fill(client: Client) -> None:
    client.realm("company").set({"retries": 1})
    client.realm("team").set(HEIR, write_id="first")
    client.realm("alone").set({"x": 1})
    client.realm("alone").set({"x": 2})
    client.realm("company").patch({"retries": 2})


def _die_at(
    source: str, target: str, points: Sequence[Point], number: int, *, is_before: bool
) -> None:
    steps = 0

    def dying(act: Callable[..., Any]) -> Callable[..., Any]:
        def perform(*arguments: Any, **how: Any) -> Any:
            nonlocal steps
            steps += 1
            is_last = steps == number
            if is_last and is_before:
                os.kill(os.getpid(), signal.SIGKILL)
            done = act(*arguments, **how)
            if is_last:
                os.kill(os.getpid(), signal.SIGKILL)
            return done

        return perform

    for kind, name in points:
        setattr(kind, name, dying(getattr(kind, name)))
    with connect(source) as one, connect(target) as other:
        migrate(one, other, live=number % 2 == 0)


def in_a_child(act: Callable[[], object]) -> int:
    """What a process of its own, in which *act* is done, ended with: 0, 1 for an error, or minus a signal's number."""
    child = os.fork()
    if child == 0:
        try:
            act()
            os._exit(0)
        finally:
            os._exit(1)
    _, status = os.waitpid(child, 0)
    return os.waitstatus_to_exitcode(status)


def lives_in(client: Client, realm: str) -> bool:
    try:
        return client.realm(realm).get().generation > 0
    except RealmMoved:
        return False


def digests(client: Client, realm: str) -> list[str]:
    """Those of all generations that are kept, the oldest first: of one that keeps a part of them, of that part."""
    name = RealmName(realm)
    with client.store.view() as view:
        return [one.digest for one in view.revisions(name, after=view.head(name).floor - 1)]


def _newest_history(old: Client, new: Client, realm: str) -> list[str]:
    """The digests of the longer of both histories, of which the other is a part."""
    shorter, longer = sorted((digests(old, realm), digests(new, realm)), key=len)
    assert longer[: len(shorter)] == shorter
    return longer
