"""
The protocols on which "nothing is lost" rests, searched state by state (G3, G8).

What each model claims stands at its top; what is left out, in ``docs/decisions/0008-models.md``. Each rule of a
protocol has a variant without it, which must break a claim: else the model would not know what the rule is for.
"""

from __future__ import annotations

import re
from importlib import import_module
from pathlib import Path

import pytest
from tests.models.spin import FOLDER, verify

pytestmark = [pytest.mark.models, pytest.mark.timeout(900)]

WORKING_COPY = {
    "two editors": ["WRITES=1", "EDITS=2"],
    "two deaths in a row": ["WRITES=2", "DEATHS=2"],
    "two deaths and a power cut": ["WRITES=2", "DEATHS=2", "CUTS=1"],
    "two power cuts": ["WRITES=2", "CUTS=2"],
}
PUBLISHER = {"at rest": [], "closed": ["CLOSE", "DELAYS=2"]}
COUNTERS = {
    "one realm": ["WRITES=3", "DEATHS=2"],
    "three writers": ["WRITERS=3"],
    "two realms together": ["TOGETHER"],
}

WITHOUT = {
    "working_copy": {
        "the record first": ["MATERIALISE_FIRST", "DEATHS=2"],
        "the exchange": ["PLAIN_RENAME"],
        "leases": ["NO_LEASE"],
        "the sync of the folder": ["NO_FOLDER_SYNC", "CUTS=1"],
        "the sync of the text": ["NO_DATA_SYNC", "CUTS=1"],
        "the second commit": ["ONE_COMMIT", "DEATHS=1"],
        "a long memory": ["SHORT_MEMORY", "WRITES=2", "DEATHS=2"],
        "the sync before doubt ends": ["NO_SYNC_BEFORE_TIDY", "WRITES=2", "DEATHS=1", "CUTS=1"],
    },
    "publisher": {
        "the look after the announcement": ["LOOK_BEFORE_SLEEPING"],
        "the wake-up after a flush": ["NO_WAKE_AFTER_FLUSH"],
        "what is noted when it stops": ["CLOSE", "FORGET_AT_STOP"],
        "the look for a stop": ["CLOSE", "STOP_UNSEEN"],
    },
    "counters": {
        "the mark before COMMIT": ["ONLY_AFTER_COMMIT"],
        "the fence": ["NO_FENCE"],
        "the fork check": ["NO_FORK_CHECK"],
        "the refusal of odd marks": ["KEPT_UNDER_ODD"],
        "slots before the announcement": ["ANNOUNCED_FIRST", "TOGETHER"],
        "the announcement before the slots": ["SLOTS_FIRST", "TOGETHER"],
    },
}


def holds(model: str, folder: Path, options: list[str]) -> None:
    """Every state is visited, and each keeps the claims."""
    verdict = verify(model, folder, options, is_long=True)
    print(f"{model} {' '.join(options)}: {verdict.states} states")
    assert verdict.complete, verdict.output
    assert verdict.errors == 0, verdict.output
    assert verdict.states > 10_000, verdict.output


@pytest.mark.parametrize("profile", WORKING_COPY)
def test_no_edit_is_lost(tmp_path: Path, profile: str) -> None:
    """G8: no edit is lost or taken in twice, nothing of ours is taken for one, and at rest the file is the head's."""
    holds("working_copy", tmp_path, WORKING_COPY[profile])


@pytest.mark.parametrize("profile", PUBLISHER)
def test_every_commit_is_rendered(tmp_path: Path, profile: str) -> None:
    """G8: whatever is committed is rendered by the end of quiet, and closing ends whenever it comes."""
    holds("publisher", tmp_path, PUBLISHER[profile])


@pytest.mark.parametrize("profile", COUNTERS)
def test_no_proved_read_is_old(tmp_path: Path, profile: str) -> None:
    """G3: no proved read is older than what was acknowledged, or told to anybody, before it."""
    holds("counters", tmp_path, COUNTERS[profile])


@pytest.mark.parametrize(
    ("model", "rule"), [(model, rule) for model in WITHOUT for rule in WITHOUT[model]]
)
def test_each_rule_is_needed(tmp_path: Path, model: str, rule: str) -> None:
    """A protocol without one of its rules breaks a claim of its model."""
    verdict = verify(model, tmp_path, WITHOUT[model][rule])
    assert verdict.errors == 1
    assert verdict.violated is not None
    assert verdict.violated.startswith("assertion violated"), verdict.output


@pytest.mark.parametrize(
    ("model", "options"),
    [("working_copy", ["WRITES=2", "DEATHS=1", "CUTS=1"]), ("counters", ["TOGETHER"])],
)
def test_every_step_is_taken(tmp_path: Path, model: str, options: list[str]) -> None:
    """No step of a model is idle: each is taken in some run, but for the ends of loops and failures of claims."""
    verdict = verify(model, tmp_path, options, is_long=True)
    steps = (FOLDER / f"{model}.pml").read_text("utf-8").splitlines()
    idle = {steps[int(line) - 1].strip() for line in verdict.unreached}
    assert all(step in {"}", ""} or "assert(false)" in step for step in idle), idle


@pytest.mark.parametrize("model", WITHOUT)
def test_each_step_is_a_function(model: str) -> None:
    """Each step prints the name of a function that is there, so that a model cannot outlive what it is of."""
    text = (FOLDER / f"{model}.pml").read_text("utf-8")
    named = set(re.findall(r'"(\w+(?:\.\w+)+)\\n"', text))
    assert len(named) >= 8
    for name in sorted(named):
        module, *path = name.split(".")
        package = "realmconf.domain" if module == "workfile" else "realmconf.stores.embedded"
        found: object = import_module(f"{package}.{module}")
        for part in path:
            found = getattr(found, part)
        assert callable(found), name


def test_each_variant_is_tried() -> None:
    """No rule that a model can leave out is missing from the table of broken variants."""
    for model, rules in WITHOUT.items():
        text = (FOLDER / f"{model}.pml").read_text("utf-8")
        switches = set(re.findall(r"^#ifn?def (\w+)$", text, re.MULTILINE))
        used = {option.partition("=")[0] for options in rules.values() for option in options}
        sizes = {"WRITES", "EDITS", "DEATHS", "CUTS", "WRITERS", "COMMITS", "DELAYS", "REACH"}
        assert switches - sizes == used - sizes
