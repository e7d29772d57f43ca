"""
What all requests of one process share: the store, its callers, worker threads, one subscription.

Decides where work runs: what is no more than a look-up on the event loop, everything else in threads, those of reads
apart from those of writes, and whether the server is well besides both.
"""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from realmconf.errors import OutcomeUnknown, StoreNotInstalled
from realmconf.runtime.hub import Hub
from realmconf.runtime.tokens import Tokens
from realmconf.surfaces.http.access import Access
from realmconf.surfaces.http.metrics import Metrics
from realmconf.surfaces.http.problems import Problem
from realmconf.surfaces.http.settings import Settings
from realmconf.surfaces.http.streams import Streams
from realmconf.surfaces.http.work import Pool

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.types import Receive, Scope, Send

    from realmconf.runtime.client import Client
    from realmconf.surfaces.http.settings import Mount

Result = TypeVar("Result")

READING_THREADS_MAX = 8
WRITING_THREADS_MAX = 16
"""The store takes writes one after the other anyway."""


class Mounted(Protocol):
    """An ASGI application of another surface, which finds the caller's grant in the scope."""

    body_bytes_max: int
    """Of one request: it is read before the application is called."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        ...

    def close_streams(self) -> None:
        """Begin to end."""
        ...

    async def close(self) -> None:
        """End."""
        ...


def made(mount: Mount, client: Client) -> Mounted:
    """
    A new application of another surface.

    Raises:
        StoreNotInstalled: It needs an optional package.
        RealmconfError: Its options are refused.
    """
    module, _, name = mount.make.partition(":")
    try:
        make = getattr(__import__(module, fromlist=[name]), name)
    except ModuleNotFoundError as missing:
        if (missing.name or "").startswith("realmconf"):
            raise
        raise StoreNotInstalled(mount.path, extra=mount.extra) from None
    found: Mounted = make(client, **dict(mount.options))
    return found


class Server:
    """One process's server of one open store, which is not its to close."""

    def __init__(self, client: Client, settings: Settings | None = None) -> None:
        self.client = client
        self.settings = Settings() if settings is None else settings
        self.tokens = Tokens(client)
        self.access = Access(client, self.tokens, self.settings)
        self.metrics = Metrics(self.settings.metrics_folder)
        self._reading = Pool("http-read", threads_max=READING_THREADS_MAX)
        self._writing = Pool("http-write", threads_max=WRITING_THREADS_MAX)
        self._probing = ThreadPoolExecutor(1, thread_name_prefix="http-probe")
        self._probe: asyncio.Future[object] | None = None
        self.reads_in_memory = client.info.fresh_read == "memory"
        """Whether the newest state, and who a token is, is a look at memory; else it is asked for in a thread."""
        self._hub: Hub | None = None
        self._stopping: asyncio.Event | None = None
        self._streams: Streams | None = None
        self._mounted: dict[str, Mounted] = {}

    # --- on the event loop -------------------------------------------------------------------

    @property
    def hub(self) -> Hub:
        """The one subscription of this process."""
        if self._hub is None:
            self._hub = Hub(self.client.store, asyncio.get_running_loop())
        return self._hub

    @property
    def stopping(self) -> asyncio.Event:
        """Set when the server is about to end: whatever waits, or streams, ends at once."""
        if self._stopping is None:
            self._stopping = asyncio.Event()
        return self._stopping

    @property
    def streams(self) -> Streams:
        """The event streams of this process."""
        if self._streams is None:
            self._streams = Streams(self.client, self.tokens, hub=self.hub)
        return self._streams

    def mounted(self, mount: Mount) -> Mounted:
        """
        The application of another surface, made when it is first asked for.

        Raises:
            StoreNotInstalled: It needs an optional package.
        """
        found = self._mounted.get(mount.path)
        if found is None:
            found = self._mounted[mount.path] = made(mount, self.client)
        return found

    async def reading(self, call: Callable[..., Result], *arguments: Any) -> Result:
        """
        Run a *call* that reads.

        Raises:
            Problem: The server has too much to do, or ends (503).
            RateLimited: The caller has too much under way.
        """
        ending = Problem("stopping", "the server is about to end")
        return await self._reading.run(partial(call, *arguments), unknown=ending)

    async def writing(
        self,
        call: Callable[..., Result],
        *arguments: Any,
        write_id: str | None = None,
        realm: str | None = None,
    ) -> Result:
        """
        Run a *call* that may wait for the turn to write; once it has started, it is carried out.

        Raises:
            Problem: The server has too much to do; or it ends, and nothing was begun (503).
            RateLimited: The caller has too much under way.
            OutcomeUnknown: The server ends before the write of *write_id* is done; it goes on.
        """
        unknown = OutcomeUnknown(write_id, realm=realm, reason="the server is about to end")
        return await self._writing.run(partial(call, *arguments), unknown=unknown)

    async def probe(self) -> None:
        """
        Raise what a look at the store raises now; all who ask meanwhile share one look, and wait behind nobody.

        Raises:
            StoreError: It cannot be read.
        """
        if self._probe is None:
            loop = asyncio.get_running_loop()
            self._probe = loop.run_in_executor(self._probing, self.tokens.ledger.read)
            self._probe.add_done_callback(self._probed)
        await asyncio.shield(self._probe)

    def _probed(self, probe: asyncio.Future[object]) -> None:
        self._probe = None
        # Seen to, also where whoever asked is gone.
        probe.exception()

    async def stop(self) -> None:
        """Let streams and waits end, and begin no new ones. Idempotent."""
        self.stopping.set()
        for mounted in self._mounted.values():
            mounted.close_streams()
        if self._streams is not None:
            await self._streams.close()

    def give_up(self) -> None:
        """Answer whatever still waits for a thread, or for what a thread does: the time to end is over. Idempotent."""
        self._reading.give_up()
        self._writing.give_up()

    async def close(self) -> None:
        """End what the server has opened; what was being written is written. Idempotent."""
        await self.stop()
        for mounted in self._mounted.values():
            await mounted.close()
        if self._hub is not None:
            self._hub.close()
        await asyncio.get_running_loop().run_in_executor(None, self._shutdown)

    def _shutdown(self) -> None:
        self._writing.close()
        self._reading.close()
        self._probing.shutdown()
