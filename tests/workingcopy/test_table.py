"""
Every row of the protocol's table, with real files and every way of saving (G8).

*Before*, *during* and *after* a program's write is ``test_interleavings``.
"""

from __future__ import annotations

import os
import time
from typing import Any

import pytest
from tests.workingcopy.editors import STYLES, KeptDescriptor, Save, SlowEditor
from tests.workingcopy.host import Host

from realmconf.domain.names import RealmName
from realmconf.errors import HistoryMissing

AGENT: dict[str, Any] = {
    "agent": {"model": "small", "tokens": 1000, "tools": ["read", "write"]},
    "limits": {"cpu": 1.5, "when": "2026-01-01"},
    "z_last": True,
}


@pytest.fixture
def host(tmp_path):
    host = Host(tmp_path)
    yield host
    host.copies.close()


styles = pytest.mark.parametrize("save", STYLES.values(), ids=STYLES)


def without_header(text: str) -> str:
    return text.split("\n", 1)[1]


# --- clean, unfinished -----------------------------------------------------------


def test_rendering_is_clean(host):
    """A write is rendered with a first line that names realm and generation; looking at it changes nothing."""
    host.write("team", AGENT)
    assert host.text("team").splitlines()[0] == "# realmconf: team, generation 1"
    assert host.state("team").state == "clean"
    assert host.settle("team") == ()
    assert len(host.history("team")) == 1


def test_rendering_without_header(tmp_path):
    """The first line can be turned off."""
    host = Host(tmp_path, header=False)
    host.write("team", {"a": 1})
    assert host.text("team") == "a = 1\n"
    assert host.state("team").state == "clean"


def test_unfinished_rendering_is_caught_up(host):
    """A file that is behind (the writer was killed before it rendered) is ours: it is rendered, never adopted."""
    host.write("team", AGENT)
    host.write("team", {"extra": 1}, publish=False)
    assert host.state("team").state == "stale"
    later = Host(host.root)
    assert later.settle("team") == ()
    later.publish("team")
    assert later.state("team").state == "clean"
    assert [revision.kind for revision in later.history("team")] == ["patch", "patch"]


def test_modes_under_any_umask(tmp_path):
    """Folders are 0700 and files 0600 whatever the umask."""
    for number, umask in enumerate((0o000, 0o022, 0o077, 0o777)):
        before = os.umask(umask)
        try:
            host = Host(tmp_path)
            for value in range(3):
                host.write(f"team{number}", {"a": value})
        finally:
            os.umask(before)
        assert os.stat(host.path(f"team{number}")).st_mode & 0o777 == 0o600
        assert os.stat(os.path.dirname(host.path(f"team{number}"))).st_mode & 0o777 == 0o700


def test_wider_mode_is_kept(host):
    """Who makes the file readable for others finds it so after the next rendering."""
    host.write("team", {"a": 1})
    os.chmod(host.path("team"), 0o644)
    host.write("team", {"a": 2})
    host.write("team", {"a": 3})
    assert os.stat(host.path("team")).st_mode & 0o777 == 0o644


# --- edits ---------------------------------------------------------------------------


@styles
def test_edit_is_adopted(host, save: Save):
    """An edit becomes a revision of its own, by the file's owner, on the surface ``file``."""
    host.write("team", AGENT)
    save(host.path("team"), host.text("team").replace('"small"', '"large" # better'))
    assert host.state("team").state == "edited"
    head = host.look("team").revision
    assert head.generation == 2
    assert head.kind == "adopt"
    assert head.surface == "file"
    assert head.author.endswith(f"@{os.uname().nodename}")
    assert head.document == {**AGENT, "agent": {**AGENT["agent"], "model": "large"}}
    host.publish("team")
    assert host.text("team").splitlines()[0] == "# realmconf: team, generation 2"
    assert "# better" in host.text("team")
    assert host.state("team").state == "clean"


@styles
def test_edit_meets_a_write(host, save: Save):
    """A program's write and an edit of something else both stand; the edit comes first in history."""
    host.write("team", AGENT)
    save(host.path("team"), host.text("team").replace("tokens = 1000", "tokens = 2000"))
    host.write("team", {"z_last": False})
    assert [revision.kind for revision in host.history("team")] == ["patch", "adopt", "patch"]
    assert host.document("team") == {
        **AGENT,
        "agent": {**AGENT["agent"], "tokens": 2000},
        "z_last": False,
    }


