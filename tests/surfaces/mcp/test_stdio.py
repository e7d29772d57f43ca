"""`realmconf mcp`: a real process, its standard streams, and how it ends."""

from __future__ import annotations

import asyncio
import ctypes
import json
import os
import signal
import subprocess
import sys
from typing import Any

import pytest
from mcp import Client, StdioServerParameters
from mcp.shared.subscriptions import ResourceUpdated
from tests.surfaces.mcp.agents import (
    ADDRESS,
    ERAS,
    REALM,
    News,
    answer,
    planned,
    refusal,
    subscribe,
)

import realmconf
from realmconf.errors import StoreNotInstalled
from realmconf.surfaces.mcp.command import not_installed
from realmconf.surfaces.mcp.stdio import FRAME_BYTES_MAX

COMMAND = [sys.executable, "-m", "realmconf"]
HELLO = {
    "jsonrpc": "2.0",
    "id": 1,
    "method": "initialize",
    "params": {
        "protocolVersion": "2025-06-18",
        "capabilities": {},
        "clientInfo": {"name": "raw", "version": "1"},
    },
}


@pytest.fixture
def words(client, tmp_path):
    return ["--store", str(tmp_path / "store"), "--realm", REALM, "mcp"]


def parameters(words, *more):
    environment = {name: value for name, value in os.environ.items() if "REALMCONF" not in name}
    return StdioServerParameters(
        command=COMMAND[0], args=[*COMMAND[1:], *words, *more], env=environment
    )


@pytest.fixture
def started(words):
    """Starts a server whose frames the test writes itself; ended and closed afterwards."""
    running: list[Any] = []

    def start(*more):
        process = subprocess.Popen(
            [*COMMAND, *words, *more],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=os.environ | {"PYTHONFAULTHANDLER": "1"},
        )
        running.append(process)
        return process

    yield start
    for process in running:
        process.kill()
        process.wait()
        for stream in (process.stdin, process.stdout, process.stderr):
            stream.close()


def send(process, frame):
    text = frame if isinstance(frame, bytes) else json.dumps(frame).encode()
    process.stdin.write(text + b"\n")
    process.stdin.flush()


def ended(process):
    """The exit code of *process*; one that does not end says where each of its threads stands."""
    try:
        return process.wait(30)
    except subprocess.TimeoutExpired:
        process.send_signal(signal.SIGABRT)
        pytest.fail(process.communicate()[1].decode())


def greet(process):
    send(process, HELLO)
    return json.loads(process.stdout.readline())["result"]


@pytest.mark.parametrize("mode", ERAS)
def test_an_agent_works_with_a_process(words, team, mode):
    """A client of the SDK starts the command, reads, is refused, plans, applies and hears of a change."""

    async def scenario():
        server = parameters(words, "--allow-write", "--allow-path", "/agent")
        news = News()
        async with Client(server, mode=mode, message_handler=news) as agent:
            assert (await answer(agent, "config_get"))["generation"] == 1
            found = await refusal(
                agent, "config_plan", patch={"db": {"host": "x"}}, expected_generation=1, reason="r"
            )
            assert found["code"] == "not_permitted"
            plan_id = await planned(agent, {"agent": {"limit": 5}})
            assert (await answer(agent, "config_apply", plan_id=plan_id))["generation"] == 2
            again = await refusal(agent, "config_apply", plan_id=plan_id)
            assert again["code"] == "plan_invalid"
            waiting = asyncio.create_task(answer(agent, "config_watch_once", after=2, wait=60))
            await asyncio.to_thread(team.set_value, "agent.limit", 6)
            assert (await waiting)["changes"][0]["after"] == 6
            if mode == "auto":
                async with agent.listen(resource_subscriptions=[ADDRESS]) as stream:
                    await asyncio.to_thread(team.set_value, "agent.limit", 7)
                    assert await anext(stream) == ResourceUpdated(ADDRESS)
            else:
                await subscribe(agent, ADDRESS)
                await asyncio.to_thread(team.set_value, "agent.limit", 7)
                assert await news.heard.get() == ADDRESS

    asyncio.run(scenario())
    assert [one.author for one in team.history()][-2] == "mcp:mcp"
    assert team.get().document["agent"]["limit"] == 7


def test_without_leave_a_process_only_reads(words, team):
    """Without `--allow-write` the command lists no writer, and refuses one that is called."""

    async def scenario():
        async with Client(parameters(words)) as agent:
            names = [tool.name for tool in (await agent.list_tools()).tools]
            assert "config_plan" not in names
            found = await refusal(
                agent,
                "config_plan",
                patch={"agent": {"limit": 2}},
                expected_generation=1,
                reason="r",
            )
            assert found["code"] == "not_permitted"

    asyncio.run(scenario())
    assert team.get().generation == 1


def test_realms_are_allowed_by_pattern(words, client):
    """`--allow-realm` repeats, and what it names may be written."""

    async def scenario():
        more = ["--allow-write", "--allow-path", "/", "--allow-realm", "a-*", "--allow-realm", "b"]
        async with Client(parameters(words, *more)) as agent:
            for realm in ("a-1", "b"):
                plan_id = await planned(agent, {"n": 1}, realm=realm)
                await answer(agent, "config_apply", plan_id=plan_id)
            found = await refusal(
                agent, "config_plan", patch={"n": 1}, expected_generation=1, reason="r"
            )
            assert found["code"] == "not_permitted"

    asyncio.run(scenario())
    assert client.realm("a-1").get().document == {"n": 1}


