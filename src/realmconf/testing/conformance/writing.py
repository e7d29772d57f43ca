"""What a store must keep when judgements append: one winner, all or nothing, receipts, the turn."""

from __future__ import annotations

import threading
import time

import pytest

from realmconf.domain.names import RealmName
from realmconf.errors import (
    GenerationConflict,
    InvalidArgument,
    InvalidRealm,
    LockTimeout,
)
from realmconf.testing.conformance.base import (
    ONE,
    TWO,
    StoreSuite,
    append,
    appending,
    changing_nothing,
    grow,
    in_threads,
    soon,
    turn_held,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any

    from realmconf.stores.protocol import Judgement, ReadView, Store


class Refusal(Exception):
    """What a judgement of these tests raises."""


def when_at(generation: int, document: dict[str, Any]) -> Callable[[ReadView], Sequence[Judgement]]:
    """A judgement that appends only after *generation*: the compare of a compare-and-swap."""

    def judge(view: ReadView) -> Sequence[Judgement]:
        current = view.head(ONE).generation
        if current != generation:
            raise GenerationConflict(generation, current, realm=ONE)
        return appending(ONE, document)(view)

    return judge


class WritingSuite(StoreSuite):
    """Writes: exclusive, contiguous, all or nothing, and each id answered once."""

    # --- appending ------------------------------------------------------------------

    def test_generations_are_one_two_three(self, store: Store, other: Store) -> None:
        """G2: generations of a realm are 1, 2, 3 … whoever writes, over tombstones too."""
        documents: list[dict[str, Any] | None] = [{"n": 1}, None, {"n": 2}, None, {"n": 1}]
        for index, document in enumerate(documents):
            append((store, other)[index % 2], ONE, document)
        with store.view() as view:
            kept = view.revisions(ONE)
            assert [one.generation for one in kept] == [1, 2, 3, 4, 5]
            assert [one.document for one in kept] == documents
            assert [one.tombstone for one in kept] == [False, True, False, True, False]

    def test_realms_count_for_themselves(self, store: Store) -> None:
        """Each realm has a counter of its own."""
        grow(store, ONE, 3)
        grow(store, TWO, 1)
        assert (store.head(ONE).generation, store.head(TWO).generation) == (3, 1)

    def test_one_winner_at_each_generation(self, store: Store, other: Store) -> None:
        """G1: of writers that expect the same generation exactly one wins, and the others are told."""
        winners: list[int] = []
        losers: list[GenerationConflict] = []

        def compete(index: int) -> None:
            handle = (store, other)[index % 2]
            for generation in range(10):
                try:
                    handle.apply([ONE], when_at(generation, {"by": index}), deadline=soon())
                except GenerationConflict as lost:
                    losers.append(lost)
                    while handle.head(ONE).generation <= generation:
                        time.sleep(0.001)
                else:
                    winners.append(generation)

        in_threads(6, compete)
        assert sorted(winners) == list(range(10))
        assert len(losers) == 50
        assert all(lost.current > lost.expected for lost in losers)

    def test_many_threads_on_one_handle(self, store: Store) -> None:
        """Every write of 16 threads on one handle is kept, in some order, without a gap."""

        def act(index: int) -> None:
            for number in range(5):
                append(store, ONE, {"by": index, "n": number})

        in_threads(16, act)
        with store.view() as view:
            kept = view.revisions(ONE)
        assert [one.generation for one in kept] == list(range(1, 81))
        for index in range(16):
            mine = [
                one.document["n"] for one in kept if one.document and one.document["by"] == index
            ]
            assert mine == [0, 1, 2, 3, 4]

    def test_a_judgement_sees_the_head(self, store: Store, other: Store) -> None:
        """A judgement is run on the newest state: reads and writes of others are never between."""

        def raise_by_one(view: ReadView) -> Sequence[Judgement]:
            revision = view.head(ONE).revision
            before = 0 if revision is None or revision.document is None else revision.document["n"]
            return appending(ONE, {"n": before + 1})(view)

        def increment(index: int) -> None:
            for number in range(10):
                handle = (store, other)[index % 2]
                handle.apply([ONE], raise_by_one, deadline=soon(), groupable=bool(number % 2))

        in_threads(6, increment)
        revision = store.head(ONE).revision
        assert revision is not None
        assert (revision.generation, revision.document) == (60, {"n": 60})

    def test_what_a_judgement_raises_is_raised(self, store: Store) -> None:
        """An exception of the judgement reaches the caller, and nothing was changed."""
        append(store, ONE, {"n": 1})

        def refuse(view: ReadView) -> Sequence[Judgement]:
            raise Refusal

        for groupable in (True, False):
            with pytest.raises(Refusal):
                store.apply([ONE], refuse, deadline=soon(), groupable=groupable)
        assert store.head(ONE).generation == 1
        assert append(store, ONE, {"n": 2}).generation == 2

    def test_a_refusal_does_not_touch_its_neighbours(self, store: Store) -> None:
        """Writers that wait at once are judged alone: one refusal is nobody else's."""

        def refuse(view: ReadView) -> Sequence[Judgement]:
            raise Refusal

        def act(index: int) -> None:
            for number in range(5):
                if index % 2:
                    append(store, ONE, {"by": index, "n": number})
                else:
                    with pytest.raises(Refusal):
                        store.apply([ONE], refuse, deadline=soon())

        in_threads(8, act)
        assert store.head(ONE).generation == 20

    # --- several realms ---------------------------------------------------------------

    def test_several_realms_together(self, store: Store, other: Store) -> None:
        """Judgements for several realms are appended together; no view shows one without the other."""
        if store.info.transaction_realms_max < 2:
            return

        def both(number: int) -> Callable[[ReadView], Sequence[Judgement]]:
            return lambda view: [
                *appending(ONE, {"n": number})(view),
                *appending(TWO, {"n": number})(view),
            ]

        finished = threading.Event()

        def act(index: int) -> None:
            if index == 0:
                try:
                    for number in range(20):
                        applied = store.apply([ONE, TWO], both(number), deadline=soon())
                        assert [one.head.realm for one in applied] == [ONE, TWO]
                finally:
                    finished.set()
            while not finished.is_set():
                with other.view() as view:
                    assert view.head(ONE).generation == view.head(TWO).generation

        in_threads(3, act)
        assert store.head(TWO).generation == 20

    def test_all_or_nothing(self, store: Store) -> None:
        """If one realm of several cannot be appended to, none is."""
        if store.info.transaction_realms_max < 2:
            return
        append(store, RealmName("taken"), {"n": 1})
        twin = RealmName("Taken")
        with pytest.raises(InvalidRealm):
            store.apply(
                [ONE, twin],
                lambda view: [*appending(ONE, {"n": 1})(view), *appending(twin, {"n": 1})(view)],
                deadline=soon(),
            )
        assert store.head(ONE).generation == 0
        assert append(store, ONE, {"n": 1}).generation == 1

    def test_names_that_differ_by_case_alone(self, store: Store) -> None:
        """Two names that differ only by case cannot both exist."""
        append(store, RealmName("Team"), {"n": 1})
        with pytest.raises(InvalidRealm):
            append(store, RealmName("team"), {"n": 1})
        assert store.head(RealmName("team")).generation == 0

    def test_names_that_come_together_and_differ_by_case_alone(self, store: Store) -> None:
        """Nor can they come to be in one write."""
        if store.info.transaction_realms_max < 2:
            return
        names = [RealmName("Crew"), RealmName("crew")]
        with pytest.raises(InvalidRealm):
            store.apply(
                names,
                lambda view: [one for name in names for one in appending(name, {"n": 1})(view)],
                deadline=soon(),
            )
        assert [store.head(name).generation for name in names] == [0, 0]

    # --- receipts ------------------------------------------------------------------------

    def test_a_given_id_leaves_a_receipt(self, store: Store, other: Store) -> None:
        """G6: a commit under a given id is recorded with it, for every handle."""
        append(store, ONE, {"n": 1}, write_id="mine", request="digest")
        with other.view() as view:
            receipt = view.receipt(ONE, "mine")
            assert receipt is not None
            assert (receipt.outcome, receipt.generation, receipt.request) == (
                "committed",
                1,
                "digest",
            )
            assert view.receipt(ONE, "other") is None
            assert view.receipt(TWO, "mine") is None

    def test_changing_nothing_leaves_a_receipt_too(self, store: Store) -> None:
        """G6: a write under a given id that changed nothing is recorded, and appends nothing."""
        append(store, ONE, {"n": 1})
        (applied,) = store.apply([ONE], changing_nothing(ONE, write_id="mine"), deadline=soon())
        assert applied.head.generation == 1
        with store.view() as view:
            receipt = view.receipt(ONE, "mine")
            assert receipt is not None
            assert (receipt.outcome, receipt.generation) == ("unchanged", 1)
            assert view.head(ONE).generation == 1

    def test_a_judgement_sees_receipts(self, store: Store, other: Store) -> None:
        """A judgement can look up its id inside the turn, whoever wrote it."""
        append(store, ONE, {"n": 1}, write_id="mine")
        seen: list[object] = []

        def look(view: ReadView) -> Sequence[Judgement]:
            seen.append(view.receipt(ONE, "mine"))
            raise Refusal

        with pytest.raises(Refusal):
            other.apply([ONE], look, deadline=soon())
        assert getattr(seen[-1], "generation", None) == 1

    def test_a_voided_id_stays_void(self, store: Store, other: Store) -> None:
        """G6: ``void`` of an unknown id is recorded where a judgement will see it, for good."""
        voided = store.void(ONE, "late", deadline=soon())
        assert voided.outcome == "void"
        assert other.void(ONE, "late", deadline=soon()).outcome == "void"
        with other.view() as view:
            receipt = view.receipt(ONE, "late")
            assert receipt is not None
            assert receipt.outcome == "void"
        assert store.head(ONE).generation == 0

    def test_a_committed_id_cannot_be_voided(self, store: Store, other: Store) -> None:
        """G6: ``void`` of an id that was applied answers its receipt."""
        append(store, ONE, {"n": 1}, write_id="mine")
        receipt = other.void(ONE, "mine", deadline=soon())
        assert (receipt.outcome, receipt.generation) == ("committed", 1)

    # --- the turn --------------------------------------------------------------------------

    def test_a_deadline_ends_the_wait_for_the_turn(self, store: Store, other: Store) -> None:
        """``lock_timeout`` when the turn does not come in time; nothing was changed."""
        is_held = store.info.judging == "turn"
        for handle in (other, store) if is_held else (store,):
            with turn_held(store, ONE):
                # What is judged is not all that waits where a turn is held.
                for act in (_apply, _void) if is_held else (_apply,):
                    with pytest.raises(LockTimeout) as refused:
                        act(handle, time.monotonic() + 0.2)
                    assert refused.value.waited_seconds >= 0.1
            revision = handle.head(ONE).revision
            assert revision is not None
            assert revision.document == {"held": True}
        before = store.head(ONE).generation
        assert append(other, ONE, {"n": 2}).generation == before + 1

    def test_an_optimistic_judgement_holds_up_nobody(self, store: Store, other: Store) -> None:
        """Where no turn is held, others write while a judgement runs, and it is judged again on what they wrote."""
        if store.info.judging != "optimistic":
            return
        with turn_held(store, ONE):
            assert append(other, ONE, {"n": 1}).generation == 1
            assert other.void(ONE, "late", deadline=soon()).outcome == "void"
        revision = store.head(ONE).revision
        assert revision is not None
        assert (revision.generation, revision.document) == (2, {"held": True})

    def test_a_deadline_that_is_over(self, store: Store) -> None:
        """A deadline in the past is either met at once or ``lock_timeout``, and never half of it."""
        try:
            store.apply([ONE], appending(ONE, {"n": 1}), deadline=time.monotonic() - 1)
        except LockTimeout:
            assert store.head(ONE).generation == 0
        else:
            assert store.head(ONE).generation == 1

    def test_a_write_from_inside_a_judgement(self, store: Store) -> None:
        """A write to the same store from inside a judgement is ``invalid_argument`` at once."""

        def write_again(view: ReadView) -> Sequence[Judgement]:
            append(store, TWO, {"n": 1})
            return appending(ONE, {"n": 1})(view)

        with pytest.raises(InvalidArgument):
            store.apply([ONE], write_again, deadline=soon(), groupable=False)
        assert (store.head(ONE).generation, store.head(TWO).generation) == (0, 0)
        assert append(store, ONE, {"n": 1}).generation == 1


def _apply(handle: Store, deadline: float) -> None:
    handle.apply([ONE], appending(ONE, {"n": 1}), deadline=deadline)


def _void(handle: Store, deadline: float) -> None:
    handle.void(ONE, "id", deadline=deadline)
