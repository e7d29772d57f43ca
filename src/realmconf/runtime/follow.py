"""
Following a realm: every step after a cursor, in order, once, or an explicit reset.

Decides what a cursor means, when a follower must reset, and what one step is: in the own view a
generation of the realm, in the effective view a commit to any realm that it depends on.  History is the
buffer, so a slow reader loses nothing and holds up nobody.

Where asking takes a while, a follower first looks at what the store has heard, and at the steps that others have gone
(``trail``): what follows there on where it stands is its next step.  For anything else it asks.
"""

from __future__ import annotations

from collections import deque

from realmconf.domain.names import RealmName
from realmconf.domain.record import Record
from realmconf.domain.revision import DIGEST_SHOWN, GENESIS
from realmconf.domain.write import Expected
from realmconf.errors import (
    HistoryCompacted,
    InvalidArgument,
    InvalidRealm,
    RealmMoved,
    RevisionNotFound,
)
from realmconf.runtime import arguments, pages
from realmconf.runtime.generic import Config, Generic
from realmconf.runtime.pages import PAGE
from realmconf.runtime.results import WatchedSnapshot
from realmconf.runtime.snapshot import EFFECTIVE_PREFIX, ConfigSnapshot, effective_cursor
from realmconf.runtime.trail import Ahead, Trail
from realmconf.stores.protocol import Head, far

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from typing import Any

    from realmconf.domain import revision as stored
    from realmconf.domain.document import Document
    from realmconf.domain.names import Limits
    from realmconf.runtime.client import Client
    from realmconf.runtime.lineages import Lineages, Point
    from realmconf.runtime.source import Source
    from realmconf.stores.protocol import ReadView, Step, Store

    After = ConfigSnapshot[Any] | str | int | None

VIEWS = ("effective", "own")


# --- cursors ---------------------------------------------------------------------------------


class Start(Record):
    """
    Where a watch begins: ``own`` is a place in the realm's own history, ``members`` one in the history of each
    realm that it depends on.  With neither it begins now.
    """

    own: Expected | None = None
    members: Mapping[RealmName, Expected] | None = None


def parse_after(realm: RealmName, after: After, *, view: str, limits: Limits) -> Start:
    """
    The position that *after* names; None is "from now on".

    Raises:
        InvalidArgument: It names none, or one of another realm or view.
    """
    arguments.choice(view, name="view", among=VIEWS)
    if after is None:
        return Start()
    if isinstance(after, ConfigSnapshot):
        if after.realm_id != realm:
            raise InvalidArgument(f"after is a snapshot of realm {after.realm_id}, not of {realm}")
        if view == "effective" and (cursor := _cursor_of(after)) is not None:
            after = cursor
        else:
            digest = after.digest if after.generation else None
            return Start(own=Expected(generation=after.generation, digest=digest))
    if isinstance(after, str):
        return _parse_cursor(realm, after, view=view)
    if view != "own" and after != 0:
        raise InvalidArgument(
            "a bare generation is a cursor of the own view only; take a snapshot or a cursor"
        )
    number = arguments.generation(after, name="after", limits=limits)
    return Start(own=Expected(generation=number))


def _cursor_of(snapshot: ConfigSnapshot[Any]) -> str | None:
    """Where a watch of the effective view goes on after *snapshot*; None where what it inherited is gone."""
    try:
        return snapshot.cursor
    except HistoryCompacted:
        return None


def _parse_cursor(realm: RealmName, cursor: str, *, view: str) -> Start:
    if not cursor.startswith(EFFECTIVE_PREFIX):
        return Start(own=arguments.etag(cursor))
    if view != "effective":
        raise InvalidArgument(
            "after is a cursor of the effective view; this watch is of the own one, whose cursors are etags"
        )
    members: dict[RealmName, Expected] = {}
    for member in cursor[len(EFFECTIVE_PREFIX) :].split(","):
        name, _, etag = member.partition("@")
        try:
            members[RealmName(name)] = arguments.etag(etag)
        except InvalidRealm:
            raise InvalidArgument("after is no cursor of the effective view") from None
    if next(iter(members)) != realm:
        raise InvalidArgument(f"after is a cursor of another realm than {realm}")
    return Start(members=members)


