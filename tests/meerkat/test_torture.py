"""Writers of ours and of Meerkat's protocol at one folder, killed and stopped: what is lost, and who is told."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from tests.meerkat.plants import PLANTS
from tests.meerkat.profiles import BESIDE_THE_CRATE, OURS_STOP, QUICK, THEIRS_STOP
from tests.meerkat.torture import Torture

if TYPE_CHECKING:
    from pathlib import Path

    from tests.meerkat.profiles import Profile

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


FULL_BESIDE_THE_CRATE = replace(
    BESIDE_THE_CRATE,
    seconds=90,
    kills_per_second=0.05,
    stops_per_second=0.15,
    stop_seconds=(31.0, 40.0),
    stop_share=0.001,
    ages_after_seconds=None,
)
"""The same, and no lock is given another time: whoever was killed inside keeps the others out for half a minute."""


STOPPING = {
    "without_a_proof": OURS_STOP,
    "without_an_exchange": OURS_STOP,
    "without_a_lock": OURS_STOP,
    "without_a_digest": THEIRS_STOP,
    "without_a_memory": THEIRS_STOP,
}
"""Who has to stop for a bug to do harm."""


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
@pytest.mark.timeout(400)
def test_with_its_own_figures(tmp_path: Path) -> None:
    """The same for a minute and a half with 30 seconds of staleness, and stops of 31 to 40."""
    verdict = Torture(tmp_path, FULL).run()
    assert not verdict.findings, str(verdict)


@pytest.mark.machine
def test_every_loss_beside_the_crate(tmp_path: Path, oracle_program: Path) -> None:
    """What is true beside a program that follows Meerkat's protocol is true beside the published crate itself."""
    verdict = Torture(tmp_path, replace(BESIDE_THE_CRATE, oracle=oracle_program)).run()
    assert not verdict.findings, str(verdict)
    # A lock that nobody gets past would lose nothing either.
    assert verdict.counts["oracle writes written"] > 20, str(verdict)
    assert verdict.counts["ours writes written"] > 20, str(verdict)


@pytest.mark.torture
@pytest.mark.machine
@pytest.mark.timeout(500)
@pytest.mark.parametrize("seed", [1, 2])
def test_beside_the_crate_with_its_own_figures(
    tmp_path: Path, oracle_program: Path, seed: int
) -> None:
    """The same for a minute and a half in which nothing is hurried, with stops of 31 to 40 seconds."""
    profile = replace(FULL_BESIDE_THE_CRATE, oracle=oracle_program, seed=seed)
    verdict = Torture(tmp_path, profile).run()
    assert not verdict.findings, str(verdict)


@pytest.mark.torture
@pytest.mark.planted
@pytest.mark.parametrize("plant", PLANTS)
def test_a_planted_bug_is_found(tmp_path: Path, plant: str) -> None:
    """Each bug that is planted into our store is found, and within half a minute or so."""
    found: list[str] = []
    for seed in range(1, 5):
        profile = replace(STOPPING[plant], seed=seed, plant=plant)
        found += Torture(tmp_path / str(seed), profile).run().findings
        if found:
            break
    assert found


@pytest.mark.torture
@pytest.mark.parametrize("profile", [OURS_STOP, THEIRS_STOP], ids=["ours", "theirs"])
def test_without_a_bug_nothing_is_found(tmp_path: Path, profile: Profile) -> None:
    """Under the same stops the store as it is loses nothing that the protocol does not lose."""
    verdict = Torture(tmp_path, profile).run()
    assert not verdict.findings, str(verdict)
