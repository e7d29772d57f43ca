"""Lineages under many processes: writes that are rebased, vectors that existed, watches that are resumed."""

from __future__ import annotations

import json
import random
import subprocess
import sys
import time
from pathlib import Path

import pytest
from tests.crash.lineages import MEMBERS, REALM
from tests.crash.scenarios import PROJECT

from realmconf.domain.names import RealmName
from realmconf.runtime.client import connect

PROCESSES = 64


def start(*words: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "tests.crash.lineages", *words],
        cwd=PROJECT,
        stdout=subprocess.PIPE,
        text=True,
    )


def end_now(process: subprocess.Popen[str]) -> None:
    process.kill()
    process.communicate()


def patched(root: Path, keys: list[str]) -> list[dict]:
    """Let one process for each key patch it, all against generation 1; what each was told."""
    signal = root.with_name("start")
    processes = [
        start("patch", str(root), f"w{number}", key, str(number + 1), str(signal))
        for number, key in enumerate(keys)
    ]
    try:
        for one in processes:
            assert one.stdout is not None
            assert one.stdout.readline() == "ready\n"
        signal.touch()
        return [json.loads(one.communicate(timeout=100)[0]) for one in processes]
    finally:
        for one in processes:
            end_now(one)


@pytest.mark.serial
def test_disjoint_patches_of_many_processes_all_commit(tmp_path: Path) -> None:
    """G1: 64 processes patch pairwise disjoint places against one stale generation: none is refused, no leaf lost."""
    root = tmp_path / "root"
    with connect(str(root)) as client:
        client.realm(REALM).set({f"k{number}": 0 for number in range(PROCESSES)})
    told = patched(root, [f"k{number}" for number in range(PROCESSES)])
    assert sorted(one["generation"] for one in told) == list(range(2, PROCESSES + 2))
    with connect(str(root)) as client:
        head = client.realm(REALM).get()
        assert head.document == {f"k{number}": number + 1 for number in range(PROCESSES)}


@pytest.mark.serial
def test_patches_of_one_place_have_one_winner(tmp_path: Path) -> None:
    """G1: of 64 processes that patch one place against one stale generation one wins; the others are told the place."""
    root = tmp_path / "root"
    with connect(str(root)) as client:
        client.realm(REALM).set({"k": 0})
    told = patched(root, ["k"] * PROCESSES)
    assert [one["generation"] for one in told if "generation" in one] == [2]
    assert [one["contested"] for one in told if "contested" in one] == [["/k"]] * (PROCESSES - 1)


# --- vectors and watches -------------------------------------------------------------------------


def states(root: Path) -> list[tuple[dict[str, int], dict]]:
    """Every vector of the lineage that ever was, in order, with what it composes to, from the record alone."""
    members = [RealmName(name) for name in MEMBERS]
    found = []
    with connect(str(root)) as client, client.store.view() as view:
        steps = view.steps(dict.fromkeys(members, 0), limit=1_000_000)
    vector: dict[str, int] = {}
    documents: dict[str, dict] = {}
    for place, step in enumerate(steps):
        vector[step.realm] = step.revision.generation
        documents[step.realm] = dict(step.revision.document or {})
        following = steps[place + 1] if place + 1 < len(steps) else None
        if following is not None and following.revision.write_id == step.revision.write_id:
            continue  # committed together
        if len(vector) < len(members):
            continue
        config: dict = {}
        for name in reversed(MEMBERS):
            config |= {key: value for key, value in documents[name].items() if key != "realm"}
        found.append((dict(vector), config))
    return found