def follower_of(
    client: Client,
    source: Source[Config],
    realm: RealmName,
    after: Start,
    *,
    view: str,
    adopt: bool = True,
    page: int = PAGE,
) -> OwnFollower[Config] | EffectiveFollower[Config]:
    """
    A follower of one view of *realm*; it is to be made after whoever waits has subscribed.

    *page* is how many revisions it reads from history at once, and so holds, if they are not too large for that.
    """
    if view == "own":
        return OwnFollower(
            client.store,
            source,
            realm,
            after.own,
            trail=client.lineages.trail,
            adopt=adopt,
            page=page,
        )
    return EffectiveFollower(
        client.store, client.lineages, source, realm, after, adopt=adopt, page=page
    )


# --- the own view -----------------------------------------------------------------------------


class OwnFollower(Generic[Config]):
    """
    A position in a realm's history that moves forward when asked; it neither waits nor subscribes.

    The order that makes a watch gap-free is the caller's: subscribe, construct the follower, then ``read``
    until nothing comes, then wait.
    """

    def __init__(
        self,
        store: Store,
        source: Source[Config],
        realm: RealmName,
        after: Expected | None,
        *,
        trail: Trail | None = None,
        adopt: bool = True,
        page: int = PAGE,
    ) -> None:
        self._store = store
        self._source = source
        self._realm = realm
        self._adopt = adopt
        self._page = page
        self.watched = (realm,)
        self._ready: deque[WatchedSnapshot[Config]] = deque()
        self._reset_due = False
        self._document: Document | None = None
        self._trail = Trail() if trail is None else trail
        self._far = far(store)
        self.sight = None if self._far is None else self._far.watched(realm)
        """What the store hears of the realm, where asking takes a while."""
        if after is None:
            self._stand_at(self.look().revision)
            return
        self._generation = after.generation
        self._digest = after.digest or ""
        with store.view() as view_now:
            self._find_place(view_now)

    @property
    def key(self) -> tuple[str, RealmName]:
        """What followers have in common that can share a look."""
        return ("own", self._realm)

    @property
    def cursor(self) -> str:
        """Where a watch goes on from here; to be asked for when ``read`` has given None."""
        return f"{self._generation}-{self._digest[:DIGEST_SHOWN]}"

    def look(self) -> Head:
        """What ``read`` compares with."""
        if self._far is not None:
            # One question too, and its answer is kept for all who look at what was heard.
            return self._far.lineage(self._realm)[self._realm]
        return self._store.head(self._realm, adopt=self._adopt)

    def glance(self) -> WatchedSnapshot[Config] | None:
        """
        The next generation in what the store has heard, or None if that is where this follower stands; never waits.

        Raises:
            BehindError: That does not tell: ``advance``.
        """
        if self._ready:
            return self._ready.popleft()
        seen = None if self.sight is None else self.sight.seen()
        if seen is None or self._reset_due:
            raise BehindError
        newest = seen.heads[self._realm]
        record = newest.revision
        if newest.generation == self._generation and newest.moved_to is None:
            if self._matches(GENESIS if record is None else record.digest):
                return None
        elif newest.generation == self._generation + 1:
            if record is not None and self._matches(record.previous):
                return self._deliver(record, warnings=newest.warnings)
        elif newest.generation > self._generation:
            ahead = self._trail.after(self._place)
            if ahead is not None and ahead.revision is not None:
                return self._deliver(ahead.revision)
        raise BehindError

    def advance(self) -> WatchedSnapshot[Config] | None:
        """The next generation there is now, or None."""
        return self.read(self.look())

    def step(self) -> WatchedSnapshot[Config] | None:
        """As ``advance``; the store is asked only where what it has heard does not tell."""
        return _step(self)

    def close(self) -> None:
        """Hear no more of the realm. Idempotent."""
        if self.sight is not None:
            self.sight.close()

    def read(self, head: Head) -> WatchedSnapshot[Config] | None:
        """The next generation up to *head* (as the store gives it now), or None if there is none yet."""
        if self._ready:
            return self._ready.popleft()
        newest = head.revision
        generation = head.generation
        if generation == self._generation and not self._reset_due:
            if self._matches(GENESIS if newest is None else newest.digest):
                _refuse_moved(head)
                return None
            return self._reset(head)
        if newest is not None and generation == self._generation + 1 and not self._reset_due:
            # The common case, one new revision, needs no look at history.
            if self._matches(newest.previous):
                return self._deliver(newest, warnings=head.warnings)
            return self._reset(head)
        if generation < self._generation or self._reset_due:
            return self._reset(head)
        return self._read_history(head)

    def _read_history(self, head: Head) -> WatchedSnapshot[Config] | None:
        with self._store.view() as view:
            try:
                # Not beyond *head*, though the view may be newer: the next call may come with the same head,
                # and a follower that stood beyond it would take it for another timeline.
                revisions = pages.revisions(
                    view,
                    self._realm,
                    after=self._generation,
                    before=head.generation + 1,
                    page=self._page,
                )
            except HistoryCompacted:
                return self._reset(view.head(self._realm))
        if not revisions or not self._matches(revisions[0].previous):
            return self._reset(head)
        self._ready.extend(self._deliver(revision) for revision in revisions)
        return self._ready.popleft()

    def _find_place(self, view: ReadView) -> None:
        """Check that the cursor lies on this store's timeline, and fetch the document it stands on."""
        head = view.head(self._realm)
        if self._generation > head.generation:
            self._reset_due = True
            return
        if self._generation == 0:
            self._digest = GENESIS
            self._reset_due = head.floor > 1
            return
        try:
            revision = view.revision(self._realm, self._generation)
        except (HistoryCompacted, RevisionNotFound):
            self._reset_due = True
            return
        if not self._matches(revision.digest):
            self._reset_due = True
            return
        self._stand_at(revision)

    def _matches(self, digest: str) -> bool:
        # A bare generation states no digest: then there is nothing to compare, once.
        return digest.startswith(self._digest)

    def _stand_at(self, revision: stored.Revision | None) -> None:
        self._generation = 0 if revision is None else revision.generation
        self._digest = GENESIS if revision is None else revision.digest
        self._document = None if revision is None else revision.document

    def _deliver(
        self, revision: stored.Revision, *, warnings: tuple[Any, ...] = ()
    ) -> WatchedSnapshot[Config]:
        before = self._document
        if self._far is not None:
            self._trail.note(self._place, Ahead(revision=revision))
        self._stand_at(revision)
        return self._snapshot(revision, warnings, before=before, reset=False)

    @property
    def _place(self) -> tuple[str, RealmName, int, str]:
        return ("own", self._realm, self._generation, self._digest)

    def _reset(self, head: Head) -> WatchedSnapshot[Config]:
        # What is not found here may be there, where the realm lives: it may not have arrived in full.
        _refuse_moved(head)
        self._ready.clear()
        self._reset_due = False
        self._stand_at(head.revision)
        return self._snapshot(head.revision, head.warnings, before=None, reset=True)

    def _snapshot(
        self,
        revision: stored.Revision | None,
        warnings: tuple[Any, ...],
        *,
        before: Document | None,
        reset: bool,
    ) -> WatchedSnapshot[Config]:
        def make() -> WatchedSnapshot[Config]:
            return WatchedSnapshot(
                self._source,
                self._realm,
                revision,
                warnings,
                before=before,
                step=revision,
                reset=reset,
                cursor=f"{self._generation}-{self._digest[:DIGEST_SHOWN]}",
            )

        return self._source.shared((revision, before, warnings, reset), make)


