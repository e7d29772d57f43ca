"""What was set aside of a working copy is somebody's work until it was looked at, however long that takes (G8)."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest
from tests.workingcopy.editors import KeptDescriptor
from tests.workingcopy.host import Host

from realmconf.stores.embedded.files import Files


class Failing(Files):
    """Cannot open what was set aside, for a while."""

    error: int | None = None
    written_by_nobody = False

    def open_write(self, folder: int, name: str) -> int:
        error = errno.EACCES if self.written_by_nobody else self.error
        if error is not None and ".aside-" in name:
            raise OSError(error, os.strerror(error))
        return super().open_write(folder, name)

    def open_read(self, folder: int, name: str) -> int:
        if self.error is not None and ".aside-" in name:
            raise OSError(self.error, os.strerror(self.error))
        return super().open_read(folder, name)


@pytest.fixture
def files():
    return Failing()


@pytest.fixture
def host(tmp_path, files):
    host = Host(tmp_path, files=files)
    yield host
    host.copies.close()


def shelf(host: Host) -> list[str]:
    return [
        name for name in os.listdir(os.path.join(host.root, ".store", "working")) if "aside" in name
    ]


def edit_set_aside(host: Host) -> Path:
    """Save an edit into a file that was displaced under its editor; where it waits."""
    host.write("team", {"a": 1})
    editor = KeptDescriptor(host.path("team"), writable=False)
    host.write("team", {"b": 1})
    editor.save(f"{editor.text()}mine = 1\n")
    editor.close()
    (name,) = shelf(host)
    return Path(host.root, ".store", "working", name)


@pytest.mark.parametrize("error", [errno.EMFILE, errno.EIO], ids=["EMFILE", "EIO"])
def test_edit_that_cannot_be_opened_now_waits(host, files, error: int):
    """While a file that was set aside cannot be opened every look says so; afterwards its edit is taken in."""
    edit_set_aside(host)
    files.error = error
    for count in range(3):
        assert host.settle("team") == ("working_copy_stale",)
        host.write("team", {"count": count})
    assert len(shelf(host)) == 1
    files.error = None
    assert host.document("team") == {"a": 1, "b": 1, "count": 2, "mine": 1}
    host.publish("team")
    assert host.settle("team") == ()
    assert shelf(host) == []


def test_edit_that_nobody_may_write_to_is_taken_in(host, files):
    """An edit whose author took away the right to write is an edit."""
    edit_set_aside(host)
    files.written_by_nobody = True
    assert host.document("team") == {"a": 1, "b": 1, "mine": 1}
    assert shelf(host) == []


@pytest.mark.parametrize("kind", ["linked", "symlink", "folder", "unreadable"])
def test_what_can_be_no_edit_is_put_before_its_author(host, files, kind: str):
    """What cannot be taken in as an edit is kept beside the file, and told of until somebody settles it."""
    waiting = edit_set_aside(host)
    if kind == "linked":
        os.link(waiting, os.path.join(host.root, "second-name"))
    elif kind == "unreadable":
        files.error = errno.EACCES
    else:
        waiting.unlink()
        if kind == "symlink":
            waiting.symlink_to("elsewhere")
        else:
            waiting.mkdir()
    assert host.settle("team") == ("working_copy_contested",)
    host.publish("team")
    assert host.settle("team") == ("working_copy_contested",)
    assert host.state("team").kept == (host.path("team", "config.toml.contested-1"),)
    assert host.names("team") == ["config.toml", "config.toml.contested-1"]
    assert shelf(host) == []
