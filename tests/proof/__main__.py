"""
Attack the guarantees: ``python -m tests.proof quick``, ``full [NAME …]``, ``render``.

*quick* does one small part of each harness. *full* goes on where the record ends, part by part, until each harness has
done what is wanted of it or the time is over, and records each part. It exits 1 at the first finding.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from tests.proof import record
from tests.proof.harnesses import HARNESSES

if TYPE_CHECKING:
    from tests.proof.harnesses import Harness


def _commit() -> str:
    """What is attacked; what was written of earlier parts is no change of it."""
    written = [f":!{one.relative_to(record.PROJECT)}" for one in (record.RECORD, record.PAGE)]
    is_changed = _git("status", "--porcelain", "--untracked-files=no", "--", ".", *written)
    return _git("rev-parse", "--short", "HEAD") + ("-dirty" if is_changed else "")


def _git(*arguments: str) -> str:
    command = ["git", "-C", str(record.PROJECT), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


def _do(harness: Harness, seed: int, size: int) -> dict[str, Any]:
    began, commit = time.monotonic(), _commit()
    print(f"{harness.name}: seed {seed}, size {size} …", end="", flush=True)
    counts, findings = harness.part(seed, size)
    took = time.monotonic() - began
    said = ", ".join(f"{count:,} {what}" for what, count in counts.items())
    print(f" {said}, {len(findings)} findings, {took:.0f} s", flush=True)
    for finding in findings:
        print(f"    {finding[:2_000]}")
    return {
        "harness": harness.name,
        "seed": seed,
        "size": size,
        "counts": counts,
        "findings": [finding[:500] for finding in findings],
        "seconds": round(took, 1),
        "commit": commit if commit == _commit() else f"{commit}-changed",
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "cores": os.cpu_count(),
    }


def _quick(chosen: list[Harness], seed: int) -> int:
    parts = [_do(harness, seed, harness.quick) for harness in chosen]
    return int(any(part["findings"] for part in parts))


def _full(chosen: list[Harness], minutes: float) -> int:
    deadline = time.monotonic() + 60 * minutes
    for harness in chosen:
        while time.monotonic() < deadline:
            recorded = record.parts()
            total = record.totals(recorded, harness.name)
            if all(total[what] >= count for what, count in harness.goals.items()):
                break
            seed = sum(part["harness"] == harness.name for part in recorded)
            part = _do(harness, seed, harness.full)
            record.add(part)
            if part["findings"]:
                return 1
    return 0


def main() -> int:
    """Do what the command line says."""
    asked = argparse.ArgumentParser(prog="python -m tests.proof", description=__doc__)
    asked.add_argument("profile", choices=("quick", "full", "render"))
    asked.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(HARNESSES)}; all")
    asked.add_argument("--seed", type=int, default=1, help="of the quick profile")
    asked.add_argument("--minutes", type=float, default=24 * 60, help="of the full one, at most")
    request = asked.parse_args()
    unknown = [name for name in request.names if name not in HARNESSES]
    if unknown:
        asked.error(f"there is no harness {unknown[0]}; there are {', '.join(HARNESSES)}")
    chosen = [HARNESSES[name] for name in request.names or HARNESSES]
    if request.profile == "render":
        page = record.PAGE.read_text(encoding="utf-8")
        record.PAGE.write_text(record.rendered(page, record.parts()), encoding="utf-8")
        return 0
    if request.profile == "quick":
        return _quick(chosen, request.seed)
    return _full(chosen, request.minutes)


if __name__ == "__main__":
    sys.exit(main())