# --- the effective view --------------------------------------------------------------------------


class EffectiveFollower(Generic[Config]):
    """
    A position in the history of a realm and of all that it depends on, which moves forward when asked.

    Every commit to any of them is one step, in the order in which they were committed; a transaction over several
    is one step.  Parents that change are followed as from the commit that names them.
    """

    def __init__(
        self,
        store: Store,
        lineages: Lineages,
        source: Source[Config],
        realm: RealmName,
        after: Start,
        *,
        adopt: bool = True,
        page: int = PAGE,
    ) -> None:
        self._store = store
        self._lineages = lineages
        self._source = source
        self._realm = realm
        self._adopt = adopt
        self._page = page
        self._ready: deque[WatchedSnapshot[Config]] = deque()
        self._reset_due = False
        store_afar = far(store)
        self.sight = None if store_afar is None else store_afar.watched(realm)
        """As with ``OwnFollower``."""
        self._point = lineages.point(realm, adopt=adopt)
        if after.members is not None or after.own is not None:
            with store.view() as view:
                self._find_place(view, after)

    @property
    def key(self) -> tuple[str, RealmName]:
        """What followers have in common that can share a look."""
        return ("effective", self._realm)

    @property
    def cursor(self) -> str:
        """Where a watch goes on from here; to be asked for when ``read`` has given None."""
        return effective_cursor(self._point)

    @property
    def watched(self) -> tuple[RealmName, ...]:
        """The realms whose commits are steps, as things stand."""
        return self._point.watched

    def look(self) -> Point:
        """What ``read`` compares with."""
        return self._lineages.point(self._realm, adopt=self._adopt)

    def glance(self) -> WatchedSnapshot[Config] | None:
        """As with ``OwnFollower``."""
        if self._ready:
            return self._ready.popleft()
        seen = None if self.sight is None else self.sight.seen()
        if seen is None or self._reset_due:
            raise BehindError
        newest = self._lineages.point_seen(self._realm, seen)
        moved = _moved(self._point, newest)
        if moved == () and newest.head.moved_to is None:
            self._point = newest
            return None
        if moved is not None and len(moved) == 1 and _follows(*moved[0]):
            # Nothing else has changed in between, so it is the very next commit to any of them.
            return self._deliver(newest, moved[0][1])
        ahead = self._lineages.trail.after(_place_of(self._point))
        if ahead is not None and ahead.point is not None:
            return self._deliver(ahead.point, ahead.revision)
        raise BehindError

    def advance(self) -> WatchedSnapshot[Config] | None:
        """The next step there is now, or None."""
        return self.read(self.look())

    def step(self) -> WatchedSnapshot[Config] | None:
        """As with ``OwnFollower``."""
        return _step(self)

    def close(self) -> None:
        """As with ``OwnFollower``."""
        if self.sight is not None:
            self.sight.close()

    def read(self, now: Point) -> WatchedSnapshot[Config] | None:
        """The next step up to *now*, the newest point that is known, or None if there is none yet."""
        if self._ready:
            return self._ready.popleft()
        if self._reset_due:
            return self._reset(now)
        moved = _moved(self._point, now)
        if moved == ():
            # Heads that are newer objects of the same revisions: nobody need compare them again.
            self._point = now
            _refuse_moved(now.head)
            return None
        if moved is not None and len(moved) == 1 and now.watched == self._point.watched:
            before, after = moved[0]
            if _follows(before, after):
                # The common case, one commit to one of them, needs no look at history.
                return self._deliver(now, after)
        return self._read_history()

    def _read_history(self) -> WatchedSnapshot[Config] | None:
        with self._store.view() as view:
            if not self._stands_in(view):
                return self._reset(self._lineages.point_of(view.head, self._realm))
            try:
                while not self._ready:
                    steps, is_all = pages.steps(
                        view,
                        {
                            name: head.generation
                            for name, head in zip(
                                self._point.watched, self._point.watched_heads, strict=True
                            )
                        },
                        page=self._page,
                        may_end=_has_a_whole_one,
                    )
                    if not steps:
                        return None
                    self._walk(view, _transactions(steps, complete=is_all))
            except (HistoryCompacted, _LostError):
                if not self._ready:
                    return self._reset(self._lineages.point_of(view.head, self._realm))
                # What was walked is told first.
                self._reset_due = True
        return self._ready.popleft()

    def _walk(self, view: ReadView, transactions: Iterator[list[Step]]) -> None:
        """Take the steps that are of realms watched now, up to the first that changes who is watched."""
        watched = self._point.watched
        for together in transactions:
            known = dict(zip(self._point.watched, self._point.watched_heads, strict=True))
            for step in together:
                before = known[step.realm].revision
                if step.revision.previous != (GENESIS if before is None else before.digest):
                    raise _LostError
                known[step.realm] = Head(realm=step.realm, revision=step.revision)
            position = together[-1].position

            def head_of(
                name: RealmName,
                known: dict[RealmName, Any] = known,
                position: int = position,
            ) -> Head:
                head: Head | None = known.get(name)
                return head or Head(realm=name, revision=view.as_of(name, position))

            point = self._lineages.point_of(head_of, self._realm)
            own = [step for step in together if step.realm == self._realm]
            self._ready.append(self._deliver(point, (own or together)[0].revision))
            if point.watched != watched:
                return

    def _find_place(self, view: ReadView, after: Start) -> None:
        """Check that the cursor lies on this store's timeline, and stand where it says."""
        try:
            if after.members is not None:
                found = {
                    name: _head_at(view, name, expected) for name, expected in after.members.items()
                }
                point = self._lineages.point_of(found.__getitem__, self._realm)
            else:
                assert after.own is not None
                expected = after.own
                _head_at(view, self._realm, expected)
                generation = expected.generation
                position = view.position(self._realm, generation) if generation else 0
                point = self._lineages.then(view, self._realm, position)
        except (HistoryCompacted, RevisionNotFound, _LostError, KeyError):
            # ``KeyError``: the cursor does not name a realm that it depends on, so it was not made here.
            self._reset_due = True
        else:
            self._point = point

    def _stands_in(self, view: ReadView) -> bool:
        """Whether all that this follower stands on is part of what the store holds."""
        for name, head in zip(self._point.watched, self._point.watched_heads, strict=True):
            revision = head.revision
            digest = None if revision is None else revision.digest
            try:
                _head_at(view, name, Expected(generation=head.generation, digest=digest))
            except HistoryCompacted:
                # The next one names it as the one before, if it is kept.
                continue
            except (RevisionNotFound, _LostError):
                return False
        return True

    def _deliver(
        self, point: Point, step: stored.Revision | None, *, reset: bool = False
    ) -> WatchedSnapshot[Config]:
        earlier, self._point = self._point, point
        if self.sight is not None and not reset:
            self._lineages.trail.note(_place_of(earlier), Ahead(revision=step, point=point))

        def make() -> WatchedSnapshot[Config]:
            return WatchedSnapshot(
                self._source,
                self._realm,
                point.head.revision,
                point.head.warnings,
                point=point,
                earlier=earlier,
                step=step,
                reset=reset,
                cursor=effective_cursor(point),
            )

        return self._source.shared((point, earlier, step, reset), make)

    def _reset(self, point: Point) -> WatchedSnapshot[Config]:
        # As with ``OwnFollower``.
        _refuse_moved(point.head)
        self._ready.clear()
        self._reset_due = False
        return self._deliver(point, point.head.revision, reset=True)


