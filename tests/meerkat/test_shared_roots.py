"""A root that others use too: their locks, their files that cannot be read, and editors that save in between."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
import uuid
from contextlib import closing
from pathlib import Path

import pytest

import realmconf
from realmconf.domain.names import RealmName
from realmconf.errors import LockTimeout, StoreCorrupt, StoreUnavailable, WorkingCopyBroken
from realmconf.stores import renaming
from realmconf.stores.meerkat import files, lockfile, pair
from realmconf.stores.meerkat.files import OvertakenError
from realmconf.stores.meerkat.look import PATIENCE_SECONDS

TEXT = "n = 1\n"


class Root:
    """A root of Meerkat's, and what its own programs and other people do there."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.url = f"meerkat://{path}/realms?global={path}/user"

    def folder(self, realm: str = "team") -> Path:
        folder = self.path / "realms" / realm
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    def config(self, realm: str = "team") -> Path:
        return self.folder(realm) / "config.toml"

    def write(self, text: str, generation: int, realm: str = "team") -> None:
        """As ``rkat`` writes: each file replaced."""
        for name, content in (
            ("config.toml", text),
            ("config_state.json", json.dumps({"generation": generation})),
        ):
            temporary = self.folder(realm) / f".{name}.new"
            temporary.write_text(content)
            temporary.rename(self.folder(realm) / name)

    def lock(self, realm: str = "team") -> Path:
        """As ``rkat`` takes it."""
        path = self.folder(realm) / "config_state.lock"
        path.write_text("config-runtime-lock")
        return path


@pytest.fixture
def root(tmp_path):
    return Root(tmp_path)


@pytest.fixture
def client(root):
    with realmconf.connect(root.url, author="ada") as client:
        yield client


@pytest.fixture
def team(root, client):
    root.write(TEXT, 1)
    return client.realm("team")


# --- other realms ---------------------------------------------------------------------------


def _folder_in_its_place(path: Path) -> None:
    path.unlink()
    path.mkdir()


def _loop_in_its_place(path: Path) -> None:
    path.unlink()
    path.symlink_to(path.name)


@pytest.mark.parametrize("damage", [_folder_in_its_place, _loop_in_its_place])
def test_a_realm_that_cannot_be_read_keeps_nobody_from_the_others(root, client, team, damage):
    """W17: what is wrong with one realm's file is told to who asks for that realm; the others are read and written."""
    root.write(TEXT, 1, "bad")
    client.realm("bad").get()
    damage(root.config("bad"))
    assert team.set_value("n", 2).generation == 2
    assert client.realm("new").set({"n": 1}).generation == 1
    assert [entry.realm for entry in client.realms()] == ["bad", "new", "team"]
    with pytest.raises(StoreUnavailable, match=r"bad/config\.toml cannot be read"):
        client.realm("bad").get()


def test_others_at_work_on_other_realms_are_not_waited_for(root, client, team, monkeypatch):
    """G12: a write waits for the lock of its own realm alone, however many others are held, and however long."""
    real, paused = time.sleep, []

    def counting(seconds):
        paused.append(seconds)
        real(seconds)

    monkeypatch.setattr(time, "sleep", counting)
    for number in range(6):
        root.write(TEXT, 1, f"held-{number}")
        root.lock(f"held-{number}")
    assert team.set_value("n", 2).generation == 2
    root.config().write_text("n = 3\n")
    assert team.set_value("m", 1).generation == 4
    # A reader who waits for one of them waits longer.
    assert sum(paused) < PATIENCE_SECONDS


def test_a_write_is_judged_by_what_is_known_of_the_others(root, client, team):
    """G1, W3: while another program has changed one file of a realm and not the other, a write takes neither for it."""
    root.write('label = "ours"\n', 1, "base")
    client.realm("base").get()
    root.write('label = "theirs"\n', 5, "base")
    root.lock("base")
    root.config("base").write_text('label = "half"\n')
    point = client.store._reading.point({})
    head = point.head(RealmName("base"))
    assert (head.generation, head.revision.document) == (1, {"label": "ours"})
    assert team.set_value("n", 2).generation == 2


