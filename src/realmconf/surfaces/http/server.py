"""
What all requests of one process share: the store, its callers, worker threads, one subscription.

Decides where work runs: what is no more than a look-up on the event loop, everything else in threads, reads in
threads of their own, and no more of it waiting than ``settings.PENDING_MAX``.
"""

from __future__ import annotations

import asyncio
import functools
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from realmconf.errors import RateLimited, StoreNotInstalled
from realmconf.runtime.hub import Hub
from realmconf.runtime.tokens import Tokens
from realmconf.surfaces.http.access import Access
from realmconf.surfaces.http.metrics import Metrics
from realmconf.surfaces.http.settings import PENDING_MAX, Settings
from realmconf.surfaces.http.streams import Streams

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
        self._reading = ThreadPoolExecutor(READING_THREADS_MAX, thread_name_prefix="http-read")
        self._writing = ThreadPoolExecutor(WRITING_THREADS_MAX, thread_name_prefix="http-write")
        self._pending = 0
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
        """Run a *call* that reads."""
        return await self._in_thread(self._reading, call, arguments)

    async def writing(self, call: Callable[..., Result], *arguments: Any) -> Result:
        """Run a *call* that may wait for the turn to write; once it has started, it is carried out."""
        return await self._in_thread(self._writing, call, arguments)

    async def _in_thread(
        self, threads: ThreadPoolExecutor, call: Callable[..., Result], arguments: tuple[Any, ...]
    ) -> Result:
        if self._pending >= PENDING_MAX:
            raise RateLimited("requests at the same time", retry_after_seconds=1.0)
        self._pending += 1
        try:
            loop = asyncio.get_running_loop()
            return await loop.run_in_executor(threads, functools.partial(call, *arguments))
        finally:
            self._pending -= 1

    async def stop(self) -> None:
        """Let streams and waits end, and begin no new ones. Idempotent."""
        self.stopping.set()
        for mounted in self._mounted.values():
            mounted.close_streams()
        if self._streams is not None:
            await self._streams.close()

    async def close(self) -> None:
        """End what the server has opened; what was being written is written. Idempotent."""
        await self.stop()
        for mounted in self._mounted.values():
            await mounted.close()
        if self._hub is not None:
            self._hub.close()
        await asyncio.get_running_loop().run_in_executor(None, self._shutdown)

    def _shutdown(self) -> None:
        self._writing.shutdown()
        self._reading.shutdown()
