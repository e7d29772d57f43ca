"""
The model as one process reaches it: a ``Ledger``, in whatever weather there is.

Decides what a process is told of what the engine did.
"""

from __future__ import annotations

import threading
import time
from contextlib import contextmanager

from realmconf.errors import LockTimeout, StoreUnavailable
from realmconf.stores.engine.ledger import Committed, LostAnswerError, News
from realmconf.stores.protocol import StoreInfo
from realmconf.testing.modelengine import weather as fates
from realmconf.testing.modelengine.state import compacted, replaced
from realmconf.testing.modelengine.view import LateView, PointView

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from realmconf.domain.names import RealmName
    from realmconf.domain.revision import Revision
    from realmconf.stores.engine.known import Known
    from realmconf.stores.engine.ledger import Changes, Heard, LedgerView, Row
    from realmconf.stores.protocol import Compaction
    from realmconf.testing.modelengine.engine import ModelEngine


class ModelLedger:
    """See ``Ledger``."""

    def __init__(
        self, engine: ModelEngine, known: Known, weather: fates.Weather, *, name: str
    ) -> None:
        self.url = f"model://{name}"
        self.info = StoreInfo(
            name="model",
            durable=False,
            fresh_read="query",
            current="last_known",
            judging="optimistic",
        )
        self.weather = weather
        self._engine = engine
        self._known = known
        self._closed = threading.Event()
        self._ears: list[_Ear] = []

    def request_key(self) -> bytes:
        return self._engine.key

    def keys(self) -> Mapping[str, bytes]:
        self._asking()
        return self._engine.state.keys

    # --- reading -----------------------------------------------------------------------------

    def _asking(self) -> None:
        if self._closed.is_set():
            raise StoreUnavailable("this client is closed", retryable=False)
        self._engine.let_arrive(self.weather.is_due)
        self.weather.asking()

    def _point(self) -> PointView:
        return PointView(self._known, self._engine.state)

    def rows(
        self, realms: Sequence[RealmName], *, deadline: float | None = None
    ) -> Mapping[RealmName, Row]:
        self._asking()
        return self._point().rows(realms)

    @contextmanager
    def view(self, *, deadline: float | None = None) -> Iterator[LedgerView]:
        yield LateView(self._point, self._asking)

    # --- writing -----------------------------------------------------------------------------

    def commit(self, changes: Changes, *, deadline: float) -> Committed | None:
        self._asking()
        fate = self.weather.fate(changes)
        if fate == fates.UNREACHABLE:
            raise StoreUnavailable("the engine cannot be reached: planted")
        if fate == fates.REQUEST_LOST:
            raise LostAnswerError("planted")
        if fate == fates.LATE:
            self._engine.delay(changes)
            raise LostAnswerError("planted")
        made = None if fate == fates.REFUSED else self._engine.carry_out(changes)
        if fate == fates.ANSWER_LOST:
            raise LostAnswerError("planted")
        if made is None:
            return None
        told = () if fate == fates.SILENT else changes.realms
        return Committed(versions={realm: made.versions[realm] for realm in told})

    @contextmanager
    def turn(self, realms: Sequence[RealmName], *, deadline: float) -> Iterator[None]:
        self._asking()
        asked_at = time.monotonic()
        if not self._engine.turn.acquire(timeout=max(0.0, deadline - asked_at)):
            raise LockTimeout(waited_seconds=time.monotonic() - asked_at)
        try:
            yield
        finally:
            self._engine.turn.release()

    def compact(self, realm: RealmName, *, floor: int, deadline: float) -> Compaction:
        self._asking()
        with self._engine.guard:
            state, done = compacted(self._engine.state, realm, floor)
            self._engine.step(state)
        return done

    def purge(self, realm: RealmName, purged: Revision, packed: bytes, *, deadline: float) -> bool:
        self._asking()
        with self._engine.guard:
            state = replaced(self._engine.state, realm, purged)
            if state is None:
                return False
            self._engine.step(state)
        return True

    # --- hearing -----------------------------------------------------------------------------

    @contextmanager
    def listening(self) -> Iterator[Callable[[float], Heard]]:
        self._asking()
        ear = _Ear(self.weather)
        self._ears.append(ear)
        self._engine.listeners.append(ear.tell)
        try:
            yield ear.wait
        finally:
            self._engine.listeners.remove(ear.tell)
            self._ears.remove(ear)

    def close(self) -> None:
        self._closed.set()
        for ear in list(self._ears):
            ear.end()

    def after_fork_in_child(self) -> None:
        for ear in self._ears:
            self._engine.listeners.remove(ear.tell)
        self._ears = []


class _Ear:
    """One that listens."""

    def __init__(self, weather: fates.Weather) -> None:
        self._weather = weather
        self._changed = threading.Condition()
        self._hints: list[News | None] = []
        self._held_back: list[News] = []
        self._ended = False

    def tell(self, news: News) -> None:
        what = self._weather.hint()
        with self._changed:
            if what == fates.HELD_BACK:
                self._held_back.append(news)
                return
            if what == fates.BARE:
                self._hints.append(News(realms=news.realms))
            elif what == fates.NAMELESS:
                self._hints.append(None)
            elif what != fates.LOST:
                self._hints.append(news)
            if what == fates.DOUBLED:
                self._hints.append(news)
            self._hints += self._held_back
            self._held_back.clear()
            self._ended = self._ended or what == fates.ENDS
            self._changed.notify_all()

    def end(self) -> None:
        with self._changed:
            self._ended = True
            self._changed.notify_all()

    def wait(self, seconds: float) -> Heard:
        with self._changed:
            self._changed.wait_for(lambda: self._hints or self._ended, seconds)
            if self._ended:
                raise StoreUnavailable("nothing more is heard")
            if not self._hints:
                return False
            if None in self._hints:
                self._hints.clear()
                return True
            told = [news for news in self._hints if news is not None]
            self._hints.clear()
            return told
