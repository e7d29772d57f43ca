"""
Many writers on one shared folder, of our side and of the other, killed and stopped at random.

Decides who writes, who is hit and when; what came of it is ``verdict``'s.

    python -m tests.meerkat.torture FOLDER [--seconds N] [--seed N] [--ours N] [--originals N] …
"""

from __future__ import annotations

import argparse
import json
import os
import random
import re
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from tests.meerkat.events import gather, lines_of
from tests.meerkat.letter import POINTS, Log, Runtime, counters
from tests.meerkat.letter import Points as NoPoints
from tests.meerkat.plants import PLANTS
from tests.meerkat.profiles import BESIDE_THE_CRATE, QUICK, Profile, calm
from tests.meerkat.timeline import around
from tests.meerkat.traced import command as traced
from tests.meerkat.traced import steps
from tests.meerkat.verdict import judge

if TYPE_CHECKING:
    from typing import Any, TypeAlias

    from tests.meerkat.verdict import Verdict

    Mark: TypeAlias = tuple[int, int]

PROJECT = Path(__file__).resolve().parents[2]
REALM = "team"
PACE_SECONDS = 0.005
MOVING_SECONDS = 0.05
"""A lock that stays the same for so long is, as a rule, that of somebody who does not run."""
CATCHES_MAX = 20
ENDING_SECONDS = 60.0
"""How long a writer may take to notice that the time is over, lock timeouts and stops included."""


@dataclass
class Writer:
    """A process, and what is planned for it."""

    name: str
    side: str
    index: int
    process: subprocess.Popen[bytes]
    goes_on_at: float | None = None
    trace: Path | None = None
    """Where its system calls are, if it does not tell its steps itself."""


