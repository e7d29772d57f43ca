"""Reading the embedded store while something is taken away, refused or replaced at that moment (G3, G7)."""

from __future__ import annotations

import ctypes
import fcntl
import hashlib
import os
import struct
import sys
import threading
from contextlib import closing
from typing import Any

import apsw
import pytest

from realmconf.domain.names import GLOBAL, LIMITS, RealmName
from realmconf.errors import (
    OutcomeUnknown,
    StoreCorrupt,
    StoreFull,
    StoreReadOnly,
    StoreUnavailable,
    Unsupported,
)
from realmconf.runtime.client import Client
from realmconf.stores.embedded import database, files, kinship, layout, notify, publisher
from realmconf.stores.embedded.counters import Counters, slot_of
from realmconf.stores.embedded.files import Files, digest_of, objection
from realmconf.stores.embedded.notify import Notifier, state_of
from realmconf.stores.embedded.publisher import Publisher
from realmconf.stores.embedded.signals import Hub
from realmconf.stores.embedded.workhost import Host, Reading, Writing
from realmconf.stores.protocol import MINTED
from realmconf.stores.registry import open_store
from realmconf.testing.conformance.base import ONE, TWO, append, appending, grow, proved, soon

TEAM = RealmName("team")
PATIENCE_SECONDS = 20.0


def opened(root, **options) -> Any:
    return open_store(f"sqlite://{root}?working_copies=off", limits=LIMITS, **options)


@pytest.fixture
def store(tmp_path):
    with closing(opened(tmp_path / "root")) as store:
        grow(store, ONE, 3)
        yield store


@pytest.fixture
def client(tmp_path):
    """A client of a root with working copies, in which one realm has its file."""
    with Client(open_store(f"sqlite://{tmp_path}/files", limits=LIMITS)) as client:
        client.realm(TEAM).set({"x": 1})
        client.publish()
        yield client


def edit(client, text: str) -> None:
    with open(os.path.join(client.store.root, TEAM, "config.toml"), "a", encoding="utf-8") as file:
        file.write(text)


# --- what is taken back or dropped at that moment -----------------------------------------------


def test_a_proof_that_is_taken_back_while_it_is_looked_at(store):
    """G3: a proof that another thread takes back between two steps of a look proves nothing; the record is read."""
    proved(store, [ONE])
    store._place.session.proofs.of_one[ONE].words.release()
    assert store.peek(ONE) is None
    assert store.head(ONE).generation == 3


def test_counters_that_a_reader_looks_at_while_they_are_closed(store, tmp_path):
    """A reader in the middle of a look is no obstacle to those who close."""
    counters = Counters(store._place.layout.counters)
    looked_at = counters.words[0:1]
    counters.close()
    assert looked_at[0]
    looked_at.release()


def reads_of(monkeypatch, store, *answers):
    """Let the next sessions that are asked for be these."""
    left = list(answers)
    usable = store._place.usable
    monkeypatch.setattr(store._place, "usable", lambda: left.pop(0) if left else usable())


def test_a_session_that_is_dropped_while_a_head_is_looked_for(store, monkeypatch):
    """G3: what a dropped session would say is not asked; the look goes on with the next one."""
    dropped = store._place.session
    store._place.drop(dropped)
    with monkeypatch.context() as patched:
        now = store._place.open()
        reads_of(patched, store, now, dropped)
        assert store.head(ONE).generation == 3
        reads_of(patched, store, now, None)
        # The whole root was removed in between.
        assert store._look_now(ONE, adopt=True).generation == 0


def test_a_session_that_is_dropped_at_a_glance(client):
    """The same of a first read, which looks at the file first."""
    with closing(open_store(f"sqlite://{client.store.root}", limits=LIMITS)) as store:
        session = store._place.session  # type: ignore[attr-defined]
        store._place.drop(session)  # type: ignore[attr-defined]
        assert store._head_at_a_glance(TEAM, session) is None  # type: ignore[attr-defined]
        assert store.head(TEAM).generation == 1


def test_working_copies_are_made_once(client):
    """Two threads that need them first at the same time share them."""
    store = client.store
    made, store._made_working_copies = store._made_working_copies, None

    class Making:
        """A lock that another thread had until they were made."""

        def __enter__(self):
            store._made_working_copies = made

        def __exit__(self, *_):
            pass

    store._making = Making()
    assert store._working is made


