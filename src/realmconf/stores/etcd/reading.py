"""
What is asked of a store's keys at one point, and the rows that are remembered of it.

Decides how a row that is known is not sent again: the question compares it, and asks for it only where it has moved;
and that what was seen before a connection failed is forgotten (see ``link`` for eras).
At which revision is asked is the caller's (``view``, ``ledger``).
"""

from __future__ import annotations

from realmconf.errors import StoreCorrupt, StoreTooNew, StoreUnavailable
from realmconf.stores.engine.known import ROWS_KEPT, digest_of
from realmconf.stores.engine.ledger import Row
from realmconf.stores.engine.packing import unpack
from realmconf.stores.etcd import failures
from realmconf.stores.etcd.asking import (
    TRANSACTION,
    is_at,
    outcome_in,
    range_of,
    transaction,
)
from realmconf.stores.etcd.failures import RefusedError
from realmconf.stores.etcd.layout import FORMAT, Entry, entry_in, new_entry, packed_in
from realmconf.stores.protocol import Head

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from realmconf.domain.names import RealmName
    from realmconf.stores.engine.known import Known
    from realmconf.stores.etcd.asking import Found, Operation, Outcome, Part
    from realmconf.stores.etcd.layout import Keys
    from realmconf.stores.etcd.link import Link

ROWS_AT_ONCE = 100
ENTRIES_KEPT = ROWS_KEPT
"""As many as heads are known of: either is of little use without the other."""


