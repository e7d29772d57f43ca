"""Commits of the embedded store that meet a failure, an interrupt, a fork, or a writer beside the queue (G1, G6)."""

from __future__ import annotations

import _imp
import fcntl
import os
import sys
import threading
import time
from _thread import allocate_lock
from contextlib import closing
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

import apsw
import pytest

from realmconf.domain.names import GLOBAL, LIMITS, RealmName
from realmconf.errors import (
    ForkedInTransaction,
    HistoryCompacted,
    InvalidArgument,
    InvalidRealm,
    LockTimeout,
    OutcomeUnknown,
    RealmNotFound,
    RevisionNotFound,
    StoreCorrupt,
    StoreFull,
    StoreUnavailable,
    TimelineChanged,
)
from realmconf.runtime.client import Client
from realmconf.stores.embedded import database, forking, group, maintenance, turnqueue, turns
from realmconf.stores.embedded.group import Mutex, Work
from realmconf.stores.embedded.pending import Pending
from realmconf.stores.embedded.reading import Newest
from realmconf.stores.embedded.turn import Turn
from realmconf.stores.protocol import MINTED, Arrival, Head
from realmconf.stores.registry import open_store
from realmconf.testing.conformance.base import (
    ONE,
    THREE,
    TWO,
    append,
    appending,
    grow,
    next_revision,
    proved,
    soon,
)
from realmconf.testing.conformance.keeping import moving

PATIENCE_SECONDS = 20.0


def opened(root) -> Any:
    return open_store(f"sqlite://{root}?working_copies=off", limits=LIMITS)


@pytest.fixture
def store(tmp_path):
    with closing(opened(tmp_path / "root")) as store:
        grow(store, ONE, 3)
        yield store


class Beside:
    """A program that writes to the database without the queue."""

    def __init__(self, store) -> None:
        self._connection = apsw.Connection(store._place.layout.database)

    def append(self, realm) -> None:
        key = database.select_key(self._connection, realm)
        assert key is not None
        row = database.select_head(self._connection, key)
        assert row is not None
        revision = database.to_revision(row)
        generation = revision.generation
        mine = next_revision(
            Head(realm=realm, revision=revision), {"beside": True}, write_id=f"beside-{generation}"
        )
        assert database.insert(
            self._connection, key, mine, head_generation=generation, text='{"beside":true}'
        )

    def execute(self, statement):
        self._connection.execute(statement)

    def close(self):
        self._connection.close()


@pytest.fixture
def beside(store):
    with closing(Beside(store)) as beside:
        yield beside


def eventually(condition) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not condition():
        assert time.monotonic() < deadline, "it never came"
        time.sleep(0.002)


# --- a writer beside the queue ----------------------------------------------------------------


@pytest.mark.parametrize("write_id", [None, "given"])
def test_a_head_that_moved_beside_the_queue(store, beside, write_id):
    """G1: a write that was judged on a head that is not the newest any more is judged again on the one that is."""
    seen = []
    judge = appending(ONE, {"mine": True}, write_id=write_id)

    def judge_late(view):
        seen.append(view.head(ONE).generation)
        judgements = judge(view)
        if len(seen) == 1:
            beside.append(ONE)
        return judgements

    (applied,) = store.apply([ONE], judge_late, deadline=soon())
    assert seen == [3, 4]
    assert applied.head.generation == 5
    assert store.head(ONE).revision.document == {"mine": True}


def test_heads_that_always_move_beside_the_queue(store, beside, monkeypatch):
    """G1: where somebody writes beside the queue again and again, a write is refused, and nothing of it is there."""
    commit = Turn.append

    def overtaken(*args, **options):
        beside.append(ONE)
        commit(*args, **options)

    monkeypatch.setattr(Turn, "append", overtaken)
    with pytest.raises(StoreUnavailable, match="without its queue"):
        append(store, ONE, {"mine": True}, write_id="given")
    with store.view() as view:
        assert view.receipt(ONE, "given") is None
        assert view.head(ONE).generation == 5


def test_a_rename_that_is_overtaken_beside_the_queue(store, beside):
    """G1: a rename of a realm that was written meanwhile moves nothing."""

    def judge(view):
        judgements = moving(view)
        beside.append(ONE)
        return judgements

    with pytest.raises(StoreUnavailable):
        store.rename(ONE, TWO, judge, deadline=soon())
    assert (store.head(ONE).generation, store.head(TWO).generation) == (4, 0)


