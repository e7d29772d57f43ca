"""
What a measurement says: figures, the limits set for them, and the verdict.

Knows nothing of how a figure came about or is shown.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from bench.harness import Effort, Spread


@dataclass(frozen=True, slots=True)
class Limit:
    """A goal: the figure is at most, or at least, *value*."""

    value: float
    at_least: bool = False

    def met_by(self, figure: float) -> bool:
        return figure >= self.value if self.at_least else figure <= self.value


def at_most(value: float) -> Limit:
    return Limit(value)


def at_least(value: float) -> Limit:
    return Limit(value, at_least=True)


@dataclass(frozen=True, slots=True)
class Figure:
    """
    One measured number.

    ``unit`` is ``x`` for a ratio.  Without a ``limit`` the figure is shown for comparison only.
    """

    goal: str
    claim: str
    spread: Spread
    unit: str = "x"
    limit: Limit | None = None
    detail: str = ""

    @property
    def verdict(self) -> str:
        """met, short, or shown where no limit is set."""
        if self.limit is None:
            return "shown"
        return "met" if self.limit.met_by(self.spread.value) else "short"

    def to_dict(self) -> dict[str, Any]:
        return {**asdict(self), "verdict": self.verdict}

    @classmethod
    def from_dict(cls, fields: Mapping[str, Any]) -> Figure:
        limit = fields["limit"]
        return cls(
            goal=fields["goal"],
            claim=fields["claim"],
            spread=Spread(**fields["spread"]),
            unit=fields["unit"],
            limit=None if limit is None else Limit(**limit),
            detail=fields["detail"],
        )


@dataclass(frozen=True, slots=True)
class Workplace:
    """What a measurement is given: how much to do, and a folder of its own on the measured disk."""

    effort: Effort
    folder: Path

    def path(self, name: str) -> Path:
        """A fresh folder *name* inside the workplace."""
        made = self.folder / name
        made.mkdir(parents=True, exist_ok=True)
        return made


@dataclass(frozen=True, slots=True)
class Measure:
    """One run that yields the figures of one or more goals."""

    goals: tuple[str, ...]
    title: str
    run: Callable[[Workplace], Sequence[Figure]]


@dataclass(slots=True)
class Outcome:
    """All figures of one run, and what failed."""

    figures: list[Figure] = field(default_factory=list)
    failures: dict[str, str] = field(default_factory=dict)
    machine: dict[str, str] = field(default_factory=dict)
    left_out: dict[str, str] = field(default_factory=dict)
    seconds: float = 0.0

    def to_dict(self) -> dict[str, Any]:
        return {
            "machine": self.machine,
            "seconds": self.seconds,
            "figures": [figure.to_dict() for figure in self.figures],
            "failures": self.failures,
            "left_out": self.left_out,
        }

    @classmethod
    def from_dict(cls, fields: Mapping[str, Any]) -> Outcome:
        return cls(
            figures=[Figure.from_dict(figure) for figure in fields["figures"]],
            failures=dict(fields["failures"]),
            machine=dict(fields["machine"]),
            left_out=dict(fields["left_out"]),
            seconds=fields["seconds"],
        )


def merged(runs: Sequence[Outcome]) -> Outcome:
    """One outcome of several runs: the figures of a goal are those of the last run that has it."""
    result = Outcome(machine=runs[-1].machine, left_out=runs[-1].left_out)
    for run in runs:
        fresh = {figure.goal for figure in run.figures}
        result.figures = [f for f in result.figures if f.goal not in fresh] + run.figures
        result.failures = {
            goals: text
            for goals, text in (result.failures | run.failures).items()
            if goals in run.failures or not fresh.issuperset(goals.split(", "))
        }
        result.seconds += run.seconds
    result.figures.sort(key=lambda figure: int(figure.goal.removeprefix("M")))
    return result