def check_lineage_under_writers(
    root: Path, *, seconds: float, kills: int, bug: str | None = None
) -> None:
    planted = [] if bug is None else ["planted", bug]
    with connect(str(root)) as client:
        for child, parent in zip(reversed(MEMBERS), [None, *reversed(MEMBERS)], strict=False):
            named = {} if parent is None else {"realm": {child: {"parent": parent}}}
            client.realm(child).set({f"n_{child}": 0, **named})
        begin = client.realm("leaf").get().cursor
    read, watched = root.with_name("read"), root.with_name("watched")
    writers = [start("write", str(root), name, str(seconds)) for name in MEMBERS for _ in (1, 2)]
    writers.append(start("together", str(root), str(seconds)))
    readers = [
        start(*planted, "read", str(root), str(seconds), f"{read}{number}") for number in (1, 2)
    ]
    watcher = start(*planted, "watch", str(root), str(watched), begin)
    chance = random.Random(7)
    for _ in range(kills):
        time.sleep(seconds / (kills + 1) * chance.uniform(0.5, 1.0))
        end_now(watcher)
        drop_half_a_line(watched)
        watcher = start(*planted, "watch", str(root), str(watched), last_cursor(watched) or begin)
    for one in (*writers, *readers):
        one.communicate(timeout=300)
        assert one.returncode == 0
    expected = states(root)
    try:
        with connect(str(root)) as client:
            final = client.realm("leaf").get().cursor
        end = time.monotonic() + 60
        while last_cursor(watched) != final and time.monotonic() < end:
            time.sleep(0.1)
    finally:
        end_now(watcher)
    check_reads([Path(f"{read}{number}") for number in (1, 2)], expected)
    check_watch(watched, expected)


def drop_half_a_line(path: Path) -> None:
    """What a killed process may have left; nobody writes the file now."""
    path.touch()
    path.write_text("".join(f"{line}\n" for line in complete_lines(path)))


def complete_lines(path: Path) -> list[str]:
    """What was written whole; who writes it now may be in the middle of a line."""
    return path.read_text().split("\n")[:-1] if path.exists() else []


def last_cursor(path: Path) -> str | None:
    lines = complete_lines(path)
    return json.loads(lines[-1])[0] if lines else None


def check_reads(paths: list[Path], expected: list[tuple[dict[str, int], dict]]) -> None:
    places = {
        json.dumps(vector, sort_keys=True): place for place, (vector, _) in enumerate(expected)
    }
    for path in paths:
        last = -1
        for line in complete_lines(path):
            vector, config = json.loads(line)
            place = places[json.dumps(vector, sort_keys=True)]
            assert config == expected[place][1]
            assert place >= last
            last = place


def check_watch(path: Path, expected: list[tuple[dict[str, int], dict]]) -> None:
    told = [json.loads(line) for line in complete_lines(path)]
    assert not any(reset for _, reset, _, _ in told)
    assert [(vector, config) for _, _, vector, config in told] == expected[1:]


@pytest.mark.serial
@pytest.mark.timeout(300)
def test_a_lineage_under_writers(tmp_path: Path) -> None:
    """
    G9, G7: while nine writers change every member, some together, each snapshot's vector is one that existed, with its
    configuration, and never an older one than before; a watch that is killed and resumed misses no step.
    """
    check_lineage_under_writers(tmp_path / "root", seconds=4, kills=4)


@pytest.mark.planted
@pytest.mark.serial
@pytest.mark.timeout(300)
@pytest.mark.parametrize("bug", ["collect_heads_one_by_one", "skip_to_the_newest"])
def test_the_check_of_lineages_finds_a_planted_bug(tmp_path: Path, bug: str) -> None:
    """Vectors that never were, and steps that are skipped, are seen: a check that cannot fail is a defect."""
    with pytest.raises((AssertionError, KeyError)):
        check_lineage_under_writers(tmp_path / "root", seconds=4, kills=2, bug=bug)


@pytest.mark.torture
@pytest.mark.timeout(900)
def test_a_lineage_under_writers_for_a_minute(tmp_path: Path) -> None:
    """The same for a minute, with forty kills."""
    check_lineage_under_writers(tmp_path / "root", seconds=60, kills=40)
