"""Resources: each realm's configuration, and news of it for whoever has asked."""

from __future__ import annotations

import asyncio
import json

import pytest
from mcp.shared.exceptions import MCPError
from tests.surfaces.mcp.agents import ADDRESS, ERAS, REALM, News, connected, hosted, subscribe

from realmconf.errors import Unauthenticated
from realmconf.runtime.access import OWNER, Grant
from realmconf.surfaces.mcp import pace
from realmconf.surfaces.mcp.rights import READ_ONLY, narrowed
from realmconf.surfaces.mcp.server import Host


async def unsubscribe(agent, address):
    with pytest.warns(Warning, match="resources/unsubscribe"):
        await agent.unsubscribe_resource(address)


@pytest.mark.parametrize("mode", ERAS)
def test_a_realm_s_configuration_is_a_resource(client, mode):
    """A resource is the envelope of the effective view, with its generation; the realms that exist are listed."""
    client.realm("child").set({"own": 1})
    client.realm("child").set_parent(REALM)
    client.realm("gone").set({"a": 1})
    client.realm("gone").delete()

    async def scenario():
        async with hosted(client, mode=mode) as agent:
            listed = (await agent.list_resources()).resources
            assert [one.uri for one in listed] == ["realmconf://child/config", ADDRESS]
            template = (await agent.list_resource_templates()).resource_templates[0]
            assert template.uri_template == "realmconf://{realm}/config"
            read = (await agent.read_resource("realmconf://child/config")).contents[0]
            found = json.loads(read.text)
            assert (read.mime_type, found["view"], found["generation"]) == (
                "application/json",
                "effective",
                2,
            )
            assert (found["config"]["own"], found["config"]["agent"]["model"]) == (1, "m")

    asyncio.run(scenario())


def test_many_realms_are_listed_in_pages(client):
    """A list of resources goes on where the page before has ended."""
    for number in range(150):
        client.realm(f"r{number:03}").set({"n": number})

    async def scenario():
        async with hosted(client) as agent:
            page = await agent.list_resources()
            found = list(page.resources)
            while page.next_cursor:
                page = await agent.list_resources(cursor=page.next_cursor)
                found += page.resources
            assert [one.name for one in found] == [*(f"r{n:03}" for n in range(150)), REALM]

    asyncio.run(scenario())


@pytest.mark.parametrize("mode", ERAS)
@pytest.mark.parametrize(
    "address",
    [
        "realmconf://../config",
        "realmconf://team/secrets",
        "realmconf://team/config/../x",
        "realmconf://team/config?view=own",
        "realmconf://_plans/config",
        "realmconf://a b/config",
        "file:///etc/passwd",
        "",
        "x" * 10_000,
    ],
)
def test_nothing_else_is_a_resource(client, mode, address):
    """Any other address is an error of the protocol that carries the error object."""

    async def scenario():
        async with hosted(client, mode=mode) as agent:
            with pytest.raises(MCPError) as refused:
                await agent.read_resource(address)
            assert refused.value.error.data["code"] in {"invalid_argument", "invalid_realm"}

    asyncio.run(scenario())


def test_a_subscriber_is_told(client, team):
    """After `resources/subscribe` every change of what applies to the realm is told, also of a parent's."""
    client.realm("child").set({"own": 1})
    client.realm("child").set_parent(REALM)
    child = "realmconf://child/config"

    async def scenario():
        news = News()
        async with hosted(client, mode="legacy", message_handler=news) as agent:
            await subscribe(agent, child)
            await subscribe(agent, child)
            await asyncio.to_thread(team.set_value, "agent.limit", 2)
            assert await news.heard.get() == child
            await asyncio.to_thread(client.realm("child").set_value, "own", 2)
            assert await news.heard.get() == child
            await subscribe(agent, ADDRESS)
            await unsubscribe(agent, child)
            await asyncio.to_thread(team.set_value, "agent.limit", 3)
            assert await news.heard.get() == ADDRESS
            assert news.heard.empty()

    asyncio.run(scenario())


def test_a_listener_is_told(client, team):
    """A stream of `subscriptions/listen` tells of the realms that it asked for, each on its own."""
    client.realm("quiet").set({"a": 1})

    async def scenario():
        wanted = [ADDRESS, "realmconf://later/config", "realmconf://../config", "nonsense"]
        async with (
            hosted(client) as agent,
            agent.listen(resource_subscriptions=wanted, tools_list_changed=True) as stream,
        ):
            assert stream.honored.resource_subscriptions == wanted[:2]
            assert not stream.honored.tools_list_changed
            await asyncio.to_thread(client.realm("quiet").set_value, "a", 2)
            await asyncio.to_thread(team.set_value, "agent.limit", 2)
            assert (await anext(stream)).uri == ADDRESS
            await asyncio.to_thread(client.realm("later").set, {"a": 1})
            assert (await anext(stream)).uri == wanted[1]

    asyncio.run(scenario())


class Narrow:
    """Hosts for a caller that may read one realm, for as long as the test wants."""

    def __init__(self, client) -> None:
        self.is_good = True
        self.host = Host(client, grant_of=self._grant_of, is_current=lambda _: self.is_good)

    def _grant_of(self, _, name):
        if not self.is_good:
            raise Unauthenticated
        grant = Grant(id="t-1", name="ci", roles=frozenset(("read",)), realms=(REALM,))
        return narrowed(grant, READ_ONLY, caller=grant.id, author=f"mcp:{name}")


