"""Realms that leave an engine where others write all the time."""

from __future__ import annotations

import pytest

from realmconf.domain.names import RealmName
from realmconf.runtime.client import Client
from realmconf.runtime.migrating import migrate
from realmconf.stores.engine import leaving
from realmconf.testing.conformance.base import ONE, append, soon
from realmconf.testing.modelengine import ModelEngine

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from realmconf.stores.engine import EngineStore
    from realmconf.stores.protocol import ReadView

ELSEWHERE = "sqlite:///elsewhere"


class Busy:
    """A realm that somebody writes to whenever somebody else looks at it."""

    def __init__(self) -> None:
        engine = ModelEngine()
        self.store: EngineStore = engine.open()
        self._other = engine.open()
        append(self.store, ONE, {"n": 1})
        self.seen: list[int] = []

    def look(self, view: ReadView) -> None:
        self.seen.append(view.head(ONE).generation)
        if view.head(ONE).moved_to is None:
            append(self._other, ONE, {"n": self.seen[-1] + 1})


def test_a_realm_that_is_always_written_leaves() -> None:
    """The last look is at the state that is marked, however busy the realm is."""
    busy = Busy()
    head = busy.store.depart(ONE, ELSEWHERE, finish=busy.look, deadline=soon())
    assert head.moved_to == ELSEWHERE
    assert busy.seen == list(range(1, leaving.LOOKS_MAX + 2))
    assert head.generation == busy.seen[-1]


def test_a_refusal_of_the_last_look_takes_the_marker_back() -> None:
    """What *finish* raises is raised, and the realm lives where it lived."""
    busy = Busy()

    class Refusal(Exception):
        pass

    def look(view: ReadView) -> None:
        busy.look(view)
        if view.head(ONE).moved_to is not None:
            raise Refusal

    with pytest.raises(Refusal):
        busy.store.depart(ONE, ELSEWHERE, finish=look, deadline=soon())
    assert busy.store.head(ONE).moved_to is None
    assert append(busy.store, ONE, {"n": 9}).generation == busy.seen[-1] + 1


def test_a_move_that_died_in_its_last_look_is_finished_by_the_next(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """What was written before the marker and not carried yet is carried then."""
    source, target = Client(ModelEngine().open(name="one")), Client(ModelEngine().open(name="two"))
    realm = source.realm("team")
    for number in range(3):
        realm.set({"n": number}, write_id=f"write-{number}")
    moving: Any = source.store

    def died(name: RealmName, to: str, **_: object) -> None:
        # As a process that is killed between the marker and the end of what was to come with it.
        departure = leaving.Departure(name, to, lambda view: None)
        moving._sending.until_done(departure.changes, deadline=soon())
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(moving, "depart", died)
        patched.setattr("realmconf.runtime.migrating._Move._take_back", lambda *_: None)
        with pytest.raises(KeyboardInterrupt):
            migrate(source, target, live=False)
    (moved,) = migrate(source, target).realms
    assert (moved.state, moved.generation) == ("arrived", 3)
    theirs = target.realm("team")
    assert [one.document for one in theirs.history()] == [{"n": 2}, {"n": 1}, {"n": 0}]
    assert theirs.set({"n": 1}, write_id="write-1").generation == 2
    source.close()
    target.close()
