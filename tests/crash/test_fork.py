"""Forks, threads and spawned processes: no acknowledged write is lost, whatever shares a client."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.crash import scenarios

CLAIMS = {
    "fork_idle": "a client forked while idle works in parent and child",
    "fork_never_used": "a client forked before its first use works in every child",
    "fork_while_threads_write": "forks in the middle of other threads' writes lose none of them",
    "fork_parent_closes_first": "the parent's close takes nothing from the child",
    "fork_child_closes_first": "the child's close takes nothing from the parent",
    "fork_third_process_between": "parent and child see and keep what a third process wrote between",
    "fork_preloaded": "workers forked from a preloaded client, with threads, lose nothing",
    "fork_inside_change": "a fork inside a change is a typed error in the child",
    "fork_then_die": "a child holds no lock of its killed parent",
    "fork_and_watch": "watches work in parent and child",
    "many_threads": "64 threads on one client lose nothing",
    "spawn": "spawned processes lose nothing",
    "never_opens_the_database_itself": "the database's own files are never opened by the process",
}


@pytest.mark.parametrize("name", CLAIMS)
def test_no_acknowledged_write_is_lost(name: str, tmp_path: Path) -> None:
    """G4, G3: every acknowledged write is there, at one generation each, in every arrangement."""
    scenarios.run(name, tmp_path / "root")
