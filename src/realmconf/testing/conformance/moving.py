"""What a store must do whose realms can move: keep history as it comes, and write to nothing that lives elsewhere."""

from __future__ import annotations

import pytest

from realmconf.domain.lineage import SECTION
from realmconf.domain.revision import GENESIS, seal
from realmconf.errors import InvalidArgument, RealmMoved, RealmNotFound, TimelineChanged
from realmconf.stores.protocol import Arrival, Receipt, Step, key_name, moving
from realmconf.testing.conformance.base import (
    ONE,
    THREE,
    TIMEOUT_SECONDS,
    TWO,
    StoreSuite,
    append,
    appending,
    changing_nothing,
    grow,
    holds,
    proved,
    resealed,
    soon,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from realmconf.domain.names import RealmName
    from realmconf.domain.revision import Revision
    from realmconf.stores.protocol import MovingStore, ReadView, Store

THERE = "memory://there"
ELSEWHERE = "memory://elsewhere"
KEY = b"k" * 32
RECEIPTS = 1_200
"""More than a page of them."""


def movable(store: Store) -> MovingStore | None:
    """*store* as one whose realms can move; a store that does not offer it makes no claim."""
    return moving(store)


def nothing_more(_: ReadView) -> None:
    """What a cut-over with nothing left to copy does in the turn."""


def steps_of(store: Store, *realms: RealmName) -> list[Step]:
    """The kept history of *realms*, in the order of commits."""
    with store.view() as view:
        after = {realm: view.head(realm).floor - 1 for realm in realms}
        return list(view.steps(after, limit=10_000))


def arrival_of(
    steps: Sequence[Step],
    *,
    floors: dict[RealmName, int] | None = None,
    receipts: Sequence[Receipt] = (),
    **more: object,
) -> Arrival:
    """What brings *steps* from ``THERE``."""
    return Arrival(
        source=THERE,
        floors=floors or {step.realm: 1 for step in steps},
        steps=steps,
        receipts=receipts,
        **more,  # type: ignore[arg-type]
    )


def sent_away(store: Store, realm: RealmName, to: str = ELSEWHERE) -> None:
    """Mark *realm* as moved."""
    able = movable(store)
    assert able is not None
    able.depart(realm, to, finish=nothing_more, deadline=soon())


def taken_in(store: Store, arrival: Arrival) -> None:
    """Let *arrival* in, and all of its realms live here."""
    able = movable(store)
    assert able is not None
    able.receive(arrival, deadline=soon())
    for realm in arrival.floors:
        revision = store.head(realm).revision
        assert revision is not None
        able.arrive(realm, digest=revision.digest, deadline=soon())


class MovingSuite(StoreSuite):
    """A realm lives in one store at a time; the rest is that nothing of it is lost on the way."""

    # --- leaving -------------------------------------------------------------------------

    def test_a_moved_realm_is_written_no_more(self, store: Store, other: Store) -> None:
        """After the marker every write, no-op and voiding is ``realm_moved`` to where it went; nothing is appended."""
        if movable(store) is None:
            return
        grow(store, ONE, 2)
        other.head(ONE)
        sent_away(store, ONE)
        for handle in (store, other):
            head = handle.head(ONE)
            assert (head.moved_to, head.generation) == (ELSEWHERE, 2)
            for judge in (
                appending(ONE, {"n": 3}),
                appending(ONE, {"n": 3}, write_id="given"),
                changing_nothing(ONE, write_id="idle"),
            ):
                with pytest.raises(RealmMoved) as refused:
                    handle.apply([ONE], judge, deadline=soon())
                assert (refused.value.to, refused.value.realm) == (ELSEWHERE, ONE)
            with pytest.raises(RealmMoved):
                handle.void(ONE, "late", deadline=soon())
            with handle.view() as view:
                assert view.head(ONE).moved_to == ELSEWHERE
                assert [one.generation for one in view.revisions(ONE)] == [1, 2]
                assert [view.receipt(ONE, name) for name in ("given", "idle", "late")] == [None] * 3
        assert append(other, TWO, {"n": 1}).generation == 1

    def test_a_transaction_with_a_moved_realm_does_nothing(self, store: Store) -> None:
        """All or nothing: one realm that moved refuses the whole."""
        if movable(store) is None or store.info.transaction_realms_max < 2:
            return
        grow(store, ONE, 1)
        grow(store, TWO, 1)
        sent_away(store, ONE)
        with pytest.raises(RealmMoved):
            store.apply(
                [TWO, ONE],
                lambda view: [*appending(TWO, {"n": 2})(view), *appending(ONE, {"n": 2})(view)],
                deadline=soon(),
            )
        assert store.head(TWO).generation == 1

    def test_known_ids_of_a_moved_realm_are_answered(self, store: Store) -> None:
        """G6: what an id did before the realm moved is told where it was done."""
        if movable(store) is None:
            return
        append(store, ONE, {"n": 1}, write_id="mine")
        sent_away(store, ONE)
        receipt = store.void(ONE, "mine", deadline=soon())
        assert (receipt.outcome, receipt.generation) == ("committed", 1)

    def test_the_marker_is_set_on_what_was_seen(self, store: Store) -> None:
        """``finish`` sees the newest state, and what it raises leaves the realm where it is."""
        able = movable(store)
        if able is None:
            return
        grow(store, ONE, 3)
        seen = []

        def refuse(view: ReadView) -> None:
            seen.append(view.head(ONE).generation)
            raise ZeroDivisionError

        with pytest.raises(ZeroDivisionError):
            able.depart(ONE, ELSEWHERE, finish=refuse, deadline=soon())
        assert seen == [3]
        assert store.head(ONE).moved_to is None
        assert append(store, ONE, {"n": 4}).generation == 4

    def test_marking_twice(self, store: Store) -> None:
        """The same marker again changes nothing and calls nobody; another one is ``realm_moved``."""
        able = movable(store)
        if able is None:
            return
        grow(store, ONE, 1)
        sent_away(store, ONE)

        def never(_: ReadView) -> None:
            raise ZeroDivisionError

        assert able.depart(ONE, ELSEWHERE, finish=never, deadline=soon()).moved_to == ELSEWHERE
        with pytest.raises(RealmMoved):
            able.depart(ONE, THERE, finish=never, deadline=soon())
        with pytest.raises(RealmNotFound):
            able.depart(TWO, THERE, finish=never, deadline=soon())

    def test_a_proof_and_a_sleeper_hear_of_the_marker(self, store: Store, other: Store) -> None:
        """Nobody goes on reading a realm that has moved, and whoever waits for it is woken."""
        if movable(store) is None:
            return
        grow(store, ONE, 1)
        proofs = [proved(other, realms) for realms in ([ONE], [ONE, TWO])]
        signal = other.signal([ONE])
        other.head(ONE)
        sent_away(store, ONE)
        assert not any(map(holds, proofs))
        while other.head(ONE).moved_to is None:
            assert signal.wait(TIMEOUT_SECONDS)
        signal.close()

    # --- coming ----------------------------------------------------------------------------

    def test_history_comes_as_it_is(self, store: Store, other: Store) -> None:
        """G2, G14: numbers, digests, authors, tombstones, parents and the order of commits are those of the source."""
        if movable(store) is None:
            return
        revisions = [
            append(store, ONE, {"n": 1}, author="ada"),
            append(store, TWO, {"n": 1, SECTION: {TWO: {"parent": str(ONE)}}}),
            append(store, ONE, None),
            append(store, ONE, {"n": 3}, message="again"),
            append(store, TWO, {"n": 2}),
        ]
        steps = steps_of(store, ONE, TWO)
        sent_away(store, ONE)
        sent_away(store, TWO)
        # The way back into the very same store finds everything there; into a new one it is all new.
        fresh = [
            Step(
                position=step.position,
                realm=THREE if step.realm == ONE else step.realm,
                revision=step.revision,
            )
            for step in steps
            if step.realm == ONE
        ]
        taken_in(store, arrival_of(fresh))
        taken_in(store, arrival_of(steps))
        for handle in (store, other):
            with handle.view() as view:
                assert list(view.revisions(THREE)) == [one for one in revisions if one.realm == ONE]
                assert list(view.revisions(ONE)) == list(view.revisions(THREE))
                assert view.children(ONE) == []
            assert handle.head(THREE).moved_to is None
        assert append(other, THREE, {"n": 4}).generation == 4
        assert append(other, ONE, {"n": 4}).generation == 4

    def test_what_arrives_is_written_by_nobody(self, store: Store, other: Store) -> None:
        """Until the cut-over the realm lives where it comes from, and says so."""
        able = movable(store)
        if able is None:
            return
        steps = self._steps(store, 3)
        able.receive(arrival_of(steps[:2]), deadline=soon())
        for handle in (store, other):
            assert handle.head(TWO).moved_to == THERE
            with pytest.raises(RealmMoved) as refused:
                append(handle, TWO, {"n": 9})
            assert refused.value.to == THERE
        able.receive(arrival_of(steps), deadline=soon())
        last = steps[-1].revision
        with pytest.raises(TimelineChanged):
            able.arrive(TWO, digest=steps[1].revision.digest, deadline=soon())
        for _ in range(2):
            head = able.arrive(TWO, digest=last.digest, deadline=soon())
            assert (head.moved_to, head.revision) == (None, last)
        assert append(other, TWO, {"n": 9}).generation == 4
        with pytest.raises(InvalidArgument):
            able.receive(arrival_of(steps), deadline=soon())

    def test_the_end_of_an_arrival_is_heard_of(self, store: Store, other: Store) -> None:
        """Whoever has read, proved or waits for a realm that arrives hears that it lives here."""
        able = movable(store)
        if able is None:
            return
        steps = self._steps(store, 2)
        able.receive(arrival_of(steps), deadline=soon())
        proofs = [proved(other, realms) for realms in ([TWO], [ONE, TWO])]
        signal = other.signal([TWO])
        able.arrive(TWO, digest=steps[-1].revision.digest, deadline=soon())
        assert not any(map(holds, proofs))
        while other.head(TWO).moved_to is not None:
            assert signal.wait(TIMEOUT_SECONDS)
        signal.close()

    def test_another_history_is_refused(self, store: Store) -> None:
        """What does not follow, or stands here otherwise, is ``timeline_changed``, and nothing of it is kept."""
        able = movable(store)
        if able is None:
            return
        grow(store, THREE, 2)
        others = [
            Step(position=step.position, realm=TWO, revision=step.revision)
            for step in steps_of(store, THREE)
        ]
        steps = self._steps(store, 3)
        with pytest.raises(TimelineChanged):
            able.receive(arrival_of([steps[0], steps[2]]), deadline=soon())
        assert store.head(TWO).generation == 0
        able.receive(arrival_of(steps[:1]), deadline=soon())
        for wrong in (others, others[:1], others[1:], [steps[1], others[1]]):
            with pytest.raises(TimelineChanged):
                able.receive(arrival_of(wrong), deadline=soon())
            assert store.head(TWO).generation == 1
        able.receive(arrival_of(steps), deadline=soon())
        assert store.head(TWO).generation == 3

    def test_a_floor_comes_along(self, store: Store) -> None:
        """What the source has compacted is compacted here, whether or not it had come before."""
        able = movable(store)
        if able is None:
            return
        steps = self._steps(store, 4)
        able.receive(arrival_of(steps[:1]), deadline=soon())
        able.receive(arrival_of(steps[2:], floors={TWO: 3}), deadline=soon())
        head = store.head(TWO)
        assert (head.floor, head.generation) == (3, 4)
        with store.view() as view:
            assert [one.generation for one in view.revisions(TWO, after=2)] == [3, 4]

    def test_what_hangs_on_it_comes_along(self, store: Store, other: Store) -> None:
        """Schemas, receipts and the keys that they were made under are here, and stay."""
        able = movable(store)
        if able is None:
            return
        schema = {"type": "object"}
        append(store, ONE, {"n": 1}, schemas=[schema], write_id="mine")
        steps = [
            Step(position=1, realm=TWO, revision=step.revision) for step in steps_of(store, ONE)
        ]
        name = key_name(KEY)
        sent = [
            Receipt(
                realm=TWO, write_id=write_id, request=f"{name}:abc", outcome=outcome, generation=1
            )
            for write_id, outcome in (("mine", "committed"), ("idle", "unchanged"))
        ]
        sent.append(Receipt(realm=TWO, write_id="gone", request="", outcome="void", generation=1))
        with store.view() as view:
            digests = view.schemas(ONE)
            schemas = {TWO: {digest: view.schema(digest) for digest in digests}}
        for _ in range(2):
            able.receive(
                arrival_of(steps, receipts=sent, schemas=schemas, keys={name: KEY}), deadline=soon()
            )
        with other.view() as view:
            assert [view.receipt(TWO, one.write_id) for one in sent] == sent
            assert view.schemas(TWO) == digests
        keys = movable(other).request_keys()  # type: ignore[union-attr]
        assert keys == {key_name(store.request_key()): store.request_key(), name: KEY}
        assert next(iter(keys)) == key_name(store.request_key())

    def test_any_number_of_receipts_comes_along(self, store: Store, other: Store) -> None:
        """However few of them the store takes in one write."""
        able = movable(store)
        if able is None:
            return
        sent = [
            Receipt(
                realm=TWO, write_id=f"sent-{number:04}", request="", outcome="void", generation=1
            )
            for number in range(RECEIPTS)
        ]
        able.receive(arrival_of(self._steps(store, 1), receipts=sent), deadline=soon())
        found = movable(other).receipts(TWO, limit=RECEIPTS)  # type: ignore[union-attr]
        assert list(found) == sent

    def test_receipts_are_listed(self, store: Store) -> None:
        """By id, from a generation on: with a no-op and a void at the generation of the head that they found."""
        able = movable(store)
        if able is None:
            return
        append(store, ONE, {"n": 1}, write_id="b")
        append(store, ONE, {"n": 2}, write_id="a")
        store.apply([ONE], changing_nothing(ONE, write_id="c"), deadline=soon())
        store.void(ONE, "d", deadline=soon())
        append(store, ONE, {"n": 3}, write_id="e")

        def listed(**bounds: object) -> list[tuple[str, str, int]]:
            return [
                (one.write_id, one.outcome, one.generation)
                for one in able.receipts(ONE, **bounds)  # type: ignore[arg-type]
            ]

        everything = [
            ("a", "committed", 2),
            ("b", "committed", 1),
            ("c", "unchanged", 2),
            ("d", "void", 2),
            ("e", "committed", 3),
        ]
        assert listed() == everything
        assert listed(since=2) == [one for one in everything if one[2] >= 2]
        assert listed(after="a", limit=2) == everything[1:3]
        assert listed(since=4) == []
        assert able.receipts(TWO) in ([], ())

    def test_there_and_back(self, store: Store) -> None:
        """A realm that comes back goes on with its own history, without its marker."""
        if movable(store) is None:
            return
        first = grow(store, ONE, 2)
        steps = self._steps(store, 3)
        sent_away(store, ONE)
        grown = self._follow(first[-1], steps)
        taken_in(store, arrival_of(grown))
        assert store.head(ONE).generation == 3
        assert append(store, ONE, {"n": 4}).generation == 4

    @staticmethod
    def _follow(revision: Revision, steps: Sequence[Step]) -> list[Step]:
        following = resealed(
            steps[-1].revision, realm=revision.realm, generation=3, previous=revision.digest
        )
        return [Step(position=9, realm=revision.realm, revision=following)]

    @staticmethod
    def _steps(store: Store, number: int) -> list[Step]:
        """The steps of a realm ``TWO`` of another store, which this one never had."""
        steps: list[Step] = []
        previous = GENESIS
        for generation in range(1, number + 1):
            revision = seal(
                realm=TWO,
                generation=generation,
                kind="set",
                document={"n": generation},
                author="somebody",
                surface="sdk",
                write_id=f"there-{generation}",
                created_at="2024-02-29T12:00:00.000000Z",
                salt=f"salt-{generation}",
                previous=previous,
            )
            previous = revision.digest
            steps.append(Step(position=generation, realm=TWO, revision=revision))
        return steps
