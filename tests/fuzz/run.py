"""
Malformed input for every parser, bounded in time and memory: ``python -m tests.fuzz [NAME …] [--inputs N] [--seed S]``.

Each input is accepted or refused by a typed error (G12). A finding is anything else: another exception, an input that
takes longer than it may, or memory that does not come back. It names the number that makes the input again:
``--only NUMBER``.
"""

from __future__ import annotations

import argparse
import gc
import resource
import signal
import sys
import time
from collections import Counter
from contextlib import contextmanager
from typing import TYPE_CHECKING

from tests.fuzz.mutation import Mutator
from tests.fuzz.parsers import PARSERS, Parser
from tests.fuzz.served import SERVED

from realmconf.errors import RealmconfError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

INPUTS = 100_000
SEED = "20261129"
CPU_SECONDS_MAX = 2.0
"""Of one input; the dearest that is known takes a tenth on a quick machine."""
MEMORY_BYTES_MAX = 1_024 * 1_048_576
"""Above what the process has when it begins; beyond it, allocating fails."""
EVERY = PARSERS | SERVED
FINDINGS_MAX = 20
"""Of one parser, after which it is left."""


class TookTooLong(BaseException):
    """Raised into the parser, past everything that it catches."""


class Outcome:
    """What became of the inputs of one parser."""

    def __init__(self) -> None:
        self.inputs = 0
        self.accepted = 0
        self.refused: Counter[str] = Counter()
        self.slowest_seconds = 0.0
        self.slowest = 0
        self.findings: list[str] = []

    def summary(self, name: str) -> str:
        codes = ", ".join(f"{code} {count:,}" for code, count in self.refused.most_common(3))
        return (
            f"{name:14} {self.inputs:9,} inputs {self.accepted:9,} accepted {self.refused.total():9,} refused"
            f"  slowest {self.slowest_seconds * 1000:6.0f} ms (number {self.slowest})"
            f"  {len(self.findings)} findings  [{codes}]"
        )


def run(
    name: str, parser: Parser, *, inputs: range, seed: str = SEED, progress: bool = False
) -> Outcome:
    """Give *parser* each of the inputs with these numbers."""
    outcome = Outcome()
    mutator = Mutator(parser.seeds, parser.words, seed=f"{seed}:{name}")
    with parser.opened() as read, _bounded():
        for number in inputs:
            _one(read, number, mutator.input(number), outcome)
            if len(outcome.findings) >= FINDINGS_MAX:
                break
            if progress and outcome.inputs % 5_000 == 0:
                print(f"\r{name:14} {outcome.inputs:9,}", end="", file=sys.stderr, flush=True)
    if progress:
        print("\r", end="", file=sys.stderr)
    return outcome


def _one(read: Callable[[bytes], object], number: int, raw: bytes, outcome: Outcome) -> None:
    outcome.inputs += 1
    began = time.process_time()
    signal.setitimer(signal.ITIMER_PROF, CPU_SECONDS_MAX)
    try:
        try:
            read(raw)
        finally:
            # Before anything is noted, which may take a time of its own.
            signal.setitimer(signal.ITIMER_PROF, 0)
            took = time.process_time() - began
            if took > outcome.slowest_seconds:
                outcome.slowest_seconds, outcome.slowest = took, number
        outcome.accepted += 1
    except RealmconfError as refusal:
        outcome.refused[refusal.code] += 1
    except TookTooLong:
        outcome.findings.append(f"{number}: still at it after {CPU_SECONDS_MAX} s: {_shown(raw)}")
    except Exception as defect:  # noqa: BLE001 - whatever it is, it is what is looked for
        outcome.findings.append(f"{number}: {_told(defect)}: {_shown(raw)}")


def _told(defect: Exception) -> str:
    kind = type(defect).__name__
    signal.setitimer(signal.ITIMER_PROF, CPU_SECONDS_MAX)
    try:
        return f"{kind}: {str(defect)[:200]}"
    except TookTooLong:
        return f"{kind}, whose text takes more than {CPU_SECONDS_MAX} s"
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)


def _shown(raw: bytes) -> str:
    return repr(raw[:160]) + (f" and {len(raw) - 160:,} bytes more" if len(raw) > 160 else "")


@contextmanager
def _bounded() -> Iterator[None]:
    """Time by a signal, memory by a limit of the process that is taken off again."""

    def stop(*_: object) -> None:
        raise TookTooLong

    before = signal.signal(signal.SIGPROF, stop)
    limits = resource.getrlimit(resource.RLIMIT_AS)
    with open("/proc/self/statm", encoding="ascii") as file:
        used = int(file.read().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (used + MEMORY_BYTES_MAX, limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, limits)
        signal.signal(signal.SIGPROF, before)


def main() -> int:
    """Run the parsers that are named, or all; exit 1 on a finding."""
    asked = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    asked.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(EVERY)}; all")
    asked.add_argument("--inputs", type=int, default=INPUTS, help="of each parser (%(default)s)")
    asked.add_argument("--seed", default=SEED, help="(%(default)s)")
    asked.add_argument("--only", type=int, metavar="NUMBER", help="this input alone, and print it")
    request = asked.parse_args()
    unknown = [name for name in request.names if name not in EVERY]
    if unknown:
        asked.error(f"there is no parser {unknown[0]}; there are {', '.join(EVERY)}")
    numbers = range(request.inputs)
    if request.only is not None:
        numbers = range(request.only, request.only + 1)
    failed = False
    for name in request.names or EVERY:
        parser = EVERY[name]
        if request.only is not None:
            seed = f"{request.seed}:{name}"
            print(repr(Mutator(parser.seeds, parser.words, seed=seed).input(request.only)))
        outcome = run(name, parser, inputs=numbers, seed=request.seed, progress=sys.stderr.isatty())
        gc.collect()
        print(outcome.summary(name), flush=True)
        for finding in outcome.findings:
            print(f"    {finding}")
        failed = failed or bool(outcome.findings)
    return int(failed)
