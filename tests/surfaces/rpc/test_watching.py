"""Changes as notifications."""

from __future__ import annotations

import threading

import pytest

from realmconf.surfaces.rpc.subscriptions import SUBSCRIPTIONS_MAX


def test_changes_are_told(rpc, client):
    """A subscription begins at its cursor; every change after it comes once, in order, with who made it and why."""
    realm = client.realm("team")
    realm.set({"a": 1})
    subscribed = rpc.call("config/watch")
    assert subscribed == {"subscription": 1, "cursor": realm.get().etag}
    realm.set_value("b", 2, message="because")
    realm.delete()
    told = rpc.changed()
    assert told.pop("created_at")
    assert told == {
        "subscription": 1,
        "realm": "team",
        "generation": 2,
        "event": "change",
        "cursor": realm.at(2).etag,
        "step": {"realm": "team", "generation": 2},
        "author": "ada",
        "surface": "sdk",
        "message": "because",
        "changes": [{"pointer": "/b", "after": 2}],
    }
    told = rpc.changed()
    assert (told["generation"], told["event"]) == (3, "delete")


def test_going_on_from_a_cursor(rpc, client):
    """Whoever gives the last cursor gets all that came since; a number is a generation."""
    realm = client.realm("team")
    for number in range(1, 6):
        realm.set({"n": number})
    assert rpc.call("config/watch", after=3)["cursor"] == "3"
    assert [rpc.changed()["generation"] for _ in range(2)] == [4, 5]
    rpc.call("config/watch", after=realm.at(4).etag)
    told = rpc.changed()
    assert (told["subscription"], told["generation"]) == (2, 5)
    rpc.call("config/watch", after="9-ffffffffffff")
    assert rpc.changed()["event"] == "reset"
    assert rpc.refused("config/watch", after="nonsense").code == -32602


def test_effective_view(rpc, client):
    """The effective view also tells what parents change."""
    client.realm("base").set({"a": 1})
    client.realm("team").set({"realm": {"team": {"parent": "base"}}})
    subscribed = rpc.call("config/watch", view="effective")
    client.realm("base").set_value("a", 2)
    told = rpc.changed()
    assert told["step"]["realm"] == "base"
    assert told["changes"] == [{"pointer": "/a", "before": 1, "after": 2}]
    rpc.call("config/watch", view="effective", after=subscribed["cursor"])
    assert rpc.changed()["step"]["realm"] == "base"


def test_own_writes_are_told(rpc):
    """A client is told of its own writes too: by the write's id it knows them."""
    rpc.call("config/watch")
    written = rpc.call("config/set", config={"a": 1})
    assert rpc.changed()["generation"] == written["generation"]


def test_unwatch(rpc, client):
    """After the answer to ``config/unwatch`` nothing more comes of a subscription, and others go on."""
    realm = client.realm("team")
    first, second = (rpc.call("config/watch")["subscription"] for _ in range(2))
    realm.set({"a": 1})
    assert {rpc.changed()["subscription"] for _ in range(2)} == {first, second}
    assert rpc.call("config/unwatch", subscription=first) == {"subscription": first}
    realm.set({"a": 2})
    assert rpc.changed()["subscription"] == second
    assert rpc.refused("config/unwatch", subscription=first).code == -32602
    rpc.end()
    assert rpc.rest() == []


def test_unwatch_in_the_middle(rpc, client):
    """So it is when there was much more to tell."""
    realm = client.realm("team")
    for number in range(40):
        realm.set({"text": f"{number} " * 20_000})
    rpc.call("config/watch", after=0)
    rpc.changed()
    identity = rpc.ask("config/unwatch", subscription=1)
    rpc.end()
    told = rpc.rest()
    assert told[-1]["id"] == identity
    assert len(told) < 40


def test_number_of_subscriptions(rpc):
    """There are at most 64 at once."""
    for _ in range(SUBSCRIPTIONS_MAX):
        rpc.call("config/watch")
    refused = rpc.refused("config/watch")
    assert (refused.code, refused.data["limit"]) == (-32048, "subscriptions")
    rpc.call("config/unwatch", subscription=1)
    assert rpc.call("config/watch")["subscription"] == SUBSCRIPTIONS_MAX + 1


