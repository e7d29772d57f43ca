"""Who waits for whom."""

from __future__ import annotations

import threading

import pytest
from tests.surfaces.rpc.conftest import Failed

from realmconf.surfaces.rpc.conversation import CREW_MAX, REQUESTS_MAX
from realmconf.surfaces.rpc.waits import WAITS_MAX


def test_reads_are_not_held_up(start, turn):
    """A read is answered while a write waits for its turn."""
    rpc = start("--timeout", "100")
    waiting = rpc.ask("config/set", config={"a": 1})
    assert rpc.call("config/get")["generation"] == 0
    assert rpc.call("config/history")["revisions"] == []
    turn.release()
    assert rpc.answer(waiting)["generation"] == 2


def test_batches_that_wait_hold_up_nobody(start, turn):
    """Nor is it held up by a batch that waits, however large."""
    rpc = start("--timeout", "100")
    read = {"jsonrpc": "2.0", "id": "read", "method": "config/get"}
    write = {"jsonrpc": "2.0", "id": "write", "method": "config/unset", "params": {"path": "none"}}
    rpc.send([read] * 63 + [write])
    assert rpc.call("config/get")["generation"] == 0
    turn.release()
    assert len(rpc.read()) == 64


def test_waiting_reads_hold_up_nobody(rpc):
    """A read that waits for a change holds up neither reads nor writes."""
    waiting = [rpc.ask("config/watch_once", after=0, wait=60) for _ in range(20)]
    assert rpc.call("config/get")["generation"] == 0
    assert rpc.call("config/set", config={"a": 1})["generation"] == 1
    assert {rpc.answer(one)["generation"] for one in waiting} == {1}


def test_many_that_wait_hold_up_nobody(rpc):
    """However many wait for a change, reads, writes and messages go on as if none did."""
    waiting = [rpc.ask("config/watch_once", after=0, wait=60) for _ in range(2 * REQUESTS_MAX)]
    waiting += [rpc.ask("config/get", after=0, wait=60) for _ in range(CREW_MAX)]
    assert rpc.call("config/get")["generation"] == 0
    assert rpc.call("config/set", config={"a": 1})["generation"] == 1
    assert {rpc.answer(one)["generation"] for one in waiting} == {1}


def test_so_many_may_wait(rpc):
    """More than 1,024 requests wait for a change at no time; another one is refused, and can be sent again."""
    for _ in range(WAITS_MAX):
        rpc.ask("config/watch_once", after=0, wait=60)
    last = rpc.ask("config/watch_once", after=0, wait=60)
    refused = rpc.next(lambda one: "error" in one)
    assert refused["error"]["data"]["limit"] == "waits"
    assert rpc.call("config/set", config={"a": 1})["generation"] == 1
    others = range(1, last + 1)
    answers = [rpc.answer(one)["generation"] for one in others if one != refused["id"]]
    assert answers == [1] * WAITS_MAX


def test_cancelling_what_waits_for_a_change(rpc):
    """A request that waits for a change can be withdrawn all the time, alone or among others of a batch."""
    waiting = rpc.ask("config/watch_once", after=0, wait=60)
    assert rpc.call("rpc/cancel", id=waiting) == {"cancelled": True}
    with pytest.raises(Failed) as raised:
        rpc.answer(waiting)
    assert raised.value.data["code"] == "cancelled"
    assert rpc.call("rpc/cancel", id=waiting) == {"cancelled": False}
    rpc.send(
        [
            {
                "jsonrpc": "2.0",
                "id": "b",
                "method": "config/get",
                "params": {"after": 0, "wait": 60},
            },
            {"jsonrpc": "2.0", "id": "c", "method": "config/get"},
        ]
    )
    assert rpc.call("rpc/cancel", id="b") == {"cancelled": True}
    answers = {one["id"]: one for one in rpc.next(lambda one: isinstance(one, list))}
    assert answers["b"]["error"]["data"]["code"] == "cancelled"
    assert answers["c"]["result"]["generation"] == 0


def test_waits_end_with_their_time_whatever_others_write(rpc, client):
    """A wait is as long as it was asked to be, also while other realms are written without end."""
    waiting = rpc.ask("config/watch_once", wait=0.5)
    other, written = client.realm("other"), 0
    reader = threading.Thread(target=lambda: rpc.process.stdout.peek(1))
    reader.start()
    while reader.is_alive():
        written += 1
        other.set({"n": written})
        assert written < 20_000, "the wait does not end"
    assert rpc.answer(waiting)["changed"] is False


def test_a_wait_that_cannot_be_is_refused_at_once(rpc):
    """What is wrong with a request that would wait is told before it waits."""
    refused = rpc.refused("config/get", path="/~x", after=0, wait=60)
    assert refused.data["code"] == "invalid_pointer"
    assert rpc.refused("config/get", after="nonsense", wait=60).code == -32602
    assert rpc.refused("config/get", wait=60).code == -32602
    assert rpc.refused("config/watch_once", wait=61).data["code"] == "limit_exceeded"


def test_writes_keep_their_order(rpc):
    """Writes of one client are carried out in the order in which they came, without waiting for the answers."""
    asked = [rpc.ask("config/set_value", path="n", value=number) for number in range(200)]
    answers = [rpc.answer(one) for one in asked]
    assert [one["generation"] for one in answers] == list(range(1, 201))
    assert [one["config"]["n"] for one in answers] == list(range(200))


def test_writes_of_a_batch_keep_their_order(rpc):
    """So are those of one batch, and those that come after it."""
    rpc.send(
        [
            {
                "jsonrpc": "2.0",
                "id": f"b{n}",
                "method": "config/set_value",
                "params": {"path": "n", "value": n},
            }
            for n in range(30)
        ]
    )
    last = rpc.call("config/set_value", path="n", value="last")
    assert last["generation"] == 31
    answers = rpc.next(lambda one: isinstance(one, list))
    assert [one["result"]["config"]["n"] for one in answers] == list(range(30))


def test_cancelling_what_waits(start, turn, client):
    """A request that nobody has begun can be withdrawn: it is answered at once, and nothing is done for it."""
    rpc = start("--timeout", "100")
    begun = rpc.ask("config/set_value", path="begun", value=1)
    waiting = rpc.ask("config/set_value", path="waiting", value=1)
    after = rpc.ask("config/set_value", path="after", value=1)
    assert rpc.call("rpc/cancel", id=waiting) == {"cancelled": True}
    with pytest.raises(Failed) as raised:
        rpc.answer(waiting)
    assert (raised.value.code, raised.value.data["code"]) == (-32062, "cancelled")
    assert rpc.call("rpc/cancel", id=waiting) == {"cancelled": False}
    assert rpc.call("rpc/cancel", id="none") == {"cancelled": False}
    turn.release()
    assert rpc.answer(begun)["generation"] == 2
    assert rpc.answer(after)["generation"] == 3
    assert client.realm("team").get().document == {"held": True, "begun": 1, "after": 1}
