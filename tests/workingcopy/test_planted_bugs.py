"""Each harness of this folder catches the bug it is there for: a protocol without one of its rules."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from tests.workingcopy.editors import STYLES
from tests.workingcopy.host import Record
from tests.workingcopy.interposed import InterposedFiles
from tests.workingcopy.test_interleavings import (
    LostEditError,
    calls_of_one_rendering,
    check,
    die_twice,
    keep_descriptor,
    run_with_edit,
    save_slowly,
)

from realmconf.stores.embedded.files import LEASE_FREE
from realmconf.stores.embedded.layout import WORKING_COPY
from realmconf.stores.embedded.workplace import DISPLACED_OURS, Placer

pytestmark = pytest.mark.planted


@pytest.fixture(scope="module")
def calls(tmp_path_factory) -> list[str]:
    return calls_of_one_rendering(tmp_path_factory.mktemp("calls"))


class PlainRename(Placer):
    """Renames over the file, and looks at nothing."""

    def _put(self, turn, desk, folder, finding, *, contested):
        self._files.replace(desk.shelf, desk.spare, folder, WORKING_COPY)
        return DISPLACED_OURS


class Incurious(Placer):
    """Exchanges, and takes what it gets for its own."""

    def _judge_displaced(self, turn, desk, name, finding, *, contested):
        return DISPLACED_OURS


class Inattentive(InterposedFiles):
    """Never asks whether somebody has a file open."""

    def lease_against_all(self, descriptor: int) -> str:
        return LEASE_FREE

    def lease_against_writers(self, descriptor: int) -> str:
        return LEASE_FREE

    def lease_holds(self, descriptor: int) -> bool:
        return True

    def lease_end(self, descriptor: int) -> None:
        pass


class LastAndNext(Record):
    """Remembers two texts only: the one before and the one that is being put in its place."""

    def commit(self, *arguments, **named):
        super().commit(*arguments, **named)
        self.connection.execute(
            "DELETE FROM working_copy_text WHERE generation NOT IN "
            "(SELECT generation FROM working_copy_text ORDER BY generation DESC LIMIT 1)"
        )


def edits(root: Path, calls: list[str], **named: Any) -> None:
    for name, save in STYLES.items():
        for at in range(calls.index("read"), len(calls)):
            check(run_with_edit(root / f"{name}-{at}", at, save, **named), mergeable=True)


def test_plain_rename_is_caught(tmp_path, calls):
    """Renaming over the file loses what is saved between the look and the rename."""
    with pytest.raises(LostEditError):
        edits(tmp_path, calls, placer=PlainRename)


def test_unexamined_exchange_is_caught(tmp_path, calls):
    """Exchanging without a look at what was displaced loses it."""
    with pytest.raises(LostEditError):
        edits(tmp_path, calls, placer=Incurious)


@pytest.mark.parametrize("writable", [True, False], ids=["writable", "readable"])
def test_missing_lease_is_caught(tmp_path, calls, writable: bool):
    """Reusing a displaced file that somebody has open loses what they save there."""

    def keep_descriptors() -> None:
        for at in range(len(calls)):
            keep_descriptor(tmp_path / str(at), at, writable=writable, files=Inattentive)

    with pytest.raises(LostEditError):
        keep_descriptors()


def test_adoption_of_a_half_saved_file_is_caught(tmp_path, calls):
    """Taking in a file that is open for writing takes in half of it."""

    def save_everywhere() -> None:
        for at in range(len(calls)):
            save_slowly(tmp_path / str(at), at, files=Inattentive)

    with pytest.raises(LostEditError):
        save_everywhere()


def test_short_memory_is_caught(tmp_path, calls):
    """Remembering only the newest text turns an older rendering of ours into an edit after two deaths."""

    def die_everywhere() -> None:
        for first in range(len(calls)):
            die_twice(
                tmp_path / str(first),
                first,
                calls.index("exchange"),
                record=LastAndNext,
                header=False,
            )

    with pytest.raises(LostEditError):
        die_everywhere()


def test_harnesses_pass_without_a_bug(tmp_path, calls):
    """The same runs find nothing in the protocol as it is, with and without a first line."""
    for header in (True, False):
        for first in range(0, len(calls), 2):
            die_twice(tmp_path / f"{header}-{first}", first, calls.index("exchange"), header=header)
