"""
The loop that reads messages, until the client, a signal or a broken stream ends it.

Decides when nothing more is read, and what is then still to be done: after the end of the input everything that
came before it; after a signal what has been started.  Never waits but in one place, where each of them wakes it.
"""

from __future__ import annotations

import os
import select
import signal
import time

from realmconf.surfaces.rpc.conversation import Conversation
from realmconf.surfaces.rpc.frames import Frames
from realmconf.surfaces.rpc.streams import Output

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import FrameType

    from realmconf.runtime.operations.session import Session
    from realmconf.surfaces.meerkat import Wire
    from realmconf.surfaces.rpc.streams import Streams

PIECE_BYTES = 65_536
STOP_SECONDS = 10.0
"""How long what has been started may go on after a signal, or when nobody reads the answers any more."""
LOOK_SECONDS = 0.05
"""How often, in that time, what has come to wait meanwhile is ended."""
SIGNALS = (signal.SIGTERM, signal.SIGINT)


class Server:
    """Answers one client on *streams*, as *session* may."""

    def __init__(self, session: Session, streams: Streams, *, wire: Wire | None = None) -> None:
        self.signals: list[int] = []
        """Those that came, which end it."""
        self.output = Output(streams.output, when_failed=self._wake)
        self._streams = streams
        self._conversation = Conversation(
            session, send=self.output.send, when_eased=self._wake, wire=wire
        )
        self._frames = Frames()
        self._has_ended = False
        self._woken, self._waking = os.pipe()
        os.set_blocking(self._woken, False)
        os.set_blocking(self._waking, False)

    def run(self) -> None:
        """Answer until there is nothing more to answer; after a second signal, end as any other command does."""
        handlers = {number: signal.signal(number, self._stop) for number in SIGNALS}
        # Which of our threads the machine interrupts is its own choice; this wakes the one that waits.
        before = signal.set_wakeup_fd(self._waking, warn_on_full_buffer=False)
        try:
            while not self._is_stopping and self._take_next():
                pass
            self._finish()
        finally:
            signal.set_wakeup_fd(before)
            for number, handler in handlers.items():
                signal.signal(number, handler)
        if len(self.signals) > 1:
            signal.raise_signal(self.signals[-1])

    # --- reading

    def _take_next(self) -> bool:
        """Take a message, or wait for what there is to wait for; False: none will come."""
        if not self._conversation.has_room:
            self._wait()
            return True
        frame = self._frames.next()
        if frame is not None:
            self._conversation.take(frame)
            return True
        if self._has_ended:
            return False
        if self._wait(for_input=True):
            self._frames.feed(self._read())
        return True

    def _read(self) -> bytes:
        """The next bytes of the input; none at its end, which a broken one has reached too."""
        try:
            piece = os.read(self._streams.input, PIECE_BYTES)
        except OSError:
            piece = b""
        self._has_ended = not piece
        return piece

    # --- ending

    @property
    def _is_stopping(self) -> bool:
        return bool(self.signals) or self.output.failure is not None

    def _finish(self) -> None:
        """Let what is under way come to its end."""
        deadline: float | None = None
        self._conversation.subscriptions.close()
        while not self._conversation.is_over:
            if not self._is_stopping:
                self._wait()
                continue
            now = time.monotonic()
            deadline = deadline or now + STOP_SECONDS
            if now >= deadline or len(self.signals) > 1:
                return
            self._conversation.stop()
            self._wait(seconds=LOOK_SECONDS)

    def _stop(self, number: int, _: FrameType | None) -> None:
        # An exception here would come up wherever we are, also where exceptions are swallowed.
        self.signals.append(number)

    # --- waiting

    def _wake(self) -> None:
        try:
            os.write(self._waking, b"\0")
        except BlockingIOError:
            # It is full of wake-ups.
            pass

    def _wait(self, *, for_input: bool = False, seconds: float | None = None) -> bool:
        """Wait until somebody wakes us, the client is gone, or, *for_input*, there is some, and tell whether."""
        waiting = select.poll()
        waiting.register(self._woken, select.POLLIN)
        if self.output.failure is None:
            # Nothing is asked of it; that it is broken is told in any case.
            waiting.register(self._streams.output, 0)
        if for_input:
            waiting.register(self._streams.input, select.POLLIN)
        happened = dict(waiting.poll(None if seconds is None else seconds * 1000))
        if self._woken in happened:
            os.read(self._woken, PIECE_BYTES)
        if happened.get(self._streams.output, 0) & (select.POLLERR | select.POLLHUP):
            self.output.give_up()
        return self._streams.input in happened
