"""What engines have in common, under the interleavings and losses that a seed draws; and what is found by them."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from unittest import mock

import pytest
from tests.stateful.engine_simulation import Simulation

from realmconf.errors import LockTimeout
from realmconf.stores.engine import attempt
from realmconf.stores.engine.attempt import Attempt
from realmconf.stores.engine.composing import changes_of
from realmconf.stores.engine.hearing import Hearing
from realmconf.stores.engine.ledger import Changes, Committed, LostAnswerError, News
from realmconf.stores.engine.noting import Noting, NotKnownError
from realmconf.stores.engine.packing import unpack
from realmconf.testing.modelengine import ModelLedger, engine
from realmconf.testing.modelengine.state import State, stands

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from contextlib import AbstractContextManager
    from typing import Any

    from realmconf.domain.names import RealmName

SEEDS_MAX = 100
RUN = """
import sys
from tests.stateful.engine_simulation import Simulation
run = Simulation(sys.argv[1], seed=3, steps=4000)
assert run.run() == []
for revision in run.engine.state.histories["contended"].revisions:
    print(revision.generation, revision.write_id, revision.digest)
"""


@pytest.mark.parametrize("seed", range(8))
def test_answers_lost_late_and_refused(tmp_path: Path, seed: int) -> None:
    """
    G1-G7: one order of writes explains every answer, an id is carried out once, what was refused is never there, what
    a judgement rested on stood when it was carried out, no watch has a gap, and what is remembered of a realm and its
    parents stood together and never goes back, whatever becomes of hints.
    """
    simulation = Simulation(str(tmp_path), seed=seed)
    assert simulation.run() == []
    assert simulation.faults > 50


def test_a_seed_says_everything(tmp_path: Path) -> None:
    """The same seed is the same run, in any process, so that what was found can be found again."""
    told = [
        subprocess.run(
            [sys.executable, "-c", RUN, str(tmp_path / hashing)],
            env={**os.environ, "PYTHONHASHSEED": hashing},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for hashing in ("1", "2")
    ]
    assert told[0] == told[1]
    assert told[0].count("\n") > 50


# --- planted ---------------------------------------------------------------------------------------


def no_fence() -> AbstractContextManager[object]:
    """A refusal is told while something that was sent may still arrive."""
    return mock.patch.object(Attempt, "_fenced", return_value=None)


def refused_from_memory() -> AbstractContextManager[object]:
    """What a judgement on remembered rows raises is told."""

    def from_memory(self: Attempt) -> object:
        view = Noting(self._known, None)
        try:
            judgements = self._judge(view)
            changes = changes_of(judgements, view)
        except NotKnownError:
            return None
        return self._committed(judgements, changes, view) if changes.realms else None

    return mock.patch.object(Attempt, "_from_memory", from_memory)


def children_untold() -> AbstractContextManager[object]:
    """A parent's row does not change with its children."""

    def untouched(*arguments: Any, **named: Any) -> Changes:
        return changes_of(*arguments, **named).replace(touched=frozenset())

    return mock.patch.object(attempt, "changes_of", untouched)


def rests_on_itself_alone() -> AbstractContextManager[object]:
    """A write rests on the realms that it writes, and not on what else was asked."""

    def narrow(*arguments: Any, **named: Any) -> Changes:
        changes = changes_of(*arguments, **named)
        own = {realm: at for realm, at in changes.rests_on.items() if realm in changes.realms}
        return changes.replace(rests_on=own)

    return mock.patch.object(attempt, "changes_of", narrow)


def sends_again_without_looking() -> AbstractContextManager[object]:
    """After a lost answer it is judged again, whether or not it was carried out."""
    return mock.patch.object(Attempt, "_found_at", return_value=None)


def ids_are_free() -> AbstractContextManager[object]:
    """The engine takes any write id, known or not."""

    def without_receipts(state: State, changes: Changes) -> bool:
        return stands(state, changes.replace(receipts=()))

    return mock.patch.object(engine, "stands", without_receipts)


def unknown_is_refused() -> AbstractContextManager[object]:
    """An answer that did not come in time is a refusal."""

    def unknown(self: Attempt) -> LockTimeout:
        return LockTimeout(waited_seconds=1.0)

    return mock.patch.object(Attempt, "_unknown", unknown)


def acknowledged_when_sent() -> AbstractContextManager[object]:
    """No answer is taken for a good one."""
    plain = ModelLedger.commit

    def commit(self: ModelLedger, changes: Changes, *, deadline: float) -> object:
        try:
            return plain(self, changes, deadline=deadline)
        except LostAnswerError:
            return Committed(versions={})

    return mock.patch.object(ModelLedger, "commit", commit)


def heard_without_a_look_at_gaps() -> AbstractContextManager[object]:
    """A write that was told of is taken for the next one, whatever came before it."""
    plain = Hearing.hear

    def hear(self: Hearing, news: News) -> Sequence[RealmName]:
        self._last = news.before
        return plain(self, news)

    return mock.patch.object(Hearing, "hear", hear)


def heard_without_a_look_at_its_generation() -> AbstractContextManager[object]:
    """A head that was told of is taken for the newest, whichever it is."""

    def is_told(self: Hearing, realm: RealmName, news: News) -> bool:
        standing = self._followed.standing(realm, since=0.0)
        if standing is None or not news.heads.keys() & standing.seen.heads.keys():
            return False
        heads = dict(standing.seen.heads)
        for name in news.heads.keys() & heads.keys():
            revision = unpack(news.heads[name].packed)
            heads[name] = heads[name].replace(revision=revision)
        return self._followed.go_on(realm, standing, heads, news.version or 0)

    return mock.patch.object(Hearing, "_is_told", is_told)


PLANTED = (
    no_fence,
    refused_from_memory,
    children_untold,
    rests_on_itself_alone,
    sends_again_without_looking,
    ids_are_free,
    unknown_is_refused,
    acknowledged_when_sent,
    heard_without_a_look_at_gaps,
    heard_without_a_look_at_its_generation,
)


@pytest.mark.planted
@pytest.mark.parametrize("plant", PLANTED)
def test_what_is_planted_is_found(
    tmp_path: Path, plant: Callable[[], AbstractContextManager[object]]
) -> None:
    """Each way of being wrong is found within a few seeds."""
    with plant():
        for seed in range(SEEDS_MAX):
            if Simulation(str(tmp_path / str(seed)), seed=seed).run():
                return
    pytest.fail(f"nothing was found in {SEEDS_MAX} runs")
