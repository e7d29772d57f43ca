"""
Power cuts: a file system in a file that forgets, at once, whatever was not made durable.

A process writes, renders and is edited by hand; the power is cut, the file system mounted again, and what is there is
held against what was acknowledged before.
"""

from __future__ import annotations

import fcntl
import os
import random
import struct
import subprocess
import sys
import time
import tomllib
from pathlib import Path
from typing import Any

import realmconf

SHUTDOWN = 0x8004587D
"""``_IOR('X', 125, __u32)`` of ext4 and xfs: stop at once."""

WITHOUT_FLUSH = 2

MAKERS = {"ext4": ("mkfs.ext4", "-q", "-F"), "xfs": ("mkfs.xfs", "-q", "-f")}
SIZE_BYTES = {"ext4": 64 * 1_048_576, "xfs": 320 * 1_048_576}
"""Smaller ones are refused."""

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

    def __init__(self, folder: Path, kind: str = "ext4") -> None:
        self._image = folder / "disk.img"
        self.path = folder / "disk"
        self.path.mkdir()
        with open(self._image, "wb") as image:
            image.truncate(SIZE_BYTES[kind])
        subprocess.run([*MAKERS[kind], str(self._image)], check=True, stdout=subprocess.DEVNULL)
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


def cut_often(disk: Disk, program: str, *, cuts: int, seed: int = 11) -> None:
    """Cut, look, and edit by hand, again and again; raises at the first thing that does not hold."""
    random_ = random.Random(seed)
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
