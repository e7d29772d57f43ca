"""
Which form of an answer its reader wants, by ``Accept`` (RFC 9110, 12.5.1).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from realmconf.surfaces.http.problems import Problem

if TYPE_CHECKING:
    from collections.abc import Sequence

RANGES_MAX = 64


def choose(accept: str | None, offered: Sequence[str]) -> str:
    """
    The best of *offered*; the earlier one, where they are as good.

    Raises:
        Problem: None of them is wanted (406).
    """
    if accept is None or not accept.strip():
        return offered[0]
    ranges = [_range(one) for one in accept.split(",")[:RANGES_MAX] if one.strip()]
    best, best_quality = "", 0.0
    for media in offered:
        quality = _quality(media, ranges)
        if quality > best_quality:
            best, best_quality = media, quality
    if not best:
        raise Problem("not_acceptable", f"this is had as {', '.join(offered)}")
    return best


def _range(text: str) -> tuple[str, float]:
    media, *parameters = text.split(";")
    quality = 1.0
    for parameter in parameters:
        name, _, value = parameter.partition("=")
        if name.strip().lower() == "q":
            try:
                quality = min(max(float(value.strip()), 0.0), 1.0)
            except ValueError:
                quality = 0.0
    return media.strip().lower(), quality


def _quality(media: str, ranges: Sequence[tuple[str, float]]) -> float:
    """The quality that the most exact of the ranges gives *media*."""
    found, exactness = 0.0, -1
    kind = media.partition("/")[0]
    for wanted, quality in ranges:
        exact = {media: 2, f"{kind}/*": 1, "*/*": 0, "*": 0}.get(wanted, -1)
        if exact > exactness:
            found, exactness = quality, exact
    return found if exactness >= 0 else 0.0
