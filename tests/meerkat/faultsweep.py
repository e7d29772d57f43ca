"""
Every call of the system in every writing operation on Meerkat's files, gone wrong once: what the sweep there does.

Each point is a process that performs the operation with the fault, and two more that look at what is left: what the
first look did not show must not appear later.  Every fault at every call: ``python -m tests.meerkat.faultsweep``.
"""

from __future__ import annotations

import errno
import importlib
import json
import os
import shutil
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

from tests.crash.sweep import Plan, every_fault, fast_folder, in_a_process, places

from realmconf.domain.record import Record
from realmconf.errors import OutcomeUnknown, RealmconfError, RealmMoved
from realmconf.runtime.client import Client, connect
from realmconf.runtime.migrating import migrate
from realmconf.stores.meerkat import files, lockfile
from realmconf.testing.faults import Fault, FaultyVfs, Gate, gated_methods, gated_system_calls

REALM, OTHER = "team", "other"
WRITE_ID = "swept"
TEXT = "# kept by hand\nn = 4  # the number\n\n[agent]\nmodel = 'm'\n"

IMPORTED_BEFORE = [
    importlib.import_module(name)
    for name in (
        *("ctypes", "tomllib", "tomlrt", "json"),
        *("realmconf.stores.meerkat.store", "realmconf.domain.toml", "realmconf.domain.tomledit"),
        *("realmconf.stores.embedded.store", "realmconf.stores.archiving"),
    )
]

State = dict[str, Any]


def url_of(root: Path) -> str:
    """The store under test; its locks become stale as the original's do."""
    return f"meerkat://{root}/realms?global={root}/user"


def other_url_of(root: Path) -> str:
    """The store that realms move into, and from."""
    return f"sqlite://{root}/store?working_copies=off"


class Operation(Record):
    """One way to change a root."""

    name: str
    act: Callable[[Client, Path], Any]
    prepare: Callable[[Path], None]
    settles: bool = True
    """It is one write to ``REALM`` with the id ``WRITE_ID``."""
    opens_inside: bool = False
    between: Callable[[State, State], list[State]] = lambda before, after: []
    """States on the way that are as good, where the operation is several commits."""
    goes_on: bool = False
    """After an answer that is no success the same call is given again, and that has to do it."""


def prepared(root: Path) -> None:
    """Five generations in one realm, two in another; the first was ours neither in words nor in number."""
    folder = root / "realms" / REALM
    folder.mkdir(parents=True)
    (folder / "config.toml").write_text(TEXT)
    (folder / "config_state.json").write_text('{\n  "generation": 4\n}')
    with connect(url_of(root), author="ada") as client:
        realm = client.realm(REALM)
        realm.get()
        realm.patch({"n": 5})
        realm.patch({"n": 6})
        client.realm(OTHER).set({"n": 1})
        client.realm(OTHER).set({"n": 2})


def edited(root: Path) -> None:
    """That, and somebody has changed ``config.toml`` since."""
    prepared(root)
    path = root / "realms" / REALM / "config.toml"
    path.write_text(path.read_text().replace("n = 6", "n = 66"))


def elsewhere(root: Path) -> None:
    """That, and both live in the other store, where one of them has been written."""
    prepared(root)
    with connect(url_of(root)) as source, connect(other_url_of(root), author="ben") as target:
        migrate(source, target)
        target.realm(REALM).patch({"n": 7})


def nothing(root: Path) -> None:
    """An empty folder."""


def move(client: Client, root: Path, *, back: bool) -> None:
    """Move everything out of Meerkat's files, or *back* into them."""
    with connect(other_url_of(root)) as other:
        source, target = (other, client) if back else (client, other)
        migrate(source, target)


class Outcome(Record):
    """What the process under the fault told before it ended."""

    calls: tuple[str, ...] = ()
    answer: str = "silent"
    """acknowledged | refused | unknown | silent"""
    code: str = ""
    settled: str = ""
    followed_up: bool = False
    defect: str = ""
    status: int = 0


def perform(operation: Operation, root: Path, fault: Fault | None) -> Outcome:
    """Perform the operation on *root*, with *fault* in it."""
    told, status = in_a_process(lambda: _performing(operation, root, fault))
    facts: dict[str, Any] = {}
    for item in told:
        facts.update(item)
    facts["calls"] = tuple(facts.get("calls", ()))
    return Outcome(status=status, **facts)


