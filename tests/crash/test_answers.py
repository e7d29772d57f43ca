"""
What the embedded store does between a commit and its answer makes no refusal of it.

The sweeps let each call to the system fail; here fails what seldom comes to one.
"""

from __future__ import annotations

import apsw
import pytest

from realmconf.domain.names import LIMITS
from realmconf.errors import OutcomeUnknown
from realmconf.runtime.client import connect
from realmconf.runtime.project import clone_copies, take_in
from realmconf.stores.embedded import database
from realmconf.stores.embedded.store import EmbeddedStore
from realmconf.stores.embedded.turn import Turn
from realmconf.stores.registry import open_store
from realmconf.testing.conformance.base import ONE, TWO, grow, soon
from realmconf.testing.conformance.keeping import moving


@pytest.fixture
def store(tmp_path):
    # Without working copies no thread of the store's own reads meanwhile.
    opened = open_store(f"sqlite://{tmp_path}/root?working_copies=off", limits=LIMITS)
    grow(opened, ONE, 3)
    yield opened
    opened.close()


@pytest.fixture
def blind_after_a_commit(monkeypatch):
    """No head can be read from the database once something was committed, until this is left."""
    append = Turn.append

    def fail(*_):
        raise apsw.IOError("planted")

    def append_and_go_blind(*args, **options):
        append(*args, **options)
        blinded.setattr(database, "select_head", fail)

    with monkeypatch.context() as blinded:
        blinded.setattr(Turn, "append", append_and_go_blind)
        yield blinded


def test_a_rename_is_answered_from_what_was_judged(store, blind_after_a_commit):
    """G6: the heads that a rename answers are those it made, and nobody looks them up."""
    applied = store.rename(ONE, TWO, moving, deadline=soon())
    blind_after_a_commit.undo()
    assert [one.head for one in applied] == [store.head(TWO), store.head(ONE)]
    assert [one.head.floor for one in applied] == [1, 4]


def test_a_compaction_is_answered_in_the_turn_that_ends_it(store, blind_after_a_commit):
    """G6: that nothing is left to remove is not found out by another look."""
    done = store.compact(ONE, floor=3, deadline=soon())
    blind_after_a_commit.undo()
    assert (done.floor, done.removed) == (3, 2)
    assert store.head(ONE).floor == 3


def test_a_clone_is_taken_in_over_an_unknown_outcome(tmp_path, monkeypatch):
    """G6: a retry that finds what the first attempt made tells its generation."""
    (tmp_path / "web").mkdir()
    (tmp_path / "web" / "config.toml").write_text("# realmconf: web, generation 7\na = 1\n")
    resolve, attempts = EmbeddedStore.resolve, []

    def resolve_and_lose_the_answer(*args, **options):
        applied = resolve(*args, **options)
        attempts.append(applied)
        raise OutcomeUnknown(None)

    monkeypatch.setattr(EmbeddedStore, "resolve", resolve_and_lose_the_answer)
    (taken,) = take_in(str(tmp_path), clone_copies(str(tmp_path)), author="t", message="")
    assert (taken.realm, taken.generation, len(attempts)) == ("web", 8, 1)
    with connect(str(tmp_path)) as client:
        assert [one.generation for one in client.realm("web").history()] == [8]
