"""
What is kept of realms for those who look without asking: the heads that were last heard of, and since when they are.

Decides which of two answers is the newer, how old the newest is, and whom a hint concerns.  Whether it is the newest of
all is never decided here.
"""

from __future__ import annotations

import threading
import time
from collections import deque

from realmconf.stores.protocol import Head, Remembered, Seen

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Mapping
    from typing import NamedTuple

    from realmconf.domain.names import RealmName
else:
    from typing import NamedTuple


class _Kept:
    """What is remembered of one realm."""

    def __init__(self) -> None:
        self.is_read = False
        """By somebody who reads it without asking; for good."""
        self.watchers = 0
        self.seen: Seen | None = None
        self.words = [0]
        self.position = -1
        self.shown_at: float | None = None
        """When the server last showed that it is the newest; monotonic seconds."""
        self.noted_at = 0.0
        """When the newest answer was there."""
        self.asked_at = 0.0
        """A moment up to which nothing was committed that is not in it, or was heard of since."""
        self.outdated_at = 0.0
        """When something was told of that is not in an answer asked for before."""
        self.doubted_at = 0.0
        """Answers to what was asked before that may be older than a write of this process."""
        self.is_missing_hints = False
        """Whether something may have been told of that nobody could look at."""

    @property
    def heads(self) -> Mapping[RealmName, Head]:
        return {} if self.seen is None else self.seen.heads


class Standing(NamedTuple):
    """What is remembered of one realm, as somebody builds on it who has heard of the next write."""

    seen: Seen
    position: int


