"""Proofs of the embedded store: had without I/O, and taken back by whatever could make them untrue (G3, G9)."""

from __future__ import annotations

import os
import time
from contextlib import closing
from typing import Any

import pytest

import realmconf
from realmconf.domain.names import GLOBAL, LIMITS, RealmName
from realmconf.errors import ForkedInTransaction
from realmconf.runtime.client import Client
from realmconf.stores.embedded import proofs, workcopy, workglance
from realmconf.stores.embedded.counters import PENDING, slot_of
from realmconf.stores.embedded.session import COMPARE_SECONDS, Session
from realmconf.stores.embedded.store import EmbeddedStore
from realmconf.stores.protocol import Proof
from realmconf.testing.conformance.base import append, holds, proved, soon

TEAM, OTHER = RealmName("team"), RealmName("other")
CHAIN = [TEAM, GLOBAL]

PATIENCE_SECONDS = 20.0


def opened(root) -> Any:
    return EmbeddedStore(str(root), limits=LIMITS, working_copies=False)


@pytest.fixture
def store(tmp_path):
    """A store with the realm ``team``, and nothing beside it that would take a proof back."""
    with closing(opened(tmp_path / "root")) as store:
        append(store, TEAM, {"x": 1})
        yield store


def given(store, realms):
    proof = proved(store, realms)
    assert proof is not None
    return proof


def without_reading(monkeypatch):
    """From now on nothing may be read from the record."""

    def refuse(*_, **__):
        raise AssertionError("it was read from the record")

    monkeypatch.setattr(Session, "read_head", refuse)


def in_child(call) -> int:
    pid = os.fork()
    if pid == 0:
        code = 99
        try:
            code = call()
        finally:
            os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


# --- given ---------------------------------------------------------------------------------


def test_given_again_without_reading(store, monkeypatch):
    """After a commit to another realm the identical heads are proved by looks at memory alone."""
    before = given(store, CHAIN)
    append(store, OTHER, {"x": 1})
    assert not holds(before)
    without_reading(monkeypatch)
    after = store.proof(CHAIN)
    assert all(one is other for one, other in zip(before.heads, after.heads, strict=True))
    assert holds(after)


def test_one_realm_is_proved_by_its_own_word(store):
    """A reader of one realm is not disturbed by commits to others."""
    alone = given(store, [TEAM])
    append(store, OTHER, {"x": 1})
    assert holds(alone)


def test_a_commit_in_progress_is_in_the_way_of_its_own_readers_only(store):
    """Whatever a writer is at, or died in: who does not depend on its realms is proved as ever, the others are not."""
    given(store, [OTHER, GLOBAL])
    given(store, CHAIN)
    counters = store._place.session.counters
    counters.begin([slot_of(OTHER)])
    assert counters.interrupted
    assert holds(store.proof(CHAIN))
    assert store.proof([TEAM, OTHER, GLOBAL]) is None
    assert store.proof([OTHER]) is None
    append(store, GLOBAL, {"x": 1})
    assert not counters.interrupted
    assert [head.generation for head in given(store, [TEAM, OTHER, GLOBAL]).heads] == [1, 0, 1]


def test_a_fence_announces_itself(store):
    """No slot moves on without the word that several compare, also where a writer died before it moved that."""
    proof = given(store, CHAIN)
    words = store._place.session.counters.words
    words[PENDING] |= 1
    words[slot_of(TEAM)] |= 1
    with store.turn(soon()):
        assert not holds(proof)
    assert words[slot_of(TEAM)] % 2 == 0
    assert [head.generation for head in given(store, CHAIN).heads] == [1, 0]


def test_a_turn_gives_back_no_proof_that_was_taken(store):
    """G8: a writer that reads the head has not looked at the file: what was taken back by an edit stays taken back."""
    given(store, [TEAM])
    store._place.session.doubt(TEAM)
    with store.turn(soon()) as turn:
        assert turn.head(TEAM).generation == 1
    assert store.proof([TEAM]) is None
    assert store.peek(TEAM) is None
    assert given(store, [TEAM]).heads[0].generation == 1


def test_a_look_that_is_under_way_is_no_silence(tmp_path, monkeypatch):
    """G8: while one thread looks at a file no other takes what was said at the look before for what is true now."""
    with realmconf.connect(str(tmp_path / "root"), author="ada") as client:
        realm = client.realm("team")
        realm.set({"a": 1})
        realm.publish()
        for _ in range(3):
            realm.get()
        store: Any = client.store
        working = store._working_of(TEAM)
        owed = []

        def seen(*words):
            owed.append(working.owes_a_look(TEAM))
            return workglance.glance(*words)

        monkeypatch.setattr(workcopy, "glance", seen)
        (tmp_path / "root" / "team" / "config.toml").write_text("a = [")
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not realm.get().warnings:
            assert time.monotonic() < deadline
            time.sleep(0.01)
    assert owed
    assert all(owed)


# --- taken back ----------------------------------------------------------------------------


def test_as_many_as_there_are_end_at_once(store, monkeypatch):
    """Ten thousand realms that share an ancestor cost no more to take back than two, and leave nothing behind."""
    realms = [RealmName(f"tenant-{number}") for number in range(200)]
    for realm in realms:
        store.head(realm)
    chains = [[realm, GLOBAL] for realm in realms]
    chains_proved = [given(store, chain) for chain in chains]
    assert all(map(holds, chains_proved))
    proofs = store._place.session.proofs
    assert len(proofs._common) == 1
    store._place.session.doubt(realms[7])
    assert not any(map(holds, chains_proved))
    assert (proofs._common, proofs._joined) == ([], set())
    without_reading(monkeypatch)
    assert store.proof(chains[7]) is None
    assert all(holds(store.proof(chain)) for chain in chains if chain != chains[7])


