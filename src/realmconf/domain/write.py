"""
What a caller asks for: commands, preconditions, and the write that carries them.

These records are parsed and valid; surfaces and the runtime build them, ``decide``
judges them, stores never look inside.
"""

from __future__ import annotations

from realmconf.domain.record import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from realmconf.domain.document import Document, Value
    from realmconf.domain.names import RealmName
    from realmconf.domain.pointer import Pointer
    from realmconf.domain.revision import Policy, Revision
    from realmconf.domain.scope import Scope


_NONE: Mapping[str, Document] = {}

# --- commands: what to do to the document -----------------------------------


class Command(Record):
    """Abstract: one way to make the next document."""

    __hidden__ = frozenset({"document", "patch", "operations", "assignments", "schema", "schemas"})


class SetDocument(Command):
    """Replace the whole own document. ``kind`` is that of the revision it makes."""

    document: Document
    kind: str = "set"
    restores: int | None = None
    reverts: tuple[str, ...] = ()


class MergePatch(Command):
    """RFC 7396. ``set_value`` and ``unset`` are merge patches too."""

    patch: dict[str, Value]


class JsonPatch(Command):
    """RFC 6902; ``operations`` are checked for form already."""

    operations: tuple[dict[str, Value], ...]


class Edit(Command):
    """
    Set and remove single places by pointer, also inside arrays: what ``set_value``, ``unset`` and a model's
    ``set`` come down to.  ``removals`` of absent places are no error.
    """

    assignments: tuple[tuple[Pointer, Value], ...] = ()
    removals: tuple[Pointer, ...] = ()
    kind: str = "patch"

    @property
    def is_empty(self) -> bool:
        """Whether it names no place at all."""
        return not self.assignments and not self.removals


class Delete(Command):
    """Append a tombstone."""


class Rollback(Command):
    """Append the document of an older generation."""

    to: int


class SetPolicy(Command):
    """Change the realm's policy; the document stays."""

    changes: dict[str, object]


class SetSchema(Command):
    """
    Attach a schema to the realm, or take away the one it has (``digest`` None); the document stays, but for *patch*.

    *patch* is a merge patch that makes the document fit, in the same revision.
    """

    digest: str | None
    schema: Document | None = None
    patch: dict[str, Value] | None = None


class Place(Command):
    """
    Put a revision's document where another history goes on: ``rename``, ``copy``, ``restore``, ``import``.

    ``document is None`` places a tombstone.  ``generation_min`` lets a restore step over numbers that a
    lost history has used.
    """

    document: Document | None
    kind: str
    policy: Policy | None = None
    restores: int | None = None
    generation_min: int = 1
    previous: Revision | None = None
    """The revision whose chain is continued under this realm's name (``rename``)."""
    schema_digest: str | None = None
    """The schema that goes along; a continued chain keeps its own."""
    schemas: Mapping[str, Document] = _NONE
    """Schemas by digest, to be kept beside the realm: those that the history or the source had."""


# --- preconditions ------------------------------------------------------------


class Expected(Record):
    """
    The state a write was made against.

    ``digest`` (the first 12 hex digits or more of a revision digest) comes from an etag or a snapshot and
    tells timelines apart; a bare generation cannot.
    """

    generation: int
    digest: str | None = None


class Write(Record):
    """One write to one realm: the command, its precondition, its author."""

    realm: RealmName
    command: Command
    expected: Expected | None = None
    or_expected: tuple[Expected, ...] = ()
    """Other states that would do as well; the newest of all that are older is rebased from."""
    create: bool = False
    """The realm must have no live document."""
    must_exist: bool = False
    """The realm must have a live document (``If-Match: *``)."""
    on_conflict: str = "fail"
    """fail | rebase"""
    depends_on: tuple[Pointer, ...] = ()
    author: str
    surface: str = "sdk"
    message: str = ""
    write_id: str
    write_id_given: bool = False
    """A given id is looked up before the write is decided, and its receipt kept."""
    sees_secrets: bool = True
    """Whether its author has the right to secrets; without it nothing that reads one is done."""
    scope: Scope | None = None
    """How far its author may reach; None: everywhere."""

    @property
    def may_guess(self) -> bool:
        """Whether a secret that it states may be a guess: its author is shown marks, and could not look either."""
        return not self.sees_secrets and self.scope is not None and not self.scope.judges_secrets


# --- decisions -----------------------------------------------------------------


class Append(Record):
    """The write becomes this revision."""

    __hidden__ = frozenset({"canonical", "schemas"})

    revision: Revision
    rebased_from: int | None = None
    """The expected generation, where the write was rebased onto a newer head."""
    canonical: bytes | None = None
    """The document's canonical bytes, where they are at hand: a store need not make them again."""
    head: Revision | None = None
    """The head it goes on from."""
    schemas: Mapping[str, Document] = _NONE
    """Schemas by digest, kept beside the realm for ever; among them the one that the revision names, if it is new."""


class Unchanged(Record):
    """The write changes nothing: its precondition holds and the head stands."""

    head: Revision | None
    rebased_from: int | None = None
