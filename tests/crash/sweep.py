"""
Performs one operation again and again, and lets every input or output call of it go wrong once.

Each point of a sweep is three processes: one that performs the operation with the fault,
one that opens the store afterwards and says what is there, and one more, because what the
first look did not show must not appear later.  This process never opens a store.
"""

from __future__ import annotations

import errno
import importlib
import itertools
import json
import os
import shutil
import signal
import sys
import tempfile
import threading
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from realmconf.domain.record import Record
from realmconf.errors import OutcomeUnknown, RealmconfError
from realmconf.runtime.client import Client, connect
from realmconf.stores.embedded import database
from realmconf.stores.embedded.files import Files
from realmconf.testing.faults import (
    ERROR_ONCE,
    ERROR_STICKY,
    KILL_AFTER,
    KILL_BEFORE,
    KILL_TORN,
    KILLS,
    SHORT_WRITE,
    Fault,
    FaultyVfs,
    Gate,
    gated_methods,
    gated_system_calls,
)

REALM = "team"
OTHER = "other"
WRITE_ID = "swept"
SAMPLES = 10
"""Of a call that is made more often (growing the log takes thousands) about twice so many are tried."""

# Imported before any fork, so that a thousand children need not.
IMPORTED_BEFORE = [
    importlib.import_module(name)
    for name in (
        *("ctypes", "tomllib", "tomlrt", "json", "uuid"),
        *("realmconf.stores.embedded.store", "realmconf.stores.embedded.workcopy"),
        *(
            "realmconf.domain.toml",
            "realmconf.domain.tomledit",
            "realmconf.stores.embedded.maintenance",
        ),
    )
]

State = dict[str, Any]


class Operation(Record):
    """One way to change a store."""

    name: str
    prepare: Callable[[Path], None]
    """Brings a new root into the state before."""
    act: Callable[[Client], Any]
    opens_inside: bool = False
    """The store is opened under the fault too."""
    checkpoint_pages: int | None = None
    """Move the log into the database whenever it has so many pages; None: when the library does."""
    settles: bool = True
    """It is one write to ``REALM`` with the id ``WRITE_ID``."""
    between: Callable[[State, State], list[State]] = lambda before, after: []
    """States on the way that are as good, where the operation is several commits."""
    done: Callable[[State, State], bool] = lambda found, after: found == after
    """Whether what was found is as good as the state after an undisturbed run."""


class Outcome(Record):
    """What the process under the fault told before it ended."""

    calls: tuple[str, ...]
    """The names of all calls, in order."""
    fired: bool
    answer: str
    """acknowledged | refused | unknown | silent"""
    code: str = ""
    settled: str = ""
    followed_up: bool = False
    defect: str = ""
    status: int = 0


@contextmanager
def fast_folder() -> Iterator[Path]:
    """A new folder, in memory where that exists: what counts here is order, not durability."""
    memory = Path("/dev/shm")
    where = memory if memory.is_dir() and os.access(memory, os.W_OK) else None
    folder = Path(tempfile.mkdtemp(prefix="realmconf-sweep-", dir=where))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def in_a_process(act: Callable[[], Any]) -> tuple[list[Any], int]:
    """Do *act* in a child; what it yields, as JSON, and its wait status."""
    reading, writing = os.pipe()
    sys.stdout.flush()
    process = os.fork()
    if process == 0:
        os.close(reading)
        try:
            for item in act():
                tell(writing, item)
        except BaseException:  # noqa: BLE001 - a child must never return into its parent's code
            tell(writing, {"defect": traceback.format_exc()})
            os._exit(1)
        os._exit(0)
    os.close(writing)
    with open(reading, "rb") as pipe:
        told = [json.loads(line) for line in pipe.read().splitlines()]
    _, status = os.waitpid(process, 0)
    return told, status


def tell(descriptor: int, item: Any, *, write: Callable[[int, bytes], int] = os.write) -> None:
    """Send *item* by the call as it was before anybody put a gate in front of it."""
    line = json.dumps(item).encode() + b"\n"
    while line:
        line = line[write(descriptor, line) :]


# --- the process under the fault ----------------------------------------------------


