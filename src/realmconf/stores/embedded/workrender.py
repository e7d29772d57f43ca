"""
Bringing a file in step with the head: when it may be done, and what to do if that changed meanwhile.

Decides whether to render, wait or leave the file alone.  The text is made outside the
turn wherever possible, since others wait for it; how it gets into the file's place is
``workplace``'s business.
"""

from __future__ import annotations

import os

import apsw

from realmconf.domain import workfile
from realmconf.errors import LockTimeout, RealmconfError
from realmconf.stores.embedded.layout import FOLDER
from realmconf.stores.embedded.publisher import OnePublisher
from realmconf.stores.embedded.worklook import Absent, Saving
from realmconf.stores.embedded.workmemory import AGAIN_SECONDS, AGAIN_SECONDS_MAX
from realmconf.stores.embedded.worktell import reason_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Protocol

    from realmconf.domain.names import Limits, RealmName
    from realmconf.stores.embedded.workexamine import Finding
    from realmconf.stores.embedded.workhost import Host, Writing
    from realmconf.stores.embedded.workmemory import Memory
    from realmconf.stores.embedded.workplace import Placer, Rendering
    from realmconf.stores.protocol import Head

    class Looking(Protocol):
        """Whoever looks at files and remembers what was seen."""

        def memory(self, realm: RealmName) -> Memory:
            """What is remembered of the realm's file."""
            ...

        def in_step(self, realm: RealmName) -> bool:
            """Whether the file is the rendering of the head, seen at a glance."""
            ...

        def examine(self, turn: Writing, realm: RealmName) -> Finding:
            """Take in what is there to take in, and say what is left."""
            ...


MISSING_SECONDS = 0.5
"""An absent or empty file is an editor between two steps for this long."""

PACE_SECONDS = 0.025
"""Publishers of several processes leave each other this much time between two renderings of one file."""

PATIENCE_SECONDS = 1.0
"""How long another process's publisher is left to do the work alone."""

RENDERINGS_OUTSIDE_MAX = 2
"""After so many renderings that were overtaken, the next one is made inside the turn."""