@pytest.mark.parametrize("trouble", ["busy", "dropped", "edited"])
def test_the_short_way_to_what_somebody_committed(store, tmp_path, monkeypatch, trouble):
    """G3: a read that expects a commit and no more takes the long way where there is more; an edit is looked for."""
    proved(store, [ONE])
    session = store._place.session
    left = [trouble]

    class Dropped:
        """A lock that another thread had until it dropped the session."""

        def __enter__(self):
            session.closed = bool(left)
            left.clear()

        def __exit__(self, *_):
            session.closed = False

    read_head = session.read_head

    def reading(realm, *rest):
        if left:
            left.clear()
            if trouble == "busy":
                raise apsw.BusyError("planted")
            store._watching.edits[realm] = 1
        return read_head(realm, *rest)

    with closing(opened(tmp_path / "root")) as other:
        append(other, ONE, {"x": 1})
    with monkeypatch.context() as patched:
        if trouble == "dropped":
            patched.setattr(session, "read_lock", Dropped())
        else:
            patched.setattr(session, "read_head", reading)
        assert store.head(ONE).generation == 4
    assert left == []
    if trouble == "edited":
        assert store.peek(ONE) is None
    assert store.head(ONE).generation == 4


# --- where nothing can be written ------------------------------------------------------------------


@pytest.mark.parametrize("error", [StoreFull("planted"), StoreReadOnly("planted"), OutcomeUnknown])
def test_an_edit_that_cannot_be_taken_in_is_told_of(client, monkeypatch, error):
    """G8: where nothing can be written reads go on, and say that an edit waits; it is taken in as soon as it can be."""

    def refuse():
        raise error if isinstance(error, Exception) else error(None)

    with closing(open_store(f"sqlite://{client.store.root}", limits=LIMITS)) as store:
        assert store.head(TEAM).generation == 1
        client.close()
        with monkeypatch.context() as patched:
            patched.setattr(store._turns, "try_hold", refuse)  # type: ignore[attr-defined]
            edit(client, "y = 1\n")
            for _ in range(2):
                head = store.head(TEAM)
                assert head.generation == 1
                assert [one.code for one in head.warnings] == ["working_copy_edited"]
    with Client(open_store(f"sqlite://{client.store.root}", limits=LIMITS)) as later:
        assert later.realm(TEAM).get().document == {"x": 1, "y": 1}


def test_a_root_without_working_copies(store, tmp_path):
    """What concerns working copies is empty, done, or told of, where there are none."""
    assert "config_path" not in store.paths(ONE)
    assert store.working_copy(ONE).state == "none"
    store.publish()
    store.publish(ONE)
    store.restyle(ONE, "# a comment\n", deadline=soon())
    with pytest.raises(Unsupported):
        store.resolve(ONE, appending(ONE, {"x": 1}), deadline=soon())
    assert store.head(ONE).generation == 3
    with closing(opened(tmp_path / "empty")) as empty:
        assert empty.receipts(ONE) == ()
    with store.view() as view:
        assert view.receipt(ONE, f"{MINTED}nobody") is None


def test_watching_what_may_only_be_read(tmp_path):
    """A handle for reading makes nothing in order to watch, and is told once something is there."""
    os.makedirs(tmp_path / "root")
    with closing(opened(tmp_path / "root", read_only=True)) as reader:
        signal = reader.signal([ONE, GLOBAL])
        assert os.listdir(tmp_path / "root") == []
        signal.close()
        assert signal.wait(0)
    with closing(opened(tmp_path / "root")) as store:
        append(store, ONE, {"x": 1})
        with closing(opened(tmp_path / "root", read_only=True)) as reader:
            signal = reader.signal([ONE])
            while signal.wait(0.2):
                pass
            append(store, ONE, {"x": 2})
            assert signal.wait(PATIENCE_SECONDS)


# --- forks and watchers ------------------------------------------------------------------------------


def fork_once() -> None:
    child = os.fork()
    if child == 0:
        os._exit(0)
    os.waitpid(child, 0)


def test_a_watcher_hears_on_after_a_fork(store, tmp_path):
    """G7: whoever watches in the parent is told to look after a fork, and of what is committed from then on."""
    signal = store.signal([ONE])
    while signal.wait(0.2):
        pass
    fork_once()
    assert signal.wait(PATIENCE_SECONDS)
    while signal.wait(0.2):
        pass
    with closing(opened(tmp_path / "root")) as other:
        append(other, ONE, {"x": 1})
    assert signal.wait(PATIENCE_SECONDS)


def test_a_watcher_of_a_store_that_is_lost_at_a_fork_is_told_to_look(store):
    """G7: a store that cannot be opened again after a fork is met by those who look, and they are told to."""
    signal = store.signal([ONE])
    while signal.wait(0.2):
        pass
    path = store._place.layout.database
    os.rename(path, f"{path}.away")
    while signal.wait(0.2):
        pass
    fork_once()
    assert signal.wait(PATIENCE_SECONDS)
    os.rename(f"{path}.away", path)
    assert store.head(ONE).generation == 3


