"""
From a conditional write to messages: what is said of each realm, what else is put down, and what each waits for.

Decides the form of everything that is written; pure.  Rows come last, so that whoever has a row has what hangs on it.
"""

from __future__ import annotations

import json
import os

from realmconf.domain.document import canonical_bytes
from realmconf.stores.nats.asking import EXPECTED, EXPECTED_ON
from realmconf.stores.nats.layout import NOWHERE, Entry, Stretch, receipt_body
from realmconf.stores.protocol import MINTED

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from realmconf.stores.engine.ledger import Changes, Put
    from realmconf.stores.nats.layout import Message, Subjects
    from realmconf.stores.protocol import Receipt

GUARD_SECONDS = 1
"""How long a message is kept that only carries a condition: nobody reads it, and servers know no shorter time."""


class Found:
    """What has to be known before messages can be composed."""

    def __init__(self) -> None:
        self.entries: dict[str, Entry] = {}
        """Of every realm whose row changes, at the version that must still stand."""
        self.schemas: dict[str, Sequence[str]] = {}
        """The lists of those realms whose lists change."""
        self.known_schemas: frozenset[str] = frozenset()
        """Digests that are there already."""
        self.claimed: frozenset[str] = frozenset()
        """Of the names to be claimed those that are, by the same realm."""
        self.receipts: Mapping[str, Message] = {}
        """What is known of the ids that are told of, by subject."""
        self.keys: Mapping[str, str] | None = None
        self.keys_version = 0


class Outgoing:
    """One message to be put down."""

    __slots__ = ("body", "entry", "headers", "subject")

    def __init__(
        self, subject: str, body: bytes, headers: dict[str, str], entry: Entry | None = None
    ) -> None:
        self.subject = subject
        self.body = body
        self.headers = headers
        self.entry = entry
        """The row that it is, if it is one."""

    @property
    def is_free(self) -> bool:
        """Whether it can carry a condition on another subject."""
        return EXPECTED not in self.headers


def is_own(receipt: Receipt) -> bool:
    """Whether *receipt* is told by the revision that it speaks of, and need not be put down."""
    return receipt.write_id.startswith(MINTED) and receipt.outcome == "committed"


def composed(changes: Changes, found: Found, subjects: Subjects) -> list[Outgoing]:
    """The messages that carry *changes* out, each with what must stand for it; rows last."""
    return _Composed(changes, found, subjects).messages()


