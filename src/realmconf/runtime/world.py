"""
The world as the runtime sees it: clocks and chance, injected so that tests can replace them.

Decides the form of what is minted from them: write ids, salts, realm names, times.
"""

from __future__ import annotations

import os
import time
from functools import lru_cache

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

SALT_BYTES = 16


class World:
    """Where times and random bytes come from."""

    __slots__ = ("monotonic_seconds", "random_bytes", "sleep_seconds", "time_nanoseconds")

    def __init__(
        self,
        *,
        time_nanoseconds: Callable[[], int] = time.time_ns,
        monotonic_seconds: Callable[[], float] = time.monotonic,
        sleep_seconds: Callable[[float], object] = time.sleep,
        random_bytes: Callable[[int], bytes] = os.urandom,
    ) -> None:
        self.time_nanoseconds = time_nanoseconds
        self.monotonic_seconds = monotonic_seconds
        self.sleep_seconds = sleep_seconds
        self.random_bytes = random_bytes

    def timestamp(self) -> str:
        """Now, RFC 3339 in UTC with microseconds: for display, nothing is ordered by it."""
        return _rfc3339(self.time_nanoseconds())

    def timestamp_before(self, seconds: float) -> str:
        """The time *seconds* ago, in the same form, so that the two compare as text."""
        return _rfc3339(max(0, self.time_nanoseconds() - int(seconds * 1_000_000_000)))

    def salt(self) -> str:
        """What makes a document's digest useless for confirming a guess."""
        return self.random_bytes(SALT_BYTES).hex()

    def write_id(self) -> str:
        """``w-`` and 32 hexadecimal digits that sort by the time of minting."""
        return f"w-{self._time_ordered():032x}"

    def uuid7(self) -> str:
        """A version 7 UUID (RFC 9562) in its canonical text form."""
        number = self._time_ordered()
        number = number & ~(0xF << 76) | 0x7 << 76
        number = number & ~(0x3 << 62) | 0x2 << 62
        digits = f"{number:032x}"
        return "-".join((digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:]))

    def _time_ordered(self) -> int:
        """48 bits of milliseconds, then 80 random ones."""
        milliseconds = self.time_nanoseconds() // 1_000_000 & (1 << 48) - 1
        return milliseconds << 80 | int.from_bytes(self.random_bytes(10))


def _rfc3339(nanoseconds: int) -> str:
    seconds, rest = divmod(nanoseconds, 1_000_000_000)
    return f"{_whole_second(seconds)}.{rest // 1000:06d}Z"


@lru_cache(maxsize=1)
def _whole_second(seconds: int) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds))


WORLD = World()
