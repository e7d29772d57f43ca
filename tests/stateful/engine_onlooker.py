"""
Whoever listens on a simulated engine, and what must be true of what its handle remembers.

What is remembered of a realm and of all that it depends on stood together at some moment, and never goes back.  Hints
come as a network would have them: lost, twice, after later ones, without what they are of, or not at all any more.
"""

from __future__ import annotations

from tests.stateful.engine_kin import CHILDREN, MOODS, PARENTS

from realmconf.domain.names import RealmName
from realmconf.errors import StoreUnavailable
from realmconf.stores.engine.store import EngineStore
from realmconf.testing import workers
from realmconf.testing.modelengine.weather import BARE, DOUBLED, ENDS, HELD_BACK, LOST, NAMELESS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from realmconf.runtime.client import Client
    from realmconf.stores.engine.ledger import Heard
    from realmconf.stores.protocol import Head, Seen
    from realmconf.testing.modelengine import ModelEngine
    from realmconf.testing.modelengine.state import State

HINTS = {LOST: 0.04, DOUBLED: 0.04, HELD_BACK: 0.06, BARE: 0.04, NAMELESS: 0.01, ENDS: 0.01}
WATCHED = (*CHILDREN, *PARENTS, MOODS, RealmName(workers.REALM))


class Onlooker:
    """The listening thread of one handle, which watches a few realms."""

    def __init__(
        self,
        client: Client,
        engine: ModelEngine,
        pass_on: Callable[[], None],
        *,
        is_told_at_once: bool,
    ) -> None:
        """With *is_told_at_once* as on a ledger with ``on_news``."""
        self._is_told_at_once = is_told_at_once
        assert isinstance(client.store, EngineStore)
        self._store = client.store
        self._pass_on = pass_on
        self._states: list[State] = [engine.state]
        plain_step = engine.step

        def step(state: State) -> None:
            self._states.append(state)
            plain_step(state)

        engine.step = step  # type: ignore[method-assign]
        self._sights = {realm: self._store.watched(realm) for realm in WATCHED}
        self._looked_at: dict[RealmName, Seen | None] = {}
        self._stood: dict[RealmName, int] = {}
        """By realm, at which of the states what is remembered of it stood."""
        self._wrong: list[str] = []

    def act(self) -> None:
        """Listen until somebody ends it."""
        while True:
            try:
                with self._store._ledger.listening() as wait:
                    self._store._hinted(None)
                    self._store._following._listen(lambda _: self._heard(wait))
            except StoreUnavailable:
                self._store._hinted(None)

    def _heard(self, wait: Callable[[float], Heard]) -> Heard:
        self._look()
        self._pass_on()
        heard = wait(0.0)
        if isinstance(heard, bool) or not self._is_told_at_once:
            return heard
        left = list(heard)
        while left and self._store._told_at_once(left[0]):
            # By the thread that hears, while this one waits; behind what is left everything is.
            del left[0]
        return left

    def _look(self) -> None:
        for realm, sight in self._sights.items():
            seen = sight.seen()
            if seen is None or seen is self._looked_at.get(realm):
                continue
            self._looked_at[realm] = seen
            before = self._stood.get(realm, 0)
            for place in range(before, len(self._states)):
                if _is_of(seen.heads, self._states[place]):
                    self._stood[realm] = place
                    break
            else:
                told = {name: head.generation for name, head in seen.heads.items()}
                self._wrong.append(f"{realm} is remembered with {told}, which never stood so later")

    def findings(self) -> list[str]:
        """What was wrong."""
        return self._wrong


def _is_of(heads: Mapping[RealmName, Head], state: State) -> bool:
    return all(_mark(head) == _mark(state.head(name)) for name, head in heads.items())


def _mark(head: Head) -> tuple[str, int, str | None]:
    return ("" if head.revision is None else head.revision.digest, head.floor, head.moved_to)
