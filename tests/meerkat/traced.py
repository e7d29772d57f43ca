"""
What the published crate did to a realm's files, read from the system calls that it made.

The crate tells nobody when it is inside its lock or between its two renames; strace sees it.  Decides which call is
which step, in the words of the log that the program in ``original`` writes of itself.  A call that never returned is
taken for done: its process was killed in it.
"""

from __future__ import annotations

import codecs
import re
import tomllib
from typing import TYPE_CHECKING, Any

from tests.meerkat.letter import counters

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

CALLS = "openat,write,unlink,rename"
SHOWN_BYTES = 1_000_000
"""Of what is written: whole files."""


def command(log: Path) -> list[str]:
    """
    What stands before a command so that it is traced to *log*.

    The traced process is the child of whoever starts it: it can be stopped and killed as if nobody traced it.
    """
    words = ["strace", "-D", "-f", "--seccomp-bpf", "-ttt", "-T", "-s", str(SHOWN_BYTES)]
    return [*words, "-e", f"trace={CALLS}", "-o", str(log)]


def steps(lines: Iterable[str], **common: Any) -> Iterator[dict[str, Any]]:
    """The steps that the *lines* of a trace show, each with what is *common* to all."""
    reader = _Reader()
    for call in _calls(lines):
        for step in reader.read(call):
            yield {**common, **step}


class _Call:
    """One system call: when it began and ended (None: never), what was asked, what came of it."""

    def __init__(self, begun: float, text: str) -> None:
        self.begun = begun
        self.ended: float | None = None
        self.text = text
        self.result: int | None = None

    @property
    def name(self) -> str:
        return self.text.partition("(")[0]

    @property
    def texts(self) -> list[str]:
        return [
            codecs.escape_decode(one.encode())[0].decode("utf-8", "replace")
            for one in re.findall(r'"((?:[^"\\]|\\.)*)"', self.text)
        ]


_LINE = re.compile(r"^(?P<thread>\d+) +(?P<at>\d+\.\d+) (?P<text>.*)$", re.DOTALL)
_RESULT = re.compile(r"\) += (?P<result>-?\d+|\?).*?(?:<(?P<lasted>\d+\.\d+)>)?$", re.DOTALL)
_UNFINISHED = " <unfinished ...>"


def _calls(lines: Iterable[str]) -> list[_Call]:
    """Every call in the order of their beginnings: a thread may tell late that its call has ended."""
    calls: list[_Call] = []
    open_calls: dict[str, _Call] = {}
    for line in lines:
        found = _LINE.match(line.rstrip("\n"))
        if found is None:
            continue
        thread, at, text = found["thread"], float(found["at"]), found["text"]
        resumed = re.match(r"<\.\.\. \w+ resumed>", text)
        if text.endswith(_UNFINISHED):
            open_calls[thread] = _Call(at, text.removesuffix(_UNFINISHED))
            calls.append(open_calls[thread])
        elif resumed is not None:
            call = open_calls.pop(thread, None)
            if call is not None:
                call.text += text[resumed.end() :]
                _end(call)
        elif "(" in text and not text.startswith(("+++", "---")):
            call = _Call(at, text)
            calls.append(call)
            _end(call)
    return sorted(calls, key=lambda one: one.begun)


def _end(call: _Call) -> None:
    found = _RESULT.search(call.text)
    if found is not None and found["result"] != "?":
        call.result = int(found["result"])
        call.ended = call.begun + float(found["lasted"] or 0)
        call.text = call.text[: found.start() + 1]


class _Reader:
    """Goes through the calls of one process."""

    def __init__(self) -> None:
        self._is_inside = False
        self._entered = 0.0
        self._names: dict[int, str] = {}
        self._written: dict[str, str] = {}

    def read(self, call: _Call) -> Iterator[dict[str, Any]]:
        ended = call.begun if call.ended is None else call.ended
        if call.name == "unlink":
            yield from self._unlinked(call, ended)
            return
        if call.result is not None and call.result < 0:
            return
        if call.name == "openat":
            path = call.texts[0]
            if path.endswith("/config_state.lock") and "O_EXCL" in call.text:
                if self._is_inside:
                    # It began to wait before it gave back, in two threads.
                    yield from _left(call.begun, call.begun)
                self._is_inside, self._entered = True, ended
                yield {"at": ended, "step": "lock", "made": call.begun}
            elif "/.config" in path and call.result is not None:
                self._names[call.result] = path
                self._written[path] = ""
        elif call.name == "write":
            name = self._names.get(int(call.text[len("write(") :].partition(",")[0]))
            if name is not None:
                self._written[name] += call.texts[0]
        elif call.name == "rename":
            yield from self._renamed(call, ended)

    def _unlinked(self, call: _Call, ended: float) -> Iterator[dict[str, Any]]:
        if not call.texts[0].endswith("/config_state.lock"):
            return
        if self._is_inside and call.begun >= self._entered:
            # Whether the file was there or not: its own, or a stranger's by now.
            self._is_inside = False
            yield from _left(call.begun, ended)
        elif not self._is_inside and call.result in (0, None):
            yield {"at": call.begun, "step": "removing"}
            if call.result == 0:
                yield {"at": ended, "step": "removed"}

    def _renamed(self, call: _Call, ended: float) -> Iterator[dict[str, Any]]:
        source, target = call.texts
        self._names = {one: name for one, name in self._names.items() if name != source}
        text = self._written.pop(source, "")
        if target.endswith("/config.toml"):
            said = counters(tomllib.loads(text))
            yield {"at": call.begun, "step": "write", "counters": said}
            if call.ended is not None:
                yield {"at": ended, "step": "number"}
        elif target.endswith("/config_state.json") and call.ended is not None:
            yield {"at": ended, "step": "numbered"}


def _left(begun: float, ended: float) -> Iterator[dict[str, Any]]:
    yield {"at": begun, "step": "unlink"}
    yield {"at": ended, "step": "released"}
