"""A working copy whose file, folder, spare or shelf is odd, or becomes so between two calls: no work is lost (G8)."""

from __future__ import annotations

import errno
import os
import shutil
import socket
import time
from collections.abc import Callable
from typing import Any

import pytest
from tests.workingcopy.editors import STYLES
from tests.workingcopy.host import Host

import realmconf
from realmconf.domain.names import RealmName
from realmconf.errors import WorkingCopyRefused
from realmconf.stores.embedded import workexamine
from realmconf.stores.embedded.files import Files

TEAM = RealmName("team")
STRANGER = 12345


class Odd(Files):
    """The calls, of which a test replaces one: *before* gets its name and its arguments, and may fail in its place."""

    def __init__(self) -> None:
        self.before: Callable[..., object] = lambda name, *_: None

    def open_folder(self, path: str, *, inside: int | None = None) -> int:
        self.before("open_folder", path)
        return super().open_folder(path, inside=inside)

    def make_folder(self, path: str, *, inside: int | None = None) -> None:
        super().make_folder(path, inside=inside)
        self.before("make_folder", path)

    def open_write(self, folder: int, name: str) -> int:
        self.before("open_write", name)
        return super().open_write(folder, name)

    def create(self, folder: int, name: str) -> int:
        self.before("create", name)
        return super().create(folder, name)

    def digest_path(self, path: str) -> bytes:
        self.before("digest_path", path)
        return super().digest_path(path)

    def exchange(self, folder: int, name: str, other_folder: int, other_name: str) -> None:
        self.before("exchange", name)
        super().exchange(folder, name, other_folder, other_name)

    def move(self, folder: int, name: str, other_folder: int, other_name: str) -> None:
        self.before("move", name)
        super().move(folder, name, other_folder, other_name)


@pytest.fixture
def files():
    return Odd()


@pytest.fixture
def host(tmp_path, files):
    host = Host(tmp_path / "root", files=files)
    yield host
    host.copies.close()


def shelf(host: Host, *names: str) -> str:
    return os.path.join(host.root, ".store", "working", *names)


def fail_at(call: str, number: int, *, ending: str = "") -> Callable[..., None]:
    """Fail with *number* at every *call* of a name that ends like this."""

    def before(name: str, *arguments: Any) -> None:
        if name == call and str(arguments[0]).endswith(ending):
            raise OSError(number, os.strerror(number))

    return before


def once_at(call: str, happen: Callable[[], object]) -> Callable[..., None]:
    """Let something happen before the first *call*."""
    left = [happen]

    def before(name: str, *_: Any) -> None:
        if name == call and left:
            left.pop()()

    return before


def died(host: Host, left: str) -> None:
    """What a process that died left in the record; whoever comes after it remembers nothing."""
    host._connection.execute(f"UPDATE working_copy SET {left} = 1")
    host.copies._memories.clear()


def test_a_folder_of_which_the_kernel_tells_nothing(host):
    """Where nobody tells of edits no look is spared, and an edit is found by the next one."""
    host.write("team", {"a": 1})
    assert not host.copies.attend(TEAM)
    with open(host.path("team"), "a", encoding="utf-8") as file:
        file.write("mine = 1\n")
    assert host.copies.undisturbed(TEAM) is None
    assert host.document("team") == {"a": 1, "mine": 1}


def test_a_file_that_a_reader_cannot_look_at(host, files):
    """A reader that may take nothing in is told that the file cannot be looked at, and the next one looks again."""
    host.write("team", {"a": 1})
    files.before = fail_at("open_folder", errno.EIO, ending="team")
    assert [one.code for one in host.copies.warnings(TEAM)] == ["working_copy_stale"]
    assert host.copies.is_dirty(TEAM)
    files.before = lambda name, *_: None
    assert host.copies.warnings(TEAM) == ()
    assert not host.copies.is_dirty(TEAM)


# --- the spare, while the record doubts it ---------------------------------------------------------


def doubted(host: Host) -> str:
    """A file and its spare, as a death between the two leaves them; the spare's path."""
    host.write("team", {"a": 1})
    host.write("team", {"b": 1})
    died(host, "doubtful")
    return shelf(host, "team.spare")


