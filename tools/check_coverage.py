"""
Every branch of the code named in tools/coverage.toml is taken by the tests named there.

    python tools/check_coverage.py [PART ...]     default: all parts

Prints the lines and the branches that no test reaches, and fails while there are any. Tests that measure time are left
out: measured code is slow. A test that fails is named and no more: whether tests pass is for `make test`.
"""

import shlex
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path

PARTS = tomllib.loads(Path(__file__).with_name("coverage.toml").read_text("utf-8"))
ORDINARY = "not serial and not torture and not machine and not engines and not models"
PARALLEL = ["--numprocesses", "auto", "--dist", "worksteal"]


def coverage(data: str, *arguments: str) -> int:
    command = [sys.executable, "-m", "coverage", arguments[0], "--data-file", data, *arguments[1:]]
    return subprocess.run(command, check=False).returncode


def main(chosen: list[str]) -> int:
    unknown = set(chosen) - set(PARTS)
    if unknown:
        sys.exit(f"No part is called {', '.join(sorted(unknown))}. There are: {', '.join(PARTS)}")
    parts = {name: part for name, part in PARTS.items() if not chosen or name in chosen}
    runs = dict.fromkeys(run for part in parts.values() for run in part["runs"])
    with tempfile.TemporaryDirectory(prefix="realmconf-coverage-") as folder:
        data = str(Path(folder, "data"))
        failed = [run for run in runs if measure(data, run)]
        coverage(data, "combine", "--quiet", folder)
        missing = [name for name, part in parts.items() if report(data, name, part["paths"])]
    for run in failed:
        print(f"Tests failed: {run}", file=sys.stderr)
    for name in missing:
        print(f"Branches are left out: {name}", file=sys.stderr)
    return int(bool(missing))


def measure(data: str, run: str) -> int:
    pytest = ["-m", "pytest", "-q", "-p", "tests.unhurried", "-m", ORDINARY, *PARALLEL]
    pytest += shlex.split(run)
    return coverage(data, "run", *pytest)


def report(data: str, name: str, paths: list[str]) -> int:
    print(f"\n{name}", flush=True)
    shown = ["--show-missing", "--skip-covered", "--fail-under", "100"]
    return coverage(data, "report", *shown, "--include", ",".join(paths))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