class Reading:
    """The questions of one ledger. Thread-safe."""

    def __init__(self, link: Link, keys: Keys, known: Known, format_version: int) -> None:
        self.link = link
        self.keys = keys
        self.place = link.place
        self.format_version = format_version
        self._known = known
        self._entries: dict[str, Entry] = {}
        self._era = link.era

    def ask(self, operations: Sequence[Operation], deadline: float) -> Outcome:
        """
        What *operations*, which only read, find, all at one point.

        Raises:
            RefusedError: The revision that they name was compacted; or a part is larger than the server sends.
            RealmconfError: It is refused for another reason.
        """
        return self._asked(transaction((), operations), deadline)

    def _asked(self, question: bytes, deadline: float) -> Outcome:
        try:
            return outcome_in(self.link.ask(TRANSACTION, question, deadline=deadline))
        except RefusedError as refused:
            if refused.is_compacted or refused.is_too_large:
                raise
            raise failures.explain(refused, self.place) from None

    def check_format(self, part: Part) -> None:
        """
        Look at what stands where the store says which format it has.

        Raises:
            StoreTooNew: A later release has brought it up.
            StoreUnavailable: It is not what it was when the store was opened.
        """
        if part.found and part.found[0].version == self.format_version:
            return
        value = part.found[0].value if part.found else b""
        if value.isdigit() and int(value) > FORMAT:
            raise StoreTooNew(
                f"{self.place}: a later release of realmconf has brought the store up to format {int(value)}; "
                f"this one knows formats up to {FORMAT}: upgrade realmconf"
            )
        raise StoreUnavailable(
            f"{self.place}: the store is not the one that was opened: was it removed, or restored? open it again",
            retryable=False,
        )

    # --- rows ----------------------------------------------------------------------------------

    def note(self, entry: Entry) -> None:
        """It was seen, or put."""
        known = self._entries.get(entry.realm)
        if known is None or known.version <= entry.version:
            if known is None and len(self._entries) >= ENTRIES_KEPT:
                # Those that came first; a few at once, so that not each that comes looks through all of them.
                for name in list(self._entries)[: ENTRIES_KEPT // 16 + 1]:
                    self._entries.pop(name, None)
            self._entries[entry.realm] = entry

    def note_heard(self, entry: Entry, era: int) -> None:
        """It was told of, in that era."""
        if self.renewed() == era:
            self.note(entry)

    def renewed(self) -> int:
        """The era that it is; what was seen in an earlier one is forgotten."""
        era = self.link.era
        if era != self._era:
            self._era = era
            self._entries.clear()
            self._known.forget_all()
        return era

    def recall(self, realm: str) -> Entry | None:
        """What was last seen of it."""
        return self._entries.get(realm)

    def entries(
        self, realms: Iterable[str], revision: int, deadline: float
    ) -> tuple[dict[str, Entry], int]:
        """
        The rows of *realms* at *revision*, or now if that is 0; and the revision that was read at.

        Raises:
            RefusedError: The revision was compacted.
        """
        names = list(dict.fromkeys(realms))
        found: dict[str, Entry] = {}
        for first in range(0, max(1, len(names)), ROWS_AT_ONCE):
            part = names[first : first + ROWS_AT_ONCE]
            if revision:
                outcome = self.ask(self._rows(part, revision), deadline)
                found |= self._read(part, outcome.parts)
            else:
                entries, revision = self._newest(part, deadline)
                found |= entries
        return found, revision

    def _newest(self, names: Sequence[str], deadline: float) -> tuple[dict[str, Entry], int]:
        while True:
            era = self.renewed()
            known = {
                name: entry for name in names if (entry := self._entries.get(name)) is not None
            }
            unknown = [name for name in names if name not in known]
            outcome = self._asked(
                transaction(
                    [
                        is_at(self.keys.format, self.format_version),
                        *(
                            is_at(self.keys.row(name), entry.version)
                            for name, entry in known.items()
                        ),
                    ],
                    self._rows(unknown, 0),
                    [range_of(self.keys.format), *self._rows(names, 0)],
                ),
                deadline,
            )
            if not outcome.succeeded:
                self.check_format(outcome.parts[0])
                return self._read(names, outcome.parts[1:]), outcome.revision
            if not known or self.renewed() == era:
                return known | self._read(unknown, outcome.parts), outcome.revision
            # The numbers that were compared may be another history's.

    def _rows(self, names: Sequence[str], revision: int) -> list[Operation]:
        return [range_of(self.keys.row(name), revision=revision) for name in names]

    def _read(self, names: Sequence[str], parts: Sequence[Part]) -> dict[str, Entry]:
        found = {}
        for name, part in zip(names, parts, strict=True):
            entry = entry_in(part.found[0]) if part.found else new_entry(name)
            self.note(entry)
            found[name] = entry
        return found

    def rows(
        self,
        entries: Mapping[str, Entry],
        realms: Iterable[RealmName],
        revision: int,
        deadline: float,
    ) -> dict[RealmName, Row]:
        """*entries* as rows, with their heads: known ones where nothing is new, else asked for at *revision*."""
        names = list(dict.fromkeys(realms))
        heads = {realm: self._known_head(realm, entries[realm]) for realm in names}
        missing = [realm for realm in names if heads[realm] is None]
        unread = [realm for realm in missing if entries[realm].packed is None]
        packed = self._packed({realm: entries[realm] for realm in unread}, revision, deadline)
        found = {}
        for realm in names:
            entry, head = entries[realm], heads[realm]
            if head is None:
                inline = packed.get(realm, entry.packed)
                assert inline is not None
                head = Head(
                    realm=realm,
                    revision=unpack(inline),
                    floor=entry.floor,
                    moved_to=entry.moved_to,
                )
            found[realm] = self._row(realm, entry.version, head)
        return found

    def _row(self, realm: RealmName, version: int, head: Head) -> Row:
        known = self._known.recall(realm)
        if (
            known is not None
            and known.version == version
            and digest_of(known.head) == digest_of(head)
        ):
            # Whoever came first has made it: everybody is given the same.
            return known
        return self._known.note(realm, version, head)

    def _known_head(self, realm: RealmName, entry: Entry) -> Head | None:
        """What is known of the head of *entry*; None if it has to be read."""
        known = self._known.recall(realm)
        # A store that was set back gives its numbers again: only the digest tells what they are of.
        if known is not None and digest_of(known.head) == entry.digest:
            head = known.head
            if (head.floor, head.moved_to) == (entry.floor, entry.moved_to):
                return head
            return head.replace(floor=entry.floor, moved_to=entry.moved_to)
        if entry.generation == 0:
            return Head(realm=realm, revision=None, floor=entry.floor, moved_to=entry.moved_to)
        return None

    def _packed(
        self, entries: Mapping[RealmName, Entry], revision: int, deadline: float
    ) -> dict[RealmName, bytes]:
        """The heads of *entries*, as they are kept."""
        found: dict[RealmName, bytes] = {}
        for realm, entry in entries.items():
            # One by one: each may be as large as an answer.
            key = self.keys.revision(entry.history, entry.generation)
            (part,) = self.ask([range_of(key, revision=revision)], deadline).parts
            if not part.found:
                raise lost_revision(realm, entry.generation)
            found[realm] = packed_in(part.found[0])
        return found

    # --- several keys ----------------------------------------------------------------------------

    def pages(
        self,
        first: str,
        end: str,
        *,
        deadline: float,
        page: int,
        only_keys: bool = False,
    ) -> Iterable[Found]:
        """All keys from *first* up to before *end*, at whatever point each page is read."""
        while True:
            (part,) = self.ask(
                [range_of(first, end, limit=page, only_keys=only_keys)], deadline
            ).parts
            yield from part.found
            if part.is_all or not part.found:
                return
            first = part.found[-1].key + "\0"


def newest_of(part: Part) -> int:
    """The version of the newest row, by what is put with every one of them; 0 before the first."""
    return max((one.version for one in part.found), default=0)


def lost_revision(realm: str, generation: int) -> StoreCorrupt:
    """What to raise for a revision that a row names and that is not there."""
    return StoreCorrupt(f"realm {realm}: the store has lost generation {generation}")