def _place_of(point: Point) -> tuple[object, ...]:
    digests = [
        None if head.revision is None else head.revision.digest for head in point.watched_heads
    ]
    return ("effective", *point.watched, *digests)


class BehindError(Exception):
    """What a store has heard does not tell the next step; never reaches a caller."""


def _step(
    follower: OwnFollower[Config] | EffectiveFollower[Config],
) -> WatchedSnapshot[Config] | None:
    if follower.sight is not None:
        try:
            return follower.glance()
        except BehindError:
            pass
    return follower.advance()


def _refuse_moved(head: Head) -> None:
    """Raise, once all that was written here is told, if the realm goes on elsewhere."""
    if head.moved_to is not None:
        raise RealmMoved(head.moved_to, realm=head.realm)


class _LostError(Exception):
    """A cursor names what is not part of this store's history; never reaches a caller."""


def _head_at(view: ReadView, realm: RealmName, expected: Expected) -> Head:
    """The head that *realm* had at a place in its history."""
    head = view.head(realm)
    if expected.generation == 0:
        if head.floor > 1:
            raise _LostError
        return Head(realm=realm, revision=None)
    if expected.generation > head.generation:
        raise _LostError
    revision = view.revision(realm, expected.generation)
    if expected.digest is not None and not revision.digest.startswith(expected.digest):
        raise _LostError
    return Head(realm=realm, revision=revision)


