"""
An edit saved before each single call of a write's rendering, in every style, and a death at each (G8).

What is claimed is the same everywhere: the edit is in the configuration or kept in
full beside the file, no half-saved text is taken in, nobody's write is undone, and in
the end the file says what the head says.
"""

from __future__ import annotations

import errno
import os
import threading
import tomllib
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from tests.workingcopy.editors import STYLES, KeptDescriptor, Save, SlowEditor
from tests.workingcopy.host import Host
from tests.workingcopy.interposed import KilledError, Steps, interposed_host

from realmconf.domain.names import RealmName
from realmconf.domain.revision import Revision

BEFORE = {"a": 1, "b": 1, "m": "x" * 40, "z": [1, 2, 3]}
WRITTEN = {**BEFORE, "b": 2}
EDITED = 'edited = "yes"\n'


class LostEditError(AssertionError):
    """The claim does not hold."""


def prepared(root: Path, steps: Steps, **named: Any) -> Host:
    """A realm that was rendered twice (so that there is a spare), and a write that is not rendered yet."""
    host = interposed_host(root, steps, **named)
    host.write("team", {**BEFORE, "a": 0})
    host.write("team", BEFORE)
    return host


def edit_of(text: str) -> str:
    """What somebody makes of the loaded *text*: a change that overlaps with no other."""
    lines = text.splitlines(keepends=True)
    return "".join([*lines[:-1], EDITED, lines[-1]])


def calls_of_one_rendering(root: Path, **named: Any) -> list[str]:
    """The names of all calls, in order, when nothing gets in between."""
    steps = Steps()
    host = prepared(root, steps, **named)
    host.write("team", WRITTEN, publish=False)
    names: list[str] = []
    steps.count(lambda _, name: names.append(name))
    host.publish("team")
    return names


def head_of(host: Host) -> Revision:
    revision = host.head(RealmName("team")).revision
    assert revision is not None
    return revision


def come_to_rest(host: Host) -> None:
    for _ in range(4):
        host.settle("team")
        host.publish("team")


def check(
    host: Host, *, mergeable: bool, expected: dict[str, Any] | None = None, blind: bool = False
) -> None:
    """
    Hold the claim against what is there in the end.

    *blind*: the text says nothing of its base, and was saved over a newer rendering.
    Then it counts as an edit of that, which says what it puts back.
    """
    head = head_of(host)
    document = head.document
    if blind and head.reverts == ("/b",) and document == {**BEFORE, "edited": "yes"}:
        return
    expected = WRITTEN if expected is None else expected
    kept = [
        tomllib.loads(Path(host.path("team", name)).read_text())
        for name in host.names("team")
        if "contested" in name
    ]
    taken_in = document == {**expected, "edited": "yes"}
    if not taken_in:
        if document != expected:
            raise LostEditError(f"neither the edit nor the write: {document}")
        if mergeable:
            raise LostEditError(f"the edit is gone; kept: {kept}; history: {summary(host)}")
        if not any(item.get("edited") == "yes" for item in kept):
            raise LostEditError(f"the edit is nowhere; kept: {kept}; history: {summary(host)}")
    check_rest(host)


def check_rest(host: Host) -> None:
    head = head_of(host)
    for revision in host.history("team"):
        if (
            revision.kind == "adopt"
            and revision.document is not None
            and "z" not in revision.document
        ):
            raise LostEditError("half a text was taken in")
        if revision.reverts or revision.restores:
            raise LostEditError(f"somebody's write was undone: {summary(host)}")
    text = host.text("team")
    if tomllib.loads(text) != head.document:
        raise LostEditError(f"the file does not say what the head says: {host.state('team')}")
    if host.copies._renderer._header and f"generation {head.generation}\n" not in text:
        raise LostEditError("the first line is not the head's")


def summary(host: Host) -> list[tuple]:
    return [(item.generation, item.kind, item.document) for item in host.history("team")]


def at_call(number: int, action: Callable[[], None]) -> Callable[[int, str], None]:
    """Do something before the call of this number, and nothing before others."""

    def before(now: int, _: str) -> None:
        if now == number:
            action()

    return before


class Saver:
    """Saves once, in a thread of its own: an open may have to wait for our lease to end."""

    def __init__(self, save: Callable[[], None]) -> None:
        self._save = save
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        self._thread = threading.Thread(target=self._save)
        self._thread.start()
        self._thread.join(0.02)

    def join(self) -> None:
        if self._thread is not None:
            self._thread.join()
        else:
            self._save()


