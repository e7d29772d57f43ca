"""
What a torture run of an engine was to do, what it did, and what is wrong with that.

Decides what is a finding besides what the verdict on the logs has: too little done, an answer that came late, and what
was refused and is there all the same.
"""

from __future__ import annotations

import os

from tests.engines.torture_work import OUTAGES

from realmconf.domain.record import Record
from realmconf.testing.calllog import read_calls
from realmconf.testing.linearizability import COMMITTED
from realmconf.testing.verdict import EXPECTED_REFUSALS, Verdict, judge

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

    from realmconf.testing.workers import Task

TIMEOUT_SECONDS = 5.0
"""Of every write."""
SLACK_SECONDS = 2.5
"""By how much a call may end after its deadline, on a machine that is busy killing."""
READ_SECONDS_MAX = 15.0
"""How long a read may take: those have time-outs of the engine's own."""


class Plan(Record):
    """What a run does, until both so many operations were begun and so many faults have happened."""

    engine: str
    folder: str
    operations: int = 3000
    faults: int = 15
    seconds_max: float = 600.0
    writers: int = 4
    readers: int = 2
    watchers: int = 2
    transactors: int = 1
    kinds: tuple[str, ...] = ()
    """The faults that happen; all that the engine has, if empty."""
    seed: int = 1


class Report(Record):
    """What a run did, and what was found."""

    plan: Plan
    partition: str
    seconds: float
    operations: int
    writes: int
    acknowledged: int
    longest: Mapping[str, float]
    """Seconds, by verb."""
    faults: Mapping[str, int]
    settled: Mapping[str, int]
    verdict: Verdict
    findings: tuple[str, ...]

    @property
    def summary(self) -> str:
        """For a person: the figures, then every finding."""
        faults = ", ".join(f"{kind} {number}" for kind, number in sorted(self.faults.items()))
        longest = ", ".join(
            f"{verb} {seconds:.2f} s" for verb, seconds in sorted(self.longest.items())
        )
        settled = ", ".join(f"{outcome} {number}" for outcome, number in self.settled.items())
        lines = [
            f"{self.plan.engine}, seed {self.plan.seed}: {self.operations} operations in {self.seconds:.0f} s",
            f"{self.writes} writes, {self.acknowledged} acknowledged: {self.acknowledged_share:.0%} of all operations",
            f"{sum(self.faults.values())} faults: {faults}",
            f"partition by {self.partition}",
            f"{self.verdict.generations} generations, {self.verdict.watched} watch events",
            f"longest: {longest}",
            f"settled afterwards: {settled or 'nothing'}",
            "one order of writes explains every answer"
            if not self.findings
            else "it cannot be explained",
            f"{len(self.findings)} findings",
        ]
        return "\n".join([*lines, *(f"  {finding}" for finding in self.findings[:50])])

    @property
    def acknowledged_share(self) -> float:
        """Of all operations, reads included."""
        return self.acknowledged / max(1, self.operations)


def report_of(
    plan: Plan,
    tasks: Sequence[Task],
    faults: Mapping[str, int],
    *,
    partition: str,
    seconds: float,
) -> Report:
    """Judge the run whose logs are in the plan's folder; *faults* have happened, as often as is said."""
    calls = [
        call
        for task in tasks
        for call in read_calls(task.log_path)
        if "began_ns" in call and not call.get("settles")
    ]
    verdict = judge(plan.folder, refusals=EXPECTED_REFUSALS | OUTAGES)
    (settled,) = (note["settled"] for note in read_calls(os.path.join(plan.folder, "settled.log")))
    return Report(
        plan=plan,
        partition=partition,
        seconds=seconds,
        operations=len(calls),
        writes=sum("write_id" in call for call in calls),
        acknowledged=sum(call.get("outcome") == COMMITTED for call in calls),
        longest=_longest(calls),
        faults=faults,
        settled=settled,
        verdict=verdict,
        findings=(
            *_too_little(plan, len(calls), sum(faults.values())),
            *verdict.findings,
            *_late(calls),
            *_refused_and_there(calls, plan.folder),
        ),
    )


def _too_little(plan: Plan, operations: int, faults: int) -> list[str]:
    if operations >= plan.operations and faults >= plan.faults:
        return []
    return [f"{operations} operations and {faults} faults in {plan.seconds_max:g} s are too few"]


def _longest(calls: Sequence[dict[str, Any]]) -> dict[str, float]:
    longest: dict[str, float] = {}
    for call in calls:
        if "ended_ns" in call:
            seconds = (call["ended_ns"] - call["began_ns"]) / 1e9
            longest[call["verb"]] = max(seconds, longest.get(call["verb"], 0.0))
    return longest


def _late(calls: Sequence[dict[str, Any]]) -> list[str]:
    """What has outlived its deadline."""
    found = []
    for verb, seconds in _longest(calls).items():
        most = READ_SECONDS_MAX if verb == "get" else TIMEOUT_SECONDS + SLACK_SECONDS
        if seconds > most:
            found.append(f"a {verb} took {seconds:.1f} s, and may take {most:g} s")
    return found


def _refused_and_there(calls: Sequence[dict[str, Any]], folder: str) -> list[str]:
    """Transactions that were refused, and whose revisions are there all the same."""
    with open(os.path.join(folder, "history.jsonl"), encoding="utf-8") as lines:
        kept = {line.split('"write_id": "', 1)[1].split('"', 1)[0] for line in lines}
    return [
        f"transaction {call['write_id']} was refused ({call['code']}) and is there"
        for call in calls
        if call["verb"] == "transaction"
        and call.get("outcome") == "refused"
        and call["write_id"] in kept
    ]
