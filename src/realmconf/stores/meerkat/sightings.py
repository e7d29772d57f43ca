"""
When a lock whose time lies in the future was seen first, for processes that do not live long enough to watch it.

Decides how long such a lock has stood there unchanged: by the clock of the file system, and, within one run of one
machine, by no more than what its monotonic clock says, so that a clock that jumps makes nothing old.  Whether that is
long enough is ``lockfile``'s to say.
"""

from __future__ import annotations

import hashlib
import json
import os
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from realmconf.stores.meerkat.lockfile import Identity

SIGHTING_BYTES_MAX = 4_096


class Sightings:
    """Kept in *folder*, one small file for each lock; nothing is kept where that cannot be written."""

    def __init__(self, folder: str) -> None:
        self._folder = folder

    def watched_seconds(self, path: str, found: Identity) -> float:
        """
        For how long the lock at *path* is known to have been the one that was *found*; 0.0 if it is new.

        It is remembered from now on.
        """
        kept = self._file(path)
        try:
            before = _read(kept)
            if before is None or before.get("lock") != list(found):
                _write(kept, {"lock": list(found), "boot": boot(), "uptime": uptime_seconds()})
                return 0.0
            seen_at = os.stat(kept).st_mtime
            since = _file_system_now(kept) - seen_at
        except OSError:
            return 0.0
        if before.get("boot") == boot() and boot():
            uptime = before.get("uptime")
            since = min(since, uptime_seconds() - uptime) if isinstance(uptime, float) else 0.0
        return max(0.0, since)

    def forget(self, path: str) -> None:
        """The lock at *path* has been taken over."""
        try:
            os.unlink(self._file(path))
        except OSError:
            # It names one lock alone, and never another.
            return

    def _file(self, path: str) -> str:
        digest = hashlib.sha256(os.fsencode(path)).hexdigest()
        return os.path.join(self._folder, f"lock-{digest[:16]}")


def boot() -> str:
    """Which run of which kernel this is: a process number, or an uptime, means nothing elsewhere."""
    try:
        with open("/proc/sys/kernel/random/boot_id", encoding="ascii") as file:
            return file.read().strip()
    except OSError:
        return ""


def uptime_seconds() -> float:
    """A clock that no one sets, the same for all processes of this run of the machine."""
    clock = getattr(time, "CLOCK_BOOTTIME", None)
    return time.monotonic() if clock is None else time.clock_gettime(clock)


def _read(path: str) -> dict[str, object] | None:
    try:
        with open(path, "rb") as file:
            stated = json.loads(file.read(SIGHTING_BYTES_MAX))
    except (FileNotFoundError, ValueError):
        return None
    return stated if isinstance(stated, dict) else None


def _write(path: str, stated: dict[str, object]) -> None:
    os.makedirs(os.path.dirname(path), mode=0o700, exist_ok=True)
    temporary = f"{path}.{os.urandom(8).hex()}"
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        try:
            os.write(descriptor, json.dumps(stated).encode())
        finally:
            os.close(descriptor)
        os.rename(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise


def _file_system_now(path: str) -> float:
    """The clock that gives files their times, which is another machine's for some."""
    probe = f"{path}.{os.urandom(8).hex()}"
    os.close(os.open(probe, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
    try:
        return os.stat(probe).st_mtime
    finally:
        os.unlink(probe)
