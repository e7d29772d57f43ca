"""
Requests on their way: what was asked for in one message, and the answers that go out together.

Decides when an answer goes out, and that each request is either begun or withdrawn, never both.
"""

from __future__ import annotations

import threading

from realmconf.surfaces.rpc import messages

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
    """One request, and where its answer goes."""

    __slots__ = ("exchange", "request")

    def __init__(self, request: Request, exchange: Exchange) -> None:
        self.request = request
        self.exchange = exchange


class Waiting:
    """Requests that nobody has begun."""

    def __init__(self) -> None:
        self._turns: dict[int, Turn] = {}
        self._guard = threading.Lock()

    def add(self, turn: Turn) -> None:
        """Take note of one."""
        with self._guard:
            self._turns[id(turn)] = turn

    def begin(self, turn: Turn) -> bool:
        """Whether *turn* is now to be done: it was not withdrawn, and cannot be any more."""
        with self._guard:
            return self._turns.pop(id(turn), None) is not None

    def cancel(self, identity: Any) -> bool:
        """Withdraw the requests of this id, and tell whether there were any."""
        return self._withdraw(
            lambda request: not request.is_notification and request.id == identity
        )

    def cancel_all(self) -> None:
        """Withdraw every request."""
        self._withdraw(lambda _: True)

    def _withdraw(self, concerned: Callable[[Request], bool]) -> bool:
        with self._guard:
            found = [turn for turn in self._turns.values() if concerned(turn.request)]
            for turn in found:
                del self._turns[id(turn)]
        for turn in found:
            request = turn.request
            refusal = messages.failed(request.id, messages.cancelled())
            turn.exchange.put(None if request.is_notification else refusal)
        return bool(found)
