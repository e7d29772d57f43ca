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
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from tests.meerkat.events import gather, lines_of
from tests.meerkat.letter import POINTS, STALE_SECONDS, TIMEOUT_SECONDS, Log, Runtime, counters
from tests.meerkat.letter import Points as NoPoints
from tests.meerkat.verdict import judge

if TYPE_CHECKING:
    from tests.meerkat.verdict import Verdict

PROJECT = Path(__file__).resolve().parents[2]
REALM = "team"
PACE_SECONDS = 0.005
ENDING_SECONDS = 60.0
"""How long a writer may take to notice that the time is over, lock timeouts and stops included."""


@dataclass(frozen=True, kw_only=True)
class Profile:
    """Who writes for how long, and how often something happens to them."""

    seconds: float
    seed: int
    ours: int = 0
    originals: int = 0
    oracles: int = 0
    oracle: Path | None = None
    """The program of the published crate; it has Meerkat's own figures, so all others need them as well."""
    stale_seconds: float = STALE_SECONDS
    lock_seconds: float = TIMEOUT_SECONDS
    kills_per_second: float = 0.0
    stops_per_second: float = 0.0
    """Of these every other one is aimed at whoever of ours holds the lock."""
    stop_seconds: tuple[float, float] = (0.0, 0.0)
    planned_share: float = 0.0
    """How many of the originals stop and kill themselves at their points."""
    stop_share: float = 0.0
    """How many of their steps inside the lock those of ours stop themselves at."""
    is_blind: bool = False
    """Whether ours have a planted bug, which has to be found."""


@dataclass
class Writer:
    """A process, and what is planned for it."""

    name: str
    side: str
    index: int
    process: subprocess.Popen[bytes]
    goes_on_at: float | None = None


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
        return judge(gather(lines_of(self._logs), stale_seconds=self.profile.stale_seconds))

    # --- who writes -----------------------------------------------------------------------

    def _start(self, side: str, index: int) -> None:
        self._made += 1
        name = f"{side}-{index}-{self._made}"
        with (self._logs / f"{name}.errors").open("wb") as errors:
            process = subprocess.Popen(
                self._command(side, name), cwd=PROJECT, stdout=subprocess.DEVNULL, stderr=errors
            )
        self.writers.append(Writer(name=name, side=side, index=index, process=process))

    def _command(self, side: str, name: str) -> list[str]:
        left = max(0.5, self._until - time.monotonic())
        usual = ["--log", f"{self._logs}/{name}.jsonl", "--writer", name, "--seed"]
        usual += [str(self._chance.randrange(2**32)), "--seconds", f"{left:.2f}"]
        python = [sys.executable, "-m"]
        if side == "witness":
            return [*python, "tests.meerkat.ours", "witness", self.url, REALM, *usual]
        if side == "ours":
            usual += ["--stop-share", str(self.profile.stop_share)]
            usual += ["--blind"] * self.profile.is_blind
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
        profile = self.profile
        if self._chance.random() < profile.kills_per_second * PACE_SECONDS:
            self._kill(self._chosen())
        if self._chance.random() < profile.stops_per_second * PACE_SECONDS:
            is_aimed = self._chance.random() < 0.5
            self._stop(self._holder() if is_aimed else self._chosen())

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

    def _kill(self, one: Writer | None) -> None:
        if one is None:
            return
        one.process.kill()
        one.process.wait()
        # After its death: what it did in its last instant belongs to its last attempt.
        self._log.line(writer=one.name, signal="SIGKILL")
        self._replace(one)

    def _stop(self, one: Writer | None) -> None:
        if one is None:
            return
        self._log.line(writer=one.name, signal="SIGSTOP")
        os.kill(one.process.pid, signal.SIGSTOP)
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
            said = (self._logs / f"{one.name}.errors").read_text()
            assert "Traceback" not in said, f"{one.name}: {said}"
            assert "panicked" not in said, f"{one.name}: {said}"

    def _look(self) -> None:
        """Log what is there at the end: as the side sees it that has its own record, or as the files say."""
        lock = self._root / REALM / "config_state.lock"
        if self.profile.ours:
            subprocess.run(
                [*self._command("witness", "last"), "--seconds", "0"], cwd=PROJECT, check=True
            )
            import realmconf

            with realmconf.connect(self.url) as client:
                document = client.realm(REALM).get().document or {}
        else:
            lock.unlink(missing_ok=True)
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


QUICK = Profile(
    seconds=10,
    seed=1,
    stale_seconds=1.0,
    kills_per_second=1.0,
    stops_per_second=1.5,
    stop_seconds=(0.2, 2.2),
    planned_share=0.8,
    stop_share=0.02,
)
"""A staleness of a second, so that ten seconds see some of everything."""


def calm(profile: Profile) -> Profile:
    """The same with nobody killed or stopped."""
    return replace(profile, kills_per_second=0, stops_per_second=0, planned_share=0, stop_share=0)


def main(words: list[str]) -> int:
    """Run once and print the verdict; 1 if something was found."""
    parser = argparse.ArgumentParser(prog="torture")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--seconds", type=float, default=QUICK.seconds)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--ours", type=int, default=0)
    parser.add_argument("--originals", type=int, default=0)
    parser.add_argument("--calm", action="store_true")
    parser.add_argument("--blind", action="store_true")
    asked = parser.parse_args(words)
    profile = replace(
        QUICK,
        seconds=asked.seconds,
        seed=asked.seed,
        ours=asked.ours,
        originals=asked.originals,
        is_blind=asked.blind,
    )
    if asked.calm:
        profile = calm(profile)
    verdict = Torture(asked.folder, profile).run()
    print(verdict)
    return 1 if verdict.findings else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
