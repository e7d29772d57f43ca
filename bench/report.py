"""
How figures are shown: a table on a terminal, and the same table in the page, with the plots of growth laws.

Decides wording and layout only; what a figure means is in ``bench.results``.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from bench import plots
from bench.results import Figure, Outcome
from bench.shortfalls import REASONS

BEGIN = "<!-- figures: begin -->"
END = "<!-- figures: end -->"


def number(value: float, unit: str = "x") -> str:
    """Three significant figures, never in powers of ten; a small part of one as a fraction, but for an exponent."""
    if value == 0:
        return "0"
    if not unit:
        return f"{value:.3f}"
    if abs(value) >= 100:
        return f"{value:,.0f}"
    if abs(value) >= 10:
        return f"{value:.1f}"
    if abs(value) >= 1:
        return f"{value:.2f}"
    return f"{value:.3f}" if abs(value) >= 0.01 else f"1/{1 / value:,.0f}"


def with_unit(value: float, unit: str) -> str:
    return f"{number(value)}x" if unit == "x" else f"{number(value, unit)} {unit}".rstrip()


def measured(figure: Figure) -> str:
    return with_unit(figure.spread.value, figure.unit)


def spread(figure: Figure) -> str:
    low, high = (number(value, figure.unit) for value in (figure.spread.low, figure.spread.high))
    return f"{low}–{high}"


def goal(figure: Figure) -> str:
    if figure.limit is None:
        return "–"
    sign = "≥" if figure.limit.at_least else "≤"
    return f"{sign} {with_unit(figure.limit.value, figure.unit)}"


def reason(figure: Figure) -> str:
    """Why a figure falls short, where that is known."""
    return REASONS.get((figure.goal, figure.claim), "") if figure.verdict == "short" else ""


def summary(outcome: Outcome) -> str:
    judged = [figure for figure in outcome.figures if figure.limit is not None]
    short = [figure for figure in judged if figure.verdict == "short"]
    text = f"{len(judged) - len(short)} of {len(judged)} goals met"
    if outcome.failures:
        text += f", {len(outcome.failures)} measurements failed"
    return f"{text}; {outcome.seconds:.0f} seconds."


def terminal(outcome: Outcome) -> Iterator[str]:
    """The lines of the table for a terminal."""
    for name, value in outcome.machine.items():
        yield f"{name}: {value}"
    yield ""
    wide = max((len(figure.claim) for figure in outcome.figures), default=0)
    for figure in outcome.figures:
        line = (
            f"{figure.goal:<4} {figure.claim:<{wide}}  {measured(figure):>10}  "
            f"{spread(figure):>17}  {goal(figure):>10}  {figure.verdict:<5}"
        )
        yield f"{line}  {figure.detail}".rstrip()
        if why := reason(figure):
            yield f"     {why}"
    yield ""
    for goals, text in outcome.failures.items():
        yield f"{goals} failed: {text}"
    for goals, text in outcome.left_out.items():
        yield f"{goals} left out: {text}"
    yield summary(outcome)


def markdown(outcome: Outcome) -> Iterator[str]:
    """The lines of the table for the page."""
    for name, value in outcome.machine.items():
        yield f"- {name}: {value}"
    yield ""
    yield "| goal | what, against what | measured | rounds | goal | verdict | |"
    yield "|---|---|---|---|---|---|---|"
    for figure in outcome.figures:
        verdict = "**short**" if figure.verdict == "short" else figure.verdict
        why = reason(figure)
        notes = ". ".join(filter(None, (figure.detail, why[:1].upper() + why[1:])))
        yield (
            f"| {figure.goal} | {figure.claim} | {measured(figure)} | {spread(figure)} "
            f"| {goal(figure)} | {verdict} | {notes} |"
        )
    yield ""
    for goals, text in outcome.failures.items():
        yield f"- {goals} failed: {text.splitlines()[-1]}"
    for goals, text in outcome.left_out.items():
        yield f"- {goals} left out: {text}"
    if outcome.left_out or outcome.failures:
        yield ""
    yield summary(outcome)


def render(outcome: Outcome, page: Path) -> None:
    """Put the table into *page*, between its two markers, and the plots below it into ``plots`` beside it."""
    text = page.read_text("utf-8")
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise SystemExit(f"{page} has no place for figures: {BEGIN} … {END}")
    plots.draw(outcome.figures, page.parent / "plots")
    shown = "\n\n".join(["\n".join(markdown(outcome)), *plots.lines(outcome.figures)])
    page.write_text(f"{before}{BEGIN}\n\n{shown}\n\n{END}{after}", "utf-8")
