"""
The bench tells of what goes wrong in a measurement, and goes on; what it says of growth is what was planted.
"""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from argparse import Namespace
from functools import partial
from itertools import pairwise

import pytest
from bench.harness import Batch, Effort, Rounds, Spread, compete, single
from bench.laws import Plot, law, named
from bench.processes import FOLDER
from bench.results import Figure, Outcome, at_most, merged
from tests.bench import planted

from bench import __main__ as command
from bench import report, runner

EFFORT = Effort(rounds=5)


def run(measure, folder):
    return runner.run(measure, EFFORT, folder)


def test_a_measurement_works_in_a_folder_that_goes_with_it(tmp_path):
    (figure,) = run(planted.GOOD, tmp_path).figures
    folder, servers = figure.detail.split()
    assert folder == servers
    assert folder.startswith(str(tmp_path))
    assert list(tmp_path.iterdir()) == []
    assert figure.spread.value == 5


def test_a_measurement_that_fails_says_why(tmp_path):
    outcome = run(planted.WRONG, tmp_path)
    assert outcome.failures == {"M7, M8": "AssertionError: 3 writes were acknowledged, 2 are there"}


def test_one_that_does_not_end_is_ended_in_time(tmp_path):
    begun = time.monotonic()
    outcome = run(planted.ENDLESS, tmp_path)
    assert outcome.failures == {"M9": "OutOfTime: it took longer than 1 seconds"}
    assert time.monotonic() - begun < 60


def test_one_that_does_not_listen_is_killed_with_what_it_started(tmp_path, monkeypatch):
    monkeypatch.setattr(runner, "ENDING_SECONDS", 4.0)
    outcome = run(planted.DEAF, tmp_path)
    assert "did not end when told to" in outcome.failures["M10"]
    child = planted.child_of(tmp_path)
    wait_until(lambda: not is_running(child))


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_a_run_that_is_ended_takes_its_measurement_with_it(tmp_path, number):
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.bench.planted", str(tmp_path)], cwd=FOLDER
    )
    try:
        wait_until((tmp_path / "waiting").exists)
    finally:
        process.send_signal(number)
        process.wait()
    measuring = int((tmp_path / "waiting").read_text())
    wait_until(lambda: not is_running(measuring))


def wait_until(condition):
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def is_running(process):
    try:
        with open(f"/proc/{process}/stat") as file:
            return file.read().rpartition(")")[2].split()[0] not in {"Z", "X"}
    except FileNotFoundError:
        return False


def test_one_whose_process_dies_is_told_like_any_other(tmp_path):
    assert run(planted.FATAL, tmp_path).failures == {"M11": "its process ended with -9"}


def test_without_its_server_a_measurement_is_left_out(tmp_path, monkeypatch):
    """It fails under --strict alone."""
    for name, value in {"PATH": os.fspath(tmp_path), "PYTHONPATH": os.fspath(tmp_path)}.items():
        monkeypatch.setenv(name, value)
    # As on a machine that has no PostgreSQL.
    (tmp_path / "sitecustomize.py").write_text(
        "import tools.servers\ntools.servers.found = lambda program: None\n"
    )
    monkeypatch.setenv("PYTHONPATH", f"{tmp_path}:{FOLDER}")
    outcome = run(planted.NEEDY, tmp_path)
    assert not outcome.figures
    assert not outcome.failures
    assert outcome.left_out["M26"].startswith("PostgreSQL is not installed (Debian: postgresql")


@pytest.mark.parametrize("strict", [False, True])
def test_the_command_goes_on_and_keeps_what_there_is(tmp_path, monkeypatch, capsys, strict):
    asked = [planted.PARTIAL, planted.WRONG, planted.GOOD]
    kept = []
    monkeypatch.setattr(command, "chosen", lambda only: asked)
    write = command.write

    def keep(path, outcome):
        write(path, outcome)
        kept.append(json.loads(path.read_text()))

    monkeypatch.setattr(command, "write", keep)
    file = tmp_path / "figures.json"
    options = ["--rounds", "5", "--json", str(file), "--directory", str(tmp_path)]
    assert command.main([*options, "--strict"] if strict else options) == 1
    assert [[figure["goal"] for figure in one["figures"]] for one in kept] == [
        ["M5"],
        ["M5"],
        ["M5", "M1"],
    ]
    told = capsys.readouterr()
    assert "[2/3] M7, M8: wrong" in told.err
    assert "3 writes were acknowledged" in told.err
    assert "M5 against Nobody left out: Nobody is not installed" in told.out
    assert "M7, M8 failed: AssertionError" in told.out
    asked.remove(planted.WRONG)
    assert command.main([*options, "--strict"] if strict else options) == int(strict)