def test_an_arrival_that_is_overtaken_beside_the_queue(tmp_path, store, beside):
    """G2: what arrives goes on from the head that is here, or is refused."""
    with closing(opened(tmp_path / "other")) as other:
        append(other, TWO, {"x": 1})
        other.depart(TWO, "here", finish=lambda view: None, deadline=soon())
        with other.view() as view:
            steps = view.steps({TWO: 0}, limit=10)

    class Late(dict[str, bytes]):
        """Asked for inside the transaction."""

        def items(self):
            patched.setattr(database, "insert", lambda *_, **__: 0)
            return super().items()

    with pytest.MonkeyPatch.context() as patched:
        arrival = Arrival(source="there", floors={TWO: 1}, steps=steps, keys=Late())
        with pytest.raises(TimelineChanged):
            store.receive(arrival, deadline=soon())
    assert store.head(TWO).generation == 0


# --- writes that share a transaction ---------------------------------------------------------


def together(store, judges):
    """What each of *judges* is told, once all have waited for one turn; the first of them holds it."""
    told: dict[int, object] = {}

    def write(number):
        try:
            told[number] = store.apply([ONE], judges[number], deadline=soon())
        except BaseException as error:  # noqa: BLE001 - it is what the test is about
            told[number] = error

    threads = [threading.Thread(target=write, args=(number,)) for number in range(len(judges))]
    with store.turn(soon()):
        for number, thread in enumerate(threads, start=1):
            thread.start()
            eventually(lambda number=number: len(store._turns.group.mutex._waiting) == number)
    for thread in threads:
        thread.join()
    return [told[number] for number in range(len(judges))]


def failing(monkeypatch, *errors):
    """Let the next commits end like this; None goes through."""
    left = list(errors)
    commit = Turn.append

    def append_(*args, **options):
        error = left.pop(0) if left else None
        if error is not None:
            raise error
        return commit(*args, **options)

    monkeypatch.setattr(Turn, "append", append_)


def test_each_is_told_of_its_own_when_the_common_transaction_failed(store, monkeypatch):
    """G6: writes whose transaction certainly did not happen are decided again, each alone and on what is there then."""
    judges = [appending(ONE, {"n": number}, write_id=f"w{number}") for number in range(4)]
    failing(monkeypatch, StoreFull("all"), OutcomeUnknown(None), StoreFull("one"), None, None)
    unknown, full, third, fourth = together(store, judges)
    assert isinstance(unknown, OutcomeUnknown)
    assert unknown.write_id == "w0"
    assert isinstance(full, StoreFull)
    assert (third[0].head.generation, fourth[0].head.generation) == (4, 5)


def test_a_refusal_is_told_when_nothing_was_to_be_committed(store, monkeypatch):
    """G6: whatever becomes of a transaction in which nothing of it stood, who was refused stays refused."""

    def refuse(view):
        raise InvalidArgument("planted")

    failing(monkeypatch, OutcomeUnknown(None))
    with pytest.raises(InvalidArgument):
        store.apply([ONE], refuse, deadline=soon())


def test_whoever_shared_the_transaction_of_an_interrupted_thread(store, monkeypatch):
    """G6: an interrupt of the thread that commits leaves the writes of the others in the open, under their ids."""
    judges = [appending(ONE, {"n": number}, write_id=f"w{number}") for number in range(2)]
    failing(monkeypatch, KeyboardInterrupt())
    interrupted, unknown = together(store, judges)
    assert isinstance(interrupted, KeyboardInterrupt)
    assert isinstance(unknown, OutcomeUnknown)
    assert unknown.write_id == "w1"
    assert append(store, ONE, {"x": 1}).generation == 4


def test_an_adoption_in_the_open(tmp_path, monkeypatch):
    """G6: while nobody knows whether a hand edit was taken in, no write is decided; then both are there."""
    with Client(open_store(f"sqlite://{tmp_path}/root", limits=LIMITS)) as client:
        realm = client.realm("team")
        realm.set({"x": 1})
        client.publish()
        path = tmp_path / "root" / "team" / "config.toml"
        path.write_text(path.read_text() + "y = 1\n")
        with monkeypatch.context() as patched:

            def fail(*_, **__):
                raise OutcomeUnknown(None)

            patched.setattr(Turn, "commit", fail)
            with pytest.raises(StoreUnavailable, match="hand edit"):
                client.store.apply(
                    [realm.realm_id], appending(realm.realm_id, {"z": 1}), deadline=soon()
                )
        assert realm.set_value("z", 1).document == {"x": 1, "y": 1, "z": 1}


# --- the transaction ----------------------------------------------------------------------------


class Failing:
    """A connection that fails at some statements."""

    def __init__(self, connection, *starts, error: type[apsw.Error] = apsw.IOError):
        self.connection = connection
        self.starts = starts
        self.error = error

    def execute(self, statement, *arguments):
        if statement.strip().startswith(self.starts):
            raise self.error("planted")
        return self.connection.execute(statement, *arguments)

    def __getattr__(self, name):
        return getattr(self.connection, name)


