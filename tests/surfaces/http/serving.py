"""``realmconf serve`` as a process of its own."""

from __future__ import annotations

import re
import subprocess
import sys
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import httpx

PATIENCE_SECONDS = 60.0
LINK = re.compile(r"http://([^/]+):(\d+)/(?:#token=(rc_[A-Za-z0-9_-]+))?")


@dataclass
class Served:
    """A server process, where it listens, and the token that it printed."""

    process: Any
    port: int
    token: str | None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def http(self, token: str | None = None) -> httpx.Client:
        """A client with a connection of its own: with several workers any of them may have it."""
        text = token or self.token
        headers = {"Authorization": f"Bearer {text}"}
        return httpx.Client(base_url=self.url, headers=headers, timeout=PATIENCE_SECONDS)

    def end(self, number: int) -> int:
        self.process.send_signal(number)
        return int(self.process.wait(PATIENCE_SECONDS))


@contextmanager
def served(store, *options: str):
    """``realmconf --store STORE serve --port 0 …``, ended with the block."""
    words = [sys.executable, "-m", "realmconf", "--store", str(store), "--author", "ada"]
    process = subprocess.Popen(
        [*words, "serve", "--port", "0", *options],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stderr is not None
    try:
        line = process.stdout.readline()
        found = LINK.search(line)
        assert found, line + process.stderr.read()
        yield Served(process, int(found[2]), found[3])
    finally:
        if process.poll() is None:
            process.terminate()
        process.wait(PATIENCE_SECONDS)
        process.stdout.close()
        process.stderr.close()