def test_a_doubt_of_nobody_in_them_ends_none(store):
    """Realms whose files nobody tells of are doubted at every read: that is their readers' matter."""
    chain = given(store, CHAIN)
    store.head(OTHER)
    store._place.session.doubt(OTHER)
    assert holds(chain)


def test_a_file_that_is_replaced_ends_all(store, tmp_path):
    """What happens in the store's folder is told of by the kernel, and the files are compared before the next read."""
    proofs = [given(store, realms) for realms in ([TEAM], CHAIN)]
    (tmp_path / "root" / ".store" / "something").touch()
    deadline = time.monotonic() + PATIENCE_SECONDS
    while any(map(holds, proofs)):
        assert time.monotonic() < deadline
        time.sleep(0.001)
    assert [head.generation for head in given(store, CHAIN).heads] == [1, 0]


def test_files_that_were_replaced_before_the_kernel_was_asked(store, tmp_path):
    """The first watch tells nothing of what came before it, so files are compared between it and the first proof."""
    with closing(opened(tmp_path / "another")) as another:
        append(another, TEAM, {"x": 1})
        append(another, TEAM, {"x": 2})
    assert store.head(TEAM).generation == 1
    # As if they had been compared a moment ago, all the time.
    store._place.session.compared_at = time.monotonic() + PATIENCE_SECONDS
    os.rename(tmp_path / "root" / ".store", tmp_path / "away")
    os.rename(tmp_path / "another" / ".store", tmp_path / "root" / ".store")
    assert [head.generation for head in given(store, [TEAM]).heads] == [2]


def test_files_that_were_replaced_are_found_where_nobody_watches(store, tmp_path):
    """Who never asked the kernel compares the files, and does not read on in those that it found to be others."""
    with closing(opened(tmp_path / "another")) as another:
        append(another, TEAM, {"x": 1})
        append(another, TEAM, {"x": 2})
    assert store.head(TEAM).generation == 1
    os.rename(tmp_path / "root" / ".store", tmp_path / "away")
    os.rename(tmp_path / "another" / ".store", tmp_path / "root" / ".store")
    store._place.session.compared_at -= COMPARE_SECONDS
    assert store.head(TEAM).generation == 2


def test_a_fork_ends_all(store):
    """Neither parent nor child trusts what was mapped before; both are given new ones."""
    proofs = [given(store, realms) for realms in ([TEAM], CHAIN)]

    def child() -> int:
        if any(map(holds, proofs)):
            return 1
        append(store, GLOBAL, {"x": 1})
        return 0 if [head.generation for head in given(store, CHAIN).heads] == [1, 1] else 2

    assert in_child(child) == 0
    assert not any(map(holds, proofs))
    assert [head.generation for head in given(store, CHAIN).heads] == [1, 1]


def test_a_fork_inside_a_change_ends_all_in_the_child(store):
    """The child's handle is dead, and nothing that it holds answers in its place."""
    client = Client(store)
    realm = client.realm(TEAM)
    proofs = [given(store, realms) for realms in ([TEAM], CHAIN)]
    codes = []

    def child() -> int:
        try:
            realm.get()
        except ForkedInTransaction:
            return 1 if any(map(holds, proofs)) else 0
        return 2

    def change(draft):
        codes.append(in_child(child))
        draft["x"] = 2

    for _ in range(5):
        realm.get()
    realm.update(change)
    assert codes == [0]


def test_two_threads_that_keep_a_head_at_once_leave_one_proof(store, monkeypatch):
    """A reader and a writer of one process may keep a head at the same moment: neither's proof is lost sight of."""
    session = store._place.session
    words, slot = session.counters.words, slot_of(TEAM)
    head = store.head(TEAM)
    made = []

    def made_while_another_thread_keeps_it(**fields):
        proof = Proof(**fields)
        made.append(proof)
        if len(made) == 1:
            session.remember(TEAM, head, slot, words[slot])
        return proof

    monkeypatch.setattr(proofs, "Proof", made_while_another_thread_keeps_it)
    session.remember(TEAM, head, slot, words[slot])
    assert sorted(map(holds, made)) == [False, True]
    session.doubt(TEAM)
    assert not any(map(holds, made))


def test_a_head_that_is_kept_in_the_midst_of_keeping_one(store):
    """The same where the other thread is faster between what is taken out and what is put in its place."""
    session = store._place.session
    words, slot = session.counters.words, slot_of(TEAM)
    head = store.head(TEAM)
    others: list[Proof] = []

    class Overtaken(dict[str, Proof]):
        """Proofs among which another thread puts one just before this one does."""

        def setdefault(self, realm, proof):
            if not others:
                others.append(Proof(heads=(head,), words=words[slot : slot + 1], mark=words[slot]))
                self[realm] = others[0]
            return super().setdefault(realm, proof)

    session.doubt(TEAM)
    session.proofs.of_one = Overtaken()
    session.remember(TEAM, head, slot, words[slot])
    kept = session.proofs.proved(TEAM)
    assert kept is not others[0]
    assert holds(kept)
    assert not holds(others[0])


def test_another_head_under_the_same_mark_ends_what_was_proved(store):
    """What is to be said of a file may change without a commit; several realms are proved with what is said now."""
    session = store._place.session
    words, slot = session.counters.words, slot_of(TEAM)
    chain = given(store, CHAIN)
    session.remember(TEAM, chain.heads[0].replace(floor=1), slot, words[slot])
    assert not holds(chain)