@pytest.mark.parametrize(
    ("starts", "error"),
    [
        (("BEGIN",), StoreUnavailable),
        (("INSERT INTO receipt",), StoreUnavailable),
        (("COMMIT",), OutcomeUnknown),
        (("COMMIT", "ROLLBACK"), OutcomeUnknown),
    ],
)
def test_a_statement_that_fails(store, starts, error):
    """G6: before COMMIT a failure is a refusal, at COMMIT it leaves the outcome open; a new key is forgotten."""
    session = store._place.session
    writer = session.writer
    session.writer = Failing(writer, *starts)
    with pytest.raises(error):
        append(store, TWO, {"x": 1}, write_id="given")
    assert TWO not in session.ids
    session.writer = writer
    assert append(store, TWO, {"x": 2}, write_id="given").generation == 1
    assert store.head(TWO).revision.document == {"x": 2}


def test_a_write_for_which_there_is_no_space(store):
    """G6: what the disk has no room for is refused for good: nothing is left in progress, and readers go on."""
    session = store._place.session
    writer = session.writer
    session.writer = Failing(writer, "INSERT INTO revision", error=apsw.FullError)
    with pytest.raises(StoreFull):
        append(store, ONE, {"x": 1})
    session.writer = writer
    assert not session.counters.interrupted
    proof = proved(store, [ONE])
    assert proof is not None
    assert proof.heads[0].generation == 3
    assert append(store, ONE, {"x": 2}).generation == 4


def test_an_id_whose_end_is_not_known(store):
    """G6: an id that was to be voided is void or in the open, never void by an error; asked for again it is told."""
    session = store._place.session
    writer = session.writer
    session.writer = Failing(writer, "COMMIT")
    with pytest.raises(OutcomeUnknown):
        store.void(ONE, "given", deadline=soon())
    session.writer = writer
    assert store.void(ONE, "given", deadline=soon()).outcome == "void"
    assert store.head(ONE).generation == 3


def test_a_stale_write_whose_session_is_dropped_at_that_moment(store):
    """A check before the queue that cannot be made is left out: the write is judged in its turn."""
    session = store._place.session
    counters = session.counters

    class Gone:
        """Counters that are unmapped when they are asked first."""

        @property
        def interrupted(self):
            session.counters = counters
            raise ValueError("released")

    session.counters = Gone()
    asked: list[Any] = []
    store.apply([ONE], appending(ONE, {"x": 1}), deadline=soon(), precheck=asked.append)
    assert asked == []
    assert store.head(ONE).generation == 4


# --- turns -----------------------------------------------------------------------------------------


def test_a_turn_that_an_interrupt_left(store):
    """G4: a thread that was interrupted with the turn in its hands gives it back when it comes again."""
    left = store._turns.acquire(soon())
    assert append(store, ONE, {"x": 1}).generation == 4
    store._turns.release(left)
    assert append(store, ONE, {"x": 2}).generation == 5


def test_a_store_that_is_closed_under_a_turn_that_does_not_end(store, monkeypatch):
    """Who closes a store does not wait for ever for a write in it: whoever has the turn closes what is left."""
    monkeypatch.setattr("realmconf.stores.embedded.store.CREATE_SECONDS", 0.05)
    with store.turn(soon()) as turn:
        closing_thread = threading.Thread(target=store.close)
        closing_thread.start()
        closing_thread.join(PATIENCE_SECONDS)
        assert not closing_thread.is_alive()
        assert turn.head(ONE).generation == 3
    assert store._place.sessions == []
    with pytest.raises(StoreUnavailable, match="closed"):
        append(store, ONE, {"x": 1})


def test_a_client_is_not_closed_inside_a_change(store):
    """Whoever is deciding a write cannot end the store under it."""

    def judge(view):
        store.close()
        return []

    with pytest.raises(InvalidArgument):
        store.apply([ONE], judge, deadline=soon())
    assert append(store, ONE, {"x": 1}).generation == 4


def test_files_that_are_replaced_inside_a_turn(store):
    """A holder of the turn that reads, and finds the files replaced, waits for nobody but itself."""
    with store.turn(soon()):
        store._place.drop(store._place.session)
        store._place.on_retire()
        assert store._place.sessions == []
    assert append(store, ONE, {"x": 1}).generation == 4


def test_a_reader_that_waits_in_vain_for_a_commit(store, monkeypatch):
    """A reader that finds the files replaced under a commit that does not end reads on after a while."""
    monkeypatch.setattr(turns, "RETIRE_SECONDS", 0.05)
    with store.turn(soon()):
        reader = threading.Thread(target=store._place.on_retire)
        reader.start()
        reader.join(PATIENCE_SECONDS)
        assert not reader.is_alive()


