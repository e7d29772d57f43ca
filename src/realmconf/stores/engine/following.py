"""
One thread that hears of others' writes, for all watchers of a store.

Decides that no wake-up is lost: after every connection everybody is told, since what came before it was told to nobody;
and once a second it is looked how far the store is, for what no hint told of.  What is looked at then, and who is
woken, is the store's to say.
"""

from __future__ import annotations

import random
import threading
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from realmconf.stores.engine.ledger import Heard, Ledger, News

BEAT_SECONDS = 1.0
"""Between two looks at the store where no hint comes: how late a watcher may hear of what no hint has told."""
PAUSE_SECONDS = 0.05
PAUSE_SECONDS_MAX = 1.0
STOP_SECONDS = 5.0


class Following:
    """The thread of one store; it runs from ``start`` to ``stop``."""

    def __init__(
        self,
        ledger: Ledger,
        *,
        on_hint: Callable[[Sequence[News] | None], None],
        on_beat: Callable[[int, float, float], None],
    ) -> None:
        """
        *on_hint* is told what was heard; None, where that may be anything, or more than was told.  *on_beat* is told
        the store's newest version as it was at some moment between those two monotonic times.
        """
        self._ledger = ledger
        self._on_hint = on_hint
        self._on_beat = on_beat
        self._guard = threading.Lock()
        self._stopped = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Listen from now on. Idempotent."""
        with self._guard:
            if self._thread is None and not self._stopped.is_set():
                self._thread = threading.Thread(
                    target=self._run, name="realmconf-following", daemon=True
                )
                self._thread.start()

    def stop(self) -> None:
        """Listen no more; the ledger is closed before, so that nothing waits in it."""
        with self._guard:
            self._stopped.set()
            thread = self._thread
        if thread is not None and thread is not threading.current_thread():
            thread.join(timeout=STOP_SECONDS)

    def _run(self) -> None:
        pause = PAUSE_SECONDS
        while not self._stopped.is_set():
            began = time.monotonic()
            try:
                with self._ledger.listening() as wait:
                    self._on_hint(None)
                    self._listen(wait)
            except Exception:  # noqa: BLE001 - whatever it is, whoever watches must not be left alone with it
                # Whoever waits asks for itself, and is told what the matter is.
                self._on_hint(None)
            if time.monotonic() - began > PAUSE_SECONDS_MAX:
                pause = PAUSE_SECONDS
            self._stopped.wait(pause * random.uniform(0.5, 1.0))
            pause = min(2 * pause, PAUSE_SECONDS_MAX)

    def _listen(self, wait: Callable[[float], Heard]) -> None:
        due = time.monotonic() + BEAT_SECONDS
        while not self._stopped.is_set():
            left = due - time.monotonic()
            heard = wait(left) if left > 0 else False
            if heard:
                self._on_hint(None if heard is True else heard)
            if time.monotonic() >= due:
                self._look()
                due = time.monotonic() + BEAT_SECONDS

    def _look(self) -> None:
        asked_at = time.monotonic()
        with self._ledger.view() as view:
            newest = view.newest()
        self._on_beat(newest, asked_at, time.monotonic())
