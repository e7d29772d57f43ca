"""
The async face: the same names, awaited.

Decides where a call runs, and nothing else: a read on the event loop when it is
no more than a look-up, everything else in a worker thread.  Most methods are made
from the synchronous ones, so that the two cannot drift apart.  A cancelled awaiter
does not cancel a write that has started: it is committed or refused all the same.
"""

from __future__ import annotations

import asyncio
import functools
from concurrent.futures import ThreadPoolExecutor
from inspect import isawaitable
from itertools import islice
from typing import (
    TYPE_CHECKING,
    Any,
    Concatenate,
    Generic,
    NamedTuple,
    ParamSpec,
    TypeVar,
    overload,
)

from realmconf.domain.names import LIMITS
from realmconf.runtime import arguments
from realmconf.runtime.client import TIMEOUT_SECONDS, Client, connect
from realmconf.runtime.envelope import EnvelopePolicy
from realmconf.runtime.follow import BehindError, follower_of, parse_after
from realmconf.runtime.hub import Hub, Look, awaiting_adoption
from realmconf.runtime.runtime import ConfigRuntime
from realmconf.runtime.watch import RETRY_SECONDS, Troubles, concerns
from realmconf.runtime.world import WORLD

if TYPE_CHECKING:
    from collections.abc import (
        AsyncIterator,
        Awaitable,
        Callable,
        Coroutine,
        Generator,
        Iterable,
        Mapping,
    )
    from typing import Self

    from realmconf.domain.names import Limits, RealmName
    from realmconf.domain.pointer import Pointer
    from realmconf.domain.revision import Policy
    from realmconf.errors import SchemaViolation
    from realmconf.runtime.envelope import ConfigEnvelope
    from realmconf.runtime.follow import After
    from realmconf.runtime.results import WatchedSnapshot
    from realmconf.runtime.snapshot import ConfigSnapshot
    from realmconf.runtime.sources import SecretSources
    from realmconf.runtime.world import World
    from realmconf.stores.protocol import Store, StoreInfo

Config = TypeVar("Config")
Parameters = ParamSpec("Parameters")
Result = TypeVar("Result")
Schema = TypeVar("Schema")
Async = TypeVar("Async", bound="Callable[..., object]")

READING_THREADS_MAX = 4
WRITING_THREADS_MAX = 16
"""Calls of one client that wait at the same time; the store takes writes one after the other anyway."""

EXPORT_LINES = 64
"""Lines that an export makes per visit to a worker thread."""


def in_thread(
    method: Callable[Concatenate[Any, Parameters], Result],
) -> Callable[Concatenate[Any, Parameters], Coroutine[Any, Any, Result]]:
    """The awaited form of *method*, which may wait for the turn: it runs in a writing thread of the client."""

    async def awaited(self: Any, /, *args: Parameters.args, **kwargs: Parameters.kwargs) -> Result:
        call = functools.partial(method, self.sync, *args, **kwargs)
        return await asyncio.get_running_loop().run_in_executor(self.threads.writing, call)

    functools.update_wrapper(awaited, method)
    return awaited


def in_reading_thread(
    method: Callable[Concatenate[Any, Parameters], Result],
) -> Callable[Concatenate[Any, Parameters], Coroutine[Any, Any, Result]]:
    """The awaited form of *method*, which reads: it never waits behind calls that wait for the turn."""

    async def awaited(self: Any, /, *args: Parameters.args, **kwargs: Parameters.kwargs) -> Result:
        call = functools.partial(method, self.sync, *args, **kwargs)
        return await asyncio.get_running_loop().run_in_executor(self.threads.reading, call)

    functools.update_wrapper(awaited, method)
    return awaited