@styles
def test_old_buffer_merges(host, save: Save):
    """A buffer loaded at generation 1 and saved over generation 3 is merged: nobody's change is undone."""
    host.write("team", AGENT)
    buffer = host.text("team")
    host.write("team", {"z_last": False})
    host.write("team", {"new": 5})
    save(host.path("team"), buffer.replace('"small"', '"large"'))
    assert host.document("team") == {
        **AGENT,
        "agent": {**AGENT["agent"], "model": "large"},
        "z_last": False,
        "new": 5,
    }
    assert host.look("team").revision.reverts == ()


@styles
def test_old_buffer_that_overlaps_is_contested(host, save: Save):
    """An old buffer that changes what somebody else changed since is kept beside the file, in full; the head stands."""
    host.write("team", AGENT)
    buffer = host.text("team").replace('"small"', '"mine"')
    host.write("team", {"agent": {**AGENT["agent"], "model": "theirs"}})
    save(host.path("team"), buffer)
    assert host.state("team").contested == ("/agent/model",)
    assert host.settle("team") == ("working_copy_contested",)
    host.publish("team")
    assert host.document("team")["agent"]["model"] == "theirs"
    assert 'model = "theirs"' in host.text("team")
    with open(host.path("team", "config.toml.contested-1"), encoding="utf-8") as file:
        assert file.read() == buffer
    state = host.state("team")
    assert state.state == "contested"
    assert state.contested == ("/agent/model",)
    assert state.mine_text == buffer
    assert 'model = "small"' in state.base_text
    # Every later command says so, in every process, until somebody settles it.
    assert Host(host.root).settle("team") == ("working_copy_contested",)


def test_contested_edits_are_numbered(host):
    """A second contested edit does not take the first one's place."""
    host.write("team", {"a": 1})
    buffer = host.text("team")
    host.write("team", {"a": 2})
    for value in (10, 11):
        STYLES["in_place"](host.path("team"), buffer.replace("a = 1", f"a = {value}"))
        host.settle("team")
        host.publish("team")
    assert host.names("team") == [
        "config.toml",
        "config.toml.contested-1",
        "config.toml.contested-2",
    ]
    assert len(host.state("team").kept) == 2


@styles
def test_edit_without_header_on_the_head(host, save: Save):
    """Without its first line an edit is made against what the file was last seen as."""
    host.write("team", AGENT)
    save(host.path("team"), without_header(host.text("team")).replace("1000", "3000"))
    assert host.document("team")["agent"]["tokens"] == 3000


def test_edit_without_header_over_newer_generations(host):
    """With an unknown base every generation that stood in the file since is tried: one result for all is adopted."""
    host.write("team", {"a": 1, "b": 1})
    # Written, never rendered: the only text anybody can have loaded is generation 1.
    host.write("team", {"b": 2}, publish=False)
    STYLES["in_place"](host.path("team"), "a = 5\nb = 1\n")
    assert host.document("team") == {"a": 5, "b": 2}


def test_edit_without_header_and_two_possible_bases(host):
    """With an unknown base that makes a difference, the edit is contested, never guessed at."""
    host.write("team", {"a": 1, "b": 1})
    _crash_after_exchange(host, {"b": 2})
    # Generation 2 is in the file, and the record does not know whether it is.
    STYLES["in_place"](host.path("team"), "a = 5\nb = 1\n")
    assert host.settle("team") == ("working_copy_contested",)
    assert host.head(RealmName("team")).revision.document == {"a": 1, "b": 2}


def _crash_after_exchange(host: Host, change: dict) -> None:
    class Crash(BaseException):
        pass

    host.write("team", change, publish=False)
    files = host.copies._files
    sync_folder = files.sync_folder

    def crash(folder: int) -> None:
        raise Crash

    files.sync_folder = crash  # type: ignore[method-assign]
    with pytest.raises(Crash):
        host.publish("team")
    files.sync_folder = sync_folder  # type: ignore[method-assign]


def test_header_of_another_realm_is_no_header(host):
    """A copied file names another realm: its first line says nothing about its base."""
    host.write("other", {"a": 1})
    host.write("team", {"a": 1, "b": 1})
    STYLES["in_place"](host.path("team"), "# realmconf: other, generation 9\na = 7\nb = 1\n")
    assert host.document("team") == {"a": 7, "b": 1}
    host.publish("team")
    assert host.text("team").startswith("# realmconf: team, generation 2\n")


