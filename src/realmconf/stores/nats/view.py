"""
What can be asked at one point of a stream: a ``LedgerView``, each question of which is one way to the loop and back.

Decides that the point is that of the first question.
"""

from __future__ import annotations

import json

from realmconf.domain.document import load_document
from realmconf.domain.names import RealmName
from realmconf.errors import HistoryCompacted, StoreCorrupt
from realmconf.stores.engine.known import digest_of
from realmconf.stores.engine.ledger import Row
from realmconf.stores.engine.noting import lost_schema
from realmconf.stores.nats.layout import names_in, receipt_in, trusted_name
from realmconf.stores.protocol import MINTED, RealmEntry, Receipt, Step

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterable, Mapping, Sequence
    from typing import Any, TypeVar

    from realmconf.domain.document import Document
    from realmconf.domain.revision import Revision
    from realmconf.stores.engine.known import Known
    from realmconf.stores.nats.history import Histories, Placed
    from realmconf.stores.nats.layout import Entry
    from realmconf.stores.nats.reading import Reading
    from realmconf.stores.protocol import Head

    T = TypeVar("T")
    Run = Callable[[Callable[[float], Coroutine[Any, Any, T]]], T]

REALMS_AT_ONCE = 250


class Minted:
    """
    Ids that were minted and sent from here: what became of such a one is told by the revision that it made, and that
    can only be one of few.
    """

    KEPT = 4_096

    def __init__(self) -> None:
        self._asked: set[tuple[str, str]] = set()
        self._sent: dict[tuple[str, str], set[int]] = {}

    def note_sent(self, realm: str, write_id: str, generation: int) -> None:
        """It is about to be sent, for that generation."""
        key = (realm, write_id)
        if key in self._asked:
            # Somebody has it from elsewhere: where else it was sent is not known.
            return
        if len(self._sent) >= self.KEPT:
            self._sent.pop(next(iter(self._sent)))
        self._sent.setdefault(key, set()).add(generation)

    def generations(self, realm: str, write_id: str) -> set[int] | None:
        """The only generations that it can have made; None if it may be any."""
        key = (realm, write_id)
        found = self._sent.get(key)
        if found is None:
            if len(self._asked) >= self.KEPT:
                self._asked.clear()
            self._asked.add(key)
        return found


