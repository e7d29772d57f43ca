"""What the embedded store opens and makes, where something odd stands in its way: told by a code, mended or refused."""

from __future__ import annotations

import errno
import os
import shutil
import stat
import time
from contextlib import closing
from typing import Any

import apsw
import pytest

import realmconf
from realmconf.domain.names import LIMITS, RealmName
from realmconf.errors import (
    HistoryMissing,
    InvalidArgument,
    StoreCorrupt,
    StoreFull,
    StoreReadOnly,
    StoreTooNew,
    StoreUnavailable,
    UnsupportedFilesystem,
)
from realmconf.runtime.client import Client
from realmconf.stores.embedded import counters, database, layout, session, witness
from realmconf.stores.registry import open_store
from realmconf.testing.conformance.base import ONE, TWO, append, grow, soon

TEAM = RealmName("team")


def opened(root, **options) -> Any:
    return open_store(f"sqlite://{root}?working_copies=off", limits=LIMITS, **options)


@pytest.fixture
def root(tmp_path):
    """The root of a store with three generations, that nobody has open."""
    with closing(opened(tmp_path / "root")) as store:
        grow(store, ONE, 3)
    return tmp_path / "root"


def in_store(root, name):
    return os.path.join(root, ".store", name)


@pytest.mark.parametrize("query", ["working_copies=perhaps", "copies=off"])
def test_an_option_that_there_is_not(tmp_path, query):
    """What is misspelt in a URL is refused, and no store is made with something else."""
    with pytest.raises(InvalidArgument):
        open_store(f"sqlite://{tmp_path}/root?{query}", limits=LIMITS)
    assert os.listdir(tmp_path) == []


def test_a_place_where_there_is_no_store(tmp_path):
    """A file is no root, and who may only read makes none: neither is taken for a store that nobody wrote to."""
    (tmp_path / "file").write_text("mine")
    with pytest.raises(StoreUnavailable, match="not a folder"):
        opened(tmp_path / "file")
    with pytest.raises(StoreUnavailable, match="no store"):
        opened(tmp_path / "nowhere", read_only=True)
    assert os.listdir(tmp_path) == ["file"]


# --- the folder -----------------------------------------------------------------------------


def test_a_root_below_folders_that_are_not_there(tmp_path):
    """The folders above a root are made with it, for their owner alone."""
    with closing(opened(tmp_path / "one" / "two" / "root")) as store:
        assert append(store, ONE, {"x": 1}).generation == 1
    for made in (tmp_path / "one", tmp_path / "one" / "two", tmp_path / "one" / "two" / "root"):
        assert stat.S_IMODE(os.stat(made).st_mode) == 0o700


def test_a_mask_that_takes_the_owners_right(tmp_path):
    """What the store makes its owner can read and write, whatever rights the process takes from new files."""
    before = os.umask(0o777)
    try:
        descriptor = layout.open_private(str(tmp_path / "file"), os.O_RDWR | os.O_CREAT)
    finally:
        os.umask(before)
    os.close(descriptor)
    assert stat.S_IMODE(os.stat(tmp_path / "file").st_mode) == 0o600


def test_a_root_on_a_network_is_refused(tmp_path, monkeypatch):
    """Where neither locks nor shared memory hold between machines nothing is made."""
    monkeypatch.setattr(layout, "filesystem_of", lambda path: "nfs4")
    with closing(opened(tmp_path / "root")) as store, pytest.raises(UnsupportedFilesystem):
        append(store, ONE, {"x": 1})
    assert not os.path.lexists(in_store(tmp_path / "root", "realmconf.db"))


def test_a_system_that_does_not_tell_its_file_systems(tmp_path, monkeypatch):
    """Where it cannot be told what a root is on, it is not refused."""

    def no_table(*_, **__):
        raise FileNotFoundError

    monkeypatch.setattr(layout, "open", no_table, raising=False)
    with closing(opened(tmp_path / "root")) as store:
        assert append(store, ONE, {"x": 1}).generation == 1


