"""
What Meerkat's protocol does and what is weak in it, shown on the program that stands for it in the other tests.

A check against a stand-in that had none of the weaknesses would prove nothing: here is the proof that it has them.
"""

from __future__ import annotations

import json
import os
import signal
import time
import tomllib
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from pathlib import Path

    from tests.meerkat.conftest import Originals


def config(folder: Path) -> dict[str, Any]:
    return tomllib.loads((folder / "config.toml").read_text())


def generation(folder: Path) -> int:
    found: int = json.loads((folder / "config_state.json").read_text())["generation"]
    return found


def backdate(path: Path, seconds: float = 60.0) -> None:
    then = time.time() - seconds
    os.utime(path, (then, then))


def tokens(number: int) -> str:
    return json.dumps({"max_tokens": number})


def model(name: str) -> str:
    return json.dumps({"agent": {"model": name}})


# --- the protocol ----------------------------------------------------------------------------


def test_a_write_and_what_it_leaves(originals: Originals) -> None:
    """A commit leaves the text and 21 bytes with the number, no lock and no temporary file."""
    assert originals.run("patch", "--json", tokens(7)) == (0, "generation=1")
    assert sorted(os.listdir(originals.folder)) == ["config.toml", "config_state.json"]
    assert (originals.folder / "config_state.json").read_bytes() == b'{\n  "generation": 1\n}'
    assert config(originals.folder)["max_tokens"] == 7
    assert json.loads(originals.run("get")[1])["generation"] == 1


def test_the_lock_while_it_is_held(originals: Originals) -> None:
    """The lock is a file of fixed bytes that nobody else gets past; who waits for too long gives up."""
    holder = originals.start("set", "--stop-at", "lock").until_stopped()
    assert (originals.folder / "config_state.lock").read_bytes() == b"config-runtime-lock"
    refused = originals.run("get", "--timeout-seconds", 0.1)
    assert refused == (1, "Error: timed out acquiring config lock")
    assert holder.go_on().answer() == (0, "generation=1")
    assert originals.run("get")[0] == 0


def test_a_conflict_changes_nothing(originals: Originals) -> None:
    """Another generation than the expected one is refused, with nothing written."""
    originals.run("patch", "--json", tokens(7))
    refused = originals.run("patch", "--json", tokens(8), "--expected-generation", 0)
    assert refused == (1, "Error: generation conflict: expected 0, current 1")
    assert (generation(originals.folder), config(originals.folder)["max_tokens"]) == (1, 7)


def test_what_it_does_not_know_is_dropped(originals: Originals) -> None:
    """A write drops comments, unknown sections and unknown members of config_state.json, and states every default."""
    originals.folder.mkdir(parents=True)
    (originals.folder / "config.toml").write_text("# why\n[novel]\nx = 1\n[limits]\nbudget = 3\n")
    (originals.folder / "config_state.json").write_text('{"generation": 4, "other": 1}')
    assert originals.run("patch", "--json", "{}") == (0, "generation=5")
    assert (originals.folder / "config_state.json").read_bytes() == b'{\n  "generation": 5\n}'
    found = config(originals.folder)
    assert found["limits"] == {"budget": 3}
    assert "novel" not in found
    assert "agent" in found
    assert "#" not in (originals.folder / "config.toml").read_text()


def test_text_survives_its_own_writer(originals: Originals) -> None:
    """What it writes is read again as it was, quotes, control characters and tables in lists included."""
    odd = {"a b": 'q"\\\n\x7f\x01é', "": [1, 2.5, True, {"x": {"y-z": "w"}}], "t": {}}
    originals.run("set", "--json", json.dumps({"tools": odd}))
    assert config(originals.folder)["tools"] == odd


# --- its weaknesses --------------------------------------------------------------------------


def test_killed_between_its_renames(originals: Originals) -> None:
    """W4: a process that dies between the renames leaves another text under the same number, and CAS passes over it."""
    originals.run("set", "--json", tokens(1))
    seen = json.loads(originals.run("get")[1])
    killed = originals.run("set", "--json", tokens(2), "--kill-at", "number")
    assert killed[0] == -signal.SIGKILL
    assert (generation(originals.folder), config(originals.folder)["max_tokens"]) == (1, 2)
    backdate(originals.folder / "config_state.lock")
    written = originals.run("set", "--json", tokens(3), "--expected-generation", seen["generation"])
    assert written == (0, "generation=2")


