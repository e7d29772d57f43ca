"""
The revisions of a realm, found in what was said of it.

Decides where a generation stands: each message on a realm's subject tells at which generation its head was, and these
only rise, so that a few messages lead to any of them.  What was erased stands elsewhere and is put back in its place.
"""

from __future__ import annotations

import asyncio
from bisect import bisect_right

from realmconf.errors import HistoryCompacted, RevisionNotFound, StoreCorrupt, StoreUnavailable
from realmconf.stores.engine.packing import unpack
from realmconf.stores.nats.layout import Stretch, entry_in

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Collection, Mapping
    from typing import NamedTuple

    from realmconf.domain.revision import Revision
    from realmconf.stores.nats.layout import Entry
    from realmconf.stores.nats.reading import Reading
else:
    from typing import NamedTuple

POSITIONS_KEPT = 16_384
STRETCH = 256
TRIES = 200
PAUSE_SECONDS = 0.01
"""How often, and how long apart, a replica that lags is asked again."""


class Placed(NamedTuple):
    """A revision, and where it stands in the order of commits."""

    position: int
    revision: Revision


class _Part(NamedTuple):
    """A part of a history that stands on one subject."""

    subject: str
    first: int
    last: int
    generation: int


class Histories:
    """How one ledger finds revisions."""

    def __init__(self, reading: Reading) -> None:
        self._reading = reading
        self._positions: dict[tuple[str, int], int] = {}
        """Where revisions were last seen; they never move."""

    def note(self, entry: Entry) -> None:
        """*entry* was seen."""
        if entry.carries_head:
            if len(self._positions) >= POSITIONS_KEPT:
                self._positions.clear()
            self._positions[self._reading.subjects.row(entry.realm), entry.generation] = (
                entry.sequence
            )

    def forget_all(self) -> None:
        """The server may be another one, in which they stand elsewhere."""
        self._positions.clear()

    # --- one revision ----------------------------------------------------------------------------

    async def revision(self, entry: Entry, generation: int, deadline: float) -> Placed:
        """
        The revision of the realm of *entry* at *generation*.

        Raises:
            RevisionNotFound: There is none.
            HistoryCompacted: There is none any more.
        """
        if not 1 <= generation <= entry.generation:
            raise RevisionNotFound(
                realm=entry.realm, generation=generation, current=entry.generation
            )
        if generation < entry.floor:
            raise HistoryCompacted(generation, entry.floor, realm=entry.realm)
        erased = await self._erased(entry, deadline)
        if generation in erased:
            return await self._remains(entry, generation, erased[generation], deadline)
        found = await self._at(entry, generation, deadline)
        if found is None or found.generation != generation or found.packed is None:
            # Erased since the point that is read at, perhaps.
            erased = await self._reading.erased(entry.history, deadline)
            if generation in erased:
                return await self._remains(entry, generation, erased[generation], deadline)
            raise RevisionNotFound(
                realm=entry.realm, generation=generation, current=entry.generation
            )
        return Placed(found.sequence, unpack(found.packed))

    async def head(self, entry: Entry, deadline: float, *, is_stale_ok: bool = False) -> bytes:
        """The head's revision, as it is kept; *is_stale_ok*: where any replica has it."""
        if entry.carries_head and entry.packed is not None:
            return entry.packed
        subject = self._subject_at(entry, entry.position)
        found = await self._carrying(subject, entry.position, deadline, is_stale_ok=is_stale_ok)
        if found is None or found.packed is None:
            # Unless all that is of this format was taken away since.
            await self._reading.point(deadline)
            raise StoreCorrupt(
                f"realm {entry.realm}: the stream has lost generation {entry.generation}"
            )
        return found.packed

    async def _at(self, entry: Entry, generation: int, deadline: float) -> Entry | None:
        """What carries the first revision from *generation* on."""
        found: Entry | None
        if generation == entry.generation:
            if entry.carries_head:
                return entry
            subject = self._subject_at(entry, entry.position)
            return await self._carrying(subject, entry.position, deadline)
        for part in self._parts(entry):
            known = self._positions.get((part.subject, generation))
            if known is not None and part.first <= known <= part.last:
                found = await self._carrying(part.subject, known, deadline)
                if found is not None:
                    return found
        for part in self._parts(entry):
            if part.generation >= generation:
                found = await self._search(part, entry, generation, deadline)
                if found is not None:
                    return found
        return None

    async def _carrying(
        self, subject: str, sequence: int, deadline: float, *, is_stale_ok: bool = False
    ) -> Entry | None:
        message = await self._reading.message(subject, sequence, deadline, is_stale_ok=is_stale_ok)
        if message is None:
            return None
        entry = entry_in(message)
        self.note(entry)
        return entry

    def _subject_at(self, entry: Entry, position: int) -> str:
        """Where that part of the history of *entry* stands that has *position* in it."""
        for one in entry.trail:
            if position <= one.last:
                return self._reading.subjects.row(one.realm)
        return self._reading.subjects.row(entry.realm)

    def _parts(self, entry: Entry) -> list[_Part]:
        """The parts of the history of *entry* that are kept, oldest first."""
        parts = []
        low = entry.begin
        for one in (*entry.trail, Stretch(entry.realm, 0, entry.sequence, entry.generation)):
            if one.last >= low:
                parts.append(
                    _Part(self._reading.subjects.row(one.realm), low, one.last, one.generation)
                )
                low = one.last + 1
        return parts

    async def _search(
        self, part: _Part, entry: Entry, generation: int, deadline: float
    ) -> Entry | None:
        """The first message of *part* that carries a revision of *generation* or later."""
        low, high = part.first, part.last + 1
        low_generation, high_generation = entry.floor, part.generation
        best: Entry | None = None
        is_guess = True
        while low < high:
            share = (generation - low_generation) / max(1, high_generation - low_generation + 1)
            middle = low + int((high - low) * (share if is_guess and 0 <= share < 1 else 0.5))
            is_guess = not is_guess
            message = await self._reading.first_from(part.subject, middle, deadline)
            if message is None or message.sequence >= (best.sequence if best else part.last + 1):
                high = middle
                continue
            found = entry_in(message)
            self.note(found)
            if found.generation >= generation:
                best, high, high_generation = found, middle, found.generation
            else:
                low, low_generation = found.sequence + 1, found.generation
        # Where its own message was erased, the next one that carries any is what was asked for.
        while best is not None and not best.carries_head:
            later = await self._reading.first_from(part.subject, best.sequence + 1, deadline)
            best = None if later is None or later.sequence > part.last else entry_in(later)
        return best

    # --- several ---------------------------------------------------------------------------------

    async def revisions(
        self, entry: Entry, *, first: int, end: int, limit: int | None, deadline: float
    ) -> list[Placed]:
        """Revisions from generation *first* up to before *end*, oldest first; *first* is not below the floor."""
        end = min(end, entry.generation + 1)
        if first >= end or limit == 0:
            return []
        everything = await self._erased(entry, deadline)
        for attempt in range(TRIES):
            erased = {
                generation: position
                for generation, position in everything.items()
                if first <= generation < end
            }
            gone = frozenset(everything.values())
            found = await self._kept(entry, first, end, limit, gone, deadline)
            if found is not None:
                break
            # Something was erased since the point that is read at, or a replica lags.
            await asyncio.sleep(PAUSE_SECONDS if attempt else 0)
            everything = await self._reading.erased(entry.history, deadline)
        else:
            raise StoreUnavailable("a replica of the stream has not caught up in time")
        for generation in sorted(erased)[:limit]:
            found[generation] = await self._remains(entry, generation, erased[generation], deadline)
        return [found[generation] for generation in sorted(found)][:limit]

    async def _kept(
        self,
        entry: Entry,
        first: int,
        end: int,
        limit: int | None,
        gone: Collection[int],
        deadline: float,
    ) -> dict[int, Placed] | None:
        """
        Those that stand in their place, by generation; None if some were missing that must be there: neither those
        that are *gone* nor the head, which ends every history.
        """
        found: dict[int, Placed] = {}
        start = await self._at(entry, first, deadline)
        if start is None:
            return found if not entry.position or entry.position in gone else None
        before: int | None = None
        for part in self._parts(entry):
            if part.last < start.sequence:
                continue
            async for one in self._carried(
                part, max(part.first, start.sequence), deadline, limit=limit
            ):
                if one.generation >= end or len(found) == limit:
                    return found
                follows = one.sequence == start.sequence if before is None else one.before == before
                if not follows and one.before not in gone:
                    return None
                before = one.sequence
                assert one.packed is not None
                found[one.generation] = Placed(one.sequence, unpack(one.packed))
        # Nothing came that ends it: then its last is the head, or a replica has answered that lags.
        return found if entry.position == before or entry.position in gone else None

    async def _carried(
        self, part: _Part, sequence: int, deadline: float, *, limit: int | None = None
    ) -> AsyncIterator[Entry]:
        """What carries a revision, in order, from *sequence* to the end of *part*."""
        number = STRETCH if limit is None else min(STRETCH, limit + 1)
        while sequence <= part.last:
            messages = await self._reading.stretch(part.subject, sequence, number, deadline)
            for message in messages:
                if message.sequence > part.last:
                    return
                entry = entry_in(message)
                if entry.carries_head:
                    self.note(entry)
                    yield entry
            if not messages:
                # The end, or as far as the replica has it: whoever reads this sees whether the rest is missing.
                return
            sequence = messages[-1].sequence + 1

    # --- then ------------------------------------------------------------------------------------

    async def as_of(self, entry: Entry, position: int, deadline: float) -> Placed | None:
        """
        The newest revision that the realm of *entry* had at *position*; None if it had none then.

        Raises:
            HistoryCompacted: It had one, which is gone.
        """
        if entry.generation == 0:
            return None
        found: Placed | None = None
        reading = self._reading
        for part in reversed(self._parts(entry)):
            if part.first > position:
                continue
            point = min(position, part.last)
            last = await reading.last_on(part.subject, part.first, point, deadline)
            if last is not None and last.generation:
                carrying = (
                    last
                    if last.carries_head
                    else await self._carrying(
                        self._subject_at(entry, last.position), last.position, deadline
                    )
                )
                if carrying is not None and carrying.packed is not None:
                    found = Placed(carrying.sequence, unpack(carrying.packed))
                    break
        erased = await self._erased(entry, deadline)
        by_position = sorted((place, generation) for generation, place in erased.items())
        index = bisect_right(by_position, (position, entry.generation)) - 1
        if index >= 0 and (found is None or by_position[index][0] > found.position):
            place, generation = by_position[index]
            return await self._remains(entry, generation, place, deadline)
        if found is None and entry.floor > 1:
            raise HistoryCompacted(entry.floor - 1, entry.floor, realm=entry.realm)
        return found

    # --- what was erased -------------------------------------------------------------------------

    async def _erased(self, entry: Entry, deadline: float) -> Mapping[int, int]:
        """Where revisions stood that were erased, by generation."""
        if not entry.erased:
            return {}
        return await self._reading.erased(entry.history, deadline)

    async def _remains(
        self, entry: Entry, generation: int, position: int, deadline: float
    ) -> Placed:
        packed = await self._reading.remains(entry.history, generation, deadline)
        if packed is None:
            raise StoreCorrupt(
                f"realm {entry.realm}: the stream has lost what is left of generation {generation}"
            )
        return Placed(position, unpack(packed))
