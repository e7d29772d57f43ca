"""
How a handle's type meets what its realm states.

Decides what is read when the head does not fit, and that no write through a typed
handle leaves a document that does not; what fits is for the type's own library.
"""

from __future__ import annotations

from realmconf.domain.withheld import refuse_withheld
from realmconf.errors import HistoryCompacted, InvalidArgument, SchemaViolation
from realmconf.runtime.adapter import PLAIN
from realmconf.runtime.envelope import ConfigEnvelope
from realmconf.runtime.generic import Config, Generic

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from realmconf.domain.document import Document
    from realmconf.domain.names import RealmName
    from realmconf.domain.write import Append
    from realmconf.runtime.adapter import Adapter
    from realmconf.runtime.lineages import Point
    from realmconf.runtime.snapshot import ConfigSnapshot

ON_INVALID = ("raise", "last_good")


class Fitting(Generic[Config]):
    """One realm under one type."""

    __slots__ = ("_adapter", "_invalid_call", "_last_good", "_on_invalid", "_realm")

    def __init__(
        self,
        realm: RealmName,
        adapter: Adapter[Config],
        *,
        on_invalid: str,
        invalid_call: Callable[[SchemaViolation, ConfigSnapshot[Config]], object] | None,
    ) -> None:
        self._realm = realm
        self._adapter = adapter
        self._on_invalid = on_invalid
        self._invalid_call = invalid_call
        self._last_good: tuple[dict[str, int], Config] | None = None

    @property
    def is_plain(self) -> bool:
        """Whether there is no type, so that nothing of the caller's own runs on a read or a write."""
        return self._adapter is PLAIN

    @property
    def is_lenient(self) -> bool:
        """Whether what fitted last stands in for what does not fit."""
        return self._on_invalid == "last_good"

    def load(self, snapshot: ConfigSnapshot[Config]) -> Config:
        """
        The typed configuration of *snapshot*; with ``last_good`` the newest that fitted, of which it then warns.

        Raises:
            SchemaViolation: It does not fit the type, and nothing has yet.
            SecretWithheld: A type cannot say of one of its values that it is withheld.
            HistoryCompacted: It was purged: a type's defaults would pass for what it stated.
        """
        if snapshot.is_purged and not self.is_plain:
            raise HistoryCompacted(
                snapshot.generation, snapshot.generation, realm=self._realm, purged=True
            )
        if not self.is_plain:
            refuse_withheld(snapshot.composed)
        try:
            config = self._adapter.load(snapshot.composed)
        except SchemaViolation as found:
            violation = SchemaViolation(found.violations, realm=self._realm)
        else:
            # An older generation, or an older state of a parent, that somebody looks at is not what to go on with.
            vector = {one.realm: one.generation for one in snapshot.lineage}
            if self._last_good is None or not _is_older(vector, self._last_good[0]):
                self._last_good = (vector, config)
            return config
        if self.is_lenient:
            if self._invalid_call is not None:
                self._invalid_call(violation, snapshot)
            if self._last_good is not None:
                vector, config = self._last_good
                members = ", ".join(f"{name} {number}" for name, number in vector.items())
                snapshot.warn(
                    violation.code,
                    f"generation {snapshot.generation} of realm {self._realm}, with what it inherits, does not fit "
                    f"the type: the configuration is that of generation {vector[self._realm]} ({members})",
                )
                return config
        raise violation

    def check(self, decided: Append, point: Point) -> None:
        """
        Refuse a document that does not fit at *point*; a tombstone, a policy or a schema is none.

        Raises:
            SchemaViolation: It does not fit the type.
        """
        revision = decided.revision
        if self.is_plain or revision.document is None or revision.kind in ("policy", "schema"):
            return
        if point.problem is not None:
            # Nobody can tell what it is part of; own documents are not held up by that.
            return
        refuse_withheld(point.composed.config)
        try:
            self._adapter.load(point.composed.config)
        except SchemaViolation as found:
            raise SchemaViolation(found.violations, realm=self._realm) from None

    def schema(self) -> Document:
        """
        The JSON Schema of the type.

        Raises:
            InvalidArgument: There is no type.
        """
        return self._adapter.schema()

    def adapter_of(self, config: object) -> Adapter[Any] | None:
        """What takes *config* apart if it is a model; without a type, models of any accepted kind are."""
        if not self.is_plain:
            return self._adapter if self._adapter.is_model(config) else None
        if isinstance(config, (dict, list, str, ConfigEnvelope)) or config is None:
            return None
        from realmconf.runtime.typed import adapter_for

        try:
            return adapter_for(type(config))
        except InvalidArgument:
            return None

    def adapter_of_mapping(self) -> Adapter[Any]:
        """What takes a plain mapping apart that is a configuration: the type's own, if such are mappings."""
        return self._adapter if self._adapter.gives_mappings else PLAIN

    def plain_of(self, value: object) -> object:
        """*value* as what it states, if it is a model of any accepted kind; else as it is."""
        if value is None or isinstance(value, (bool, int, float, str, list, tuple, dict)):
            return value
        from realmconf.runtime.typed import adapter_for

        try:
            adapter = adapter_for(type(value))
        except InvalidArgument:
            return value
        return adapter.dump_stated(value)


def _is_older(vector: dict[str, int], other: dict[str, int]) -> bool:
    """Whether some realm stood at an older generation than it did in *other*."""
    return any(vector.get(name, number) < number for name, number in other.items())
