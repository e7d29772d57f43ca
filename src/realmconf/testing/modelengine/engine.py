"""
The engine itself: the present state, one step at a time, and whoever listens.

Decides that writes come one after the other; what they mean is ``state``'s.
"""

from __future__ import annotations

import threading

from realmconf.domain.names import LIMITS
from realmconf.stores.engine.known import Known
from realmconf.stores.engine.store import EngineStore
from realmconf.testing.modelengine.ledger import ModelLedger
from realmconf.testing.modelengine.state import State, after, stands
from realmconf.testing.modelengine.view import news_of
from realmconf.testing.modelengine.weather import Weather

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from realmconf.stores.engine.ledger import Changes, News


class ModelEngine:
    """What all handles share.  Thread-safe."""

    def __init__(self) -> None:
        self.guard = threading.RLock()
        self.state = State()
        self.key = b"model" * 8
        self.turn = threading.Lock()
        self.listeners: list[Callable[[News], None]] = []
        self._late: list[Changes] = []

    def open(
        self, *, weather: Weather | None = None, read_only: bool = False, name: str = "model"
    ) -> EngineStore:
        """A handle, as a process of its own would have it, in this *weather*."""
        known = Known()
        ledger = ModelLedger(self, known, weather or Weather(), name=name)
        return EngineStore(ledger, known, limits=LIMITS, read_only=read_only)

    def carry_out(self, changes: Changes) -> State | None:
        """The state that *changes* have made; None if something of what must stand does not."""
        with self.guard:
            if not stands(self.state, changes):
                return None
            made = after(self.state, changes)
            self.step(made)
            return made

    def step(self, state: State) -> None:
        """Move to *state*, and tell whoever listens whose rows are others."""
        with self.guard:
            before, self.state = self.state, state
            listeners = list(self.listeners)
        if state.version == before.version:
            return
        changed = state.versions.items() - before.versions.items()
        news = news_of(state, [realm for realm, _ in changed], before=before.version)
        for tell in listeners:
            tell(news)

    def delay(self, changes: Changes) -> None:
        """Let *changes* arrive later."""
        with self.guard:
            self._late.append(changes)

    def let_arrive(self, is_due: Callable[[], bool]) -> None:
        """Let arrive what is due of that."""
        with self.guard:
            due = [changes for changes in self._late if is_due()]
            self._late = [one for one in self._late if not any(one is other for other in due)]
        for changes in due:
            self.carry_out(changes)
