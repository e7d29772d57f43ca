"""
What can be asked at one point of a store: a ``LedgerView`` at one revision of the server's.

Decides that the point is that of the first question.  Where somebody compacts etcd meanwhile, so that nothing can be
read there any more, the point moves on if everything that was told at the old one stands at the new one as well; else
it is over, and says so.
"""

from __future__ import annotations

import heapq
import time
from operator import itemgetter

from realmconf.domain.document import load_document
from realmconf.errors import (
    HistoryCompacted,
    RevisionNotFound,
    StoreUnavailable,
)
from realmconf.stores.engine.noting import lost_schema
from realmconf.stores.engine.packing import unpack
from realmconf.stores.etcd import history
from realmconf.stores.etcd.asking import range_of
from realmconf.stores.etcd.failures import RefusedError
from realmconf.stores.etcd.layout import (
    after as end_of,
)
from realmconf.stores.etcd.layout import (
    entry_in,
    last_position_in,
    name_in,
    position_in,
    receipt_in,
    together_in,
    trusted_name,
)
from realmconf.stores.etcd.reading import ROWS_AT_ONCE, lost_revision, newest_of
from realmconf.stores.protocol import RealmEntry, Step

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from realmconf.domain.document import Document
    from realmconf.domain.names import RealmName
    from realmconf.domain.revision import Revision
    from realmconf.stores.engine.ledger import Row
    from realmconf.stores.etcd.asking import Found, Operation, Outcome
    from realmconf.stores.etcd.layout import Entry
    from realmconf.stores.etcd.reading import Reading
    from realmconf.stores.protocol import Head, Receipt

    Made = Callable[[int], Sequence[Operation]]
    """The operations of a question, at a revision."""

KEYS_AT_ONCE = 5_000
KEYS_AT_LEAST = 100
TOGETHER_AT_ONCE = 200


