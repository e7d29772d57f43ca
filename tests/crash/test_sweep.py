"""
Every input and output call of every writing operation killed, failed, half done.

What is left is the state before or the state after; what was acknowledged is there, what was
refused is not and never will be; the next command works; nothing is repaired by hand.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.crash.sweep import (
    OTHER,
    REALM,
    WRITE_ID,
    Operation,
    State,
    errors,
    more_faults,
    some_faults,
    sweep,
)

from realmconf.runtime.client import Client, connect


def nothing(root: Path) -> None:
    """An empty folder."""


def a_history(root: Path) -> None:
    """Five generations in one realm, two in another, working copies rendered."""
    with connect(str(root)) as client:
        realm = client.realm(REALM)
        realm.set({"n": 1, "agent": {"model": "m", "tokens": 4096}})
        for number in range(2, 5):
            realm.patch({"n": number})
        realm.set_value("agent.secretless", "x" * 9000)
        client.realm(OTHER).set({"n": 1})
        client.realm(OTHER).set({"n": 2})


def an_edit(root: Path) -> None:
    """That, and somebody has changed ``config.toml`` since."""
    a_history(root)
    path = root / REALM / "config.toml"
    text = path.read_text()
    assert "n = 4" in text
    path.write_text(text.replace("n = 4", "n = 44"))


def adopted(before: State, after: State) -> list[State]:
    """The hand edit was adopted, and nothing else has happened yet."""
    return [{**before, REALM: after[REALM][:6]}]


def written_around_the_edit(found: State, after: State) -> bool:
    """
    The write is there, and the edit before it, behind it, or still in the file.

    A file that could not be looked at does not hold up a write; the next look adopts it.
    """
    history = found.get(REALM, [])
    generations = [entry[0] for entry in history]
    document = history[-1][2] if history else {}
    edited = [entry[1] for entry in history].count("adopt")
    return bool(
        {**found, REALM: None} == {**after, REALM: None}
        and generations == list(range(1, 7 + edited))
        and document.get("after") == 1
        and document["n"] == (44 if edited else 4)
    )


def written_only(before: State, after: State) -> list[State]:
    """Of several commits of one act, each prefix."""
    shortest = len(before[REALM]) + 1
    return [
        {**before, REALM: after[REALM][:length]} for length in range(shortest, len(after[REALM]))
    ]


def several(client: Client) -> None:
    for number in range(4):
        client.realm(REALM).patch({"many": number})


OPERATIONS = [
    Operation(
        name="set",
        prepare=a_history,
        act=lambda client: client.realm(REALM).set({"n": 9}, write_id=WRITE_ID),
    ),
    Operation(
        name="patch",
        prepare=a_history,
        act=lambda client: client.realm(REALM).patch(
            {"n": 9}, expected_generation=5, write_id=WRITE_ID
        ),
    ),
    Operation(
        name="update",
        prepare=a_history,
        act=lambda client: client.realm(REALM).update(
            lambda draft: draft.update(n=draft["n"] + 1), write_id=WRITE_ID
        ),
    ),
    Operation(
        name="delete",
        prepare=a_history,
        act=lambda client: client.realm(REALM).delete(write_id=WRITE_ID),
    ),
    Operation(
        name="rollback",
        prepare=a_history,
        act=lambda client: client.realm(REALM).rollback(to=2, write_id=WRITE_ID),
    ),
    Operation(
        name="rebase",
        prepare=a_history,
        act=lambda client: client.realm(REALM).patch(
            {"elsewhere": 1}, expected_generation=3, on_conflict="rebase", write_id=WRITE_ID
        ),
    ),
    Operation(
        name="first write of all",
        prepare=nothing,
        act=lambda client: client.realm(REALM).set({"n": 1}, write_id=WRITE_ID),
        opens_inside=True,
    ),
    Operation(
        name="first write of a realm",
        prepare=a_history,
        act=lambda client: client.realm("new").set({"n": 1}),
        settles=False,
    ),
    Operation(
        name="opening",
        prepare=a_history,
        act=lambda client: client.realm(REALM).get(),
        opens_inside=True,
        settles=False,
    ),
    Operation(
        name="adopting, then writing",
        prepare=an_edit,
        act=lambda client: client.realm(REALM).patch({"after": 1}, write_id=WRITE_ID),
        opens_inside=True,
        between=adopted,
        done=written_around_the_edit,
    ),
    Operation(
        name="transaction",
        prepare=a_history,
        act=lambda client: client.transaction(
            [(REALM, {"patch": {"n": 9}}), (OTHER, {"set": {"n": 9}})], write_id=WRITE_ID
        ),
    ),
    Operation(
        name="rename",
        prepare=a_history,
        act=lambda client: client.rename(REALM, "renamed"),
        settles=False,
    ),
    Operation(
        name="copy",
        prepare=a_history,
        act=lambda client: client.copy(REALM, "copied"),
        settles=False,
    ),
    Operation(
        name="compact",
        prepare=a_history,
        act=lambda client: client.compact(keep=2),
        settles=False,
        between=lambda before, after: [
            {**before, REALM: after[REALM]},
            {**before, OTHER: after[OTHER]},
        ],
    ),
    Operation(
        name="purge",
        prepare=a_history,
        act=lambda client: client.purge(REALM, 3),
        settles=False,
    ),
    Operation(
        name="void",
        prepare=a_history,
        act=lambda client: client.realm(REALM).settle(WRITE_ID),
        settles=False,
    ),
    Operation(
        name="policy",
        prepare=a_history,
        act=lambda client: client.realm(REALM).set_policy(history_keep=3, write_id=WRITE_ID),
    ),
    Operation(
        name="commits that checkpoint",
        prepare=a_history,
        act=several,
        checkpoint_pages=12,
        settles=False,
        between=written_only,
    ),
]


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda one: one.name)
def test_a_fault_at_each_call(operation: Operation) -> None:
    """G4, G5, G6: old or new, nothing acknowledged lost, nothing refused done, at every call."""
    assert sweep(operation, plan=some_faults) > 3


@pytest.mark.parametrize(
    "operation",
    [one for one in OPERATIONS if one.name in {"rename", "compact"}],
    ids=lambda one: one.name,
)
def test_an_error_at_every_call(operation: Operation) -> None:
    """G6: also at the calls after the commit: these two had more to do there than to answer."""
    assert sweep(operation, plan=errors) > 20


@pytest.mark.torture
@pytest.mark.timeout(600)
@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda one: one.name)
def test_more_faults_at_each_call(operation: Operation) -> None:
    """The same with every call, twice; ``python -m tests.crash.full_sweep`` has every fault at each."""
    assert sweep(operation, plan=more_faults) > 20