def test_a_look_for_the_turn_is_given_up_for_a_fork_and_a_failure(store, monkeypatch):
    """Whoever takes the turn only if it is free stands in nobody's way: neither of a fork, nor after a failure."""
    store._turns.gate.begin()
    assert store._turns.try_hold() is None
    store._turns.gate.end()
    with monkeypatch.context() as patched:

        def refuse(queue):
            raise StoreUnavailable("planted")

        patched.setattr(store._place, "open_to_write", refuse)
        with pytest.raises(StoreUnavailable):
            store._turns.try_hold()
    assert append(store, ONE, {"x": 1}).generation == 4


def test_a_write_that_passes_just_before_a_fork_begins(store, monkeypatch):
    """Whoever comes to the turn as a fork begins leaves it to the fork, and stands in line again after it."""
    passed = []

    class Passing(forking.Gate):
        def pass_through(self):
            passed.append(self.closing)
            # Begun as soon as it has been passed, and over when it is come to again.
            self.end() if self.closing else self.begin()

    monkeypatch.setattr(store._turns, "gate", Passing())
    turn = store._turns.acquire(soon())
    assert passed == [False, True]
    store._turns.release(turn)
    assert not store._turns.group.mutex.held()


def test_a_fork_before_which_something_fails(store, monkeypatch):
    """A store that could not be made ready for a fork goes on in the parent."""

    def fail():
        raise RuntimeError("planted")

    with monkeypatch.context() as patched:
        patched.setattr(store._turns.queue, "interrupt", fail)
        child = os.fork()
        if child == 0:
            os._exit(0)
        os.waitpid(child, 0)
    assert append(store, ONE, {"x": 1}).generation == 4


def test_a_fork_waits_for_those_who_read(monkeypatch):
    """What a child must not inherit is closed once nobody reads through it any more, and no sooner."""
    gate = forking.Gate()
    inside, leave = threading.Event(), threading.Event()

    def read():
        with gate:
            inside.set()
            leave.wait(PATIENCE_SECONDS)

    class Clock:
        """A time in which the reader is done when it is waited for."""

        monotonic = staticmethod(time.monotonic)

        @staticmethod
        def sleep(seconds):
            leave.set()

    monkeypatch.setattr(forking, "time", Clock)
    reader = threading.Thread(target=read)
    reader.start()
    assert inside.wait(PATIENCE_SECONDS)
    gate.begin()
    gate.wait_for_reads()
    assert leave.is_set()
    assert gate._inside == {}
    gate.end()
    reader.join(PATIENCE_SECONDS)


def test_a_read_that_comes_while_a_fork_is_under_way():
    """Who comes to read while a fork is under way opens nothing that the child would inherit: it waits for its end."""

    class Ending(forking.Gate):
        """A fork that is over when it is waited for."""

        def pass_through(self):
            assert self._inside == {}
            self.end()

    gate = Ending()
    gate.begin()
    with gate:
        assert not gate.closing
        assert list(gate._inside) == [threading.get_ident()]


def test_a_fork_waits_for_an_import_that_is_under_way(monkeypatch):
    """A module that another thread is loading is loaded before the fork: in the child it never would be."""

    module = ModuleType("being_loaded")
    module.__spec__ = spec = ModuleSpec("being_loaded", None)
    spec._initializing = True  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "being_loaded", module)

    class Clock:
        """A time in which the import is done when it is waited for."""

        monotonic = staticmethod(time.monotonic)

        @staticmethod
        def sleep(seconds):
            spec._initializing = False  # type: ignore[attr-defined]

    monkeypatch.setattr(forking, "time", Clock)
    forking._wait_for_imports()
    try:
        assert not spec._initializing  # type: ignore[attr-defined]
        assert _imp.lock_held()
    finally:
        _imp.release_lock()


def test_a_fork_of_a_process_without_a_store(monkeypatch):
    """A process that has no store open is not held up by what a store would need."""

    def refuse():
        raise AssertionError("it was waited for")

    monkeypatch.setattr(forking, "_stores", set())
    monkeypatch.setattr(forking, "_wait_for_imports", refuse)
    assert in_child(lambda: not _imp.lock_held())
    assert not forking._fork_lock.locked()


def in_child(call) -> bool:
    """Whether *call*, in a child that is forked here, says so."""
    child = os.fork()
    if child == 0:
        code = 1
        try:
            code = 0 if call() else 1
        finally:
            os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def test_a_fork_inside_a_change(store):
    """The child of a fork inside a transaction has nothing of the store, however it asks; the parent goes on."""

    def is_dead():
        for ask in (
            store.view,
            lambda: store.head(ONE),
            lambda: append(store, ONE, {"x": 1}),
            store._turns.refuse_misuse,
        ):
            with pytest.raises(ForkedInTransaction):
                ask()
        return store.proof([ONE]) is None

    said = []
    judge = appending(ONE, {"x": 1})

    def forking(view):
        said.append(in_child(is_dead))
        return judge(view)

    store.apply([ONE], forking, deadline=soon())
    assert said == [True]
    assert store.head(ONE).generation == 4


