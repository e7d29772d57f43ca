"""
What stands between plain configuration and a caller's type, and the cases that there is no type.

Decides what any adapter promises, and what a JSON Schema does in a type's stead; which library serves which
type is for ``typed``, which a handle without a type never loads.
"""

from __future__ import annotations

from realmconf.domain.document import check_document
from realmconf.errors import InvalidArgument, SchemaViolation
from realmconf.runtime.generic import Config, Generic

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from realmconf.domain.document import Document


class Adapter(Generic[Config]):
    """
    One type: plain values in, typed configuration out, and back.

    ``load`` and ``dump`` are each other's inverse for every valid configuration; ``dump`` leaves out what
    is None, since documents have no nulls.
    """

    __slots__ = ("type",)

    def __init__(self, wanted: type[Config]) -> None:
        self.type = wanted

    def load(self, composed: Document) -> Config:
        """
        The typed configuration.

        Raises:
            SchemaViolation: With every violation at once.
        """
        raise NotImplementedError

    def dump(self, config: Config) -> Document:
        """The whole configuration as plain values, defaults included."""
        raise NotImplementedError

    def dump_stated(self, config: Config) -> Document:
        """The same without what equals the type's own defaults."""
        raise NotImplementedError

    def is_model(self, value: object) -> bool:
        """Whether *value* is an instance of the type, and not a plain mapping."""
        return isinstance(value, self.type)

    @property
    def gives_mappings(self) -> bool:
        """Whether configurations of the type are plain mappings, which nothing tells from documents."""
        return issubclass(self.type, dict)

    def schema(self) -> Document:
        """
        The JSON Schema of what is loaded: whatever ``dump`` gives fits it.

        Raises:
            InvalidArgument: There is no type, or JSON Schema cannot express it.
            InvalidDocument: It has what a schema may not have, such as a pattern in Python's own syntax.
        """
        raise NotImplementedError


class PlainAdapter(Adapter["Mapping[str, Any]"]):
    """No type: the composed configuration itself, immutable."""

    __slots__ = ()

    def __init__(self) -> None:
        super().__init__(dict)

    def load(self, composed: Document) -> Mapping[str, Any]:
        from realmconf.domain.frozen import freeze

        frozen: Mapping[str, Any] = freeze(composed)
        return frozen

    def dump(self, config: Mapping[str, Any]) -> Document:
        return check_document(config)

    def dump_stated(self, config: Mapping[str, Any]) -> Document:
        return check_document(config)

    def is_model(self, value: object) -> bool:
        return False

    def schema(self) -> Document:
        raise InvalidArgument("a handle without a type has no schema to publish")


PLAIN = PlainAdapter()


class JsonSchemaAdapter(PlainAdapter):
    """A JSON Schema and no type: the composed configuration itself, immutable, if it fits."""

    __slots__ = ("_digest", "_schema")

    def __init__(self, schema: Mapping[str, Any]) -> None:
        """
        Take *schema*, of which a copy is kept.

        Raises:
            InvalidDocument, LimitExceeded: As ``check_schema``.
        """
        super().__init__()
        from realmconf.domain.schemas.schema import check_schema, schema_digest

        self._schema = check_schema(schema)
        self._digest = schema_digest(self._schema)

    def load(self, composed: Document) -> Mapping[str, Any]:
        from realmconf.domain.schemas.schema import violations

        found = violations(self._digest, self._schema, composed)
        if found:
            raise SchemaViolation(found)
        return super().load(composed)

    def schema(self) -> Document:
        from realmconf.domain.frozen import thaw

        copied: Document = thaw(self._schema)
        return copied
