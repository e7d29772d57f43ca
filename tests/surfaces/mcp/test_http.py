"""MCP at `/mcp` of `realmconf serve`: tokens, several processes, and streams that end."""

from __future__ import annotations

import asyncio
import json
import signal
import socket
import subprocess
import sys
from contextlib import asynccontextmanager
from typing import Any

import httpx2
import pytest
from mcp import Client
from mcp.client.streamable_http import streamable_http_client
from mcp.shared.exceptions import MCPError
from mcp_types import Implementation
from starlette.testclient import TestClient
from tests.surfaces.mcp.agents import (
    ADDRESS,
    ERAS,
    REALM,
    answer,
    planned,
    refusal,
    state,
    subscribe,
)

from realmconf.errors import InvalidArgument
from realmconf.runtime.access import OWNER
from realmconf.runtime.tokens import Tokens
from realmconf.surfaces.mcp.http import GRANT, asgi_app

JSON_AND_STREAM = {"accept": "application/json, text/event-stream"}


def started(words, stderr) -> Any:
    """A process whose output the test reads."""
    return subprocess.Popen(words, stdout=subprocess.PIPE, stderr=stderr)


class Server:
    """One `realmconf serve` on the test's store."""

    def __init__(self, store, *words, stderr=None) -> None:
        command = [sys.executable, "-m", "realmconf", "--store", store, "-o", "json"]
        self.process = started([*command, "serve", "--port", "0", *words], stderr)
        self.url = json.loads(self.process.stdout.readline())["url"] + "mcp"

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        code = self.process.wait(60)
        self.process.stdout.close()
        return code


@pytest.fixture
def serving(client, tmp_path):
    """Starts servers on the store of the test, and stops them."""
    running: list[Server] = []

    def start(*words, stderr=None):
        server = Server(str(tmp_path / "store"), *words, stderr=stderr)
        running.append(server)
        return server

    yield start
    for server in running:
        if server.process.returncode is None:
            server.stop()


@pytest.fixture
def token(client):
    """Makes tokens."""

    def make(*roles, realms=("*",), paths=(), name="ci"):
        return Tokens(client).create(
            realms=realms, roles=roles, paths=paths, name=name, author="ada", surface="sdk"
        )

    return make


@asynccontextmanager
async def asking(server, token, *, mode="auto", name="claude-code"):
    """An agent of the SDK over HTTP."""
    headers = {"Authorization": f"Bearer {token.text}"}
    info = Implementation(name=name, version="1")
    async with httpx2.AsyncClient(headers=headers, timeout=60) as http:
        transport = streamable_http_client(server.url, http_client=http)
        async with Client(transport, mode=mode, client_info=info) as agent:
            yield agent


WRITING = ("--allow-write", "--allow-path", "/agent", "--allow-path", "/db/host")


@pytest.mark.parametrize("mode", ERAS)
def test_a_plan_is_carried_out_by_any_process(client, team, serving, token, mode):
    """What one process has planned another one applies, once; the history has the client's and the token's name."""
    first, second = serving(*WRITING), serving(*WRITING, "--workers", "2")
    made = token("write")

    async def scenario():
        async with (
            asking(first, made, mode=mode) as one,
            asking(second, made, mode=mode) as other,
        ):
            plan_id = await planned(one, {"agent": {"limit": 5}}, realm=REALM)
            assert (await answer(other, "config_apply", plan_id=plan_id))["generation"] == 2
            for agent in (one, other):
                found = await refusal(agent, "config_apply", plan_id=plan_id)
                assert (found["code"], found["reason"]) == ("plan_invalid", "replayed")
            waiting = asyncio.create_task(
                answer(one, "config_watch_once", realm=REALM, after=2, wait=60)
            )
            plan_id = await planned(other, {"agent": {"limit": 6}}, realm=REALM)
            await answer(other, "config_apply", plan_id=plan_id)
            assert (await waiting)["changes"][0]["after"] == 6
            read = (await one.read_resource(ADDRESS)).contents[0]
            assert json.loads(read.text)["generation"] == 3

    asyncio.run(scenario())
    newest = team.history(limit=1)[0]
    assert newest.author == ("mcp:ci" if mode == "legacy" else "mcp:claude-code@ci")
    assert newest.surface == "mcp"