@pytest.mark.parametrize("operation", ["apply", "depart"])
def test_a_change_that_forks_ends_in_the_child(store, operation):
    """The transaction is the parent's: the child commits nothing of it, and is told so."""
    fork = [0]

    def forking(view):
        fork[0] = os.fork()
        return appending(ONE, {"x": 1})(view)

    code = 0
    try:
        if operation == "apply":
            store.apply([ONE], forking, deadline=soon())
        else:
            store.depart(ONE, "there", finish=forking, deadline=soon())
    except ForkedInTransaction:
        code = 7
    finally:
        if fork[0] == 0:
            os._exit(code)
    assert os.waitstatus_to_exitcode(os.waitpid(fork[0], 0)[1]) == 7
    if operation == "apply":
        assert store.head(ONE).generation == 4
    else:
        assert store.head(ONE).moved_to == "there"


# --- the queues ---------------------------------------------------------------------------------------


class Bell:
    """A lock at which something happens just when its time is over."""

    def __init__(self, happen) -> None:
        self._lock = allocate_lock()
        self._happen = happen

    def acquire(self, timeout=-1):
        if timeout == -1:
            return self._lock.acquire()
        return self._happen()

    def release(self):
        self._lock.release()


def waited_for(monkeypatch, happen):
    """A mutex of another thread; *happen* is called with it as this one stops waiting for it."""
    mutex = Mutex()
    mutex.owner = -1

    class Locks:
        get_ident = staticmethod(threading.get_ident)

        @staticmethod
        def Lock():  # noqa: N802 - the name in threading
            return Bell(lambda: happen(mutex))

    monkeypatch.setattr(group, "threading", Locks)
    return mutex


def test_a_mutex_that_comes_as_the_time_is_over(monkeypatch):
    """Whoever was given the mutex between the end of its time and its last look has it."""
    mutex = waited_for(monkeypatch, lambda mutex: mutex.release())
    assert mutex.acquire(time.monotonic() + 1)
    assert mutex.held()


def test_a_mutex_that_comes_with_an_interrupt(monkeypatch):
    """Whoever was interrupted with the mutex already handed over gives it on."""

    def interrupt(mutex):
        mutex.release()
        raise KeyboardInterrupt

    mutex = waited_for(monkeypatch, interrupt)
    with pytest.raises(KeyboardInterrupt):
        mutex.acquire(time.monotonic() + 1)
    assert mutex.owner is None


def test_an_interrupt_while_the_mutex_is_waited_for(monkeypatch):
    """Whoever was interrupted while it waits is in nobody's way: the mutex is not handed to a thread that is gone."""

    def interrupt(mutex):
        raise KeyboardInterrupt

    mutex = waited_for(monkeypatch, interrupt)
    with pytest.raises(KeyboardInterrupt):
        mutex.acquire(time.monotonic() + 1)
    mutex.release()
    assert mutex.owner is None


def test_a_verdict_that_comes_with_an_interrupt(monkeypatch):
    """Whoever was interrupted with its work taken by another thread leaves that one the mutex."""

    def interrupt(mutex):
        mutex.take(1)
        raise KeyboardInterrupt

    mutex = waited_for(monkeypatch, interrupt)
    with pytest.raises(KeyboardInterrupt):
        mutex.acquire(time.monotonic() + 1, Work([ONE], lambda view: []))
    assert mutex.owner == -1


@pytest.fixture
def elsewhere(store):
    """The turn is held, as by another process, until the function that is given is called."""
    append(store, ONE, {"x": 1})
    descriptor = os.open(store._place.layout.turn, os.O_RDWR)
    fcntl.flock(descriptor, fcntl.LOCK_EX)
    yield lambda: fcntl.flock(descriptor, fcntl.LOCK_UN)
    os.close(descriptor)


def test_a_kernel_that_refuses_to_wait_for_a_lock(store, elsewhere, monkeypatch):
    """What the kernel says to the thread that waits is told by the write that waits, and the next one waits anew."""
    flock = fcntl.flock

    def refuse(descriptor, operation):
        if operation == fcntl.LOCK_EX:
            raise OSError(37, "No locks available")
        flock(descriptor, operation)

    with monkeypatch.context() as patched:
        patched.setattr(fcntl, "flock", refuse)
        with pytest.raises(StoreUnavailable):
            append(store, ONE, {"x": 2})
    with pytest.raises(LockTimeout):
        store.apply([ONE], appending(ONE, {"x": 2}), deadline=time.monotonic() + 0.1)
    elsewhere()
    assert append(store, ONE, {"x": 2}).generation == 5


