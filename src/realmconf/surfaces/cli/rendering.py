"""
The working copy at the end of a command that wrote: brought back, if somebody has removed or emptied it.

Decides only how long a command waits for that; when a missing file is no longer an editor between two
steps is decided below.
"""

from __future__ import annotations

import os
import time

from realmconf.errors import RealmconfError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

WAIT_SECONDS_MAX = 1.0
"""Twice as long as a missing file is left to its editor."""
LOOK_SECONDS = 0.1


def see_file_back(realm: Any, result: Any) -> None:
    """Wait until the file of what was written is there, since nobody looks again once this process has ended."""
    paths = result.metadata.resolved_paths
    if not result.exists or paths is None or paths.config_path is None:
        return
    if not _is_missing(paths.config_path):
        return
    end = time.monotonic() + WAIT_SECONDS_MAX
    try:
        realm.publish()
        while _is_missing(paths.config_path) and time.monotonic() < end:
            time.sleep(LOOK_SECONDS)
            realm.publish()
    except RealmconfError:
        # The write is done, and no rendering fails it; ``status`` tells what is wrong with the file.
        return


def _is_missing(path: str) -> bool:
    try:
        return os.stat(path).st_size == 0
    except FileNotFoundError:
        return True
    except OSError:
        # Not to be looked at is not the same as not there.
        return False
