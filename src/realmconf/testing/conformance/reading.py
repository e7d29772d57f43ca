"""What a store must answer to those who read: heads, points in time, history, names, hints."""

from __future__ import annotations

import threading

import pytest

from realmconf.domain.names import RealmName
from realmconf.domain.revision import Policy
from realmconf.domain.write import Append
from realmconf.errors import HistoryCompacted, RevisionNotFound
from realmconf.testing.conformance.base import (
    ONE,
    THREE,
    TIMEOUT_SECONDS,
    TWO,
    StoreSuite,
    append,
    appending,
    grow,
    holds,
    next_revision,
    proved,
    resealed,
    soon,
    turn_held,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from realmconf.stores.protocol import Head, Judgement, ReadView, Store

EVERY_TYPE = {
    "integer": 1,
    "negative": -(2**63),
    "largest": 2**63 - 1,
    "float": 1.0,
    "small": 5e-324,
    "negative zero": -0.0,
    "true": True,
    "text": 'Zürich "quoted" \\ \n\t\u2028 😀 \u0000',
    "": "an empty key",
    "array": [1, 1.0, True, "1", [], {}, [{"deep": [1]}]],
    "object": {"b": 1, "a": 2, "empty": {}},
}


class ReadingSuite(StoreSuite):
    """Reads: linearizable, each from one point, exact in value and type."""

    # --- heads ---------------------------------------------------------------------

    def test_a_realm_never_written_has_generation_zero(self, store: Store) -> None:
        """A realm never written has a head without a revision, generation 0, floor 1."""
        head = store.head(ONE)
        assert (head.realm, head.revision, head.generation, head.floor) == (ONE, None, 0, 1)
        with store.view() as view:
            assert view.head(ONE).generation == 0

    def test_a_revision_comes_back_as_it_was_given(self, store: Store, other: Store) -> None:
        """G5: every field of a revision, and every value with its type, is read as it was written."""
        given = append(
            store,
            ONE,
            EVERY_TYPE,
            kind="adopt",
            author="Zoë",
            surface="file",
            message="why 😀",
            reverts=("/a", "/b~1c"),
            restores=7,
            policy=Policy(require_generation=True, history_keep=3),
            schemas=[{"type": "object"}],
        )
        for handle in (store, other):
            read = handle.head(ONE).revision
            assert read == given
            assert repr(read) == repr(given), "equal in value, not in type"
        with other.view() as view:
            assert repr(view.revision(ONE, 1)) == repr(given)

    def test_a_large_document_comes_back(self, store: Store, other: Store) -> None:
        """A document of the declared size is kept."""
        text = "x" * (min(store.info.document_bytes_max, 1_048_576) - 100)
        append(store, ONE, {"text": text})
        revision = other.head(ONE).revision
        assert revision is not None
        assert revision.document == {"text": text}

    def test_the_largest_generation_is_exact(self, store: Store, other: Store) -> None:
        """Generations are exact up to 2^53 - 1."""
        largest = 2**53 - 1

        def judge(view: ReadView) -> Sequence[Judgement]:
            (judged,) = appending(ONE, {"n": 1})(view)
            revision = next_revision(
                view.head(ONE), {"n": 1}, write_id=judged.write.write_id, kind="restore"
            )
            last = Append(revision=resealed(revision, generation=largest))
            return [judged.replace(decision=last)]

        store.apply([ONE], judge, deadline=soon())
        assert other.head(ONE).generation == largest

    def test_an_unchanged_head_is_the_same_object(self, store: Store) -> None:
        """``head`` returns the same object as long as nothing changed, and another one afterwards."""
        append(store, ONE, {"n": 1})
        first = store.head(ONE)
        assert store.head(ONE) is first
        append(store, ONE, {"n": 2})
        assert store.head(ONE) is not first

    def test_another_handle_sees_a_write_at_once(self, store: Store, other: Store) -> None:
        """G3: a read that begins after a write was acknowledged sees it, through any handle."""
        for number in range(1, 30):
            writer, reader = (store, other) if number % 2 else (other, store)
            reader.head(ONE)
            append(writer, ONE, {"n": number})
            revision = reader.head(ONE).revision
            assert revision is not None
            assert (revision.generation, revision.document) == (number, {"n": number})

    def test_a_peek_is_fresh_or_nothing(self, store: Store, other: Store) -> None:
        """``peek`` answers the newest head or None, never an older head."""
        for number in range(1, 30):
            append(store, ONE, {"n": number})
            assert _generation(other.peek(ONE)) in (None, number)
            other.head(ONE)
            assert _generation(other.peek(ONE)) in (None, number)

    def test_a_proof_ends_with_the_next_write(self, store: Store, other: Store) -> None:
        """A proof holds while its head is the newest, and not after another handle's write."""
        append(store, ONE, {"n": 1})
        proof = proved(store, [ONE])
        assert proof is None or [head.generation for head in proof.heads] == [1]
        append(other, ONE, {"n": 2})
        assert not holds(proof)

    def test_a_proof_of_nothing_ends_with_the_first_write(self, store: Store, other: Store) -> None:
        """That a realm does not exist yet can be proved too, alone and among others, and no longer once it does."""
        append(store, ONE, {"n": 1})
        alone, among = proved(store, [TWO]), proved(store, [ONE, TWO])
        assert alone is None or [head.generation for head in alone.heads] == [0]
        assert among is None or [head.generation for head in among.heads] == [1, 0]
        append(other, TWO, {"n": 1})
        for proof in (alone, among):
            assert not holds(proof)

    def test_a_proof_of_several_ends_with_a_write_to_any(self, store: Store, other: Store) -> None:
        """G9: one word proves the heads of several realms, and does so no longer after a write to any of them."""
        realms = [TWO, ONE, THREE]
        append(store, ONE, {"n": 1})
        generations = {ONE: 1, TWO: 0, THREE: 0}
        for realm in [*realms, *realms]:
            proof = proved(store, realms)
            if proof is not None:
                assert [head.realm for head in proof.heads] == realms
                assert [head.generation for head in proof.heads] == [
                    generations[name] for name in realms
                ]
            generations[realm] += 1
            append(other, realm, {"n": generations[realm]})
            assert not holds(proof)

    def test_a_proof_is_given_again_after_a_write_elsewhere(
        self, store: Store, other: Store
    ) -> None:
        """A write to none of its realms may end a proof; then another one has the identical heads."""
        append(store, ONE, {"n": 1})
        append(store, TWO, {"n": 1})
        for number in range(1, 10):
            before = proved(store, [ONE, TWO])
            append(other, THREE, {"n": number})
            after = proved(store, [ONE, TWO])
            if before is not None and after is not None:
                assert all(
                    one is another for one, another in zip(before.heads, after.heads, strict=True)
                )

    def test_a_proof_is_of_the_newest_heads_when_it_is_given(
        self, store: Store, other: Store
    ) -> None:
        """Whoever is given a proof need not compare it first: its heads were the newest at that moment."""
        for number in range(1, 30):
            append(other, ONE, {"n": number})
            for realms in ([ONE], [ONE, TWO]):
                given = store.proof(realms)
                assert given is None or given.heads[0].generation == number
            assert store.head(ONE).generation == number
            proved(store, [ONE, TWO])

    def test_readers_do_not_wait_for_the_turn(self, store: Store, other: Store) -> None:
        """Reads go on while somebody holds the turn to write."""
        append(store, ONE, {"n": 1})
        with turn_held(store, ONE):
            assert other.head(ONE).generation == 1
            assert store.head(ONE).generation == 1
            with other.view() as view:
                assert view.head(ONE).generation == 1

    # --- points --------------------------------------------------------------------

    def test_a_view_stays_at_its_point(self, store: Store, other: Store) -> None:
        """G9: every answer of a view is from one point, whatever is written meanwhile."""
        append(store, ONE, {"n": 1})
        with store.view() as view:
            assert view.head(ONE).generation == 1
            append(other, ONE, {"n": 2})
            append(other, TWO, {"n": 1})
            assert view.head(ONE).generation == 1
            assert view.head(TWO).generation == 0
            assert [revision.generation for revision in view.revisions(ONE)] == [1]
            assert [entry.realm for entry in view.realms()] == [ONE]
            with pytest.raises(RevisionNotFound):
                view.revision(ONE, 2)
        with store.view() as view:
            assert (view.head(ONE).generation, view.head(TWO).generation) == (2, 1)

    # --- history -------------------------------------------------------------------

    def test_every_generation_can_be_read(self, store: Store) -> None:
        """The revision at each generation is the one that was appended there."""
        revisions = grow(store, ONE, 5)
        with store.view() as view:
            assert [view.revision(ONE, generation) for generation in range(1, 6)] == revisions

    @pytest.mark.parametrize("generation", [0, -1, 4, 2**53 - 1])
    def test_what_never_was_is_not_found(self, store: Store, generation: int) -> None:
        """A generation that there never was is ``revision_not_found``, with the current one."""
        grow(store, ONE, 3)
        with store.view() as view:
            with pytest.raises(RevisionNotFound) as refused:
                view.revision(ONE, generation)
            assert refused.value.current == 3
            with pytest.raises(RevisionNotFound) as refused:
                view.revision(TWO, 1)
            assert refused.value.current == 0

    def test_ranges_are_those_asked_for(self, store: Store) -> None:
        """``revisions`` gives after < generation < before, limited, in the order asked for."""
        grow(store, ONE, 6)
        append(store, TWO, {"n": 1})
        with store.view() as view:
            for after in range(8):
                for before in [None, *range(1, 9)]:
                    for limit in [None, 0, 1, 3, 100]:
                        for newest_first in (False, True):
                            within = [
                                generation
                                for generation in range(1, 7)
                                if generation > after and (before is None or generation < before)
                            ]
                            expected = within[::-1] if newest_first else within
                            found = view.revisions(
                                ONE,
                                after=after,
                                before=before,
                                limit=limit,
                                newest_first=newest_first,
                            )
                            assert [one.generation for one in found] == expected[:limit]

    def test_a_gap_is_never_silent(self, store: Store) -> None:
        """Oldest first from below the floor is ``history_compacted``; newest first ends at the floor."""
        grow(store, ONE, 6)
        store.compact(ONE, floor=4, deadline=soon())
        with store.view() as view:
            with pytest.raises(HistoryCompacted) as refused:
                view.revisions(ONE, after=1)
            assert refused.value.floor == 4
            assert [one.generation for one in view.revisions(ONE, after=3)] == [4, 5, 6]
            assert [one.generation for one in view.revisions(ONE, newest_first=True)] == [6, 5, 4]

    # --- names ---------------------------------------------------------------------

    def test_realms_are_listed_by_name(self, store: Store) -> None:
        """``realms`` lists whoever was ever written, by name, deleted ones too, in pages."""
        for name in ("b", "c", "a", "d"):
            append(store, RealmName(name), {"n": 1})
        append(store, RealmName("c"), None)
        with store.view() as view:
            entries = view.realms()
            assert [(one.realm, one.generation, one.exists) for one in entries] == [
                ("a", 1, True),
                ("b", 1, True),
                ("c", 2, False),
                ("d", 1, True),
            ]
            assert [one.realm for one in view.realms(after="a", limit=2)] == ["b", "c"]
            assert list(view.realms(after="d")) == []

    # --- hints ---------------------------------------------------------------------

    def test_a_write_wakes_a_waiter(self, store: Store, other: Store) -> None:
        """G7: a waiter is woken by a write of another handle."""
        signal = store.signal([ONE])
        timer = threading.Timer(0.05, lambda: append(other, ONE, {"n": 1}))
        timer.start()
        try:
            while store.head(ONE).generation == 0:
                assert signal.wait(TIMEOUT_SECONDS), "never woken"
        finally:
            timer.join()
            signal.close()

    def test_a_hint_before_the_wait_is_kept(self, store: Store, other: Store) -> None:
        """G7: what happened between subscribing and waiting is not missed."""
        signal = store.signal([ONE])
        append(other, ONE, {"n": 1})
        assert signal.wait(TIMEOUT_SECONDS)
        signal.close()

    def test_subscribing_to_all_realms(self, store: Store, other: Store) -> None:
        """A signal for no realm in particular hints at every realm, new ones too."""
        signal = store.signal([])
        append(other, TWO, {"n": 1})
        assert signal.wait(TIMEOUT_SECONDS)
        signal.close()

    def test_closing_a_signal_wakes_for_good(self, store: Store) -> None:
        """``close`` ends every wait, now and later."""
        signal = store.signal([ONE])
        threading.Timer(0.05, signal.close).start()
        signal.wait(None)
        signal.wait(None)

    def test_a_listener_is_called(self, store: Store, other: Store) -> None:
        """``listen`` calls back at every hint from then on."""
        called = threading.Event()
        signal = store.signal([ONE])
        signal.listen(called.set)
        append(other, ONE, {"n": 1})
        assert called.wait(TIMEOUT_SECONDS)
        signal.close()


def _generation(head: Head | None) -> int | None:
    return None if head is None else head.generation
