"""
What a read gives back: an immutable view of a realm, and of those it inherits from, at one moment.

Decides what a snapshot shows and hides; reading and typing the configuration is the
runtime's part.  Everything costly is computed on first use.
"""

from __future__ import annotations

from contextlib import suppress

from realmconf.domain.record import Record
from realmconf.domain.revision import DIGEST_SHOWN, GENESIS
from realmconf.errors import InvalidArgument, RealmconfError, SchemaViolation
from realmconf.runtime.envelope import ConfigEnvelope, EnvelopePolicy
from realmconf.runtime.generic import Config, Generic

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from typing import Any, Self

    from realmconf.domain import revision as stored
    from realmconf.domain.document import Document
    from realmconf.domain.metadata import ConfigStoreMetadata
    from realmconf.domain.names import RealmName
    from realmconf.domain.pointer import Pointer
    from realmconf.runtime.history import Revision
    from realmconf.runtime.lineages import Point
    from realmconf.runtime.source import Source
    from realmconf.runtime.sources import Secret
    from realmconf.stores.protocol import Notice

_set = object.__setattr__


class Untyped:
    """Stands where the configuration will be that nobody has asked for; a class, so that it travels as itself."""


class LineageMember(Record):
    """One realm of a composition, and the generation it contributed."""

    realm: str
    generation: int


