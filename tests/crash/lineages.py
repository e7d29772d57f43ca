"""Programs for tests of lineages with several processes: ``python -m tests.crash.lineages NAME ROOT ARGUMENT...``."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Any

from realmconf import GenerationConflict
from realmconf.runtime.client import connect

REALM = "shared"
MEMBERS = ("leaf", "team", "org", "global")
PATIENCE_SECONDS = 60.0


def wait_for(path: str) -> None:
    """Until somebody makes the file: all start at once."""
    while not Path(path).exists():
        time.sleep(0.005)


def patch(root: str, name: str, key: str, value: str, start: str) -> None:
    """One patch against generation 1 that may be rebased; says what came of it."""
    with connect(root, author=name, timeout=PATIENCE_SECONDS) as client:
        realm = client.realm(REALM)
        print("ready", flush=True)
        wait_for(start)
        try:
            result = realm.patch({key: int(value)}, expected_generation=1, on_conflict="rebase")
        except GenerationConflict as conflict:
            print(json.dumps({"contested": [one["pointer"] for one in conflict.contested]}))
        else:
            print(json.dumps({"generation": result.generation, "rebased": result.rebased_from}))


def write(root: str, realm: str, seconds: str) -> None:
    """Count a leaf of one member up, as fast as it goes."""
    end = time.monotonic() + float(seconds)
    with connect(root, author=realm) as client:
        handle = client.realm(realm)
        while time.monotonic() < end:
            handle.update(
                lambda draft: draft.__setitem__(f"n_{realm}", draft.get(f"n_{realm}", 0) + 1)
            )


def together(root: str, seconds: str) -> None:
    """Count a leaf of two members up in one transaction, again and again."""
    end = time.monotonic() + float(seconds)
    number = 0
    with connect(root, author="both") as client:
        while time.monotonic() < end:
            number += 1
            client.transaction(
                [
                    ("org", {"set_value": {"pair": number}}),
                    ("leaf", {"set_value": {"twin": number}}),
                ]
            )
            time.sleep(0.002)


def read(root: str, seconds: str, out: str) -> None:
    """Write down the vector of each snapshot, and what it was composed of."""
    end = time.monotonic() + float(seconds)
    last = None
    with connect(root) as client, open(out, "a", encoding="utf-8") as file:
        realm = client.realm("leaf")
        while time.monotonic() < end:
            snapshot = realm.get()
            if snapshot is last:
                continue
            last = snapshot
            vector = {one.realm: one.generation for one in snapshot.lineage}
            file.write(json.dumps([vector, dict(snapshot.config)]) + "\n")


def watch(root: str, out: str, after: str = "") -> None:
    """Write down each step of the effective watch until killed."""
    with connect(root) as client, open(out, "a", encoding="utf-8") as file:
        realm = client.realm("leaf")
        for snapshot in realm.watch(after=after or None):
            vector = {one.realm: one.generation for one in snapshot.lineage}
            step = [snapshot.cursor, snapshot.reset, vector, dict(snapshot.config)]
            file.write(json.dumps(step) + "\n")
            file.flush()


# --- bugs, planted in a reader of its own ---------------------------------------------------------


def collect_heads_one_by_one() -> None:
    """Heads that were read one after the other are taken for one point."""
    from realmconf.runtime.lineages import Lineages

    def careless(self: Any, chain: Any, found: Any) -> bool:
        return True

    Lineages._is_one_point = careless  # type: ignore[method-assign]


def skip_to_the_newest() -> None:
    """A watch that is behind goes on from the newest point."""
    from realmconf.runtime.follow import EffectiveFollower

    def careless(self: Any) -> Any:
        now = self.look()
        if now.marks == self._point.marks:
            return None
        return self._deliver(now, now.head.revision)

    EffectiveFollower._read_history = careless  # type: ignore[method-assign]


if __name__ == "__main__":
    program, *words = sys.argv[1:]
    if program == "planted":
        bug, program, *words = words
        globals()[bug]()
    globals()[program](*words)
