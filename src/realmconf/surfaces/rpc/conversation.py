"""
What one client says and is answered: messages in, requests handed out, answers back.

Decides what may be under way at once, and that requests which change something are carried out in the order in
which they came, while all others go their own way, and those that wait for a change hold up nobody.  Knows nothing
of where messages come from.
"""

from __future__ import annotations

import threading

from realmconf.errors import InvalidArgument, LimitExceeded, RealmconfError
from realmconf.surfaces.rpc import messages
from realmconf.surfaces.rpc.crew import Crew, Lane
from realmconf.surfaces.rpc.exchange import Exchange, Turn, Waiting
from realmconf.surfaces.rpc.frames import FRAME_BYTES_MAX
from realmconf.surfaces.rpc.messages import ProtocolError
from realmconf.surfaces.rpc.methods import METHODS, Outcome, Parked
from realmconf.surfaces.rpc.salvage import ids_in
from realmconf.surfaces.rpc.subscriptions import Subscriptions
from realmconf.surfaces.rpc.waits import Waits

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from realmconf.runtime.operations.session import Session
    from realmconf.surfaces.meerkat import Wire
    from realmconf.surfaces.rpc.frames import Frame
    from realmconf.surfaces.rpc.messages import Request

BATCH_MAX = 64
"""Requests in one message."""
REQUESTS_MAX = 256
"""Requests under way before the next message is taken: several batches, so that one that waits is in nobody's way."""
CREW_MAX = 64
"""Requests that are done at once, and answers that wait in memory until the client reads. Waits are none of them."""
UNDER_WAY_BYTES_MAX = 4 * FRAME_BYTES_MAX
"""The same for the size of their messages."""