class Threads:
    """A client's worker threads; reads have their own, so that waiting writers do not hold them up."""

    def __init__(self) -> None:
        self.writing = ThreadPoolExecutor(WRITING_THREADS_MAX, thread_name_prefix="realmconf-write")
        self.reading = ThreadPoolExecutor(READING_THREADS_MAX, thread_name_prefix="realmconf-read")

    def shutdown(self) -> None:
        """Wait for what has started, and take nothing more."""
        self.writing.shutdown()
        self.reading.shutdown()


def described_by(method: Callable[..., object]) -> Callable[[Async], Async]:
    """Give the decorated function the contract of *method*, which stands there once."""

    def describe(function: Async) -> Async:
        function.__doc__ = method.__doc__
        return function

    return describe


class _Advance(NamedTuple):
    """A step of a follower that is being made, in a thread."""

    running: asyncio.Future[Any]
    wakes: int
    """How many hints there were before."""


def _heed(running: asyncio.Future[Any]) -> None:
    if not running.cancelled():
        running.exception()


class AsyncWatch(Generic[Config]):
    """
    An async iterator over the generations after a cursor, each once and in order.

    Subscribed from construction on.  ``close()`` ends it, and so do *silence_seconds* without any.
    """

    def __init__(
        self,
        hub: Hub,
        sync: ConfigRuntime[Config],
        after: After,
        *,
        view: str,
        silence_seconds: float | None,
    ) -> None:
        client = sync.client
        realm = sync.realm_id
        start = parse_after(realm, after, view=view, limits=client.limits)
        self._hub = hub
        self.realm_id = realm
        self._silence_seconds = silence_seconds
        self._until: float | None = None
        self._follower = follower_of(client, sync.source, realm, start, view=view, adopt=False)
        self._last: Look | None = None
        self._waiting: asyncio.Future[Look | None] | None = None
        self._advance: _Advance | None = None
        self._closed = False

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> WatchedSnapshot[Config]:
        if self._silence_seconds is not None:
            self._until = self._hub.loop.time() + self._silence_seconds
        try:
            if self._hub.is_far:
                return await self._from_afar()
            wait = functools.partial(self._hub.wait, self._follower)
            look = None if self.is_closed() else self._hub.look(self._follower, self._last)
            while look is not None and not self.is_closed():
                self._last = look
                snapshot = self._follower.read(look.seen)
                if snapshot is not None:
                    return snapshot
                look = await self._next_look(wait)
        except StopAsyncIteration:
            pass
        except Exception:
            if not self.is_closed():
                raise
            # Whatever it is: the store was being closed by whoever closed this watch.
        self._closed = True
        self._follower.close()
        raise StopAsyncIteration

    async def _from_afar(self) -> WatchedSnapshot[Config]:
        """The next one of a store that takes a while to answer: asked in a thread if what was heard does not tell."""
        while not self.is_closed():
            sight = self._follower.sight
            seen = None if sight is None else sight.seen()
            try:
                snapshot = self._glanced()
                wait = functools.partial(self._hub.wait, self._follower, seen=seen)
            except BehindError:
                advance = self._advance = self._advance or self._begun()
                try:
                    # It moves on also when its awaiter is cancelled: whoever comes next is given what it has found.
                    snapshot = await asyncio.shield(advance.running)
                except Exception:
                    self._advance = None
                    raise
                if self._advance is not advance:
                    # Given to another awaiter.
                    continue
                self._advance = None
                wait = functools.partial(self._hub.wait_after, self._follower, advance.wakes)
            if snapshot is not None:
                return snapshot
            if await self._next_look(wait) is None:
                break
        raise StopAsyncIteration

    def _glanced(self) -> WatchedSnapshot[Config] | None:
        if self._advance is not None:
            # The follower is being moved on.
            raise BehindError
        return self._follower.glance()

    def _begun(self) -> _Advance:
        # Before the look, so that a hint during it asks for another one.
        wakes = self._hub.wakes
        loop = asyncio.get_running_loop()
        running = loop.run_in_executor(None, self._follower.step)
        # Whoever awaited it may be gone: what has failed is then said to nobody, not even to the log.
        running.add_done_callback(_heed)
        return _Advance(running, wakes)

    async def _next_look(self, wait: Callable[[], asyncio.Future[Look | None]]) -> Look | None:
        future = self._waiting = wait()
        try:
            # Of the next step, not of the next hint: others may write all the time.
            async with asyncio.timeout_at(self._until):
                return await future
        except TimeoutError:
            return None
        finally:
            self._waiting = None
            self._hub.leave(self._follower, future)

    def is_closed(self) -> bool:
        """Whether the iteration has ended, or will before its next snapshot."""
        return self._closed or self._hub.closed

    def close(self) -> None:
        """End the iteration, also one that is being awaited. Idempotent."""
        self._closed = True
        self._follower.close()
        if self._waiting is not None and not self._waiting.done():
            self._waiting.set_result(None)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        self.close()