@pytest.mark.parametrize("mode", ERAS)
def test_an_agent_s_author_tells_the_maker_of_its_token(client, team, serving, token, mode):
    """A token that was made with another one is told with that one's name, however it is called itself."""
    maker = Tokens(client).grant_of(token("admin", name="team").text)
    assert maker is not None
    made = Tokens(client).create(
        realms=["*"], roles=["write"], name="x@alice", maker=maker, author="team", surface="http"
    )
    server = serving(*WRITING)

    async def scenario():
        async with asking(server, made, mode=mode) as agent:
            plan_id = await planned(agent, {"agent": {"limit": 5}}, realm=REALM)
            await answer(agent, "config_apply", plan_id=plan_id)

    asyncio.run(scenario())
    shown = "x-alice (team)" if mode == "legacy" else "claude-code@x-alice (team)"
    assert team.history(limit=1)[0].author == f"mcp:{shown}"


def test_a_token_narrows_what_the_server_allows(client, serving, token):
    """An agent writes where server and token both allow it; a plan is its token's; a realm must be named."""
    server = serving(*WRITING)
    narrow = token("write", paths=["/agent/limit", "/other"], realms=["team*"], name="narrow")
    wide = token("admin", "secrets", name="wide")
    reader = token("read", realms=[REALM], name="reader")
    client.realm("elsewhere").set({"agent": {"limit": 1}})
    before = state(client)

    async def refused(agent, patch, realm=REALM):
        found = await refusal(
            agent, "config_plan", realm=realm, patch=patch, expected_generation=1, reason="r"
        )
        assert found["code"] == "not_permitted"

    async def scenario():
        async with (
            asking(server, narrow) as few,
            asking(server, wide) as many,
            asking(server, reader) as none,
        ):
            plan_id = await planned(few, {"agent": {"limit": 5}}, realm=REALM)
            await refused(few, {"agent": {"model": "x"}})
            await refused(few, {"other": 1})
            await refused(few, {"agent": {"limit": 5}}, realm="elsewhere")
            assert (await refusal(few, "config_get", realm="elsewhere"))["code"] == "not_permitted"
            assert (await refusal(few, "config_get"))["code"] == "invalid_argument"
            found = await refusal(many, "config_apply", plan_id=plan_id)
            assert (found["code"], found["reason"]) == ("plan_invalid", "unknown")
            await refused(many, {"mixed": {"open": 2}})
            await refused(many, {"realm": {REALM: {"parent": "elsewhere"}}})
            await refused(many, {"db": {"password": "x"}})
            shown = await answer(many, "config_get", realm=REALM, path="/db/password")
            assert shown.startswith("«secret:")
            assert {tool.name for tool in (await many.list_tools()).tools} >= {"config_apply"}
            listed = (await none.list_tools()).tools
            assert not {"config_plan", "config_apply"} & {tool.name for tool in listed}
            assert all("realm" in tool.input_schema["required"] for tool in listed)
            await refused(none, {"agent": {"limit": 5}})
            found = await refusal(none, "config_apply", plan_id=plan_id)
            assert found["code"] == "not_permitted"
            assert [one.name for one in (await none.list_resources()).resources] == [REALM]
            assert state(client) == before
            assert (await answer(few, "config_apply", plan_id=plan_id))["changed"]

    asyncio.run(scenario())


def test_a_server_lets_agents_read_unless_it_is_told_otherwise(client, serving, token):
    """Without `--allow-write` no token lets an agent write."""
    server = serving()
    made = token("admin")

    async def scenario():
        async with asking(server, made) as agent:
            assert len((await agent.list_tools()).tools) == 5
            found = await refusal(
                agent,
                "config_plan",
                realm=REALM,
                patch={"agent": {"limit": 5}},
                expected_generation=1,
                reason="r",
            )
            assert found["code"] == "not_permitted"

    asyncio.run(scenario())


