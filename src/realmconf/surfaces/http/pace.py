"""
How fast a body has to come.

Decides that a slow sender is waited for as long as it goes on sending: each part of ``PACE_BYTES`` has its own time, so
that a large body may take minutes on a thin line, and one that comes by single bytes is given up as soon as nothing.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from starlette.types import Message, Receive

PACE_BYTES = 80 * 1_024
"""With 10 seconds for each, 8 KiB/s."""


class Pace:
    """
    Of one body, from now on: what there is of it comes by *receive*, each ``PACE_BYTES`` within so many seconds.

    A body, or the rest of one, that is smaller than that must be there within the same time.
    """

    def __init__(self, receive: Receive, *, seconds: float) -> None:
        self._receive = receive
        self._seconds = seconds
        self._loop = asyncio.get_running_loop()
        self._until = self._loop.time() + seconds
        self._bytes = 0

    async def next(self) -> Message:
        """
        The next message.

        Raises:
            TimeoutError: It comes too slowly.
        """
        async with asyncio.timeout_at(self._until):
            message = await self._receive()
        self._bytes += len(message.get("body", b""))
        if self._bytes >= PACE_BYTES:
            self._bytes = 0
            self._until = self._loop.time() + self._seconds
        return message
