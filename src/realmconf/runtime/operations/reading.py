"""The operations that read one realm: its configuration, where it comes from, its history, its changes."""

from __future__ import annotations

import re

from realmconf.domain.document import ABSENT
from realmconf.domain.pointer import Pointer
from realmconf.domain.scope import Scope
from realmconf.errors import (
    GenerationConflict,
    HistoryCompacted,
    InvalidArgument,
    LimitExceeded,
    SchemaViolation,
    ValueNotFound,
)
from realmconf.runtime import arguments
from realmconf.runtime.operations.kinds import WAIT_SECONDS_MAX
from realmconf.runtime.operations.results import (
    Blamed,
    Difference,
    Explained,
    History,
    Judged,
    Shown,
    Step,
    View,
    Watching,
)
from realmconf.runtime.results import document_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from realmconf.domain import revision as stored
    from realmconf.domain.names import RealmName
    from realmconf.runtime.history import Revision
    from realmconf.runtime.operations.session import Session
    from realmconf.runtime.runtime import ConfigRuntime
    from realmconf.runtime.snapshot import ConfigSnapshot

WAIT_SECONDS = 30.0
_GENERATION = re.compile("[0-9]{1,16}")


def get(
    session: Session,
    *,
    realm: RealmName,
    view: str = "own",
    at: int | None = None,
    path: str | None = None,
    after: str | int | None = None,
    wait: float | None = None,
) -> View:
    """A view of the realm, now or at a generation; see the table."""
    handle = session.realm(realm)
    place = None if path is None else arguments.pointer(path)
    if after is None and wait is not None:
        raise InvalidArgument("wait needs after: what to wait for is a change since then")
    if after is not None:
        if at is not None:
            raise InvalidArgument("at and after contradict each other")
        await_change(handle, after, view=view, seconds=waiting_seconds(wait, default=0.0))
    snapshot = handle.get() if at is None else handle.at(at)
    return view_of(snapshot, view=view, place=place)


def view_of(snapshot: ConfigSnapshot[Any], *, view: str, place: Pointer | None) -> View:
    """
    What is shown of *snapshot*.

    Raises:
        ValueNotFound: Nothing stands at *place*.
        LineageError, HistoryCompacted: There is no effective view.
    """
    found = View(snapshot=snapshot, view=view, path=place)
    config = document_of(snapshot.record) if view == "own" else snapshot.composed
    if place is not None and place.resolve(config or {}) is ABSENT:
        raise ValueNotFound(
            realm=snapshot.realm_id, pointer=str(place), generation=snapshot.generation
        )
    return found


def await_change(
    handle: ConfigRuntime[Any], after: str | int, *, view: str, seconds: float
) -> None:
    """Return when *view* is beyond *after*, or when the time is over."""
    with handle.watch(start_of(handle, after, view=view), view=view, timeout=seconds) as steps:
        next(steps, None)


def start_of(handle: ConfigRuntime[Any], after: str | int, *, view: str) -> Any:
    """
    Where a watch starts; the effective view knows no bare numbers, but what this realm was at one.

    A generation may be text too: where an answer says from where to go on, it is.
    """
    if isinstance(after, str) and _GENERATION.fullmatch(after):
        after = int(after)
    if view == "own" or isinstance(after, str) or after == 0:
        return after
    try:
        return handle.at(after)
    except HistoryCompacted:
        return 0


def waiting_seconds(given: float | None, *, default: float) -> float:
    """How long a call waits."""
    seconds = arguments.timeout_seconds(given, default=default)
    if seconds > WAIT_SECONDS_MAX:
        raise LimitExceeded("wait_seconds", int(seconds), maximum=int(WAIT_SECONDS_MAX))
    return seconds


def explain(session: Session, *, realm: RealmName, path: str = "") -> Explained:
    """Where a value comes from."""
    return Explained(realm=realm, provenance=session.realm(realm).explain(path))


def watch(
    session: Session, *, realm: RealmName, view: str = "own", after: str | int | None = None
) -> Watching:
    """Where a watch starts: whoever streams the steps does so from there."""
    from realmconf.runtime.follow import parse_after

    handle = session.realm(realm)
    place: Any = handle.get() if after is None else start_of(handle, after, view=view)
    start = parse_after(realm, place, view=view, limits=session.client.limits)
    return Watching(realm=realm, view=view, start=start, cursor=_cursor_at(place, after, view=view))


