"""
From a conditional write to one transaction: what must still stand, and what is put down.

Decides the form of everything that is written; pure.  etcd takes 128 comparisons and 128 operations at once, so that
what comes in many realms at a time (receipts of one id, children of one parent) goes into one key.
"""

from __future__ import annotations

import os

from realmconf.domain.record import Record
from realmconf.stores.etcd.asking import delete_of, is_at, is_before, put_of
from realmconf.stores.etcd.layout import (
    INLINE_BYTES_MAX,
    after,
    new_entry,
    news_value,
    receipt_fields,
    receipt_value,
    revision_value,
    together_value,
)
from realmconf.stores.protocol import MINTED

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from realmconf.domain.names import RealmName
    from realmconf.stores.engine.ledger import Changes, Put
    from realmconf.stores.etcd.asking import Comparison, Operation
    from realmconf.stores.etcd.layout import Entry, Keys
    from realmconf.stores.protocol import Receipt


class Together(Record):
    """A key that holds what became of one id in several realms."""

    version: int = 0
    receipts: Mapping[str, list[object]] = {}
    """By history."""


class Found:
    """What has to be known before a write can be composed."""

    def __init__(self, format_version: int) -> None:
        self.format_version = format_version
        self.entries: dict[str, Entry] = {}
        """Of every realm whose row changes, at the version that must still stand."""
        self.point = 0
        """Where it was seen that no name of those that are claimed differs from another's by case alone."""
        self.schemas: dict[str, Sequence[str]] = {}
        """The lists of those realms whose lists change."""
        self.together: Mapping[str, Together] = {}
        """Of the ids that receipts are left for, by id; those that are missing are not there."""
        self.told: Mapping[str, Receipt] = {}
        """What is known of the ids that are told of, by key."""
        self.left_behind: Mapping[str, bytes] = {}
        """Receipts under a name that takes another one's history, by id."""


class Composed:
    """One transaction, and the rows as it leaves them."""

    def __init__(self) -> None:
        self.comparisons: list[Comparison] = []
        self.operations: list[Operation] = []
        self.entries: dict[str, Entry] = {}


def composed(
    changes: Changes, found: Found, keys: Keys, *, rests_widely_on: int | None = None
) -> Composed:
    """
    The transaction that carries *changes* out.

    With *rests_widely_on*, the version of the newest row at a point where all stood that it rests on, it rests on all
    rows of the store in place of so many single ones.
    """
    return _Composing(changes, found, keys).all(rests_widely_on)


