"""
What a read or a write gives back: immutable views of a realm at one generation.

Decides what a snapshot shows and hides, and the form of an envelope; reading and
typing the configuration is the runtime's part.  Everything costly is computed on
first use.
"""

from __future__ import annotations

from enum import Enum

from realmconf.domain.record import Record
from realmconf.domain.revision import DIGEST_SHOWN, GENESIS
from realmconf.errors import InvalidArgument, SchemaViolation
from realmconf.runtime.generic import Config, Generic

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any

    from realmconf.domain import revision as stored
    from realmconf.domain.diff import Change
    from realmconf.domain.document import Document
    from realmconf.domain.names import RealmName
    from realmconf.runtime.history import Revision
    from realmconf.stores.protocol import Notice

_set = object.__setattr__


class ConfigResolvedPaths(Record):
    """Where a realm lives on this machine."""

    root: str
    config_path: str | None = None
    database_path: str | None = None

    def to_dict(self) -> dict[str, str]:
        """The paths that there are."""
        named = {name: getattr(self, name) for name in self.__fields__}
        return {name: path for name, path in named.items() if path is not None}


class ConfigStoreMetadata(Record):
    """Which store a snapshot comes from. ``instance_id`` is the reading process's own, not a writer's."""

    realm_id: str
    instance_id: str | None = None
    backend: str
    resolved_paths: ConfigResolvedPaths | None = None


class EnvelopePolicy(Enum):
    """Who an envelope is for: ``PUBLIC`` leaves ``resolved_paths`` out."""

    PUBLIC = "public"
    DIAGNOSTIC = "diagnostic"


class ConfigEnvelope(Record):
    """
    The wire form of one view of a snapshot.

    An envelope of the *effective* view is refused as input: writing it would copy inherited values down.
    ``config`` is None where the realm has no live document and the view is its own.
    """

    config: dict[str, Any] | None
    generation: int
    realm_id: str
    instance_id: str | None
    backend: str | None
    view: str
    """own | effective"""
    resolved_paths: ConfigResolvedPaths | None = None

    def to_dict(self) -> dict[str, Any]:
        """As JSON: ``resolved_paths`` is left out where there are none."""
        fields: dict[str, Any] = {
            "config": self.config,
            "generation": self.generation,
            "realm_id": self.realm_id,
            "instance_id": self.instance_id,
            "backend": self.backend,
            "view": self.view,
        }
        if self.resolved_paths is not None:
            fields["resolved_paths"] = self.resolved_paths.to_dict()
        return fields

    def __repr__(self) -> str:
        return f"ConfigEnvelope(realm_id={self.realm_id!r}, generation={self.generation}, view={self.view!r})"


class LineageMember(Record):
    """One realm of a composition, and the generation it contributed."""

    realm: str
    generation: int


class Source(Generic[Config]):
    """What a snapshot asks for when its configuration is first used: the handle that made it."""

    __slots__ = ()

    def shared(
        self, step: tuple[object, ...], make: Callable[[], WatchedSnapshot[Config]]
    ) -> WatchedSnapshot[Config]:
        """The snapshot of a *step* of a watch, the same one for all watchers of this handle."""
        raise NotImplementedError

    @property
    def is_lenient(self) -> bool:
        """Whether a configuration that does not fit is stood in for, which the snapshot then warns of."""
        return False

    def typed(self, snapshot: ConfigSnapshot[Config]) -> Config:
        """The typed configuration of *snapshot*."""
        raise NotImplementedError

    def store_metadata(self) -> ConfigStoreMetadata:
        """Which store this is."""
        raise NotImplementedError


class Detached(Source[Config]):
    """What is left of a handle in a snapshot that was sent to another process."""

    __slots__ = ("_config", "_metadata")

    def __init__(self, config: Config, metadata: ConfigStoreMetadata) -> None:
        self._config = config
        self._metadata = metadata

    def typed(self, snapshot: ConfigSnapshot[Config]) -> Config:
        """As it was."""
        return self._config

    def store_metadata(self) -> ConfigStoreMetadata:
        """As it was."""
        return self._metadata


