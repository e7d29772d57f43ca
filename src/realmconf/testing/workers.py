"""
What the processes of a torture run do until somebody kills them.

Each role is a loop without an end over the public API; everything it is about to do
stands in its log before it does it.  Whether the answers were right is not judged here.
"""

from __future__ import annotations

import fcntl
import os
import random
import re
import time
import traceback

from realmconf.domain.record import Record
from realmconf.errors import GenerationConflict, OutcomeUnknown, RealmconfError
from realmconf.runtime.client import connect
from realmconf.stores.renaming import ExchangeUnsupportedError, exchange_paths
from realmconf.testing.calllog import CallLog, read_calls
from realmconf.testing.linearizability import COMMITTED, CONFLICT, OBSERVED, REFUSED, UNKNOWN

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from realmconf.runtime.client import Client
    from realmconf.runtime.runtime import ConfigRuntime

REALM = "contended"
PAIR = ("pair-left", "pair-right")
"""Two realms that only transactions write, always both."""

STOP_EDITING = "stop-editing"
"""A file of this name in the folder of the logs asks editors to end after their save."""

TIMEOUT_SECONDS = 30.0
"""Longer than any stop that a run makes: a time-out is a finding."""


class Task(Record):
    """One process's part."""

    role: str
    """writer | reader | watcher | transactor | editor"""
    name: str
    store: str
    folder: str
    """Where the logs are."""
    seed: int
    with_editors: bool = False
    """People edit the file too: writers keep to their own leaves and never replace the document."""
    timeout_seconds: float = TIMEOUT_SECONDS
    """Of each write."""

    @property
    def log_path(self) -> str:
        """The file of this part, continued by each successor."""
        return os.path.join(self.folder, f"{self.name}.log")


def starting_document() -> dict[str, Any]:
    """About 2 KB, shaped like an agent's configuration."""
    tools = [f"tool-{number}" for number in range(12)]
    return {
        "last": "start",
        "agent": {
            "model": "large-3",
            "max_tokens_per_turn": 4096,
            "temperature": 0.2,
            "system": "You are careful. " * 20,
            "tools": tools,
        },
        "limits": {f"limit_{number}": number * 1.5 for number in range(20)},
        "peers": {
            f"peer-{number}": {"host": f"10.0.0.{number}", "port": 7000 + number}
            for number in range(12)
        },
        "counters": {},
        "edits": {"editor-0": 0, "editor-1": 0},
    }


def work(task: Task) -> None:
    """Do *task* until the process is killed; a defect is noted in the log and ends it."""
    log = CallLog(task.log_path)
    try:
        if task.role == "editor":
            _edit(task, log)
        else:
            client = connect(task.store)
            {
                "writer": _write,
                "reader": _read,
                "watcher": _watch,
                "transactor": _transact,
            }[task.role](task, log, client)
    except BaseException:
        log.note(defect=traceback.format_exc())
        raise


# --- writing ----------------------------------------------------------------------


def _chance(task: Task) -> random.Random:
    """Drawn anew by each process, which does not do again what the one before it has done."""
    return random.Random(f"{task.name} {task.seed} {_own_number()} {time.monotonic_ns()}")


def _own_number() -> int:
    """What no other process has that is running; a simulation of many in one puts something else here."""
    return os.getpid()