def perform(operation: Operation, root: Path, fault: Fault | None) -> Outcome:
    """Perform the operation on *root*, with *fault* in it."""
    told, status = in_a_process(lambda: _performing(operation, root, fault))
    facts: dict[str, Any] = {}
    for item in told:
        facts.update(item)
    return Outcome(
        calls=tuple(facts.get("calls", ())),
        fired=facts.get("fired", os.WIFSIGNALED(status)),
        answer=facts.get("answer", "silent"),
        code=facts.get("code", ""),
        settled=facts.get("settled", ""),
        followed_up=facts.get("followed_up", False),
        defect=facts.get("defect", ""),
        status=status,
    )


def _performing(operation: Operation, root: Path, fault: Fault | None) -> Iterator[Any]:
    gate = Gate()
    vfs = FaultyVfs(gate)
    dead_threads: list[str] = []
    threading.excepthook = lambda died: dead_threads.append(repr(died.exc_value))
    if operation.checkpoint_pages is not None:
        database.CHECKPOINT_PAGES = operation.checkpoint_pages
    # The one change to a disk that no function of ``os`` makes.
    gated_methods(Files, ["exchange", "move"], gate)
    with gated_system_calls(gate):
        client = None
        if not operation.opens_inside:
            client = connect(str(root))
            client.realm(REALM).get()
        gate.arm(fault)
        try:
            client = client or connect(str(root))
            operation.act(client)
        except OutcomeUnknown as unknown:
            yield {"answer": "unknown", "code": unknown.code}
        except RealmconfError as error:
            yield {"answer": "refused", "code": error.code, "text": str(error)}
        else:
            yield {"answer": "acknowledged"}
        if client is None:
            gate.disarm()
            yield {"calls": gate.calls, "fired": gate.fired}
            return
        # A process that was told of a fault goes on; its next write must not be disturbed by it.
        publishing = getattr(client, "publish", None)
        if publishing is not None:
            publishing()
        gate.disarm()
        yield {"calls": gate.calls, "fired": gate.fired}
        if fault is not None:
            if operation.settles:
                yield {"settled": type(client.realm(REALM).settle(WRITE_ID)).__name__}
            client.realm("afterwards").set({"still": "works"}, timeout=10)
            yield {"followed_up": True}
        client.close()
    if dead_threads:
        yield {"defect": f"a thread of the library died: {dead_threads}"}
    del vfs


# --- looking afterwards ------------------------------------------------------------------


def look(root: Path) -> State:
    """What a new process finds: every revision of every realm, those of its file included; each chain verifies."""
    told, status = in_a_process(lambda: iter([_state(root)]))
    assert status == 0, told
    (state,) = told
    return dict(state)


def _state(root: Path) -> State:
    with connect(str(root)) as client:
        realms: dict[str, Any] = {}
        for entry in client.realms():
            realm = client.realm(entry.realm)
            # What stands in the file and is not of our making becomes a revision here.
            realm.publish()
            realm.verify()
            realms[entry.realm] = [
                [
                    *(one.generation, one.kind, one.document),
                    getattr(one, "purged", False),
                ]
                for one in reversed(realm.history(limit=1000))
            ]
        return realms


def write_next(root: Path) -> None:
    """The next command works, at once, without any repair."""
    told, status = in_a_process(lambda: iter([_write_next(root)]))
    assert status == 0, told


def _write_next(root: Path) -> int:
    with connect(str(root)) as client:
        realm = client.realm("next")
        snapshot = realm.set({"next": "command"}, timeout=10)
        assert snapshot.changed
        return int(snapshot.generation)


# --- one point, and all of them -------------------------------------------------------------


def check_point(
    operation: Operation, template: Path, folder: Path, fault: Fault, before: State, after: State
) -> Outcome:
    """Perform with *fault* on a copy of *template*; every claim about what is left must hold."""
    root = folder / "root"
    shutil.copytree(template, root)
    try:
        outcome = perform(operation, root, fault)
        found = look(root)
        write_next(root)
        again = look(root)
    finally:
        shutil.rmtree(root)
    name = (*outcome.calls, *["?"] * fault.at)[fault.at - 1]
    where = (
        f"{operation.name}, {fault.mode} {errno.errorcode[fault.errno]} at call {fault.at} ({name}): "
        f"{outcome.replace(calls=(), defect='')}"
    )
    assert not outcome.defect, f"{where}\n{outcome.defect}"
    assert outcome.status == 0 or os.WTERMSIG(outcome.status) == signal.SIGKILL, where
    assert again.pop("next", None), f"the next write is gone: {where}"
    assert again == found, f"something appeared or vanished after the first look: {where}"
    followed = found.pop("afterwards", None)
    assert bool(followed) == outcome.followed_up, where
    done = operation.done(found, after)
    good = [before, *operation.between(before, after)]
    assert done or found in good, f"neither old nor new: {where}\n{found}\nnot in\n{good}"
    if outcome.answer == "acknowledged":
        assert done, f"acknowledged and lost: {where}"
    if outcome.answer == "refused" and before != after:
        assert not done, f"refused and done: {where}"
    if outcome.settled and before != after:
        settled = {"Committed": True, "Void": False}[outcome.settled]
        assert settled == done, f"settled as {outcome.settled}: {where}"
    return outcome