def test_a_fork_inside_a_change_beside_a_reader_that_opened_anew(store):
    """What the parent's transaction goes through stays open in the child, also where its session was dropped."""
    judge = appending(ONE, {"x": 1})
    codes = []

    def forking(view):
        # As a reader in another thread does that finds the files replaced.
        store._place.drop(store._place.session)
        store._place.open()
        child = os.fork()
        if child == 0:
            code = 1
            try:
                code = 0 if store._turns.dead and store._place.sessions == [] else 1
            finally:
                os._exit(code)
        codes.append(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
        return judge(view)

    store.apply([ONE], forking, deadline=soon())
    assert codes == [0]
    assert store.head(ONE).generation == 4


def test_being_told_by_those_who_stopped(store):
    """What the kernel tells late, after the watches were ended, is a hint like any other."""
    watching = store._watching
    signal = store.signal([ONE])
    watching.stop()
    assert not watching.watch_for_folder(os.path.join(store.root, "later"), lambda: None)
    session = store._place.session
    for _ in range(2):
        while signal.wait(0):
            pass
        watching._replaced()
        assert signal.wait(0)
        store._place.drop(session)
    watching._edited(ONE, lambda: None)
    assert signal.wait(0)
    assert watching._commits() == state_of((store._place.layout.wake,))
    watching._committed()
    watching._replaced_before()
    now = store._place.open()
    now.counters.words.release()
    watching._committed()
    assert signal.wait(0)
    now.counters = Counters(store._place.layout.counters)
    assert store.head(ONE).generation == 3


def test_a_folder_of_which_the_kernel_tells_again(store):
    """A folder that was looked at at intervals is no more, once the kernel tells of it."""
    path = os.path.join(store.root, "team")
    told: list[str] = []
    store.signal([ONE])
    with pytest.raises(OSError, match="watch"):
        store._watching.watch_folder(path, lambda: told.append("late"), lambda: None)
    os.mkdir(path)
    cancel = store._watching.watch_folder(path, lambda: told.append("told"), lambda: None)
    assert store._watching._polled_folders == {}
    cancel()
    cancel()


# --- the notifier --------------------------------------------------------------------------------------


def test_a_system_without_notification(monkeypatch, tmp_path):
    """Where the kernel has none to give, whoever asks is told so, and looks at intervals."""

    class Library:
        """A C library that knows of no notification."""

    monkeypatch.setattr(ctypes, "CDLL", lambda *_, **__: Library())
    notifier = Notifier()
    for _ in range(2):
        with pytest.raises(OSError, match="tells of no changes"):
            notifier.watch(str(tmp_path), notify.WAKE_EVENTS, lambda: None)
    assert notifier.polls
    notifier.forget()
    assert not notifier.polls


def test_events_that_were_lost():
    """G7: where the kernel could not keep what happened, everybody who watches is told to look."""
    told: list[Any] = []
    notifier = Notifier()
    notifier._callbacks = {1: [told.append], 2: [told.append]}
    notifier._tell(struct.pack("iIII", -1, notify.IN_Q_OVERFLOW, 0, 0))
    assert told == [(), ()]


def test_a_bell_of_another_realm():
    """A hint about one realm wakes those who watch it, and those who watch all, and nobody else."""
    assert slot_of(ONE) != slot_of(TWO)
    hub = Hub()
    one, two, every = hub.add([ONE]), hub.add([TWO]), hub.add([])
    hub.ring(ONE)
    assert [signal.wait(0) for signal in (one, two, every)] == [True, False, True]


def test_what_is_not_there_is_looked_at_as_such():
    """A look at intervals at what is gone, or cannot be looked at now, is a look all the same."""
    assert state_of(("/nonexistent/for/sure",)) == (None,)

    def gone():
        raise ValueError("unmapped")

    told = threading.Event()
    notifier = Notifier()
    there: list[int] = []
    cancel = notifier.poll(lambda: there[0] if there else gone(), told.set)
    there.append(1)
    assert told.wait(PATIENCE_SECONDS)
    cancel()
    cancel()


def test_a_listener_ends_with_what_it_listens_to():
    """A thread that listens to an instance that is closed ends."""
    descriptor = os.open(os.devnull, os.O_RDONLY)
    os.close(descriptor)
    Notifier()._listen(descriptor)


# --- files -----------------------------------------------------------------------------------------------


def test_a_file_that_grows_while_it_is_read():
    """What a file says of its size is no limit of what is read of it."""
    descriptor = os.open("/proc/self/status", os.O_RDONLY)
    try:
        assert os.fstat(descriptor).st_size == 0
        assert b"VmRSS" in Files().read(descriptor, 1_000_000)
        assert len(Files().read(descriptor, 10)) == 10
    finally:
        os.close(descriptor)


def test_what_is_neither_file_nor_folder():
    """A device is not read."""
    assert objection(os.stat(os.devnull)) == "is not a regular file"


@pytest.mark.parametrize("own", [files._OWN_SHA256, "_there_is_no_such_module"])
def test_a_digest_needs_no_large_library(monkeypatch, own):
    """The digest of a text is the same by whichever implementation is at hand."""
    expected = hashlib.sha256(b"text").digest()
    monkeypatch.delitem(sys.modules, "hashlib")
    monkeypatch.setattr(files, "_OWN_SHA256", own)
    assert digest_of(b"text") == expected


def test_a_system_without_leases(monkeypatch, tmp_path):
    """Where there are no leases it is not known who has a file open; other trouble is told as it is."""
    path = tmp_path / "file"
    path.write_text("x")
    descriptor = os.open(path, os.O_RDWR)
    with monkeypatch.context() as patched:
        patched.delattr(fcntl, "F_SETLEASE")
        assert Files().lease_against_all(descriptor) == files.LEASE_UNKNOWN
    assert Files().lease_against_all(descriptor) == files.LEASE_FREE
    os.close(descriptor)
    with pytest.raises(OSError, match="Bad file descriptor"):
        Files().lease_against_all(descriptor)


def test_opening_makes_nothing(tmp_path):
    """Who opens what must be there is told that it is not."""
    with pytest.raises(FileNotFoundError):
        layout.open_private(str(tmp_path / "missing"), os.O_RDWR)
    assert os.listdir(tmp_path) == []


def test_a_flush_outwaits_no_rendering(monkeypatch):
    """The end of a program waits for the thread that renders no longer than it would render itself."""
    monkeypatch.setattr(publisher, "FLUSH_SECONDS_MAX", 0.01)
    rendered: list[RealmName] = []
    one = Publisher(lambda realm, deadline: rendered.append(realm), clock=lambda: 0.0)
    with one._working:
        one.flush()
    assert rendered == []


# --- the record ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("error", "outside", "at_commit"),
    [
        (apsw.FullError, StoreFull, StoreFull),
        (apsw.ReadOnlyError, StoreReadOnly, StoreReadOnly),
        (apsw.PermissionsError, StoreReadOnly, OutcomeUnknown),
        (apsw.CorruptError, StoreCorrupt, OutcomeUnknown),
        (apsw.NotADBError, StoreCorrupt, OutcomeUnknown),
        (apsw.CantOpenError, StoreUnavailable, StoreUnavailable),
        (apsw.BusyError, StoreUnavailable, StoreUnavailable),
        (apsw.IOError, StoreUnavailable, OutcomeUnknown),
    ],
)
def test_what_sqlites_codes_mean(error, outside, at_commit):
    """G6: only what proves that nothing was changed is a refusal of a commit."""
    assert type(database.explain(error("planted"), "path")) is outside
    assert type(database.explain_commit(error("planted"), "path", "id")) is at_commit