# --- one moment -----------------------------------------------------------------------------


def test_a_write_between_the_looks_is_no_revision(root, client, team, monkeypatch):
    """G1, W3: a text that another program had already put beside an older number is never noted under that number."""
    team.get()
    root.write("n = 2\n", 2)
    real, calls = lockfile.is_held, []

    def at_work(*args, **named):
        calls.append(args)
        if len(calls) == 2:
            root.write("n = 3\n", 3)
            (root.folder() / "config_state.lock").unlink()
        held = real(*args, **named)
        if len(calls) == 1:
            root.lock()
            root.config().write_text("n = 3\n")
        return held

    with monkeypatch.context() as patched:
        patched.setattr(lockfile, "is_held", at_work)
        snapshot = team.get()
    assert len(calls) > 2
    assert (snapshot.generation, dict(snapshot.document)) == (3, {"n": 3})
    assert [one.generation for one in team.history()] == [3]


def test_a_reader_who_is_overtaken_reads(root, client, monkeypatch):
    """G5: whoever finds that somebody saves while a rename is put into the files is answered all the same."""
    client.realm("one").set({"n": 1})

    def overtaken(self, held):
        raise OvertakenError

    with monkeypatch.context() as patched:
        patched.setattr(pair.Pair, "put", overtaken)
        client.rename("one", "two")
        assert dict(client.realm("two").get().document) == {"n": 1}
    assert dict(client.realm("two").get().document) == {"n": 1}
    assert root.config("two").read_text() == TEXT


# --- who may not write ------------------------------------------------------------------------

READ = """
import sys, realmconf
with realmconf.connect(sys.argv[1]) as client:
    snapshot = client.realm("team").get()
    print(snapshot.generation, snapshot.document["n"], [one.code for one in snapshot.warnings])
    try:
        client.realm("team").set_value("n", 9, timeout=2)
    except realmconf.StoreReadOnly as error:
        print("read only:", error)
"""


def _without_rights(*command: str) -> str:
    """What *command* prints that is run without the administrator's right to pass over modes."""
    if os.geteuid() == 0:
        command = ("setpriv", "--bounding-set", "-all", "--inh-caps", "-all", *command)
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("is_whole_root", [False, True])
def test_who_may_not_write_reads(root, client, team, is_whole_root):
    """W17: an edit in a folder that cannot be written is told of, and what is recorded is read; a write is refused."""
    team.set_value("n", 2)
    client.close()
    root.config().write_text("n = 3\n")
    folders = [root.folder()]
    if is_whole_root:
        folders += [root.path / "realms", root.path / "realms" / ".realmconf-records"]
    for folder in folders:
        folder.chmod(0o500)
    try:
        printed = _without_rights(sys.executable, "-c", READ, root.url)
    finally:
        for folder in folders:
            folder.chmod(0o700)
    read, refused = printed.splitlines()
    assert read == "2 2 ['working_copy_edited']"
    assert refused.startswith("read only: ")
    assert root.config().read_text() == "n = 3\n"


def test_a_private_file_of_another_user_keeps_nobody_out(root, client, team):
    """W17: a realm whose files only its owner may read is no hindrance to a write of another realm."""
    root.write(TEXT, 1, "private")
    client.realm("private").get()
    team.set_value("n", 2)
    client.close()
    root.config("private").chmod(0)
    write = READ.replace(
        'set_value("n", 9, timeout=2)', 'set_value("n", 9, timeout=2)\n        print("done")'
    )
    assert _without_rights(sys.executable, "-c", write, root.url).splitlines() == ["2 2 []", "done"]
    root.config("private").chmod(0o600)
    root.folder("private").chmod(0)
    try:
        assert _without_rights(sys.executable, "-c", write, root.url).splitlines() == [
            "3 9 []",
            "done",
        ]
    finally:
        root.folder("private").chmod(0o700)


# --- watching ---------------------------------------------------------------------------------


