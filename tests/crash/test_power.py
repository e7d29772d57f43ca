"""Power cuts: what was acknowledged is there after everything unsynced is gone."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from tests.crash.powercut import acknowledged_before_the_cut
from tests.crash.sweep import REALM, fast_folder, in_a_process

from realmconf.runtime.client import connect


def generation_after(root: Path) -> int:
    def look() -> int:
        with connect(str(root)) as client:
            realm = client.realm(REALM)
            realm.verify()
            generation = realm.get().generation
            assert realm.set({"n": "after"}).generation == generation + 1
            return generation

    told, status = in_a_process(lambda: iter([look()]))
    assert status == 0, told
    return int(told[0])


def prepare(template: Path) -> None:
    """A store that has been made, so that its log has grown."""

    def write() -> int:
        with connect(str(template)) as client:
            return client.realm(REALM).set({"n": 0}).generation

    assert in_a_process(lambda: iter([write()])) == ([1], 0)


@pytest.mark.parametrize("first", [1, 2, 3])
def test_acknowledged_writes_survive_a_power_cut(first: int) -> None:
    """G4: wherever power is cut, no acknowledged write is lost, and at most the one under way is there."""
    with fast_folder() as folder:
        template = folder / "template"
        prepare(template)
        for after_writes in range(first, 90, 9):
            root = folder / "root"
            shutil.copytree(template, root)
            acknowledged = max(1, acknowledged_before_the_cut(root, after_writes=after_writes))
            assert generation_after(root) in (acknowledged, acknowledged + 1)
            shutil.rmtree(root)
