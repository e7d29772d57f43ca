"""
A driver plays a scenario on one surface; what it cannot reach is played at the core, and not compared.

The drivers differ in nothing but how they call and what they declare: ``UNREACHED``.
"""

from __future__ import annotations

import re
from typing import Any, ClassVar, Protocol

from tests.surfaces.parity.alike import Naming
from tests.surfaces.parity.scenarios import From, Scenario, Step

import realmconf
from realmconf.errors import RealmconfError
from realmconf.runtime.access import OWNER
from realmconf.runtime.operations.results import Step as WatchStep
from realmconf.runtime.operations.rows import BY_NAME
from realmconf.runtime.operations.session import Session
from realmconf.runtime.operations.table import call
from realmconf.runtime.watch import Watch
from realmconf.surfaces.answers import render

Outcome = tuple[Any, ...]
"""``("ok", json)``, ``("error", code, fields)``, or ``("elsewhere",)`` for what the surface does not reach."""
ELSEWHERE: Outcome = ("elsewhere",)
PATIENCE_SECONDS = 30.0


class Driver(Protocol):
    """One surface, on one store."""

    UNREACHED: ClassVar[dict[str, str]]
    """Operations that the surface does not have, each with the reason; ``operation.parameter`` likewise."""
    MALFORMED: bool
    """Whether it can state arguments of a wrong kind."""

    def states(self, step: Step) -> bool:
        """Whether it can say what *step* says, with these values."""
        ...

    def call(self, step: Step) -> Outcome:
        """Do what *step* says."""
        ...

    def close(self) -> None:
        """End what was started."""
        ...


class Core:
    """The table itself, and what is done beside every other surface on its store."""

    UNREACHED: ClassVar[dict[str, str]] = {}
    MALFORMED = True

    def __init__(self, store: str) -> None:
        self.client = realmconf.connect(store, author="ada")
        self.session = Session(self.client, OWNER, surface="sdk", author="ada")

    def states(self, _: Step) -> bool:
        return True

    def call(self, step: Step) -> Outcome:
        if step.operation.startswith("host:"):
            return self._host(step)
        try:
            return ("ok", self._answered(step))
        except RealmconfError as refused:
            return refusal(refused.to_dict())

    def _answered(self, step: Step) -> Any:
        operation = BY_NAME[step.operation]
        found = call(operation, self.session, step.arguments)
        if not operation.streams:
            return render(operation, self.session, found)
        source = self.session.realm(found.realm).source
        with Watch(
            self.client,
            source,
            found.realm,
            found.start,
            view=found.view,
            silence_seconds=PATIENCE_SECONDS,
        ) as steps:
            return [
                render(
                    operation,
                    self.session,
                    WatchStep(realm=found.realm, view=found.view, snapshot=one, cursor=one.cursor),
                )
                for _, one in zip(range(step.count), steps, strict=False)
            ]

    def _host(self, step: Step) -> Outcome:
        """What is done to the store by its owner, through no surface."""
        verb = step.operation.removeprefix("host:")
        stated = dict(step.arguments)
        if verb == "purge":
            self.client.purge(stated["realm"], stated["generation"])
        else:
            getattr(self.client, verb)(**stated)
        return ELSEWHERE

    def close(self) -> None:
        self.client.close()


def refusal(error: dict[str, Any]) -> Outcome:
    """An error object as an outcome."""
    return ("error", error["code"], error)


def reaches(driver: Driver, step: Step) -> bool:
    """Whether the surface has what *step* needs."""
    if step.operation.startswith("host:") or step.operation in driver.UNREACHED:
        return False
    if step.malformed and not driver.MALFORMED:
        return False
    return not any(f"{step.operation}.{name}" in driver.UNREACHED for name in step.arguments)


def play(scenario: Scenario, driver: Driver, core: Core) -> list[Outcome]:
    """What came of each step, alike; *core* is on the driver's store and does what the driver does not reach."""
    naming = Naming()
    answers: list[Any] = []
    outcomes: list[Outcome] = []
    for step in scenario.steps:
        ready = Step(
            step.operation,
            _filled(step.arguments, scenario, answers),
            malformed=step.malformed,
            count=step.count,
        )
        is_reached = reaches(driver, ready) and driver.states(ready)
        outcome = (driver if is_reached else core).call(ready)
        answers.append(outcome[1] if outcome[0] == "ok" else None)
        shown = naming.alike(_of_scenario(list(outcome), ready, scenario))
        if step.by_code and shown[0] == "error":
            del shown[2]
        outcomes.append(tuple(shown) if is_reached else ELSEWHERE)
    return outcomes


_NAME = re.compile(r"\{(\w+)\}")


def own_name(scenario: Scenario, name: str) -> str:
    """A realm of the scenario's own."""
    return f"{scenario.name}-{name}"


def _filled(value: Any, scenario: Scenario, answers: list[Any]) -> Any:
    if isinstance(value, From):
        found = answers[value.number]
        for part in value.path:
            found = found[part]
        return found
    if isinstance(value, dict):
        return {
            _filled(key, scenario, answers): _filled(item, scenario, answers)
            for key, item in value.items()
        }
    if isinstance(value, list):
        return [_filled(item, scenario, answers) for item in value]
    if isinstance(value, str) and "{" in value:
        return _NAME.sub(lambda found: own_name(scenario, found.group(1)), value)
    return value


def _of_scenario(outcome: list[Any], step: Step, scenario: Scenario) -> list[Any]:
    """A list of tokens without those of others."""
    if step.operation == "token/list" and outcome[0] == "ok":
        mine = [one for one in outcome[1] if one["name"].startswith(f"{scenario.name}-")]
        return ["ok", mine]
    return outcome