Plan = Callable[[list[int]], Iterator[Fault]]


def sweep(operation: Operation, *, plan: Plan) -> int:
    """
    Check the faults that *plan* wants at the calls of an undisturbed run; how many were checked.
    """
    with fast_folder() as folder:
        template = folder / "template"
        template.mkdir()
        _, status = in_a_process(lambda: map(operation.prepare, [template]))
        assert status == 0, f"{operation.name} cannot be prepared"
        shutil.copytree(template, folder / "untouched")
        before = look(folder / "untouched")
        shutil.rmtree(folder / "untouched")
        shutil.copytree(template, folder / "undisturbed")
        undisturbed = perform(operation, folder / "undisturbed", None)
        assert undisturbed.answer == "acknowledged", undisturbed
        assert undisturbed.calls, "nothing passes through the gate"
        after = look(folder / "undisturbed")
        shutil.rmtree(folder / "undisturbed")
        checked = 0
        for fault in plan(places(undisturbed.calls)):
            check_point(operation, template, folder, fault, before, after)
            checked += 1
        return checked


def places(calls: Sequence[str]) -> list[int]:
    """The numbers of the calls to try: all, but of a call that is made again and again only some."""
    numbers: dict[str, list[int]] = {}
    for number, name in enumerate(calls, start=1):
        numbers.setdefault(name, []).append(number)
    chosen: set[int] = set()
    for same in numbers.values():
        step = max(1, len(same) // SAMPLES)
        chosen.update(same[: SAMPLES // 2], same[::step], same[-SAMPLES // 2 :])
    # A disturbed run may take a few calls more.
    return sorted(chosen | {len(calls) + 1, len(calls) + 2})


def every_fault(numbers: list[int]) -> Iterator[Fault]:
    """Each call killed before, after and half done, failed once and for good, with each error."""
    for at in numbers:
        for mode in (*KILLS, SHORT_WRITE):
            yield Fault(at=at, mode=mode)
        for mode, number in itertools.product(
            (ERROR_ONCE, ERROR_STICKY), (errno.EIO, errno.ENOSPC)
        ):
            yield Fault(at=at, mode=mode, errno=number)


def some_faults(numbers: list[int]) -> Iterator[Fault]:
    """Every third call once, with the modes in turn."""
    return _in_turn(numbers[1::3], each=1)


def more_faults(numbers: list[int]) -> Iterator[Fault]:
    """Each call twice, with the modes in turn."""
    return _in_turn(numbers, each=2)


def kills(numbers: list[int]) -> Iterator[Fault]:
    """Each call killed after it, once."""
    return (Fault(at=at, mode=KILL_AFTER) for at in numbers)


def errors(numbers: list[int]) -> Iterator[Fault]:
    """Each call failed once, also those between a commit and its answer, which are few."""
    return (Fault(at=at, mode=ERROR_ONCE) for at in numbers)


def _in_turn(numbers: list[int], *, each: int) -> Iterator[Fault]:
    modes = itertools.cycle(
        [
            (KILL_BEFORE, errno.EIO),
            (ERROR_ONCE, errno.EIO),
            (KILL_AFTER, errno.EIO),
            (ERROR_STICKY, errno.ENOSPC),
            (KILL_TORN, errno.EIO),
            (ERROR_ONCE, errno.ENOSPC),
            (SHORT_WRITE, errno.ENOSPC),
        ]
    )
    for at in numbers:
        for mode, number in itertools.islice(modes, each):
            yield Fault(at=at, mode=mode, errno=number)