def test_a_file_in_the_place_of_the_stores_folder(tmp_path):
    """A file with the name of a folder is told of, and left as it is."""
    (tmp_path / ".store").write_text("mine")
    with closing(opened(tmp_path)) as store, pytest.raises(StoreUnavailable):
        append(store, ONE, {"x": 1})
    assert (tmp_path / ".store").read_text() == "mine"


def test_a_file_that_takes_the_place_of_the_stores_folder_while_it_is_made(tmp_path, monkeypatch):
    """The same of one that came at that moment; and a folder that came is as good as one's own."""
    make = os.mkdir

    def make_late(path, *rest, **options):
        if str(path).endswith("beside"):
            with open(path, "w", encoding="utf-8"):
                pass
        else:
            make(path, *rest, **options)
        make(path, *rest, **options)

    monkeypatch.setattr(os, "mkdir", make_late)
    layout.make_folder(str(tmp_path / "other"))
    assert (tmp_path / "other").is_dir()
    with pytest.raises(StoreUnavailable):
        layout.make_folder(str(tmp_path / "beside"))


def test_a_folder_that_cannot_be_made(tmp_path, monkeypatch):
    """A system that lets nobody make a folder is told of as one where nothing can be written."""

    def refuse(*_, **__):
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))

    with closing(opened(tmp_path / "root")) as store:
        monkeypatch.setattr(os, "mkdir", refuse)
        with pytest.raises(StoreReadOnly):
            append(store, ONE, {"x": 1})


@pytest.mark.parametrize(
    ("number", "error"),
    [
        (errno.ENOSPC, StoreFull),
        (errno.EDQUOT, StoreFull),
        (errno.EACCES, StoreReadOnly),
        (errno.EIO, StoreUnavailable),
    ],
)
def test_a_lock_file_that_cannot_be_opened(root, monkeypatch, number, error):
    """What the system says of a lock is told by its code; nothing is written without the lock."""

    def refuse(path, flags):
        raise OSError(number, os.strerror(number), path)

    with closing(opened(root)) as store:
        with monkeypatch.context() as broken:
            broken.setattr("realmconf.stores.embedded.turnqueue.open_private", refuse)
            with pytest.raises(error):
                append(store, ONE, {"x": 1})
        assert append(store, ONE, {"x": 1}).generation == 4


# --- the database ----------------------------------------------------------------------------


@pytest.mark.parametrize("number", [None, 2])
def test_a_store_of_a_newer_program(root, number):
    """A store in a format that is not known is left alone."""
    connection = apsw.Connection(in_store(root, "realmconf.db"))
    connection.execute("UPDATE meta SET value = ? WHERE key = 'format'", (number,))
    connection.close()
    with pytest.raises(StoreTooNew):
        opened(root)


def test_a_database_that_was_emptied(root):
    """G2: a database without a record is not one that was never written to."""
    for ending in ("-wal", "-shm"):
        os.unlink(in_store(root, f"realmconf.db{ending}"))
    os.truncate(in_store(root, "realmconf.db"), 0)
    with pytest.raises(HistoryMissing, match="holds no record"):
        opened(root)


def test_a_database_that_is_removed_under_a_reader(root):
    """G2: a root from which the record was taken is not read on from memory, and is not started afresh."""
    with closing(opened(root)) as store:
        assert store.head(ONE).generation == 3
        os.rename(in_store(root, "realmconf.db"), in_store(root, "away"))
        store._place.session.doubt_files()
        with pytest.raises(HistoryMissing):
            store.head(ONE)
        os.rename(in_store(root, "away"), in_store(root, "realmconf.db"))
        assert store.head(ONE).generation == 3


def test_what_an_interrupted_start_left_is_made_anew(tmp_path):
    """A database that was never finished has no name of its own, and is no obstacle to the next."""
    os.makedirs(tmp_path / "root" / ".store")
    for ending in ("", "-journal", "-wal", "-shm"):
        with open(in_store(tmp_path / "root", f"realmconf.db.new{ending}"), "wb") as file:
            file.write(b"half of one")
    with closing(opened(tmp_path / "root")) as store:
        assert append(store, ONE, {"x": 1}).generation == 1
    assert not [name for name in os.listdir(tmp_path / "root" / ".store") if ".new" in name]


