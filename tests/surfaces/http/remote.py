"""A server for tests of the remote store: one that ends and comes back at its port, and stores that ask it."""

from __future__ import annotations

from tests.surfaces.http.conftest import Thread, wait_until_ready

from realmconf.domain.names import LIMITS
from realmconf.runtime.client import Client, connect
from realmconf.runtime.tokens import Tokens
from realmconf.stores.registry import open_store
from realmconf.surfaces.http.serving import Process, listen
from realmconf.surfaces.http.settings import Settings


class Restarted:
    """A server that can be ended and started again at its port."""

    def __init__(self, store: str) -> None:
        self._store = store
        self.port = 0
        self.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        self.client = connect(self._store)
        listening = listen("127.0.0.1", self.port)
        self.port = listening.getsockname()[1]
        self._thread = Thread(Process(self.client, Settings()), listening)
        self._thread.start()
        wait_until_ready(self.url)

    def stop(self) -> None:
        self._thread.stop()
        self.client.close()

    def asked_with(self, *roles: str, realms: str = "*", author: str | None = None) -> Client:
        """A client of this server with a token of its own."""
        made = Tokens(self.client).create(realms=realms, roles=roles, author="t", surface="sdk")
        store = open_store(self.url, limits=LIMITS, token_for=lambda _: made.text)
        return Client(store, author=author)