def test_a_kernel_that_refuses_a_lock_at_once(store, monkeypatch):
    """A lock that cannot be asked for is no lock that somebody has: the write fails, and holds nothing."""

    def refuse(descriptor, operation):
        if operation & fcntl.LOCK_NB:
            raise OSError(37, "No locks available")

    with monkeypatch.context() as patched:
        patched.setattr(fcntl, "flock", refuse)
        with pytest.raises(StoreUnavailable):
            append(store, ONE, {"x": 1})
    with closing(opened(store.root)) as other:
        assert append(other, ONE, {"x": 1}).generation == 4
    assert append(store, ONE, {"x": 2}).generation == 5


def test_a_fork_while_a_write_waits_for_another_process(store, elsewhere):
    """A write that waits in the queue waits on after a fork; the child has none of its locks, and reads."""
    queue = store._turns.queue
    done = []
    writer = threading.Thread(target=lambda: done.append(append(store, ONE, {"x": 2})))
    writer.start()
    eventually(lambda: queue._queued and queue._wait is not None)

    def reads_on():
        return store._turns.queue is not queue and store.head(ONE).generation == 4

    assert in_child(reads_on)
    assert done == []
    elsewhere()
    writer.join(PATIENCE_SECONDS)
    assert [revision.generation for revision in done] == [5]


def test_no_thread_can_be_had_to_wait_in_the_kernel(store, elsewhere, monkeypatch):
    """Where no thread can be started the wait fails, whatever was opened for it is closed, and the next one waits."""

    def refuse(thread):
        raise RuntimeError("can't start new thread")

    before = len(os.listdir("/proc/self/fd"))
    with monkeypatch.context() as patched:
        patched.setattr(threading.Thread, "start", refuse)
        with pytest.raises(RuntimeError):
            append(store, ONE, {"x": 2})
    assert len(os.listdir("/proc/self/fd")) == before
    elsewhere()
    assert append(store, ONE, {"x": 2}).generation == 5


def test_a_grant_that_comes_with_an_interrupt(store, elsewhere, monkeypatch):
    """G1: a turn that is granted to a wait as it is interrupted goes straight back."""
    queue = store._turns.queue
    bells = []

    class Interrupted:
        """A bell that rings in a thread that hears an interrupt instead."""

        def __init__(self):
            self._lock = allocate_lock()
            self._lock.acquire()
            bells.append(self)

        def acquire(self, timeout=-1):
            if timeout == -1:
                return self._lock.acquire()
            elsewhere()
            eventually(lambda: not queue._queued)
            raise KeyboardInterrupt

        def release(self):
            self._lock.release()

    with monkeypatch.context() as patched:
        wait = turnqueue._Wait
        patched.setattr(turnqueue, "_Wait", lambda: rung(wait()))

        def rung(one):
            one.bell = Interrupted()
            return one

        with pytest.raises(KeyboardInterrupt):
            append(store, ONE, {"x": 2})
    assert bells
    with closing(opened(store.root)) as other:
        assert append(other, ONE, {"x": 3}).generation == 5


# --- what is rare ---------------------------------------------------------------------------------------


def test_a_rename_of_what_is_not_there_and_onto_what_is(store):
    """G2: a rename needs a history to move, and a name that nobody has."""

    def moved(view):
        placed, left = moving(view)
        return [placed, left]

    append(store, TWO, {"x": 1})
    with pytest.raises(InvalidRealm):
        store.rename(ONE, TWO, moved, deadline=soon())

    def of_three(view):
        (placed,) = appending(THREE, {"x": 1}, kind="rename")(view)
        return [placed, placed.replace(write=placed.write.replace(realm=RealmName("four")))]

    with pytest.raises(RealmNotFound):
        store.rename(THREE, RealmName("four"), of_three, deadline=soon())
    assert [store.head(realm).generation for realm in (ONE, TWO, THREE)] == [3, 1, 0]


def test_a_compaction_goes_on_in_as_many_turns_as_it_takes(store, monkeypatch):
    """A long history is removed in turns that others get their chance between; of none there is nothing to remove."""
    monkeypatch.setattr(maintenance, "COMPACT_ROWS", 2)
    grow(store, TWO, 6)
    done = store.compact(TWO, floor=6, deadline=soon())
    assert (done.floor, done.removed) == (6, 5)
    assert store.compact(TWO, floor=4, deadline=soon()).removed == 0
    with pytest.raises(RealmNotFound):
        store.compact(THREE, floor=2, deadline=soon())


def test_the_current_document_is_not_purged(store):
    """A purge of what is read now would change it: a new document comes first."""
    with pytest.raises(InvalidArgument):
        store.purge(ONE, 3, document=None, deadline=soon())
    assert store.head(ONE).revision.document is not None


