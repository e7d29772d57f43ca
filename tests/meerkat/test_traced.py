"""What the published crate did is read from its system calls, in the order and at the times at which it did it."""

from __future__ import annotations

from tests.meerkat.traced import steps

FOLDER = "/realms/team"
LOCK = f'openat(AT_FDCWD, "{FOLDER}/config_state.lock", O_WRONLY|O_CREAT|O_EXCL|O_CLOEXEC, 0666'
UNLINK = f'unlink("{FOLDER}/config_state.lock"'
TEXT = r"[tools.tool_timeouts.\"\303\251\"]\nsecs = 7\nnanos = 0\n"


def told(*lines: str) -> list[str]:
    return [one["step"] for one in steps(lines, writer="w", side="oracle")]


def renamed(name: str, content: str, at: float) -> list[str]:
    temporary = f"{FOLDER}/.{name}.tmp.1"
    return [
        f'1 {at} openat(AT_FDCWD, "{temporary}", O_WRONLY|O_CREAT|O_EXCL, 0666) = 9 <0.000010>',
        f'2 {at + 0.1} write(9, "{content}", 50) = 50 <0.000010>',
    ]


def test_a_commit():
    """From the lock to its release, with what was written of the text."""
    found = [
        *steps(
            [
                f"1 10.0 {LOCK}) = 8 <0.500000>",
                *renamed("config", TEXT, 11.0),
                f'1 12.0 rename("{FOLDER}/.config.tmp.1", "{FOLDER}/config.toml") = 0 <0.250000>',
                *renamed("config_state", r"{\n  \"generation\": 1\n}", 13.0),
                f'1 14.0 rename("{FOLDER}/.config_state.tmp.1", "{FOLDER}/config_state.json") = 0 <0.1>',
                f"3 15.0 {UNLINK}) = 0 <0.500000>",
            ],
            writer="w",
        )
    ]
    assert [(one["step"], one["at"]) for one in found] == [
        ("lock", 10.5),
        ("write", 12.0),
        ("number", 12.25),
        ("numbered", 14.1),
        ("unlink", 15.0),
        ("released", 15.5),
    ]
    assert found[0]["made"] == 10.0
    assert found[1]["counters"] == {"é": 7}


def test_a_lock_that_others_have():
    """An attempt that fails is no tenure; a stale lock that is removed by its name is told."""
    assert told(
        f"1 10.0 {LOCK}) = -1 EEXIST (File exists) <0.000010>",
        f"1 11.0 {UNLINK}) = 0 <0.000010>",
        f"1 12.0 {LOCK}) = 8 <0.000010>",
    ) == ["removing", "removed", "lock"]


def test_a_lock_that_is_gone_at_the_release():
    """Who gives back what others have taken away is out all the same."""
    assert told(
        f"1 10.0 {LOCK}) = 8 <0.000010>",
        f"1 11.0 {UNLINK}) = -1 ENOENT (No such file or directory) <0.000010>",
    ) == ["lock", "unlink", "released"]


def test_calls_of_two_threads():
    """A call that another thread interrupts in the log is one call, and stands where it began."""
    assert told(
        f"1 10.0 {LOCK} <unfinished ...>",
        '2 10.1 write(4, "x", 1) = 1 <0.000010>',
        "1 10.2 <... openat resumed>) = 8 <0.200000>",
        f"2 11.0 {UNLINK} <unfinished ...>",
        f"1 11.1 {LOCK}) = 8 <0.000010>",
        "2 11.2 <... unlink resumed>) = 0 <0.050000>",
    ) == ["lock", "unlink", "released", "lock"]


def test_a_process_that_is_killed_in_a_call():
    """What was under way may have happened: the lock may be there, and the text."""
    begun = [f"1 10.0 {LOCK} <unfinished ...>", "1 10.1 +++ killed by SIGKILL +++"]
    assert told(*begun) == ["lock"]
    assert told(f"1 10.0 {UNLINK} <unfinished ...>") == ["removing"]
    assert told(
        f"1 10.0 {LOCK}) = 8 <0.000010>",
        *renamed("config", TEXT, 11.0),
        f'1 12.0 rename("{FOLDER}/.config.tmp.1", "{FOLDER}/config.toml" <unfinished ...>',
    ) == ["lock", "write"]