def _performing(operation: Operation, root: Path, fault: Fault | None) -> Iterator[Any]:
    gate = Gate()
    vfs = FaultyVfs(gate)
    # What no function of ``os`` does.
    gated_methods(files, ["exchange_paths"], gate)
    gated_methods(lockfile, ["exchange_paths"], gate)
    with gated_system_calls(gate):
        client = None
        if not operation.opens_inside:
            client = connect(url_of(root), author="ada")
            client.realm(REALM).working_copy()
        gate.arm(fault)
        try:
            client = client or connect(url_of(root), author="ada")
            operation.act(client, root)
        except OutcomeUnknown as unknown:
            yield {"answer": "unknown", "code": f"{unknown.code} {unknown.reason}"}
        except RealmconfError as error:
            yield {"answer": "refused", "code": f"{error.code} {error}"}
        else:
            yield {"answer": "acknowledged"}
        gate.disarm()
        yield {"calls": gate.calls}
        if fault is not None and client is not None:
            # A process that was told of a fault goes on; its next write must not be disturbed by it.
            if operation.settles:
                yield {"settled": type(client.realm(REALM).settle(WRITE_ID)).__name__}
            client.realm("afterwards").set({"still": "works"}, timeout=3)
            yield {"followed_up": True}
        if client is not None:
            client.close()
    del vfs


def look(root: Path) -> State:
    """What a new process finds: every revision of every realm that lives here, and that the files say the same."""
    told, status = in_a_process(lambda: iter([_state(root)]))
    assert status == 0, told
    (state,) = told
    return dict(state)


def _state(root: Path) -> State:
    found: State = {}
    with connect(url_of(root)) as client:
        for path in sorted((root / "realms").glob("[a-z]*")):
            # Whoever asks for a realm has it finished; whoever lists all of them takes no lock, and waits for that.
            with suppress(RealmMoved):
                client.realm(path.name).get()
        for entry in client.realms():
            realm = client.realm(entry.realm)
            try:
                realm.get()
            except RealmMoved:
                found[entry.realm] = "moved"
                continue
            realm.verify()
            found[entry.realm] = [
                [one.generation, one.kind, one.document]
                for one in reversed(realm.history(limit=1000))
            ]
            folder = root / "realms" / entry.realm
            stated = json.loads((folder / "config_state.json").read_text())
            snapshot = realm.get()
            assert stated["generation"] == snapshot.generation, (snapshot, stated)
            document = snapshot.document
            assert (folder / "config.toml").exists() == (document is not None)
    if (root / "store").exists():
        with connect(other_url_of(root)) as client:
            for entry in client.realms():
                try:
                    generation = client.realm(entry.realm).get().generation
                except RealmMoved:
                    continue
                found[f"there:{entry.realm}"] = generation
    return found


def write_next(root: Path) -> None:
    """The next command works, at once, on the same realm's lock as well, without any repair."""
    told, status = in_a_process(lambda: iter([_write_next(root)]))
    assert status == 0, told


def _write_next(root: Path) -> bool:
    with connect(url_of(root)) as client:
        client.realm("next").set({"next": "command"}, timeout=3)
        # Takes the lock, and is void: nothing of it appears.
        with suppress(RealmMoved):
            client.realm(REALM).settle("nobody's", timeout=3)
        return True


def check_point(
    operation: Operation, template: Path, folder: Path, fault: Fault, before: State, after: State
) -> None:
    """Perform with *fault* on a copy of *template*; every claim about what is left must hold."""
    root = folder / "root"
    shutil.copytree(template, root)
    try:
        outcome = perform(operation, root, fault)
        where = _where(operation, fault, outcome)
        assert not outcome.defect, f"{where}\n{outcome.defect}"
        assert outcome.status == 0 or os.WTERMSIG(outcome.status) == signal.SIGKILL, where
        found = look(root)
        write_next(root)
        again = look(root)
        assert again.pop("next", None), f"the next write is gone: {where}"
        assert again == found, (
            f"something appeared or vanished after the first look: {where}\n{found}\n{again}"
        )
        if operation.goes_on and outcome.answer != "acknowledged":
            repeated = perform(operation, root, None)
            assert repeated.answer == "acknowledged", f"{repeated} after {where}"
            found = look(root)
            found = {name: state for name, state in found.items() if name.split(":")[-1] != "next"}
        left = [
            str(path)
            for path in (root / "realms").rglob("*")
            if ".tmp." in path.name and path.parent.name == REALM
        ]
        assert not left, f"left behind: {left} {where}"
    finally:
        shutil.rmtree(root)
    followed = [found.pop(f"{there}afterwards", None) for there in ("", "there:")]
    assert any(followed) == outcome.followed_up, where
    done = found == after
    good = [before, *operation.between(before, after)]
    assert done or found in good, f"neither old nor new: {where}\n{found}\nnot in\n{good}\n{after}"
    if outcome.answer == "acknowledged" or operation.goes_on:
        assert done, f"acknowledged and lost: {where}"
    if outcome.answer == "refused" and before != after and not operation.goes_on:
        assert not done, f"refused and done: {where}"
    if outcome.settled and before != after:
        assert outcome.settled in ("Committed", "Void"), where
        settled = outcome.settled == "Committed"
        assert settled == done, f"settled as {outcome.settled}: {where}"