class _Composed:
    def __init__(self, changes: Changes, found: Found, subjects: Subjects) -> None:
        self._changes = changes
        self._found = found
        self._subjects = subjects
        self._entries = {
            realm: entry.copy() if entry.history else _new(realm)
            for realm, entry in found.entries.items()
        }
        self._beside: list[Outgoing] = []
        self._rows: list[Outgoing] = []
        self._written: set[str] = set()
        self._parents = {realm: entry.parent for realm, entry in self._entries.items()}

    def messages(self) -> list[Outgoing]:
        changes = self._changes
        if changes.renamed is not None:
            self._rename(*changes.renamed)
        for realm, home in changes.moved.items():
            self._entries[realm].moved_to = home
        for put in changes.puts:
            self._put(put)
        for realm in changes.realms:
            if realm not in self._written:
                self._say(realm, self._entries[realm])
        self._kinship()
        self._claims()
        self._schemas()
        self._receipts()
        self._keys()
        return [*self._beside, *self._rows]

    # --- rows ------------------------------------------------------------------------------------

    def _rename(self, old: str, new: str) -> None:
        left = self._found.entries[old]
        taken = left.copy()
        taken.realm = new
        taken.parent = None
        taken.since = self._found.entries[new].since
        taken.trail = [*left.trail, Stretch(old, left.since + 1, left.sequence, left.generation)]
        self._entries[new] = taken
        begun = _new(old)
        begun.since = left.sequence
        self._entries[old] = begun

    def _put(self, put: Put) -> None:
        entry = self._entries[put.realm]
        revision = put.revision
        restarts = self._changes.floors.get(put.realm) == revision.generation
        is_first = entry.generation == 0 or restarts
        entry.before = NOWHERE if is_first else entry.position
        entry.position = 0
        if is_first:
            entry.floor, entry.begin, entry.trail = revision.generation, 0, ()
        entry.generation = revision.generation
        entry.digest = revision.digest
        entry.parent = put.parent
        entry.exists = not revision.tombstone
        entry.packed = put.packed
        self._say(put.realm, entry)

    def _say(self, realm: str, entry: Entry) -> None:
        """Add a row; places in rows that go along are told from each row's own."""
        headers = {}
        if realm not in self._written:
            self._written.add(realm)
            headers[EXPECTED] = str(self._version(realm))
        number = len(self._rows)
        said = entry.copy()
        said.packed = entry.packed
        said.position = _told(entry.position, number)
        said.begin = _told(entry.begin, number)
        if said.before != NOWHERE:
            said.before = _told(entry.before, number)
        said.is_alone = len(self._entries) == 1 and len(self._changes.puts) == 1
        self._rows.append(Outgoing(self._subjects.row(realm), said.body(), headers, said))
        entry.packed = None
        # For the rows behind it, it stands there.
        entry.position = _placed(entry.position, number)
        entry.begin = _placed(entry.begin, number)

    def _version(self, realm: str) -> int:
        entry = self._found.entries[realm]
        return self._changes.rests_on.get(realm, entry.sequence)  # type: ignore[call-overload, no-any-return]

    # --- what hangs on them ----------------------------------------------------------------------

    def _kinship(self) -> None:
        before = self._parents
        for realm, entry in self._entries.items():
            if entry.parent == before[realm]:
                continue
            for parent, body in ((before[realm], b"0"), (entry.parent, b"1")):
                if parent is not None:
                    self._add(self._subjects.child(parent, realm), body)

    def _claims(self) -> None:
        for realm in self._changes.claims:
            if realm not in self._found.claimed:
                self._add(self._subjects.claim(realm.folded), realm.encode(), version=0)

    def _schemas(self) -> None:
        changes = self._changes
        listed = dict(self._found.schemas)
        if changes.renamed is not None:
            old, new = changes.renamed
            listed[new] = listed[old]
        for realm, schemas in changes.schemas.items():
            for digest, schema in schemas.items():
                if digest not in self._found.known_schemas:
                    self._add(self._subjects.schema(digest), canonical_bytes(schema))
            listed[realm] = tuple(dict.fromkeys((*listed[realm], *schemas)))
        for name, digests in listed.items():
            if digests and list(digests) != list(self._found.schemas[name]):
                body = json.dumps(digests, separators=(",", ":")).encode()
                self._add(self._subjects.schemas(name), body)

    def _receipts(self) -> None:
        for receipt in self._changes.receipts:
            if not is_own(receipt):
                self._add(self._receipt(receipt), receipt_body(receipt), version=0)
        told: dict[str, Receipt] = {}
        for receipt in self._changes.told:
            subject = self._receipt(receipt)
            known = told.get(subject)
            if known is None or (not known.request and receipt.request):
                told[subject] = receipt if known is None else receipt.replace(outcome=known.outcome)
        for subject, receipt in told.items():
            self._tell(subject, receipt)

    def _tell(self, subject: str, receipt: Receipt) -> None:
        """A receipt from elsewhere: kept, unless more is known of the id."""
        there = self._found.receipts.get(subject)
        if there is None:
            if receipt.request or not is_own(receipt):
                self._add(subject, receipt_body(receipt), version=0)
            return
        known = json.loads(there.body)
        if not known["q"] and receipt.request:
            kept = receipt.replace(outcome=known["o"])
            self._add(subject, receipt_body(kept), version=there.sequence)

    def _receipt(self, receipt: Receipt) -> str:
        return self._subjects.receipt(self._entries[receipt.realm].history, receipt.write_id)

    def _keys(self) -> None:
        known = self._found.keys
        if known is not None:
            keys = {name: key.hex() for name, key in self._changes.keys.items()} | dict(known)
            if keys != known:
                body = json.dumps(keys, separators=(",", ":")).encode()
                self._add(self._subjects.own("keys"), body, version=self._found.keys_version)

    def _add(self, subject: str, body: bytes, *, version: int | None = None) -> None:
        headers = {} if version is None else {EXPECTED: str(version)}
        self._beside.append(Outgoing(subject, body, headers))


def realms_of(messages: Iterable[Outgoing]) -> set[str]:
    """Whose rows are among *messages*."""
    return {one.entry.realm for one in messages if one.entry is not None}


def guarded(messages: list[Outgoing], changes: Changes, subjects: Subjects) -> None:
    """Let conditions on rows that do not change be carried along, by messages without one of their own, or by more."""
    written = realms_of(messages)
    free = [one for one in messages if one.is_free]
    guards = 0
    for realm, version in changes.rests_on.items():
        if realm in written:
            continue
        if free:
            carrier = free.pop()
        else:
            carrier = Outgoing(subjects.guard(guards), b"", {"Nats-TTL": f"{GUARD_SECONDS}s"})
            guards += 1
            messages.insert(0, carrier)
        carrier.headers[EXPECTED_ON] = subjects.row(realm)
        carrier.headers[EXPECTED] = str(version)


def others(messages: Sequence[Outgoing], changes: Changes) -> bool:
    """Whether *changes* rest on rows that *messages* do not change."""
    return not changes.rests_on.keys() <= realms_of(messages)


class _Here(int):
    """The number of a row in this write, as the place of a revision that comes with it."""


def _told(place: int, number: int) -> int:
    """*place* as the row with that *number* tells it."""
    return int(place) - number if isinstance(place, _Here) else place


def _placed(place: int, number: int) -> int:
    """*place*, which is its own if it is 0, as that of the row with that *number*."""
    return place if place or isinstance(place, _Here) else _Here(number)


def _new(realm: str) -> Entry:
    return Entry(realm, history=os.urandom(8).hex())
