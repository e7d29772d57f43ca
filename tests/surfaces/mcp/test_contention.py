"""An agent beside busy writers: other people's writes elsewhere cost it nothing."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from typing import Any

import pytest
from mcp import Client
from tests.surfaces.mcp.agents import REALM, answer
from tests.surfaces.mcp.test_stdio import parameters

WRITERS = 8
RUNS = 100
WRITER = """
import sys, threading, realmconf
store, number = sys.argv[1:]
ended = threading.Event()
threading.Thread(target=lambda: (sys.stdin.read(), ended.set()), daemon=True).start()
with realmconf.connect(store, author=f"writer-{number}", timeout=60) as client:
    realm, count = client.realm("team"), 0
    while not ended.is_set():
        count += 1
        realm.set_value(f"load.w{number}", count)
        if count == 1:
            print("begun", flush=True)
print(count)
"""


@pytest.fixture
def writers(client, tmp_path):
    """Processes that write the same realm without a pause, each at its own place; ended by closing their input."""
    started: list[Any] = [
        subprocess.Popen(
            [sys.executable, "-c", WRITER, str(tmp_path / "store"), str(number)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for number in range(WRITERS)
    ]
    for process in started:
        assert process.stdout.readline() == "begun\n"
    yield started
    for process in started:
        process.stdin.close()
    for process in started:
        process.wait()
        process.stdout.close()


async def change(agent, number):
    """What a good agent does: read, plan, apply; again from the start after a conflict.  How many plans it took."""
    for attempt in range(1, 6):
        generation = (await answer(agent, "config_get"))["generation"]
        arguments = {
            "patch": {"agent": {"limit": number}},
            "expected_generation": generation,
            "reason": f"run {number}",
        }
        planned = await agent.call_tool("config_plan", arguments)
        if planned.is_error:
            assert planned.structured_content["code"] == "generation_conflict"
            continue
        plan_id = planned.structured_content["result"]["plan_id"]
        applied = await agent.call_tool("config_apply", {"plan_id": plan_id})
        if not applied.is_error:
            assert applied.structured_content["result"]["config"]["agent"]["limit"] == number
            return attempt
        assert applied.structured_content["code"] == "generation_conflict"
    return attempt + 1


@pytest.mark.serial
@pytest.mark.timeout(600)
def test_an_agent_needs_one_plan_beside_eight_busy_writers(client, team, writers, tmp_path):
    """In at least 95 of 100 runs a change is made with one plan, applied once; nothing of anybody is lost."""
    words = ["--store", str(tmp_path / "store"), "--realm", REALM, "--timeout", "60", "mcp"]

    async def scenario():
        server = parameters(words, "--allow-write", "--allow-path", "/agent")
        async with Client(server) as agent:
            return [await change(agent, 1_000 + number) for number in range(RUNS)]

    attempts = asyncio.run(scenario())
    for process in writers:
        process.stdin.close()
    counts = [int(process.stdout.read()) for process in writers]
    assert sum(taken == 1 for taken in attempts) >= 0.95 * RUNS, attempts
    document = team.get().document
    assert document["load"] == {f"w{number}": count for number, count in enumerate(counts)}
    assert document["agent"]["limit"] == 1_000 + RUNS - 1
    assert team.get().generation == 1 + sum(counts) + sum(1 for taken in attempts if taken < 6)