class ConfigSnapshot(Generic[Config]):
    """
    A realm at one generation: immutable, and valid for ever as what it is.

    A realm never written, or deleted, is a value too: ``exists`` is False, ``document`` None, ``config`` the
    defaults.
    """

    __slots__ = ("_composed", "_config", "_document", "_record", "_source", "_warnings", "realm_id")

    _source: Source[Config]
    _record: stored.Revision | None
    _config: Config
    _document: Mapping[str, Any] | None
    _composed: Document
    _warnings: tuple[Notice, ...]
    realm_id: RealmName

    def __init__(
        self,
        source: Source[Config],
        realm_id: RealmName,
        record: stored.Revision | None,
        warnings: tuple[Notice, ...] = (),
    ) -> None:
        _set(self, "_source", source)
        _set(self, "realm_id", realm_id)
        _set(self, "_record", record)
        _set(self, "_warnings", warnings)

    @property
    def warnings(self) -> tuple[Notice, ...]:
        """
        What a caller should know that failed nothing: records with ``code``, ``message``, ``path``.

        ``schema_violation``: ``config`` is that of an older generation, since this one does not fit.
        ``purged``: the document was erased, so that nobody can tell what it stated.
        ``replayed``: this is what came of the write when its write id was first used.
        """
        if self.is_purged:
            from realmconf.stores.protocol import Notice

            message = (
                f"the document of generation {self.generation} of realm {self.realm_id} is erased, "
                "not empty"
            )
            return (*self._warnings, Notice(code="purged", message=message))
        if self._source.is_lenient:
            try:
                self.config  # noqa: B018 - typing it may warn
            except SchemaViolation:
                return self._warnings
        return self._warnings

    @property
    def is_purged(self) -> bool:
        """Whether there was a document, and nobody can tell any more what it stated."""
        record = self._record
        return record is not None and record.purged and record.document is None

    def warn(self, code: str, message: str) -> None:
        """Add a warning; for the source, while it types the configuration."""
        from realmconf.stores.protocol import Notice

        _set(self, "_warnings", (*self._warnings, Notice(code=code, message=message)))

    @property
    def config(self) -> Config:
        """
        The configuration: defaults, then what the realm states, as this handle's type.

        One object for all who read this snapshot: of a type that can be changed, change a copy.

        Raises:
            SchemaViolation: It does not fit the type.
        """
        try:
            return self._config
        except AttributeError:
            config = self._source.typed(self)
            _set(self, "_config", config)
            return config

    @property
    def document(self) -> Mapping[str, Any] | None:
        """Exactly what the realm itself states, immutable; None if it has no live document."""
        try:
            return self._document
        except AttributeError:
            from realmconf.domain.frozen import freeze

            record = self._record
            document = (
                None if record is None or record.document is None else freeze(record.document)
            )
            _set(self, "_document", document)
            return document

    @property
    def exists(self) -> bool:
        """Whether the realm has a live document."""
        return self._record is not None and not self._record.tombstone

    @property
    def generation(self) -> int:
        """The position in the realm's sequence; 0 for a realm never written."""
        return 0 if self._record is None else self._record.generation

    @property
    def digest(self) -> str:
        """The revision's digest, which chains to all before it."""
        return GENESIS if self._record is None else self._record.digest

    @property
    def etag(self) -> str:
        """``<generation>-<digest12>``: a precondition that also tells a replaced store apart."""
        return f"{self.generation}-{self.digest[:DIGEST_SHOWN]}"

    @property
    def cursor(self) -> str:
        """Where a watch goes on after this snapshot."""
        return self.etag

    @property
    def revision(self) -> Revision | None:
        """Who wrote this generation, when and why; None for a realm never written."""
        from realmconf.runtime.history import published

        return None if self._record is None else published(self._record)

    @property
    def lineage(self) -> tuple[LineageMember, ...]:
        """The realms that ``config`` is composed of, this one first."""
        return (LineageMember(realm=self.realm_id, generation=self.generation),)

    @property
    def metadata(self) -> ConfigStoreMetadata:
        """Which store it comes from."""
        return self._source.store_metadata()

    def envelope(
        self, *, policy: EnvelopePolicy = EnvelopePolicy.PUBLIC, view: str = "own"
    ) -> ConfigEnvelope:
        """
        The wire form of the *own* or the *effective* view; plain, mutable and unredacted.

        Raises:
            InvalidArgument: There is no such view or policy.
        """
        if view not in ("own", "effective"):
            raise InvalidArgument("view must be one of own, effective")
        if not isinstance(policy, EnvelopePolicy):
            raise InvalidArgument("policy must be an EnvelopePolicy")
        from realmconf.domain.frozen import thaw

        metadata = self.metadata
        own = None if self.document is None else thaw(self.document)
        return ConfigEnvelope(
            config=own if view == "own" else thaw(self.composed),
            generation=self.generation,
            realm_id=self.realm_id,
            instance_id=metadata.instance_id,
            backend=metadata.backend,
            view=view,
            resolved_paths=metadata.resolved_paths if policy is EnvelopePolicy.DIAGNOSTIC else None,
        )

    @property
    def composed(self) -> Document:
        """The composed configuration as plain values, before any type; to be treated as frozen."""
        try:
            return self._composed
        except AttributeError:
            composed = compose(
                self.realm_id, None if self._record is None else self._record.document
            )
            _set(self, "_composed", composed)
            return composed

    @property
    def record(self) -> stored.Revision | None:
        """The stored revision, for the runtime."""
        return self._record

    def __setattr__(self, name: str, _: object) -> None:
        raise AttributeError(f"a {type(self).__name__} is immutable ({name})")

    def __reduce__(self) -> tuple[Any, ...]:
        # Another process has no handle to ask, so what a handle would say goes along.
        slots = [name for cls in type(self).__mro__ for name in getattr(cls, "__slots__", ())]
        detached = Detached(self.config, self.metadata)
        state = {name: getattr(self, name) for name in slots if hasattr(self, name)}
        state["_source"] = detached
        return (_restored, (type(self), state))

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, ConfigSnapshot):
            return NotImplemented
        return (
            self.realm_id == other.realm_id
            and self.generation == other.generation
            and self.digest == other.digest
        )

    def __hash__(self) -> int:
        return hash((self.realm_id, self.generation, self.digest))

    def __repr__(self) -> str:
        # Never the configuration: a representation ends up in logs.
        name = type(self).__name__
        return f"{name}(realm_id={str(self.realm_id)!r}, generation={self.generation}, exists={self.exists})"