def test_two_take_the_same_stale_lock(originals: Originals) -> None:
    """W5: two that found the same stale lock both enter, both are acknowledged as one generation, one write is lost."""
    originals.run("set", "--json", tokens(1))
    lock = originals.folder / "config_state.lock"
    lock.write_bytes(b"config-runtime-lock")
    backdate(lock)
    words = ("--expected-generation", 1, "--stop-at", "stale", "--stop-at", "write")
    first = originals.start("patch", "--json", tokens(2), *words).until_stopped()
    second = originals.start("patch", "--json", model("m"), *words).until_stopped()
    first.go_on().until_stopped()
    fresh = lock.stat().st_ino
    second.go_on().until_stopped()
    assert lock.exists(), f"the second has a lock of its own in place of {fresh}"
    assert first.go_on().answer() == (0, "generation=2")
    assert second.go_on().answer() == (0, "generation=2")
    assert config(originals.folder)["max_tokens"] == 1


def test_a_holder_that_was_stopped_for_too_long(originals: Originals) -> None:
    """W6: it writes over what was acknowledged meanwhile, and its release removes a stranger's lock."""
    originals.run("set", "--json", tokens(1))
    lock = originals.folder / "config_state.lock"
    slow = originals.start("patch", "--json", model("slow"), "--stop-at", "write").until_stopped()
    backdate(lock)
    assert originals.run("patch", "--json", tokens(2)) == (0, "generation=2")
    inside = originals.start("patch", "--json", "{}", "--stop-at", "lock").until_stopped()
    assert slow.go_on().answer() == (0, "generation=2")
    assert config(originals.folder)["max_tokens"] == 1
    assert not lock.exists()
    assert originals.run("patch", "--json", "{}", "--timeout-seconds", 0.1)[0] == 0
    assert inside.go_on().answer()[0] == 0


def test_a_killed_holder_keeps_everybody_out(originals: Originals) -> None:
    """W7: the lock of a process that is gone refuses reads and writes until it is stale."""
    done = originals.run("patch", "--json", tokens(2), "--kill-at", "unlink")
    assert done[0] == -signal.SIGKILL
    assert generation(originals.folder) == 1
    assert originals.run("get", "--timeout-seconds", 0.1)[0] == 1
    assert originals.run("patch", "--timeout-seconds", 0.1)[0] == 1
    backdate(originals.folder / "config_state.lock")
    assert originals.run("get")[0] == 0


@pytest.mark.parametrize("damage", ["", "null", '{"gener', '{"generation": -1}', "[]"])
def test_a_damaged_number(originals: Originals, damage: str) -> None:
    """W13: with an unreadable number everything fails, and to remove it begins again at 0."""
    originals.run("set", "--json", tokens(1))
    state = originals.folder / "config_state.json"
    state.write_text(damage)
    for verb in ("get", "set", "patch"):
        code, text = originals.run(verb)
        assert (code, text[:18]) == (1, "Error: json error:")
    state.unlink()
    assert originals.run("patch", "--expected-generation", 0) == (0, "generation=1")


def test_a_stale_lock_that_cannot_be_removed(originals: Originals) -> None:
    """W15: it spins without asking for the deadline, at the cost of a whole processor, until somebody kills it."""
    lock = originals.folder / "config_state.lock"
    lock.mkdir(parents=True)
    backdate(lock)
    spinning = originals.start("get", "--timeout-seconds", 0.05)
    gives_up_at = time.monotonic() + 60
    # One that sleeps 20 ms between two attempts would need minutes for as much.
    while processor_seconds(spinning.process.pid) < 1.0 and time.monotonic() < gives_up_at:
        assert spinning.process.poll() is None
        time.sleep(0.05)
    assert processor_seconds(spinning.process.pid) >= 1.0


def test_a_lock_from_the_future(originals: Originals) -> None:
    """W16: a lock with a time to come is never stale."""
    originals.folder.mkdir(parents=True)
    lock = originals.folder / "config_state.lock"
    lock.write_bytes(b"config-runtime-lock")
    backdate(lock, -3600)
    refused = originals.run("get", "--timeout-seconds", 0.2, "--stale-seconds", 0.01)
    assert refused == (1, "Error: timed out acquiring config lock")


def test_a_read_makes_a_folder(originals: Originals) -> None:
    """W17: a read of a name with a slip in it makes the folder of a realm that nobody wanted."""
    assert originals.run("get")[0] == 0
    assert os.listdir(originals.folder) == []


@pytest.mark.parametrize("point", ["lock", "write", "number", "unlink"])
def test_every_point_can_be_died_at(originals: Originals, point: str) -> None:
    """A process kills itself exactly where it was told to."""
    log = originals.folder.parent / "log"
    log.parent.mkdir(parents=True)
    code, _ = originals.run("set", "--kill-at", point, "--log", log)
    assert code == -signal.SIGKILL
    assert json.loads(log.read_text().splitlines()[-1])["step"] == point


def processor_seconds(pid: int) -> float:
    with open(f"/proc/{pid}/stat", encoding="ascii") as file:
        fields = file.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