@pytest.mark.parametrize("kind", ["symlink", "folder", "linked"])
def test_a_doubted_spare_that_is_none_of_ours(host, tmp_path, kind: str):
    """What may have come into the spare's place by an exchange is put before a person, whatever it is."""
    spare = doubted(host)
    if kind == "linked":
        os.link(spare, tmp_path / "second")
    else:
        os.unlink(spare)
        if kind == "symlink":
            os.symlink("elsewhere", spare)
        else:
            os.mkdir(spare)
    assert host.settle("team") == ("working_copy_contested",)
    assert host.names("team") == ["config.toml", "config.toml.contested-1"]
    host.write("team", {"c": 1})
    assert host.text("team").endswith("a = 1\nb = 1\nc = 1\n")


def test_a_doubted_spare_that_somebody_has_open(host):
    """An editor may still write to what stands under the spare's name: it waits, and what is saved is taken in."""
    spare = doubted(host)
    with open(spare, "r+", encoding="utf-8") as editor:
        host.settle("team")
        assert "still open somewhere" in host.state("team").reason
        editor.seek(0, os.SEEK_END)
        editor.write("mine = 1\n")
    assert host.document("team") == {"a": 1, "b": 1, "mine": 1}


# --- what was set aside --------------------------------------------------------------------------------


def set_aside(host: Host) -> str:
    """An edit in a file that was displaced; its name on the shelf."""
    host.write("team", {"a": 1})
    host.write("team", {"b": 1})
    name = "team.aside-2-1"
    with open(shelf(host, name), "w", encoding="utf-8") as file:
        file.write("# realmconf: team, generation 2\na = 1\nb = 1\nmine = 1\n")
    os.chmod(shelf(host, name), 0o600)
    died(host, "beside")
    return name


def test_what_was_set_aside_and_is_gone_is_waited_for_no_longer(host, files):
    """Somebody may clear the shelf between two looks at it."""
    name = set_aside(host)
    files.before = once_at("open_write", lambda: os.unlink(shelf(host, name)))
    assert host.settle("team") == ()
    assert os.listdir(shelf(host)) == ["team.spare"]
    assert host.document("team") == {"a": 1, "b": 1}
    set_aside(host)
    shutil.rmtree(shelf(host))
    assert host.settle("team") == ()
    host.write("team", {"c": 1})
    assert host.document("team") == {"a": 1, "b": 1, "c": 1}


def test_what_was_set_aside_with_a_second_name_beside_no_file(host, tmp_path):
    """With no file there, it cannot be the file's own second name."""
    name = set_aside(host)
    os.link(shelf(host, name), tmp_path / "second")
    os.unlink(host.path("team"))
    assert host.settle("team") == ("working_copy_contested",)
    with open(host.path("team", "config.toml.contested-1"), encoding="utf-8") as kept:
        assert "mine = 1" in kept.read()


def test_a_kept_edit_that_somebody_is_at_is_not_shown_as_seen(host):
    """What somebody writes to while it is shown was not seen by whoever settles it, and stays."""
    host.write("team", {"a": 1})
    old = host.text("team")
    host.write("team", {"a": 2})
    STYLES["in_place"](host.path("team"), old.replace("a = 1", "a = 3"))
    host.publish("team")
    kept = host.path("team", "config.toml.contested-1")
    assert len(host.state("team").shown) == 1
    with open(kept, "r+", encoding="utf-8"):
        assert host.state("team").shown == ()


# --- the spare, while it is ours -------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["linked", "open"])
def test_a_spare_that_somebody_else_has_is_not_written_to(host, tmp_path, kind: str):
    """What has a second name, or is open somewhere, is left as it is; another spare is made."""
    host.write("team", {"a": 1})
    host.write("team", {"b": 1})
    spare, second = shelf(host, "team.spare"), tmp_path / "second"
    with open(spare, "r+", encoding="utf-8") as somebody:
        os.link(spare, second)
        if kind == "linked":
            somebody.close()
        before = second.read_text()
        host.write("team", {"c": 1})
        assert second.read_text() == before
    assert host.text("team").endswith("a = 1\nb = 1\nc = 1\n")
    assert host.settle("team") == ()


@pytest.mark.parametrize("kind", ["linked", "unwritable"])
def test_a_spare_that_cannot_be_overwritten_is_removed(host, files, tmp_path, kind: str):
    """G11: before a purge, what is left of an older text is at least not kept by us."""
    host.write("team", {"a": 1})
    host.write("team", {"b": 1})
    spare = shelf(host, "team.spare")
    if kind == "linked":
        os.link(spare, tmp_path / "second")
    else:
        files.before = fail_at("open_write", errno.EACCES, ending=".spare")
    with host.turn() as turn:
        assert host.copies.erase(turn, TEAM)
    assert not os.path.exists(spare)