@pytest.mark.parametrize(
    "more",
    [
        ["--allow-write"],
        ["--allow-path", "/agent"],
        ["--allow-realm", "team"],
        ["--allow-write", "--allow-path", "/realm"],
    ],
)
def test_options_that_make_no_sense_are_refused(words, more):
    """What the options do not allow is said before anything is served, with the exit code of its error."""
    done = subprocess.run([*COMMAND, *words, *more], input=b"", capture_output=True, check=False)
    assert (done.returncode, done.stdout) == (4, b"")
    assert b"[invalid_argument]" in done.stderr


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_signal_ends_it_at_once(started, number, code):
    """A signal ends the process though its client holds the pipe open and waits for an answer."""
    process = started()
    greet(process)
    waiting = {"name": "config_watch_once", "arguments": {"wait": 60}}
    send(process, {"jsonrpc": "2.0", "id": 2, "method": "tools/call", "params": waiting})
    send(process, {"jsonrpc": "2.0", "id": 3, "method": "ping"})
    assert json.loads(process.stdout.readline())["id"] == 3
    process.send_signal(number)
    assert ended(process) == code
    assert process.stderr.read() == b""


@pytest.mark.skipif(sys.platform != "linux", reason="/proc and tgkill are Linux's")
def test_a_signal_that_another_thread_takes_ends_it(started):
    """A signal ends the process whichever of its threads the kernel hands it to."""
    process = started()
    greet(process)
    *_, another = sorted(int(one) for one in os.listdir(f"/proc/{process.pid}/task"))
    assert another != process.pid
    libc = ctypes.CDLL(None, use_errno=True)
    assert libc.tgkill(process.pid, another, signal.SIGTERM) == 0
    assert ended(process) == 143
    assert process.stderr.read() == b""


def test_the_end_of_standard_input_ends_it(started):
    """When its client goes, the process ends with success, also while an answer is being waited for."""
    process = started()
    greet(process)
    waiting = {"name": "config_watch_once", "arguments": {"wait": 60}}
    send(process, {"jsonrpc": "2.0", "id": 2, "method": "tools/call", "params": waiting})
    process.stdin.close()
    assert ended(process) == 0
    assert process.stderr.read() == b""


def test_an_end_of_standard_output_ends_it(started):
    """When nobody reads its answers any more, the process ends and says nothing of it."""
    process = started()
    process.stdout.close()
    send(process, HELLO)
    assert ended(process) == 0
    assert process.stderr.read() == b""


def test_what_is_no_message_is_answered_with_an_error(started):
    """Garbage, half a frame, one that is nested without end and one of more than 4 MiB are refused, and it goes on."""
    process = started()
    greet(process)
    for garbage, code in (
        (b"nonsense", -32700),
        (b'{"jsonrpc": "2.0", "id":', -32700),
        (b"[" * 100_000, -32700),
        (b"\xff\xfe\x00", -32700),
        (b'{"jsonrpc":"2.0","id":7,"method":"ping","params":{"x":"\\ud800"}}', -32700),
        (b'{"x": "' + b"x" * FRAME_BYTES_MAX + b'"}', -32700),
        (b'{"x": 1}', -32600),
        (b"[]", -32600),
        (b"7", -32600),
    ):
        send(process, garbage)
        told = json.loads(process.stdout.readline())
        assert (told["id"], told["error"]["code"]) == (None, code)
    send(process, b"")
    send(process, {"jsonrpc": "2.0", "id": 2, "method": "ping"})
    assert json.loads(process.stdout.readline()) == {"jsonrpc": "2.0", "id": 2, "result": {}}
    process.stdin.close()
    assert ended(process) == 0
    assert process.stdout.read() == b""
    assert process.stderr.read() == b""


def test_standard_output_carries_frames_only(started):
    """What anything else prints does not reach the client."""
    program = (
        "import sys\n"
        "from realmconf.runtime.operations import reading\n"
        "def get(session, **_):\n"
        "    print('a stray line'); import os; os.write(1, b'another\\n')\n"
        "    raise ZeroDivisionError('hunter2')\n"
        "reading.get = get\n"
        "from realmconf.surfaces.cli import main\n"
        "main()\n"
    )
    words = started().args[len(COMMAND) :]
    process: Any = subprocess.Popen(
        [sys.executable, "-c", program, *words],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    with process:
        greet(process)
        got = {"name": "config_get", "arguments": {}}
        send(process, {"jsonrpc": "2.0", "id": 2, "method": "tools/call", "params": got})
        told = json.loads(process.stdout.readline())
        assert told["error"]["code"] == -32603
        assert "ZeroDivisionError" in told["error"]["message"]
        assert "hunter2" not in str(told)
        process.stdin.close()
        assert process.stdout.read() == b""
        assert b"hunter2" not in process.stderr.read()


def test_a_missing_package_names_the_extra():
    """Without the SDK the error says what to install; what else is missing is no such error."""
    missing = not_installed(ModuleNotFoundError(name="mcp.server"))
    assert isinstance(missing, StoreNotInstalled)
    assert "realmconf[mcp]" in str(missing)
    other = ModuleNotFoundError(name="realmconf.elsewhere")
    assert not_installed(other) is other


def test_nobody_else_loads_the_sdk():
    """Neither the library nor the command's own module loads it."""
    program = (
        "import sys, realmconf, realmconf.surfaces.mcp.command\n"
        "sys.exit(any(name.split('.')[0] in ('mcp', 'mcp_types', 'anyio') for name in sys.modules))"
    )
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
    assert realmconf.__version__