class Conversation:
    """One client's. ``take`` and ``stop`` are for one thread, which never waits for the client."""

    def __init__(
        self,
        session: Session,
        *,
        send: Callable[[bytes], None],
        when_eased: Callable[[], None],
        wire: Wire | None = None,
    ) -> None:
        self.session = session
        self.wire = wire
        """Meerkat's, where three of the methods are spoken as it does."""
        self.subscriptions = Subscriptions(session, send=send, when_ended=when_eased)
        self.waiting = Waiting()
        self._send = send
        self._when_eased = when_eased
        self._crew = Crew(CREW_MAX)
        self._lane = Lane(self._crew)
        self._waits = Waits(session.client)
        self._guard = threading.Lock()
        self._requests = 0
        self._bytes = 0
        self._parked = 0

    @property
    def has_room(self) -> bool:
        """Whether the next message may be taken; when it may again, ``when_eased`` is called."""
        with self._guard:
            return not self._is_full

    @property
    def is_over(self) -> bool:
        """Whether everything is answered, and nobody is to be told of anything."""
        with self._guard:
            return not self._requests and not self._parked and not len(self.subscriptions)

    def take(self, frame: Frame) -> None:
        """See to it that *frame* is answered."""
        if frame.is_too_long:
            refusal = LimitExceeded("frame_bytes", frame.size_bytes, maximum=FRAME_BYTES_MAX)
            self._refuse(frame, refusal, ids_in(frame.raw, at_most=BATCH_MAX))
            return
        try:
            value = messages.read(frame.raw)
        except ProtocolError as refusal:
            self._refuse(frame, refusal, [])
        except RealmconfError as refusal:
            self._refuse(frame, refusal, ids_in(frame.raw, at_most=BATCH_MAX))
        else:
            self._hand_out(frame, value)

    def stop(self) -> None:
        """Begin nothing more, and end what merely waits for a change; to be called again until it is over."""
        self._withdrawn(self.waiting.cancel_all())
        self.subscriptions.close()
        self._waits.end_all()

    def cancel(self, identity: Any) -> bool:
        """Withdraw the requests of this id that wait, and tell whether there were any."""
        return self._withdrawn(self.waiting.cancel(identity))

    # --- handing out

    def _hand_out(self, frame: Frame, value: Any) -> None:
        if not isinstance(value, list):
            self._start([value], frame, self._exchange(frame, 1, is_batch=False))
        elif not value:
            empty = ProtocolError(
                messages.INVALID_REQUEST, "invalid_request", "a batch has at least one request"
            )
            self._refuse(frame, empty, [])
        elif len(value) > BATCH_MAX:
            self._refuse(frame, LimitExceeded("batch_requests", len(value), maximum=BATCH_MAX), [])
        else:
            self._start(value, frame, self._exchange(frame, len(value), is_batch=True))

    def _start(self, values: list[Any], frame: Frame, exchange: Exchange) -> None:
        share_bytes = len(frame.raw) // len(values)
        for value in values:
            try:
                request = messages.request_of(value)
            except ProtocolError as refusal:
                self._put(exchange, messages.failed(messages.id_of(value), refusal))
                continue
            turn = Turn(request, exchange, size_bytes=share_bytes)
            self.waiting.add(turn)
            method = METHODS.get(request.method)
            where = self._lane if method is not None and method.keeps_order else self._crew
            where.start(lambda turn=turn: self._do(turn))  # type: ignore[misc]

    def _refuse(self, frame: Frame, refusal: Exception, identities: list[Any]) -> None:
        """Answer a message of which no request is carried out."""
        is_batch = bool(identities) and frame.raw.lstrip()[:1] == b"["
        addressed = identities or [None]
        exchange = self._exchange(frame, len(addressed), is_batch=is_batch)
        for identity in addressed:
            self._put(exchange, messages.failed(identity, refusal))

    def _put(self, exchange: Exchange, answer: bytes) -> None:
        # Not here: whoever takes messages must not wait until the client reads.
        self._crew.start(lambda: exchange.put(answer))

    # --- doing

    def _do(self, turn: Turn) -> None:
        request = turn.request
        method = METHODS.get(request.method)
        if method is None or not method.may_wait:
            if self.waiting.begin(turn):
                self._answer(turn, lambda: self._outcome(request))
        elif self.waiting.begin_wait(turn):
            self._wait_or_answer(turn)

    def _wait_or_answer(self, turn: Turn) -> None:
        try:
            found = self._outcome(turn.request)
            if isinstance(found, Parked):
                self._park(turn, found)
                return
        except BaseException as failure:  # noqa: BLE001 - it is the answer
            self._finish(turn, _raising(failure))
        else:
            self._finish(turn, lambda: found)

    def _park(self, turn: Turn, parked: Parked) -> None:
        """Let *turn* wait without a thread, and be counted with those that wait."""

        def over(failure: BaseException | None) -> None:
            run = parked.run if failure is None else _raising(failure)
            self._crew.start(lambda: self._finish(turn, run))

        self._count_as_parked(turn)
        self._waits.begin(turn, parked.wait, over)
        if not self.waiting.has(turn):
            # It was withdrawn meanwhile, and is answered.
            self._waits.end(turn)
            self._count_as_parked(turn, is_parked=False)

    def _finish(self, turn: Turn, run: Callable[[], Outcome | Parked]) -> None:
        """Answer what could have been withdrawn until now, unless it was."""
        if self.waiting.begin(turn):
            self._count_as_parked(turn, is_parked=False)
            self._answer(turn, run)

    def _withdrawn(self, turns: list[Turn]) -> bool:
        """Answer requests that were withdrawn."""
        for turn in turns:
            self._waits.end(turn)
            self._count_as_parked(turn, is_parked=False)
            refusal = messages.failed(turn.request.id, messages.cancelled())
            turn.exchange.put(None if turn.request.is_notification else refusal)
        return bool(turns)

    def _answer(self, turn: Turn, run: Callable[[], Outcome | Parked]) -> None:
        request = turn.request
        answer, then = None, None
        try:
            outcome = run()
            assert isinstance(outcome, Outcome)
            then = outcome.then
            if not request.is_notification:
                answer = messages.answered(request.id, outcome.result)
        except BaseException as failure:  # noqa: BLE001 - the one place that turns failures into answers
            if not request.is_notification:
                answer = messages.failed(request.id, failure)
        turn.exchange.put(answer, then)

    def _outcome(self, request: Request) -> Outcome | Parked:
        method = METHODS.get(request.method)
        if method is None:
            raise messages.unknown_method(request.method)
        params = {} if request.params is None else request.params
        if not isinstance(params, dict):
            raise InvalidArgument("params must be an object: parameters are given by name")
        return method.run(self, params)

    # --- what is under way

    def _count_as_parked(self, turn: Turn, *, is_parked: bool = True) -> None:
        """Count *turn* with those that wait for a change, or with those that are under way."""
        with self._guard:
            if turn.is_parked == is_parked:
                return
            was_full = self._is_full
            turn.is_parked = is_parked
            sign = 1 if is_parked else -1
            self._parked += sign
            self._requests -= sign
            self._bytes -= sign * turn.size_bytes
        if was_full:
            self._when_eased()

    @property
    def _is_full(self) -> bool:
        return self._requests >= REQUESTS_MAX or self._bytes >= UNDER_WAY_BYTES_MAX

    def _exchange(self, frame: Frame, count: int, *, is_batch: bool) -> Exchange:
        size_bytes = len(frame.raw)
        with self._guard:
            self._requests += count
            self._bytes += size_bytes

        def done() -> None:
            with self._guard:
                was_full = self._is_full
                self._requests -= count
                self._bytes -= size_bytes
                is_idle = not self._requests
            if was_full or is_idle:
                self._when_eased()

        return Exchange(count, is_batch=is_batch, send=self._send, when_done=done)


def _raising(failure: BaseException) -> Callable[[], Outcome]:
    def run() -> Outcome:
        raise failure

    return run
