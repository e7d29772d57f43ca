"""
The change counters: how a reader proves, without a system call, that what it cached is still the head.

A file of 8-byte words, mapped by every process.  Each realm has a slot (by hash; a shared slot costs a
needless read, never a stale one).  What concerns all realms (a rename, a compaction) marks every slot, so that a
reader never compares more than one word.  A writer makes a slot
odd (*in progress*) before COMMIT and even (*done*) after it.  Values only grow.  A reader takes the mark
before it reads the database and caches nothing under an odd one.

    writer   slot 40 → 41   COMMIT   41 → 42
    reader   reads 40, reads generation 7, caches (40, 7) … sees 40: 7 is proved; sees 41 or 42: reads again

Who depends on several realms compares one word too: ``ANNOUNCED`` moves once for every commit, after its slots are
odd and before COMMIT.  A reader takes it first and then compares the slots: while it stands, whatever is
committed was announced before, and had made its slots odd by then.

    writer   slot of b 60 → 61   ANNOUNCED 7 → 8   COMMIT   61 → 62
    reader   takes 8, finds a at 40 as cached … sees 8: a and c are proved, whatever becomes of b

So a commit in progress, or a writer that died in one, is in nobody's way who does not depend on its realms.

Only the holder of the turn writes here, so plain stores are enough: between two whose order matters lies a system
call, or :func:`in_order`.  The file is allocated in full
and never truncated or replaced while it is in use: a page that is gone would kill a reader with SIGBUS.
"""

from __future__ import annotations

import mmap
import os
from _thread import allocate_lock
from zlib import crc32

from realmconf.errors import StoreCorrupt
from realmconf.stores.embedded.layout import open_private

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Literal

MAGIC = 0x72636F756E743031  # "rcount01"

# Word indices of the header.
_MAGIC, PENDING, COMMITS_WORD, STORE_WORD = 0, 1, 2, 3
_HEADER_WORDS = 4
_SLOTS = 4096
ANNOUNCED = _HEADER_WORDS + _SLOTS
"""Behind the slots: what every reader of several realms looks at shares no cache line with what a commit ends with."""
SIZE_BYTES = 36_864
"""Nine pages: the header, 4,096 slots of 8 bytes, and one word behind them."""


ALL_SLOTS = range(STORE_WORD, _HEADER_WORDS + _SLOTS)
"""For what concerns every realm: the store's own word and all slots."""


def slot_of(realm: str) -> int:
    """The word index of *realm*'s slot."""
    return _HEADER_WORDS + crc32(realm.encode()) % _SLOTS


def in_order() -> None:
    """Let no processor move what it reads or writes before this call behind it, or what follows before it."""
    # What comes before the release of a lock is done before it is acquired again. A lock of our own: a common one
    # might be held by another thread at a fork, and stay so in the child.
    lock = allocate_lock()
    lock.acquire()
    lock.release()
    lock.acquire()


class Counters:
    """
    One mapped counter file.

    ``words[slot]`` is the reader's whole check.  ``identity`` is the device and inode that is mapped; the
    owner compares it with the path's, because a deleted file keeps its mapping and goes silent.
    """

    __slots__ = ("_map", "identity", "words", "writable")

    def __init__(self, path: str) -> None:
        self.writable = True
        try:
            descriptor = open_private(path, os.O_RDWR)
        except PermissionError:
            self.writable = False
            descriptor = open_private(path, os.O_RDONLY)
        except OSError as error:
            if error.errno != 30:  # EROFS
                raise
            self.writable = False
            descriptor = open_private(path, os.O_RDONLY)
        try:
            status = os.fstat(descriptor)
            if status.st_size != SIZE_BYTES:
                raise StoreCorrupt(
                    f"{path} is damaged (its size is wrong); stop all processes and delete it"
                )
            self.identity = (status.st_dev, status.st_ino)
            protection = mmap.PROT_READ | (mmap.PROT_WRITE if self.writable else 0)
            self._map = mmap.mmap(descriptor, SIZE_BYTES, mmap.MAP_SHARED, protection)
        finally:
            os.close(descriptor)
        self.words = memoryview(self._map).cast("Q")
        if self.words[_MAGIC] != MAGIC:
            self.close()
            raise StoreCorrupt(
                f"{path} is damaged (its first word is wrong); stop all processes and delete it"
            )

    @staticmethod
    def create(path: str, *, epoch: int, commits: int) -> None:
        """
        Make the file at *path*, complete or not at all, with every slot at *epoch* (random, even).

        The caller holds the turn and has committed a fencing row over whatever a dead writer left in the log.
        """
        words = [MAGIC, epoch, commits, epoch, *[epoch] * _SLOTS, epoch]
        content = b"".join(word.to_bytes(8, _BYTE_ORDER) for word in words)
        temporary = f"{path}.new"
        descriptor = open_private(temporary, os.O_RDWR | os.O_CREAT | os.O_TRUNC)
        try:
            # Every block is allocated now: a store through the mapping must not meet a full disk.
            os.posix_fallocate(descriptor, 0, SIZE_BYTES)
            os.pwrite(descriptor, content, 0)
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        os.rename(temporary, path)

    # --- the writer's side; the turn is held ---------------------------------

    @property
    def interrupted(self) -> bool:
        """Whether a writer stopped between its first mark and its last: the log may hold what nobody sees yet."""
        return bool(self.words[PENDING] & 1)

    def begin(self, slots: Iterable[int]) -> None:
        """Mark *slots* in progress. Before COMMIT."""
        words = self.words
        words[PENDING] |= 1
        for slot in slots:
            words[slot] |= 1
        in_order()
        words[ANNOUNCED] += 1

    def done(self, slots: Iterable[int], commits: int) -> None:
        """Mark *slots* done: COMMIT returned, and the database holds *commits* revisions ever."""
        words = self.words
        # First what proves that a lost log was lost, then what lets readers see, last what makes the next writer fence.
        words[COMMITS_WORD] = max(commits, words[COMMITS_WORD])
        for slot in slots:
            words[slot] += 1 if words[slot] & 1 else 2
        words[PENDING] += 1

    def refused(self, slots: Iterable[int]) -> None:
        """The transaction that :meth:`begin` announced certainly did not happen: on to the next even number."""
        words = self.words
        for slot in slots:
            words[slot] += 1
        words[PENDING] += 1

    def fenced(self) -> None:
        """A fencing row was committed, so whatever was in progress is decided: every odd word goes on to even."""
        words = self.words
        # A writer may have died before it announced anything: no slot moves on without this word.
        words[ANNOUNCED] += 1
        for index in ALL_SLOTS:
            if words[index] & 1:
                words[index] += 1
        words[PENDING] += 1

    def close(self) -> None:
        """Unmap. Whoever still holds ``words`` gets a ValueError, not old numbers."""
        self.words.release()
        try:
            self._map.close()
        except BufferError:
            # A slice is still held by a reader at this moment; the map goes with the last of them.
            pass


_BYTE_ORDER: Literal["little", "big"] = (
    "little" if memoryview(b"\x01\0\0\0\0\0\0\0").cast("Q")[0] == 1 else "big"
)