def test_header_above_the_head_is_contested(host):
    """A first line that names a generation there never was is a sign of lost history, not an edit."""
    host.write("team", {"a": 1})
    STYLES["in_place"](host.path("team"), "# realmconf: team, generation 9\na = 7\n")
    assert host.settle("team") == ("working_copy_contested",)
    assert host.document("team") == {"a": 1}


def test_header_below_the_floor_is_no_header(host):
    """A base that was compacted away cannot be merged with: the edit is one of unknown base."""
    host.write("team", {"a": 1, "b": 1})
    buffer = host.text("team")
    host.write("team", {"b": 2})
    host.floors["team"] = 2
    STYLES["in_place"](host.path("team"), buffer.replace("a = 1", "a = 5"))
    assert host.document("team") == {"a": 5, "b": 1}
    assert host.look("team").revision.reverts == ("/b",)


def test_reverts_names_what_an_edit_puts_back(host):
    """An adoption that undoes somebody else's later write says which values."""
    host.write("team", {"a": 1, "b": 1})
    host.write("team", {"a": 2})
    STYLES["in_place"](host.path("team"), "a = 1\nb = 7\n")
    head = host.look("team").revision
    assert head.document == {"a": 1, "b": 7}
    assert head.reverts == ("/a",)


def test_comments_alone_make_no_revision(host):
    """An edit of comments and layout changes no value: no revision, and the comments stay for good."""
    host.write("team", {"a": 1, "b": 2})
    STYLES["in_place"](
        host.path("team"), "# realmconf: team, generation 1\n# why\nb   =   2 # two\na = 0x1\n"
    )
    host.settle("team")
    host.write("team", {"c": 3})
    assert len(host.history("team")) == 2
    assert host.text("team") == (
        "# realmconf: team, generation 2\n# why\nb   =   2 # two\na = 0x1\nc = 3\n"
    )


def test_untouched_text_stays_byte_for_byte(host):
    """Comments, order, quoting, number and date spellings of what a write does not touch survive it."""
    text = (
        "# head\n\n[owner]\nname = 'T. \"P\"'   # single quotes\ndob = 1979-05-27T07:32:00-08:00 # a date\n"
        'hex = 0xDEAD_BEEF\nlong = """\none\ntwo"""\n\n# servers, by name\n[servers]\n[servers.beta] # b\n'
        "ports = [\n  8001, # main\n  8002,\n]\n[servers.alpha]\nip = '10.0.0.1'\n\n"
        "[[rule]]\nn = 1\n[[rule]]\nn = 2 # two\n"
    )
    os.makedirs(os.path.join(host.root, "team"), mode=0o700)
    STYLES["in_place"](host.path("team"), text)
    document = host.document("team")
    assert document["owner"]["dob"] == "1979-05-27T07:32:00-08:00"
    host.write("team", {"servers": {**document["servers"], "alpha": {"ip": "10.0.0.2"}}})
    assert host.text("team") == "# realmconf: team, generation 2\n" + text.replace(
        "ip = '10.0.0.1'", host.text("team").splitlines()[-6]
    )
    assert host.text("team").splitlines()[-6].startswith("ip = ")


@styles
def test_creation_by_hand(host, save: Save):
    """A ``config.toml`` in the folder of a realm that was never written is its first revision."""
    os.makedirs(os.path.join(host.root, "fresh"), mode=0o700)
    save(host.path("fresh"), "# by hand\na = 1\n")
    head = host.look("fresh").revision
    assert (head.generation, head.kind, head.document) == (1, "adopt", {"a": 1})
    host.publish("fresh")
    assert host.text("fresh") == "# realmconf: fresh, generation 1\n# by hand\na = 1\n"


def test_file_without_a_record_stops_everything(host):
    """A file that names a generation of a realm without history proves a loss: nothing is started afresh (G2)."""
    os.makedirs(os.path.join(host.root, "lost"), mode=0o700)
    STYLES["in_place"](host.path("lost"), "# realmconf: lost, generation 7\na = 1\n")
    with pytest.raises(HistoryMissing):
        host.write("lost", {"b": 1})
    assert host.history("lost") == []
    assert host.state("lost").file_generation == 7
    assert host.state("lost").mine_text == host.text("lost")


