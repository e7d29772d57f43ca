"""
Old history made less, and secrets erased: what is taken out of a stream.

Decides the order in which it is safe: first what is to stay is put down, then the row says that the rest is gone, then
it is removed.  Whoever is interrupted leaves something behind that is no longer said to be there; the next one removes
it.
"""

from __future__ import annotations

import asyncio
import json

from realmconf.errors import HistoryCompacted, RevisionNotFound, StoreUnavailable
from realmconf.stores.nats import failures
from realmconf.stores.nats.asking import EXPECTED
from realmconf.stores.nats.composing import Outgoing
from realmconf.stores.nats.failures import RefusedError
from realmconf.stores.nats.layout import receipt_body
from realmconf.stores.protocol import MINTED, Compaction, Receipt

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

    from realmconf.domain.names import RealmName
    from realmconf.domain.revision import Revision
    from realmconf.stores.nats.history import Histories, Placed
    from realmconf.stores.nats.layout import Entry
    from realmconf.stores.nats.reading import Reading
    from realmconf.stores.nats.wire import Wire
    from realmconf.stores.nats.writing import Writing

REVISIONS_AT_ONCE = 500
GENERATIONS_AT_ONCE = 2_000
"""In one step of a compaction, which is done before the next one begins."""
PUTS_AT_ONCE = 50
"""Sent before the first of them is answered."""


