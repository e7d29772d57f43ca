"""
The growth laws as pictures: one SVG for each plot, cost over size, both axes logarithmic.

The same figures give the same bytes, so that a picture changes only with what was measured.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from bench.results import Curve, Figure

TITLES = {
    "commit-by-size": "A commit, by the size of its document",
    "get-by-generations": "A read and a write, by the length of the realm's history",
    "get-by-realms": "A read and a write, by the number of realms in the store",
    "commit-by-watchers": "A commit, by the number of its watchers",
    "memory-by-watchers": "A watching process, by the number of its watchers",
    "disk-by-generations": "A store on disk, by the generations of a document of 2 KB",
}
INCHES = (6.4, 3.8)


def draw(figures: Sequence[Figure], folder: Path) -> list[Path]:
    """Write a picture into *folder* for each plot that there are curves of; those that were written."""
    plots: dict[str, list[Figure]] = {}
    for figure in figures:
        if figure.curve is not None:
            plots.setdefault(figure.curve.plot, []).append(figure)
    if plots:
        folder.mkdir(exist_ok=True)
    return [_drawn(name, found, folder / f"{name}.svg") for name, found in plots.items()]


def _drawn(name: str, figures: Sequence[Figure], path: Path) -> Path:
    import matplotlib

    # Text stays text, and what is numbered is numbered the same each time.
    matplotlib.rcParams.update({"svg.fonttype": "none", "svg.hashsalt": name, "font.size": 9})
    from matplotlib.figure import Figure as Picture
    from matplotlib.ticker import FuncFormatter

    picture = Picture(figsize=INCHES, layout="constrained")
    axes = picture.subplots()
    for figure in figures:
        curve = figure.curve
        assert curve is not None
        axes.errorbar(
            curve.sizes,
            [cost.value for cost in curve.costs],
            yerr=_whiskers(curve),
            label=f"{curve.line}{_slope(figure)}",
            marker="o",
            markersize=4,
            capsize=2,
            linewidth=1.4,
        )
        axes.set(xlabel=curve.size, ylabel=curve.cost)
    axes.set(xscale="log", yscale="log", title=TITLES.get(name, name))
    _keep_flat_lines_flat(axes)
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.10g}"))
        axis.set_minor_formatter(FuncFormatter(lambda _value, _: ""))
    axes.grid(which="major", alpha=0.3)
    axes.legend(frameon=False)
    metadata = dict.fromkeys(("Creator", "Date", "Format", "Type"))
    picture.savefig(path, format="svg", metadata=metadata)
    return path


def _whiskers(curve: Curve) -> list[list[float]]:
    """From the lowest to the highest round."""
    return [
        [cost.value - cost.low for cost in curve.costs],
        [cost.high - cost.value for cost in curve.costs],
    ]


def _slope(figure: Figure) -> str:
    """The exponent, where the figure is one."""
    return "" if figure.unit else f", slope {figure.spread.value:.2f}"


def _keep_flat_lines_flat(axes: Any) -> None:
    """Show at least two decades, or noise would look like a law."""
    low, high = axes.get_ylim()
    if high / low < 100:
        middle = (low * high) ** 0.5
        axes.set_ylim(middle / 10, middle * 10)


def lines(figures: Sequence[Figure]) -> list[str]:
    """The lines of a page that show the pictures, which are in ``plots`` beside it."""
    names = dict.fromkeys(figure.curve.plot for figure in figures if figure.curve is not None)
    return [f"![{TITLES.get(name, name)}](plots/{name}.svg)" for name in names]
