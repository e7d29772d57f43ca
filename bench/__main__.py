"""
The command: which measurements run, with how much effort, and where their figures go.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
import tempfile
import traceback
from collections.abc import Sequence
from pathlib import Path
from time import monotonic

from bench import report
from bench.harness import Effort
from bench.plan import LEFT_OUT, MEASURES
from bench.results import Measure, Outcome, Workplace, merged

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
    outcome = Outcome(machine=machine(options.directory), left_out=dict(LEFT_OUT))
    begun = monotonic()
    for measurement in chosen(options.only):
        run(measurement, effort, options.directory, outcome)
    outcome.seconds = monotonic() - begun
    outcome.machine["load"] = (
        f"{os.getloadavg()[1]:.1f} processes on average, the run's own included"
    )
    print("\n".join(report.terminal(outcome)))
    if options.json:
        options.json.write_text(json.dumps(outcome.to_dict(), indent=1), "utf-8")
    return 1 if outcome.failures else 0


def chosen(only: str | None) -> list[Measure]:
    if not only:
        return list(MEASURES)
    wanted = set(only.upper().split(","))
    known = {goal for measurement in MEASURES for goal in measurement.goals}
    if unknown := wanted - known:
        raise SystemExit(f"No measurement of {', '.join(sorted(unknown))}.")
    return [measurement for measurement in MEASURES if wanted & set(measurement.goals)]


def run(measurement: Measure, effort: Effort, directory: Path, outcome: Outcome) -> None:
    """Run one measurement; a failure is reported beside the figures of the others."""
    goals = ", ".join(measurement.goals)
    begun = monotonic()
    print(f"{goals}: {measurement.title} … ", end="", file=sys.stderr, flush=True)
    with tempfile.TemporaryDirectory(
        prefix="realmconf-bench-", dir=directory, ignore_cleanup_errors=True
    ) as folder:
        try:
            outcome.figures += measurement.run(Workplace(effort, Path(folder)))
        except Exception as error:  # noqa: BLE001 - one measurement's failure must not hide the others
            traceback.print_exc()
            outcome.failures[goals] = f"{type(error).__name__}: {error}"
    print(f"{monotonic() - begun:.0f} s", file=sys.stderr)


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