class View:
    """See ``LedgerView``; *until* says how long the next question may take."""

    def __init__(
        self, reading: Reading, until: Callable[[], float], on_newest: Callable[[int], None]
    ) -> None:
        """*on_newest* is told of the version of the newest row when it is asked for."""
        self._reading = reading
        self._keys = reading.keys
        self._until = until
        self._on_newest = on_newest
        self._point = 0
        self._rows: dict[str, Entry] = {}
        self._newest: int | None = None

    # --- the point -----------------------------------------------------------------------------

    def ask(self, made: Made) -> Outcome:
        """What the operations find, at the point."""
        deadline = self._until()
        while True:
            try:
                outcome = self._reading.ask(made(self._point), deadline)
            except RefusedError as refused:
                if not refused.is_compacted:
                    raise
                self._move(deadline)
                continue
            if not self._point:
                self._point = outcome.revision
            return outcome

    def _move(self, deadline: float) -> None:
        """
        Raises:
            StoreUnavailable: What was told does not stand any more.
        """
        names = list(self._rows)
        point = 0
        is_same = time.monotonic() < deadline
        for first in range(0, len(names) or 1, ROWS_AT_ONCE):
            part = names[first : first + ROWS_AT_ONCE]
            # A point that is compacted in turn is found at the next question.
            rows = [range_of(self._keys.row(name), revision=point, only_keys=True) for name in part]
            outcome = self._reading.ask([*rows, self._newest_at(point)], deadline)
            point = point or outcome.revision
            now = [one.found[0].version if one.found else 0 for one in outcome.parts[:-1]]
            is_same = is_same and now == [self._rows[name].version for name in part]
        if self._newest is not None and self._newest != newest_of(outcome.parts[-1]):
            is_same = False
        if not is_same:
            raise StoreUnavailable(
                f"{self._reading.place} was compacted while it was read, and has changed since; try again"
            )
        self._point = point

    def _entries(self, realms: Iterable[str]) -> Mapping[str, Entry]:
        missing = [realm for realm in dict.fromkeys(realms) if realm not in self._rows]
        deadline = self._until()
        while missing:
            try:
                found, self._point = self._reading.entries(missing, self._point, deadline)
            except RefusedError as refused:
                if not refused.is_compacted:
                    raise
                self._move(deadline)
            else:
                self._rows.update(found)
                break
        return self._rows

    def _entry(self, realm: str) -> Entry:
        return self._entries([realm])[realm]

    # --- rows ------------------------------------------------------------------------------------

    def rows(self, realms: Sequence[RealmName]) -> Mapping[RealmName, Row]:
        entries = self._entries(realms)
        deadline = self._until()
        while True:
            try:
                return self._reading.rows(entries, realms, self._point, deadline)
            except RefusedError as refused:
                if not refused.is_compacted:
                    raise
                self._move(deadline)

    def head(self, realm: RealmName) -> Head:
        return self.rows([realm])[realm].head

    def newest(self) -> int:
        if self._newest is None:
            self._asked_widely(lambda _: ())
        assert self._newest is not None
        self._on_newest(self._newest)
        return self._newest

    def _asked_widely(self, made: Made) -> Outcome:
        """As ``ask``, for what any write may change."""

        def both(revision: int) -> Sequence[Operation]:
            return [
                *made(revision),
                self._newest_at(revision),
            ]

        outcome = self.ask(both)
        self._newest = newest_of(outcome.parts[-1])
        return outcome

    def _newest_at(self, revision: int) -> Operation:
        news = self._keys.news
        return range_of(news, end_of(news), revision=revision, only_keys=True)

    def twin(self, realm: RealmName) -> bool:
        twins = self._keys.twins(realm)
        outcome = self._asked_widely(
            lambda revision: [range_of(twins, end_of(twins), revision=revision)]
        )
        return any(
            name_in(one.key) != realm and entry_in(one).generation for one in outcome.parts[0].found
        )

    # --- revisions -------------------------------------------------------------------------------

    def _found(self, realm: RealmName, generation: int) -> Found:
        entry = self._entry(realm)
        if not 1 <= generation <= entry.generation:
            raise RevisionNotFound(realm=realm, generation=generation, current=entry.generation)
        if generation < entry.floor:
            raise HistoryCompacted(generation, entry.floor, realm=realm)
        key = self._keys.revision(entry.history, generation)
        (part,) = self.ask(lambda revision: [range_of(key, revision=revision)]).parts
        if not part.found:
            if generation == entry.generation:
                raise lost_revision(realm, generation)
            # A restore may have stepped over it.
            raise RevisionNotFound(realm=realm, generation=generation, current=entry.generation)
        return part.found[0]

    def revision(self, realm: RealmName, generation: int) -> Revision:
        return unpack(history.packed_in(self._found(realm, generation)))

    def position(self, realm: RealmName, generation: int) -> int:
        return position_in(self._found(realm, generation))

    def revisions(
        self,
        realm: RealmName,
        *,
        after: int = 0,
        before: int | None = None,
        limit: int | None = None,
        newest_first: bool = False,
    ) -> Sequence[Revision]:
        entry = self._entry(realm)
        if entry.generation == 0:
            return []
        end = entry.generation + 1 if before is None else min(before, entry.generation + 1)
        if newest_first:
            found = history.last(self, self._keys, entry, after + 1, end, limit)
        else:
            if after + 1 < entry.floor:
                raise HistoryCompacted(after + 1, entry.floor, realm=realm)
            found = history.between(self, self._keys, entry, after + 1, end, limit)
        return [unpack(history.packed_in(one)) for one in found]

    def as_of(self, realm: RealmName, position: int) -> Revision | None:
        entry = self._entry(realm)
        if entry.generation == 0:
            return None
        found = history.as_of(self, self._keys, entry, position)
        if found is None:
            if entry.floor > 1:
                raise HistoryCompacted(entry.floor - 1, entry.floor, realm=realm)
            return None
        return unpack(history.packed_in(found))

    def last_position(self) -> int:
        outcome = self._asked_widely(
            lambda revision: [range_of(self._keys.last, revision=revision)]
        )
        found = outcome.parts[0].found
        return last_position_in(found[0]) if found else 0

    def steps(self, after: Mapping[RealmName, int], *, limit: int) -> Sequence[Step]:
        entries = self._entries(after)
        for realm, generation in after.items():
            floor = entries[realm].floor
            if entries[realm].generation > generation and generation + 1 < floor:
                raise HistoryCompacted(generation + 1, floor, realm=realm)
        found = history.steps(
            self, self._keys, [(entries[realm], after[realm]) for realm in after], limit
        )
        return [
            Step(
                position=position_in(one),
                realm=trusted_name(realm),
                revision=unpack(history.packed_in(one)),
            )
            for realm, one in found
        ]

    # --- receipts --------------------------------------------------------------------------------

    def receipt(self, realm: RealmName, write_id: str) -> Receipt | None:
        entry = self._entry(realm)
        if entry.version == 0:
            return None
        alone, together = self.ask(
            lambda revision: [
                range_of(self._keys.receipt(entry.history, write_id), revision=revision),
                range_of(self._keys.together(write_id), revision=revision),
            ]
        ).parts
        if alone.found:
            return receipt_in(alone.found[0].value, realm, write_id)
        if together.found:
            return together_in(together.found[0].value, entry.history, realm, write_id)
        return None

    def receipts(
        self, realm: RealmName, *, since: int, after: str | None, limit: int | None
    ) -> Sequence[Receipt]:
        entry = self._entry(realm)
        if entry.version == 0:
            return []
        alone, together = self._keys.receipts(entry.history), self._keys.together_prefix
        page = KEYS_AT_ONCE if limit is None else min(max(limit, KEYS_AT_LEAST), KEYS_AT_ONCE)

        def listed(prefix: str, page: int) -> Iterator[tuple[str, bytes]]:
            first = prefix if after is None else f"{prefix}{after}\0"
            for one in self._several(first, end_of(prefix), page=page):
                yield one.key.removeprefix(prefix), one.value

        def several() -> Iterator[tuple[str, Receipt]]:
            for write_id, value in listed(together, min(page, TOGETHER_AT_ONCE)):
                receipt = together_in(value, entry.history, realm, write_id)
                if receipt is not None:
                    yield write_id, receipt

        single = (
            (write_id, receipt_in(value, realm, write_id))
            for write_id, value in listed(alone, page)
        )
        found: dict[str, Receipt] = {}
        # Both are in the order of ids, so that what is behind the limit is not asked for.
        for write_id, receipt in heapq.merge(single, several(), key=itemgetter(0)):
            if write_id in found or receipt.generation < since:
                continue
            if limit is not None and len(found) >= limit:
                break
            found[write_id] = receipt
        return list(found.values())

    def _several(
        self, first: str, end: str, *, only_keys: bool = False, page: int = KEYS_AT_ONCE
    ) -> Iterable[Found]:
        """All keys from *first* up to before *end*, at the point."""
        while True:
            start = first
            (part,) = self.ask(
                lambda revision: [
                    range_of(
                        start,  # noqa: B023 - asked before it is another one
                        end,
                        revision=revision,
                        limit=page,
                        only_keys=only_keys,
                    )
                ]
            ).parts
            yield from part.found
            if part.is_all or not part.found:
                return
            first = part.found[-1].key + "\0"

    # --- names -----------------------------------------------------------------------------------

    def realms(self, *, after: str | None = None, limit: int | None = None) -> Sequence[RealmEntry]:
        if self._newest is None:
            self._asked_widely(lambda _: ())
        rows = self._keys.rows
        # Their keys are in another order, where a name has capitals.
        names = sorted(
            name
            for name in map(
                name_in, (one.key for one in self._several(rows, end_of(rows), only_keys=True))
            )
            if after is None or name > after
        )
        found: list[RealmEntry] = []
        for first in range(0, len(names), ROWS_AT_ONCE):
            part = names[first : first + ROWS_AT_ONCE]
            entries = self._entries(part)
            found += [_listed(entries[name]) for name in part if entries[name].generation]
            if limit is not None and len(found) >= limit:
                break
        return found[:limit]

    def children(self, realm: RealmName) -> Sequence[RealmName]:
        self._entry(realm)
        prefix = self._keys.children(realm)
        said: dict[str, tuple[int, bool]] = {}
        for one in self._several(prefix, end_of(prefix)):
            name = one.key.removeprefix(prefix)
            are_several = name[0] in "+-"
            is_child = name[0] == "+" if are_several else one.value == b"1"
            for child in one.value.decode().split() if are_several else [name]:
                if said.get(child, (0, False))[0] < one.version:
                    said[child] = (one.version, is_child)
        return sorted(trusted_name(child) for child, (_, is_one) in said.items() if is_one)

    # --- schemas ---------------------------------------------------------------------------------

    def schema(self, digest: str) -> Document:
        (part,) = self.ask(
            lambda revision: [range_of(self._keys.schema(digest), revision=revision)]
        ).parts
        if not part.found:
            raise lost_schema(digest)
        return load_document(part.found[0].value.decode())

    def schemas(self, realm: RealmName) -> Sequence[str]:
        self._entry(realm)
        (part,) = self.ask(
            lambda revision: [range_of(self._keys.schemas(realm), revision=revision)]
        ).parts
        return part.found[0].value.decode().split() if part.found else ()


def _listed(entry: Entry) -> RealmEntry:
    return RealmEntry(
        realm=trusted_name(entry.realm),
        generation=entry.generation,
        exists=entry.exists,
        parent=None if entry.parent is None else trusted_name(entry.parent),
        moved_to=entry.moved_to,
    )
