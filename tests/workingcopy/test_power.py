"""The working copy and a power cut: a file system that forgets what was not made durable (G4, G8)."""

from __future__ import annotations

import os
import shutil

import pytest
from tests.workingcopy.powercuts import MAKERS, WRITER, Disk, PhantomError, cut_often


@pytest.fixture(params=MAKERS)
def disk(tmp_path, request):
    maker = MAKERS[request.param][0]
    if os.geteuid() != 0 or shutil.which(maker) is None:
        pytest.fail(f"mounting a file system of its own needs root and {maker}")
    disk = Disk(tmp_path, request.param)
    yield disk
    disk.unmount()


@pytest.mark.machine
@pytest.mark.timeout(600)
def test_power_cut_makes_no_phantom_and_loses_no_edit(disk):
    """After a power cut nothing of ours looks like an edit, and an edit is taken in once and for good."""
    cut_often(disk, WRITER, cuts=25)


@pytest.mark.planted
@pytest.mark.machine
@pytest.mark.timeout(600)
def test_missing_sync_of_the_folder_is_caught(disk):
    """Calling older texts replaced before the new name is durable turns them into restores."""
    careless = (
        "from realmconf.stores.embedded.workdesk import Desk\nDesk.sync = lambda self: None\n"
    )
    with pytest.raises(PhantomError):
        cut_often(disk, careless + WRITER, cuts=40)
