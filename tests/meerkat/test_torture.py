"""Writers of ours and of Meerkat's protocol at one folder, killed and stopped: what is lost, and who is told."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from tests.meerkat.torture import QUICK, Torture

if TYPE_CHECKING:
    from pathlib import Path

FULL = replace(
    QUICK,
    seconds=90,
    ours=4,
    originals=4,
    stale_seconds=30.0,
    lock_seconds=5.0,
    kills_per_second=0.3,
    stops_per_second=0.1,
    stop_seconds=(31.0, 40.0),
)
"""Meerkat's own figures, and stops that outlast them."""


@pytest.mark.serial
def test_every_loss_is_explained_and_told(tmp_path: Path) -> None:
    """
    Beside a program that knows nothing of us nothing acknowledged is lost, but by a holder that outlived its lock;
    and what of ours was lost so is reported.
    """
    verdict = Torture(tmp_path, replace(QUICK, ours=2, originals=2)).run()
    assert not verdict.findings, str(verdict)


@pytest.mark.serial
def test_ours_alone_lose_nothing(tmp_path: Path) -> None:
    """Where all follow our way nothing is lost at all, whoever is killed or stopped."""
    verdict = Torture(tmp_path, replace(QUICK, ours=4, seed=2)).run()
    assert not verdict.findings, str(verdict)
    assert not verdict.losses, str(verdict)


@pytest.mark.torture
def test_a_planted_bug_is_found(tmp_path: Path) -> None:
    """A lock that is never proved, and a text that is put over whatever is there, are found."""
    found: list[str] = []
    for seed in range(1, 7):
        profile = replace(QUICK, ours=3, originals=1, seed=seed, is_blind=True)
        found += Torture(tmp_path / str(seed), profile).run().findings
        if found:
            break
    assert found


@pytest.mark.torture
@pytest.mark.timeout(400)
def test_with_its_own_figures(tmp_path: Path) -> None:
    """The same for a minute and a half with 30 seconds of staleness, and stops of 31 to 40."""
    verdict = Torture(tmp_path, FULL).run()
    assert not verdict.findings, str(verdict)
