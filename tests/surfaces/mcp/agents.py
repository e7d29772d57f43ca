"""What the tests of MCP have in common: clients of the SDK, hosts in memory, and what an agent does."""

from __future__ import annotations

import asyncio
import json
from contextlib import asynccontextmanager
from typing import Any

import pytest
from mcp import Client
from mcp_types import Implementation, ResourceUpdatedNotification

from realmconf.domain.names import RealmName
from realmconf.surfaces.mcp.rights import allowance
from realmconf.surfaces.mcp.stdio import host_for

REALM = "team"
ADDRESS = f"realmconf://{REALM}/config"
DOCUMENT: dict[str, Any] = {
    "agent": {"model": "m", "limit": 1, "list": [1, 2], "style": {"tone": "dry"}},
    "agentx": {"n": 1},
    "db": {"host": "h", "password": "hunter2"},
    "mixed": {"open": 1, "token": "t-1"},
    "hook": "secret://env/HOOK",
}
ERAS = ("legacy", "auto")
"""The handshake of 2025, and the requests that stand for themselves of 2026."""


@asynccontextmanager
async def connected(host, *, mode="auto", name="claude-code", **more):
    """A client of the SDK, in memory."""
    info = Implementation(name=name, version="1")
    async with Client(host.server, mode=mode, client_info=info, **more) as agent:
        yield agent


@asynccontextmanager
async def hosted(client, *, paths=(), realms=(), mode="auto", name="claude-code", **more):
    """A host of its own for one client; with *paths* it may write there."""
    allowed = allowance(
        allow_write=bool(paths), paths=paths, realms=realms, default_realms=(REALM,)
    )
    host = host_for(client, allowed, default_realm=RealmName(REALM))
    try:
        async with connected(host, mode=mode, name=name, **more) as agent:
            yield agent
    finally:
        host.close()


async def answer(agent, tool, **arguments):
    """What a tool answers, when it is no error; the text says the same."""
    found = await agent.call_tool(tool, arguments)
    assert not found.is_error, found.structured_content
    assert json.loads(found.content[0].text) == found.structured_content
    return found.structured_content["result"]


async def refusal(agent, tool, **arguments):
    """The error object that a tool answers with; the text says the same."""
    found = await agent.call_tool(tool, arguments)
    assert found.is_error, found.structured_content
    assert json.loads(found.content[0].text) == found.structured_content
    return found.structured_content


async def planned(agent, patch, *, generation=None, reason="because", **more):
    """The id of a plan made on what the agent has just read."""
    if generation is None:
        generation = (await answer(agent, "config_get", **more))["generation"]
    found = await answer(
        agent, "config_plan", patch=patch, expected_generation=generation, reason=reason, **more
    )
    return found["plan_id"]


def state(client):
    """Everything that a refused write must leave as it was."""
    found = {}
    for entry in client.realms():
        snapshot = client.realm(entry.realm).get()
        found[str(entry.realm)] = (snapshot.generation, snapshot.etag)
    return found


class News:
    """What a client of the handshake is told."""

    def __init__(self) -> None:
        self.heard: asyncio.Queue[str] = asyncio.Queue()

    async def __call__(self, message):
        if isinstance(message, ResourceUpdatedNotification):
            self.heard.put_nowait(message.params.uri)


async def subscribe(agent, address):
    with pytest.warns(Warning, match="resources/subscribe"):
        await agent.subscribe_resource(address)