class _Composing:
    def __init__(self, changes: Changes, found: Found, keys: Keys) -> None:
        self._changes = changes
        self._found = found
        self._keys = keys
        self._made = Composed()
        self._entries = {realm: entry.copy() for realm, entry in found.entries.items()}
        self._parents = {realm: entry.parent for realm, entry in self._entries.items()}

    def all(self, rests_widely_on: int | None) -> Composed:
        changes = self._changes
        if changes.renamed is not None:
            self._rename(*changes.renamed)
        for realm, home in changes.moved.items():
            self._entries[realm].moved_to = home
        for number, put in enumerate(changes.puts):
            self._append(put, number)
        for realm in changes.realms:
            entry = self._entries[realm]
            self._put(self._keys.row(realm), entry.value())
            self._made.entries[realm] = entry
        self._kinship()
        self._schemas()
        self._receipts()
        for name, key in changes.keys.items():
            # It is called by what it is: one that is there already is the same.
            self._put(self._keys.secrets + name, key)
        news = self._keys.last if changes.puts else self._keys.other
        self._put(news, news_value(len(changes.puts)))
        self._rest(rests_widely_on)
        return self._made

    def _put(self, key: str, value: bytes) -> None:
        self._made.operations.append(put_of(key, value))

    # --- rows ------------------------------------------------------------------------------------

    def _rename(self, old: str, new: str) -> None:
        left = self._entries[old]
        taken = left.copy()
        taken.realm = new
        taken.parent = None
        before = self._entries[new]
        self._entries[new] = taken
        self._entries[old] = new_entry(old)
        # What is known of ids under a name that was never written belongs to the history that takes it.
        for write_id, value in self._found.left_behind.items():
            self._put(self._keys.receipt(taken.history, write_id), value)
        if self._found.left_behind:
            prefix = self._keys.receipts(before.history)
            self._made.operations.append(delete_of(prefix, after(prefix)))

    def _append(self, put: Put, number: int) -> None:
        entry = self._entries[put.realm]
        revision = put.revision
        restarts = self._changes.floors.get(put.realm) == revision.generation
        if restarts and entry.generation:
            self._made.operations.append(
                delete_of(
                    self._keys.revision(entry.history, 0),
                    self._keys.revision(entry.history, revision.generation),
                )
            )
        if entry.generation == 0 or restarts:
            entry.floor = revision.generation
        entry.generation = revision.generation
        entry.digest = revision.digest
        entry.parent = put.parent
        entry.exists = not revision.tombstone
        entry.packed = put.packed if len(put.packed) <= INLINE_BYTES_MAX else None
        self._put(
            self._keys.revision(entry.history, revision.generation),
            revision_value(number, put.packed),
        )

    # --- what hangs on them ----------------------------------------------------------------------

    def _kinship(self) -> None:
        moved: dict[tuple[str, bool], list[str]] = {}
        for realm, entry in self._entries.items():
            before = self._parents[realm]
            if entry.parent == before:
                continue
            if before is not None:
                moved.setdefault((before, False), []).append(realm)
            if entry.parent is not None:
                moved.setdefault((entry.parent, True), []).append(realm)
        for (parent, is_child), children in moved.items():
            if len(children) == 1:
                self._put(self._keys.child(parent, children[0]), b"1" if is_child else b"0")
            else:
                sign = "+" if is_child else "-"
                key = self._keys.child(parent, f"{sign}{os.urandom(8).hex()}")
                self._put(key, " ".join(children).encode())

    def _schemas(self) -> None:
        changes = self._changes
        listed = dict(self._found.schemas)
        if changes.renamed is not None:
            old, new = changes.renamed
            listed[new] = listed[old]
        for realm, schemas in changes.schemas.items():
            listed[realm] = tuple(dict.fromkeys((*listed[realm], *schemas)))
        for name, digests in listed.items():
            if list(digests) != list(self._found.schemas[name]):
                self._put(self._keys.schemas(name), " ".join(digests).encode())

    def _receipts(self) -> None:
        by_id: dict[str, list[Receipt]] = {}
        for receipt in self._changes.receipts:
            by_id.setdefault(receipt.write_id, []).append(receipt)
            self._made.comparisons.append(is_at(self._key_of(receipt), 0))
        for write_id, receipts in by_id.items():
            together = self._found.together.get(write_id, Together())
            key = self._keys.together(write_id)
            if len(receipts) > 1 or not write_id.startswith(MINTED):
                # One that was minted is sent again for the same realms alone.
                self._made.comparisons.append(is_at(key, together.version))
            if len(receipts) == 1:
                self._put(self._key_of(receipts[0]), receipt_value(receipts[0]))
            else:
                kept = dict(together.receipts)
                for one in receipts:
                    kept[self._entries[one.realm].history] = receipt_fields(one)
                self._put(key, together_value(kept))
        told: dict[str, Receipt] = {}
        for receipt in self._changes.told:
            key = self._key_of(receipt)
            known = told.get(key)
            if known is None or (not known.request and receipt.request):
                told[key] = receipt if known is None else receipt.replace(outcome=known.outcome)
        for key, receipt in told.items():
            there = self._found.told.get(key)
            if there is None or (
                not there.request and receipt.request and there.outcome == receipt.outcome
            ):
                self._put(key, receipt_value(receipt))

    def _key_of(self, receipt: Receipt) -> str:
        return self._keys.receipt(self._entries[receipt.realm].history, receipt.write_id)

    # --- what must stand -------------------------------------------------------------------------

    def _rest(self, rests_widely_on: int | None) -> None:
        changes, found = self._changes, self._found
        made = self._made.comparisons
        made.append(is_at(self._keys.format, found.format_version))
        for realm in changes.claims:
            twins = self._keys.twins(realm)
            # Its own row is one of them.
            made.append(is_before(twins, after(twins), found.point + 1))
        newest = changes.newest if rests_widely_on is None else rests_widely_on
        if newest is not None:
            made.append(is_before(self._keys.news, after(self._keys.news), newest + 1))
        if rests_widely_on is None:
            claimed = set(changes.claims)
            for realm, version in versions_of(changes, found).items():
                if realm not in claimed:
                    made.append(is_at(self._keys.row(realm), version))


def versions_of(changes: Changes, found: Found) -> Mapping[RealmName, int]:
    """At which version which rows must stand: also those that are only written anew."""
    written = {realm: found.entries[realm].version for realm in changes.realms}
    return {**written, **changes.rests_on}
