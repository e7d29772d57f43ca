"""
What is read of a stream, and of which point it speaks.

Decides how the newest is known to be the newest.  A stream on one server answers with all that it has, and every answer
of several messages is one point.  Of a replicated one an old leader may not know yet that it is none, and a replica may
lag: so whoever reads first puts down a message of their own, which only a leader with a majority can acknowledge, and
takes no answer but from a replica that has it.

Whatever is asked for, the store's format is asked for along with it, so that nothing of a store that was brought up to
a later one is taken for the newest, nor what was taken away then for what never was.
"""

from __future__ import annotations

import asyncio
import os
import time

from realmconf.errors import StoreUnavailable
from realmconf.stores.nats import asking
from realmconf.stores.nats.asking import SUBJECTS_AT_ONCE
from realmconf.stores.nats.failures import LostError, NobodyError, RefusedError, UnsentError
from realmconf.stores.nats.layout import Entry, check_format, entry_in, erased_in
from realmconf.stores.nats.wire import DeniedError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterable, Mapping, Sequence
    from typing import Any, NamedTuple, TypeVar

    from realmconf.stores.nats.layout import Message, Subjects
    from realmconf.stores.nats.link import Link
    from realmconf.stores.nats.wire import Wire

    T = TypeVar("T")
else:
    from typing import NamedTuple

BARRIER_SECONDS = 300
"""How long a point of a replicated stream can be read at."""
LAG_SECONDS = 0.005
"""Until a replica is asked again whether it has caught up."""
AGAIN_SECONDS = 0.25
"""Until it is asked again what no replica has answered."""
AT_ONCE_MAX = 8
"""How many times it is asked then, at most, of whoever may be cut off from all the others."""
UNANSWERED_MAX = 16
"""So many questions without an answer are enough: a server that is only slow is not given more and more of them."""
LOOK_BACK = (1, 16, 256)
"""Messages looked at in one question for the newest of a kind; then as many as at last."""


class _Looked(NamedTuple):
    """Up to which point it is known where the newest head of any realm stands, and where that is."""

    point: int = 0
    position: int = 0