def test_watching_outlives_a_journal_that_cannot_be_read(root, client, team):
    """G7: a journal that is away or damaged for a moment costs a watcher a look, and never its later hints."""
    team.get()
    records = root.path / "realms" / ".realmconf-records"
    hint = client.store.signal([RealmName("team")])
    while hint.wait(0.3):
        pass
    records.rename(root.path / "away")
    records.mkdir()
    (records / "journal.db").write_bytes(b"junk" * 999)
    assert hint.wait(5)
    (records / "journal.db").unlink()
    records.rmdir()
    (root.path / "away").rename(records)
    while hint.wait(0.3):
        pass
    root.write("n = 2\n", 2)
    assert hint.wait(5)


def test_a_child_watches_whatever_its_parent_did_at_the_fork(client, team):
    """A fork in the middle of a look at the files leaves the child free to watch."""
    team.get()
    store = client.store
    with store._poller._guard:
        child = os.fork()
        if child == 0:
            signal.alarm(20)
            try:
                hint = store.signal([RealmName("team")])
                team.set_value("n", 2)
                os._exit(0 if hint.wait(10) else 3)
            finally:
                os._exit(4)
    assert os.waitpid(child, 0)[1] == 0


# --- files that are not ours to judge -----------------------------------------------------------


@pytest.mark.parametrize("make", [Path.mkdir, os.mkfifo])
def test_what_is_no_file_states_nothing(root, client, team, make):
    """W15: a folder or a pipe in the place of a document is told of by its name, and holds nothing open."""
    team.get()
    root.config().unlink()
    make(root.config())
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(20):
        with pytest.raises(
            StoreUnavailable, match=r"team/config\.toml cannot be read: it is no regular"
        ):
            team.get()
    assert len(os.listdir("/proc/self/fd")) == before
    with pytest.raises(StoreUnavailable):
        team.set_value("n", 2)
    assert not root.config().is_file()


def test_only_what_is_ours_is_swept_away(root, team):
    """W23: a write removes its own kind's leftovers by their exact names; what looks like them is somebody's."""
    team.get()
    folder = root.folder()
    theirs = [
        ".notes.realmconf",
        ".config.tmp.mine.realmconf",
        f".other.tmp.{uuid.uuid4()}.realmconf",
        "config_state.lock.README",
    ]
    ours = [
        f".config.tmp.{uuid.uuid4()}.realmconf",
        f".config_state.tmp.{uuid.uuid4()}.realmconf",
        "config_state.lock.0123456789abcdef",
    ]
    for name in (*theirs, *ours):
        (folder / name).write_text("mine")
        os.utime(folder / name, (1, 1))
    team.set_value("n", 2)
    assert sorted(os.listdir(folder)) == sorted([*theirs, "config.toml", "config_state.json"])


def test_realms_linked_into_one_folder_leave_each_others_files(root, client, team, monkeypatch):
    """W22: two realms whose documents are files of one folder are written at the same time without harm."""
    dotfiles = root.path / "dotfiles"
    dotfiles.mkdir()
    for realm in ("team", "prod"):
        root.write(TEXT, 1, realm)
        root.config(realm).rename(dotfiles / f"config.{realm}.toml")
        root.config(realm).symlink_to(dotfiles / f"config.{realm}.toml")
    real = files.Replacement.put_over
    written: list[files.Replacement] = []

    def beside_another(self, expected):
        if not written:
            written.append(self)
            with realmconf.connect(root.url) as other:
                other.realm("prod").set_value("n", 3)
            assert os.path.exists(self._temporary)
        real(self, expected)

    monkeypatch.setattr(files.Replacement, "put_over", beside_another)
    assert team.set_value("n", 2).generation == 2
    assert (dotfiles / "config.team.toml").read_text() == "n = 2\n"
    assert (dotfiles / "config.prod.toml").read_text() == "n = 3\n"


