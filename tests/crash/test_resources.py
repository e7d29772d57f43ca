"""A full disk, a folder that may not be written, and the modes of everything that is made."""

from __future__ import annotations

import os
import stat
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.crash.scenarios import REALM
from tests.crash.test_losing_files import told_by

from realmconf.errors import RealmconfError
from realmconf.runtime.client import connect
from realmconf.testing.faults import (
    ERROR_STICKY,
    Fault,
    FaultyVfs,
    Gate,
    gated_system_calls,
)

NO_SPACE = 28
NOBODY = 65_534


def code_of(act: Any) -> str:
    try:
        act()
    except RealmconfError as error:
        return error.code
    return "done"


# --- a full disk ------------------------------------------------------------------------


def with_a_full_disk(root: Path) -> dict[str, Any]:
    gate = Gate()
    vfs = FaultyVfs(gate)
    found: dict[str, Any] = {}
    with gated_system_calls(gate):
        client = connect(str(root))
        realm = client.realm(REALM)
        realm.set({"n": 1})
        client.publish()
        gate.arm(Fault(at=1, mode=ERROR_STICKY, errno=NO_SPACE))
        found["writes"] = [code_of(lambda: realm.set({"n": 2})) for _ in range(3)]
        found["read"] = [realm.get().generation, realm.get().document, realm.current]
        found["history"] = len(realm.history())
        with connect(str(root)) as fresh:
            found["fresh"] = fresh.realm(REALM).get().generation
        gate.disarm()
        found["afterwards"] = realm.set({"n": 3}).generation
        client.close()
    del vfs
    return found


def test_a_full_disk(tmp_path: Path) -> None:
    """With no space left a write is ``store_full``, reads go on, and with space it works by itself."""
    found = told_by(lambda: with_a_full_disk(tmp_path / "root"))
    assert found == {
        "writes": ["store_full"] * 3,
        "read": [1, {"n": 1}, {"n": 1}],
        "history": 1,
        "fresh": 1,
        "afterwards": 2,
    }


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 48 MB in memory."""
    path = tmp_path / "disk"
    path.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=48m", "none", str(path)], check=True)
    yield path
    subprocess.run(["umount", "--lazy", str(path)], check=True)


def fill(disk: Path) -> None:
    with open(disk / "ballast", "wb", buffering=0) as file:
        try:
            while True:
                file.write(b"x" * 4096)
        except OSError:
            return


def with_a_really_full_disk(disk: Path) -> dict[str, Any]:
    root = disk / "root"
    client = connect(str(root))
    realm = client.realm(REALM)
    realm.set({"n": 0})
    fill(disk)
    codes = []
    written = 0
    for number in range(1, 2_000):
        codes.append(code_of(lambda number=number: realm.set({"n": number, "text": "y" * 20_000})))
        if codes[-1] != "done":
            break
        written = number
    found: dict[str, Any] = {
        "last": codes[-1],
        "read": (realm.get().document or {}).get("n") == written,
        "fresh": told_by(lambda: connect(str(root)).realm(REALM).get().generation) == written + 1,
    }
    os.unlink(disk / "ballast")
    found["afterwards"] = realm.set({"n": "after"}).generation == written + 2
    realm.verify()
    client.close()
    return found


@pytest.mark.machine
def test_a_file_system_that_is_really_full(small_disk: Path) -> None:
    """The same on a file system that fills up: nobody dies of a page that cannot be had."""
    found = told_by(lambda: with_a_really_full_disk(small_disk))
    assert found == {"last": "store_full", "read": True, "fresh": True, "afterwards": True}


# --- a folder that may not be written -------------------------------------------------------


def give_up_rights() -> None:
    if os.geteuid() == 0:
        os.setgroups([])
        os.setgid(NOBODY)
        os.setuid(NOBODY)


def give_away(root: Path, *, folder_mode: int, file_mode: int) -> None:
    """Make *root* nobody's, and let them reach it."""
    for folder, _, files in os.walk(root):
        for name in files:
            os.chmod(os.path.join(folder, name), file_mode)
        os.chmod(folder, folder_mode)
        if os.geteuid() == 0:
            for name in (*files, "."):
                os.chown(os.path.join(folder, name), NOBODY, NOBODY)
    above = root
    while os.geteuid() == 0 and above != above.parent:
        above = above.parent
        if not os.stat(above).st_mode & 0o001:
            os.chmod(above, os.stat(above).st_mode | 0o001)