def test_a_purge_while_nothing_can_be_rendered(host, files):
    """G11: where a text cannot be rendered over, it is said, so that it stays known until it is."""
    host.write("team", {"a": 1}, publish=False)
    files.before = fail_at("create", errno.ENOSPC)
    with host.turn() as turn:
        assert not host.copies.erase(turn, TEAM)
    files.before = lambda name, *_: None
    host.publish("team")
    with host.turn() as turn:
        assert host.copies.erase(turn, TEAM)


def test_a_purge_in_a_folder_that_is_not_ours(host, tmp_path):
    """G11: nothing is erased through a link; whoever purges is told where to look."""
    host.write("team", {"a": 1})
    os.rename(os.path.join(host.root, "team"), tmp_path / "elsewhere")
    os.symlink(tmp_path / "elsewhere", os.path.join(host.root, "team"))
    with host.turn() as turn, pytest.raises(WorkingCopyRefused):
        host.copies.erase(turn, TEAM)
    assert (tmp_path / "elsewhere" / "config.toml").read_text().endswith("a = 1\n")


# --- at the exchange -------------------------------------------------------------------------------------------


def test_a_file_that_is_removed_at_the_exchange(host, files):
    """A file that goes away between the look and the exchange is rendered all the same."""
    host.write("team", {"a": 1})
    files.before = once_at("exchange", lambda: os.unlink(host.path("team")))
    host.write("team", {"b": 1})
    # It may be an editor between two steps, for a while.
    host.publish("team", seconds=1000.0)
    assert host.text("team").endswith("a = 1\nb = 1\n")


def test_a_file_that_gets_a_second_name_at_the_exchange(host, files, tmp_path):
    """What is refused as a file is put back, and told of; once it is one again it is rendered over."""
    host.write("team", {"a": 1})
    second = tmp_path / "second"
    files.before = once_at("exchange", lambda: os.link(host.path("team"), second))
    host.write("team", {"b": 1})
    assert second.read_text().endswith("generation 1\na = 1\n")
    assert host.settle("team") == ("working_copy_refused",)
    os.unlink(second)
    host.publish("team")
    assert host.text("team").endswith("a = 1\nb = 1\n")


def test_a_file_that_is_removed_as_its_realm_ends(host, files):
    """Who removes the file of a deleted realm at that moment did what was to be done."""
    host.write("team", {"a": 1})
    files.before = once_at("move", lambda: os.unlink(host.path("team")))
    host.write("team", None)
    assert host.names("team") == []
    assert host.settle("team") == ()


def test_a_file_that_gets_a_second_name_as_its_realm_ends(host, files, tmp_path):
    """What is no file of ours any more as it is taken away is put before a person."""
    host.write("team", {"a": 1})
    second = tmp_path / "second"
    files.before = once_at("move", lambda: os.link(host.path("team"), second))
    host.write("team", None)
    host.settle("team")
    assert host.names("team") == ["config.toml.contested-1"]
    assert second.read_text().endswith("a = 1\n")


# --- folders ------------------------------------------------------------------------------------------------------


def test_folders_that_somebody_else_makes_at_that_moment(host, files):
    """A folder that another process was faster to make is as good as one's own."""
    files.before = fail_at("make_folder", errno.EEXIST)
    host.write("team", {"a": 1})
    assert host.text("team").endswith("a = 1\n")


def test_a_folder_of_somebody_else(host, files, monkeypatch):
    """A realm's folder that belongs to somebody else is neither read nor written."""
    host.write("team", {"a": 1})
    stat_open = files.stat_open

    def of_a_stranger(descriptor: int) -> os.stat_result:
        status = stat_open(descriptor)
        # Mode, inode, device, links, user.
        return os.stat_result((*status[:4], STRANGER, *status[5:]))

    monkeypatch.setattr(files, "stat_open", of_a_stranger)
    host.publish("team")
    assert host.settle("team") == ("working_copy_refused",)
    host.write("team", {"b": 1})
    monkeypatch.undo()
    assert host.text("team").endswith("generation 1\na = 1\n")
    host.publish("team")
    assert host.text("team").endswith("a = 1\nb = 1\n")


def test_a_socket_in_the_place_of_the_file(host):
    """What is neither a file nor a folder is refused, and stays."""
    host.write("team", {"a": 1})
    os.unlink(host.path("team"))
    with socket.socket(socket.AF_UNIX) as listener:
        before = os.getcwd()
        os.chdir(os.path.join(host.root, "team"))
        try:
            listener.bind("config.toml")
        finally:
            os.chdir(before)
        assert host.settle("team") == ("working_copy_refused",)
        assert host.state("team").reason == "is not a regular file"
    assert host.names("team") == ["config.toml"]


