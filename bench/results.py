"""
What a measurement says: figures, the limits set for them, and the verdict.

Knows nothing of how a figure came about or is shown.
"""

from __future__ import annotations

import re
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
class Curve:
    """
    What something cost at several sizes: one line of a plot, whose name several curves may share.

    ``size`` and ``cost`` say what the axes are.
    """

    plot: str
    line: str
    size: str
    cost: str
    sizes: Sequence[float]
    costs: Sequence[Spread]

    @classmethod
    def from_dict(cls, fields: Mapping[str, Any]) -> Curve:
        return cls(**{**fields, "costs": [Spread(**cost) for cost in fields["costs"]]})


@dataclass(frozen=True, slots=True)
class Figure:
    """
    One measured number.

    ``unit`` is ``x`` for a ratio.  Without a ``limit`` the figure is shown for comparison only.  That of a growth law
    has the ``curve`` that it is the slope of.
    """

    goal: str
    claim: str
    spread: Spread
    unit: str = "x"
    limit: Limit | None = None
    detail: str = ""
    curve: Curve | None = None

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
        limit, curve = fields["limit"], fields.get("curve")
        return cls(
            goal=fields["goal"],
            claim=fields["claim"],
            spread=Spread(**fields["spread"]),
            unit=fields["unit"],
            limit=None if limit is None else Limit(**limit),
            detail=fields["detail"],
            curve=None if curve is None else Curve.from_dict(curve),
        )


@dataclass(frozen=True, slots=True)
class Workplace:
    """What a measurement is given: how much to do, and a folder of its own on the measured disk."""

    effort: Effort
    folder: Path
    left_out: dict[str, str] = field(default_factory=dict)

    def leave_out(self, what: str, reason: str) -> None:
        """Say that *what* is not measured, for want of something that this machine has not."""
        self.left_out[what] = reason

    def path(self, name: str) -> Path:
        """A fresh folder *name* inside the workplace."""
        made = self.folder / name
        made.mkdir(parents=True, exist_ok=True)
        return made


@dataclass(frozen=True, slots=True)
class Measure:
    """
    One run that yields the figures of one or more goals.

    Without a server that it *needs* it is left out.  ``seconds_max`` is for five rounds, many times what they take.
    """

    goals: tuple[str, ...]
    title: str
    run: Callable[[Workplace], Sequence[Figure]]
    needs: tuple[str, ...] = ()
    seconds_max: float = 300.0


@dataclass(slots=True)
class Outcome:
    """All figures of one run, what failed, what was left out, and how many measurements are done."""

    figures: list[Figure] = field(default_factory=list)
    failures: dict[str, str] = field(default_factory=dict)
    machine: dict[str, str] = field(default_factory=dict)
    left_out: dict[str, str] = field(default_factory=dict)
    seconds: float = 0.0
    measured: int = 0

    def add(self, other: Outcome) -> None:
        """Take over what another part of the same run has found."""
        self.figures += other.figures
        self.failures |= other.failures
        self.left_out |= other.left_out

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
    result = Outcome(machine=runs[-1].machine)
    for run in runs:
        fresh = {figure.goal for figure in run.figures}
        result.figures = [f for f in result.figures if f.goal not in fresh] + run.figures
        result.failures = {
            goals: text
            for goals, text in (result.failures | run.failures).items()
            if goals in run.failures or not fresh.issuperset(goals.split(", "))
        }
        result.left_out = {
            what: why for what, why in result.left_out.items() if goal_of(what) not in fresh
        } | run.left_out
        result.seconds += run.seconds
    result.figures.sort(key=lambda figure: int(figure.goal.removeprefix("M")))
    return result


def goal_of(text: str) -> str:
    """The goal that a line about something left out begins with."""
    return re.split(r"[ ,]", text, maxsplit=1)[0]