class Writer:
    """The verbs, each logged before and after."""

    def __init__(self, task: Task, log: CallLog, client: Client) -> None:
        self.name = task.name
        self.timeout_seconds = task.timeout_seconds
        self.log = log
        self.realm: ConfigRuntime[Any] = client.realm(REALM)
        self.chance = _chance(task)
        self.marks = 0

    def mark(self) -> str:
        """A name for a write that nothing else has ever had."""
        self.marks += 1
        return f"{self.name}-{_own_number()}-{time.monotonic_ns()}-{self.marks}"

    def attempt(
        self,
        verb: str,
        invoke: Callable[..., Any],
        *,
        body: object,
        write_id: str,
        expected: int | None = None,
        create: bool = False,
        rebases: bool = False,
    ) -> None:
        # Half of the writes leave the id to the library, which then keeps no receipt; the
        # mark inside the document tells which write it was.
        given = rebases or verb in ("delete", "rollback") or self.chance.random() < 0.5
        options: dict[str, Any] = {"timeout": self.timeout_seconds}
        if given:
            options["write_id"] = write_id
        if expected is not None:
            options["expected_generation"] = expected
        if create:
            options["create"] = True
        if rebases:
            options["on_conflict"] = "rebase"
        call = self.log.begin(
            realm=REALM,
            verb=verb,
            body=body,
            write_id=write_id,
            given=given,
            expected=expected,
            create=create,
            rebases=rebases,
        )
        self.log.end(call, **answer_of(lambda: invoke(**options)))

    def increment(self) -> None:
        """``update``: this writer's counter plus one, on whatever is there."""
        mark = self.mark()

        def change(draft: dict[str, Any]) -> None:
            counters = draft.setdefault("counters", {})
            counters[self.name] = counters.get(self.name, 0) + 1
            draft["last"] = mark

        self.attempt(
            "update",
            lambda **options: self.realm.update(change, **options),
            body=self.name,
            write_id=mark,
        )

    def replace(self) -> None:
        """``set`` with the generation that was read: the classic compare-and-swap."""
        mark = self.mark()
        snapshot = self.realm.get()
        document = _plain(snapshot.document) if snapshot.exists else starting_document()
        document["last"] = mark
        self.attempt(
            "set",
            lambda **options: self.realm.set(document, **options),
            body=document,
            write_id=mark,
            expected=snapshot.generation,
        )

    def patch(self) -> None:
        """``patch`` of an own leaf: blind, against a fresh or an old generation, or rebased."""
        mark = self.mark()
        kind = self.chance.choice(["blind", "fresh", "stale", "rebase"])
        generation = self.realm.get().generation
        expected = {"blind": None, "fresh": generation}.get(
            kind, max(0, generation - self.chance.randint(1, 3))
        )
        # A rebase that touches what everybody touches would always be contested.
        mine = {"rebased": {self.name: mark}} if kind == "rebase" else {"last": mark}
        self.attempt(
            "patch",
            lambda **options: self.realm.patch(mine, **options),
            body=mine,
            write_id=mark,
            expected=expected,
            rebases=kind == "rebase",
        )

    def delete(self) -> None:
        """``delete``, then somebody's ``create``."""
        self.attempt("delete", self.realm.delete, body=None, write_id=self.mark())

    def create(self) -> None:
        """``set`` where there must be no live document."""
        mark = self.mark()
        document = {**starting_document(), "last": mark}
        self.attempt(
            "set",
            lambda **options: self.realm.set(document, **options),
            body=document,
            write_id=mark,
            create=True,
        )

    def rollback(self) -> None:
        """``rollback`` to one of the last generations."""
        generation = self.realm.get().generation
        to = max(1, generation - self.chance.randint(1, 5))
        self.attempt(
            "rollback",
            lambda **options: self.realm.rollback(to=to, **options),
            body=to,
            write_id=self.mark(),
        )

    def settle_what_the_dead_left(self, path: str) -> None:
        """Ask what became of the last write of the process before, if it gave an id."""
        unanswered = [
            call
            for call in read_calls(path)
            if call.get("given") and ("ended_ns" not in call or call.get("outcome") == UNKNOWN)
        ]
        if unanswered:
            self.settle(unanswered[-1])

    def settle(self, call: dict[str, Any]) -> None:
        attempt = self.log.begin(
            **{
                field: call[field]
                for field in (
                    *("realm", "verb", "body", "write_id", "given"),
                    *("expected", "create", "rebases"),
                )
            },
            settles=True,
        )
        settled = self.realm.settle(call["write_id"])
        outcome = {"Committed": COMMITTED, "Void": REFUSED}.get(type(settled).__name__, UNKNOWN)
        self.log.end(
            attempt,
            outcome=outcome,
            generation=getattr(settled, "generation", None),
            code="write_id_void" if outcome == REFUSED else None,
        )


def answer_of(invoke: Callable[[], Any]) -> dict[str, Any]:
    """What the caller of a write was told, as fields of a log line."""
    try:
        snapshot = invoke()
    except GenerationConflict as conflict:
        return {"outcome": CONFLICT, "generation": conflict.current}
    except OutcomeUnknown as unknown:
        return {"outcome": UNKNOWN, "code": unknown.code}
    except RealmconfError as error:
        return {"outcome": REFUSED, "code": error.code, "text": str(error)}
    outcome = COMMITTED if snapshot.changed else OBSERVED
    return {"outcome": outcome, "generation": snapshot.generation}


def _write(task: Task, log: CallLog, client: Client) -> None:
    writer = Writer(task, log, client)
    writer.settle_what_the_dead_left(task.log_path)
    verbs: dict[Callable[[], None], int] = {writer.increment: 6, writer.patch: 6}
    if not task.with_editors:
        verbs |= {writer.replace: 4, writer.rollback: 1, writer.create: 1, writer.delete: 1}
    while True:
        (verb,) = writer.chance.choices(list(verbs), weights=list(verbs.values()))
        verb()