def test_a_folder_that_cannot_be_looked_at_now(host, files):
    """Whoever asks for the state of a file on a failing disk is told so."""
    host.write("team", {"a": 1})
    files.before = fail_at("open_folder", errno.EIO)
    state = host.state("team")
    assert state.state == "refused"
    assert "cannot be looked at" in state.reason


def test_a_young_file_that_cannot_be_read_now(host, files):
    """A file that cannot be compared is looked at."""
    host.write("team", {"a": 1})
    assert host.settle("team") == ()
    files.before = fail_at("digest_path", errno.EIO)
    assert host.settle("team") == ()
    STYLES["in_place"](host.path("team"), host.text("team") + "b = 1\n")
    assert host.document("team") == {"a": 1, "b": 1}


# --- what is said, and when ------------------------------------------------------------------------------------------


def test_more_edits_than_one_look_takes_in(host, monkeypatch):
    """Who saves faster than we take in finds the next edit taken in by the next look."""
    monkeypatch.setattr(workexamine, "ROUNDS_MAX", 1)
    host.write("team", {"a": 1})
    STYLES["in_place"](host.path("team"), host.text("team") + "b = 1\n")
    host.settle("team")
    assert host.head(TEAM).generation == 2
    assert host.document("team") == {"a": 1, "b": 1}
    assert host.settle("team") == ()


def test_a_comment_is_an_edit(host):
    """A file in which only words for people have changed says so until it is taken in."""
    host.write("team", {"a": 1})
    STYLES["in_place"](host.path("team"), host.text("team") + "# for people\n")
    assert host.state("team").state == "edited"
    assert host.settle("team") == ()
    host.publish("team")
    assert host.state("team").state == "clean"
    assert host.text("team").endswith("generation 1\na = 1\n# for people\n")
    assert host.head(TEAM).generation == 1


def test_a_realm_that_lives_elsewhere(tmp_path):
    """G8: an edit of a realm that has moved stays in its file, and its state says where the realm lives."""
    with realmconf.connect(str(tmp_path)) as client:
        client.realm(TEAM).set({"a": 1})
        client.publish()
        store: Any = client.store
        store.depart(TEAM, "there", finish=lambda view: None, deadline=time.monotonic() + 20)
        path = tmp_path / "team" / "config.toml"
        path.write_text(path.read_text() + "b = 1\n")
        state = store.working_copy(TEAM)
        assert state.state == "moved"
        assert "there" in state.reason
    assert path.read_text().endswith("b = 1\n")


def test_a_reader_that_may_not_adopt_is_told(tmp_path):
    """G8: a handle for reading is told by the kernel of an edit, says that it is there, and takes nothing in."""
    with realmconf.connect(str(tmp_path)) as client:
        client.realm(TEAM).set({"a": 1})
    with realmconf.connect(str(tmp_path), read_only=True) as reader:
        realm = reader.realm(TEAM)
        assert [realm.get().generation for _ in range(3)] == [1, 1, 1]
        path = tmp_path / "team" / "config.toml"
        path.write_text(path.read_text() + "b = 1\n")
        deadline = time.monotonic() + 20
        while not (warnings := realm.get().warnings):
            assert time.monotonic() < deadline
        assert [one.code for one in warnings] == ["working_copy_edited"]
        assert realm.get().generation == 1


def test_two_threads_that_ask_to_be_told(host):
    """A folder that another thread began to watch at this moment is not watched a second time."""
    host.write("team", {"a": 1})
    memory = host.copies.memory(TEAM)
    status = os.stat(os.path.join(host.root, "team"))

    class Attending:
        """A lock that another thread had until it watched the folder."""

        def __enter__(self):
            memory.watched = (status.st_dev, status.st_ino)

        def __exit__(self, *_):
            pass

    host.copies._attending = Attending()
    # This host gives no notification: asked for it, it would fail.
    assert host.copies.attend(TEAM)


def test_an_interpreter_that_ends(host, monkeypatch):
    """What cannot be rendered because no thread can be had any more is caught up by the next look."""

    def no_thread():
        raise RuntimeError("can't start new thread at interpreter shutdown")

    host.write("team", {"a": 1}, publish=False)
    with monkeypatch.context() as patched:
        patched.setattr(host.copies, "flush", no_thread)
        host.copies._flush_at_exit()
    host.publish("team")
    assert host.text("team").endswith("a = 1\n")