def test_what_a_group_may_is_no_other_groups_right(root, team, monkeypatch):
    """W22: a file that cannot be given to its owner keeps its group; where that fails too, no group may read it."""
    team.get()
    root.config().chmod(0o660)
    given = []

    def refusing(descriptor, owner, group):
        given.append((owner, group))
        raise PermissionError(1, "not permitted")

    path, real = str(root.config()), os.stat

    def of_another(asked, **named):
        found = real(asked, **named)
        if str(asked) != path:
            return found
        return os.stat_result((*found[:4], found.st_uid + 1, found.st_gid + 1, *found[6:]))

    with monkeypatch.context() as patched:
        patched.setattr(os, "fchown", refusing)
        patched.setattr(os, "stat", of_another)
        files.Replacement(path, b"n = 2\n").put()
    uid, gid = os.getuid() + 1, root.config().stat().st_gid + 1
    assert given == [(uid, gid), (-1, gid)]
    assert root.config().stat().st_mode & 0o777 == 0o600


def test_an_attribute_that_cannot_be_set_keeps_back_no_other(root, team, monkeypatch):
    """W22: attributes of a file are kept one by one."""
    team.get()
    for name in ("user.a", "user.b"):
        os.setxattr(root.config(), name, b"1")
    real = os.setxattr

    def refusing(path, name, value):
        if name == os.listxattr(root.config())[0]:
            raise PermissionError(1, "not permitted")
        real(path, name, value)

    first, second = os.listxattr(root.config())
    with monkeypatch.context() as patched:
        patched.setattr(os, "setxattr", refusing)
        team.set_value("n", 2)
    assert first not in os.listxattr(root.config())
    assert second in os.listxattr(root.config())


# --- editors ----------------------------------------------------------------------------------


@pytest.mark.parametrize("saves", [1, 2, 3])
def test_every_save_in_an_exchange_is_kept(root, team, monkeypatch, saves):
    """G8: of several saves that fall into one exchange the newest stands there, and the others are kept beside it."""
    team.get()
    real = renaming.exchange_paths
    done: list[str] = []

    def saving(path, other):
        if len(done) < saves:
            done.append(path)
            saved = root.path / "saved"
            saved.write_text(f"n = 1\nsave = {len(done)}\n")
            saved.rename(root.config())
        real(path, other)

    with monkeypatch.context() as patched:
        patched.setattr(files, "exchange_paths", saving)
        assert team.set_value("n", 2).generation == 3
    assert team.at(2).document["save"] == saves
    assert root.config().read_text() == f"n = 2\nsave = {saves}\n"
    kept = sorted(path.read_text() for path in root.folder().glob("config.toml.saved*"))
    assert kept == [f"n = 1\nsave = {number}\n" for number in range(1, saves)][-1:]


@pytest.mark.parametrize("verb", ["get", "set_value"])
@pytest.mark.parametrize("is_emptied", [False, True])
def test_a_file_that_is_away_for_an_instant_is_not_deleted(
    root, team, monkeypatch, verb, is_emptied
):
    """G8, W11: an editor that takes the file away, or empties it, before it saves makes one generation."""
    team.get()
    moved = root.folder() / "config.toml~"
    real, paused = time.sleep, []

    def saving(seconds):
        real(seconds)
        paused.append(seconds)
        # Once, while it is waited for: a thread of its own would come when the machine lets it.
        if len(paused) > 1:
            return
        if is_emptied:
            root.config().write_text("n = 2\n")
        else:
            moved.write_text("n = 2\n")
            moved.rename(root.config())

    if is_emptied:
        root.config().write_text("")
    else:
        root.config().rename(moved)
    with monkeypatch.context() as patched:
        patched.setattr(time, "sleep", saving)
        result = team.get() if verb == "get" else team.set_value("m", 1)
    assert paused
    assert result.generation == (2 if verb == "get" else 3)
    assert team.at(2).document == {"n": 2}
    assert [one.kind for one in team.history()][-2:] == ["adopt", "adopt"]


def test_a_file_that_is_away_is_read_meanwhile(root, client, team, monkeypatch):
    """G5, G8: while an editor does not come to rest the last configuration is read, and a write gives up in time."""
    team.get()
    moved = root.folder() / "config.toml~"
    real = time.sleep

    def restless(seconds):
        # It comes and goes.
        root.config().touch()
        root.config().unlink()
        real(seconds)
        root.config().touch()

    root.config().rename(moved)
    with monkeypatch.context() as patched:
        patched.setattr(time, "sleep", restless)
        snapshot = team.get()
        with pytest.raises(LockTimeout):
            team.set_value("n", 2, timeout=0.5)
    assert (snapshot.generation, snapshot.document) == (1, {"n": 1})
    assert [one.code for one in snapshot.warnings] == ["working_copy_edited"]
    moved.rename(root.config())
    assert (team.get().generation, team.get().warnings) == (1, ())