def run_with_edit(
    root: Path,
    at: int,
    save: Save,
    *,
    kill_at: int | None = None,
    with_header: bool = True,
    **named: Any,
) -> Host:
    """
    Write, and render; somebody who loaded the text before the write saves at call *at*; we may die at *kill_at*.
    """
    steps = Steps()
    host = prepared(root, steps, **named)
    buffer = edit_of(host.text("team"))
    if not with_header:
        buffer = buffer.split("\n", 1)[1]
    host.write("team", WRITTEN, publish=False)
    saver = Saver(lambda: save(host.path("team"), buffer))

    def before(number: int, name: str) -> None:
        if number == at:
            saver.start()
        if number == kill_at:
            steps.kill()

    steps.count(before)
    try:
        host.publish("team")
    except KilledError:
        host = Host(root, header=bool(named.get("header", True)))
    steps.stop()
    saver.join()
    come_to_rest(host)
    return host


@pytest.fixture(scope="module")
def calls(tmp_path_factory) -> list[str]:
    return calls_of_one_rendering(tmp_path_factory.mktemp("calls"))


def test_rendering_has_the_calls_of_the_protocol(calls):
    """The order of the steps is the protocol's: write and sync the spare, commit, exchange, look, sync, commit."""
    protocol = [
        name
        for name in calls
        if name in {"rewrite", "sync_data", "commit", "exchange", "sync_folder"}
    ]
    assert protocol == [
        "rewrite",
        "sync_data",
        "commit",
        "exchange",
        "sync_folder",
        "commit",
    ]


@pytest.mark.parametrize("with_header", [True, False], ids=["header", "bare"])
@pytest.mark.parametrize("save", STYLES.values(), ids=STYLES)
def test_edit_at_every_call(tmp_path, calls, save: Save, with_header: bool):
    """An edit saved before any call of a rendering is never lost, in no style, with or without its first line."""
    for at in range(len(calls) + 1):
        host = run_with_edit(tmp_path / str(at), at, save, with_header=with_header)
        check(host, mergeable=with_header, blind=not with_header and at > calls.index("exchange"))


@pytest.mark.parametrize("save", STYLES.values(), ids=STYLES)
def test_edit_at_every_call_and_death_at_the_next(tmp_path, calls, save: Save):
    """The same, and the rendering process dies at the next call."""
    for at in range(len(calls) - 1):
        check(run_with_edit(tmp_path / str(at), at, save, kill_at=at + 1), mergeable=True)


@pytest.mark.torture
@pytest.mark.parametrize("save", STYLES.values(), ids=STYLES)
def test_edit_at_every_call_and_death_at_every_later_one(tmp_path, calls, save: Save):
    """The same for every pair of a save and a later death."""
    for at in range(len(calls)):
        for kill_at in range(at, len(calls)):
            check(
                run_with_edit(tmp_path / f"{at}-{kill_at}", at, save, kill_at=kill_at),
                mergeable=True,
            )


def test_death_at_every_call_leaves_no_phantom(tmp_path, calls):
    """A rendering that dies anywhere, twice in a row, never turns our own text into somebody's edit."""
    for first in range(len(calls)):
        exchange = calls.index("exchange")
        for second in {first, exchange, exchange + 1, len(calls) - 3}:
            die_twice(tmp_path / f"{first}-{second}", first, second)


@pytest.mark.parametrize("sticky", [False, True], ids=["once", "sticky"])
@pytest.mark.parametrize(
    "number", [errno.EIO, errno.ENOSPC, errno.EACCES], ids=["EIO", "ENOSPC", "EACCES"]
)
def test_error_at_every_call(tmp_path, calls, number: int, sticky: bool):
    """A call that fails fails no write: the file is late, that is said, and the next look repairs it."""
    for at in range(len(calls)):
        if calls[at] in {"close", "commit"}:
            continue
        steps = Steps()
        host = prepared(tmp_path / str(at), steps)
        host.write("team", WRITTEN, publish=False)

        def fail(now: int, name: str, at: int = at) -> None:
            if now == at or (sticky and now > at and name not in {"close", "commit"}):
                raise OSError(number, os.strerror(number))

        steps.count(fail)
        host.publish("team")
        steps.stop()
        come_to_rest(host)
        assert head_of(host).document == WRITTEN
        assert host.state("team").state == "clean"
        assert [revision.kind for revision in host.history("team")] == ["patch"] * 3
        assert host.settle("team") == ()
        assert host.names("team") == ["config.toml"]
        check_rest(host)


@pytest.mark.torture
def test_death_at_every_pair_of_calls_leaves_no_phantom(tmp_path, calls):
    """The same for every pair of places to die at."""
    for first in range(len(calls)):
        for second in range(len(calls)):
            die_twice(tmp_path / f"{first}-{second}", first, second)