class ConfigSnapshot(Generic[Config]):
    """
    A realm at one generation: immutable, and valid for ever as what it is.

    A realm never written, or deleted, is a value too: ``exists`` is False, ``document`` None, ``config`` the
    defaults.
    """

    __slots__ = (
        "_composed",
        "_config",
        "_cursor",
        "_document",
        "_found",
        "_lineage",
        "_point",
        "_record",
        "_source",
        "_warnings",
        "realm_id",
    )

    _source: Source[Config]
    _record: stored.Revision | None
    _point: Point | None
    _config: Config | type[Untyped]
    _document: Mapping[str, Any] | None
    _composed: Document
    _cursor: str
    _lineage: tuple[LineageMember, ...]
    _warnings: tuple[Notice, ...]
    _found: tuple[Notice, ...]
    realm_id: RealmName

    def __init__(
        self,
        source: Source[Config],
        realm_id: RealmName,
        record: stored.Revision | None,
        warnings: tuple[Notice, ...] = (),
        *,
        point: Point | None = None,
    ) -> None:
        _set(self, "_source", source)
        _set(self, "realm_id", realm_id)
        _set(self, "_record", record)
        _set(self, "_warnings", warnings)
        _set(self, "_point", point)
        _set(self, "_config", Untyped)

    @property
    def warnings(self) -> tuple[Notice, ...]:
        """
        What a caller should know that failed nothing: records with ``code``, ``message``, ``path``.

        ``schema_violation``: ``config`` is that of an older generation, since this one does not fit.
        ``effective_invalid``: ``config`` does not fit a schema that governs the realm: a parent was changed.
        ``lineage_error``: the realm's parents cannot be used, so that there is no ``config``.
        ``purged``: the document was erased, so that nobody can tell what it stated.
        ``replayed``: this is what came of the write when its write id was first used.
        """
        if self._source.is_lenient:
            try:
                self.config  # noqa: B018 - typing it may warn
            except RealmconfError:
                pass
        try:
            found = self._found
        except AttributeError:
            found = tuple(self._look_for_warnings())
            _set(self, "_found", found)
        return (*self._warnings, *found)

    def _look_for_warnings(self) -> Iterator[Notice]:
        if not self.is_purged and self._point is None:
            # Of an older generation: what it meant then concerns nobody now.
            return
        from realmconf.stores.protocol import Notice

        if self.is_purged:
            message = (
                f"the document of generation {self.generation} of realm {self.realm_id} is erased, "
                "not empty"
            )
            yield Notice(code="purged", message=message)
        elif self._point is not None and self._point.problem is not None:
            yield Notice(code="lineage_error", message=str(self._point.problem))
        elif self._point is not None and self._point.composed.schemas:
            from realmconf.domain.admit import violations_of

            found = violations_of(self._point.composed)
            if found:
                message = str(SchemaViolation(found, realm=self.realm_id))
                yield Notice(code="effective_invalid", message=message)

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
        The configuration: defaults, then what is inherited, then what the realm states, as this handle's type.

        One object for all who read this snapshot: of a type that can be changed, change a copy.

        Raises:
            SchemaViolation: It does not fit the type.
            LineageCycle, LineageTooDeep, ParentNotFound: The realm's parents cannot be used.
        """
        if self._config is Untyped:
            _set(self, "_config", self._source.typed(self))
        config: Config = self._config  # type: ignore[assignment]
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
        """Where a watch of the effective view goes on after this snapshot; one of the own view takes ``etag``."""
        try:
            return self._cursor
        except AttributeError:
            return effective_cursor(self.point)

    @property
    def revision(self) -> Revision | None:
        """Who wrote this generation, when and why; None for a realm never written."""
        from realmconf.runtime.history import published

        return None if self._record is None else published(self._record)

    @property
    def point(self) -> Point:
        """The realm and those it inherits from, as they stood together; for the runtime."""
        if self._point is None:
            _set(self, "_point", self._source.point_then(self))
            assert self._point is not None
        return self._point

    @property
    def lineage(self) -> tuple[LineageMember, ...]:
        """The realms that ``config`` is composed of, this one first, each at the generation that it had then."""
        try:
            return self._lineage
        except AttributeError:
            point = self.point
            lineage = tuple(
                LineageMember(realm=name, generation=head.generation)
                for name, head in zip(point.names, point.heads, strict=True)
            )
            _set(self, "_lineage", lineage)
            return lineage

    def secret(self, path: str | Pointer) -> Secret:
        """
        The value at *path* of the configuration, hidden until it is revealed; a reference is resolved then.

        Raises:
            ValueNotFound: Nothing stands there.
            InvalidArgument: What stands there is no text.
        """
        from realmconf.runtime import arguments

        return self._source.secret_at(self, arguments.inner_pointer(path))

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
        """
        The composed configuration as plain values, before any type; to be treated as frozen.

        Raises:
            LineageCycle, LineageTooDeep, ParentNotFound: The realm's parents cannot be used.
        """
        try:
            return self._composed
        except AttributeError:
            composed = self.point.composed.config
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
        from realmconf.runtime.source import Detached

        config, failure = None, None
        try:
            config = self.config
        except RealmconfError as error:
            failure = error
        source: Any = Detached(config, self.metadata, failure)
        return (_restored, (type(self), self._portable(source)))

    def __copy__(self) -> Self:
        return self

    def __deepcopy__(self, memo: object) -> Self:
        return self

    def _portable(self, source: Source[Config]) -> dict[str, Any]:
        """What this snapshot says, with *source* to ask for the rest."""
        slots = [name for cls in type(self).__mro__ for name in getattr(cls, "__slots__", ())]
        said: dict[str, Any] = {"_found": (), "_warnings": self.warnings}
        for name in ("composed", "cursor", "document", "lineage"):
            with suppress(RealmconfError):
                said[f"_{name}"] = getattr(self, name)
        state = {name: getattr(self, name) for name in slots if hasattr(self, name)}
        return {**state, **said, "_source": source, "_point": None}

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


def _restored(cls: type[ConfigSnapshot[Any]], state: dict[str, Any]) -> ConfigSnapshot[Any]:
    snapshot = cls.__new__(cls)
    for name, value in state.items():
        _set(snapshot, name, value)
    return snapshot


EFFECTIVE_PREFIX = "e:"
"""Cursors of the effective view: this, then ``realm@etag`` of each realm on which it depends, joined by commas."""


def effective_cursor(point: Point) -> str:
    """Where a watch of the effective view goes on after *point*."""
    return EFFECTIVE_PREFIX + ",".join(point.marks)
