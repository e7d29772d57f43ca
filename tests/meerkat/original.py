"""
The program that stands for Meerkat's in tests: ``letter``'s protocol as a process of its own.

Decides how a command line becomes calls of the protocol, and what a writer who never tires does and logs.

    python -m tests.meerkat.original get|set|patch|work FOLDER [--json TEXT] [--expected-generation N] …

``get`` prints ``{"generation": N, "config": {…}}``, ``set`` and ``patch`` print ``generation=N``; an error is a line on
standard error and exit code 1.  ``work`` reads and changes one key in a loop and logs what it does as lines of JSON.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import sys
import time
from pathlib import Path

from tests.meerkat.letter import (
    STALE_SECONDS,
    TIMEOUT_SECONDS,
    Failure,
    Log,
    Points,
    Runtime,
    counters,
    merge_patch,
)

PAUSE_SECONDS_MAX = 0.02
"""Between two writes of ``work``."""


def main(words: list[str]) -> int:
    """Do what was asked; the exit code."""
    asked = _parser().parse_args(words)
    log = (
        Log(asked.log, writer=asked.writer, side="original", pid=os.getpid()) if asked.log else None
    )
    runtime = Runtime(
        asked.folder,
        timeout_seconds=asked.timeout_seconds,
        stale_seconds=asked.stale_seconds,
        points=Points(asked.stop_at, asked.kill_at, log),
    )
    try:
        if asked.verb == "get":
            config, generation = runtime.get()
            print(json.dumps({"generation": generation, "config": config}))
        elif asked.verb == "work":
            assert log is not None, "work needs --log"
            work(runtime, log, asked)
        else:
            write = runtime.set if asked.verb == "set" else runtime.patch
            print(f"generation={write(json.loads(asked.json), asked.expected_generation)}")
    except Failure as failure:
        print(f"Error: {failure}", file=sys.stderr)
        return 1
    return 0


def work(runtime: Runtime, log: Log, asked: argparse.Namespace) -> None:
    """
    Read, then change the writer's own counter against what was read, until the time is over or somebody ends it.

    With ``--by set`` the whole configuration that was read is put back, as who edits it elsewhere does.
    """
    chance = random.Random(asked.seed)
    until = time.monotonic() + asked.seconds
    value = 0
    while time.monotonic() < until:
        log.line(do="read")
        try:
            config, generation = runtime.get()
        except Failure as failure:
            log.line(done="failed", reason=str(failure))
            continue
        log.line(done="read", generation=generation, counters=counters(config))
        value += 1
        delta = {"tools": {"tool_timeouts": {asked.writer: {"secs": value, "nanos": 0}}}}
        log.line(do="write", value=value, expected=generation)
        try:
            if asked.by == "set":
                written = runtime.set(merge_patch(config, delta), generation)
            else:
                written = runtime.patch(delta, generation)
        except Failure as failure:
            done = "refused" if failure.is_void else "unknown"
            log.line(done=done, value=value, reason=str(failure))
        except OSError as failure:
            log.line(done="unknown", value=value, reason=str(failure))
        else:
            log.line(done="written", value=value, generation=written)
        time.sleep(chance.random() * PAUSE_SECONDS_MAX)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="original")
    parser.add_argument("verb", choices=("get", "set", "patch", "work"))
    parser.add_argument("folder", type=Path)
    parser.add_argument("--json", default="{}")
    parser.add_argument("--expected-generation", type=int)
    parser.add_argument("--timeout-seconds", type=float, default=TIMEOUT_SECONDS)
    parser.add_argument("--stale-seconds", type=float, default=STALE_SECONDS)
    parser.add_argument("--stop-at", action="append", default=[], metavar="POINT[:N]")
    parser.add_argument("--kill-at", action="append", default=[], metavar="POINT[:N]")
    parser.add_argument("--writer", default="original", help="the key that work writes")
    parser.add_argument("--by", choices=("set", "patch"), default="patch", help="how work writes")
    parser.add_argument("--seed", type=int, default=0, help="what the pauses of work come from")
    parser.add_argument("--seconds", type=float, default=3_600.0, help="how long work works")
    parser.add_argument("--log", type=Path, help="where the steps are logged")
    return parser


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