def test_a_backup_that_cannot_be_written(store, tmp_path, monkeypatch):
    """A backup is whole or not there; and the store itself is none."""
    with pytest.raises(StoreUnavailable):
        store.backup(str(tmp_path / "nowhere" / "copy"))
    with monkeypatch.context() as patched:
        session = store._place.session
        connection = session.borrow_view()
        session.return_view(Failing(connection, "VACUUM"))
        with pytest.raises(StoreUnavailable):
            store.backup(str(tmp_path / "copy"))
        assert not (tmp_path / "copy").exists()

        def interrupt(descriptor):
            raise KeyboardInterrupt

        patched.setattr(os, "fsync", interrupt)
        session.idle_views.clear()
        with pytest.raises(KeyboardInterrupt):
            store.backup(str(tmp_path / "copy"))
        assert not (tmp_path / "copy").exists()
    with pytest.raises(InvalidArgument):
        list(store.revisions_in(store._place.layout.database))
    with closing(opened(tmp_path / "empty")) as empty, pytest.raises(StoreUnavailable):
        empty.backup(str(tmp_path / "copy"))


def test_a_purge_while_a_reader_holds_the_log_back(store):
    """A document is gone from the record once it is purged, whoever keeps its old pages from being overwritten yet."""

    class HeldBack(Failing):
        def wal_checkpoint(self, **options):
            raise apsw.BusyError("planted")

    session = store._place.session
    writer = session.writer
    session.writer = HeldBack(writer, "nothing")
    assert store.purge(ONE, 2, document=None, deadline=soon()).purged
    session.writer = writer
    with store.view() as view:
        assert (view.revision(ONE, 2).purged, view.revision(ONE, 2).document) == (True, None)
    assert append(store, ONE, {"x": 1}).generation == 4


@pytest.mark.parametrize("read", ["revisions_in", "schemas_in"])
def test_a_damaged_backup(store, tmp_path, read):
    """Damage in the middle of a backup is told of as damage."""
    path = tmp_path / "copy"
    for number in range(40):
        append(store, TWO, {"text": "x" * 3000, "number": number}, schemas=[{"title": "y" * 3000}])
    store.backup(str(path))
    content = bytearray(path.read_bytes())
    # Everything but the first pages, where the tables and the settings are.
    content[3 * 8192 :] = b"\xff" * (len(content) - 3 * 8192)
    path.write_bytes(content)
    with pytest.raises(StoreCorrupt):
        list(getattr(store, read)(str(path)))


# --- points ---------------------------------------------------------------------------------------------


def everything(view):
    """What a ``ReadView`` answers to each question."""

    def told(ask):
        try:
            return ask()
        except (RevisionNotFound, StoreCorrupt) as error:
            return error.code

    return [
        told(ask)
        for ask in (
            lambda: view.head(ONE),
            lambda: view.revision(ONE, 2),
            lambda: list(view.revisions(ONE, after=1)),
            lambda: view.receipt(ONE, "given"),
            lambda: list(view.realms()),
            lambda: list(view.children(ONE)),
            lambda: view.schema("0" * 64),
            lambda: list(view.schemas(ONE)),
            lambda: view.position(ONE, 2),
            lambda: view.as_of(ONE, 2),
            view.last_position,
            lambda: list(view.steps({ONE: 1}, limit=10)),
        )
    ]


def test_a_check_before_the_queue_sees_what_a_view_sees(store):
    """Whatever a write is checked against before it queues is what a view of that moment says."""
    seen = []
    with store.view() as view:
        expected = everything(view)
    store.apply(
        [ONE],
        appending(ONE, {"x": 1}),
        deadline=soon(),
        precheck=lambda view: seen.append((type(view), everything(view))),
    )
    assert seen == [(Newest, expected)]


def test_a_view_of_a_root_without_a_store_is_one_of_an_empty_store(tmp_path, store):
    """Where nothing was ever written a view says what it says of a realm that nobody wrote."""
    with closing(opened(tmp_path / "empty")) as empty, empty.view() as nothing:
        told = everything(nothing)
        with pytest.raises(StoreUnavailable):
            assert nothing.connection
    assert told == [
        *[store.head(THREE).replace(realm=ONE), "revision_not_found", [], None, [], []],
        *["store_corrupt", [], "revision_not_found", None, 0, []],
    ]


def test_a_record_that_cannot_be_read_now(store):
    """What SQLite says to a reader is told by a code, and the next read asks again."""
    session = store._place.session
    connection = session.connection
    session.doubt(ONE)
    session.connection = Failing(connection, "SELECT")
    with pytest.raises(StoreUnavailable):
        store.head(ONE)
    session.connection = connection
    assert store.head(ONE).generation == 3


