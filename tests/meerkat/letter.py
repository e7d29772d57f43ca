"""
Meerkat's protocol to the letter: its lock, its two files and its commit, step by step.

Decides nothing better than the original does: every weakness of the protocol is here on purpose.  It knows nothing of
realmconf and imports nothing of it.  What it does not have: the schema of the configuration.  Like the original it
drops the sections it has no name for and writes the whole text anew; of the defaults it writes two, of the checks it
has one.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import time
import tomllib
from collections import Counter
from pathlib import Path
from typing import Any

LOCK_CONTENT = b"config-runtime-lock"
RETRY_SECONDS = 0.02
TIMEOUT_SECONDS = 5.0
STALE_SECONDS = 30.0

GENERATION_MAX = 2**64 - 1

SECTIONS = frozenset(
    [
        *("agent", "provider", "storage", "budget", "retry", "tools", "models", "max_tokens"),
        *("shell", "store", "providers", "comms", "compaction", "limits", "rest", "sub_agents"),
        *("hooks", "skills"),
    ]
)
DEFAULTS: dict[str, Any] = {"agent": {"model": "claude-opus-4-6"}, "max_tokens": 16384}

POINTS = ("stale", "removed", "lock", "write", "number", "numbered", "unlink")
"""
Where a process can stop or kill itself: about to remove a stale lock by its name; having removed it; the lock taken;
about to rename the text; between the two renames; after both; about to release the lock.
"""


class Failure(Exception):
    """What the original tells its caller; *is_void* where it is sure that nothing was written."""

    def __init__(self, text: str, *, is_void: bool = False) -> None:
        super().__init__(text)
        self.is_void = is_void


class Points:
    """
    The named points a process stops or kills itself at, and the log of its steps.

    A point is ``number`` for the first time that it comes by there, ``number:3`` for the third.
    """

    def __init__(self, stop: list[str], kill: list[str], log: Log | None = None) -> None:
        self._signals = {_place(one): signal.SIGSTOP for one in stop} | {
            _place(one): signal.SIGKILL for one in kill
        }
        self._passed = Counter[str]()
        self._log = log

    def pass_by(self, point: str, **facts: object) -> None:
        """Log the step, and stop or die here if that was asked for."""
        self._passed[point] += 1
        wanted = self._signals.get((point, self._passed[point]))
        told = facts if wanted is None else {**facts, "signal": wanted.name}
        self.note(point, **told)
        if wanted is not None:
            os.kill(os.getpid(), wanted)

    def note(self, step: str, **facts: object) -> None:
        """Log the step."""
        if self._log is not None:
            self._log.line(step=step, **facts)


def _place(stated: str) -> tuple[str, int]:
    point, _, times = stated.partition(":")
    if point not in POINTS:
        raise argparse.ArgumentTypeError(f"there is no point {point}")
    return point, int(times or 1)


class Log:
    """Lines of JSON, each handed to the system before anything else happens, so that a killed process has told them."""

    def __init__(self, path: Path, **common: object) -> None:
        self._descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
        self._common = common

    def line(self, **facts: object) -> None:
        """Append one line with the present time, in seconds since 1970."""
        text = json.dumps({"at": time.time(), **self._common, **facts}) + "\n"
        os.write(self._descriptor, text.encode())


class Runtime:
    """The configuration of one folder, as the original gets, sets and patches it."""

    def __init__(
        self, folder: Path, *, timeout_seconds: float, stale_seconds: float, points: Points
    ) -> None:
        self._folder = folder
        self._config = folder / "config.toml"
        self._state = folder / "config_state.json"
        self._lock = folder / "config_state.lock"
        self._timeout_seconds = timeout_seconds
        self._stale_seconds = stale_seconds
        self._points = points

    def get(self) -> tuple[dict[str, Any], int]:
        """The configuration and its generation; takes the lock, as a write does."""
        self._acquire()
        try:
            config = self._read()
            return config, self._generation()
        finally:
            self._release()

    def set(self, config: dict[str, Any], expected: int | None) -> int:
        """Replace everything; the new generation."""
        return self._written(expected, lambda: config)

    def patch(self, delta: object, expected: int | None) -> int:
        """Merge into what is there; the new generation."""

        def patched() -> dict[str, Any]:
            merged = merge_patch(self._read(), delta)
            if not isinstance(merged, dict):
                raise Failure("JSON error: invalid type", is_void=True)
            return merged

        return self._written(expected, patched)

    def _written(self, expected: int | None, make: Any) -> int:
        self._acquire()
        try:
            current = self._generation()
            if expected is not None and expected != current:
                raise Failure(
                    f"generation conflict: expected {expected}, current {current}", is_void=True
                )
            config = typed(make())
            if config["max_tokens"] == 0:
                raise Failure("Validation error: max_tokens must be greater than 0", is_void=True)
            self._folder.mkdir(parents=True, exist_ok=True)
            text = self._temporary("config", to_toml(config))
            self._points.pass_by("write", generation=current + 1, counters=counters(config))
            text.rename(self._config)
            self._points.pass_by("number")
            following = min(current + 1, GENERATION_MAX)
            number = json.dumps({"generation": following}, indent=2)
            self._temporary("config_state", number).rename(self._state)
            self._points.pass_by("numbered")
            return following
        finally:
            self._release()

    def _temporary(self, name: str, text: str) -> Path:
        path = self._folder / f".{name}.tmp.{uuid7()}"
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666)
        try:
            os.write(descriptor, text.encode())
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        return path

    def _read(self) -> dict[str, Any]:
        try:
            content = self._config.read_bytes()
        except FileNotFoundError:
            return typed({})
        try:
            return typed(tomllib.loads(content.decode()))
        except UnicodeDecodeError as error:
            raise Failure(f"UTF-8 error: {error}", is_void=True) from None
        except tomllib.TOMLDecodeError as error:
            raise Failure(f"Parse error: {error}", is_void=True) from None

    def _generation(self) -> int:
        try:
            raw = self._state.read_text()
        except FileNotFoundError:
            return 0
        try:
            state = json.loads(raw)
        except ValueError as error:
            raise Failure(f"json error: {error}", is_void=True) from None
        found = state.get("generation") if isinstance(state, dict) else None
        if type(found) is not int or not 0 <= found <= GENERATION_MAX:
            raise Failure("json error: invalid type", is_void=True)
        return found

    # --- the lock --------------------------------------------------------------------------

    def _acquire(self) -> None:
        self._folder.mkdir(parents=True, exist_ok=True)
        deadline = time.monotonic() + self._timeout_seconds
        while True:
            try:
                descriptor = os.open(self._lock, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666)
            except FileExistsError:
                looked_at = time.time()
                if self._is_stale():
                    self._points.pass_by("stale", looked_at=looked_at)
                    # Said anew: it may have been stopped for long.
                    self._points.note("removing")
                    try:
                        self._lock.unlink()
                    except OSError:
                        self._points.note("missed")
                    self._points.pass_by("removed")
                    # No deadline is asked about here, and nobody sleeps: so does the original.
                    continue
                if time.monotonic() >= deadline:
                    raise Failure("timed out acquiring config lock", is_void=True) from None
                time.sleep(RETRY_SECONDS)
                continue
            os.write(descriptor, LOCK_CONTENT)
            made = os.fstat(descriptor).st_mtime
            os.fsync(descriptor)
            os.close(descriptor)
            self._points.pass_by("lock", made=made)
            return

    def _is_stale(self) -> bool:
        try:
            modified = self._lock.stat().st_mtime
        except FileNotFoundError:
            return False
        return time.time() - modified > self._stale_seconds

    def _release(self) -> None:
        self._points.pass_by("unlink")
        try:
            self._lock.unlink()
        except OSError:
            pass
        self._points.note("released")


def typed(config: dict[str, Any]) -> dict[str, Any]:
    """What the original's types keep: the sections it knows, with its defaults."""
    kept = {name: value for name, value in config.items() if name in SECTIONS}
    return {
        **DEFAULTS,
        **kept,
        "agent": {**DEFAULTS["agent"], **kept.get("agent", {})},
    }