class View:
    """See ``LedgerView``; *run* lets a question be asked in the loop."""

    def __init__(
        self,
        run: Callable[[Callable[[float], Coroutine[Any, Any, Any]]], Any],
        reading: Reading,
        histories: Histories,
        known: Known,
        minted: Minted,
        *,
        is_stale_ok: bool,
    ) -> None:
        self._run = run
        self._reading = reading
        self._histories = histories
        self._known = known
        self._minted = minted
        self._is_stale_ok = is_stale_ok
        self._point: int | None = None
        self._rows: dict[str, Entry] = {}

    async def _at(self, deadline: float) -> int:
        if self._point is None:
            self._point = await self._reading.point(deadline)
        return self._point

    async def _entries(self, realms: Iterable[str], deadline: float) -> Mapping[str, Entry]:
        missing = [realm for realm in dict.fromkeys(realms) if realm not in self._rows]
        if missing:
            if self._point is None and not self._reading.is_barred:
                # One question for the rows and for their point.
                found, self._point = await self._reading.newest_entries(missing, deadline)
            else:
                found = await self._reading.entries(missing, await self._at(deadline), deadline)
            self._rows.update(found)
        return self._rows

    async def _entry(self, realm: str, deadline: float) -> Entry:
        return (await self._entries([realm], deadline))[realm]

    # --- rows ------------------------------------------------------------------------------------

    def rows(self, realms: Sequence[RealmName]) -> Mapping[RealmName, Row]:
        async def ask(deadline: float) -> Mapping[RealmName, Row]:
            entries = await self._entries(realms, deadline)
            return {
                realm: await row_of(realm, entries[realm], self._histories, self._known, deadline)
                for realm in dict.fromkeys(realms)
            }

        return self._asked(ask)

    def _asked(self, ask: Callable[[float], Coroutine[Any, Any, T]]) -> T:
        found: T = self._run(ask)
        return found

    def newest(self) -> int:
        async def ask(deadline: float) -> int:
            return await self._reading.newest_row(await self._at(deadline), deadline)

        return self._asked(ask)

    def head(self, realm: RealmName) -> Head:
        return self.rows([realm])[realm].head

    def twin(self, realm: RealmName) -> bool:
        async def ask(deadline: float) -> bool:
            subject = self._reading.subjects.claim(realm.folded)
            found = await self._reading.at([subject], await self._at(deadline), deadline)
            return subject in found and found[subject].body.decode() != realm

        return self._asked(ask)

    # --- revisions -------------------------------------------------------------------------------

    def _placed(self, realm: RealmName, generation: int) -> Placed:
        async def ask(deadline: float) -> Placed:
            entry = await self._entry(realm, deadline)
            return await self._histories.revision(entry, generation, deadline)

        return self._asked(ask)

    def revision(self, realm: RealmName, generation: int) -> Revision:
        return self._placed(realm, generation).revision

    def position(self, realm: RealmName, generation: int) -> int:
        return self._placed(realm, generation).position

    def revisions(
        self,
        realm: RealmName,
        *,
        after: int = 0,
        before: int | None = None,
        limit: int | None = None,
        newest_first: bool = False,
    ) -> Sequence[Revision]:
        async def ask(deadline: float) -> list[Revision]:
            entry = await self._entry(realm, deadline)
            if entry.generation == 0:
                return []
            end = entry.generation + 1 if before is None else before
            if newest_first:
                found = await self._last(entry, after + 1, end, limit, deadline)
                return [one.revision for one in reversed(found)]
            if after + 1 < entry.floor:
                raise HistoryCompacted(after + 1, entry.floor, realm=realm)
            found = await self._histories.revisions(
                entry, first=after + 1, end=end, limit=limit, deadline=deadline
            )
            return [one.revision for one in found]

        return self._asked(ask)

    async def _last(
        self, entry: Entry, first: int, end: int, limit: int | None, deadline: float
    ) -> list[Placed]:
        """The last *limit* revisions from generation *first* up to before *end*: numbers may have been stepped over."""
        first, end = max(first, entry.floor), min(end, entry.generation + 1)
        found: list[Placed] = []
        while first < end and (limit is None or len(found) < limit):
            start = first if limit is None else max(first, end - (limit - len(found)))
            part = await self._histories.revisions(
                entry, first=start, end=end, limit=None, deadline=deadline
            )
            found = part + found
            end = start
        return found

    def as_of(self, realm: RealmName, position: int) -> Revision | None:
        async def ask(deadline: float) -> Revision | None:
            entry = await self._entry(realm, deadline)
            found = await self._histories.as_of(entry, position, deadline)
            return None if found is None else found.revision

        return self._asked(ask)

    def last_position(self) -> int:
        async def ask(deadline: float) -> int:
            return await self._reading.last_position(await self._at(deadline), deadline)

        return self._asked(ask)

    def steps(self, after: Mapping[RealmName, int], *, limit: int) -> Sequence[Step]:
        async def ask(deadline: float) -> list[Step]:
            entries = await self._entries(after, deadline)
            found: list[Step] = []
            for realm, generation in after.items():
                entry = entries[realm]
                if entry.generation <= generation:
                    continue
                if generation + 1 < entry.floor:
                    raise HistoryCompacted(generation + 1, entry.floor, realm=realm)
                placed = await self._histories.revisions(
                    entry,
                    first=generation + 1,
                    end=entry.generation + 1,
                    limit=limit,
                    deadline=deadline,
                )
                found += [
                    Step(position=one.position, realm=realm, revision=one.revision)
                    for one in placed
                ]
            found.sort(key=lambda step: step.position)
            return found[:limit]

        return self._asked(ask)

    # --- receipts --------------------------------------------------------------------------------

    def receipt(self, realm: RealmName, write_id: str) -> Receipt | None:
        async def ask(deadline: float) -> Receipt | None:
            entry = await self._entry(realm, deadline)
            if entry.sequence == 0:
                return None
            subject = self._reading.subjects.receipt(entry.history, write_id)
            found = await self._reading.at([subject], await self._at(deadline), deadline)
            if subject in found:
                return receipt_in(found[subject], realm)
            if write_id.startswith(MINTED):
                return await self._minted_receipt(realm, write_id, entry, deadline)
            return None

        return self._asked(ask)

    async def _minted_receipt(
        self, realm: RealmName, write_id: str, entry: Entry, deadline: float
    ) -> Receipt | None:
        """What became of an id that was minted: its revision is its receipt."""
        generations = self._minted.generations(realm, write_id)
        if generations is None:
            placed = await self._histories.revisions(
                entry, first=entry.floor, end=entry.generation + 1, limit=None, deadline=deadline
            )
        else:
            placed = [
                one
                for generation in generations
                for one in await self._histories.revisions(
                    entry,
                    first=max(generation, entry.floor),
                    end=generation + 1,
                    limit=None,
                    deadline=deadline,
                )
            ]
        for one in placed:
            if one.revision.write_id == write_id:
                return Receipt(
                    realm=realm,
                    write_id=write_id,
                    request="",
                    outcome="committed",
                    generation=one.revision.generation,
                )
        return None

    def receipts(
        self, realm: RealmName, *, since: int, after: str | None, limit: int | None
    ) -> Sequence[Receipt]:
        async def ask(deadline: float) -> list[Receipt]:
            entry = await self._entry(realm, deadline)
            if entry.sequence == 0:
                return []
            reading = self._reading
            subjects = await reading.subjects_under(
                reading.subjects.receipt(entry.history, "*"), deadline
            )
            wanted = sorted(
                (write_id, subject)
                for write_id, subject in zip(names_in(subjects), subjects, strict=True)
                if after is None or write_id > after
            )
            found: list[Receipt] = []
            point = await self._at(deadline)
            for first in range(0, len(wanted), REALMS_AT_ONCE):
                part = [subject for _, subject in wanted[first : first + REALMS_AT_ONCE]]
                messages = await reading.at(part, point, deadline)
                receipts = (
                    receipt_in(messages[subject], realm) for subject in part if subject in messages
                )
                found += [one for one in receipts if one.generation >= since]
                if limit is not None and len(found) >= limit:
                    break
            return found[:limit]

        return self._asked(ask)

    # --- names -----------------------------------------------------------------------------------

    def realms(self, *, after: str | None = None, limit: int | None = None) -> Sequence[RealmEntry]:
        async def ask(deadline: float) -> list[RealmEntry]:
            reading = self._reading
            # First the point: whatever is found behind it is not there at it.
            await self._at(deadline)
            names = sorted(
                name
                for name in names_in(await reading.subjects_under(reading.subjects.rows, deadline))
                if after is None or name > after
            )
            found: list[RealmEntry] = []
            for first in range(0, len(names), REALMS_AT_ONCE):
                part = names[first : first + REALMS_AT_ONCE]
                entries = await reading.entries(part, await self._at(deadline), deadline)
                found += [_listed(entries[name]) for name in part if entries[name].generation]
                if limit is not None and len(found) >= limit:
                    break
            return found[:limit]

        return self._asked(ask)

    def children(self, realm: RealmName) -> Sequence[RealmName]:
        async def ask(deadline: float) -> list[RealmName]:
            reading = self._reading
            point = await self._at(deadline)
            subjects = await reading.subjects_under(reading.subjects.child(realm, "*"), deadline)
            found = await reading.at(subjects, point, deadline)
            return sorted(
                trusted_name(name)
                for name, subject in zip(names_in(subjects), subjects, strict=True)
                if subject in found and found[subject].body == b"1"
            )

        return self._asked(ask)

    # --- schemas ---------------------------------------------------------------------------------

    def schema(self, digest: str) -> Document:
        async def ask(deadline: float) -> Document:
            subject = self._reading.subjects.schema(digest)
            found = await self._reading.unchanging(subject, deadline, is_stale_ok=self._is_stale_ok)
            if found is None:
                raise lost_schema(digest)
            return load_document(found.body.decode())

        return self._asked(ask)

    def schemas(self, realm: RealmName) -> Sequence[str]:
        async def ask(deadline: float) -> Sequence[str]:
            subject = self._reading.subjects.schemas(realm)
            found = await self._reading.at([subject], await self._at(deadline), deadline)
            return schemas_in(found[subject].body) if subject in found else ()

        return self._asked(ask)