def _transact(task: Task, log: CallLog, client: Client) -> None:
    chance = _chance(task)
    while True:
        mark = f"{task.name}-{_own_number()}-{time.monotonic_ns()}"
        writes = [(realm, {"set": {"last": mark}}) for realm in PAIR]
        call = log.begin(realm=PAIR[0], verb="transaction", body=None, write_id=mark, given=True)
        try:
            client.transaction(writes, write_id=mark, timeout=TIMEOUT_SECONDS)
        except OutcomeUnknown:
            log.end(call, outcome=UNKNOWN)
        else:
            log.end(call, outcome=COMMITTED)
        time.sleep(chance.random() * 0.01)


# --- looking ----------------------------------------------------------------------


def _read(task: Task, log: CallLog, client: Client) -> None:
    realm: ConfigRuntime[Any] = client.realm(REALM)
    while True:
        began_ns = time.monotonic_ns()
        snapshot = realm.get()
        seen = snapshot.revision.write_id if snapshot.revision is not None else None
        log.record(
            realm=REALM,
            verb="get",
            began_ns=began_ns,
            outcome=OBSERVED,
            generation=snapshot.generation,
            seen=seen,
            last=(snapshot.document or {}).get("last"),
        )
        began_ns = time.monotonic_ns()
        config = realm.current
        log.record(realm=REALM, verb="current", began_ns=began_ns, last=config.get("last"))
        time.sleep(0.001)


def _watch(task: Task, log: CallLog, client: Client) -> None:
    realm: ConfigRuntime[Any] = client.realm(REALM)
    events = [note for note in read_calls(task.log_path) if "watched" in note]
    after = events[-1]["watched"] if events else 0
    for snapshot in realm.watch(after=after, view="own"):
        seen = snapshot.revision.write_id if snapshot.revision is not None else None
        log.note(watched=snapshot.generation, seen=seen, reset=bool(snapshot.reset))


# --- editing by hand ----------------------------------------------------------------


def _edit(task: Task, log: CallLog) -> None:
    """
    Raise an own number in ``config.toml`` again and again, as people's editors do.

    The editor knows nothing of the library: it reads the text, changes its line, saves.
    """
    path = os.path.join(task.store, REALM, "config.toml")
    chance = _chance(task)
    mine = re.compile(rf'^("?{re.escape(task.name)}"?\s*=\s*)(\d+)', re.MULTILINE)
    saved = max(
        (note["saving"] for note in read_calls(task.log_path) if "saving" in note), default=0
    )
    # One person at the file at a time: whoever saves an old buffer over another person's
    # save has undone it before the library could see it.
    chair = os.open(os.path.join(task.folder, "editors.lock"), os.O_RDWR | os.O_CREAT, 0o600)
    while not os.path.exists(os.path.join(task.folder, STOP_EDITING)):
        time.sleep(0.02 + chance.random() * 0.2)
        fcntl.flock(chair, fcntl.LOCK_EX)
        try:
            with open(path, encoding="utf-8") as file:
                text = file.read()
            if mine.search(text) is None:
                continue
            saved += 1
            number = saved
            changed = mine.sub(rf"\g<1>{number}", text)
            # Nobody types at once: the program writes in between.
            time.sleep(chance.random() * 0.05)
            log.note(saving=number)
            chance.choice(SAVE_STYLES)(path, changed)
            log.note(saved=number)
        except FileNotFoundError:
            # Between two steps of a rendering; a person would try again.
            continue
        finally:
            fcntl.flock(chair, fcntl.LOCK_UN)


def _save_in_place(path: str, text: str) -> None:
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)


def _save_slowly_in_place(path: str, text: str) -> None:
    with open(path, "w", encoding="utf-8") as file:
        half = len(text) // 2
        file.write(text[:half])
        file.flush()
        time.sleep(0.03)
        file.write(text[half:])


def _save_beside_and_rename(path: str, text: str) -> None:
    with open(f"{path}.swp", "w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    os.rename(f"{path}.swp", path)


def _save_after_moving_a_backup(path: str, text: str) -> None:
    os.rename(path, f"{path}~")
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)


def _save_over_the_old_text(path: str, text: str) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT, 0o600)
    try:
        content = text.encode()
        half = len(content) // 2
        os.pwrite(descriptor, content[:half], 0)
        os.pwrite(descriptor, content[half:], half)
        os.ftruncate(descriptor, len(content))
    finally:
        os.close(descriptor)


def _save_beside_and_exchange(path: str, text: str) -> None:
    other = f"{path}.swap"
    with open(other, "w", encoding="utf-8") as file:
        file.write(text)
    try:
        exchange_paths(other, path)
    except (OSError, ExchangeUnsupportedError):
        # The file is not there at this moment, or the kernel cannot.
        os.rename(other, path)
    else:
        os.unlink(other)


SAVE_STYLES = (
    _save_in_place,
    _save_slowly_in_place,
    _save_beside_and_rename,
    _save_after_moving_a_backup,
    _save_over_the_old_text,
    _save_beside_and_exchange,
)


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    return value