def test_no_space_for_a_new_database(tmp_path, monkeypatch):
    """A store that cannot be made is not there, and is made once it can be."""
    with closing(opened(tmp_path / "root")) as store:
        with monkeypatch.context() as full:
            full.setattr(database, "SCHEMA", "CREATE TABLE meta(key); PRAGMA max_page_count = 1;")
            with pytest.raises((StoreFull, StoreUnavailable)):
                append(store, ONE, {"x": 1})
        assert store.head(ONE).generation == 0
        assert append(store, ONE, {"x": 1}).generation == 1


def test_a_database_that_is_removed_as_it_is_made(tmp_path, monkeypatch):
    """Whoever removes a root while it is made is not answered with a write that is not there."""
    create = database.create

    def make_and_lose(path, **options):
        create(path, **options)
        os.unlink(path)

    with closing(opened(tmp_path / "root")) as store:
        with monkeypatch.context() as losing:
            losing.setattr(database, "create", make_and_lose)
            with pytest.raises(StoreUnavailable):
                append(store, ONE, {"x": 1})
        assert append(store, ONE, {"x": 1}).generation == 1


def test_a_log_that_cannot_be_grown(tmp_path, monkeypatch):
    """Where there is no space for the log to come, what there is space for is committed all the same."""

    def refuse(connection):
        raise apsw.FullError("planted")

    with monkeypatch.context() as full:
        full.setattr(database, "grow_log", refuse)
        with closing(opened(tmp_path / "root")) as store:
            assert append(store, ONE, {"x": 1}).generation == 1
    with closing(opened(tmp_path / "root")) as store:
        assert append(store, ONE, {"x": 2}).generation == 2
        assert store.head(ONE).revision.document == {"x": 2}


# --- the counters -----------------------------------------------------------------------------


@pytest.mark.parametrize("damage", ["size", "word"])
def test_damaged_counters(root, damage):
    """Counters that are not ours are told of as damage, with what to do; the record is not read without them."""
    path = in_store(root, "counters")
    with open(path, "r+b") as file:
        if damage == "size":
            file.truncate(100)
        else:
            file.write(b"something else")
    with pytest.raises(StoreCorrupt, match="delete it"):
        opened(root).head(ONE)
    os.unlink(path)
    with closing(opened(root)) as store:
        assert append(store, ONE, {"x": 1}).generation == 4


@pytest.mark.parametrize("number", [errno.EACCES, errno.EROFS])
def test_counters_that_may_not_be_written(root, monkeypatch, number):
    """G3: whoever may only read the counters reads as ever and writes nothing, until they may."""
    open_private = layout.open_private

    def refuse(path, flags):
        if flags & os.O_RDWR:
            raise OSError(number, os.strerror(number), path)
        return open_private(path, flags)

    with monkeypatch.context() as bound:
        bound.setattr(counters, "open_private", refuse)
        store = opened(root)
        for _ in range(3):
            assert store.head(ONE).generation == 3
            with pytest.raises(StoreReadOnly):
                append(store, ONE, {"x": 1})
    with closing(store), closing(opened(root)) as other:
        append(other, ONE, {"x": 1})
        assert store.head(ONE).generation == 4
        assert append(store, ONE, {"x": 2}).generation == 5


def test_counters_that_cannot_be_opened(root, monkeypatch):
    """Any other trouble with the counters is told as what it is."""

    def refuse(path, flags):
        raise OSError(errno.EIO, os.strerror(errno.EIO), path)

    monkeypatch.setattr(counters, "open_private", refuse)
    with pytest.raises(StoreUnavailable):
        opened(root)


def test_counters_that_are_replaced_under_a_reader(root):
    """G3: another file in the place of the counters is noticed, since nobody counts in the old one any more."""
    with closing(opened(root)) as store, closing(opened(root)) as other:
        assert store.head(ONE).generation == 3
        path = in_store(root, "counters")
        shutil.copyfile(path, f"{path}.copy")
        os.replace(f"{path}.copy", path)
        append(other, ONE, {"x": 1})
        # So often are the paths compared where the kernel is not asked.
        time.sleep(2 * session.COMPARE_SECONDS)
        for _ in range(3):
            assert store.head(ONE).generation == 4