class AsyncSubscription:
    """
    A callback on changes, called from a task of the loop, until ``cancel()`` or the end of the client.

    What fails is logged; the callback is called no more after what trying again would not mend.
    """

    def __init__(
        self, watch: AsyncWatch[Any], callback: Callable[[Any], object], *, pointer: Pointer
    ) -> None:
        self._watch = watch
        self._callback = callback
        self._pointer = pointer
        self._troubles = Troubles(watch.realm_id)
        self._task = asyncio.get_running_loop().create_task(self._run())

    def cancel(self) -> None:
        """Call the callback no more; one that is under way goes on to its end."""
        self._watch.close()

    async def _run(self) -> None:
        while True:
            try:
                async for snapshot in self._watch:
                    self._troubles.over()
                    if concerns(snapshot, self._pointer):
                        await self._call(snapshot)
                return
            except Exception as failure:  # noqa: BLE001 - in the log
                if not self._troubles.may_go_on_after(failure):
                    self._watch.close()
                    return
                await asyncio.sleep(RETRY_SECONDS)

    async def _call(self, snapshot: WatchedSnapshot[Any]) -> None:
        try:
            returned = self._callback(snapshot)
            if isawaitable(returned):
                await returned
        except Exception:
            # The callback is the user's, and the next change is still owed to it.
            import logging

            logging.getLogger("realmconf").exception(
                "a callback on changes of realm %s failed", snapshot.realm_id
            )