def test_a_point_whose_transaction_has_ended_by_itself(store):
    """SQLite ends a transaction by itself after some failures: its connection is used again all the same."""
    with store.view() as view:
        view.connection.execute("ROLLBACK")
    with store.view() as view:
        assert view.head(ONE).generation == 3


def test_what_is_known_of_a_realm_that_was_never_written(store):
    """A realm that nobody wrote has no revisions and no receipts, in a store that has others."""
    with store.view() as view:
        assert list(view.revisions(THREE)) == []
        assert view.receipt(THREE, "given") is None


def test_an_id_that_was_minted_is_known_by_its_revision(store):
    """G6: an id that no caller gave has no receipt of its own, and is told of as committed all the same."""
    minted = Client(store).realm(ONE).set({"x": 1}).write_id
    assert minted.startswith(MINTED)
    with store.view() as view:
        receipt = view.receipt(ONE, minted)
    assert receipt is not None
    assert (receipt.outcome, receipt.generation) == ("committed", 4)


def test_a_row_that_is_gone(store, beside, monkeypatch):
    """G14: of a record that has lost a revision nothing is made up."""
    beside.execute("DELETE FROM revision WHERE generation = 2")
    with store.view() as view:
        with pytest.raises(RevisionNotFound):
            view.revision(ONE, 2)
        with pytest.raises(RevisionNotFound):
            view.position(ONE, 2)
        monkeypatch.setattr(database, "select_position", lambda *_: None)
        with pytest.raises(StoreCorrupt):
            view.position(ONE, 3)


def test_what_is_to_be_committed_is_seen_by_what_is_judged_after_it(tmp_path):
    """G9: who is judged in the same transaction sees the record as it will be, in every way of asking."""
    with closing(opened(tmp_path / "root")) as store:
        grow(store, ONE, 2)
        with store.turn(soon()) as turn:
            pending = Pending(turn)
            judged: Any = appending(ONE, {"n": 3})(pending)[0]
            pending.stage(judged.decision)
            judged = appending(TWO, {"n": 1})(pending)[0]
            pending.stage(judged.decision)

            def asked(**options):
                return [one.generation for one in pending.revisions(ONE, **options)]

            assert asked() == [1, 2, 3]
            assert asked(newest_first=True, limit=2) == [3, 2]
            assert asked(before=3) == [1, 2]
            assert [entry.realm for entry in pending.realms()] == [ONE, TWO]
            assert [entry.realm for entry in pending.realms(after=ONE)] == [TWO]
            assert [pending.position(ONE, number) for number in (1, 2, 3)] == [1, 2, 3]
            found = [pending.as_of(ONE, position) for position in (2, 3)]
            assert [one and one.generation for one in found] == [2, 3]
            assert pending.last_position() == 4
            steps = pending.steps({ONE: 1, TWO: 0}, limit=10)
            assert [step.position for step in steps] == [2, 3, 4]


def test_a_floor_that_is_to_move_hides_what_is_below_it(tmp_path):
    """G2: what steps over numbers that a lost history may have used leaves nothing below it to be read."""
    with closing(opened(tmp_path / "root")) as store:
        grow(store, ONE, 2)
        with store.turn(soon()) as turn:
            pending = Pending(turn)
            judged: Any = appending(ONE, {"n": 3})(pending)[0]
            revision = judged.decision.revision
            later = next_revision(
                turn.head(ONE).replace(revision=revision.replace(generation=6)),
                {"n": 7},
                write_id="later",
            )
            pending.stage(judged.decision.replace(revision=later))
            for ask in (
                lambda: pending.position(ONE, 2),
                lambda: pending.as_of(ONE, 2),
                lambda: pending.steps({ONE: 1}, limit=10),
                lambda: pending.revision(ONE, 2),
            ):
                with pytest.raises(HistoryCompacted):
                    ask()
            assert pending.position(ONE, 7) == 3


def test_whom_a_realm_inherits_from_is_not_read_anew_with_every_write(tmp_path, store, monkeypatch):
    """A ``global`` that is not there costs a look at a word, and one that comes elsewhere is seen by the next write."""
    realm = Client(store).realm(ONE)
    for number in range(2):
        realm.set({"x": number})
    read = []
    select_key = database.select_key

    def selected(connection, name):
        read.append(name)
        return select_key(connection, name)

    monkeypatch.setattr(database, "select_key", selected)
    assert [member.realm for member in realm.set({"x": 2}).lineage] == [ONE]
    assert read == []
    with closing(opened(tmp_path / "root")) as elsewhere:
        Client(elsewhere).realm(GLOBAL).set({"y": 1})
    assert [member.realm for member in realm.set({"x": 3}).lineage] == [ONE, GLOBAL]
