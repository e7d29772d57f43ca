"""What a store must do with what it keeps: rename, compact, purge, back up, close, declare."""

from __future__ import annotations

import os
import stat
import time

import pytest

from realmconf.domain.names import RealmName
from realmconf.domain.revision import intact
from realmconf.errors import HistoryCompacted, RealmconfError, RevisionNotFound
from realmconf.testing.conformance.base import (
    ONE,
    TWO,
    StoreSuite,
    append,
    appending,
    grow,
    holds,
    proved,
    resealed,
    soon,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from realmconf.stores.protocol import Judgement, ReadView, Store


def moving(view: ReadView) -> Sequence[Judgement]:
    """Place the head of ``ONE`` under ``TWO`` and a tombstone where it was."""
    head = view.head(ONE)
    assert head.revision is not None
    (placed,) = appending(ONE, head.revision.document, kind="rename")(view)
    moved = resealed(placed.decision.revision, realm=TWO)  # type: ignore[union-attr]
    (left,) = appending(ONE, None, kind="rename")(view)
    return [
        placed.replace(
            write=placed.write.replace(realm=TWO), decision=placed.decision.replace(revision=moved)
        ),
        left,
    ]


PEEK_SECONDS = 30.0
"""How long a loaded machine may take until a head is proved in memory."""


class KeepingSuite(StoreSuite):
    """Housekeeping: nothing is reused, nothing is lost unsaid, and the declaration is true."""

    # --- rename --------------------------------------------------------------------------

    def test_a_renamed_realm_keeps_its_history(self, store: Store, other: Store) -> None:
        """The history moves to the new name and goes on; the old name goes on counting from there."""
        grow(store, ONE, 3)
        other.head(ONE), other.head(TWO)
        store.rename(ONE, TWO, moving, deadline=soon())
        for handle in (store, other):
            assert (handle.head(TWO).generation, handle.head(ONE).generation) == (4, 4)
            revision = handle.head(ONE).revision
            assert revision is not None
            assert revision.tombstone
            with handle.view() as view:
                assert [one.document for one in view.revisions(TWO)] == [
                    {"n": 1},
                    {"n": 2},
                    {"n": 3},
                    {"n": 3},
                ]
                with pytest.raises(HistoryCompacted):
                    view.revision(ONE, 3)
        assert append(other, ONE, {"n": 9}).generation == 5
        assert append(store, TWO, {"n": 9}).generation == 5

    def test_a_proof_does_not_survive_a_rename(self, store: Store, other: Store) -> None:
        """Whoever had proved the old or the new name must look again."""
        grow(store, ONE, 1)
        proofs = [proved(other, realms) for realms in ([ONE], [TWO], [ONE, TWO])]
        store.rename(ONE, TWO, moving, deadline=soon())
        assert not any(map(holds, proofs))

    # --- compact -------------------------------------------------------------------------

    def test_compaction_raises_the_floor(self, store: Store, other: Store) -> None:
        """Revisions below the floor are gone, typed as such; the rest and the numbers stay."""
        grow(store, ONE, 5)
        other.head(ONE)
        done = store.compact(ONE, floor=4, deadline=soon())
        assert (done.realm, done.floor, done.removed) == (ONE, 4, 3)
        assert other.head(ONE).floor == 4
        with other.view() as view:
            for generation in (1, 2, 3):
                with pytest.raises(HistoryCompacted) as refused:
                    view.revision(ONE, generation)
                assert (refused.value.requested, refused.value.floor) == (generation, 4)
            assert [view.revision(ONE, generation).generation for generation in (4, 5)] == [4, 5]
        assert append(other, ONE, {"n": 6}).generation == 6

    def test_a_proof_does_not_survive_a_compaction(self, store: Store, other: Store) -> None:
        """The floor is part of what a head says."""
        grow(store, ONE, 3)
        proofs = [proved(other, realms) for realms in ([ONE], [ONE, TWO])]
        store.compact(ONE, floor=2, deadline=soon())
        assert not any(map(holds, proofs))

    def test_the_head_is_never_compacted(self, store: Store) -> None:
        """A floor above the head keeps the head, tombstones included; a lower floor changes nothing."""
        grow(store, ONE, 3)
        append(store, ONE, None)
        assert store.compact(ONE, floor=99, deadline=soon()).floor == 4
        assert store.compact(ONE, floor=1, deadline=soon()).floor == 4
        assert (store.head(ONE).generation, store.head(ONE).floor) == (4, 4)
        assert append(store, ONE, {"n": 1}).generation == 5

    def test_receipts_survive_compaction(self, store: Store) -> None:
        """G6: an id is known after its revision was compacted."""
        append(store, ONE, {"n": 1}, write_id="mine")
        grow(store, ONE, 3)
        store.compact(ONE, floor=4, deadline=soon())
        with store.view() as view:
            receipt = view.receipt(ONE, "mine")
        assert receipt is not None
        assert receipt.generation == 1

    # --- purge ---------------------------------------------------------------------------

    def test_a_purge_leaves_the_chain(self, store: Store, other: Store) -> None:
        """G14: a purged revision has lost document and salt, and its digests still verify."""
        before = grow(store, ONE, 3)
        store.purge(ONE, 2, document=None, deadline=soon())
        with other.view() as view:
            kept = list(view.revisions(ONE))
        assert [one.digest for one in kept] == [one.digest for one in before]
        assert (kept[1].document, kept[1].salt, kept[1].purged) == (None, "", True)
        assert not kept[1].tombstone
        assert all(intact(one) for one in kept)
        assert kept[0] == before[0]
        assert kept[2] == before[2]

    def test_a_purge_of_nothing(self, store: Store) -> None:
        """Purging a generation that there never was is ``revision_not_found``."""
        grow(store, ONE, 1)
        with pytest.raises(RevisionNotFound):
            store.purge(ONE, 2, document=None, deadline=soon())

    # --- backup --------------------------------------------------------------------------

    def test_a_backup_holds_everything(self, store: Store, tmp_path: Path) -> None:
        """A backup is one consistent copy of every revision, in a new private file."""
        grow(store, ONE, 3)
        append(store, ONE, None)
        grow(store, TWO, 2)
        path = str(tmp_path / "copy")
        store.backup(path)
        grow(store, TWO, 1)
        found = list(store.revisions_in(path))
        assert [(one.realm, one.generation) for one in found] == [
            *((ONE, generation) for generation in (1, 2, 3, 4)),
            *((TWO, generation) for generation in (1, 2)),
        ]
        with store.view() as view:
            for one in found:
                assert one == view.revision(one.realm, one.generation)
        assert stat.S_IMODE(os.stat(path).st_mode) == 0o600

    def test_a_backup_overwrites_nothing(self, store: Store, tmp_path: Path) -> None:
        """A backup onto an existing file is refused, and the file is as it was."""
        grow(store, ONE, 1)
        path = tmp_path / "precious"
        path.write_text("mine")
        with pytest.raises(RealmconfError):
            store.backup(str(path))
        assert path.read_text() == "mine"

    # --- closing and declaring --------------------------------------------------------------

    def test_closing_twice(self, store: Store, other: Store) -> None:
        """``close`` is idempotent, and nobody else's handle notices."""
        grow(store, ONE, 1)
        store.close()
        store.close()
        assert other.head(ONE).generation == 1
        assert append(other, ONE, {"n": 2}).generation == 2

    def test_a_proof_ends_with_its_handle(self, store: Store, other: Store) -> None:
        """Nothing that a handle has proved holds after ``close``; what another one has proved goes on."""
        grow(store, ONE, 1)
        proofs = [proved(store, realms) for realms in ([ONE], [ONE, TWO])]
        others = [proved(other, realms) for realms in ([ONE], [ONE, TWO])]
        store.close()
        assert not any(map(holds, proofs))
        append(other, TWO, {"n": 1})
        assert not holds(others[1])
        assert [store.proof(realms) for realms in ([ONE], [ONE, TWO])] == [None, None]

    def test_what_is_declared_durable_is_there_after_closing(
        self, store: Store, store_url: str
    ) -> None:
        """G4: if the store is declared durable, a later opening finds everything."""
        revisions = grow(store, ONE, 3)
        store.close()
        again = self.open(store_url)
        try:
            if again.info.durable:
                with again.view() as view:
                    assert list(view.revisions(ONE)) == revisions
            assert append(again, TWO, {"n": 1}).generation == 1
        finally:
            again.close()

    def test_the_url_opens_the_store_again(self, store: Store) -> None:
        """``url`` names this very store."""
        grow(store, ONE, 2)
        again = self.open(store.url)
        try:
            assert again.head(ONE).generation == 2
        finally:
            again.close()

    def test_the_declaration_uses_known_words(self, store: Store) -> None:
        """G13: ``StoreInfo`` says what is weaker, in words that callers can rely on."""
        info = store.info
        assert info.name
        assert info.reads in ("linearizable", "stale")
        assert info.history in ("all", "bounded")
        assert info.watch in ("push", "poll")
        assert info.composition in ("snapshot", "double_collect")
        assert info.cross_realm_validation in ("strict", "advisory")
        assert info.working_copy in ("exchange", "replace", "none")
        assert info.fresh_read in ("memory", "query")
        assert info.current in ("proved", "last_known")
        assert info.judging in ("turn", "optimistic")
        assert info.transaction_realms_max >= 1
        assert info.receipts_kept >= 100_000

    def test_a_fresh_read_from_memory_is_one(self, store: Store) -> None:
        """G13: ``fresh_read="memory"`` means that ``peek`` answers and proofs are given soon after the first reads."""
        grow(store, ONE, 1)
        if store.info.fresh_read != "memory":
            return
        deadline = time.monotonic() + PEEK_SECONDS
        while True:
            # The first reads may be spent on asking to be told of changes, or come before there is what to be told of.
            store.head(ONE)
            head = store.peek(ONE)
            if head is not None or time.monotonic() > deadline:
                break
            time.sleep(0.01)
        assert head is not None
        assert head.generation == 1
        for realms in ([ONE], [TWO, ONE]):
            proof = proved(store, realms)
            assert proof is not None
            assert proof.heads[-1].generation == 1

    def test_realm_names_reach_no_further(self, store: Store) -> None:
        """Names at the edge of the grammar are realms like any other."""
        names = ["a", "0", "A-_-", "x" * 64, "con", "nul", "global", "ws-0123456789abcdef"]
        for name in names:
            append(store, RealmName(name), {"name": name})
        for name in names:
            revision = store.head(RealmName(name)).revision
            assert revision is not None
            assert revision.document == {"name": name}
