"""Pauses between attempts, up to a deadline."""

from __future__ import annotations

import random
import time

PAUSE_SECONDS = 0.001
PAUSE_SECONDS_MAX = 0.05
"""Between two judgements of what others have overtaken, or two questions about a lost answer."""


class Patience:
    """How long one caller goes on trying: with pauses that grow, and no two callers' the same."""

    def __init__(self, deadline: float) -> None:
        self._began = time.monotonic()
        self._deadline = deadline
        self._pause_seconds = PAUSE_SECONDS

    def wait(self) -> bool:
        """Pause; False, at once, if that would be after the deadline."""
        pause = self._pause_seconds * random.uniform(0.5, 1.0)
        if time.monotonic() + pause > self._deadline:
            return False
        time.sleep(pause)
        self._pause_seconds = min(2 * self._pause_seconds, PAUSE_SECONDS_MAX)
        return True

    @property
    def waited_seconds(self) -> float:
        """Since when it has been tried."""
        return time.monotonic() - self._began