def die_twice(root: Path, first: int, second: int, **named: Any) -> None:
    steps = Steps()
    host = prepared(root, steps, **named)
    for number, kill_at in enumerate((first, second)):
        host.write("team", {"b": 10 + number}, publish=False)
        steps.count(at_call(kill_at, steps.kill))
        try:
            host.publish("team")
        except KilledError:
            pass
        steps = Steps()
        host = interposed_host(root, steps, **named)
    come_to_rest(host)
    kinds = [revision.kind for revision in host.history("team")]
    if kinds != ["patch"] * 4 or host.names("team") != ["config.toml"]:
        raise LostEditError(f"a phantom edit after deaths at {first} and {second}: {summary(host)}")
    check_rest(host)


def test_slow_save_at_every_call(tmp_path, calls):
    """A save that begins at any call and ends after the rendering is taken in whole, never in part."""
    for at in range(len(calls)):
        save_slowly(tmp_path / str(at), at)


def save_slowly(root: Path, at: int, **named: Any) -> None:
    steps = Steps()
    host = prepared(root, steps, **named)
    editor = SlowEditor(host.path("team"), edit_of(host.text("team")))
    host.write("team", WRITTEN, publish=False)
    steps.count(at_call(at, partial(editor.begin, 0.02)))
    host.publish("team")
    steps.stop()
    host.settle("team")
    editor.finish()
    come_to_rest(host)
    check(host, mergeable=True)


@pytest.mark.parametrize("writable", [True, False], ids=["writable", "readable"])
def test_kept_descriptor_opened_at_every_call(tmp_path, calls, writable: bool):
    """An editor that opened the file at any call and saves through that descriptor later is heard."""
    for at in range(len(calls)):
        keep_descriptor(tmp_path / str(at), at, writable=writable)


def keep_descriptor(root: Path, at: int, *, writable: bool, **named: Any) -> None:
    steps = Steps()
    host = prepared(root, steps, **named)
    host.write("team", WRITTEN, publish=False)
    editors: list[KeptDescriptor] = []
    opener = Saver(lambda: editors.append(KeptDescriptor(host.path("team"), writable=writable)))
    steps.count(at_call(at, opener.start))
    host.publish("team")
    steps.stop()
    opener.join()
    for value in range(3):
        host.write("team", {"count": value})
    editor = editors[0]
    editor.save(edit_of(editor.text()))
    editor.close()
    come_to_rest(host)
    check(host, mergeable=True, expected={**WRITTEN, "count": 2})


@pytest.mark.parametrize("save", STYLES.values(), ids=STYLES)
def test_first_rendering_meets_a_creation(tmp_path, save: Save):
    """A file that somebody makes while the realm's first rendering is under way is not overwritten."""
    for at in range(40):
        steps = Steps()
        host = interposed_host(tmp_path / str(at), steps)
        host.write("team", WRITTEN, publish=False)
        saved = Saver(partial(save, host.path("team"), f"{EDITED}z = 1\n"))

        def before(
            number: int, _: str, host: Host = host, saved: Saver = saved, at: int = at
        ) -> None:
            if number == at and os.path.isdir(os.path.join(host.root, "team")):
                saved.start()

        steps.count(before)
        host.publish("team")
        steps.stop()
        if saved._thread is None:
            continue
        saved.join()
        come_to_rest(host)
        kept = [name for name in host.names("team") if "contested" in name]
        taken_in = (head_of(host).document or {}).get("edited") == "yes"
        assert taken_in or any(
            EDITED in Path(host.path("team", name)).read_text() for name in kept
        ), at


@pytest.mark.parametrize("save", STYLES.values(), ids=STYLES)
def test_edit_at_every_call_of_a_removal(tmp_path, save: Save):
    """An edit saved while a deleted realm's file is being removed is kept beside it, in full."""
    for at in range(40):
        steps = Steps()
        host = prepared(tmp_path / str(at), steps)
        buffer = edit_of(host.text("team"))
        host.write("team", None, publish=False)
        saver = Saver(partial(save, host.path("team"), buffer))
        steps.count(at_call(at, saver.start))
        host.publish("team")
        steps.stop()
        last = saver._thread is None
        saver.join()
        come_to_rest(host)
        kept = [name for name in host.names("team") if "contested" in name]
        assert any(EDITED in Path(host.path("team", name)).read_text() for name in kept), at
        assert not os.path.exists(host.path("team"))
        if last:
            break


def test_error_of_a_look_fails_no_write(tmp_path):
    """A file that cannot be looked at keeps nobody from writing; what was edited there is taken in later."""
    for at in range(30):
        steps = Steps()
        host = prepared(tmp_path / str(at), steps)
        STYLES["in_place"](host.path("team"), edit_of(host.text("team")))

        def fail(now: int, name: str, at: int = at) -> None:
            if now >= at and name not in {"close", "commit"}:
                raise OSError(errno.EIO, "input/output error")

        steps.count(fail)
        host.write("team", {"b": 2}, publish=False)
        steps.stop()
        come_to_rest(host)
        check(host, mergeable=True)
