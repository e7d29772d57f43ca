"""
What attacks the guarantees, and how much of it is wanted.

A harness does one *part* at a time, from a seed: it returns what it counted and what it found. Parts add up.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from tests.crash.sweep import fast_folder
from tests.fuzz.run import EVERY
from tests.fuzz.run import run as give_malformed
from tests.proof.watching import flood

from realmconf.domain.record import Record
from realmconf.testing import torture

if TYPE_CHECKING:
    from collections.abc import Callable

Counts = dict[str, int]
Part = tuple[Counts, list[str]]


class Harness(Record):
    """One attack."""

    name: str
    about: str
    """What is done, for a person."""
    guarantees: str
    part: Callable[[int, int], Part]
    """From a seed and a size."""
    quick: int
    """The size of the one part that the quick profile does."""
    full: int
    """The size of each part of the full profile."""
    goals: Counts
    """What the parts of the full profile are to add up to."""


def sweep_embedded(seed: int, size: int) -> Part:
    """Every fault at each call of *size* operations of the embedded store, beginning with the one that *seed* names."""
    from tests.crash.sweep import every_fault, sweep
    from tests.crash.test_sweep import OPERATIONS

    return _swept(OPERATIONS, seed, size, lambda one: sweep(one, plan=every_fault))


def sweep_meerkat(seed: int, size: int) -> Part:
    """The same on Meerkat's files."""
    from tests.crash.sweep import every_fault
    from tests.meerkat.faultsweep import OPERATIONS, sweep

    return _swept(OPERATIONS, seed, size, lambda one: sweep(one, plan=every_fault))


def _swept(operations: list, seed: int, size: int, sweep: Callable[..., int]) -> Part:
    points = 0
    for number in range(seed, seed + size):
        operation = operations[number % len(operations)]
        try:
            points += sweep(operation)
        except AssertionError as finding:
            return {"fault points": points}, [f"{operation.name}: {finding}"]
    return {"fault points": points}, []


def kills(seed: int, size: int) -> Part:
    """*size* seconds of kills, as fast as they can be made."""
    return _tortured(seed, size, kill_every_milliseconds=(1.0, 6.0), writers=6)


def operations(seed: int, size: int) -> Part:
    """*size* seconds in which processes live long enough to write very much."""
    return _tortured(
        seed, size, kill_every_milliseconds=(150.0, 500.0), writers=4, massacre_every_seconds=10.0
    )


def edits(seed: int, size: int) -> Part:
    """*size* seconds in which people save the file by hand, while processes write and are killed."""
    return _tortured(seed, size, kill_every_milliseconds=(8.0, 30.0), writers=3, editors=4)


def _tortured(seed: int, seconds: int, **plan: object) -> Part:
    with fast_folder() as folder:
        report = torture.run(
            torture.Plan(
                store=str(folder / "root"),
                folder=str(folder / "logs"),
                seconds=float(seconds),
                seed=seed,
                **plan,  # type: ignore[arg-type]
            )
        )
    found = report.verdict
    counts = {
        "kills": report.kills,
        "stops": report.stops,
        "checked operations": found.calls + found.watched,
        "acknowledged writes": found.committed,
        "generations": found.generations,
        "hand edits": found.edits,
    }
    return counts, list(found.findings)


def power(kind: str) -> Callable[[int, int], Part]:
    """Power cuts of a file system of this *kind*."""

    def cut(seed: int, size: int) -> Part:
        from tests.workingcopy.powercuts import MAKERS, WRITER, Disk, cut_often

        maker = MAKERS[kind][0]
        if os.geteuid() != 0 or shutil.which(maker) is None:
            return {}, [f"mounting a file system of its own needs root and {maker}"]
        with tempfile.TemporaryDirectory(prefix="realmconf-proof-") as folder:
            disk = Disk(Path(folder), kind)
            try:
                cut_often(disk, WRITER, cuts=size, seed=seed)
            except (AssertionError, subprocess.CalledProcessError) as finding:
                return {}, [f"{type(finding).__name__}: {finding}"]
            finally:
                disk.unmount()
        return {f"{kind} power cuts": size}, []

    return cut


def malformed(seed: int, size: int) -> Part:
    """*size* malformed inputs for each parser and server."""
    findings = []
    fewest = size
    for name, parser in EVERY.items():
        outcome = give_malformed(name, parser, inputs=range(size), seed=str(seed))
        fewest = min(fewest, outcome.inputs)
        findings += [f"{name} {finding}" for finding in outcome.findings]
    return {
        "malformed inputs per parser": fewest,
        "malformed inputs": fewest * len(EVERY),
    }, findings


HARNESSES = {
    one.name: one
    for one in (
        Harness(
            name="sweep",
            about="every call of every writing operation killed before, after and half done, failed once and for good",
            guarantees="G2 G4 G5 G6",
            part=sweep_embedded,
            quick=1,
            full=1,
            goals={"fault points": 10_000},
        ),
        Harness(
            name="sweep-meerkat",
            about="the same on Meerkat's files",
            guarantees="G4 G5 G6",
            part=sweep_meerkat,
            quick=1,
            full=1,
            goals={"fault points": 2_000},
        ),
        Harness(
            name="kills",
            about="writers, readers, watchers and transactions on one realm, killed every few milliseconds",
            guarantees="G1-G7",
            part=kills,
            quick=15,
            full=60,
            goals={"kills": 100_000},
        ),
        Harness(
            name="operations",
            about="the same, killed and stopped a few times a second; one order of writes has to explain every answer",
            guarantees="G1-G7",
            part=operations,
            quick=15,
            full=60,
            goals={"checked operations": 1_000_000},
        ),
        Harness(
            name="edits",
            about="people who save `config.toml` in six styles, meanwhile",
            guarantees="G8 G10",
            part=edits,
            quick=15,
            full=120,
            goals={"hand edits": 10_000},
        ),
        Harness(
            name="power-ext4",
            about="power cuts under writers, with hand edits between them, on ext4",
            guarantees="G4 G8",
            part=power("ext4"),
            quick=10,
            full=50,
            goals={"ext4 power cuts": 1_000},
        ),
        Harness(
            name="power-xfs",
            about="the same on xfs",
            guarantees="G4 G8",
            part=power("xfs"),
            quick=5,
            full=50,
            goals={"xfs power cuts": 300},
        ),
        Harness(
            name="watches",
            about="fifty event streams over HTTP whose connections break again and again",
            guarantees="G7",
            part=flood,
            quick=100,
            full=2_000,
            goals={"watch events": 1_000_000, "reconnects": 1_000},
        ),
        Harness(
            name="malformed",
            about="malformed input for each parser and each server",
            guarantees="G12",
            part=malformed,
            quick=500,
            full=100_000,
            goals={"malformed inputs per parser": 100_000},
        ),
    )
}