def test_streams_end_with_their_token_and_with_the_server(client, team, serving, token):
    """A stream tells of changes until its token is revoked, or the server ends, which waits for no stream or call."""
    server = serving()
    revoked, kept = token("read", name="revoked"), token("read", name="kept")

    async def scenario():
        async with (
            asking(server, revoked) as one,
            asking(server, kept) as other,
            one.listen(resource_subscriptions=[ADDRESS]) as ending,
            other.listen(resource_subscriptions=[ADDRESS]) as going_on,
        ):
            await asyncio.to_thread(team.set_value, "agent.limit", 2)
            assert (await anext(ending)).uri == (await anext(going_on)).uri == ADDRESS
            await asyncio.to_thread(
                Tokens(client).revoke, revoked.token.id, author="ada", surface="sdk"
            )
            assert [event async for event in ending] == []
            await asyncio.to_thread(team.set_value, "agent.limit", 3)
            assert (await anext(going_on)).uri == ADDRESS
            waiting = asyncio.create_task(
                answer(other, "config_watch_once", realm=REALM, after=3, wait=60)
            )
            assert (await answer(other, "config_get", realm=REALM))["generation"] == 3
            server.process.send_signal(signal.SIGTERM)
            assert [event async for event in going_on] == []
            # It was told that there was nothing, or had not begun to wait and was not answered any more.
            await asyncio.wait([waiting])
            assert waiting.exception() is not None or waiting.result()["changed"] is False

    asyncio.run(scenario())
    assert server.stop() == 143


def test_the_older_protocol_has_no_subscriptions_here(client, serving, token):
    """Where every request stands for itself nothing could be told later: `resources/subscribe` is not there."""
    server = serving()
    made = token("read")

    async def scenario():
        async with asking(server, made, mode="legacy") as agent:
            assert not agent.server_capabilities.resources.subscribe
            with pytest.raises(MCPError, match="not found"):
                await subscribe(agent, ADDRESS)

    asyncio.run(scenario())


def test_only_who_may_is_answered(client, serving, token):
    """No token, another host's name, a foreign origin and another method than POST are refused before anything else."""
    server = serving()
    bearer = {"Authorization": f"Bearer {token('read').text}"}
    hello = {"jsonrpc": "2.0", "id": 1, "method": "ping"}
    with httpx2.Client(headers=JSON_AND_STREAM, timeout=60) as http:
        assert http.post(server.url, json=hello).status_code == 401
        assert (
            http.post(server.url, json=hello, headers={"Authorization": "Bearer rc_x"}).status_code
            == 401
        )
        assert http.post(server.url, json=hello, headers=bearer).status_code == 200
        for more, statuses in [
            ({"Host": "evil.test"}, {403, 421}),
            ({"Origin": "http://evil.test"}, {403}),
            ({"Origin": "null"}, {403}),
        ]:
            answered = http.post(server.url, json=hello, headers={**bearer, **more})
            assert answered.status_code in statuses
        for method in ("GET", "DELETE", "PUT"):
            answered = http.request(method, server.url, headers=bearer)
            assert (answered.status_code, answered.headers["allow"]) == (405, "POST")
        large = http.post(server.url, content=b"x" * 300_000, headers=bearer)
        assert large.status_code == 413


def test_those_who_wait_hold_up_nobody(client, team, serving, token):
    """However many callers wait for changes, they and others are answered meanwhile."""
    server = serving()
    made = [token("read", name=f"c{number}") for number in range(6)]
    last = token("write", name="last")

    def asked(http, one, tool, **arguments):
        params = {"name": tool, "arguments": {"realm": REALM, **arguments}}
        request = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params}
        headers = {"Authorization": f"Bearer {one.text}", **JSON_AND_STREAM}
        return http.post(server.url, json=request, headers=headers)

    async def scenario(http):
        waiting = [
            asyncio.create_task(asked(http, one, tool, after=1, wait=60))
            for one in made
            for tool in ["config_watch_once", "config_get"] * 7
        ]
        for one in [*made, last]:
            found = (await asked(http, one, "config_get")).json()["result"]
            assert found["structuredContent"]["result"]["generation"] == 1
        assert not any(one.done() for one in waiting)
        await asyncio.to_thread(team.set_value, "agent.limit", 2)
        answers = [(await one).json()["result"]["structuredContent"] for one in waiting]
        assert {one["result"]["generation"] for one in answers} == {2}

    async def main():
        limits = httpx2.Limits(max_connections=None)
        async with httpx2.AsyncClient(timeout=60, limits=limits) as http:
            await scenario(http)

    asyncio.run(main())


