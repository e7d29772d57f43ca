"""
A reader that holds proofs of eight realms while another process commits to them as fast as it can.

``python -m tests.crash.proving ROOT BOARD SECONDS [BUG]`` is the process that commits.  The board is a mapped file
of one word for each realm: the generation that was acknowledged last, put there after the commit returned.  What the
reader has found in the record by itself, it knows as well.
"""

from __future__ import annotations

import itertools
import mmap
import random
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path

from tests.crash.scenarios import PROJECT

from realmconf.domain.names import LIMITS, RealmName
from realmconf.stores.embedded.counters import ANNOUNCED, PENDING, Counters
from realmconf.stores.embedded.proofs import Proofs
from realmconf.stores.protocol import Judgement, Proof, ReadView, Store
from realmconf.stores.registry import open_store
from realmconf.testing.conformance.base import appending, soon

REALMS = [RealmName(f"member-{number}") for number in range(8)]
PAIR = REALMS[:2]
"""Written in one transaction, always: at every point they are at the same generation."""

WORD_BYTES = 8


def opened(root: Path) -> Store:
    return open_store(f"sqlite://{root}?working_copies=off", limits=LIMITS)


def appending_to(realms: Sequence[RealmName]) -> Callable[[ReadView], list[Judgement]]:
    judges = [appending(realm, {"n": 1}) for realm in realms]
    return lambda view: [judged for judge in judges for judged in judge(view)]


def board_at(path: Path) -> memoryview:
    with open(path, "r+b") as file:
        return memoryview(mmap.mmap(file.fileno(), WORD_BYTES * len(REALMS))).cast("Q")


def commit_until(root: Path, board_path: Path, *, seconds: float) -> None:
    board = board_at(board_path)
    ends = time.monotonic() + seconds
    with closing(opened(root)) as store:
        while time.monotonic() < ends:
            realm = random.choice(REALMS)
            realms = PAIR if realm in PAIR else [realm]
            for applied in store.apply(realms, appending_to(realms), deadline=soon()):
                board[REALMS.index(applied.head.realm)] = applied.head.generation


class Seen:
    """How often the word stood, how often a proof was given, and how often there was none."""

    def __init__(self) -> None:
        self.stood = self.given = self.without = 0

    def __repr__(self) -> str:
        return f"{self.stood} stood, {self.given} given, {self.without} without"


def read_beside(root: Path, *, seconds: float, bug: str = "") -> Seen:
    """
    Read while another process, with *bug* in it, commits for *seconds*.

    Raises:
        AssertionError: A head was older than what was known before the read, or the heads are of no point.
    """
    board_path = root.with_suffix(".board")
    board_path.write_bytes(bytes(WORD_BYTES * len(REALMS)))
    with closing(opened(root)) as store:
        store.apply(REALMS, appending_to(REALMS), deadline=soon())
        task = [str(root), str(board_path), str(seconds), bug]
        writer = subprocess.Popen([sys.executable, "-m", "tests.crash.proving", *task], cwd=PROJECT)
        try:
            seen = _read(store, board_at(board_path), lambda: writer.poll() is None)
            assert writer.returncode == 0
            return seen
        finally:
            writer.kill()
            writer.wait()


def _read(store: Store, board: memoryview, goes_on: Callable[[], bool]) -> Seen:
    seen = Seen()
    observed = [0] * len(REALMS)
    proof: Proof | None = None
    for number in itertools.count():
        if number % 16 == 0:
            if not goes_on():
                break
            with store.view() as view:
                observed = [view.head(realm).generation for realm in REALMS]
        known = list(map(max, board.tolist(), observed))
        if proof is not None and _holds(proof):
            seen.stood += 1
        else:
            proof = store.proof(REALMS)
            if proof is None:
                seen.without += 1
            else:
                seen.given += 1
        heads = proof.heads if proof is not None else [store.head(realm) for realm in REALMS]
        found = [head.generation for head in heads]
        assert all(map(int.__ge__, found, known)), (found, known, seen)
        assert proof is None or found[0] == found[1], (found, seen)
    return seen


def _holds(proof: Proof) -> bool:
    try:
        return proof.words[0] == proof.mark
    except (IndexError, ValueError):
        return False


# --- bugs ----------------------------------------------------------------------------------

GAP_SECONDS = 0.0005
"""Between two things in the wrong order, so that seconds are enough to see what comes of it."""


def mark_after_the_slots() -> None:
    """The reader compares the slots first, and takes its mark then."""
    of = Proofs.of

    def late(self: Proofs, realms: Sequence[RealmName], words: memoryview) -> Proof | None:
        proof = of(self, realms, words)
        time.sleep(GAP_SECONDS)
        return None if proof is None else proof.replace(mark=proof.words[0])

    setattr(Proofs, "of", late)  # noqa: B010 - a method, which the types forbid


def announced_before_the_slots() -> None:
    """The writer announces its commit before it has made the slots odd."""

    def begin(self: Counters, slots: Sequence[int]) -> None:
        self.words[PENDING] |= 1
        self.words[ANNOUNCED] += 1
        time.sleep(GAP_SECONDS)
        for slot in slots:
            self.words[slot] |= 1

    setattr(Counters, "begin", begin)  # noqa: B010


def announced_after_the_commit() -> None:
    """The writer announces its commit when it is done."""
    begin, done = Counters.begin, Counters.done

    def silently(self: Counters, slots: Sequence[int]) -> None:
        begin(self, slots)
        self.words[ANNOUNCED] -= 1

    def late(self: Counters, slots: Sequence[int], commits: int) -> None:
        done(self, slots, commits)
        time.sleep(GAP_SECONDS)
        self.words[ANNOUNCED] += 1

    setattr(Counters, "begin", silently)  # noqa: B010
    setattr(Counters, "done", late)  # noqa: B010


OF_THE_READER = {"mark_after_the_slots": mark_after_the_slots}
OF_THE_WRITER = {
    "announced_before_the_slots": announced_before_the_slots,
    "announced_after_the_commit": announced_after_the_commit,
}

if __name__ == "__main__":
    if sys.argv[4]:
        OF_THE_WRITER[sys.argv[4]]()
    commit_until(Path(sys.argv[1]), Path(sys.argv[2]), seconds=float(sys.argv[3]))
