"""
Who writes at a shared folder in a torture, and how often what happens to them.

Decides the figures alone; what is done is ``torture``'s.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from tests.meerkat.letter import STALE_SECONDS, TIMEOUT_SECONDS

if TYPE_CHECKING:
    from pathlib import Path


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
    ages_after_seconds: float | None = None
    """When the lock of one that was stopped or killed gets an older time, as if it had been away for long."""
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
    plant: str | None = None
    """The bug of ours that has to be found."""


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

BESIDE_THE_CRATE = replace(
    QUICK,
    seconds=20,
    ours=4,
    oracles=4,
    stale_seconds=STALE_SECONDS,
    lock_seconds=TIMEOUT_SECONDS,
    kills_per_second=0.7,
    stops_per_second=1.0,
    stop_seconds=(0.3, 3.0),
    planned_share=0.0,
    ages_after_seconds=0.4,
)
"""
Meerkat's own figures, which cannot be had shorter: instead of half a minute in which nobody gets in, the lock of
whoever was stopped or killed gets an older time.
"""

OURS_STOP = replace(
    QUICK,
    seconds=12,
    ours=3,
    originals=2,
    kills_per_second=0.0,
    stops_per_second=0.0,
    planned_share=0.0,
    stop_share=0.03,
    stop_seconds=(1.2, 2.0),
)
"""Nobody of the other side outlives its lock, so that nothing excuses a loss; those of ours do, and often."""

THEIRS_STOP = replace(
    QUICK,
    seconds=12,
    ours=2,
    originals=4,
    kills_per_second=0.0,
    stops_per_second=0.0,
    planned_share=1.0,
    stop_share=0.0,
    stop_seconds=(1.2, 2.0),
)
"""Those of the other side stop at their own steps, for longer than their locks last."""


def calm(profile: Profile) -> Profile:
    """The same with nobody killed or stopped."""
    return replace(profile, kills_per_second=0, stops_per_second=0, planned_share=0, stop_share=0)
