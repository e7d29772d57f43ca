"""Verify a model with Spin: every state that can be reached, or the first that breaks a claim."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

from realmconf.domain.record import Record

FOLDER = Path(__file__).parent
DEPTH_MAX = 100_000
MEMORY_MEGABYTES_MAX = 2_000
SECONDS_MAX = 600


class Verdict(Record):
    """What an exhaustive search found."""

    errors: int
    states: int
    violated: str | None
    """The claim that does not hold, as the model words it."""
    complete: bool
    """No path was cut off, no memory was missing."""
    unreached: tuple[str, ...]
    """Steps of the processes that were never taken."""
    output: str


def verify(
    model: str, folder: Path, options: Sequence[str] = (), *, is_long: bool = False
) -> Verdict:
    """
    Search all of *model* with *options* (``NAME`` or ``NAME=VALUE``, each a ``#define``); compiles in *folder*.

    A search that *is_long* is worth the seconds of a compiler that optimises.

    Raises:
        RuntimeError: Spin or the C compiler is missing, or refuses the model.
    """
    shutil.copy(FOLDER / f"{model}.pml", folder / "model.pml")
    defines = [f"-D{option}" for option in options]
    _run(folder, "spin", *defines, "-a", "model.pml")
    limits = [f"-DMEMLIM={MEMORY_MEGABYTES_MAX}", "-DCOLLAPSE", "-DSAFETY", "-DNOFAIR"]
    _run(folder, "gcc", "-O1" if is_long else "-O0", "-w", *limits, "-o", "pan", "pan.c")
    return _verdict(_run(folder, "./pan", f"-m{DEPTH_MAX}"))


def _run(folder: Path, *command: str) -> str:
    if "/" not in command[0] and shutil.which(command[0]) is None:
        raise RuntimeError(f"{command[0]} is missing: install the Debian packages spin and gcc")
    done = subprocess.run(
        command, cwd=folder, capture_output=True, text=True, timeout=SECONDS_MAX, check=False
    )
    output = done.stdout + done.stderr
    if done.returncode != 0 or "rror:" in output.replace("errors:", ""):
        raise RuntimeError(f"{command[0]}: {output[-2000:]}")
    return output


def _verdict(output: str) -> Verdict:
    violated = re.search(r"^pan:1: (.*?) \(at depth \d+\)$", output, re.MULTILINE)
    cut_off = re.search(
        r"max search depth too small|out of memory|Search not completed|hash factor", output
    )
    return Verdict(
        errors=int(_number(r"errors: (\d+)", output)),
        states=int(_number(r"(\d+) states, stored", output)),
        violated=None if violated is None else violated[1],
        complete=cut_off is None and "Full statespace search" in output,
        unreached=tuple(re.findall(r"^\tmodel\.pml:(\d+), state \d+, .*$", output, re.MULTILINE)),
        output=output,
    )


def _number(pattern: str, output: str) -> str:
    found = re.search(pattern, output)
    if found is None:
        raise RuntimeError(f"no verdict: {output[-2000:]}")
    return found[1]
