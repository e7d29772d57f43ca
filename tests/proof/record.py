"""
What was done so far: a line of JSON for each part, and the table that is made of them.

The lines are kept with the code; each names the commit that was attacked.
"""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.proof.harnesses import HARNESSES

if TYPE_CHECKING:
    from collections.abc import Iterable

PROJECT = Path(__file__).resolve().parents[2]
RECORD = PROJECT / "docs" / "proof.jsonl"
PAGE = PROJECT / "docs" / "guarantees.md"
BEGIN = "<!-- counts: written by `python -m tests.proof render` -->"
END = "<!-- end of counts -->"


def parts(path: Path = RECORD) -> list[dict[str, Any]]:
    """Every part that was recorded, the oldest first."""
    if not path.exists():
        return []
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def add(part: dict[str, Any], path: Path = RECORD) -> None:
    """Record one part more."""
    with open(path, "a", encoding="utf-8") as file:
        file.write(json.dumps(part) + "\n")


def totals(recorded: Iterable[dict[str, Any]], name: str) -> Counter[str]:
    """What the parts of one harness add up to."""
    total: Counter[str] = Counter()
    for part in recorded:
        if part["harness"] == name:
            total.update(part["counts"])
    return total


def table(recorded: list[dict[str, Any]]) -> str:
    """The counts as Markdown."""
    lines = [
        "| attack | guarantees | counted | wanted | violations |",
        "|---|---|---|---|---|",
    ]
    for harness in HARNESSES.values():
        total = totals(recorded, harness.name)
        counted = ", ".join(f"{count:,} {what}" for what, count in total.items() if count)
        wanted = ", ".join(f"{count:,} {what}" for what, count in harness.goals.items())
        found = sum(len(part["findings"]) for part in recorded if part["harness"] == harness.name)
        attack = f"*{harness.name}*: {harness.about}"
        lines.append(
            f"| {attack} | {harness.guarantees} | {counted or 'nothing yet'} | {wanted} | {found} |"
        )
    return "\n".join(lines)


def rendered(page: str, recorded: list[dict[str, Any]]) -> str:
    """*page* with the table of now."""
    head, _, rest = page.partition(BEGIN)
    _, _, tail = rest.partition(END)
    return f"{head}{BEGIN}\n\n{table(recorded)}\n\n{END}{tail}"
