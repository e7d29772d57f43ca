"""
What was last known of heads, lineages and schemas: so that what is unchanged is neither sent nor made again.

Decides that a head is the same object as long as the server gives it the same tag.  Whether it is the newest is never
decided here.
"""

from __future__ import annotations

import threading

from realmconf.stores.followed import Followed
from realmconf.stores.remote.codec import head_of, realm_of, text_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from realmconf.domain.document import Document
    from realmconf.domain.names import RealmName
    from realmconf.stores.protocol import Head

    Tagged = tuple[str, Head]

HEADS_KEPT = 8_192
SCHEMAS_KEPT = 1_024


class Heads:
    """The memory of one store. Thread-safe."""

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._tagged: dict[RealmName, Tagged] = {}
        self._lineages: dict[RealmName, tuple[RealmName, ...]] = {}
        self._schemas: dict[str, Document] = {}
        self.followed = Followed()
        """For whoever reads without asking."""

    # --- questions about lineages --------------------------------------------------------------

    def known(self, realm: RealmName) -> dict[RealmName, Tagged]:
        """What is known of *realm* and of those it depended on, to be named in a question about it."""
        with self._guard:
            names = self._lineages.get(realm, (realm,))
            return {name: self._tagged[name] for name in names if name in self._tagged}

    def question(self, realm: RealmName, known: Mapping[RealmName, Tagged]) -> dict[str, Any]:
        """The question about *realm* of whoever knows that much."""
        digests = {
            head.revision.schema_digest for _, head in known.values() if head.revision is not None
        }
        with self._guard:
            schemas = [digest for digest in digests if digest in self._schemas]
        return {
            "call": "lineage",
            "realm": realm,
            "known": {name: tag for name, (tag, _) in known.items()},
            "schemas": schemas,
        }

    def take(
        self, realm: RealmName, known: Mapping[RealmName, Tagged], answer: Mapping[str, Any]
    ) -> dict[RealmName, Head]:
        """The heads that *answer* has or, where they are unchanged, names among those *known*."""
        for digest, schema in answer["schemas"].items():
            self.remember_schema(digest, schema)
        found = self.heads_of(known, answer["heads"])
        with self._guard:
            if len(self._lineages) >= HEADS_KEPT:
                self._lineages.clear()
            self._lineages[realm] = tuple(found)
        return found

    def heads_of(
        self, known: Mapping[RealmName, Tagged], answer: Mapping[str, Any]
    ) -> dict[RealmName, Head]:
        """Heads by realm, as a server sends them to whoever has named what it knows."""
        found: dict[RealmName, Head] = {}
        for text, stated in answer.items():
            name = realm_of(text)
            if stated is None:
                found[name] = known[name][1]
            else:
                found[name] = self._kept(name, stated)
        return found

    def _kept(self, name: RealmName, stated: Mapping[str, Any]) -> Head:
        tag = text_of(stated["tag"])
        with self._guard:
            before = self._tagged.get(name)
        if before is not None and before[0] == tag:
            # Another thread has been told the same meanwhile.
            return before[1]
        head = head_of(stated, realm=name)
        with self._guard:
            if len(self._tagged) >= HEADS_KEPT:
                self._tagged.clear()
            self._tagged[name] = (tag, head)
        return head

    def note_written(
        self,
        realm: RealmName,
        tag: str,
        heads: Mapping[RealmName, Head],
        *,
        position: int,
        asked_at: float,
    ) -> None:
        """The head of *realm* among *heads* was made at *position* by this store's own write, sent at *asked_at*."""
        with self._guard:
            self._tagged[realm] = (tag, heads[realm])
        self.followed.note(realm, heads, position=position, asked_at=asked_at)

    # --- schemas ---------------------------------------------------------------------------

    def schema(self, digest: str) -> Document | None:
        """A schema that is known; it never changes."""
        with self._guard:
            return self._schemas.get(digest)

    def remember_schema(self, digest: str, schema: Document) -> None:
        """Keep one."""
        with self._guard:
            if len(self._schemas) >= SCHEMAS_KEPT:
                self._schemas.clear()
            self._schemas[digest] = schema