def _moved(
    before: Point, now: Point
) -> tuple[tuple[stored.Revision | None, stored.Revision | None], ...] | None:
    """The revisions in which two points differ, realm by realm; None if they are of other realms."""
    if before is now:
        return ()
    if before.watched != now.watched:
        return None
    return tuple(
        (one.revision, other.revision)
        for one, other in zip(before.watched_heads, now.watched_heads, strict=True)
        if one.revision is not other.revision
        and (
            one.revision is None
            or other.revision is None
            or one.revision.digest != other.revision.digest
        )
    )


def _follows(before: stored.Revision | None, after: stored.Revision | None) -> bool:
    """Whether *after* is the very next revision."""
    if after is None:
        return False
    generation, digest = (0, GENESIS) if before is None else (before.generation, before.digest)
    return after.generation == generation + 1 and after.previous == digest


def _is_of_one_commit(together: list[Step], step: Step) -> bool:
    """
    Whether *step* was committed with those before it: at the next place, at the same instant, under the same id.

    Ids are of one realm each, so two separate writes may have the same; then at another time, or with others between.
    """
    last = together[-1]
    return (
        step.position == last.position + 1
        and step.revision.write_id == last.revision.write_id
        and step.revision.created_at == last.revision.created_at
        and all(step.realm != other.realm for other in together)
    )


def _transactions(steps: Sequence[Step], *, complete: bool) -> Iterator[list[Step]]:
    """
    *steps* by transaction: several realms under one write id, next to each other, were committed at once.

    The last is left out unless they are *complete*: more of it may come with the next page.
    """
    together: list[Step] = []
    for step in steps:
        if together and not _is_of_one_commit(together, step):
            yield together
            together = []
        together.append(step)
    if together and complete:
        yield together


def _has_a_whole_one(steps: Sequence[Step]) -> bool:
    """Whether a transaction ends among *steps*, so that there is something to tell."""
    return next(_transactions(steps, complete=False), None) is not None