@pytest.mark.parametrize("is_emptied", [False, True])
def test_a_file_that_stays_away_is_deleted(root, team, is_emptied):
    """W11: a file that was removed, or emptied, and stays so is what its owner wants: a generation that says it."""
    team.get()
    if is_emptied:
        root.config().write_text("")
    else:
        root.config().unlink()
    snapshot = team.get()
    assert (snapshot.generation, snapshot.document) == (2, {} if is_emptied else None)


def test_a_link_to_nothing_deletes_nothing(root, client, team):
    """W22: while the file that a link leads to is away the last configuration is read, and nothing written over it."""
    team.get()
    disk, away = root.path / "disk", root.path / "away"
    disk.mkdir()
    root.config().rename(disk / "team.toml")
    root.config().symlink_to(disk / "team.toml")
    assert team.get().generation == 1
    disk.rename(away)
    for _ in range(2):
        snapshot = team.get()
        assert (snapshot.generation, snapshot.document) == (1, {"n": 1})
        assert [one.code for one in snapshot.warnings] == ["working_copy_broken"]
    assert "a link to a file that is not there" in snapshot.warnings[0].message
    assert team.working_copy().state == "broken"
    with pytest.raises(WorkingCopyBroken):
        team.set_value("n", 2)
    away.rename(disk)
    assert (team.get().generation, team.get().warnings) == (1, ())
    assert team.set_value("n", 2).generation == 2
    assert team.delete().generation == 3
    assert root.config().is_symlink()
    assert (team.get().generation, team.get().exists) == (3, False)
    assert team.working_copy().state == "clean"
    assert team.set({"n": 4}).generation == 4
    assert (disk / "team.toml").read_text() == "n = 4\n"


def test_a_link_to_nothing_can_be_settled(root, team):
    """W14, W22: ``resolve`` puts what is in force where the link leads to, if somebody decides that."""
    good = team.get()
    root.config().unlink()
    root.config().symlink_to(root.path / "team.toml")
    state = team.working_copy()
    result = team.resolve(good.document, shown=state.shown)
    assert (result.generation, result.changed) == (1, False)
    assert (root.path / "team.toml").read_text() == TEXT
    assert team.get().warnings == ()


# --- a damaged journal --------------------------------------------------------------------------

EMPTIED = "CREATE TABLE meta(name TEXT PRIMARY KEY, value) WITHOUT ROWID;"


@pytest.mark.parametrize("damage", ["empty", "junk", "formatless"])
def test_a_damaged_journal_is_told_with_what_to_do(root, client, team, damage):
    """A journal that is none is ``store_corrupt``; moved away, as the text says, the realm goes on from its files."""
    team.set_value("n", 2)
    client.close()
    records = root.path / "realms" / ".realmconf-records"
    for path in records.glob("journal.db*"):
        path.unlink()
    journal = records / "journal.db"
    journal.write_bytes(b"junk" * 999 if damage == "junk" else b"")
    if damage == "formatless":
        with closing(sqlite3.connect(journal)) as connection:
            connection.executescript(EMPTIED)
    with realmconf.connect(root.url) as other:
        realm = other.realm("team")
        for _ in range(2):
            with pytest.raises(StoreCorrupt, match="move it away"):
                realm.get()
            with pytest.raises(StoreCorrupt, match="move it away"):
                realm.set_value("n", 3)
        held = [os.path.realpath(f"/proc/self/fd/{name}") for name in os.listdir("/proc/self/fd")]
        assert str(journal) not in held
        for path in records.glob("journal.db*"):
            path.rename(root.path / path.name)
        assert (realm.get().generation, realm.get().document) == (2, {"n": 2})
        assert realm.set_value("n", 3).generation == 3
