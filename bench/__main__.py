"""
The command: which measurements run, with how much effort, and where their figures go.

One that fails or takes too long is told with its reason and does not end the others, and what is
measured so far is in the file that was asked for: a run that is broken off has not been in vain.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import signal
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from time import monotonic

from bench import report, runner
from bench.harness import Effort
from bench.processes import find
from bench.results import Measure, Outcome, merged

QUICK = Effort(rounds=3, share=0.2)


def main(arguments: Sequence[str] | None = None) -> int:
    options = parse(arguments)
    if options.command == "render":
        runs = [Outcome.from_dict(json.loads(path.read_text("utf-8"))) for path in options.figures]
        report.render(merged(runs), options.page)
        return 0
    if options.command == "syscalls":
        from bench.syscalls import main as count_calls

        return count_calls(options.directory)
    return measure(options)


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench", description="Measure realmconf.")
    parser.add_argument("--only", metavar="M4,M7", help="these goals")
    parser.add_argument("--rounds", type=int, help="interleaved rounds, 5 unless told")
    parser.add_argument("--quick", action="store_true", help="small batches: does it run?")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there too")
    parser.add_argument(
        "--strict", action="store_true", help="fail if something was left out for want of a server"
    )
    parser.add_argument(
        "--directory",
        type=Path,
        default=Path(tempfile.gettempdir()),
        help="on the disk to measure; a folder is made in it and removed",
    )
    parser.set_defaults(command="measure")
    commands = parser.add_subparsers(dest="command")
    render = commands.add_parser("render", help="put the figures of JSON files into a page")
    render.add_argument(
        "figures", type=Path, nargs="+", help="of several, the last with a goal counts"
    )
    render.add_argument("page", type=Path)
    commands.add_parser("syscalls", help="count system calls per operation with strace")
    options = parser.parse_args(arguments)
    options.command = options.command or "measure"
    return options


def measure(options: argparse.Namespace) -> int:
    effort = QUICK if options.quick else Effort()
    if options.rounds:
        effort = Effort(rounds=options.rounds, share=effort.share)
    outcome = Outcome(machine=machine(options.directory))
    asked = chosen(options.only)
    # Ended by whatever means, it takes down what it has started, and keeps what it has.
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        run(asked, effort, options, outcome)
    except KeyboardInterrupt:
        outcome.failures |= {
            ", ".join(one.goals): "the run was broken off" for one in asked[outcome.measured :]
        }
        if options.json:
            write(options.json, outcome)
    finally:
        signal.signal(signal.SIGTERM, before)
    print("\n".join(report.terminal(outcome)))
    return 1 if outcome.failures or (options.strict and outcome.left_out) else 0


def run(
    asked: Sequence[Measure], effort: Effort, options: argparse.Namespace, outcome: Outcome
) -> None:
    """Run *asked* one after the other, with a line for each; *outcome* is written down after each."""
    begun = monotonic()
    for number, measurement in enumerate(asked, 1):
        goals = ", ".join(measurement.goals)
        print(f"[{number}/{len(asked)}] {goals}: {measurement.title} … ", end="", file=sys.stderr)
        sys.stderr.flush()
        started = monotonic()
        found = runner.run(measurement, effort, options.directory)
        outcome.add(found)
        outcome.measured = number
        outcome.seconds = monotonic() - begun
        load = os.getloadavg()[1]
        outcome.machine["load"] = f"{load:.1f} processes on average, the run's own included"
        print(f"{monotonic() - started:.0f} s", file=sys.stderr)
        for what, reason in {**found.failures, **found.left_out}.items():
            print(f"    {what}: {reason}", file=sys.stderr)
        if options.json:
            write(options.json, outcome)


def write(path: Path, outcome: Outcome) -> None:
    """Replace *path* whole: whoever reads it meanwhile has all of the figures before, or all of those now."""
    fresh = path.with_name(f"{path.name}.new")
    fresh.write_text(json.dumps(outcome.to_dict(), indent=1), "utf-8")
    fresh.replace(path)


def chosen(only: str | None) -> list[Measure]:
    # By name: what it imports is installed for benchmarks alone.
    measures: Sequence[Measure] = find("bench.plan:MEASURES")
    if not only:
        return list(measures)
    wanted = set(only.upper().split(","))
    known = {goal for measurement in measures for goal in measurement.goals}
    if unknown := wanted - known:
        raise SystemExit(f"No measurement of {', '.join(sorted(unknown))}.")
    return [measurement for measurement in measures if wanted & set(measurement.goals)]


def machine(directory: Path) -> dict[str, str]:
    """What the figures depend on, besides the code."""
    return {
        "machine": f"{os.cpu_count()} cores, {platform.system()} {platform.machine()}",
        "file system": filesystem(directory),
        "Python": platform.python_version(),
    }


def filesystem(directory: Path) -> str:
    """The kind of file system that *directory* is on; a memory one makes syncs cost nothing."""
    try:
        mounts = Path("/proc/self/mounts").read_text("utf-8").splitlines()
    except OSError:
        return "unknown"
    place = str(directory.resolve())
    best, kind = "", "unknown"
    for line in mounts:
        point, name = line.split()[1:3]
        inside = place == point or place.startswith(point.rstrip("/") + "/")
        if inside and len(point) >= len(best):
            best, kind = point, name
    return kind


if __name__ == "__main__":
    sys.exit(main())