def without_rights(root: Path) -> dict[str, Any]:
    give_up_rights()
    found: dict[str, Any] = {}
    for name, read_only in (("read only", True), ("plain", False)):
        client = connect(str(root), read_only=read_only)
        realm = client.realm(REALM)
        # More than once: from the second read on the kernel is asked to tell of changes.
        read = [realm.get().generation for _ in range(3)]
        found[name] = [read, code_of(lambda realm=realm: realm.set({"n": 2}))]
        client.close()
    return found


def test_a_folder_that_may_only_be_read(tmp_path: Path) -> None:
    """Without the right to write, reads work and a write is ``store_read_only``; nothing was changed."""
    root = tmp_path / "root"
    told_by(lambda: connect(str(root)).realm(REALM).set({"n": 1}).generation)
    give_away(root, folder_mode=0o555, file_mode=0o444)
    found = told_by(lambda: without_rights(root))
    assert found == {
        "read only": [[1, 1, 1], "store_read_only"],
        "plain": [[1, 1, 1], "store_read_only"],
    }


def without_the_right_to_count(root: Path) -> list[Any]:
    give_up_rights()
    counters = root / ".store" / "counters"
    os.chmod(counters, 0o400)
    with connect(str(root)) as client:
        realm = client.realm(REALM)
        found: list[Any] = [code_of(lambda: realm.set({"n": 2})) for _ in range(3)]
        found.append(realm.get().generation)
        os.chmod(counters, 0o600)
        found.append(realm.set({"n": 2}).generation)
    return found


def test_counters_that_may_only_be_read(tmp_path: Path) -> None:
    """Who cannot announce a commit is refused each time, and reads on; nothing is asked of them once it is mended."""
    root = tmp_path / "root"
    told_by(lambda: connect(str(root)).realm(REALM).set({"n": 1}).generation)
    give_away(root, folder_mode=0o700, file_mode=0o600)
    found = told_by(lambda: without_the_right_to_count(root))
    assert found == ["store_read_only", "store_read_only", "store_read_only", 1, 2]


# --- modes -----------------------------------------------------------------------------------


def modes_under(root: Path, umask: int) -> list[list[Any]]:
    os.umask(umask)
    client = connect(str(root))
    realm = client.realm(REALM)
    realm.set({"n": 1})
    client.publish()
    realm.set({"n": 2})
    client.publish()
    client.backup(str(root.parent / f"backup-{umask}"))
    client.close()
    found = [["backup", stat.S_IMODE(os.stat(root.parent / f"backup-{umask}").st_mode), False]]
    for folder, folders, files in os.walk(root):
        for name in (*folders, *files):
            status = os.lstat(os.path.join(folder, name))
            found.append([name, stat.S_IMODE(status.st_mode), stat.S_ISDIR(status.st_mode)])
    found.append(["root", stat.S_IMODE(os.stat(root).st_mode), True])
    return found


@pytest.mark.parametrize("umask", [0o000, 0o002, 0o022, 0o077, 0o177, 0o777], ids=oct)
def test_modes_under_any_umask(umask: int, tmp_path: Path) -> None:
    """Folders are 0700 and files 0600, whatever the umask: database, log, index, counters, copies, backups."""
    found = told_by(lambda: modes_under(tmp_path / "root", umask))
    assert len(found) >= 10, found
    for name, mode, is_folder in found:
        assert mode == (0o700 if is_folder else 0o600), (name, oct(mode))


def test_a_mode_that_somebody_chose_is_kept(tmp_path: Path) -> None:
    """A working copy that its owner opened to a group stays so, however often it is rendered."""
    root = tmp_path / "root"
    with connect(str(root)) as client:
        client.realm(REALM).set({"n": 1})
        client.publish()
        os.chmod(root / REALM / "config.toml", 0o640)
        for number in range(2, 5):
            client.realm(REALM).set({"n": number})
            client.publish()
    assert stat.S_IMODE(os.stat(root / REALM / "config.toml").st_mode) == 0o640