def test_locks_that_are_removed_under_writers(root):
    """G1: a lock whose file was removed excludes nobody, so whoever holds it takes the one that is there."""
    with closing(opened(root)) as store, closing(opened(root)) as other:
        append(store, ONE, {"x": 1})
        append(other, ONE, {"x": 2})
        for name in ("line.lock", "turn.lock"):
            os.unlink(in_store(root, name))
        with store.turn(soon()):
            assert other._turns.try_hold() is None
        assert append(other, ONE, {"x": 3}).generation == 6
        assert append(store, ONE, {"x": 4}).generation == 7


# --- what remembers -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"x = 1\n",
        b"# realmconf: team\n",
        b"# realmconf: team, generation many\n",
        b"# realmconf: team, generation 12345678901234567\n",
        b"# realmconf: other, generation 7\n",
    ],
)
def test_a_first_line_that_names_no_generation_is_no_witness(tmp_path, text):
    """G2: only what names a generation of the realm in whose folder it stands says that there was a history."""
    os.mkdir(tmp_path / "team")
    (tmp_path / "team" / "config.toml").write_bytes(text)
    with closing(opened(tmp_path)) as store:
        assert append(store, ONE, {"x": 1}).generation == 1


@pytest.mark.parametrize("kind", ["link", "folder", "unreadable"])
def test_what_cannot_be_read_is_no_witness(tmp_path, monkeypatch, kind):
    """G2: the same of what is no file."""
    os.mkdir(tmp_path / "team")
    path = tmp_path / "team" / "config.toml"
    if kind == "link":
        path.symlink_to(tmp_path / "nowhere")
    else:
        os.mkdir(path)
    assert witness.generations_named(layout.Layout(str(tmp_path))) == {}


def test_a_working_copy_ahead_of_its_record(tmp_path):
    """G2: with log and counters gone, the first line of a file still tells that generations are missing."""
    root = tmp_path / "root"
    with realmconf.connect(str(root)) as client:
        client.realm(TEAM).set({"x": 1})
        client.publish()
    path = root / "team" / "config.toml"
    path.write_text(path.read_text().replace("generation 1", "generation 4"))
    os.unlink(in_store(root, "counters"))
    with pytest.raises(HistoryMissing):
        realmconf.connect(str(root))


def test_working_copies_in_step_with_their_record(tmp_path):
    """G2: where only the counters are gone, and every file names what the record has, nothing is missing."""
    with realmconf.connect(str(tmp_path)) as client:
        for name in ("one", "two"):
            client.realm(name).set({"x": 1})
        client.publish()
    os.unlink(in_store(tmp_path, "counters"))
    with realmconf.connect(str(tmp_path)) as client:
        assert client.realm("two").get().generation == 1
        assert client.realm("two").set({"x": 2}).generation == 2


@pytest.mark.parametrize("witness", ["counters", "working copies"])
def test_a_witness_that_is_alone(tmp_path, witness):
    """G2: each thing that remembers is enough to refuse a fresh start, and says what there was."""
    with realmconf.connect(str(tmp_path)) as client:
        client.realm(TEAM).set({"x": 1})
        client.publish()
    for name in os.listdir(tmp_path / ".store"):
        if name != witness and os.path.isfile(in_store(tmp_path, name)):
            os.unlink(in_store(tmp_path, name))
    if witness == "counters":
        shutil.rmtree(tmp_path / "team")
    with pytest.raises(HistoryMissing, match=witness):
        realmconf.connect(str(tmp_path))