class Keeping:
    """What is removed by one ledger; all runs in its loop."""

    def __init__(self, reading: Reading, histories: Histories, writing: Writing) -> None:
        self._reading = reading
        self._histories = histories
        self._writing = writing

    async def compact(self, realm: RealmName, floor: int, deadline: float) -> Compaction:
        """See ``Store.compact``: each step is said and removed before the next, so that a later call goes on."""
        removed = 0
        while True:
            entry = await self._entry(realm, deadline)
            if entry.generation == 0:
                return Compaction(realm=realm, floor=1, removed=0)
            floor = max(entry.floor, min(floor, entry.generation))
            # What was said already, perhaps by somebody who was interrupted.
            await self._clean(entry, deadline)
            if floor == entry.floor:
                return Compaction(realm=realm, floor=floor, removed=removed)
            removed += await self._raise_floor(
                realm, min(floor, entry.floor + GENERATIONS_AT_ONCE), deadline
            )

    async def _raise_floor(self, realm: RealmName, floor: int, deadline: float) -> int:
        """Say that what is below *floor* is gone; how many revisions these are, or 0 if others said something."""
        entry = await self._entry(realm, deadline)
        if floor <= entry.floor:
            return 0
        removed = await self._keep_receipts(realm, entry, floor, deadline)
        (first,) = await self._histories.revisions(
            entry, first=floor, end=entry.generation + 1, limit=1, deadline=deadline
        )
        kept = entry.copy()
        kept.floor, kept.begin = floor, first.position
        return removed if await self._say(entry, kept, [], deadline) else 0

    async def _entry(self, realm: str, deadline: float) -> Entry:
        entries, _ = await self._reading.newest_entries([realm], deadline)
        return entries[realm]

    async def _say(
        self, entry: Entry, said: Entry, beside: Sequence[Outgoing], deadline: float
    ) -> bool:
        """Let the row of a realm say something else, along with what is put down *beside* it."""
        row = Outgoing(
            self._reading.subjects.row(entry.realm),
            said.body(),
            {EXPECTED: str(entry.sequence)},
            said,
        )
        return await self._writing.put([*beside, row], deadline) is not None

    async def _keep_receipts(
        self, realm: RealmName, entry: Entry, floor: int, deadline: float
    ) -> int:
        """Put receipts down for ids that only revisions below *floor* tell of; how many revisions these are."""
        number, first = 0, entry.floor
        while first < floor:
            part = await self._histories.revisions(
                entry, first=first, end=floor, limit=REVISIONS_AT_ONCE, deadline=deadline
            )
            if not part:
                break
            number += len(part)
            first = part[-1].revision.generation + 1
            messages = [
                self._receipt(realm, entry, one)
                for one in part
                if one.revision.write_id.startswith(MINTED)
            ]
            for begin in range(0, len(messages), PUTS_AT_ONCE):
                await asyncio.gather(
                    *(
                        # One that is there already stays.
                        self._writing.put([one], deadline)
                        for one in messages[begin : begin + PUTS_AT_ONCE]
                    )
                )
        return number

    def _receipt(self, realm: RealmName, entry: Entry, placed: Placed) -> Outgoing:
        receipt = Receipt(
            realm=realm,
            write_id=placed.revision.write_id,
            request="",
            outcome="committed",
            generation=placed.revision.generation,
        )
        subject = self._reading.subjects.receipt(entry.history, receipt.write_id)
        return Outgoing(subject, receipt_body(receipt), {EXPECTED: "0"})

    # --- removing --------------------------------------------------------------------------------

    async def _clean(self, entry: Entry, deadline: float) -> None:
        """Remove whatever was said before the oldest revision of *entry* that is kept, and say no more where it was."""
        await self._remove(
            self._reading.subjects.row(entry.realm), entry.since + 1, entry.begin, deadline
        )
        kept = [part for part in entry.trail if part.last >= entry.begin]
        for part in entry.trail:
            await self._remove(
                self._reading.subjects.row(part.realm),
                part.first,
                min(part.last + 1, entry.begin),
                deadline,
            )
        if entry.erased:
            await self._forget_erased(entry, deadline)
        if len(kept) < len(entry.trail):
            said = entry.copy()
            said.trail = kept
            # If something has come in between, the next one does it.
            await self._say(entry, said, [], deadline)

    async def _remove(self, subject: str, first: int, end: int, deadline: float) -> None:
        """Remove what stands on *subject* from *first* up to before *end*."""
        if end <= first:
            return
        if first == 1:
            await self._api("STREAM.PURGE", {"filter": subject, "seq": end}, deadline)
            return
        # What stands before belongs to others.
        while first < end:
            part = await self._reading.stretch(subject, first, REVISIONS_AT_ONCE, deadline)
            gone = [one.sequence for one in part if one.sequence < end]
            await asyncio.gather(
                *(self._delete(sequence, deadline, is_secret=False) for sequence in gone)
            )
            if not part or part[-1].sequence >= end:
                return
            first = part[-1].sequence + 1

    async def _delete(self, sequence: int, deadline: float, *, is_secret: bool) -> None:
        """Remove one message; *is_secret*: what it was is overwritten on the disk."""
        try:
            await self._api(
                "STREAM.MSG.DELETE", {"seq": sequence, "no_erase": not is_secret}, deadline
            )
        except StoreUnavailable:
            # Removed already, perhaps: by somebody else, or by the question before this one.
            if await self._reading.is_there(sequence, deadline):
                raise

    async def _api(self, what: str, fields: Mapping[str, Any], deadline: float) -> None:
        async def ask(wire: Wire, until: float) -> None:
            await wire.ask_json(f"$JS.API.{what}.{self._reading.stream}", fields, deadline=until)

        try:
            await self._reading.link.repeated(ask, deadline=deadline)
        except RefusedError as refused:
            raise failures.explain(refused, self._reading.place) from None

    # --- erasing ---------------------------------------------------------------------------------

    async def _forget_erased(self, entry: Entry, deadline: float) -> None:
        """Remove what is left of erased revisions below the floor."""
        for generation in await self._reading.erased(entry.history, deadline):
            if generation < entry.floor:
                await self._api(
                    "STREAM.PURGE",
                    {"filter": self._reading.subjects.remains(entry.history, generation)},
                    deadline,
                )

    async def purge(
        self, realm: RealmName, purged: Revision, packed: bytes, deadline: float
    ) -> bool:
        """See ``Ledger.purge``: what is left of it stands beside its realm from then on, and tells its place."""
        subjects = self._reading.subjects
        while True:
            entry = await self._entry(realm, deadline)
            try:
                placed = await self._histories.revision(entry, purged.generation, deadline)
            except (RevisionNotFound, HistoryCompacted):
                return False
            where = await self._reading.newest(subjects.erased(entry.history), deadline)
            known = {} if where is None else json.loads(where.body)
            known[str(purged.generation)] = placed.position
            said = entry.copy()
            said.erased = len(known)
            beside = [
                Outgoing(subjects.remains(entry.history, purged.generation), packed, {}),
                Outgoing(
                    subjects.erased(entry.history),
                    json.dumps(known, separators=(",", ":")).encode(),
                    {EXPECTED: str(0 if where is None else where.sequence)},
                ),
            ]
            if await self._say(entry, said, beside, deadline):
                await self._delete(placed.position, deadline, is_secret=True)
                # An earlier remainder may have had something in it, too.
                await self._api(
                    "STREAM.PURGE",
                    {"filter": subjects.remains(entry.history, purged.generation), "keep": 1},
                    deadline,
                )
                return True