def watch_once(
    session: Session,
    *,
    realm: RealmName,
    view: str = "own",
    after: str | int | None = None,
    wait: float | None = None,
) -> Step:
    """The next step, if there is one in time."""
    handle = session.realm(realm)
    seconds = waiting_seconds(wait, default=WAIT_SECONDS)
    place: Any = handle.get() if after is None else start_of(handle, after, view=view)
    with handle.watch(place, view=view, timeout=seconds) as steps:
        snapshot = next(steps, None)
    if snapshot is not None:
        return Step(realm=realm, view=view, snapshot=snapshot, cursor=snapshot.cursor)
    cursor = _cursor_at(place, after, view=view)
    return Step(realm=realm, view=view, snapshot=None, cursor=cursor)


def _cursor_at(place: Any, after: str | int | None, *, view: str) -> str:
    """What to go on from, as text: what was given; else where the snapshot *place* stands."""
    if after is not None:
        return str(after)
    found: str = place.etag if view == "own" else place.cursor
    return found


def validate(session: Session, *, realm: RealmName, config: dict[str, Any] | None = None) -> Judged:
    """What does not fit."""
    if config is None:
        return Judged(violations=session.realm(realm).validate())
    return Judged(violations=_violations_of(session, realm, config))


def _violations_of(session: Session, realm: RealmName, config: dict[str, Any]) -> Any:
    """
    What a write of *config* would be refused for, or what would be wrong after it all the same.

    Tried as a write, since marks in it stand for secrets; by a reader, who may not be able to do it, and learns
    nothing from it of realms that it may not read.

    Raises:
        LineageError: It names a parent that cannot be one, or there is no effective configuration anyway.
    """
    from realmconf.domain.admit import violations_of

    may_read = session.client.may_read
    reader = session.client.acting(
        author=None,
        surface=session.surface,
        sees_secrets=session.shows_secrets,
        # Only violations are answered, which are those of what was sent, whatever is stored in its place.
        scope=Scope(
            may_inherit=may_read,
            judges_secrets=session.client.scope is None or session.client.scope.judges_secrets,
            tries_secrets=True,
        ),
        may_read=may_read,
    ).realm(realm)
    while True:
        try:
            # As of the head, so that no policy asks for it; another writer may come between.
            planned: Any = reader.set(config, expected=reader.get(), dry_run=True)
        except SchemaViolation as refused:
            return refused.violations
        except GenerationConflict:
            continue
        if planned.point.problem is not None:
            raise planned.point.problem
        return violations_of(planned.point.composed)


def history(
    session: Session, *, realm: RealmName, limit: int = 50, before: int | None = None
) -> History:
    """A page of revisions."""
    found = session.realm(realm).history(limit=limit, before=before)
    more = len(found) == limit and found[-1].generation > 1
    return History(
        realm=realm,
        revisions=tuple(found),
        before=found[-1].generation if more else None,
    )


def revision(session: Session, *, realm: RealmName, generation: int) -> Shown:
    """One generation."""
    handle = session.realm(realm)
    arguments.existing_generation(generation, name="generation", limits=session.client.limits)
    found = handle.at(generation).revision
    assert found is not None
    return Shown(realm=realm, revision=found, changes=changes_of(handle, found))


def changes_of(handle: ConfigRuntime[Any], one: Revision) -> tuple[Any, ...] | None:
    """What a revision changed; None where one of the two documents is gone."""
    try:
        return tuple(handle.diff(one.generation - 1, one.generation))
    except HistoryCompacted:
        return None


def diff(session: Session, *, realm: RealmName, **ends: int) -> Difference:
    """What differs between two generations; ``from`` is a word of the language, hence no parameter of its own."""
    handle = session.realm(realm)
    head = handle.get().generation
    start = ends.get("from", max(head - 1, 0))
    end = ends.get("to", head)
    return Difference(realm=realm, start=start, end=end, changes=handle.diff(start, end))


def blame(session: Session, *, realm: RealmName, path: str = "") -> Blamed:
    """Who set each value."""
    from realmconf.domain.blame import blame as attribute

    handle = session.realm(realm)
    below = arguments.pointer(path)
    head = handle.get()
    if below and below.resolve(document_of(head.record) or {}) is ABSENT:
        raise ValueNotFound(realm=realm, pointer=str(below), generation=head.generation)
    found = attribute(newest_first(handle))
    return Blamed(realm=realm, entries=tuple(one for one in found if one.pointer.within(below)))


def newest_first(
    handle: ConfigRuntime[Any], *, before: int | None = None
) -> Iterator[stored.Revision]:
    """The whole history as it is stored, read as far as it is used: what is withheld in it raises nothing."""
    while True:
        with handle.client.store.view() as view:
            page = view.revisions(handle.realm_id, before=before, limit=100, newest_first=True)
        if not page:
            return
        yield from page
        before = page[-1].generation