@pytest.fixture
def half(serving, token, tmp_path):
    """Sends the head of a request, and so much of its body; returns the connection."""
    with open(tmp_path / "said", "wb") as said:
        server = serving(stderr=said)
        host, port = server.url.split("/")[2].split(":")
        head = (
            f"POST /mcp HTTP/1.1\r\nHost: {host}:{port}\r\n"
            f"Authorization: Bearer {token('read').text}\r\n"
            "Content-Type: application/json\r\nAccept: application/json, text/event-stream\r\n"
            "Content-Length: 100\r\n\r\n"
        )

        def send(body):
            connection = socket.create_connection((host, int(port)), timeout=60)
            connection.sendall(head.encode() + body)
            return connection

        yield send
        server.stop()


def test_a_message_that_does_not_come_is_not_waited_for(half):
    """A request whose message does not come is answered with 408, as everywhere."""
    with half(b"{") as connection:
        assert connection.recv(65_536).startswith(b"HTTP/1.1 408 ")


def test_who_hangs_up_is_no_defect(half, tmp_path):
    """Nothing is said of a client that leaves in the middle of its request."""
    for _ in range(3):
        half(b"{").close()
    with half(b"[" + b" " * 98 + b"]") as connection:
        # After those: a whole one, which is answered.
        assert connection.recv(65_536).startswith(b"HTTP/1.1 400 ")
    assert b"Traceback" not in (tmp_path / "said").read_bytes()


# --- mounted by anybody ---------------------------------------------------------------------------


def test_without_a_grant_nothing_is_answered(client):
    """Whoever mounts it must have said who asks: a request without a grant in its scope is refused."""
    with TestClient(asgi_app(client)) as http:
        answered = http.post("/", json={"jsonrpc": "2.0", "id": 1, "method": "ping"})
        assert (answered.status_code, answered.json()["code"]) == (401, "unauthenticated")


def test_it_can_check_hosts_itself(client):
    """With *hosts* a request under another name is refused here, as DNS rebinding would make it."""
    app = asgi_app(client, hosts=["localhost:*"], grant_of_request=lambda _: OWNER)
    hello = {"jsonrpc": "2.0", "id": 1, "method": "ping"}
    with TestClient(app, base_url="http://localhost:7411") as http:
        assert http.post("/", json=hello, headers=JSON_AND_STREAM).status_code == 200
        headers = {**JSON_AND_STREAM, "host": "evil.test"}
        assert http.post("/", json=hello, headers=headers).status_code == 421
        headers = {**JSON_AND_STREAM, "origin": "http://evil.test"}
        assert http.post("/", json=hello, headers=headers).status_code == 403


def test_after_its_end_nothing_is_answered(client):
    """A server that has ended it answers nothing more by it."""
    app = asgi_app(client)

    async def scenario():
        await app.close()
        await app.close()
        sent = []

        async def send(message):
            sent.append(message)

        async def receive():
            raise AssertionError("nobody reads what nobody answers")

        await app({"type": "http", "method": "POST", GRANT: OWNER}, receive, send)
        assert sent[0]["status"] == 503

    asyncio.run(scenario())


def test_who_mounts_it_alone_is_told_of_no_client_that_left(client, caplog):
    """Also without a server that reads the message first, one that does not come whole is no defect."""
    app = asgi_app(client, grant_of_request=lambda _: OWNER)
    headers = [
        (name.encode(), value.encode())
        for name, value in {**JSON_AND_STREAM, "content-type": "application/json"}.items()
    ]

    async def scenario(version):
        messages = [
            {"type": "http.disconnect"},
            {"type": "http.request", "body": b"{", "more_body": True},
        ]

        async def receive():
            return messages.pop()

        async def send(_):
            pass

        scope = {
            "type": "http",
            "method": "POST",
            "path": "/",
            "query_string": b"",
            "headers": [*headers, (b"mcp-protocol-version", version)],
        }
        await app(scope, receive, send)

    async def main():
        for version in (b"2025-06-18", b"2026-07-28"):
            await scenario(version)
        await app.close()

    asyncio.run(main())
    assert [record.message for record in caplog.records if record.exc_info] == []


def test_what_a_server_allows_is_checked_when_it_is_made(client):
    """Leave that makes no sense is refused before anything is served."""
    for given in ({"allow_write": True}, {"allow_path": ["/a"]}):
        with pytest.raises(InvalidArgument):
            asgi_app(client, **given)
