"""The file of a backup: new, private, and complete and durable, or not there."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from realmconf.errors import InvalidArgument, StoreUnavailable
from realmconf.runtime.client import Client, connect


@pytest.fixture(params=["memory", "embedded"])
def client(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Client]:
    url = "memory://" if request.param == "memory" else str(tmp_path / "store")
    with connect(url) as client:
        client.realm("team").set({"x": 1})
        yield client


def test_a_backup_is_private_and_durable_with_its_name(client, tmp_path, monkeypatch) -> None:
    """A backup has the mode 0600 under any umask; its bytes are on the disk before its name is, and both at the end."""
    synced: list[str] = []
    sync = os.fsync

    def noting(descriptor: int) -> None:
        found = os.fstat(descriptor)
        synced.append("folder" if stat.S_ISDIR(found.st_mode) else "file")
        sync(descriptor)

    monkeypatch.setattr(os, "fsync", noting)
    monkeypatch.chdir(tmp_path)
    before = os.umask(0o377)
    try:
        client.backup("copy")
    finally:
        os.umask(before)
    assert synced == ["file", "folder"]
    assert stat.S_IMODE(Path("copy").stat().st_mode) == 0o600
    assert [one.changed for one in client.restore("copy")] == [False]


@pytest.mark.parametrize("failing", ["file", "folder"])
def test_a_backup_that_fails_leaves_nothing(client, tmp_path, monkeypatch, failing) -> None:
    """A backup for which there is no space is an error with its path, and no half of it lies there."""

    def full(descriptor: int) -> None:
        if stat.S_ISDIR(os.fstat(descriptor).st_mode) == (failing == "folder"):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    path = tmp_path / "copy"
    with pytest.raises(StoreUnavailable, match=f"cannot write the backup {path}: No space left"):
        client.backup(str(path))
    assert not path.exists()
    monkeypatch.undo()
    client.backup(str(path))


def test_a_backup_follows_no_link(client, tmp_path) -> None:
    """Where anything stands already, be it a link that leads nowhere, nothing is written."""
    link = tmp_path / "link"
    link.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(InvalidArgument, match="exists already; a backup never overwrites a file"):
        client.backup(str(link))
    assert not (tmp_path / "elsewhere").exists()
