"""What a store must answer about the order of its commits: positions, what was true then, what followed."""

from __future__ import annotations

import pytest

from realmconf.domain.names import RealmName
from realmconf.errors import HistoryCompacted, RevisionNotFound
from realmconf.testing.conformance.base import (
    ONE,
    TWO,
    StoreSuite,
    append,
    appending,
    grow,
    in_threads,
    soon,
)
from realmconf.testing.conformance.kinship import moving_to

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from realmconf.domain.revision import Revision
    from realmconf.stores.protocol import Judgement, ReadView, Store

THREE = RealmName("realm-three")
NEVER = RealmName("never-written")
REALMS = (ONE, TWO, THREE)


def interleaved(store: Store, other: Store) -> list[Revision]:
    """Writes to three realms through two handles, some of them in one transaction; in the order of commits."""
    commits: list[Revision] = []
    order = [ONE, TWO, TWO, THREE, ONE, ONE, TWO, ONE, THREE, THREE, TWO, ONE]
    for number, realm in enumerate(order):
        handle = (store, other)[number % 2]
        commits.append(append(handle, realm, None if number % 5 == 4 else {"n": number}))
        if number % 4 == 3 and store.info.transaction_realms_max > 1:
            commits += together(handle, number)
    return commits


def together(store: Store, number: int) -> list[Revision]:
    """One transaction over two realms."""

    def judge(view: ReadView) -> Sequence[Judgement]:
        return [
            *appending(TWO, {"together": number})(view),
            *appending(ONE, {"together": number})(view),
        ]

    applied = store.apply([TWO, ONE], judge, deadline=soon())
    return [one.head.revision for one in applied if one.head.revision is not None]


def position_of(view: ReadView, revision: Revision) -> int:
    """Where *revision*, of a realm that was not renamed, stands."""
    return view.position(revision.realm, revision.generation)


def newest(commits: Sequence[Revision], realm: RealmName) -> Revision | None:
    """The last of *commits* that is of *realm*."""
    return next((one for one in reversed(commits) if one.realm == realm), None)