class Reading:
    """The questions of one ledger; all run in its loop."""

    def __init__(self, link: Link, stream: str, subjects: Subjects, *, is_barred: bool) -> None:
        """*is_barred*: the stream is replicated."""
        self.link = link
        self.stream = stream
        self.subjects = subjects
        self.is_barred = is_barred
        self.place = link.place
        self._barrier = subjects.barrier(os.urandom(8).hex())
        self._anchor = subjects.marker("format")
        self._looked = _Looked()

    def forget_all(self) -> None:
        """The server may be another one."""
        self._looked = _Looked()

    # --- points ----------------------------------------------------------------------------------

    async def point(self, deadline: float) -> int:
        """A sequence up to which everything is there that was acknowledged before this was called."""
        if self.is_barred:
            return await self._barred(deadline)
        found = await self._several([], 0, deadline)
        await self._check_there(found, deadline)
        return found.up_to

    async def _barred(self, deadline: float) -> int:
        async def raise_one(wire: Wire, until: float) -> int:
            try:
                return await asking.put(
                    wire, self._barrier, b"", {"Nats-TTL": f"{BARRIER_SECONDS}s"}, deadline=until
                )
            except NobodyError:
                await self.check_still_ours(wire, until)
                raise

        return await self.link.repeated(raise_one, deadline=deadline)

    async def check_still_ours(self, wire: Wire, deadline: float) -> None:
        """
        See why nobody takes what we put down: it may be that the stream takes the messages of a later format alone.

        Raises:
            StoreTooNew: It is so. Else whoever asks again is told what is wrong.
        """
        # Of any replica, and not for long: mostly there is no leader for a moment, and the next one is waited for.
        until = min(deadline, time.monotonic() + AGAIN_SECONDS)
        try:
            found = await asking.several(wire, self.stream, [self._anchor], up_to=0, deadline=until)
        except (RefusedError, UnsentError, LostError, DeniedError):
            return
        for form in found.messages.values():
            check_format(form.body, self.place)

    async def at(
        self, subjects: Iterable[str], point: int, deadline: float
    ) -> Mapping[str, Message]:
        """The newest messages on *subjects* up to *point*, by subject."""
        wanted = list(dict.fromkeys(subjects))
        found: dict[str, Message] = {}
        for first in range(0, len(wanted), SUBJECTS_AT_ONCE):
            part = wanted[first : first + SUBJECTS_AT_ONCE]
            found.update(await self._at(part, point, deadline))
        return found

    async def _at(
        self, subjects: Sequence[str], point: int, deadline: float
    ) -> Mapping[str, Message]:
        if not self.is_barred:
            found = await self._several(subjects, point, deadline)
            await self._check_there(found, deadline)
            return found.messages
        since = time.monotonic()
        while True:
            found = await self._several([*subjects, self._barrier], point, deadline)
            raised = found.messages.get(self._barrier)
            if raised is not None and raised.sequence == point:
                await self._check_there(found, deadline)
                return found.messages
            if self._anchor not in found.messages:
                # It may be that this is gone, too, and will never come.
                await self._several([], 0, deadline)
            if time.monotonic() + LAG_SECONDS >= deadline:
                raise StoreUnavailable(
                    "the replicas of the stream have not caught up in time, or the point that was read at is older "
                    f"than {BARRIER_SECONDS} seconds"
                )
            if time.monotonic() - since > self.link.try_seconds:
                # It may be cut off from the others, and not know it.
                await self.link.turn_away()
                since = time.monotonic()
            await asyncio.sleep(LAG_SECONDS)

    async def _several(
        self, subjects: Sequence[str], up_to: int, deadline: float, *, is_stale_ok: bool = False
    ) -> asking.Several:
        """
        The newest messages on *subjects* up to *up_to* (0: that there are), and along with them that of the format.

        Raises:
            StoreTooNew: The stream was brought up to a later one.
        """
        wanted = [*subjects, self._anchor]

        async def ask(wire: Wire, until: float) -> asking.Several:
            return await asking.several(wire, self.stream, wanted, up_to=up_to, deadline=until)

        found = await self._of_any(ask, deadline, is_stale_ok=is_stale_ok)
        form = found.messages.get(self._anchor)
        if form is not None:
            check_format(form.body, self.place)
        return found

    async def _check_there(
        self, found: asking.Several, deadline: float, *, is_stale_ok: bool = False
    ) -> None:
        """
        See that *found* has what a store is never without, so that what is missing in it was never there.

        Raises:
            StoreTooNew: The stream was brought up to a later format since.
            StoreUnavailable: Everything was taken away.
        """
        if self._anchor not in found.messages:
            await self._several([], 0, deadline, is_stale_ok=is_stale_ok)
            raise StoreUnavailable(
                "the stream is empty: it was purged, or made anew; open the store again",
                retryable=False,
            )

    async def _of_any(
        self,
        ask: Callable[[Wire, float], Coroutine[Any, Any, T]],
        deadline: float,
        *,
        is_stale_ok: bool = False,
    ) -> T:
        """
        The answer of any replica.

        Which of them is to answer the servers choose anew for each question, and for a while they may choose one that
        is cut off; so as long as nobody answers it is asked again, and the first answer counts.  Where an old answer
        will do, it may be the server spoken to that is cut off, and that chooses itself for one question in three, or
        in five: what goes the other way is lost, and the next time it is asked twice as often, up to a limit.
        """
        if not self.is_barred:
            return await self.link.repeated(ask, deadline=deadline)

        async def ask_again(wire: Wire, until: float) -> T:
            asked: set[asyncio.Task[T]] = set()
            at_once = 1
            try:
                while True:
                    more = min(at_once, UNANSWERED_MAX - len(asked))
                    asked |= {asyncio.create_task(ask(wire, until)) for _ in range(more)}
                    done, _ = await asyncio.wait(
                        asked, timeout=AGAIN_SECONDS, return_when=asyncio.FIRST_COMPLETED
                    )
                    if done:
                        # One that failed tells nothing where another one has the answer.
                        return min(done, key=_has_failed).result()
                    if is_stale_ok:
                        at_once = min(2 * at_once, AT_ONCE_MAX)
            finally:
                for one in asked:
                    if not one.cancel() and not one.cancelled():
                        # What it says besides is of no interest, and is looked at so that nobody complains.
                        one.exception()

        return await self.link.repeated(ask_again, deadline=deadline)

    # --- rows ------------------------------------------------------------------------------------

    async def newest_entries(
        self, realms: Sequence[str], deadline: float, *, is_stale_ok: bool = False
    ) -> tuple[Mapping[str, Entry], int]:
        """The newest rows of *realms*, or what any replica takes for them, at one point; and that."""
        point = await self._barred(deadline) if self.is_barred and not is_stale_ok else 0
        if point or len(realms) > SUBJECTS_AT_ONCE:
            point = point or await self.point(deadline)
            return await self.entries(realms, point, deadline), point
        by_subject = {self.subjects.row(realm): realm for realm in realms}
        found = await self._several(list(by_subject), 0, deadline, is_stale_ok=is_stale_ok)
        if is_stale_ok and self._anchor not in found.messages:
            # A replica has answered that has nothing yet, perhaps: of a stream that was just made.
            await asyncio.sleep(AGAIN_SECONDS)
            found = await self._several(list(by_subject), 0, deadline, is_stale_ok=True)
        await self._check_there(found, deadline, is_stale_ok=is_stale_ok)
        return _entries(by_subject, found.messages), found.up_to

    async def entries(
        self, realms: Iterable[str], point: int, deadline: float
    ) -> Mapping[str, Entry]:
        """The rows of *realms* as they were at *point*."""
        by_subject = {self.subjects.row(realm): realm for realm in realms}
        return _entries(by_subject, await self.at(by_subject, point, deadline))

    async def newest_row(self, point: int, deadline: float) -> int:
        """The sequence of the newest row of any realm up to *point*; 0 if there is none."""

        async def ask(wire: Wire, until: float) -> Message | None:
            return await asking.last_message(wire, self.stream, self.subjects.rows, deadline=until)

        found = await self.link.repeated(ask, deadline=deadline)
        if found is None:
            # There was none at that point either, unless all are gone since.
            await self._at([], point, deadline)
            return 0
        if found.sequence <= point:
            return found.sequence
        before = await self.last_before(point, deadline, only_heads=False)
        return 0 if before is None else before.sequence

    async def last_position(self, point: int, deadline: float) -> int:
        """The sequence of the newest row up to *point* that carries a head; 0 if there is none."""
        known = self._looked
        # Somebody else may know more by the time that this is used.
        looked = known if point >= known.point else _Looked()
        end = await self.newest_row(point, deadline)
        found = None
        if self.is_barred:
            # An old leader may have told it; what stands behind it is as good as all gone after a while.
            for message in await self.all_in(max(end, looked.point) + 1, point, deadline):
                if message.subject.startswith(self.subjects.rows_prefix):
                    entry = entry_in(message)
                    found = entry if entry.carries_head else found
        if found is None:
            found = await self.last_before(end, deadline, only_heads=True, known=looked.point)
        position = looked.position if found is None else found.sequence
        if self._looked is known and point >= known.point:
            self._looked = _Looked(point, position)
        return position

    async def last_before(
        self, point: int, deadline: float, *, only_heads: bool, known: int = 0
    ) -> Entry | None:
        """The newest row up to *point*, of those that carry a head if only these count; behind *known*."""
        for number in self._steps_back():
            first = max(known + 1, point - number + 1)
            if first > point:
                return None
            for message in reversed(await self.all_in(first, point, deadline)):
                if message.subject.startswith(self.subjects.rows_prefix):
                    entry = entry_in(message)
                    if entry.carries_head or not only_heads:
                        return entry
            point = first - 1
        return None

    @staticmethod
    def _steps_back() -> Iterable[int]:
        yield from LOOK_BACK
        while True:
            yield LOOK_BACK[-1]

    # --- messages, which never change -----------------------------------------------------------

    async def all_in(self, first: int, last: int, deadline: float) -> list[Message]:
        """All messages from *first* to *last*."""
        found: list[Message] = []
        while first <= last:
            part = await self.stretch(None, first, last - first + 1, deadline)
            if not part and self.is_barred:
                # Behind *last*, at the latest, there is the message of the point that is read at.
                await self._lagging(deadline)
                continue
            found += [one for one in part if one.sequence <= last]
            if not part or part[-1].sequence >= last:
                break
            first = part[-1].sequence + 1
        return found

    async def _lagging(self, deadline: float) -> None:
        """A replica has answered that lacks what is known to be there: wait until it has it, or another one answers."""
        if time.monotonic() + LAG_SECONDS >= deadline:
            raise StoreUnavailable("the replicas of the stream have not caught up in time")
        await asyncio.sleep(LAG_SECONDS)

    async def stretch(
        self, subject: str | None, sequence: int, messages: int, deadline: float
    ) -> list[Message]:
        """Some messages on *subject* from *sequence* on; of a replicated stream perhaps not all that there are."""

        async def ask(wire: Wire, until: float) -> list[Message]:
            return await asking.stretch(
                wire,
                self.stream,
                subject,
                sequence,
                deadline=until,
                messages=min(messages, asking.STRETCH_MESSAGES),
            )

        return await self._of_any(ask, deadline)

    async def message(
        self, subject: str, sequence: int, deadline: float, *, is_stale_ok: bool = False
    ) -> Message | None:
        """The message on *subject* with that sequence; None if it was erased, of which any replica may not know yet."""

        async def ask(wire: Wire, until: float) -> Message | None:
            return await asking.at_sequence(wire, self.stream, sequence, deadline=until)

        if is_stale_ok:
            found = await self._of_any(ask, deadline, is_stale_ok=True)
            if found is not None and found.subject == subject:
                return found
        found = await self.first_from(subject, sequence, deadline)
        return found if found is not None and found.sequence == sequence else None

    async def is_there(self, sequence: int, deadline: float) -> bool:
        """Whether there is still a message with that sequence."""

        async def ask(wire: Wire, until: float) -> Message | None:
            return await asking.leaders_at(wire, self.stream, sequence, deadline=until)

        if self.is_barred:
            # Whoever acknowledges this is the leader now.
            await self._barred(deadline)
        return await self.link.repeated(ask, deadline=deadline) is not None

    async def first_from(self, subject: str, sequence: int, deadline: float) -> Message | None:
        """The first message on *subject* with that sequence or a later one."""

        async def ask(wire: Wire, until: float) -> Message | None:
            if self.is_barred:
                return await asking.leaders_next(
                    wire, self.stream, subject, sequence, deadline=until
                )
            return await asking.next_message(wire, self.stream, subject, sequence, deadline=until)

        while True:
            found = await self.link.repeated(ask, deadline=deadline)
            if found is not None or not self.is_barred:
                return found
            # An old leader has what was written up to some moment, and may lack the rest.
            last = await self.newest(subject, deadline)
            if last is None or last.sequence < sequence:
                return None
            await self._lagging(deadline)

    async def last_on(self, subject: str, first: int, last: int, deadline: float) -> Entry | None:
        """What was last said on a realm's *subject* from *first* to *last*."""
        if self.is_barred:
            # What a replica has of the past tells nothing of what it lacks: from the leader, in halves.
            low, high = first, last + 1
            best: Message | None = None
            while low < high:
                middle = (low + high) // 2
                message = await self.first_from(subject, middle, deadline)
                if message is None or message.sequence > last:
                    high = middle
                else:
                    best, low = message, message.sequence + 1
            return None if best is None else entry_in(best)
        found = (await self._at([subject], last, deadline)).get(subject)
        return None if found is None or found.sequence < first else entry_in(found)

    # --- what was erased -------------------------------------------------------------------------

    async def newest(self, subject: str, deadline: float) -> Message | None:
        """The newest message on *subject*."""
        # An old leader would tell what was the newest once.
        point = await self._barred(deadline) if self.is_barred else 0
        return (await self._at([subject], point, deadline)).get(subject)

    async def unchanging(
        self, subject: str, deadline: float, *, is_stale_ok: bool = False
    ) -> Message | None:
        """The message on *subject*, on which there is never another one: whatever replica has it has the newest."""
        if self.is_barred:
            found = await self._several([subject], 0, deadline, is_stale_ok=is_stale_ok)
            if subject in found.messages:
                return found.messages[subject]
        return await self.newest(subject, deadline)

    async def erased(self, history: str, deadline: float) -> Mapping[int, int]:
        """Where revisions of *history* stood that were erased, by generation."""
        found = await self.newest(self.subjects.erased(history), deadline)
        return {} if found is None else erased_in(found.body)

    async def remains(self, history: str, generation: int, deadline: float) -> bytes | None:
        """What is left of an erased one, as a revision is kept."""
        found = await self.newest(self.subjects.remains(history, generation), deadline)
        return None if found is None else found.body

    # --- names -----------------------------------------------------------------------------------

    async def subjects_under(self, subject: str, deadline: float) -> list[str]:
        """All subjects that match."""

        async def ask(wire: Wire, until: float) -> asking.Names:
            return await asking.subjects_under(wire, self.stream, subject, deadline=until)

        names = await self.link.repeated(ask, deadline=deadline)
        if not names.taken.issuperset(self.subjects.all):
            # A later release brings it up: before it takes anything away that would be listed, it says so.
            await self.point(deadline)
        return names.found


def _entries(by_subject: Mapping[str, str], messages: Mapping[str, Message]) -> Mapping[str, Entry]:
    found = {}
    for subject, realm in by_subject.items():
        message = messages.get(subject)
        found[realm] = Entry(realm, history="") if message is None else entry_in(message)
    return found


def _has_failed(asked: asyncio.Task[Any]) -> bool:
    """Whether *asked*, which is done, has no answer."""
    return asked.cancelled() or asked.exception() is not None
