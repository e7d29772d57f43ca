"""
What one process remembers of one file between two looks, and how far that can be trusted.

A hint in every respect: it saves looks and reads, and whatever it is wrong about is
found by the next real look.
"""

from __future__ import annotations

import os
import time

from realmconf.domain import workfile
from realmconf.stores.embedded.files import mark_of
from realmconf.stores.embedded.worklook import Finished, Refused, Saving
from realmconf.stores.embedded.worktell import stale

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from realmconf.stores.embedded.files import Files, Mark
    from realmconf.stores.embedded.workexamine import Finding
    from realmconf.stores.protocol import Notice

SETTLED_NANOSECONDS = 2_000_000_000
"""A stat is trusted once the file was this old when it was looked at: clocks of file systems are coarse."""

AGAIN_SECONDS = 0.05
AGAIN_SECONDS_MAX = 2.0
"""How often a file that somebody has open is looked at again, where no notification comes."""


class Memory:
    """What this process knows of one file since it last looked."""

    __slots__ = (
        "_cancel_watch",
        "_digest",
        "_files",
        "_looked_ns",
        "_mark",
        "again_seconds",
        "base",
        "dirty",
        "failure",
        "folder",
        "missing_since",
        "notices",
        "path",
        "seen",
        "settled",
        "watched",
    )

    def __init__(self, files: Files, path: str) -> None:
        self._files = files
        self.path = path
        self.folder = os.path.dirname(path)
        self.settled = False
        """Looked at, and nothing about it can change without the file changing."""
        self.notices: tuple[Notice, ...] = ()
        """What was said at the last look."""
        self.missing_since: float | None = None
        self.failure: str | None = None
        """Why the last rendering did not succeed."""
        self.base: str | None = None
        """The text that the next rendering edits."""
        self.seen: int | None = None
        """The generation that the file was in step with."""
        self.watched: tuple[int, int] | None = None
        """Device and inode of the folder that the kernel watches for us; None if it may be gone since."""
        self.dirty = True
        """The kernel told of something since the last look; means nothing while unwatched."""
        self.again_seconds = AGAIN_SECONDS
        self._mark: Mark | None = None
        self._digest: bytes | None = None
        self._looked_ns = 0
        self._cancel_watch: Callable[[], None] | None = None

    @property
    def said(self) -> tuple[Notice, ...]:
        """What is to be said now: of the last look, and of a rendering that has not succeeded since."""
        failure = self.failure
        return self.notices if failure is None else (*self.notices, stale(self.path, failure))

    # --- looking ---------------------------------------------------------------------

    def begin_look(self) -> None:
        """What happens from now on makes it dirty again; until the look is over nobody takes the last one's word."""
        # In this order: whoever finds it clean finds it unsettled.
        self.settled = False
        self.dirty = False

    def mark(self) -> Mark | None:
        """The file's state now; None if there is nothing at the path."""
        try:
            return mark_of(self._files.stat_path(self.path))
        except OSError:
            return None

    def unchanged(self) -> bool:
        """Whether the file is still what it was at the last look: one stat, and a read if it was young then."""
        mark = self.mark()
        if mark != self._mark:
            return False
        if mark is None or self._looked_ns - mark[4] > SETTLED_NANOSECONDS:
            return True
        # So young that a later save within one tick of the clock would look the same.
        looked_ns = time.time_ns()
        try:
            same = self._digest is not None and self._files.digest_path(self.path) == self._digest
        except OSError:
            same = False
        if same:
            self._looked_ns = looked_ns
        return same

    def age_seconds(self) -> float | None:
        """How long ago the file was written, by its own time; None if there is none."""
        mark = self.mark()
        return None if mark is None else (time.time_ns() - mark[3]) / 1e9

    # --- remembering -------------------------------------------------------------------

    def remember_in_step(self, digest: bytes, mark: Mark | None, looked_ns: int) -> None:
        """The file was the rendering of the head, seen with *mark* before it was read."""
        self._mark, self._digest, self._looked_ns = mark, digest, looked_ns
        self.notices = ()
        self.missing_since = None
        self.settled = True

    def remember(
        self,
        found: Finding,
        notices: tuple[Notice, ...],
        *,
        mark: Mark | None,
        looked_ns: int,
        now: float,
    ) -> None:
        """*found* is how things are; *mark* was taken before the look, *now* is of the monotonic clock."""
        look = found.look
        self._mark, self._looked_ns = mark, looked_ns
        self._digest = look.digest if isinstance(look, Finished) else None
        self.notices = notices
        if found.standing is not None:
            self.base, self.seen = found.standing.text, found.standing.seen
        if not found.missing:
            self.missing_since = None
        elif self.missing_since is None:
            self.missing_since = now
        # What depends on the head, on a clock or on who has something open is looked at again.
        self.settled = not (
            isinstance(look, (Saving, Refused))
            or isinstance(
                found.verdict,
                (workfile.Contested, workfile.Lost, workfile.Adopt, workfile.Restyled),
            )
            or found.waiting
            or found.kept
            or (found.missing and not found.no_file_wanted)
        )

    # --- being told ----------------------------------------------------------------------

    def watches(self, status: os.stat_result) -> bool:
        """Whether the folder with this *status* is the one that is watched."""
        return self.watched == (status.st_dev, status.st_ino)

    def watch(
        self,
        status: os.stat_result,
        ask: Callable[[str, Callable[[], None], Callable[[], None]], Callable[[], None]],
        notice: Callable[[], None],
    ) -> None:
        """Have *notice* called at changes in the folder, which has *status*, from now on; raises what *ask* does."""
        self.dirty = True
        # Before the old watch ends: if it is of the same folder, no event falls between the two.
        cancel, self._cancel_watch = self._cancel_watch, ask(self.folder, notice, self._lose_watch)
        self.watched = (status.st_dev, status.st_ino)
        if cancel is not None:
            cancel()

    def _lose_watch(self) -> None:
        # The folder may be gone, and the watch with it: one that is made in its place may have its inode.
        self.watched = None

    def unwatch(self) -> None:
        """No longer be told."""
        cancel, self._cancel_watch, self.watched = self._cancel_watch, None, None
        if cancel is not None:
            cancel()