def _where(operation: Operation, fault: Fault, outcome: Outcome) -> str:
    name = (*outcome.calls, *["?"] * fault.at)[fault.at - 1]
    return (
        f"{operation.name}, {fault.mode} {errno.errorcode[fault.errno]} at call {fault.at} ({name}): "
        f"{outcome.replace(calls=(), defect='')}"
    )


def sweep(operation: Operation, *, plan: Plan) -> int:
    """Check the faults that *plan* wants at the calls of an undisturbed run; how many were checked."""
    with fast_folder() as folder:
        template, root = folder / "template", folder / "root"
        root.mkdir()
        # At the very path that it is looked at: a realm that has moved knows where it was.
        told, status = in_a_process(lambda: map(operation.prepare, [root]))
        assert status == 0, told
        shutil.copytree(root, template)
        before = look(folder / "root")
        shutil.rmtree(folder / "root")
        shutil.copytree(template, folder / "root")
        undisturbed = perform(operation, folder / "root", None)
        assert undisturbed.answer == "acknowledged", undisturbed
        assert undisturbed.calls, "nothing passes through the gate"
        after = look(folder / "root")
        shutil.rmtree(folder / "root")
        checked = 0
        for fault in plan(places(undisturbed.calls)):
            check_point(operation, template, folder, fault, before, after)
            checked += 1
        return checked


def one_by_one(before: State, after: State) -> list[State]:
    """Of two realms that are written one after the other, the first alone."""
    return [{**after, name: before.get(name)} for name in before] + [
        {name: state for name, state in after.items() if name in before or name == kept}
        for kept in after
    ]


OPERATIONS = [
    Operation(
        name="set",
        prepare=prepared,
        act=lambda client, _: client.realm(REALM).set({"n": 9}, write_id=WRITE_ID),
    ),
    Operation(
        name="update",
        prepare=prepared,
        act=lambda client, _: client.realm(REALM).update(
            lambda draft: draft.update(n=draft["n"] + 1), write_id=WRITE_ID
        ),
    ),
    Operation(
        name="delete",
        prepare=prepared,
        act=lambda client, _: client.realm(REALM).delete(write_id=WRITE_ID),
    ),
    Operation(
        name="rollback",
        prepare=prepared,
        act=lambda client, _: client.realm(REALM).rollback(to=5, write_id=WRITE_ID),
    ),
    Operation(
        name="schema",
        prepare=prepared,
        act=lambda client, _: client.realm(REALM).set_schema({"type": "object"}, write_id=WRITE_ID),
    ),
    Operation(
        name="policy",
        prepare=prepared,
        act=lambda client, _: client.realm(REALM).set_policy(history_keep=30, write_id=WRITE_ID),
    ),
    Operation(
        name="first write of all",
        prepare=nothing,
        act=lambda client, _: client.realm(REALM).set({"n": 1}, write_id=WRITE_ID),
        opens_inside=True,
    ),
    Operation(
        name="adopting",
        prepare=edited,
        act=lambda client, _: client.realm(REALM).get(),
        settles=False,
        opens_inside=True,
    ),
    Operation(
        name="rename",
        prepare=prepared,
        act=lambda client, _: client.rename(REALM, "renamed"),
        settles=False,
    ),
    Operation(
        name="copy",
        prepare=prepared,
        act=lambda client, _: client.copy(REALM, "copied"),
        settles=False,
    ),
    Operation(
        name="void",
        prepare=prepared,
        act=lambda client, _: client.realm(REALM).settle(WRITE_ID),
        settles=False,
    ),
    Operation(
        name="moving out",
        prepare=prepared,
        act=lambda client, root: move(client, root, back=False),
        settles=False,
        goes_on=True,
    ),
    Operation(
        name="moving in",
        prepare=elsewhere,
        act=lambda client, root: move(client, root, back=True),
        settles=False,
        goes_on=True,
    ),
]


def main(names: list[str]) -> None:
    """Every fault at every call of every operation; the first thing that does not hold ends it."""
    for operation in OPERATIONS:
        if not names or operation.name in names:
            began = time.monotonic()
            points = sweep(operation, plan=every_fault)
            print(
                f"{operation.name}: {points} faults in {time.monotonic() - began:.0f} s", flush=True
            )


if __name__ == "__main__":
    main(sys.argv[1:])
