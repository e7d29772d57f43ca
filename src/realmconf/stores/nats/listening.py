"""
Hearing that somebody has written: a consumer of the rows, which the server pushes as they are put down, each with the
realm in its subject and, as a rule, its head.

The server counts what it pushes, so that a gap is seen.  Of several rows that were put down together none is taken
for the whole of it: their realms are told, and no head.

Decides who is told by whom: while somebody waits, the thread that hears tells at once whoever can make use of it there,
and only the rest waits for the one who does.

Decides how it is noticed that nothing would be heard any more.  The server says every second that it is there; the
connection that was lost, or silence, ends the listening, and whoever listens begins anew.
"""

from __future__ import annotations

import os
import threading
import time

from realmconf.errors import StoreCorrupt, StoreUnavailable
from realmconf.stores.engine.ledger import News, Told
from realmconf.stores.nats.client import STATUS, Heard
from realmconf.stores.nats.layout import Message, entry_in, row_name

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from realmconf.stores.nats.layout import Subjects
    from realmconf.stores.nats.link import Link
    from realmconf.stores.nats.wire import Wire

BEAT_SECONDS = 1
SILENCE_SECONDS = 3.0
"""Without a word from the server the consumer is taken for lost."""
FORGOTTEN_SECONDS = 10
"""After so long without anybody who hears it the server forgets a consumer."""
AT_ONCE_BYTES = 65_536
"""What is larger is read by the one who waits: the thread that hears has everybody's answers to bring."""


class Ear:
    """One who listens.  Thread-safe."""

    def __init__(self, place: str, tell: Callable[[News], bool] | None = None) -> None:
        """*tell* may be called with what is heard, by the thread that hears: whether nobody need be told any more."""
        self._place = place
        self._tell = tell
        self._changed = threading.Condition()
        self._is_awaited = False
        self._pushed: list[Heard | News] = []
        self._number = self._last = 0
        """Of the message that was told last: the consumer's own, and the stream's."""
        self._end: StoreUnavailable | None = None
        self._alive_at = time.monotonic()
        self._name = ""
        self._wire: Wire | None = None

    async def begin(self, link: Link, stream: str, subjects: Subjects, deadline: float) -> None:
        """Hear of every row that is put down from then on."""

        async def ask(wire: Wire, until: float) -> None:
            inbox = wire.new_inbox()
            # Asked again it is another one: of the first it is not known whether it is there.
            self._name = f"realmconf-{os.urandom(8).hex()}"
            await wire.subscribed(inbox, self._heard)
            await wire.ask_json(
                f"$JS.API.CONSUMER.CREATE.{stream}.{self._name}.{subjects.rows}",
                {
                    "stream_name": stream,
                    "config": {
                        "name": self._name,
                        "deliver_subject": inbox,
                        "deliver_policy": "new",
                        "ack_policy": "none",
                        "filter_subject": subjects.rows,
                        "idle_heartbeat": BEAT_SECONDS * 1_000_000_000,
                        "inactive_threshold": FORGOTTEN_SECONDS * 1_000_000_000,
                        "mem_storage": True,
                        "num_replicas": 1,
                    },
                },
                deadline=until,
            )
            self._wire = wire
            wire.at_end(lambda: self.end(f"{self._place}: the connection was lost"))

        await link.repeated(ask, deadline=deadline)
        self._alive_at = time.monotonic()

    async def finish(self, stream: str, deadline: float) -> None:
        """Let the server forget it."""
        wire = self._wire
        if wire is not None and not wire.is_over:
            await wire.tell(
                f"$JS.API.CONSUMER.DELETE.{stream}.{self._name}", b"", deadline=deadline
            )

    def _heard(self, message: Heard) -> None:
        is_beat = message.headers is not None and STATUS in message.headers
        with self._changed:
            self._alive_at = time.monotonic()
            if not is_beat:
                # In order: behind what waits, or is being looked at, everything waits.
                is_next = self._is_awaited and not self._pushed and self._end is None
                rest = self._rest_of(message) if is_next else message
                if rest is not None:
                    self._pushed.append(rest)
                    self._changed.notify_all()

    def _rest_of(self, message: Heard) -> Heard | News | None:
        """What of *message* is left for the one who waits."""
        if self._tell is None or len(message.data) > AT_ONCE_BYTES:
            return message
        rest: Heard | News = message
        try:
            rest = news = self._news(message)
            return None if self._tell(news) else rest
        except Exception:  # noqa: BLE001 - whatever it is, the one who waits meets it, too
            return rest

    def end(self, why: str, *, retryable: bool = True) -> None:
        """Nothing more is heard."""
        with self._changed:
            self._end = self._end or StoreUnavailable(why, retryable=retryable)
            self._changed.notify_all()

    def wait(self, seconds: float) -> Sequence[News]:
        """
        What was told of writes, waited for that long.

        Raises:
            StoreUnavailable: Nothing more will be heard.
        """
        with self._changed:
            self._is_awaited = True
            self._changed.wait_for(lambda: self._pushed or self._end, seconds)
            self._is_awaited = False
            if self._end is not None:
                raise self._end
            pushed, self._pushed = self._pushed, []
            if not pushed and time.monotonic() - self._alive_at > SILENCE_SECONDS:
                raise StoreUnavailable(f"{self._place} has been silent for too long")
        return [self._news(one) if isinstance(one, Heard) else one for one in pushed]

    def _news(self, message: Heard) -> News:
        name = row_name(message.subject)
        place = _place_of(message.reply)
        if place is None:
            self._number = 0
            return News(realms=frozenset([name]))
        sequence, number = place
        before = self._last if self._number and number == self._number + 1 else None
        self._last, self._number = sequence, number
        heads = {}
        try:
            entry = entry_in(Message(sequence, message.subject, message.data))
        except StoreCorrupt:
            # Whoever asks for it is told.
            pass
        else:
            if entry.is_alone and entry.packed is not None and entry.moved_to is None:
                heads[name] = Told(digest=entry.digest, packed=entry.packed, floor=entry.floor)
        return News(realms=frozenset([name]), version=sequence, before=before, heads=heads)


def _place_of(reply: str) -> tuple[int, int] | None:
    """The sequences of a pushed message in its stream and in its consumer, told by where an answer would go."""
    tokens = reply.split(".")
    # With the domain and the account before the stream's name, and more behind, where servers say so.
    first = {9: 5, 11: 7, 12: 7}.get(len(tokens))
    if first is None or not reply.startswith("$JS.ACK."):
        return None
    return int(tokens[first]), int(tokens[first + 1])