class OrderSuite(StoreSuite):
    """One order of commits over all realms, told the same by every question."""

    def test_positions_rise_with_every_commit(self, store: Store, other: Store) -> None:
        """Positions rise in the order of commits, across realms and handles, and stay what they are."""
        commits = interleaved(store, other)
        with store.view() as view:
            positions = [position_of(view, one) for one in commits]
        assert positions[0] >= 1
        assert positions == sorted(set(positions))
        grow(other, ONE, 3)
        with other.view() as view:
            assert [position_of(view, one) for one in commits] == positions

    def test_the_last_position(self, store: Store, other: Store) -> None:
        """A point knows the position of its newest revision, of whichever realm; what appends nothing moves nothing."""
        with store.view() as view:
            start = view.last_position()
        commits = interleaved(store, other)
        store.compact(ONE, floor=3, deadline=soon())
        other.void(ONE, "late", deadline=soon())
        with other.view() as view:
            assert view.last_position() == position_of(view, commits[-1]) > start
            before = view.last_position()
            grow(store, TWO, 1)
            assert view.last_position() == before
        with store.view() as view:
            assert view.last_position() == view.position(TWO, view.head(TWO).generation) > before

    def test_a_judgement_knows_the_last_position(self, store: Store, other: Store) -> None:
        """Inside the turn, and among writers at once, no revision is behind the last position."""
        with store.view() as view:
            start = view.last_position()

        def act(index: int) -> None:
            realm = REALMS[index % 3]

            def judge(view: ReadView) -> Sequence[Judgement]:
                steps = view.steps(dict.fromkeys(REALMS, 0), limit=1_000)
                assert view.last_position() == (steps[-1].position if steps else start)
                return appending(realm, {"by": index})(view)

            for _ in range(4):
                (store, other)[index % 2].apply([realm], judge, deadline=soon())

        in_threads(6, act)

    def test_what_has_no_position(self, store: Store) -> None:
        """What was never written and what is gone is told as it is for ``revision``."""
        grow(store, ONE, 4)
        store.compact(ONE, floor=3, deadline=soon())
        with store.view() as view:
            for generation in (0, -1, 5):
                with pytest.raises(RevisionNotFound) as missed:
                    view.position(ONE, generation)
                assert missed.value.current == 4
            with pytest.raises(RevisionNotFound):
                view.position(NEVER, 1)
            for generation in (1, 2):
                with pytest.raises(HistoryCompacted) as gone:
                    view.position(ONE, generation)
                assert gone.value.floor == 3
            assert view.position(ONE, 3) < view.position(ONE, 4)

    def test_as_of_agrees_with_a_replay(self, store: Store, other: Store) -> None:
        """At every position each realm is what the commits up to there made of it."""
        commits = interleaved(store, other)
        with other.view() as view:
            positions = [position_of(view, one) for one in commits]
            for realm in (*REALMS, NEVER):
                assert view.as_of(realm, 0) is None
                for number in range(1, len(commits) + 1):
                    then = newest(commits[:number], realm)
                    assert view.as_of(realm, positions[number - 1]) == then
                    if number < len(commits):
                        assert view.as_of(realm, positions[number] - 1) == then
                assert view.as_of(realm, positions[-1] + 1_000) == newest(commits, realm)

    def test_steps_agree_with_a_replay(self, store: Store, other: Store) -> None:
        """``steps`` gives what followed of the realms asked for, in the order of commits, and no more than asked."""
        commits = interleaved(store, other)
        with other.view() as view:
            positions = {one.digest: position_of(view, one) for one in commits}
            for one in range(view.head(ONE).generation + 2):
                for two in range(view.head(TWO).generation + 2):
                    for after in (
                        {ONE: one, TWO: two},
                        {THREE: one, NEVER: two, ONE: two},
                        {TWO: one},
                    ):
                        expected = [
                            commit
                            for commit in commits
                            if commit.generation > after.get(commit.realm, commit.generation)
                        ]
                        for limit in (0, 1, 2, 5, 1_000):
                            found = view.steps(after, limit=limit)
                            assert [step.revision for step in found] == expected[:limit]
                            assert all(step.realm == step.revision.realm for step in found)
                            assert all(
                                step.position == positions[step.revision.digest] for step in found
                            )
            assert list(view.steps({}, limit=5)) == []

    def test_order_at_one_point(self, store: Store, other: Store) -> None:
        """An older view goes on answering from its own point."""
        commits = interleaved(store, other)
        after = dict.fromkeys(REALMS, 0)
        with store.view() as view:
            before = list(view.steps(after, limit=100))
            grow(other, ONE, 2)
            append(other, NEVER, {"n": 1})
            assert list(view.steps({**after, NEVER: 0}, limit=100)) == before
            assert [step.revision for step in before] == commits
            last = before[-1].position
            for realm in (*REALMS, NEVER):
                assert view.as_of(realm, last + 1_000) == newest(commits, realm)
            with pytest.raises(RevisionNotFound):
                view.position(NEVER, 1)
        with store.view() as view:
            assert len(view.steps({**after, NEVER: 0}, limit=100)) == len(before) + 3

    def test_order_below_the_floor(self, store: Store, other: Store) -> None:
        """What is gone is told, and never left out without a word; nothing is told where nothing is missing."""
        grow(store, ONE, 3)
        grow(store, TWO, 1)
        grow(store, ONE, 3)
        with store.view() as view:
            positions = [view.position(ONE, generation) for generation in range(1, 7)]
        store.compact(ONE, floor=4, deadline=soon())
        with other.view() as view:
            for after in (0, 1, 2):
                with pytest.raises(HistoryCompacted) as gone:
                    view.steps({TWO: 0, ONE: after}, limit=1)
                assert (gone.value.requested, gone.value.floor) == (after + 1, 4)
            found = view.steps({TWO: 0, ONE: 3}, limit=9)
            assert [(step.realm, step.revision.generation) for step in found] == [
                (TWO, 1),
                *((ONE, generation) for generation in (4, 5, 6)),
            ]
            for position in (0, *positions[:3]):
                with pytest.raises(HistoryCompacted) as gone:
                    view.as_of(ONE, position)
                assert gone.value.floor == 4
            then = view.as_of(ONE, positions[3])
            assert then is not None
            assert then.generation == 4
            assert [view.position(ONE, generation) for generation in (4, 5, 6)] == positions[3:]
            assert view.as_of(TWO, positions[2]) is None

    def test_order_of_a_renamed_realm(self, store: Store, other: Store) -> None:
        """A history that moves keeps its positions, under the new name; the old name has none before the rename."""
        before = grow(store, ONE, 2)
        grow(store, THREE, 1)
        with store.view() as view:
            positions = [position_of(view, one) for one in before]
        store.rename(ONE, TWO, moving_to(TWO, {"n": 2}), deadline=soon())
        append(store, ONE, {"n": 9})
        with other.view() as view:
            assert [view.position(TWO, generation) for generation in (1, 2)] == positions
            assert view.as_of(TWO, positions[1]) == before[1]
            found = view.steps({TWO: 0, THREE: 0, ONE: 2}, limit=9)
            assert [(step.realm, step.revision.generation) for step in found] == [
                (TWO, 1),
                (TWO, 2),
                (THREE, 1),
                (TWO, 3),
                (ONE, 3),
                (ONE, 4),
            ]
            assert [step.revision for step in found[:2]] == before
            with pytest.raises(HistoryCompacted):
                view.as_of(ONE, positions[1])

    def test_order_over_a_purge(self, store: Store) -> None:
        """A purged revision keeps its place."""
        grow(store, ONE, 3)
        with store.view() as view:
            before = [step.position for step in view.steps({ONE: 0}, limit=9)]
        purged = store.purge(ONE, 2, document=None, deadline=soon())
        with store.view() as view:
            found = view.steps({ONE: 0}, limit=9)
            assert [step.position for step in found] == before
            assert found[1].revision == purged
            assert view.as_of(ONE, before[1]) == purged

    def test_a_judgement_sees_the_order(self, store: Store, other: Store) -> None:
        """Inside the turn, and among writers at once, the order is the one that it will be."""
        seen: dict[tuple[RealmName, int], int] = {}
        after = dict.fromkeys(REALMS, 0)

        def act(index: int) -> None:
            realm = REALMS[index % 3]
            handle = (store, other)[index % 2]

            def judge(view: ReadView) -> Sequence[Judgement]:
                steps = view.steps(after, limit=1_000)
                positions = [step.position for step in steps]
                assert positions == sorted(set(positions))
                for name in REALMS:
                    head = view.head(name)
                    mine = [step for step in steps if step.realm == name]
                    assert [step.revision.generation for step in mine] == list(
                        range(1, head.generation + 1)
                    )
                    if mine:
                        assert view.position(name, head.generation) == mine[-1].position
                        assert view.as_of(name, mine[-1].position) == head.revision
                        assert view.as_of(name, mine[0].position - 1) is None
                        then = view.as_of(name, mine[len(mine) // 2].position)
                        assert then == mine[len(mine) // 2].revision
                for step in steps:
                    key = (step.realm, step.revision.generation)
                    assert seen.setdefault(key, step.position) == step.position
                if steps:
                    rest = {name: view.head(name).generation for name in REALMS}
                    rest[steps[-1].realm] -= 1
                    assert view.steps(rest, limit=5) == [steps[-1]]
                return appending(realm, {"by": index})(view)

            for _ in range(6):
                handle.apply([realm], judge, deadline=soon())

        in_threads(6, act)
        with store.view() as view:
            assert len(view.steps(after, limit=1_000)) == 36
            assert all(view.position(*key) == position for key, position in seen.items())