class AsyncConfigRuntime(Generic[Config]):
    """``ConfigRuntime``, awaited; made by ``AsyncClient.realm``."""

    def __init__(self, client: AsyncClient, sync: ConfigRuntime[Config]) -> None:
        self._client = client
        self.sync = sync
        self.threads = client.threads

    @property
    def client(self) -> AsyncClient:
        """The client this handle belongs to."""
        return self._client

    @property
    def realm_id(self) -> RealmName:
        """The realm's name."""
        return self.sync.realm_id

    @property
    def current(self) -> Config:
        """As ``ConfigRuntime.current``; needs no await, since it is a look at memory."""
        return self.sync.current

    @property
    def current_age(self) -> float:
        """As ``ConfigRuntime.current_age``."""
        return self.sync.current_age

    @described_by(ConfigRuntime.get)
    async def get(self) -> ConfigSnapshot[Config]:
        # A look-up of microseconds is answered here; a thread would cost ten times that.
        client = self._client.sync
        realm = self.sync.realm_id
        point = client.lineages.peek(realm)
        if point is None and client.store.info.fresh_read == "memory":
            point = client.lineages.point(realm, adopt=False)
        if point is None or awaiting_adoption(point):
            return await asyncio.get_running_loop().run_in_executor(
                self.threads.reading, self.sync.get
            )
        return self.sync.snapshot_of(point)

    at = in_reading_thread(ConfigRuntime.at)
    history = in_reading_thread(ConfigRuntime.history)
    diff = in_reading_thread(ConfigRuntime.diff)
    explain = in_reading_thread(ConfigRuntime.explain)
    validate = in_reading_thread(ConfigRuntime.validate)
    verify = in_reading_thread(ConfigRuntime.verify)
    settle = in_thread(ConfigRuntime.settle)
    set = in_thread(ConfigRuntime.set)
    set_value = in_thread(ConfigRuntime.set_value)
    unset = in_thread(ConfigRuntime.unset)
    patch = in_thread(ConfigRuntime.patch)
    json_patch = in_thread(ConfigRuntime.json_patch)
    delete = in_thread(ConfigRuntime.delete)
    rollback = in_thread(ConfigRuntime.rollback)
    update = in_thread(ConfigRuntime.update)
    set_policy = in_thread(ConfigRuntime.set_policy)
    set_parent = in_thread(ConfigRuntime.set_parent)
    set_schema = in_thread(ConfigRuntime.set_schema)
    unset_schema = in_thread(ConfigRuntime.unset_schema)
    publish_schema = in_thread(ConfigRuntime.publish_schema)
    working_copy = in_reading_thread(ConfigRuntime.working_copy)
    publish = in_thread(ConfigRuntime.publish)
    resolve = in_thread(ConfigRuntime.resolve)
    restyle = in_thread(ConfigRuntime.restyle)

    @property
    def policy(self) -> Awaitable[Policy]:
        """As ``ConfigRuntime.policy``, awaited."""
        return asyncio.get_running_loop().run_in_executor(
            self.threads.reading, lambda: self.sync.policy
        )

    @property
    def parent(self) -> Awaitable[RealmName | None]:
        """As ``ConfigRuntime.parent``, awaited."""
        return asyncio.get_running_loop().run_in_executor(
            self.threads.reading, lambda: self.sync.parent
        )

    @property
    def schema(self) -> Awaitable[Mapping[str, Any] | None]:
        """As ``ConfigRuntime.schema``, awaited."""
        return asyncio.get_running_loop().run_in_executor(
            self.threads.reading, lambda: self.sync.schema
        )

    @described_by(ConfigRuntime.envelope)
    async def envelope(
        self, *, policy: EnvelopePolicy = EnvelopePolicy.PUBLIC, view: str = "own"
    ) -> ConfigEnvelope:
        return (await self.get()).envelope(policy=policy, view=view)

    @described_by(ConfigRuntime.watch)
    def watch(
        self, after: After = None, *, view: str = "effective", timeout: float | None = None
    ) -> AsyncWatch[Config]:
        silence = None if timeout is None else arguments.timeout_seconds(timeout, default=0.0)
        return AsyncWatch(self._client.hub(), self.sync, after, view=view, silence_seconds=silence)

    @described_by(ConfigRuntime.on_change)
    def on_change(
        self,
        callback: Callable[[WatchedSnapshot[Config]], object],
        *,
        pointer: str | Pointer = "",
        after: After = None,
        view: str = "effective",
    ) -> AsyncSubscription:
        place = arguments.pointer(pointer)
        return AsyncSubscription(self.watch(after, view=view), callback, pointer=place)

    async def close(self) -> None:
        """Close the client, and with it every handle of it."""
        await self._client.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    def __repr__(self) -> str:
        return f"AsyncConfigRuntime({str(self.realm_id)!r})"