class WriteResult(ConfigSnapshot[Config]):
    """The head after a write, with what the write did."""

    __slots__ = ("_before", "changed", "rebased_from", "write_id")

    _before: Document | None
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
        changed: bool,
        rebased_from: int | None,
        write_id: str,
        before: Document | None,
    ) -> None:
        super().__init__(source, realm_id, record, warnings)
        _set(self, "changed", changed)
        _set(self, "rebased_from", rebased_from)
        _set(self, "write_id", write_id)
        _set(self, "_before", before)

    @property
    def changes(self) -> tuple[Change, ...]:
        """What this write changed in the own document, leaf by leaf."""
        if not self.changed:
            return ()
        from realmconf.domain.diff import changes

        return changes(self._before, None if self._record is None else self._record.document)


class Plan(WriteResult[Config]):
    """
    What a write would have done: the snapshot it would have returned, at the generation it would have made.

    Nothing was written, and another writer may come first.
    """

    __slots__ = ()

    @property
    def effective_changes(self) -> tuple[Change, ...]:
        """What would change in the composed configuration."""
        if not self.changed:
            return ()
        from realmconf.domain.diff import changes

        return changes(compose(self.realm_id, self._before), self.composed)

    @property
    def descendants(self) -> tuple[str, ...]:
        """The realms that inherit from this one and would see the change."""
        return ()


class WatchedSnapshot(ConfigSnapshot[Config]):
    """One generation as a watch delivers it."""

    __slots__ = ("_before", "_cursor", "reset")

    _before: Document | None
    _cursor: str
    reset: bool
    """Generations since the cursor cannot be told (compacted, another timeline): start anew from here."""

    def __init__(
        self,
        source: Source[Config],
        realm_id: RealmName,
        record: stored.Revision | None,
        warnings: tuple[Notice, ...] = (),
        *,
        before: Document | None,
        reset: bool,
        cursor: str,
    ) -> None:
        super().__init__(source, realm_id, record, warnings)
        _set(self, "_before", before)
        _set(self, "reset", reset)
        _set(self, "_cursor", cursor)

    @property
    def cursor(self) -> str:
        """Where a watch goes on after this snapshot."""
        return self._cursor

    @property
    def changes(self) -> tuple[Change, ...]:
        """
        What changed in the own document since the generation before, leaf by leaf.

        Empty after a reset, and where a document was purged, since nobody can tell then.
        """
        if self.reset or (self._record is not None and self._record.purged):
            return ()
        from realmconf.domain.diff import changes

        return changes(self._before, None if self._record is None else self._record.document)


def _restored(cls: type[ConfigSnapshot[Any]], state: dict[str, Any]) -> ConfigSnapshot[Any]:
    snapshot = cls.__new__(cls)
    for name, value in state.items():
        _set(snapshot, name, value)
    return snapshot


def compose(realm: RealmName, document: Document | None) -> Document:
    """
    The configuration that *document* gives: all of it but the realm's section about itself.

    ``[realm.<own name>]`` says where a realm stands among others and is no configuration.
    """
    if document is None:
        return {}
    section = document.get("realm")
    if not isinstance(section, dict) or realm not in section:
        return document
    others = {name: value for name, value in section.items() if name != realm}
    composed = {name: value for name, value in document.items() if name != "realm"}
    return {**composed, "realm": others} if others else composed
