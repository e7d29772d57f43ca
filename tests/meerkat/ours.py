"""
Processes of our side for the torture of a shared folder: a writer who never tires, and a witness of the history.

Decides what each logs, in the words of the writers of the other side; judges nothing.

    python -m tests.meerkat.ours work|witness URL REALM --log FILE [--writer NAME] [--seed N] [--seconds N]
"""

from __future__ import annotations

import argparse
import os
import random
import signal
import sys
import time
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.meerkat.letter import Log, counters
from tests.meerkat.plants import PLANTS

import realmconf
from realmconf.stores.meerkat import files, journal, lockfile

if TYPE_CHECKING:
    from realmconf import ConfigRuntime, Revision

PAUSE_SECONDS_MAX = 0.02
"""Between two writes."""
LOOK_SECONDS = 0.02
"""Between two looks of the witness."""


def work(realm: ConfigRuntime[Any], log: Log, asked: argparse.Namespace) -> None:
    """Read, then change the writer's own counter against what was read, until the time is over."""
    chance = random.Random(asked.seed)
    until = time.monotonic() + asked.seconds
    value = 0
    while time.monotonic() < until:
        log.line(do="read")
        try:
            snapshot = realm.get()
        except realmconf.RealmconfError as error:
            log.line(done="failed", reason=f"{error.code}: {error}")
            continue
        seen = counters(dict(snapshot.document or {}))
        told = [one.code for one in snapshot.warnings]
        log.line(done="read", generation=snapshot.generation, counters=seen, warnings=told)
        value += 1
        following = {**seen, asked.writer: value}
        log.line(do="write", value=value, expected=snapshot.generation, counters=following)
        delta = {"tools": {"tool_timeouts": {asked.writer: {"secs": value, "nanos": 0}}}}
        try:
            written = realm.patch(delta, expected_generation=snapshot.generation)
        except realmconf.OutcomeUnknown as error:
            log.line(done="unknown", value=value, reason=str(error))
        except realmconf.RealmconfError as error:
            log.line(done="refused", value=value, reason=f"{error.code}: {error}")
        else:
            log.line(done="written", value=value, generation=written.generation)
        time.sleep(chance.random() * PAUSE_SECONDS_MAX)


def witness(realm: ConfigRuntime[Any], log: Log, asked: argparse.Namespace) -> None:
    """Log every revision that comes to the history, until the time is over."""
    until = time.monotonic() + asked.seconds
    seen: set[int] = set()
    while True:
        is_last = time.monotonic() >= until
        try:
            generation = realm.get().generation
            new = revisions(realm, seen)
            for revision in new:
                log.line(**stated(revision))
                seen.add(revision.generation)
            if new:
                look_below(realm, new[0].generation, seen, log)
            log.line(looked=generation)
        except realmconf.RealmconfError as error:
            log.line(unseen=f"{error.code}: {error}")
        if is_last:
            return
        time.sleep(LOOK_SECONDS)


def revisions(realm: ConfigRuntime[Any], seen: set[int]) -> list[Revision]:
    """What the history has and *seen* has not, oldest first."""
    found: list[Revision] = []
    before = None
    while True:
        page = realm.history(limit=50, before=before)
        found += [one for one in page if one.generation not in seen]
        if len(page) < 50 or any(one.generation in seen for one in page):
            return sorted(found, key=lambda one: one.generation)
        before = page[-1].generation


def stop_inside(log: Log, chance: random.Random, share: float) -> None:
    """Let this process stop itself at a *share* of its steps inside the lock, where a stop by chance is rare."""
    for owner, name, weight in (
        (lockfile.Held, "prove", 1),
        # Behind the last proof: here a stop does what no proof prevents.
        (files.Replacement, "put_over", 4),
        (files.Replacement, "put", 4),
        (lockfile.Held, "give_back", 1),
    ):
        step = getattr(owner, name)

        @wraps(step)
        def stopping(*given: Any, step: Any = step, name: str = name, weight: int = weight) -> Any:
            if chance.random() < share * weight:
                log.line(at_step=name, signal="SIGSTOP")
                os.kill(os.getpid(), signal.SIGSTOP)
            return step(*given)

        setattr(owner, name, stopping)


