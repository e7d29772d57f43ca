"""
Processes that write to the realm ``team`` when they are told to, and stop or die inside of it if they are told that.

Decides how a test speaks to them; claims nothing.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from types import TracebackType

PROGRAM = """
import json, os, signal, sys
import realmconf
from realmconf.errors import RealmconfError

url, name, timeout, fate = sys.argv[1:]
client = realmconf.connect(url, author=name)
realm = client.realm("team")
realm.get()
apply = client.store.apply

def fated(realms, judge, **options):
    def inside(view):
        global fate
        fatal, fate = fate, ""
        if fatal:
            os.kill(os.getpid(), getattr(signal, fatal))
        return judge(view)

    return apply(realms, inside, **options)

client.store.apply = fated
print("ready", flush=True)
for line in sys.stdin:
    patch, options = json.loads(line)
    try:
        told = ["written", realm.patch(patch, timeout=float(timeout), **options).generation]
    except RealmconfError as refused:
        told = [refused.code, getattr(refused, "current", None)]
    print(json.dumps(told), flush=True)
"""


class Worker:
    """One process with a client of its own."""

    def __init__(self, url: str, name: str, *, timeout_seconds: float = 30, fate: str = "") -> None:
        """*fate* is the name of a signal that it sends itself inside its first write, with the lock or turn in hand."""
        words = [sys.executable, "-c", PROGRAM, url, name, str(timeout_seconds), fate]
        self.process = subprocess.Popen(
            words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        assert self._line() == "ready\n"

    def begin(self, patch: dict[str, Any], **options: Any) -> None:
        """Let it write, and do not wait."""
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps([patch, options]) + "\n")
        self.process.stdin.flush()

    def answer(self) -> list[Any]:
        """What became of that: ``written`` or the code of a refusal, and the generation that is told."""
        told: list[Any] = json.loads(self._line())
        return told

    def wait_until_inside(self) -> None:
        """Wait until it has met its fate."""
        _, status = os.waitpid(self.process.pid, os.WUNTRACED)
        if os.WIFSTOPPED(status):
            return
        assert os.WTERMSIG(status) == signal.SIGKILL
        # The process is no more, and nobody is to wait for it again.
        self.process.returncode = -signal.SIGKILL

    def go_on(self) -> None:
        """Let it continue where it has stopped."""
        os.kill(self.process.pid, signal.SIGCONT)

    def _line(self) -> str:
        assert self.process.stdout is not None
        return self.process.stdout.readline()

    def __enter__(self) -> Worker:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        failure: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self.process.returncode is None:
            self.process.kill()
        self.process.communicate(timeout=60)