# --- being saved -------------------------------------------------------------------------


def test_half_saved_file_is_never_adopted(host):
    """While somebody has the file open for writing nothing is concluded from it; reads and writes go on."""
    host.write("team", AGENT)
    editor = SlowEditor(host.path("team"), host.text("team").replace("tokens = 1000", "tokens = 7"))
    editor.begin()
    assert host.state("team").state == "saving"
    assert host.document("team") == AGENT
    host.write("team", {"z_last": False})
    half = host.text("team")
    assert host.document("team") == {**AGENT, "z_last": False}
    assert host.text("team") == half, "the file was exchanged under an editor's hands"
    editor.finish()
    assert host.document("team") == {
        **AGENT,
        "agent": {**AGENT["agent"], "tokens": 7},
        "z_last": False,
    }
    host.publish("team")
    assert host.state("team").state == "clean"


def test_without_leases_a_young_file_is_being_saved(tmp_path):
    """Where there are no leases a file that changed within 500 ms is left alone."""
    from realmconf.stores.embedded.files import LEASE_UNKNOWN, Files

    class NoLeases(Files):
        def lease_against_writers(self, descriptor: int) -> str:
            return LEASE_UNKNOWN

        lease_against_all = lease_against_writers

    host = Host(tmp_path, files=NoLeases())
    host.write("team", {"a": 1})
    STYLES["in_place"](host.path("team"), "a = 2\n")
    assert host.state("team").state == "saving"
    assert host.document("team") == {"a": 1}
    _age(host.path("team"), 1.0)
    assert host.document("team") == {"a": 2}


def _age(path: str, seconds: float) -> None:
    then = time.time_ns() - int(seconds * 1e9)
    os.utime(path, ns=(then, then))


@pytest.mark.parametrize("writable", [True, False], ids=["writable", "readable"])
def test_kept_descriptor(host, writable: bool):
    """An editor that keeps its descriptor saves into a file that was displaced long ago: taken in all the same."""
    host.write("team", AGENT)
    editor = KeptDescriptor(host.path("team"), writable=writable)
    buffer = editor.text()
    for value in range(4):
        host.write("team", {"count": value})
    editor.save(buffer.replace('"small"', '"kept"'))
    editor.close()
    host.settle("team")
    host.publish("team")
    assert host.document("team") == {
        **AGENT,
        "agent": {**AGENT["agent"], "model": "kept"},
        "count": 3,
    }
    assert host.state("team").state == "clean"
    assert not [
        name for name in os.listdir(os.path.join(host.root, ".store", "working")) if "aside" in name
    ]


def test_status_tells_of_an_older_file_that_is_open(host):
    """What was set aside and is still open somewhere is said, and no reason to look at it in vain."""
    host.write("team", AGENT)
    editor = KeptDescriptor(host.path("team"), writable=False)
    host.write("team", {"count": 1})
    assert "still open" in host.state("team").reason
    editor.close()
    host.settle("team")
    host.publish("team")
    assert host.state("team").reason == ""


# --- absent, empty, broken, refused ---------------------------------------------------------


@pytest.mark.parametrize("damage", ["absent", "empty", "blank"])
def test_missing_file_is_rendered_again(host, damage: str):
    """An absent or empty file never means 'delete everything': it is looked at again, then rendered."""
    host.write("team", AGENT)
    before = host.text("team")
    if damage == "absent":
        os.unlink(host.path("team"))
    else:
        STYLES["in_place"](host.path("team"), "" if damage == "empty" else " \n\n")
    assert host.state("team").state == "absent"
    assert host.document("team") == AGENT
    host.publish("team")
    assert host.text("team") == before
    assert len(host.history("team")) == 1


def test_missing_file_is_looked_at_twice(tmp_path):
    """An editor has half a second between two steps before its file is rendered under it."""
    host = Host(tmp_path, seconds_per_second=0.001)
    host.write("team", AGENT)
    os.unlink(host.path("team"))
    host.settle("team")
    host.publish("team", seconds=0.1)
    assert host.names("team") == []