class Followed:
    """What is kept by one store. Thread-safe."""

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._followed: dict[RealmName, _Kept] = {}
        self._concerned: dict[RealmName, set[RealmName]] = {}
        """Whose heads have that name among them."""
        self._left: deque[RealmName] = deque()
        """Who is watched by one less; by whoever has no time for the guard, as a collector of garbage."""

    # --- who is followed -------------------------------------------------------------------------

    def follow(self, realm: RealmName) -> bool:
        """Keep what is known of *realm* for readers from now on; whether it is known already."""
        with self._guard:
            kept = self._kept(realm)
            kept.is_read = True
            return kept.shown_at is not None

    def watch(self, realm: RealmName) -> FollowedSight:
        """Keep what is known of *realm* for one who watches."""
        with self._guard:
            self._let_go()
            self._kept(realm).watchers += 1
            return FollowedSight(self, realm)

    def leave(self, realm: RealmName) -> None:
        """One who watched does so no more. Waits for nothing."""
        self._left.append(realm)

    def _kept(self, realm: RealmName) -> _Kept:
        kept = self._followed.get(realm)
        if kept is None:
            kept = self._followed[realm] = _Kept()
            self._concerned.setdefault(realm, set()).add(realm)
        return kept

    def _let_go(self) -> None:
        while self._left:
            realm = self._left.popleft()
            kept = self._followed.get(realm)
            if kept is None or kept.watchers == 0:
                continue
            kept.watchers -= 1
            if not kept.watchers and not kept.is_read:
                del self._followed[realm]
                self._concern(realm, {realm, *kept.heads}, ())

    def _concern(
        self, realm: RealmName, before: Collection[RealmName], after: Collection[RealmName]
    ) -> None:
        for name in before:
            if name not in after:
                of_name = self._concerned.get(name, set())
                of_name.discard(realm)
                if not of_name:
                    self._concerned.pop(name, None)
        for name in after:
            self._concerned.setdefault(name, set()).add(realm)

    @property
    def realms(self) -> list[RealmName]:
        """The realms that are kept."""
        with self._guard:
            self._let_go()
            return list(self._followed)

    def concerned(self, names: Collection[RealmName]) -> list[RealmName]:
        """Those that are one of *names*, or were last seen to depend on one."""
        with self._guard:
            self._let_go()
            return list({realm for name in names for realm in self._concerned.get(name, ())})

    def number_concerned(self, names: Collection[RealmName]) -> int:
        """About how many those are, each counted once for every one of *names*."""
        with self._guard:
            return sum(len(self._concerned.get(name, ())) for name in names)

    # --- what is heard ---------------------------------------------------------------------------

    def note(
        self, realm: RealmName, heads: Mapping[RealmName, Head], *, position: int, asked_at: float
    ) -> None:
        """*heads* were the newest of *realm* at *position*, and at some moment after *asked_at*."""
        with self._guard:
            kept = self._followed.get(realm)
            if kept is None or asked_at < kept.doubted_at:
                return
            if position < kept.position and asked_at < kept.noted_at:
                # An answer that was overtaken by a newer one; one that was asked for later is of an older copy of the
                # whole store, put in its place.
                return
            self._take(realm, kept, heads, position=position, shown_at=asked_at)

    def wrote(
        self, realm: RealmName, heads: Mapping[RealmName, Head], *, position: int, sent_at: float
    ) -> None:
        """A write of this process, sent then, has made *heads* of *realm* at *position*."""
        with self._guard:
            kept = self._followed.get(realm)
            if kept is not None and position >= kept.position:
                self._take(realm, kept, heads, position=position, shown_at=sent_at)

    def _take(
        self,
        realm: RealmName,
        kept: _Kept,
        heads: Mapping[RealmName, Head],
        *,
        position: int,
        shown_at: float,
    ) -> None:
        """Remember *heads*, which are at least as new as what is remembered."""
        kept.asked_at = max(shown_at, kept.asked_at)
        kept.shown_at = max(shown_at, kept.shown_at or shown_at)
        kept.is_missing_hints = False
        self._put(realm, kept, heads, position=position)

    def _put(
        self, realm: RealmName, kept: _Kept, heads: Mapping[RealmName, Head], *, position: int
    ) -> None:
        kept.position = position
        kept.noted_at = time.monotonic()
        before = kept.heads
        if before.keys() == heads.keys() and all(
            before[name] is head for name, head in heads.items()
        ):
            return
        self._concern(realm, before, {realm, *heads})
        kept.seen = Seen(heads)
        kept.words[0] += 1

    def standing(self, realm: RealmName, *, since: float) -> Standing | None:
        """
        Where *realm* stands, for whoever has heard of all that was committed after *since*.

        None where that is not enough to go on from: it was asked for before, or more was told of than is known.
        """
        with self._guard:
            kept = self._followed.get(realm)
            if kept is None or kept.seen is None or kept.is_missing_hints:
                return None
            if kept.asked_at < max(since, kept.outdated_at):
                return None
            return Standing(kept.seen, kept.position)

    def go_on(
        self, realm: RealmName, standing: Standing, heads: Mapping[RealmName, Head], position: int
    ) -> bool:
        """
        The very next write after *standing* has made *heads* of *realm*; whether it still stood there.

        How old that may be is not told by it.
        """
        with self._guard:
            kept = self._followed.get(realm)
            if kept is None or kept.seen is not standing.seen or kept.position != standing.position:
                return False
            self._put(realm, kept, heads, position=position)
            return True

    def outdate(self, realms: Collection[RealmName]) -> None:
        """Something was told of *realms* that only an answer to what is asked from now on will have."""
        with self._guard:
            for realm in realms:
                kept = self._followed.get(realm)
                if kept is not None:
                    kept.outdated_at = time.monotonic()

    def doubt(self, realms: Collection[RealmName]) -> None:
        """Something of this process has changed *realms*: whoever reads what depends on them asks first."""
        concerned = self.concerned(realms)
        with self._guard:
            for realm in concerned:
                kept = self._followed.get(realm)
                if kept is not None:
                    kept.doubted_at = time.monotonic()
                    kept.shown_at = None
                    kept.words[0] += 1

    def miss(self, realms: Collection[RealmName]) -> None:
        """Something was told of *realms*, and could not be looked at: whoever watches them asks for itself."""
        with self._guard:
            for realm in realms:
                kept = self._followed.get(realm)
                if kept is not None:
                    kept.is_missing_hints = True

    def note_quiet(self, position: int, at: float) -> bool:
        """Nothing newer than *position* was there at a moment after *at*; whether all that is remembered is as new."""
        with self._guard:
            is_current = True
            for kept in self._followed.values():
                if kept.position == position or (kept.position > position and at < kept.noted_at):
                    if kept.shown_at is not None:
                        kept.shown_at = max(at, kept.shown_at)
                else:
                    is_current = False
            return is_current

    def note_unchanged(self, *, since: float, at: float) -> list[RealmName]:
        """Nothing was written from *since* until some moment after *at*; those that this tells nothing of."""
        late = []
        with self._guard:
            self._let_go()
            for realm, kept in self._followed.items():
                if kept.shown_at is None or kept.shown_at < since or kept.is_missing_hints:
                    late.append(realm)
                else:
                    kept.shown_at = max(at, kept.shown_at)
        return late

    # --- what is told ------------------------------------------------------------------------------

    def remembered(self, realm: RealmName) -> Remembered:
        """What is kept of *realm*, which is followed."""
        with self._guard:
            kept = self._followed[realm]
            return Remembered(heads=kept.heads, words=kept.words, mark=kept.words[0])

    def age_seconds(self, realm: RealmName) -> float | None:
        """How long ago that was shown to be the newest; None while it is in doubt."""
        with self._guard:
            shown_at = self._followed[realm].shown_at
        return None if shown_at is None else max(0.0, time.monotonic() - shown_at)

    def seen(self, realm: RealmName) -> Seen | None:
        """What was heard of *realm*; None where nothing was, or something may have been missed."""
        with self._guard:
            kept = self._followed.get(realm)
            return None if kept is None or kept.is_missing_hints else kept.seen

    # --- the end, and forks --------------------------------------------------------------------------

    def forget(self) -> None:
        """Take back what readers compare with: the store is closed, or another process's."""
        with self._guard:
            for one in self._followed.values():
                one.words.clear()
            self._followed.clear()
            self._concerned.clear()
            self._left.clear()

    def after_fork_in_child(self) -> None:
        """As ``forget``; a thread that is not here may have been at it."""
        self._guard = threading.Lock()
        self.forget()


class FollowedSight:
    """See ``Sight`` in the protocol."""

    def __init__(self, followed: Followed, realm: RealmName) -> None:
        self._followed = followed
        self._realm = realm
        self._is_closed = False

    def seen(self) -> Seen | None:
        """What was heard of the realm."""
        return self._followed.seen(self._realm)

    def close(self) -> None:
        """Watch no more. Idempotent."""
        if not self._is_closed:
            self._is_closed = True
            self._followed.leave(self._realm)

    def __del__(self) -> None:
        # A watch that nobody closes is one that nobody awaits any more.
        self.close()