def tell_tenures(log: Log) -> None:
    """Log when this process is inside the lock, when it puts the text and the number there, and what it adopts."""
    take, give_back = lockfile.take, lockfile.Held.give_back
    put_over, put = files.Replacement.put_over, files.Replacement.put

    @wraps(take)
    def taking(*given: Any, **named: Any) -> lockfile.Held:
        held = take(*given, **named)
        # As old as the others take it to be: it may have waited for its name.
        log.line(step="lock", made=os.fstat(held._descriptor).st_mtime)
        return held

    @wraps(give_back)
    def giving_back(held: lockfile.Held) -> None:
        log.line(step="unlink")
        give_back(held)
        log.line(step="released")

    @wraps(put_over)
    def putting_over(replacement: files.Replacement, expected: bytes | None) -> None:
        log.line(step="write")
        try:
            put_over(replacement, expected)
        except files.OvertakenError:
            log.line(step="overtaken")
            raise
        log.line(step="number")

    @wraps(put)
    def putting(replacement: files.Replacement) -> None:
        put(replacement)
        log.line(step="numbered")

    begin, finish = journal.Journal.begin, journal.Journal.finish
    begun: dict[str, Any] = {}

    @wraps(begin)
    def beginning(kept: journal.Journal, realm: Any, revision: Any, **more: Any) -> None:
        begun[revision.digest] = revision
        begin(kept, realm, revision, **more)

    @wraps(finish)
    def finishing(kept: journal.Journal, realm: Any, digest: str) -> bool:
        is_kept = finish(kept, realm, digest)
        revision = begun.pop(digest, None)
        if is_kept and revision is not None and revision.kind == "adopt":
            log.line(adopts=revision.generation, message=revision.message)
        return is_kept

    journal.Journal.begin = beginning  # type: ignore[assignment, method-assign]
    journal.Journal.finish = finishing  # type: ignore[assignment, method-assign]
    files.Replacement.put_over = putting_over  # type: ignore[assignment, method-assign]
    files.Replacement.put = putting  # type: ignore[assignment, method-assign]
    lockfile.take = taking
    lockfile.Held.give_back = giving_back  # type: ignore[assignment, method-assign]


def look_below(realm: ConfigRuntime[Any], generation: int, seen: set[int], log: Log) -> None:
    """Log where the history begins, if it does not have what was before *generation*."""
    if generation == 1 or generation - 1 in seen:
        return
    try:
        realm.at(generation - 1)
    except realmconf.HistoryCompacted as compacted:
        log.line(floor=compacted.floor)


def stated(revision: Revision) -> dict[str, Any]:
    """A revision as it stands in a log."""
    return {
        "revision": revision.generation,
        "kind": revision.kind,
        "author": revision.author,
        "message": revision.message,
        "write_id": revision.write_id,
        "reverts": list(revision.reverts),
        "digest": revision.digest,
        "counters": counters(dict(revision.document or {})),
    }


def main(words: list[str]) -> int:
    """Do what was asked; the exit code."""
    parser = argparse.ArgumentParser(prog="ours")
    parser.add_argument("verb", choices=("work", "witness"))
    parser.add_argument("url")
    parser.add_argument("realm")
    parser.add_argument("--log", type=Path, required=True)
    parser.add_argument("--writer", default="ours")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--seconds", type=float, default=3_600.0)
    parser.add_argument(
        "--stop-share", type=float, default=0.0, help="of the steps inside the lock"
    )
    parser.add_argument("--plant", choices=PLANTS, help="with a bug")
    asked = parser.parse_args(words)
    log = Log(asked.log, writer=asked.writer, side="ours", pid=os.getpid())
    if asked.plant is not None:
        PLANTS[asked.plant]()
    tell_tenures(log)
    if asked.stop_share:
        stop_inside(log, random.Random(asked.seed), asked.stop_share)
    with realmconf.connect(asked.url, author=asked.writer) as client:
        (work if asked.verb == "work" else witness)(client.realm(asked.realm), log, asked)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
