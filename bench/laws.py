"""
Growth laws: how a cost grows with a size, as the slope on paper with two logarithmic axes.

A slope is taken in each round by itself, over contestants that ran in turn; a law holds if the median slope is within
its goal.  The points go along with the figure, for the plots of the page.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from bench.harness import Batch, Rounds, Spread, slope
from bench.results import Curve, Figure, Limit

FLAT = 0.05
"""A twentieth root: 1.8 times the cost at 100,000 times the size."""


@dataclass(frozen=True, slots=True)
class Plot:
    """A picture, and what its horizontal axis has."""

    name: str
    size: str


def law(
    goal: str,
    claim: str,
    rounds: Rounds,
    names: Mapping[int, str],
    *,
    plot: Plot | None = None,
    line: str = "",
    limit: Limit | None = None,
    either_way: bool = False,
) -> Figure:
    """
    The law that contestants follow who do the same at several sizes; *names* has a contestant for each size.

    Without a *plot* it is that of a part of another one's curve.  With *either_way* a cost that falls with the size is
    no better than one that rises.
    """
    slopes = _each_round(rounds, names)
    if either_way:
        slopes = [abs(one) for one in slopes]
    sizes = list(names)
    costs = [Spread.of([one.median for one in rounds.batches[name]]) for name in names.values()]
    first, *_, last = costs
    return Figure(
        goal,
        f"{claim}, exponent",
        Spread.of(slopes),
        "",
        limit,
        f"{first.value:.0f} µs at {sizes[0]:,}, {last.value:.0f} µs at {sizes[-1]:,}",
        None if plot is None else Curve(plot.name, line, plot.size, "µs", sizes, costs),
    )


def _each_round(rounds: Rounds, names: Mapping[int, str]) -> Sequence[float]:
    columns = zip(*(rounds.batches[name] for name in names.values()), strict=True)
    return [slope(list(names), [batch.median for batch in column]) for column in columns]


def contestants(
    sizes: Mapping[int, Any], kind: str, batch: Callable[[Any], Callable[[], Batch]]
) -> dict[str, Callable[[], Batch]]:
    """A contestant for each size, called by *kind* and the size."""
    return {name: batch(sizes[size]) for size, name in named(list(sizes), kind).items()}


def named(sizes: Sequence[int], kind: str) -> dict[int, str]:
    """What ``contestants`` calls them."""
    return {size: f"{kind}, {size}" for size in sizes}
