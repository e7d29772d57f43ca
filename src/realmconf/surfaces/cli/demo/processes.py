"""
The processes of the demonstration: writers and a watcher, each a program of its own.

    python -m realmconf.surfaces.cli.demo.processes writer STORE REALM NAME WAY COUNT
    python -m realmconf.surfaces.cli.demo.processes watcher STORE REALM AFTER

Each ends by itself and prints what it has to tell as one JSON value.
"""

from __future__ import annotations

import json
import sys
import time

from realmconf.errors import GenerationConflict
from realmconf.runtime.client import connect
from realmconf.surfaces.cli.demo.agent import REALM

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

LAST_MESSAGE = "the demonstration is over"
"""The watcher ends at the generation with this message."""

UPDATE, COMPARE = "update", "compare"
"""The two ways to count: a change made on the head inside the turn, or read, then write against what was read."""


def write(store: str, name: str, *, way: str, count: int) -> dict[str, Any]:
    """Count *count* tool calls, each as one write; tell how many conflicts that took."""
    conflicts = 0
    with connect(store, author=name) as client:
        realm = client.realm(REALM)
        # Everybody starts at once, so that the figures are those of contention.
        print("ready", flush=True)
        sys.stdin.readline()
        started = time.monotonic()
        for _ in range(count):
            if way == UPDATE:
                realm.update(lambda draft: counted(draft, name), message="a tool call")
            else:
                conflicts += _compare_and_set(realm, name)
        seconds = time.monotonic() - started
    return {"name": name, "way": way, "writes": count, "conflicts": conflicts, "seconds": seconds}


def counted(draft: dict[str, Any], name: str) -> dict[str, Any]:
    """*draft* with one more tool call, in all and for *name*."""
    usage = draft["usage"]
    usage["tool_calls"] += 1
    usage[name] = usage.get(name, 0) + 1
    return draft


def _compare_and_set(realm: Any, name: str) -> int:
    conflicts = 0
    while True:
        snapshot = realm.get()
        usage = snapshot.document["usage"]
        patch = {"usage": {"tool_calls": usage["tool_calls"] + 1, name: usage.get(name, 0) + 1}}
        try:
            realm.patch(patch, expected=snapshot, message="a tool call")
        except GenerationConflict:
            conflicts += 1
        else:
            return conflicts


def watch(store: str, *, after: int) -> dict[str, Any]:
    """Watch from generation *after* to the last message; tell what came and how fast."""
    seen: list[int] = []
    delays_milliseconds: list[float] = []
    resets = 0
    with connect(store) as client:
        print("ready", flush=True)
        for snapshot in client.realm(REALM).watch(after=after, view="own"):
            now = time.time()
            resets += snapshot.reset
            seen.append(snapshot.generation)
            made = snapshot.revision
            if made is None:
                continue
            delays_milliseconds.append(1_000 * (now - _seconds_of(made.created_at)))
            if made.message == LAST_MESSAGE:
                break
    return {"seen": seen, "resets": resets, "delays_milliseconds": delays_milliseconds}


def _seconds_of(created_at: str) -> float:
    from datetime import datetime

    return datetime.fromisoformat(created_at).timestamp()


def main(words: list[str]) -> None:
    """Be the process that *words* name."""
    kind, store, *rest = words
    if kind == "writer":
        name, way, count = rest
        told = write(store, name, way=way, count=int(count))
    else:
        told = watch(store, after=int(rest[0]))
    print(json.dumps(told), flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
