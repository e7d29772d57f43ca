"""A server as a user runs it, on a free port of this machine, on a store of the test's own."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest

from realmconf.runtime.client import connect
from realmconf.runtime.tokens import Tokens
from realmconf.surfaces.http.serving import Process, listen
from realmconf.surfaces.http.settings import Settings

PATIENCE_SECONDS = 30.0
ROLES = {
    "reader": ("read",),
    "writer": ("write",),
    "admin": ("admin",),
    "owner": ("admin", "secrets"),
}


@dataclass
class Running:
    """A server that runs in a thread of the test's process."""

    client: Any
    """The client whose store it serves, for the test's own look at it."""
    process: Process
    port: int
    tokens: dict[str, str] = field(default_factory=dict)
    """By role: reader, writer, admin, and owner, who sees secrets too."""

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def headers(self, role: str = "admin") -> dict[str, str]:
        return {"Authorization": f"Bearer {self.tokens[role]}"}

    def http(self, role: str | None = "admin", **options: Any) -> httpx.Client:
        """A client for a caller of this role; None: without a token."""
        headers = {} if role is None else self.headers(role)
        headers |= options.pop("headers", {})
        return httpx.Client(base_url=self.url, headers=headers, timeout=PATIENCE_SECONDS, **options)

    def mint(self, *roles: str, realms: str = "*", **options: Any) -> str:
        """A token of the test's own."""
        made = Tokens(self.client).create(
            realms=[realms], roles=roles, author="test", surface="sdk", **options
        )
        return made.text


class Thread(threading.Thread):
    """The thread in which a server runs, until it is told to stop."""

    def __init__(self, process: Process, listening: Any) -> None:
        super().__init__(name="server", daemon=True)
        self.process = process
        self._listening = listening
        self.failure: BaseException | None = None

    def run(self) -> None:
        try:
            self.process.run([self._listening])
        except BaseException as failure:  # noqa: BLE001 - raised by whoever stops it
            self.failure = failure

    def stop(self) -> None:
        self.process.should_exit = True
        self.join(PATIENCE_SECONDS)
        assert not self.is_alive()
        if self.failure is not None:
            raise self.failure


def wait_until_ready(url: str) -> None:
    """Return when the server answers: connections wait in its backlog until then."""
    assert httpx.get(f"{url}/readyz", timeout=PATIENCE_SECONDS).status_code == 200


@pytest.fixture
def start_server(tmp_path):
    """Starts a server with settings of the test's own on ``tmp_path / "store"``; all end with the test."""
    stops = []

    def start(*, store: str | None = None, **settings: Any) -> Running:
        client = connect(str(tmp_path / "store") if store is None else store)
        stops.append(client.close)
        listening = listen("127.0.0.1", 0)
        port = listening.getsockname()[1]
        thread = Thread(Process(client, Settings(**settings)), listening)
        stops.append(thread.stop)
        thread.start()
        running = Running(client=client, process=thread.process, port=port)
        for role, roles in ROLES.items():
            running.tokens[role] = running.mint(*roles, name=role)
        wait_until_ready(running.url)
        return running

    yield start
    for stop in reversed(stops):
        stop()


@pytest.fixture
def server(start_server) -> Running:
    """A server on a fresh embedded root, with a token of each role."""
    return start_server()
