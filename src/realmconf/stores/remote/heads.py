"""
What was last known of heads, lineages and schemas: so that what is unchanged is neither sent nor made again.

Decides that a head is the same object as long as the server gives it the same tag, and how old what is remembered
is.  Whether it is the newest is never decided here.
"""

from __future__ import annotations

import threading
import time

from realmconf.stores.protocol import Head, Remembered
from realmconf.stores.remote.codec import head_of, realm_of, text_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from realmconf.domain.document import Document
    from realmconf.domain.names import RealmName

    Tagged = tuple[str, Head]

HEADS_KEPT = 8_192
SCHEMAS_KEPT = 1_024


class _Followed:
    """What is remembered of one realm, for whoever reads it without asking."""

    def __init__(self) -> None:
        self.heads: Mapping[RealmName, Head] = {}
        self.words = [0]
        self.position = -1
        self.shown_at: float | None = None
        """When the server last showed that it is the newest; monotonic seconds."""


class Heads:
    """The memory of one store. Thread-safe."""

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._tagged: dict[RealmName, Tagged] = {}
        self._lineages: dict[RealmName, tuple[RealmName, ...]] = {}
        self._schemas: dict[str, Document] = {}
        self._followed: dict[RealmName, _Followed] = {}

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
        self.note(realm, heads, position=position, asked_at=asked_at)

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

    # --- what is remembered for readers ----------------------------------------------------

    def follow(self, realm: RealmName) -> bool:
        """Keep what is known of *realm* for readers from now on; whether it is kept already."""
        with self._guard:
            if realm in self._followed:
                return self._followed[realm].shown_at is not None
            self._followed[realm] = _Followed()
            return False

    @property
    def followed(self) -> list[RealmName]:
        """The realms that are kept for readers."""
        with self._guard:
            return list(self._followed)

    def note(
        self, realm: RealmName, heads: Mapping[RealmName, Head], *, position: int, asked_at: float
    ) -> None:
        """*heads* were the newest of *realm* at *position*, and at some moment after *asked_at*."""
        with self._guard:
            followed = self._followed.get(realm)
            if followed is None or position < followed.position:
                # An answer that was overtaken by a newer one.
                return
            followed.position = position
            followed.shown_at = max(asked_at, followed.shown_at or asked_at)
            if followed.heads.keys() != heads.keys() or any(
                followed.heads[name] is not head for name, head in heads.items()
            ):
                followed.heads = dict(heads)
                followed.words[0] += 1

    def note_quiet(self, position: int, at: float) -> bool:
        """Nothing newer than *position* was there at a moment after *at*; whether all that is remembered is as new."""
        with self._guard:
            is_current = True
            for followed in self._followed.values():
                if followed.position >= position:
                    followed.shown_at = max(at, followed.shown_at or at)
                else:
                    is_current = False
            return is_current

    def remembered(self, realm: RealmName) -> Remembered:
        """What is kept of *realm*, which is followed."""
        with self._guard:
            followed = self._followed[realm]
            return Remembered(heads=followed.heads, words=followed.words, mark=followed.words[0])

    def age_seconds(self, realm: RealmName) -> float:
        """How long ago that was shown to be the newest."""
        with self._guard:
            shown_at = self._followed[realm].shown_at
        assert shown_at is not None
        return max(0.0, time.monotonic() - shown_at)

    def forget(self) -> None:
        """Take back what readers compare with: the store is closed, or another process's."""
        with self._guard:
            for one in self._followed.values():
                one.words.clear()
            self._followed.clear()

    def after_fork_in_child(self) -> None:
        """As ``forget``; a thread that is not here may have been at it."""
        self._guard = threading.Lock()
        self.forget()
