"""A client of ``realmconf rpc`` and the real process it speaks to, on a store of the test's own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

import realmconf

PROGRAM = [sys.executable, "-m", "realmconf", "rpc"]
END = object()


class Failed(Exception):
    """The error of an answer."""

    def __init__(self, error: dict[str, Any]) -> None:
        super().__init__(error["message"])
        self.code = error["code"]
        self.data = error["data"]


class Peer:
    """One process, and what came from it so far."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self.process: Any = process
        self._asked = 0
        self._kept: list[dict[str, Any]] = []

    # --- out

    def write(self, raw: bytes) -> None:
        self.process.stdin.write(raw)
        self.process.stdin.flush()

    def send(self, message: object) -> None:
        self.write(json.dumps(message).encode() + b"\n")

    def ask(self, method: str, params: Any = None, **named: Any) -> int:
        """Send a request, and return its id."""
        self._asked += 1
        request = {"jsonrpc": "2.0", "id": self._asked, "method": method}
        if params is not None or named:
            request["params"] = named if params is None else params
        self.send(request)
        return self._asked

    def tell(self, method: str, **params: Any) -> None:
        """Send a notification."""
        self.send({"jsonrpc": "2.0", "method": method, "params": params})

    def end(self) -> None:
        """Close the process's standard input."""
        self.process.stdin.close()

    # --- in

    def read(self) -> Any:
        """The next message, or END."""
        line = self.process.stdout.readline()
        if not line:
            return END
        message = json.loads(line)
        for one in message if isinstance(message, list) else [message]:
            assert one["jsonrpc"] == "2.0"
        return message

    def next(self, wanted) -> Any:
        """The first message that is *wanted*; what comes before it is kept for later."""
        for place, message in enumerate(self._kept):
            if wanted(message):
                return self._kept.pop(place)
        while True:
            message = self.read()
            assert message is not END, "the process has ended"
            if wanted(message):
                return message
            self._kept.append(message)

    def answer(self, identity: Any) -> Any:
        """The result of a request."""
        message = self.next(lambda one: isinstance(one, dict) and one.get("id", END) == identity)
        if "error" in message:
            assert "result" not in message
            raise Failed(message["error"])
        return message["result"]

    def call(self, method: str, params: Any = None, **named: Any) -> Any:
        """Ask, and wait for the answer."""
        return self.answer(self.ask(method, params, **named))

    def refused(self, method: str, params: Any = None, **named: Any) -> Failed:
        """Ask, and be refused."""
        with pytest.raises(Failed) as raised:
            self.call(method, params, **named)
        assert raised.value.data["message"] == str(raised.value)
        return raised.value

    def error(self, raw: bytes) -> dict[str, Any]:
        """Send *raw* as one line, and the message that answers it; it is an error."""
        self.write(raw + b"\n")
        message = self.read()
        assert set(message) == {"jsonrpc", "id", "error"}
        assert set(message["error"]) == {"code", "message", "data"}
        return message

    def changed(self) -> dict[str, Any]:
        """The params of the next notification."""
        message = self.next(lambda one: isinstance(one, dict) and "method" in one)
        assert message["method"] == "config/changed"
        assert "id" not in message
        return message["params"]

    def rest(self) -> list[Any]:
        """Everything until the process ends, what was kept included."""
        rest = list(iter(self.read, END))
        return [*self._kept, *rest]

    def finish(self) -> int:
        """Close its input, read what is left, and return its exit code."""
        self.end()
        self.rest()
        return self.process.wait(timeout=60)

    def memory_peak_bytes(self) -> int:
        """The most that the process had in memory so far."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(status.split("VmHWM:")[1].split()[0]) * 1024


@pytest.fixture
def environment(tmp_path):
    ours = ("REALMCONF_", "PYTHONUNBUFFERED")
    names = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
    return {
        **names,
        "HOME": str(tmp_path),
        "REALMCONF_STORE": str(tmp_path / "store"),
        "REALMCONF_REALM": "team",
    }


@pytest.fixture
def start(environment, tmp_path):
    """Start a process; whatever it says on standard error is its own."""
    started: list[Peer] = []

    def start(*options: str, stdout: Any = subprocess.PIPE, **changes: str) -> Peer:
        process = subprocess.Popen(
            [*PROGRAM, *options],
            stdin=subprocess.PIPE,
            stdout=stdout,
            stderr=subprocess.PIPE,
            cwd=tmp_path,
            env={**environment, **changes},
        )
        started.append(Peer(process))
        return started[-1]

    yield start
    for peer in started:
        process = peer.process
        if process.poll() is None:
            process.kill()
        process.wait()
        for stream in (process.stdin, process.stdout, process.stderr):
            if stream is not None:
                try:
                    stream.close()
                except BrokenPipeError:
                    pass


@pytest.fixture
def rpc(start):
    """A process that is to end well."""
    peer = start()
    yield peer
    if peer.process.poll() is None:
        assert peer.finish() == 0
    assert peer.process.stderr.read() == b""


@pytest.fixture
def client(tmp_path):
    """Somebody else on the same store."""
    with realmconf.connect(str(tmp_path / "store"), author="ada") as client:
        yield client


class Holder:
    """Whoever has the turn to write."""

    def __init__(self, realm) -> None:
        self._has_turn = threading.Event()
        self._may_go = threading.Event()
        self._thread = threading.Thread(target=realm.update, args=(self._change,))

    def _change(self, draft) -> None:
        draft["held"] = True
        self._has_turn.set()
        self._may_go.wait()

    def __enter__(self):
        self._thread.start()
        self._has_turn.wait()
        return self

    def release(self) -> None:
        """Let others write."""
        self._may_go.set()
        self._thread.join()

    def __exit__(self, *_):
        self.release()


@pytest.fixture
def turn(client):
    """Have the turn to write, so that every other write waits."""
    with Holder(client.realm("team")) as holder:
        yield holder