def test_watching_in_a_batch(rpc, client):
    """The answer comes before the first change, in a batch too."""
    client.realm("team").set({"a": 1})
    rpc.send(
        [
            {"jsonrpc": "2.0", "id": 1, "method": "config/watch", "params": {"after": 0}},
            {"jsonrpc": "2.0", "id": 2, "method": "config/watch_once", "params": {"wait": 0.2}},
        ]
    )
    answers = rpc.read()
    assert {one["id"] for one in answers} == {1, 2}
    assert rpc.read()["method"] == "config/changed"


def test_client_that_does_not_read(rpc, client):
    """
    For a client that does not read nothing is kept, and nothing is lost: its subscription stands still.

    400 changes, 80 MB of notifications, take less than 48 MiB of memory; then come all, each once and in order.
    """
    realm = client.realm("team")
    realm.set({"text": ""})
    rpc.call("config/watch")
    realm.set({"text": "0" * 100_000})
    rpc.changed()
    before = rpc.memory_peak_bytes()
    for number in range(400):
        realm.set({"text": f"{number} " * (100_000 // len(f"{number} "))})
    assert [rpc.changed()["generation"] for _ in range(400)] == list(range(3, 403))
    assert rpc.memory_peak_bytes() - before < 48 * 1024 * 1024


def test_client_that_asks_and_does_not_read(rpc, client):
    """Nor are answers: 120 MB of them, for which nobody waits yet, take less than 100 MiB."""
    client.realm("team").set({"text": "x" * 300_000})
    rpc.call("config/get")
    before = rpc.memory_peak_bytes()
    request = b'{"jsonrpc":"2.0","id":%d,"method":"config/get"}\n'
    numbers = range(1_000, 1_400)
    # Somebody else writes it: the process does not take it all before its answers are read.
    found = asked_by_another(rpc, b"".join(request % number for number in numbers), len(numbers))
    assert found == set(numbers)
    assert rpc.memory_peak_bytes() - before < 100 * 1024 * 1024


def test_client_that_asks_too_fast(rpc):
    """Nor are requests: what comes faster than it can be done, 100 MB here, stays where it is and takes 64 MiB."""
    text = b"x" * 1_000_000
    request = b'{"jsonrpc":"2.0","id":%d,"method":"config/set","params":{"dry_run":true,"config":{"a":"%s"}}}\n'
    rpc.call("config/set", dry_run=True, config={"a": text.decode()})
    before = rpc.memory_peak_bytes()
    numbers = range(1_000, 1_100)
    found = asked_by_another(
        rpc, b"".join(request % (number, text) for number in numbers), len(numbers)
    )
    assert found == set(numbers)
    assert rpc.memory_peak_bytes() - before < 64 * 1024 * 1024


def asked_by_another(rpc, requests: bytes, count: int) -> set[int]:
    """The ids of the answers, which are read while somebody else sends."""
    writing = threading.Thread(target=rpc.write, args=(requests,))
    writing.start()
    found = {rpc.read()["id"] for _ in range(count)}
    writing.join()
    return found


@pytest.mark.parametrize("view", ["own", "effective"])
def test_failure_that_passes(start, tmp_path, client, view):
    """A change that cannot be told for the moment is told later, and none before it."""
    (tmp_path / "sitecustomize.py").write_text(
        "import realmconf.surfaces.answers as answers\n"
        "from realmconf.errors import StoreUnavailable\n"
        "step, failing = answers.SHAPES['step'], [1, 1]\n"
        "def flaky(session, found):\n"
        "    if failing:\n"
        "        failing.pop()\n"
        "        raise StoreUnavailable('away for the moment')\n"
        "    return step(session, found)\n"
        "answers.SHAPES['step'] = flaky\n"
    )
    rpc = start(PYTHONPATH=str(tmp_path))
    rpc.call("config/watch", view=view)
    client.realm("team").set({"a": 1})
    client.realm("team").set({"a": 2})
    assert [rpc.changed()["generation"] for _ in range(2)] == [1, 2]


def test_failure_that_stays(start, tmp_path, client):
    """A subscription that cannot go on says so, as its last word."""
    (tmp_path / "sitecustomize.py").write_text(
        "import realmconf.surfaces.answers as answers\n"
        "def broken(session, found):\n    raise RuntimeError('a-secret-value')\n"
        "answers.SHAPES['step'] = broken\n"
    )
    rpc = start(PYTHONPATH=str(tmp_path))
    subscription = rpc.call("config/watch")["subscription"]
    client.realm("team").set({"a": 1})
    told = rpc.changed()
    assert (told["subscription"], told["event"]) == (subscription, "end")
    assert told["error"]["code"] == "defect"
    assert "a-secret-value" not in str(told)
    assert rpc.finish() == 0