def test_steps_of_more_realms_than_a_statement_can_name(store, monkeypatch):
    """G7: what follows on in many realms is what follows on in few, one after the other."""
    append(store, TWO, {"n": 1})
    append(store, ONE, {"n": 4})
    append(store, TWO, {"n": 2})
    with store.view() as view:
        expected = view.steps({ONE: 4, TWO: 0}, limit=10)
        monkeypatch.setattr(database, "REALMS_AT_ONCE", 1)
        assert view.steps({ONE: 4, TWO: 0}, limit=10) == expected
        assert [step.revision.generation for step in expected] == [1, 2]
        assert view.steps({ONE: 4, TWO: 0}, limit=1) == expected[:1]
        assert view.steps({ONE: 4, TWO: 2}, limit=1) == []


def test_a_store_that_cannot_be_brought_up_to_date(store):
    """What an earlier build did not keep is added as a whole or not at all."""

    class Refusing:
        def __init__(self, connection):
            self.connection = connection

        def execute(self, statement):
            if statement.startswith("BEGIN"):
                raise apsw.BusyError("planted")
            return self.connection.execute(statement)

        def __getattr__(self, name):
            return getattr(self.connection, name)

    connection: Any = Refusing(store._place.session.writer)
    with pytest.raises(apsw.BusyError):
        kinship.add(connection)
    assert append(store, ONE, {"x": 1}).generation == 4


def test_the_store_is_a_host_of_working_copies(client):
    """What a working copy needs of its store is there, in its turn and in its views."""
    with client.store.view() as view, client.store.turn(soon()) as turn:
        given: list[tuple[type, Any]] = [(Host, client.store), (Reading, view), (Writing, turn)]
        for port, one in given:
            names = [name for name in vars(port) if not name.startswith("_")]
            assert names
            assert [name for name in names if not hasattr(one, name)] == []
