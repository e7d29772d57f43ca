"""The first read of a handle: a glance is enough for a file that is ours, and for no other."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

import realmconf
from realmconf.domain.names import RealmName
from realmconf.stores.embedded.files import Files
from realmconf.stores.embedded.store import EmbeddedStore
from realmconf.stores.embedded.workglance import BYTES_MAX, glance
from realmconf.stores.embedded.workrecord import NO_FOLDER

TEAM = RealmName("team")
SOURCE = Path(__file__).resolve().parents[2] / "src"


@pytest.fixture
def file(tmp_path):
    """The working copy of a realm whose only generation is rendered, in a root that nobody has open."""
    with realmconf.connect(str(tmp_path)) as client:
        client.realm(TEAM).set({"a": 1})
    return tmp_path / TEAM / "config.toml"


@pytest.fixture
def fresh(file, tmp_path):
    """A store on that root that has not read anything yet."""
    with realmconf.connect(str(tmp_path)) as client:
        assert isinstance(client.store, EmbeddedStore)
        yield client.store


def looked_properly(store: EmbeddedStore) -> bool:
    """Whether more of the working copies was needed than a glance."""
    return store._made_working_copies is not None


def digest_of_text(file: Path) -> bytes:
    return hashlib.sha256(file.read_bytes()).digest()


def test_glance_is_enough_for_our_own_text(fresh):
    """The first read of a file as we left it answers with the head, and nothing that takes edits in was made."""
    head = fresh.head(TEAM)
    assert (head.generation, head.warnings) == (1, ())
    assert not looked_properly(fresh)
    assert fresh.head(TEAM) is head
    assert looked_properly(fresh)


def test_glance_is_enough_for_a_realm_never_written(fresh, tmp_path):
    """No folder, and nothing in the record: there is nothing to take in. A folder may hold something."""
    assert fresh.head(RealmName("nobody")).generation == 0
    assert not looked_properly(fresh)
    (tmp_path / "somebody").mkdir()
    assert fresh.head(RealmName("somebody")).generation == 0
    assert looked_properly(fresh)


@pytest.mark.parametrize("realm", [TEAM, RealmName("nobody")])
def test_folder_that_is_missed_is_looked_for_properly(fresh, file, realm):
    """The folder of a realm that was written, or whose files are on record, is not gone without a word."""
    shutil.rmtree(file.parent)
    fresh._place.session.connection.execute(
        "INSERT OR IGNORE INTO working_copy (realm, beside) VALUES ('nobody', 1)"
    )
    fresh.head(realm)
    assert looked_properly(fresh)


def test_first_read_waits_for_no_writer(fresh, tmp_path):
    """A fresh handle reads while another one holds the turn, and has nothing to warn of."""
    with realmconf.connect(str(tmp_path)) as other:

        def change(draft):
            head = fresh.head(TEAM)
            assert (head.generation, head.warnings) == (1, ())
            draft["b"] = 2

        other.realm(TEAM).update(change)
    assert not looked_properly(fresh)


@pytest.mark.parametrize("text", ["a = 2\n", "a = 1\n", "", "a = = 1\n"], ids=repr)
def test_other_text_is_looked_at_properly(fresh, file, text):
    """G8: an edit, a restyled, an emptied and a broken file are each noticed by the first read."""
    file.write_text(text)
    head = fresh.head(TEAM)
    assert looked_properly(fresh)
    assert head.generation == (2 if text == "a = 2\n" else 1)


def test_older_rendering_is_looked_at_properly(fresh, file, tmp_path):
    """Our own text of an older generation, put back by somebody, is no rendering of the head."""
    older = file.read_bytes()
    with realmconf.connect(str(tmp_path)) as client:
        client.realm(TEAM).set({"a": 2})
    file.write_bytes(older)
    head = fresh.head(TEAM)
    assert looked_properly(fresh)
    assert head.revision is not None
    assert (head.generation, head.revision.restores) == (3, 1)


@pytest.mark.parametrize(
    "doubt",
    [
        "UPDATE working_copy SET doubtful = 1",
        "UPDATE working_copy SET beside = 1",
        "UPDATE working_copy_text SET rendering = 0",
        "DELETE FROM working_copy",
    ],
)
def test_doubt_in_the_record_is_looked_at_properly(fresh, doubt):
    """What may stand beside the file, or is to be rendered again, is never passed over."""
    fresh._place.session.connection.execute(doubt)
    assert fresh.head(TEAM).generation == 1
    assert looked_properly(fresh)


def test_glance_gives_the_digest_of_the_text(file, tmp_path):
    """It is the SHA-256 that the record knows a text by."""
    assert glance(Files(), str(tmp_path), TEAM) == digest_of_text(file)


def test_digest_without_openssl_is_the_same(file, tmp_path):
    """A process that has not loaded ``hashlib`` does not load it, and comes to the same digest."""
    folders = [str(SOURCE), sysconfig.get_path("purelib"), sysconfig.get_path("platlib")]
    program = (
        f"import sys; sys.path[:0] = {folders!r}\n"
        "from realmconf.stores.embedded.files import digest_of\n"
        "from realmconf.stores.embedded import files\n"
        "text = open(sys.argv[1], 'rb').read()\n"
        "print(digest_of(text).hex(), 'hashlib' in sys.modules)\n"
        "files._OWN_SHA256 = 'built_without_one'\n"
        "print(digest_of(text).hex(), 'hashlib' in sys.modules)\n"
    )
    told = subprocess.run(
        [sys.executable, "-I", "-S", "-c", program, str(file)],
        capture_output=True,
        check=True,
        text=True,
        timeout=60,
    ).stdout.split()
    assert told == [digest_of_text(file).hex(), "False", digest_of_text(file).hex(), "True"]


def test_no_glance_at_what_is_unusual(file, tmp_path):
    """A link, a folder, a longer text and a missing file are left to the proper look."""

    def seen() -> bytes | None:
        return glance(Files(), str(tmp_path), TEAM)

    os.link(file, tmp_path / "second-name")
    assert seen() is None
    os.unlink(tmp_path / "second-name")
    assert seen() is not None
    file.write_bytes(b"#" * BYTES_MAX)
    assert seen() is not None
    file.write_bytes(b"#" * (BYTES_MAX + 1))
    assert seen() is None
    file.rename(tmp_path / "elsewhere")
    assert seen() is None
    file.symlink_to(tmp_path / "elsewhere")
    assert seen() is None
    file.unlink()
    file.mkdir()
    assert seen() is None
    file.rmdir()
    file.parent.rename(tmp_path / "real")
    (tmp_path / TEAM).symlink_to(tmp_path / "real")
    (tmp_path / "elsewhere").rename(tmp_path / "real" / "config.toml")
    assert seen() is None
    assert glance(Files(), str(tmp_path), "nobody") == NO_FOLDER