@dataclass
class Torture:
    """One run in *folder*."""

    folder: Path
    profile: Profile
    writers: list[Writer] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._root = self.folder / "realms"
        self._logs = self.folder / "logs"
        self._logs.mkdir(parents=True)
        self._chance = random.Random(self.profile.seed)
        self._log = Log(self._logs / "chaos.jsonl", side="chaos")
        self._made = 0
        self._lock = self._root / REALM / "config_state.lock"
        self._aging: tuple[float, Mark] | None = None
        self.url = (
            f"meerkat://{self._root}?global={self.folder}/user"
            f"&stale_seconds={self.profile.stale_seconds}&lock_seconds={self.profile.lock_seconds}"
        )

    def run(self) -> Verdict:
        """Let it all happen, and judge it."""
        self._until = time.monotonic() + self.profile.seconds
        sides = [("ours", self.profile.ours), ("original", self.profile.originals)]
        sides.append(("oracle", self.profile.oracles))
        try:
            if self.profile.ours:
                self._start("witness", 0)
            for side, number in sides:
                for index in range(number):
                    self._start(side, index)
            while time.monotonic() < self._until:
                self._disturb()
                time.sleep(PACE_SECONDS)
            self._let_end()
        finally:
            for one in self.writers:
                if one.process.poll() is None:
                    one.process.kill()
                one.process.wait()
        self._look()
        lines = self._lines()
        events = gather(lines, stale_seconds=self.profile.stale_seconds)
        verdict = judge(events)
        for lost in verdict.unexplained:
            print(f"{lost.writer}={lost.value} is lost:", *around(events, lines, lost), sep="\n  ")
        return verdict

    def _lines(self) -> list[dict[str, Any]]:
        lines = lines_of(self._logs)
        for one in self.writers:
            if one.trace is not None:
                with one.trace.open(encoding="utf-8", errors="replace") as trace:
                    lines += steps(trace, writer=one.name, side=one.side)
        return lines

    # --- who writes -----------------------------------------------------------------------

    def _start(self, side: str, index: int) -> None:
        self._made += 1
        name = f"{side}-{index}-{self._made}"
        command = self._command(side, name)
        trace = None
        if side == "oracle":
            trace = self._logs / f"{name}.trace"
            command = [*traced(trace), *command]
        with (self._logs / f"{name}.errors").open("wb") as errors:
            process = subprocess.Popen(
                command, cwd=PROJECT, stdout=subprocess.DEVNULL, stderr=errors
            )
        self.writers.append(Writer(name=name, side=side, index=index, process=process, trace=trace))

    def _command(self, side: str, name: str) -> list[str]:
        left = max(0.5, self._until - time.monotonic())
        usual = ["--log", f"{self._logs}/{name}.jsonl", "--writer", name, "--seed"]
        usual += [str(self._chance.randrange(2**32)), "--seconds", f"{left:.2f}"]
        python = [sys.executable, "-m"]
        if side in ("witness", "ours") and self.profile.plant is not None:
            usual += ["--plant", self.profile.plant]
        if side == "witness":
            return [*python, "tests.meerkat.ours", "witness", self.url, REALM, *usual]
        if side == "ours":
            usual += ["--stop-share", str(self.profile.stop_share)]
            return [*python, "tests.meerkat.ours", "work", self.url, REALM, *usual]
        if side == "oracle":
            assert self.profile.oracle is not None
            return [str(self.profile.oracle), "work", str(self._root), REALM, *usual]
        words = ["--stale-seconds", str(self.profile.stale_seconds)]
        words += ["--timeout-seconds", str(self.profile.lock_seconds)]
        words += ["--by", self._chance.choice(("set", "patch")), *self._plan()]
        folder = str(self._root / REALM)
        return [*python, "tests.meerkat.original", "work", folder, *words, *usual]

    def _plan(self) -> list[str]:
        """Where one of the originals stops itself now and then, until it kills itself."""
        if self._chance.random() >= self.profile.planned_share:
            return []
        words = ["--kill-at", f"{self._chance.choice(POINTS)}:{self._chance.randrange(10, 40)}"]
        for times in range(1, 40, 5):
            point = self._chance.choice(POINTS)
            words += ["--stop-at", f"{point}:{times + self._chance.randrange(5)}"]
        # A lock that seems stale is met seldom: there everybody stops for long enough to meet others.
        return [*words, "--stop-at", f"stale:{self._chance.randrange(1, 3)}"]

    # --- what happens to them --------------------------------------------------------------

    def _disturb(self) -> None:
        for one in list(self.writers):
            self._see_after(one)
        self._age()
        profile = self.profile
        if self._chance.random() < profile.kills_per_second * PACE_SECONDS:
            self._kill(self._chosen())
        if self._chance.random() < profile.stops_per_second * PACE_SECONDS:
            met = self._holder() if self._chance.random() < 0.5 else self._chosen()
            if met is not None and met.side == "oracle":
                self._catch_inside(met)
            self._stop(met)

    def _chosen(self) -> Writer | None:
        free = [one for one in self.writers if self._is_free(one)]
        return self._chance.choice(free) if free else None

    @staticmethod
    def _is_free(one: Writer) -> bool:
        return one.side != "witness" and one.goes_on_at is None and one.process.returncode is None

    def _holder(self) -> Writer | None:
        """Whoever of ours is inside now: the lock file says so."""
        for _ in range(50):
            try:
                stated = json.loads((self._root / REALM / "config_state.lock").read_bytes())
            except (OSError, ValueError):
                time.sleep(0.001)
                continue
            for one in self.writers:
                if self._is_free(one) and str(one.process.pid) in map(str, stated.values()):
                    return one
        return self._chosen()

    def _catch_inside(self, one: Writer) -> None:
        """Stop *one*, that does not say when it is inside, until it seems to be, for as often as that is worth it."""
        for _ in range(CATCHES_MAX):
            self._signal(one, signal.SIGSTOP)
            before = mark_of(self._lock)
            time.sleep(MOVING_SECONDS)
            if before is not None and before == mark_of(self._lock):
                return
            self._signal(one, signal.SIGCONT)
            time.sleep(self._chance.random() * MOVING_SECONDS)

    def _age(self) -> None:
        """Give the lock an older time if it has stood there since somebody was stopped or killed."""
        if self._aging is None or time.monotonic() < self._aging[0]:
            return
        mark, self._aging = self._aging[1], None
        try:
            with self._lock.open("rb") as file:
                if mark_of(file.fileno()) == mark:
                    then = time.time() - 2 * self.profile.stale_seconds
                    self._log.line(aged=mark[0])
                    os.utime(file.fileno(), (then, then))
        except FileNotFoundError:
            pass

    def _plan_aging(self) -> None:
        mark = mark_of(self._lock)
        if self.profile.ages_after_seconds is not None and mark is not None:
            self._aging = (time.monotonic() + self.profile.ages_after_seconds, mark)

    def _signal(self, one: Writer, which: signal.Signals) -> None:
        self._log.line(writer=one.name, signal=which.name)
        os.kill(one.process.pid, which)

    def _kill(self, one: Writer | None) -> None:
        if one is None:
            return
        one.process.kill()
        one.process.wait()
        # After its death: what it did in its last instant belongs to its last attempt.
        self._log.line(writer=one.name, signal="SIGKILL")
        self._plan_aging()
        self._replace(one)

    def _stop(self, one: Writer | None) -> None:
        if one is None:
            return
        self._signal(one, signal.SIGSTOP)
        self._plan_aging()
        self._plan_going_on(one)

    def _plan_going_on(self, one: Writer) -> None:
        one.goes_on_at = time.monotonic() + self._chance.uniform(*self.profile.stop_seconds)

    def _see_after(self, one: Writer) -> None:
        """Replace one that killed itself, let one that was stopped go on."""
        if one.process.returncode is not None:
            return
        if one.goes_on_at is not None:
            if time.monotonic() >= one.goes_on_at:
                self._go_on(one)
            return
        ended = one.process.poll()
        if ended is not None:
            if ended < 0:
                self._replace(one)
            return
        if _is_stopped(one.process.pid):
            self._plan_going_on(one)

    def _go_on(self, one: Writer) -> None:
        os.kill(one.process.pid, signal.SIGCONT)
        self._log.line(writer=one.name, signal="SIGCONT")
        one.goes_on_at = None

    def _replace(self, one: Writer) -> None:
        if time.monotonic() < self._until:
            self._start(one.side, one.index)

    # --- the end ----------------------------------------------------------------------------

    def _let_end(self) -> None:
        gives_up_at = time.monotonic() + ENDING_SECONDS + self.profile.stop_seconds[1]
        while any(one.process.poll() is None for one in self.writers):
            assert time.monotonic() < gives_up_at, "a writer does not end"
            for one in self.writers:
                self._see_after(one)
            time.sleep(PACE_SECONDS)
        for one in self.writers:
            while one.trace is not None and not _has_ended(one.trace, one.process.pid):
                assert time.monotonic() < gives_up_at, "a trace does not end"
                time.sleep(PACE_SECONDS)
            said = (self._logs / f"{one.name}.errors").read_text()
            assert "Traceback" not in said, f"{one.name}: {said}"
            assert "panicked" not in said, f"{one.name}: {said}"

    def _look(self) -> None:
        """Log what is there at the end: as the side sees it that has its own record, or as the files say."""
        if self.profile.ours:
            subprocess.run(
                [*self._command("witness", "last"), "--seconds", "0"], cwd=PROJECT, check=True
            )
            import realmconf

            with realmconf.connect(self.url) as client:
                document = client.realm(REALM).get().document or {}
        else:
            self._lock.unlink(missing_ok=True)
            files = Runtime(
                self._root / REALM, timeout_seconds=5, stale_seconds=30, points=NoPoints([], [])
            )
            document, _ = files.get()
        self._log.line(final=counters(dict(document)))