class AsyncClient:
    """``Client``, awaited; made by ``aconnect``. For one event loop at a time."""

    def __init__(self, sync: Client) -> None:
        self.sync = sync
        self.threads = Threads()
        self._hub: Hub | None = None

    @property
    def info(self) -> StoreInfo:
        """What this store promises, and where it is weaker."""
        return self.sync.info

    @property
    def secrets(self) -> SecretSources:
        """Where references to secrets lead."""
        return self.sync.secrets

    @property
    def url(self) -> str:
        """What opens this store again."""
        return self.sync.url

    if TYPE_CHECKING:

        @overload
        def realm(
            self,
            name: str,
            *,
            schema: Mapping[str, Any] | None = None,
            on_invalid: str = "raise",
            invalid_call: Callable[[SchemaViolation, ConfigSnapshot[Any]], object] | None = None,
        ) -> AsyncConfigRuntime[Mapping[str, Any]]: ...
        @overload
        def realm(
            self,
            name: str,
            *,
            schema: type[Schema],
            on_invalid: str = "raise",
            invalid_call: Callable[[SchemaViolation, ConfigSnapshot[Any]], object] | None = None,
        ) -> AsyncConfigRuntime[Schema]: ...

    @described_by(Client.realm)
    def realm(
        self,
        name: str,
        *,
        schema: Any = None,
        on_invalid: str = "raise",
        invalid_call: Callable[[SchemaViolation, ConfigSnapshot[Any]], object] | None = None,
    ) -> AsyncConfigRuntime[Any]:
        return AsyncConfigRuntime(
            self,
            self.sync.realm(name, schema=schema, on_invalid=on_invalid, invalid_call=invalid_call),
        )

    realms = in_reading_thread(Client.realms)
    descendants = in_reading_thread(Client.descendants)
    transaction = in_thread(Client.transaction)
    rename = in_thread(Client.rename)
    copy = in_thread(Client.copy)
    compact = in_thread(Client.compact)
    purge = in_thread(Client.purge)
    backup = in_thread(Client.backup)
    restore = in_thread(Client.restore)
    import_ = in_thread(Client.import_)
    publish = in_thread(Client.publish)

    @described_by(Client.export)
    async def export(
        self, *, realms: Iterable[str] | None = None, redacted: bool = False
    ) -> AsyncIterator[str]:
        lines = self.sync.export(realms=realms, redacted=redacted)
        loop = asyncio.get_running_loop()
        while batch := await loop.run_in_executor(
            self.threads.reading, lambda: list(islice(lines, EXPORT_LINES))
        ):
            for line in batch:
                yield line

    def hub(self) -> Hub:
        """The one subscription of this client on the running loop."""
        loop = asyncio.get_running_loop()
        if self._hub is None or self._hub.loop is not loop:
            self._hub = Hub(self.sync.store, loop)
        return self._hub

    async def close(self) -> None:
        """Wait for writes that have started, finish what is pending and release everything. Idempotent."""
        if self._hub is not None:
            self._hub.close()
        loop = asyncio.get_running_loop()
        await loop.run_in_executor(None, self._close)

    def _close(self) -> None:
        self.threads.shutdown()
        self.sync.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    def __repr__(self) -> str:
        return f"Async{self.sync!r}"


class Connecting:
    """A client being opened: await it, or enter it as an async context manager."""

    def __init__(self, opening: Callable[[], Client]) -> None:
        self._opening = opening
        self._client: AsyncClient | None = None

    def __await__(self) -> Generator[Any, None, AsyncClient]:
        return self._open().__await__()

    async def _open(self) -> AsyncClient:
        loop = asyncio.get_running_loop()
        return AsyncClient(await loop.run_in_executor(None, self._opening))

    async def __aenter__(self) -> AsyncClient:
        self._client = await self._open()
        return self._client

    async def __aexit__(self, *_: object) -> None:
        if self._client is not None:
            await self._client.close()


@described_by(connect)
def aconnect(
    store: str | Store | None = None,
    *,
    author: str | None = None,
    surface: str = "sdk",
    timeout: float = TIMEOUT_SECONDS,
    read_only: bool = False,
    limits: Limits = LIMITS,
    instance_id: str | None = None,
    secrets: SecretSources | None = None,
    sees_secrets: bool = True,
    world: World = WORLD,
) -> Connecting:
    return Connecting(
        functools.partial(
            connect,
            store,
            author=author,
            surface=surface,
            timeout=timeout,
            read_only=read_only,
            limits=limits,
            instance_id=instance_id,
            secrets=secrets,
            sees_secrets=sees_secrets,
            world=world,
        )
    )
