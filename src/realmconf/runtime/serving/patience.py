"""
How long one request is worked on: so many looks, so many seconds, and as long as somebody waits for the answer.

Decides when it is too much; whoever works asks between one step and the next.  Knows nothing of what is done.
"""

from __future__ import annotations

import time

from realmconf.errors import StoreUnavailable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

SECONDS_MAX = 10.0
LOOKS_MAX = 500_000
"""Rows, realms or revisions that are looked at for one request."""


class NobodyWaitsError(Exception):
    """Whoever asked has hung up."""


class Patience:
    """That of one request."""

    def __init__(
        self,
        *,
        is_gone: Callable[[], bool] = bool,
        seconds: float = SECONDS_MAX,
        looks: int = LOOKS_MAX,
    ) -> None:
        self._is_gone = is_gone
        self._ends = time.monotonic() + seconds
        self._looks = looks

    def look(self, number: int = 1) -> None:
        """
        Go on with *number* more looks.

        Raises:
            StoreUnavailable: It takes too long, or too much is asked at once: not to be asked again as it is.
            NobodyWaitsError: The caller has gone.
        """
        self._looks -= number
        if self._is_gone():
            raise NobodyWaitsError
        if self._looks < 0 or time.monotonic() > self._ends:
            raise StoreUnavailable(
                "this takes longer than a server works on one request: ask for less at once",
                retryable=False,
            )