def test_a_run_that_is_broken_off_says_so(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(command, "chosen", lambda only: [planted.GOOD, planted.WRONG])

    def interrupted(measure, *rest):
        if measure is planted.WRONG:
            raise KeyboardInterrupt
        return Outcome(figures=[Figure("M1", "good", Spread.of([1.0]))])

    monkeypatch.setattr(runner, "run", interrupted)
    assert command.main(["--directory", str(tmp_path)]) == 1
    told = capsys.readouterr().out
    assert "M1   good" in told
    assert "M7, M8 failed: the run was broken off" in told


@pytest.mark.parametrize("exponent", [-0.5, 0.0, 0.04, 0.06, 1.0, 2.0])
def test_the_exponent_of_a_law_is_the_one_that_was_planted(exponent):
    sizes = (1, 10, 100, 1000, 10_000)
    chance = random.Random(0)
    batches = {
        f"get, {size}": [Batch([100 * size**exponent] * 9) for _ in range(5)] for size in sizes
    }
    # A round in which the machine was three times as slow is no law.
    slow = chance.randrange(5)
    for found in batches.values():
        found[slow] = single(found[slow].median * 3)
    figure = law(
        "M12", "get", Rounds(batches), named(sizes, "get"), limit=at_most(0.05), either_way=True
    )
    assert figure.spread.value == pytest.approx(abs(exponent), abs=1e-9)
    assert figure.verdict == ("met" if abs(exponent) <= 0.05 else "short")


def test_no_contestant_always_follows_the_same_one():
    turns = []
    names = ("one", "two", "three", "four")

    def turn(name):
        turns.append(name)
        return single(1.0)

    compete(
        {name: partial(turn, name) for name in names},
        rounds=5,
        slices=6,
        warm_up=False,
    )
    before: dict[str, set[str]] = {name: set() for name in names}
    for earlier, later in pairwise(turns):
        before[later].add(earlier)
    assert all(len(found) >= 3 for found in before.values())
    assert all(turns.count(name) == 30 for name in names)


def test_figures_and_their_curves_survive_the_file():
    rounds = Rounds({f"get, {size}": [single(size), single(2 * size)] for size in (1, 10, 100)})
    figure = law(
        "M12", "get", rounds, named((1, 10, 100), "get"), plot=Plot("p", "realms"), line="get"
    )
    outcome = Outcome(figures=[figure], left_out={"M5 against Redis": "Redis is not installed"})
    again = Outcome.from_dict(json.loads(json.dumps(outcome.to_dict())))
    assert again == outcome


def test_what_a_later_run_measured_is_no_longer_left_out():
    early = Outcome(left_out={"M5 against Redis": "missing", "M26": "missing"})
    late = Outcome(figures=[Figure("M5", "ours / Redis", Spread.of([1.0]))])
    assert merged([early, late]).left_out == {"M26": "missing"}


def test_the_table_is_put_between_the_markers_and_nowhere_else(tmp_path):
    page = tmp_path / "page.md"
    page.write_text(f"before\n\n{report.BEGIN}\n\nold\n\n{report.END}\n\nafter\n")
    outcome = Outcome(
        figures=[Figure("M4", "a commit", Spread(1.5, 1.4, 1.6), "x", at_most(1.6))],
        left_out={"M5 against Redis": "Redis is not installed"},
    )
    report.render(outcome, page)
    text = page.read_text()
    assert text.startswith("before\n")
    assert text.endswith("after\n")
    assert "old" not in text
    assert "| M4 | a commit | 1.50x | 1.40–1.60 | ≤ 1.60x | met |  |" in text
    assert "- M5 against Redis left out: Redis is not installed" in text
    page.write_text("no place")
    with pytest.raises(SystemExit, match="no place for figures"):
        report.render(outcome, page)


def test_the_options_of_the_command():
    options = command.parse(["--only", "M4", "--strict"])
    assert isinstance(options, Namespace)
    assert options.strict
    assert options.command == "measure"
