"""
What a write, a dry run and a watch give back: snapshots that also say what was done.

Decides what each of them tells besides; whom a write concerns is ``descendants``' part.
"""

from __future__ import annotations

from realmconf.runtime.generic import Config
from realmconf.runtime.snapshot import ConfigSnapshot

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from realmconf.domain import revision as stored
    from realmconf.domain.diff import Change
    from realmconf.domain.document import Document
    from realmconf.domain.names import RealmName
    from realmconf.runtime.lineages import Point
    from realmconf.runtime.source import Source
    from realmconf.stores.protocol import Notice

_set = object.__setattr__


class WriteResult(ConfigSnapshot[Config]):
    """The head after a write, with what the write did."""

    __slots__ = ("_after", "_before", "_descendants", "changed", "rebased_from", "write_id")

    _before: stored.Revision | None
    _after: tuple[Notice, ...]
    _descendants: tuple[RealmName, ...] | None
    changed: bool
    """False if the write changed nothing and appended nothing."""
    rebased_from: int | None
    """The expected generation, where the write was rebased onto a newer head."""
    write_id: str

    def __init__(
        self,
        source: Source[Config],
        realm_id: RealmName,
        record: stored.Revision | None,
        warnings: tuple[Notice, ...] = (),
        *,
        point: Point | None = None,
        changed: bool,
        rebased_from: int | None,
        write_id: str,
        before: stored.Revision | None,
        after: tuple[Notice, ...] | None = None,
        descendants: tuple[RealmName, ...] | None = None,
    ) -> None:
        super().__init__(source, realm_id, record, warnings, point=point)
        if after is not None:
            # Whoever decided the write has looked already.
            _set(self, "_after", after)
        _set(self, "_descendants", descendants)
        _set(self, "changed", changed)
        _set(self, "rebased_from", rebased_from)
        _set(self, "write_id", write_id)
        _set(self, "_before", before)

    @property
    def warnings(self) -> tuple[Notice, ...]:
        """
        What a caller should know that failed nothing: as of any snapshot, and what the write means for others.

        ``overridden``: a nearer realm states, or masks, a value that was written, so its readers do not see it.
        ``descendant_invalid``: an heir's configuration fitted its schemas before this write, and does not now.
        ``descendant_orphaned``: an heir had a configuration before this write, and none can be composed now.
        Those who inherit are looked at when this is first asked, as they stand then.
        """
        own = super().warnings
        if not self.changed:
            return own
        try:
            return (*own, *self._after)
        except AttributeError:
            after = self._source.aftermath(self)
            _set(self, "_after", after)
            return (*own, *after)

    @property
    def changes(self) -> tuple[Change, ...]:
        """What this write changed in the own document, leaf by leaf."""
        if not self.changed:
            return ()
        from realmconf.domain.diff import changes
        from realmconf.domain.unread import handed_out

        return handed_out(changes(document_of(self._before), document_of(self._record)))

    @property
    def effective_changes(self) -> tuple[Change, ...]:
        """
        What the write changes, or would change, in the composed configuration.

        Raises:
            LineageCycle, LineageTooDeep, ParentNotFound: The realm's parents cannot be used.
        """
        if not self.changed:
            return ()
        from realmconf.domain.diff import changes
        from realmconf.domain.unread import handed_out

        earlier = self._source.instead(self.point, self._before)
        before = {} if earlier.problem is not None else earlier.composed.config
        return handed_out(changes(before, self.composed))

    @property
    def descendants(self) -> tuple[RealmName, ...]:
        """The realms whose composed configuration it changes, this one not counted, by name; they are looked at now."""
        if self._descendants is not None:
            return self._descendants
        return self._source.descendants_changed(self) if self.changed else ()

    def _portable(self, source: Source[Config]) -> dict[str, Any]:
        return {**super()._portable(source), "_after": ()}

    @property
    def before(self) -> stored.Revision | None:
        """The head that the write went on from, for the runtime."""
        return self._before


class Plan(WriteResult[Config]):
    """
    What a write would have done: the snapshot it would have returned, at the generation it would have made.

    Nothing was written, and another writer may come first.
    """

    __slots__ = ()


class WatchedSnapshot(ConfigSnapshot[Config]):
    """
    One step of a watch: in the own view a generation of the realm, in the effective view one of any member.
    """

    __slots__ = ("_before", "_changes", "_earlier", "reset", "step")

    _before: Document | None
    _changes: tuple[Change, ...]
    _earlier: Point | None
    step: stored.Revision | None
    """The revision that made this step: the realm's own, or in the effective view an ancestor's."""
    reset: bool
    """Generations since the cursor cannot be told (compacted, another timeline): start anew from here."""

    def __init__(
        self,
        source: Source[Config],
        realm_id: RealmName,
        record: stored.Revision | None,
        warnings: tuple[Notice, ...] = (),
        *,
        point: Point | None = None,
        before: Document | None = None,
        earlier: Point | None = None,
        step: stored.Revision | None = None,
        reset: bool,
        cursor: str,
    ) -> None:
        super().__init__(source, realm_id, record, warnings, point=point)
        _set(self, "_before", before)
        _set(self, "_earlier", earlier)
        _set(self, "step", step)
        _set(self, "reset", reset)
        _set(self, "_cursor", cursor)

    def _portable(self, source: Source[Config]) -> dict[str, Any]:
        return {**super()._portable(source), "_changes": self.changes, "_earlier": None}

    @property
    def cursor(self) -> str:
        """Where a watch goes on after this snapshot."""
        return self._cursor

    @property
    def changes(self) -> tuple[Change, ...]:
        """
        What changed since the step before, leaf by leaf: in the own document, or in the composed configuration.

        Empty after a reset, where a document was purged, and where the realm's parents cannot be used, since nobody
        can tell then.
        """
        if self.reset or (self._record is not None and self._record.purged):
            return ()
        if hasattr(self, "_changes"):
            return self._changes
        from realmconf.domain.diff import changes
        from realmconf.domain.unread import handed_out

        if self._earlier is None:
            return handed_out(changes(self._before, document_of(self._record)))
        if self._earlier.problem is not None or self.point.problem is not None:
            return ()
        return handed_out(changes(self._earlier.composed.config, self.composed))

    @property
    def related(self) -> tuple[RealmName, ...]:
        """The realms whose values ``changes`` may show besides: those that it depended on the step before."""
        return () if self._earlier is None else self._earlier.watched

    @property
    def is_legible(self) -> bool:
        """Whether ``changes`` tells everything that this step changed."""
        if self.reset or (self._record is not None and self._record.purged):
            return False
        return self._earlier is None or (
            self._earlier.problem is None and self.point.problem is None
        )


def document_of(record: stored.Revision | None) -> Document | None:
    """What a revision states; None without one."""
    return None if record is None else record.document