@pytest.mark.parametrize(
    ("text", "line", "column"),
    [
        ("a = 1\nb = [1,\n", 3, None),
        ("a = 1\na = 2\n", 2, 6),
        ('a = "x\n', 1, None),
        ("a = inf\n", None, None),
        ("a = 99999999999999999999\n", None, None),
        (".".join(["a"] * 20_000) + " = 1\n", None, None),
        ("a = " + "[" * 5_000, None, None),
        ("a = " + "1" * 5_000, None, None),
        ("a = '\udcff'\n", 1, None),
        ("a = 1\n" * 400_000, None, None),
    ],
    ids=[
        "unclosed",
        "twice",
        "string",
        "infinite",
        "large",
        "dots",
        "brackets",
        "digits",
        "utf8",
        "long",
    ],
)
def test_broken_file_is_left_alone(host, text: str, line: int | None, column: int | None):
    """A file that is not a document keeps nobody from working: head readable, writes go on, file untouched."""
    host.write("team", AGENT)
    content = text.encode(errors="surrogateescape")
    with open(host.path("team"), "wb") as file:
        file.write(content)
    began = time.process_time()
    assert host.settle("team") == ("working_copy_broken",)
    assert time.process_time() - began < 5
    host.write("team", {"z_last": False})
    with open(host.path("team"), "rb") as file:
        assert file.read() == content
    state = host.state("team")
    assert state.state == "broken"
    assert state.reason
    if line is not None:
        assert state.line == line
    if column is not None:
        assert state.column == column
    assert [revision.kind for revision in host.history("team")] == ["patch", "patch"]


def test_mended_file_is_adopted(host):
    """A broken file that is mended is an edit like any other, against the generation its first line names."""
    host.write("team", AGENT)
    good = host.text("team").replace('"small"', '"mended"')
    STYLES["in_place"](host.path("team"), good + "[")
    host.write("team", {"z_last": False})
    STYLES["in_place"](host.path("team"), good)
    assert host.document("team") == {
        **AGENT,
        "agent": {**AGENT["agent"], "model": "mended"},
        "z_last": False,
    }


@pytest.mark.parametrize("kind", ["symlink", "folder", "pipe", "hard link", "linked folder"])
def test_refused_file_is_neither_read_nor_written(host, tmp_path_factory, kind: str):
    """What is not a regular file of ours is never opened, followed or replaced; the realm goes on."""
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    secret = elsewhere / "secret.toml"
    secret.write_text("stolen = true\n")
    secret.chmod(0o600)
    host.write("team", AGENT)
    path = host.path("team")
    if kind == "linked folder":
        os.rename(os.path.dirname(path), elsewhere / "team")
        (elsewhere / "team" / "config.toml").write_text("stolen = true\n")
        os.symlink(elsewhere / "team", os.path.dirname(path))
    else:
        os.unlink(path)
        if kind == "symlink":
            os.symlink(secret, path)
        elif kind == "folder":
            os.mkdir(path)
        elif kind == "pipe":
            os.mkfifo(path)
        else:
            os.link(secret, path)
    assert host.settle("team") == ("working_copy_refused",)
    host.write("team", {"z_last": False})
    state = host.state("team")
    assert state.state == "refused"
    assert state.reason
    assert host.document("team") == {**AGENT, "z_last": False}
    assert secret.read_text() == "stolen = true\n"


def test_foreign_file_is_refused(host):
    """A file that belongs to somebody else is not taken for the owner's edit."""
    if os.geteuid() != 0:
        pytest.skip("only root can give a file away")
    host.write("team", AGENT)
    STYLES["in_place"](host.path("team"), "a = 1\n")
    os.chown(host.path("team"), 12345, 12345)
    assert host.settle("team") == ("working_copy_refused",)
    assert host.document("team") == AGENT


# --- restore, delete ---------------------------------------------------------------------------


@styles
def test_old_rendering_put_back_is_a_restore(host, save: Save):
    """A rendering that was replaced and is put back (a checkout, a backup) is a new revision that names its origin."""
    host.write("team", AGENT)
    old = host.text("team")
    host.write("team", {"z_last": False})
    host.write("team", {"new": 1})
    save(host.path("team"), old)
    assert host.state("team").state == "restored"
    head = host.look("team").revision
    assert (head.generation, head.kind, head.restores, head.document) == (4, "adopt", 1, AGENT)
    host.publish("team")
    assert host.text("team") == old.replace("generation 1", "generation 4")