def merge_patch(base: Any, patch: Any) -> Any:
    """The original's merge: what does not meet an object replaces it as it is, nulls included."""
    if not isinstance(base, dict) or not isinstance(patch, dict):
        return patch
    merged = dict(base)
    for name, value in patch.items():
        if value is None:
            merged.pop(name, None)
        else:
            merged[name] = merge_patch(merged.get(name), value)
    return merged


def to_toml(table: dict[str, Any], path: str = "") -> str:
    """The text of a table: plain values first, then its tables."""
    plain = {name: value for name, value in table.items() if not isinstance(value, dict)}
    lines = [f"{_quoted(name)} = {_value(value)}\n" for name, value in plain.items()]
    for name, value in table.items():
        if isinstance(value, dict):
            inner = f"{path}{_quoted(name)}"
            lines += [f"\n[{inner}]\n", to_toml(value, f"{inner}.")]
    return "".join(lines)


def _value(value: Any) -> str:
    if isinstance(value, dict):
        return (
            "{" + ", ".join(f"{_quoted(name)} = {_value(of)}" for name, of in value.items()) + "}"
        )
    if isinstance(value, list) and len(value) > 1:
        return "[\n" + "".join(f"    {_value(one)},\n" for one in value) + "]"
    if isinstance(value, list):
        return "[" + ", ".join(map(_value, value)) + "]"
    if value is None:
        raise Failure("TOML serialization error: unsupported None value", is_void=True)
    return _quoted_text(value) if isinstance(value, str) else json.dumps(value)


def _quoted(name: str) -> str:
    return (
        name
        if name.replace("_", "a").replace("-", "a").isalnum() and name.isascii()
        else _quoted_text(name)
    )


def _quoted_text(text: str) -> str:
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")


def uuid7() -> str:
    """A name that nobody else has, with the time first."""
    digits = f"{time.time_ns() // 1_000_000:012x}7{os.urandom(10).hex()[:19]}"
    return "-".join((digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:]))


def counters(config: dict[str, Any]) -> dict[str, int]:
    """Every writer's counter, as far as the configuration has it."""
    found = config.get("tools", {}).get("tool_timeouts", {})
    return {writer: duration["secs"] for writer, duration in found.items()}