def test_nobody_hears_of_what_they_may_not_read(client, team):
    """Realms that a caller may not read are neither listed, read nor told of; that they exist is not told."""
    client.realm("hidden").set({"a": 1})
    hidden = "realmconf://hidden/config"

    async def scenario():
        narrow = Narrow(client)
        async with connected(narrow.host) as agent:
            assert [one.uri for one in (await agent.list_resources()).resources] == [ADDRESS]
            refusals = []
            for address in (hidden, "realmconf://absent/config"):
                with pytest.raises(MCPError) as refused:
                    await agent.read_resource(address)
                refusals.append({**refused.value.error.data, "realm": "", "message": ""})
            assert refusals[0] == refusals[1]
            async with agent.listen(resource_subscriptions=[hidden, ADDRESS]) as stream:
                assert stream.honored.resource_subscriptions == [ADDRESS]
                await asyncio.to_thread(client.realm("hidden").set_value, "a", 2)
                await asyncio.to_thread(team.set_value, "agent.limit", 2)
                assert (await anext(stream)).uri == ADDRESS
        async with connected(narrow.host, mode="legacy") as agent:
            with pytest.raises(MCPError, match="not permitted"):
                await subscribe(agent, hidden)
        narrow.host.close()

    asyncio.run(scenario())


def test_a_stream_ends_with_its_caller_s_rights(client):
    """A caller whose token has ended is told nothing more: its streams end, and nothing else is answered."""

    async def scenario():
        narrow = Narrow(client)
        async with connected(narrow.host) as agent:
            async with agent.listen(resource_subscriptions=[ADDRESS]) as stream:
                narrow.is_good = False
                assert [event async for event in stream] == []
            with pytest.raises(MCPError) as refused:
                await agent.call_tool("config_get", {"realm": REALM})
            assert refused.value.error.data["code"] == "unauthenticated"
        narrow.host.close()

    asyncio.run(scenario())


def test_subscriptions_end_with_the_server_and_with_the_connection(client):
    """When the server ends it says so on every stream; nothing of an ended connection is followed any more."""

    async def scenario():
        def grant_of(_, name):
            return narrowed(OWNER, READ_ONLY, caller="a", author="mcp:a")

        host = Host(client, grant_of=grant_of)
        async with connected(host, mode="legacy") as agent:
            await subscribe(agent, ADDRESS)
            assert len(host.updates._connections) == 1
        assert not host.updates._connections
        async with (
            connected(host) as agent,
            agent.listen(resource_subscriptions=[ADDRESS]) as stream,
        ):
            waits = {"realm": REALM, "after": 1, "wait": 60}
            waiting = [
                asyncio.create_task(agent.call_tool("config_watch_once", waits)) for _ in range(16)
            ]
            # Which counts as no call, and is answered after those have begun.
            await agent.list_tools()
            while not (await agent.call_tool("config_get", {"realm": REALM})).is_error:
                await asyncio.sleep(0)
            host.close()
            for found in await asyncio.gather(*waiting):
                assert found.structured_content["result"]["changed"] is False
            assert [event async for event in stream] == []
            refused = await agent.call_tool("config_get", {"realm": REALM})
            assert refused.structured_content["code"] == "store_unavailable"

    asyncio.run(scenario())


@pytest.mark.parametrize("tool", ["config_watch_once", "config_get"])
def test_a_wait_ends_with_the_rights_of_its_caller(client, tool):
    """A call that waits is told at once that its caller's rights have ended, and not what happens after."""
    current = True

    def grant_of(_, name):
        return narrowed(OWNER, READ_ONLY, caller="a", author="mcp:a")

    async def scenario():
        nonlocal current
        host = Host(client, grant_of=grant_of, is_current=lambda _: current)
        async with connected(host) as agent:
            waits = {"realm": REALM, "after": 1, "wait": 60}
            waiting = asyncio.create_task(agent.call_tool(tool, waits))
            while not host._pace._waits:
                await asyncio.sleep(0)
            current = False
            assert (await waiting).structured_content["code"] == "unauthenticated"
            assert not host._pace.running
        host.close()

    asyncio.run(scenario())


def test_so_many_calls_wait(client, monkeypatch):
    """More calls than may wait at once are told to come again, whoever makes them."""
    monkeypatch.setattr(pace, "WAITS_MAX", 1)

    async def scenario():
        async with hosted(client) as agent:
            waiting = asyncio.create_task(
                agent.call_tool("config_watch_once", {"after": 1, "wait": 60})
            )
            await agent.list_tools()
            # The one or the other is the second.
            other = asyncio.create_task(
                agent.call_tool("config_watch_once", {"after": 1, "wait": 60})
            )
            first, _ = await asyncio.wait((waiting, other), return_when=asyncio.FIRST_COMPLETED)
            (refused,) = first
            assert "calls that wait" in refused.result().structured_content["message"]
            await asyncio.to_thread(client.realm(REALM).set_value, "agent.limit", 3)
            found = [(await one).is_error for one in (waiting, other)]
            assert sorted(found) == [False, True]

    asyncio.run(scenario())


def test_a_connection_has_so_many_subscriptions(client):
    """More than 256 realms are told of to no connection and no stream."""
    addresses = [f"realmconf://r{number}/config" for number in range(257)]

    async def scenario():
        async with hosted(client) as agent:
            with pytest.raises(MCPError) as refused:
                async with agent.listen(resource_subscriptions=addresses):
                    pass
            assert refused.value.error.data["code"] == "limit_exceeded"

    asyncio.run(scenario())


def test_closing_a_client_ends_the_waits_of_everybody_on_its_store(client):
    """A call that waits for somebody else's agent ends with the store that it waits on."""
    acting = client.acting(
        author="mcp:a", surface="mcp", sees_secrets=False, scope=None, may_read=None
    )
    watch = acting.realm(REALM).watch()
    client.close()
    assert list(watch) == []