def _is_stopped(pid: int) -> bool:
    try:
        text = Path(f"/proc/{pid}/stat").read_text("ascii")
    except (FileNotFoundError, ProcessLookupError):
        return False
    return text.rsplit(")", 1)[1].split()[0] == "T"


def mark_of(path: Path | int) -> Mark | None:
    """What tells one lock file from the next, whose number may be the same; None if there is none."""
    try:
        found = os.stat(path)
    except FileNotFoundError:
        return None
    return (found.st_ino, found.st_mtime_ns)


def _has_ended(trace: Path, pid: int) -> bool:
    """Whether the last thing that was seen of a process is there."""
    return (
        re.search(rf"^{pid} +\d+\.\d+ \+\+\+", trace.read_text("utf-8", "replace"), re.M)
        is not None
    )


def main(words: list[str]) -> int:
    """Run once and print the verdict; 1 if something was found."""
    parser = argparse.ArgumentParser(prog="torture")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--seconds", type=float, default=QUICK.seconds)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--ours", type=int, default=0)
    parser.add_argument("--originals", type=int, default=0)
    parser.add_argument("--oracles", type=int, default=0)
    parser.add_argument("--calm", action="store_true")
    parser.add_argument("--plant", choices=PLANTS)
    asked = parser.parse_args(words)
    from tests.meerkat.crate import build

    profile = replace(
        BESIDE_THE_CRATE if asked.oracles else QUICK,
        oracles=asked.oracles,
        oracle=build() if asked.oracles else None,
        seconds=asked.seconds,
        seed=asked.seed,
        ours=asked.ours,
        originals=asked.originals,
        plant=asked.plant,
    )
    if asked.calm:
        profile = calm(profile)
    verdict = Torture(asked.folder, profile).run()
    print(verdict)
    return 1 if verdict.findings else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
