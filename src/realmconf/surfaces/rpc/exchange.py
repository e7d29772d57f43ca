"""
Requests on their way: what was asked for in one message, and the answers that go out together.

Decides when an answer goes out, and that each request is either answered or withdrawn, never both.
"""

from __future__ import annotations

import threading

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from realmconf.surfaces.rpc.messages import Request


class Exchange:
    """
    The *count* requests of one message.

    When the last answer is in, they go out: as an array if they came as one, not at all if nobody waits for any.
    Then comes what was to come after them, and *when_done* is called.
    """

    def __init__(
        self,
        count: int,
        *,
        is_batch: bool,
        send: Callable[[bytes], None],
        when_done: Callable[[], None],
    ) -> None:
        self._remaining = count
        self._is_batch = is_batch
        self._send = send
        self._when_done = when_done
        self._answers: list[bytes] = []
        self._then: list[Callable[[], None]] = []
        self._guard = threading.Lock()

    def put(self, answer: bytes | None, then: Callable[[], None] | None = None) -> None:
        """One request is done, with this answer, or None if it gets none; *then* is called when it is out."""
        with self._guard:
            if answer is not None:
                self._answers.append(answer)
            if then is not None:
                self._then.append(then)
            self._remaining -= 1
            if self._remaining:
                return
        try:
            if self._answers:
                joined = b",".join(self._answers)
                self._send(b"[" + joined + b"]" if self._is_batch else joined)
            for begin in self._then:
                begin()
        finally:
            self._when_done()


class Turn:
    """One request, where its answer goes, and how much of what may be under way it is."""

    __slots__ = ("exchange", "is_parked", "request", "size_bytes")

    def __init__(self, request: Request, exchange: Exchange, *, size_bytes: int) -> None:
        self.request = request
        self.exchange = exchange
        self.size_bytes = size_bytes
        self.is_parked = False
        """Whether it waits for a change, and is not counted meanwhile."""


class Waiting:
    """Requests that can be withdrawn: nobody has begun them, or they merely wait for a change."""

    def __init__(self) -> None:
        self._turns: dict[int, Turn] = {}
        self._begun: set[int] = set()
        self._guard = threading.Lock()

    def add(self, turn: Turn) -> None:
        """Take note of one."""
        with self._guard:
            self._turns[id(turn)] = turn

    def begin(self, turn: Turn) -> bool:
        """Whether *turn* is now to be done: it was not withdrawn, and cannot be any more."""
        with self._guard:
            self._begun.discard(id(turn))
            return self._turns.pop(id(turn), None) is not None

    def begin_wait(self, turn: Turn) -> bool:
        """As ``begin``, but it can still be withdrawn by its id, until ``begin`` says that it was not."""
        with self._guard:
            if id(turn) not in self._turns:
                return False
            self._begun.add(id(turn))
            return True

    def has(self, turn: Turn) -> bool:
        """Whether *turn* can be withdrawn, and was not."""
        with self._guard:
            return id(turn) in self._turns

    def cancel(self, identity: Any) -> list[Turn]:
        """Withdraw the requests of this id; whoever calls has them answered."""
        with self._guard:
            return self._withdrawn(
                [
                    turn
                    for turn in self._turns.values()
                    if not turn.request.is_notification and turn.request.id == identity
                ]
            )

    def cancel_all(self) -> list[Turn]:
        """Withdraw every request that nobody has begun."""
        with self._guard:
            return self._withdrawn(
                [turn for key, turn in self._turns.items() if key not in self._begun]
            )

    def _withdrawn(self, found: list[Turn]) -> list[Turn]:
        for turn in found:
            del self._turns[id(turn)]
            self._begun.discard(id(turn))
        return found
