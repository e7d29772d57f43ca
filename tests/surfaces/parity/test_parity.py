"""Every surface answers alike: the same scenarios, the same envelopes, the same errors."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import pytest
from tests.surfaces.parity.driving import ELSEWHERE, Core, Driver, Outcome, play, reaches
from tests.surfaces.parity.frames import Methods, Tools
from tests.surfaces.parity.library import Library
from tests.surfaces.parity.scenarios import SCENARIOS, Scenario
from tests.surfaces.parity.served import Remote, Routes
from tests.surfaces.parity.words import Words

from realmconf.runtime.operations.rows import OPERATIONS

DRIVERS: dict[str, Any] = {
    "sdk": Library,
    "cli": Words,
    "rpc": Methods,
    "http": Routes,
    "mcp": Tools,
    "remote": Remote,
}


@pytest.fixture(scope="module")
def store_of(tmp_path_factory):
    """The folder of a store for a driver: one for all scenarios, and one more for each that wants it alone."""
    shared: dict[str, Path] = {}

    def store_of(surface: str, scenario: Scenario) -> str:
        if scenario.alone:
            return str(tmp_path_factory.mktemp(f"{surface}-{scenario.name}") / "store")
        if surface not in shared:
            shared[surface] = tmp_path_factory.mktemp(surface) / "store"
        return str(shared[surface])

    return store_of


@pytest.fixture(scope="module")
def expected(store_of):
    """What the table itself answers to a scenario, played once."""

    @cache
    def expected(scenario: Scenario) -> list[Outcome]:
        core = Core(store_of("core", scenario))
        try:
            return play(scenario, core, core)
        finally:
            core.close()

    return expected


@pytest.fixture(scope="module")
def opened(store_of):
    """A driver and the core on one store, kept for all scenarios that share it."""
    kept: dict[str, tuple[Driver, Core]] = {}
    closing: list[Any] = []

    def opened(surface: str, scenario: Scenario) -> tuple[Driver, Core]:
        if not scenario.alone and surface in kept:
            return kept[surface]
        store = store_of(surface, scenario)
        core = Core(store)
        closing.append(core)
        driver = DRIVERS[surface](store)
        closing.append(driver)
        if not scenario.alone:
            kept[surface] = (driver, core)
        return driver, core

    yield opened
    for one in reversed(closing):
        one.close()


@pytest.mark.parametrize("surface", DRIVERS)
@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.name)
def test_every_surface_answers_alike(surface, scenario, expected, opened):
    """Whatever is asked, and of whom: the same answers and the same refusals, but for what the surface has not."""
    driver, core = opened(surface, scenario)
    found = play(scenario, driver, core)
    compared = zip(scenario.steps, found, expected(scenario), strict=True)
    differing = [
        f"{step.operation} {step.arguments}:\n    {mine}\n    {wanted}"
        for step, mine, wanted in compared
        if mine not in (ELSEWHERE, wanted)
    ]
    assert not differing, "\n".join(differing)


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.name)
def test_the_table_answers_a_scenario_as_it_is_told(scenario, expected):
    """A scenario is no list of accidents: something in it succeeds, unless it is about refusals."""
    outcomes = expected(scenario)
    assert len(outcomes) == len(scenario.steps)
    about_refusals = scenario.name in ("names", "documents")
    assert about_refusals or any(outcome[0] == "ok" for outcome in outcomes)


# --- nothing is left out -------------------------------------------------------------


def test_every_row_of_the_table_is_in_a_scenario():
    """An operation that nobody plays could differ from surface to surface unseen."""
    played = {step.operation for scenario in SCENARIOS for step in scenario.steps}
    assert {operation.name for operation in OPERATIONS} - played == set()


def test_every_parameter_of_the_table_is_in_a_scenario():
    """Likewise each of its parameters."""
    played = {
        (step.operation, name)
        for scenario in SCENARIOS
        for step in scenario.steps
        if not step.malformed
        for name in step.arguments
    }
    left = {
        f"{operation.name}.{parameter.name}"
        for operation in OPERATIONS
        for parameter in operation.parameters
        if (operation.name, parameter.name) not in played
    }
    assert left - {f"{name}.{option}" for name, option in _SHARED} == set()


_SHARED = {
    (operation.name, parameter.name)
    for operation in OPERATIONS
    for parameter in operation.parameters
    if operation.writes and operation.name != "config/set"
}
"""Options that all writes take from one list: played with the commonest."""


@pytest.mark.parametrize("surface", DRIVERS)
def test_what_a_surface_lacks_is_of_the_table(surface):
    """A declaration names an operation, or a parameter of one; the surface has something of the rest."""
    names = {operation.name for operation in OPERATIONS} | {
        f"{operation.name}.{name}" for operation in OPERATIONS for name in operation.takes
    }
    driver = DRIVERS[surface]
    assert set(driver.UNREACHED) <= names
    steps = [step for scenario in SCENARIOS for step in scenario.steps]
    reached = {step.operation for step in steps if reaches(driver, step)}
    assert reached == {operation.name for operation in OPERATIONS} - set(driver.UNREACHED)


def test_no_two_scenarios_have_one_name():
    """Their realms are called after them."""
    names = [scenario.name for scenario in SCENARIOS]
    assert len(set(names)) == len(names)
    assert all(len(name) < 40 for name in names)