def test_deleted_realm_has_no_file(host):
    """The rendering of a tombstone is no file; nothing asks for it back."""
    host.write("team", AGENT)
    host.write("team", None)
    assert host.names("team") == []
    assert host.state("team").state == "clean"
    assert host.settle("team") == ()
    host.write("team", {"a": 1})
    assert host.text("team") == "# realmconf: team, generation 3\na = 1\n"


def test_file_of_a_deleted_realm_that_comes_back(host):
    """A checkout of a deleted realm's last rendering restores it."""
    host.write("team", AGENT)
    old = host.text("team")
    host.write("team", None)
    STYLES["in_place"](host.path("team"), old)
    head = host.look("team").revision
    assert (head.generation, head.document, head.restores) == (3, AGENT, 1)


def test_edit_of_a_deleted_realm_is_contested(host):
    """An edit of a document that somebody deleted meanwhile overlaps with that; it is kept, and no file is left."""
    host.write("team", AGENT)
    buffer = host.text("team")
    host.write("team", None)
    STYLES["in_place"](host.path("team"), buffer.replace('"small"', '"mine"'))
    assert host.settle("team") == ("working_copy_contested",)
    host.publish("team")
    assert host.names("team") == ["config.toml.contested-1"]
    assert host.head(RealmName("team")).revision.tombstone


# --- settling -------------------------------------------------------------------------------------


@pytest.mark.parametrize("state", ["contested", "broken", "lost"])
def test_resolve_lets_go(host, state: str):
    """Once a person has settled it the file is the head again, and nothing is left beside it."""
    host.write("team", {"a": 1})
    buffer = host.text("team")
    host.write("team", {"a": 2})
    realm = "team"
    if state == "lost":
        realm = "lost"
        os.makedirs(os.path.join(host.root, "lost"))
        STYLES["in_place"](host.path("lost"), "# realmconf: lost, generation 7\na = 1\n")
    else:
        text = buffer.replace("a = 1", "a = 3") if state == "contested" else "a = ["
        STYLES["in_place"](host.path("team"), text)
        host.settle("team")
        host.publish("team")
    with host.turn() as turn:
        host.copies.settle(turn, RealmName(realm), tolerant=True)
        host.copies.resolve(turn, RealmName(realm), ())
    host.publish(realm)
    assert host.settle(realm) == ()
    assert host.state(realm).state == "clean"
    assert host.names(realm) == ([] if state == "lost" else ["config.toml"])


# --- looking is cheap, and misses nothing --------------------------------------------------------------


def test_same_size_and_old_time_do_not_hide_an_edit(host):
    """An edit of the same length with its time put back is seen: the stat is a hint, the digest decides."""
    host.write("team", {"a": 1})
    for value in range(2, 9):
        status = os.stat(host.path("team"))
        text = host.text("team")
        descriptor = os.open(host.path("team"), os.O_WRONLY)
        os.pwrite(descriptor, str(value).encode(), text.index("a = ") + 4)
        os.close(descriptor)
        os.utime(host.path("team"), ns=(status.st_atime_ns, status.st_mtime_ns))
        assert host.document("team") == {"a": value}
        host.publish("team")


def test_unchanged_file_is_not_read_again(tmp_path):
    """A look at a file that is old enough and stands still is one stat."""
    from realmconf.stores.embedded.files import Files

    class Counting(Files):
        opened = 0

        def open_read(self, folder: int, name: str) -> int:
            self.opened += 1
            return super().open_read(folder, name)

        def digest_path(self, path: str) -> bytes:
            self.opened += 1
            return super().digest_path(path)

    files = Counting()
    host = Host(tmp_path, files=files)
    host.write("team", {"a": 1})
    host.settle("team")
    memory = host.copies.memory(RealmName("team"))
    memory._looked_ns += 3_000_000_000
    files.opened = 0
    host.settle("team")
    assert files.opened == 0
    memory._looked_ns -= 3_000_000_000
    host.settle("team")
    assert files.opened == 1


def test_reader_without_the_turn_is_warned(host):
    """A read that may not adopt answers with the head and says that the file was edited."""
    host.write("team", {"a": 1})
    reader = Host(host.root, read_only=True)
    assert reader.copies.warnings(RealmName("team")) == ()
    STYLES["in_place"](host.path("team"), "a = 2\n")
    assert reader.copies.suspect(RealmName("team"))
    assert [item.code for item in reader.copies.warnings(RealmName("team"))] == [
        "working_copy_edited"
    ]
    assert len(host.history("team")) == 1
