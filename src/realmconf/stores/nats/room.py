"""
How much room a stream with a limit of bytes has left.

Decides that some is kept for what makes room again: a compaction first puts down what is to stay.  It is looked once a
second at most how full the stream is, so that others' writes of that second may take of what is kept.
"""

from __future__ import annotations

import time

from realmconf.stores.nats import failures
from realmconf.stores.nats.failures import RefusedError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from realmconf.stores.nats.composing import Outgoing
    from realmconf.stores.nats.reading import Reading
    from realmconf.stores.nats.wire import Wire

KEPT_BYTES = 1 << 20
KEPT_SHARE = 8
"""Of a small stream this part is kept, if that is less."""
LOOK_SECONDS = 1.0
BESIDE_BODY_BYTES = 512
"""At most, what a message takes besides its body."""


class Room:
    """That of one stream, as one ledger knows it; all runs in its loop."""

    def __init__(self, reading: Reading, *, is_limited: bool) -> None:
        self._reading = reading
        self._is_limited = is_limited
        self._looked_at = 0.0
        self._left: int | None = None
        """What may be written up to the next look; None: nothing is known."""

    async def take(self, messages: Sequence[Outgoing], deadline: float) -> None:
        """
        Let *messages* be written.

        Raises:
            StoreFull: What they need is kept.
        """
        if not self._is_limited:
            return
        size = sum(len(one.body) + BESIDE_BODY_BYTES for one in messages)
        if self._left is None or time.monotonic() - self._looked_at > LOOK_SECONDS:
            self._looked_at = time.monotonic()
            self._left = await self._reading.link.repeated(self._look, deadline=deadline)
        if size > self._left:
            raise failures.explain(
                RefusedError(failures.STORE_FAILED, "maximum bytes nearly reached"),
                self._reading.place,
            )
        self._left -= size

    async def _look(self, wire: Wire, until: float) -> int:
        found: dict[str, Any] = await wire.ask_json(
            f"$JS.API.STREAM.INFO.{self._reading.stream}", None, deadline=until
        )
        most = int(found["config"].get("max_bytes", -1))
        if most <= 0:
            # It was taken away since.
            return 1 << 62
        return most - min(KEPT_BYTES, most // KEPT_SHARE) - int(found["state"]["bytes"])
