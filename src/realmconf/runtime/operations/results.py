"""
What operations answer with where no record of the library says it alone.

How each looks as JSON, and what of it is hidden from whom, is for ``surfaces.answers``.
"""

from __future__ import annotations

from realmconf.domain.record import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from realmconf.domain.blame import Blame
    from realmconf.domain.diff import Change
    from realmconf.domain.names import RealmName
    from realmconf.domain.pointer import Pointer
    from realmconf.runtime.follow import Start
    from realmconf.runtime.history import Revision
    from realmconf.runtime.results import Plan, WatchedSnapshot
    from realmconf.runtime.snapshot import ConfigSnapshot


class View(Record):
    """One view of a snapshot, or one value of it."""

    snapshot: ConfigSnapshot[Any]
    view: str
    path: Pointer | None = None
    """The value that was asked for; None: the whole."""


class Shown(Record):
    """One revision, with what it changed; None where that is not known any more."""

    realm: RealmName
    revision: Revision
    changes: tuple[Change, ...] | None


class History(Record):
    """A page of revisions, the newest first."""

    realm: RealmName
    revisions: tuple[Revision, ...]
    before: int | None
    """Where the next page begins; None: there is none."""


class Difference(Record):
    """What differs between two generations of a realm's own document."""

    realm: RealmName
    start: int
    end: int
    changes: tuple[Change, ...]


class Blamed(Record):
    """Who set each value of a realm's own document."""

    realm: RealmName
    entries: tuple[Blame, ...]


class Explained(Record):
    """Where a value of a realm's configuration comes from."""

    realm: RealmName
    provenance: Any


class Watching(Record):
    """Where a stream of steps starts."""

    realm: RealmName
    view: str
    start: Start
    cursor: str
    """The same place, for whoever asks again."""


class Step(Record):
    """One step of a watch; ``snapshot`` None: there was none in time."""

    realm: RealmName
    view: str
    snapshot: WatchedSnapshot[Any] | None
    cursor: str


class Planned(Record):
    """A plan that can be carried out."""

    plan: Plan[Any]
    plan_id: str
    expires_at: str


class Judged(Record):
    """What in a configuration does not fit its schemas."""

    violations: tuple[Any, ...]


class Settled(Record):
    """What became of a write."""

    write_id: str
    outcome: str
    """committed | void | pending"""
    generation: int | None = None


class Attached(Record):
    """The schema of a realm itself; None: it has none."""

    snapshot: ConfigSnapshot[Any]
    schema: Any


class Placed(Record):
    """What became of a write that takes the document of another realm."""

    result: Any
    source: RealmName


class Inheriting(Record):
    """What a realm inherits from: the parent that it names, if any, is in ``named``."""

    snapshot: ConfigSnapshot[Any]
    named: RealmName | None


class Page(Record):
    """A page of realms, by name."""

    entries: tuple[Any, ...]
    after: str | None
    """Where the next page begins; None: there is none."""
