"""
MCP over standard input and output, for the one client that has started this process.

Decides that standard output carries frames only, that a frame has a size, and who the caller is: this process, and
what its client calls itself.
"""

from __future__ import annotations

import logging
import sys
import threading
from typing import TYPE_CHECKING, Any

import anyio
import anyio.to_thread
from mcp.server.stdio import stdio_server
from mcp.shared.message import SessionMessage
from mcp_types import INVALID_REQUEST, PARSE_ERROR, ErrorData, JSONRPCError
from pydantic import ValidationError

from realmconf.runtime.access import OWNER
from realmconf.surfaces.interruption import interruptible
from realmconf.surfaces.mcp.rights import narrowed
from realmconf.surfaces.mcp.server import UNNAMED, Host

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import BinaryIO

    from realmconf.domain.names import RealmName
    from realmconf.runtime.access import Grant
    from realmconf.runtime.client import Client
    from realmconf.surfaces.mcp.rights import Allowance

FRAME_BYTES_MAX = 4 * 1_048_576
_TOO_LONG = "too long\n"
"""What a frame that is too long is read as: no frame."""


def host_for(client: Client, allowed: Allowance, *, default_realm: RealmName | None) -> Host:
    """A host whose callers have the store in hand, as who starts a process does."""
    # Plans of one process are no other process's, though both serve clients of one name.
    process = client.world.random_bytes(8).hex()

    def grant_of(_: Any, name: str | None) -> Grant:
        name = name or UNNAMED
        return narrowed(OWNER, allowed, caller=f"stdio {process} {name}", author=f"mcp:{name}")

    return Host(client, grant_of=grant_of, default_realm=default_realm)


def serve(client: Client, allowed: Allowance, *, default_realm: RealmName) -> None:
    """Answer until standard input ends."""
    # What the SDK would say of a frame could quote it, and nobody reads it here.
    logging.getLogger("mcp").addHandler(logging.NullHandler())
    logging.getLogger("mcp").propagate = False
    host = host_for(client, allowed, default_realm=default_realm)
    _in_thread(lambda: anyio.run(_serve, host))


async def _serve(host: Host) -> None:
    standard_input: Any = Frames(sys.stdin.buffer)
    try:
        async with (
            stdio_server(stdin=standard_input) as (incoming, outgoing),
            anyio.create_task_group() as tasks,
        ):
            passed, messages = anyio.create_memory_object_stream[Any](0)
            tasks.start_soon(_pass_on, incoming, outgoing, passed)
            options = host.server.create_initialization_options()
            await host.server.run(messages, outgoing, options)
            tasks.cancel_scope.cancel()
    except* BrokenPipeError:
        # Nobody reads the answers any more.
        pass
    finally:
        host.close()


async def _pass_on(incoming: Any, outgoing: Any, passed: Any) -> None:
    """Pass messages on; what is none is answered here, since the SDK drops it and its sender would wait."""
    async with passed:
        async for item in incoming:
            if isinstance(item, Exception):
                await outgoing.send(SessionMessage(_no_message(item)))
            else:
                await passed.send(item)


def _no_message(found: Exception) -> JSONRPCError:
    is_json = isinstance(found, ValidationError) and all(
        error["type"] != "json_invalid" for error in found.errors(include_input=False)
    )
    if is_json:
        error = ErrorData(code=INVALID_REQUEST, message="not a JSON-RPC message")
    else:
        error = ErrorData(code=PARSE_ERROR, message="not JSON, or longer than a frame may be")
    return JSONRPCError(jsonrpc="2.0", id=None, error=error)


class Frames:
    """Lines of bounded length from standard input, as the transport reads them."""

    def __init__(self, source: BinaryIO) -> None:
        self._source = source

    def __aiter__(self) -> Frames:
        return self

    async def __anext__(self) -> str:
        # Whoever ends does not wait for a line that may never come.
        line = await anyio.to_thread.run_sync(self.read, abandon_on_cancel=True)
        if not line:
            raise StopAsyncIteration
        return line

    def read(self) -> str:
        """The next line; one that is too long is passed over in bounded memory, and read as no frame."""
        line = self._source.readline(FRAME_BYTES_MAX + 1)
        while line in (b"\n", b"\r\n"):
            line = self._source.readline(FRAME_BYTES_MAX + 1)
        if len(line) <= FRAME_BYTES_MAX:
            return line.decode("utf-8", "replace")
        while line and not line.endswith(b"\n"):
            line = self._source.readline(FRAME_BYTES_MAX)
        return _TOO_LONG


def _in_thread(serving: Callable[[], None]) -> None:
    """
    Serve in a thread of its own, and wait for its end here.

    A read of standard input cannot be called off: a signal ends this wait, and with it the process, and not the read.
    """
    failed: list[BaseException] = []

    def run() -> None:
        try:
            serving()
        except BaseException as failure:  # noqa: BLE001 - raised again where somebody waits
            failed.append(failure)

    thread = threading.Thread(target=run, name="realmconf-mcp", daemon=True)
    thread.start()
    with interruptible():
        thread.join()
    if failed:
        raise failed[0]
