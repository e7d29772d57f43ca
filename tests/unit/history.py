"""A history in a list, for the tests of what is decided on one."""

from collections.abc import Sequence
from typing import Any

from realmconf.domain.decide import decide
from realmconf.domain.names import LIMITS, Limits, RealmName
from realmconf.domain.revision import Revision
from realmconf.domain.schemas.shape import Shape
from realmconf.domain.secrets import Secrecy
from realmconf.domain.write import Append, Command, Delete, Expected, SetDocument, Unchanged, Write
from realmconf.errors import HistoryCompacted, RevisionNotFound
from realmconf.stores.protocol import Head

TEAM = RealmName("team")
NOW = "2024-05-01T12:00:00Z"
SALT = "5a17"


class ListHistory:
    """Revisions of realms in memory, with a floor and a marker, and nothing else that a store has."""

    def __init__(self, *documents: dict[str, Any] | None) -> None:
        self.kept: dict[RealmName, list[Revision]] = {}
        self.floor = 1
        self.moved_to: str | None = None
        for document in documents:
            self.write(Delete() if document is None else SetDocument(document=document))

    def head(self, realm: RealmName, /) -> Head:
        revisions = self.kept.get(realm)
        return Head(
            realm=realm,
            revision=revisions[-1] if revisions else None,
            floor=self.floor,
            moved_to=self.moved_to,
        )

    def revision(self, realm: RealmName, generation: int, /) -> Revision:
        for revision in self.kept.get(realm, []):
            if revision.generation == generation:
                if generation < self.floor:
                    raise HistoryCompacted(generation, self.floor, realm=realm)
                return revision
        raise RevisionNotFound(
            realm=realm, generation=generation, current=self.head(realm).generation
        )

    def revisions(self, realm: RealmName, /, *, after: int = 0) -> Sequence[Revision]:
        if after + 1 < self.floor:
            raise HistoryCompacted(after + 1, self.floor, realm=realm)
        return [revision for revision in self.kept.get(realm, []) if revision.generation > after]

    def decide(
        self,
        command: Command,
        *,
        limits: Limits = LIMITS,
        shape: Shape | None = None,
        secrecy: Secrecy | None = None,
        is_tried: bool = False,
        **fields: Any,
    ) -> Append | Unchanged:
        """Judge a write without appending it."""
        if isinstance(fields.get("expected"), int):
            fields["expected"] = Expected(generation=fields["expected"])
        stated = {"realm": TEAM, "author": "ada", "write_id": "w1", **fields}
        return decide(
            Write(command=command, **stated),
            self,
            created_at=NOW,
            salt=SALT,
            limits=limits,
            shape=None if shape is None else lambda: shape,
            secrecy=None if secrecy is None else lambda: secrecy,
            is_tried=is_tried,
        )

    def write(self, command: Command, **fields: Any) -> Append | Unchanged:
        """Judge a write and append what it becomes."""
        decision = self.decide(command, **fields)
        if isinstance(decision, Append):
            self.kept.setdefault(decision.revision.realm, []).append(decision.revision)
        return decision

    def replace_head(self, **changes: Any) -> None:
        """Falsify the newest revision."""
        self.kept[TEAM][-1] = self.kept[TEAM][-1].replace(**changes)
