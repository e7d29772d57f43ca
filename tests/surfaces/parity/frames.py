"""``realmconf rpc`` and ``realmconf mcp``, each a process of its own, spoken to in lines."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any, ClassVar

from tests.surfaces.parity.driving import PATIENCE_SECONDS, Outcome, refusal
from tests.surfaces.parity.scenarios import Step

from realmconf.runtime.operations.rows import BY_NAME, OPERATIONS
from realmconf.surfaces.envelope import ANSWERS

CODES = {
    error.code: {answer.rpc for other, answer in ANSWERS.items() if other.code == error.code}
    for error in ANSWERS
}


class Lines:
    """A process that is asked in lines of JSON-RPC."""

    def __init__(self, store: str, *words: str) -> None:
        home = str(Path(store).parent)
        environment = {
            name: value for name, value in os.environ.items() if not name.startswith("REALMCONF_")
        }
        self._process = subprocess.Popen(
            [sys.executable, "-m", "realmconf", "--store", store, "--author", "ada", *words],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            cwd=home,
            env={**environment, "HOME": home},
        )
        self._asked = 0
        self._told: list[dict[str, Any]] = []

    def ask(self, method: str, params: dict[str, Any]) -> dict[str, Any]:
        """The message that answers a request."""
        self._asked += 1
        self.tell({"id": self._asked, "method": method, "params": params})
        while (message := self._read()).get("id") != self._asked:
            self._told.append(message)
        return message

    def tell(self, message: dict[str, Any]) -> None:
        """Send one message."""
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps({"jsonrpc": "2.0", **message}).encode() + b"\n")
        self._process.stdin.flush()

    def told(self) -> dict[str, Any]:
        """The next notification."""
        return self._told.pop(0) if self._told else self._read()

    def forget(self) -> None:
        """Drop the notifications that were not asked for."""
        self._told.clear()

    def _read(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        assert line, "the process has ended"
        message: dict[str, Any] = json.loads(line)
        return message

    def close(self) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._process.stdout.read()
        assert self._process.wait(timeout=PATIENCE_SECONDS) == 0
        self._process.stdout.close()


class Methods:
    """A program that speaks JSON-RPC."""

    UNREACHED: ClassVar[dict[str, str]] = {
        operation.name: "it is no method" for operation in OPERATIONS if not operation.methods
    }
    MALFORMED = True

    def __init__(self, store: str) -> None:
        self._lines = Lines(store, "rpc")

    def close(self) -> None:
        self._lines.close()

    def states(self, _: Step) -> bool:
        return True

    def call(self, step: Step) -> Outcome:
        message = self._lines.ask(step.operation, step.arguments)
        if "error" in message:
            error = message["error"]
            assert error["code"] in CODES[error["data"]["code"]]
            assert error["message"] == error["data"]["message"]
            return refusal(error["data"])
        found = message["result"]
        if not BY_NAME[step.operation].streams:
            return ("ok", found)
        steps = []
        for _ in range(step.count):
            params = self._lines.told()["params"]
            assert params.pop("subscription") == found["subscription"]
            steps.append(params)
        self._lines.ask("config/unwatch", {"subscription": found["subscription"]})
        self._lines.forget()
        return ("ok", steps)


class Tools:
    """An agent, which may write at two places of every realm."""

    UNREACHED: ClassVar[dict[str, str]] = {
        operation.name: "it is no tool" for operation in OPERATIONS if operation.tool is None
    }
    MALFORMED = True

    def __init__(self, store: str) -> None:
        self._lines = Lines(
            store,
            "mcp",
            "--allow-write",
            "--allow-path=/a",
            "--allow-path=/b",
            "--allow-realm=*",
        )
        self._lines.ask(
            "initialize",
            {
                "protocolVersion": "2025-06-18",
                "capabilities": {},
                "clientInfo": {"name": "parity", "version": "1"},
            },
        )
        self._lines.tell({"method": "notifications/initialized"})

    def close(self) -> None:
        self._lines.close()

    def states(self, _: Step) -> bool:
        return True

    def call(self, step: Step) -> Outcome:
        tool = BY_NAME[step.operation].tool
        message = self._lines.ask("tools/call", {"name": tool, "arguments": step.arguments})
        found = message["result"]
        shown = found["structuredContent"]
        assert json.loads(found["content"][0]["text"]) == shown
        if found.get("isError"):
            return refusal(shown)
        return ("ok", shown["result"])