class Renderer:
    """Renders the working copies below one root."""

    def __init__(
        self,
        host: Host,
        looking: Looking,
        placer: Callable[[], Placer],
        *,
        clock: Callable[[], float],
        header: bool,
        limits: Limits,
    ) -> None:
        self._host = host
        self._looking = looking
        self._placer = placer
        self._clock = clock
        self._header = header
        self._limits = limits
        self._refused_since: float | None = None
        self._one_publisher = OnePublisher(os.path.join(host.root, FOLDER, "publisher.lock"))

    def in_background(self, realm: RealmName, deadline: float) -> float | None:
        """
        Render unless this or another process did a moment ago, or is at it; waits for the turn until *deadline*.

        Raises nothing; returns after how many seconds it is worth to try again, or None.
        """
        age_seconds = self._looking.memory(realm).age_seconds()
        if age_seconds is not None and 0 <= age_seconds < PACE_SECONDS:
            return PACE_SECONDS - age_seconds
        if not self._one_publisher.begin():
            now = self._clock()
            self._refused_since = now if self._refused_since is None else self._refused_since
            if now - self._refused_since < PATIENCE_SECONDS:
                return PACE_SECONDS
            # Whoever has it is stopped, or slow; two who render only cost time.
        self._refused_since = None
        try:
            return self.now(realm, deadline=deadline)
        finally:
            self._one_publisher.end()

    def now(self, realm: RealmName, *, deadline: float) -> float | None:
        """
        Bring the file in step with the head if that may be done now.

        Raises nothing: a rendering that fails is a notice, and the next look repairs
        it.  Returns after how many seconds it is worth to try again, or None.
        """
        memory = self._looking.memory(realm)
        try:
            if self._looking.in_step(realm):
                return None
            again_seconds = self._render_head(realm, memory, deadline)
        except LockTimeout:
            # Soon: the place in the queue is kept, and a turn that finds nobody waiting goes to the next.
            return AGAIN_SECONDS
        except (OSError, RealmconfError, apsw.Error) as error:
            memory.failure = reason_of(error)
            memory.settled = False
            return None
        if again_seconds is None:
            memory.again_seconds = AGAIN_SECONDS
            memory.failure = None
        return again_seconds

    def in_turn(self, turn: Writing, realm: RealmName) -> bool:
        """
        Bring the file in step with the head, in a turn that is held already.

        Whether it is, and nothing that was set aside waits; what somebody is at stays as it is.
        """
        found = self._looking.examine(turn, realm)
        if self._wait_before(self._looking.memory(realm), found) is None:
            base = None if found.standing is None else found.standing.text
            contested = isinstance(found.verdict, workfile.Contested)
            rendering = self._rendering(found.head, base)
            self._placer().place(turn, realm, found, rendering, contested=contested)
            found = self._looking.examine(turn, realm)
        if isinstance(found.look, Absent):
            return found.no_file_wanted and not found.waiting
        return isinstance(found.verdict, workfile.Clean) and not found.waiting

    def wanted(self, found: Finding) -> bool:
        """Whether the file is to be rendered, now or when somebody lets go of it."""
        if found.head.moved_to is not None:
            return False
        if isinstance(found.look, Saving):
            return True
        if found.missing:
            return not found.no_file_wanted
        return found.waiting or isinstance(found.verdict, (workfile.Unfinished, workfile.Contested))

    def forget(self) -> None:
        """In a child after fork: let go of what the parent holds."""
        self._one_publisher.end()

    def _render_head(self, realm: RealmName, memory: Memory, deadline: float) -> float | None:
        rendering = self._foreseen(realm, memory)
        overtaken = 0
        while True:
            with self._host.turn(deadline) as turn:
                found = self._looking.examine(turn, realm)
                wait_seconds = self._wait_before(memory, found)
                if wait_seconds is not None:
                    return wait_seconds or None
                base = None if found.standing is None else found.standing.text
                if rendering is None or not rendering.fits(found.head, base):
                    overtaken += 1
                    rendering = None
                    if overtaken > RENDERINGS_OUTSIDE_MAX:
                        rendering = self._rendering(found.head, base)
                if rendering is not None:
                    contested = isinstance(found.verdict, workfile.Contested)
                    if self._placer().place(turn, realm, found, rendering, contested=contested):
                        # What is committed from here on has its own wake-up: rendering on and on
                        # would keep the turn from those who commit.
                        found = self._looking.examine(turn, realm)
                        wait_seconds = self._wait_before(memory, found)
                        # The turn is still held: the head can only have moved by an edit that was
                        # displaced, and taken in by this last look.
                        return PACE_SECONDS if wait_seconds is None else wait_seconds or None
                    rendering = None
                    continue
            rendering = self._rendering(found.head, base)

    def _foreseen(self, realm: RealmName, memory: Memory) -> Rendering | None:
        """The rendering for the likely case that nobody edited the text since the last look."""
        if memory.base is None:
            return None
        head = self._host.head(realm, adopt=False)
        return None if head.generation == memory.seen else self._rendering(head, memory.base)

    def _rendering(self, head: Head, base: str | None) -> Rendering:
        from realmconf.stores.embedded.workplace import rendering_of

        return rendering_of(head, base, header=self._header, limits=self._limits)

    def _wait_before(self, memory: Memory, found: Finding) -> float | None:
        """None: render now. 0: nothing to do. Else: look again after so many seconds."""
        if found.head.moved_to is not None:
            return 0.0
        if found.missing and not found.no_file_wanted:
            known_before = found.standing is not None and found.standing.digest is not None
            if isinstance(found.look, Absent) and not known_before:
                return None
            assert memory.missing_since is not None
            rest_seconds = memory.missing_since + MISSING_SECONDS - self._clock()
            return rest_seconds if rest_seconds > 0 else None
        if isinstance(found.look, Absent):
            if found.standing is not None and found.standing.seen != found.head.generation:
                return None
        elif isinstance(found.verdict, (workfile.Unfinished, workfile.Contested, workfile.Empty)):
            return None
        if isinstance(found.look, Saving) or found.waiting:
            memory.again_seconds = min(2 * memory.again_seconds, AGAIN_SECONDS_MAX)
            return memory.again_seconds
        return 0.0