@pytest.mark.parametrize("left", ["counters", "damaged counters", "an older copy"])
def test_a_deliberate_start_above_what_was_lost(root, left):
    """G2: who starts anew after a loss goes on above every number that may have been used; what is left is kept."""
    path = in_store(root, "counters")
    if left == "an older copy":
        # The database is behind what the counters have recorded.
        connection = apsw.Connection(in_store(root, "realmconf.db"))
        connection.execute("DELETE FROM revision WHERE generation = 3")
        connection.close()
    else:
        os.unlink(in_store(root, "realmconf.db"))
    if left == "damaged counters":
        with open(path, "wb") as file:
            file.write(b"?")
    with pytest.raises(HistoryMissing):
        opened(root)
    with open(f"{path}.lost-1", "wb"):
        pass
    with closing(opened(root, recover=True)) as store:
        first = 1 if left == "damaged counters" else 4
        realm = Client(store).realm(ONE)
        assert [realm.set({"x": number}).generation for number in (1, 2)] == [first, first + 1]
    names = os.listdir(os.path.dirname(path))
    assert "counters.lost-2" in names
    assert ("realmconf.db.lost-2" in names) == (left == "an older copy")


def test_a_deliberate_start_above_what_a_working_copy_names(tmp_path):
    """G2: a new start goes on above the numbers that files name, also where nothing else is left."""
    with realmconf.connect(str(tmp_path)) as client:
        for number in (1, 2):
            client.realm(TEAM).set({"x": number})
        client.publish()
    shutil.rmtree(tmp_path / ".store")
    with Client(open_store(f"sqlite://{tmp_path}", limits=LIMITS, recover=True)) as client:
        assert client.realm(TEAM).resolve({"x": 3}).generation == 3


# --- a leftover of an interrupted turn ------------------------------------------------------------


class Failing:
    """A connection that refuses some statements, a number of times."""

    def __init__(self, connection, start, times):
        self.connection = connection
        self.start = start
        self.times = times

    def execute(self, statement, *arguments):
        if self.times and statement.startswith(self.start):
            self.times -= 1
            raise apsw.IOError("planted")
        return self.connection.execute(statement, *arguments)

    def __getattr__(self, name):
        return getattr(self.connection, name)


def test_a_transaction_that_could_not_be_ended_is_ended_first(root):
    """G4: what is left open by a turn is rolled back before anything is acknowledged inside it."""
    with closing(opened(root)) as store:
        append(store, TWO, {"x": 1})
        now = store._place.session
        now.writer.execute("BEGIN IMMEDIATE; INSERT INTO meta VALUES('left', 1)")
        now.writer = Failing(now.writer, "ROLLBACK", 1)
        with pytest.raises(StoreUnavailable):
            append(store, TWO, {"x": 2})
        assert append(store, TWO, {"x": 2}).generation == 2
        assert now.writer.get_autocommit()
        with closing(opened(root)) as other:
            assert other.head(TWO).generation == 2


def test_a_fence_that_cannot_be_committed(root):
    """G6: while nobody knows what a dead writer left, nothing is decided, and the next turn tries again."""
    with closing(opened(root)) as store:
        append(store, TWO, {"x": 1})
        now = store._place.session
        # A writer that died between its first mark and its last.
        now.counters.words[counters.PENDING] |= 1
        now.writer = Failing(now.writer, "UPDATE fence", 1)
        with pytest.raises(StoreUnavailable):
            append(store, TWO, {"x": 2})
        assert now.counters.interrupted
        assert append(store, TWO, {"x": 2}).generation == 2
        assert not now.counters.interrupted


def test_a_hint_that_cannot_be_given_is_no_failure(root, monkeypatch):
    """G6: what is committed is told as committed, with or without a byte in the wake file."""
    with closing(opened(root)) as store:
        append(store, TWO, {"x": 1})
        with monkeypatch.context() as full:

            def refuse(*_):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

            full.setattr(os, "pwrite", refuse)
            full.setattr(session, "open_private", refuse)
            assert append(store, TWO, {"x": 2}).generation == 2
            assert append(store, TWO, {"x": 3}).generation == 3
        assert append(store, TWO, {"x": 4}).generation == 4
        assert stat.S_ISREG(os.stat(in_store(root, "wake")).st_mode)


def test_what_was_dropped_twice_is_closed_once(root):
    """Two readers may find at once that the files were replaced: one of them drops what was open."""
    with closing(opened(root)) as store:
        now = store._place.session
        for _ in range(2):
            store._place.drop(now)
        assert store._place.sessions == [now]
        assert store.head(ONE).generation == 3
        assert append(store, ONE, {"x": 1}).generation == 4
        assert now not in store._place.sessions
