"""
What happened around a loss that nothing explains, for whoever has to find out why.

Decides which lines of the logs are shown and how; judges nothing.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from typing import Any

    from tests.meerkat.events import Attempt, Events, Span

BEFORE_SECONDS = 0.1
LINES_MAX = 120
HIDDEN_FACTS = frozenset(["at", "writer", "side", "pid", "warnings", "made", "looked_at"])


def around(events: Events, lines: Iterable[dict[str, Any]], lost: Attempt) -> Iterator[str]:
    """
    Who was inside, who removed a lock and what was logged: from the attempt that was *lost* to a text without it.

    Times are seconds from when it was begun.
    """
    start = lost.begun - BEFORE_SECONDS
    end = min(
        (
            one.put_until
            for one in events.attempts
            if one.counters is not None
            and (one.text_at or 0) >= lost.put_until
            and one.counters.get(lost.writer, 0) < lost.value
        ),
        default=math.inf,
    )
    end = min(end, lost.begun + 2 * events.stale_seconds) + BEFORE_SECONDS
    spans: list[tuple[str, Span]] = [
        ("inside", one) for one in (*events.tenures, *events.own_tenures)
    ]
    spans += [("removes", one) for one in events.removals]
    for what, span in sorted(spans, key=lambda one: one[1].begun):
        if span.begun <= end and span.ended >= start:
            since, until = span.begun - lost.begun, span.ended - lost.begun
            yield f"{since:8.3f} to {until:.3f} {span.writer} {what}"
    told = [one for one in lines if start <= one["at"] <= end and "writer" in one]
    for line in sorted(told, key=lambda one: one["at"])[:LINES_MAX]:
        facts = {name: value for name, value in line.items() if name not in HIDDEN_FACTS}
        yield f"{line['at'] - lost.begun:8.3f} {line['writer']} {facts}"