async def row_of(
    realm: RealmName,
    entry: Entry,
    histories: Histories,
    known: Known,
    deadline: float,
    *,
    is_stale_ok: bool = False,
) -> Row:
    """The row that *entry* is, with the head that is known where it is the same, or else is where *entry* says."""
    if entry.sequence == 0:
        return known.nothing(realm)
    recalled = known.recall(realm)
    if (
        recalled is not None
        and recalled.version == entry.sequence
        and digest_of(recalled.head) == entry.digest
    ):
        return recalled
    histories.note(entry)
    if not entry.carries_head and recalled is not None and entry.digest:
        head = recalled.head
        if head.revision is not None and head.revision.digest == entry.digest:
            if (head.floor, head.moved_to) != (entry.floor, entry.moved_to):
                head = head.replace(floor=entry.floor, moved_to=entry.moved_to)
            return known.note(realm, entry.sequence, head)
    packed = None
    if entry.digest:
        packed = await histories.head(entry, deadline, is_stale_ok=is_stale_ok)
    return known.row(
        realm,
        version=entry.sequence,
        digest=entry.digest,
        packed=packed,
        floor=entry.floor,
        moved_to=entry.moved_to,
    )


def schemas_in(body: bytes) -> list[str]:
    """
    The digests in a list of schemas.

    Raises:
        StoreCorrupt: It cannot be read.
    """
    try:
        return [str(one) for one in json.loads(body)]
    except ValueError as damaged:
        raise StoreCorrupt(
            "a list of schemas in the stream cannot be read: it is damaged"
        ) from damaged


def _listed(entry: Entry) -> RealmEntry:
    return RealmEntry(
        realm=trusted_name(entry.realm),
        generation=entry.generation,
        exists=entry.exists,
        parent=None if entry.parent is None else trusted_name(entry.parent),
        moved_to=entry.moved_to,
    )
