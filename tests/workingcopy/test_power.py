"""The working copy and a power cut: a file system that forgets what was not made durable (G4, G8)."""

from __future__ import annotations

import fcntl
import os
import random
import shutil
import struct
import subprocess
import sys
import time
import tomllib
from pathlib import Path
from typing import Any

import pytest

import realmconf

SHUTDOWN = 0x8004587D
"""``_IOR('X', 125, __u32)`` of ext4 and xfs: stop at once."""

WITHOUT_FLUSH = 2

WRITER = """
import sys, realmconf
realm = realmconf.connect(sys.argv[1]).realm('team')
count = 0
while True:
    count += 1
    snapshot = realm.patch({'count': count, 'text': 'x' * (count % 700)})
    print(snapshot.generation, flush=True)
    if count % 3 == 0:
        realm.publish()
"""


class Disk:
    """A file system in a file, with a switch."""

    def __init__(self, folder: Path) -> None:
        self._image = folder / "disk.img"
        self.path = folder / "disk"
        self.path.mkdir()
        with open(self._image, "wb") as image:
            image.truncate(64 * 1024 * 1024)
        subprocess.run(["mkfs.ext4", "-q", "-F", str(self._image)], check=True)
        self.mount()

    def mount(self) -> None:
        subprocess.run(["mount", "-o", "loop", str(self._image), str(self.path)], check=True)

    def unmount(self) -> None:
        subprocess.run(["umount", str(self.path)], check=True)

    def cut(self) -> None:
        """Lose everything that is not on the disk yet."""
        descriptor = os.open(self.path, os.O_RDONLY)
        try:
            fcntl.ioctl(descriptor, SHUTDOWN, struct.pack("I", WITHOUT_FLUSH))
        finally:
            os.close(descriptor)


@pytest.fixture
def disk(tmp_path):
    if os.geteuid() != 0 or shutil.which("mkfs.ext4") is None:
        pytest.fail("mounting a file system of its own needs root and mkfs.ext4")
    disk = Disk(tmp_path)
    yield disk
    disk.unmount()


def adoptions(realm: Any) -> int:
    """Number of hand edits in the whole history."""
    count = 0
    before = None
    while page := realm.history(limit=1_000, before=before):
        count += sum(revision.kind == "adopt" for revision in page)
        before = page[-1].generation
    return count


class PhantomError(AssertionError):
    """Something of ours was taken for somebody's edit."""


def in_place(text: str, number: int) -> dict[str, Any]:
    """The document in the working copy; half a rendering of ours that stays was taken for somebody's slow save."""
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as half:
        raise PhantomError(f"after cut {number}") from half


def write_until_the_cut(disk: Disk, root: Path, program: str, seconds: float) -> int:
    """Write, cut the power, come back; the newest generation that was acknowledged before the cut."""
    writer = subprocess.Popen(
        [sys.executable, "-c", program, str(root)],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    assert writer.stdout is not None
    os.set_blocking(writer.stdout.fileno(), False)
    began = time.monotonic()
    received = b""
    while not received or time.monotonic() - began < seconds:
        received += writer.stdout.read() or b""
        time.sleep(0.002)
    # Only what was acknowledged before the cut is evidence.
    received += writer.stdout.read() or b""
    disk.cut()
    writer.kill()
    writer.wait()
    writer.stdout.close()
    disk.unmount()
    disk.mount()
    return max(int(line) for line in received.split(b"\n")[:-1])


def cut_often(disk: Disk, program: str, *, cuts: int) -> None:
    random_ = random.Random(11)
    root = disk.path / "root"
    for number in range(cuts):
        acknowledged = write_until_the_cut(disk, root, program, 0.3 + random_.uniform(0, 0.2))
        with realmconf.connect(str(root)) as client:
            realm = client.realm("team")
            assert realm.get().generation >= acknowledged, f"cut {number}"
            # One edit was made after each earlier cut.
            if adoptions(realm) != number:
                raise PhantomError(f"after cut {number}")
            realm.publish()
            path = root / "team" / "config.toml"
            text = path.read_text()
            assert in_place(text, number) == dict(realm.get().document or {})
            assert os.listdir(path.parent) == ["config.toml"]
            path.write_text(f"{text}edit_{number} = true\n")
            while f"edit_{number}" not in (realm.get().document or {}):
                time.sleep(0.001)


@pytest.mark.machine
@pytest.mark.timeout(600)
def test_power_cut_makes_no_phantom_and_loses_no_edit(disk):
    """After a power cut nothing of ours looks like an edit, and an edit is taken in once and for good."""
    cut_often(disk, WRITER, cuts=25)


@pytest.mark.machine
@pytest.mark.timeout(600)
def test_missing_sync_of_the_folder_is_caught(disk):
    """Calling older texts replaced before the new name is durable turns them into restores."""
    careless = (
        "from realmconf.stores.embedded.workdesk import Desk\nDesk.sync = lambda self: None\n"
    )
    with pytest.raises(PhantomError):
        cut_often(disk, careless + WRITER, cuts=40)
