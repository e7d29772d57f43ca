"""
A point to read from, far away: it begins with the first thing that is asked.

Decides that every later question is asked as of the position of the first answer, and what is asked together: with a
head those that it depends on, with one list of children those below.  Notes what was looked at, for whoever makes a
write of it.
"""

from __future__ import annotations

import time
from functools import partial
from typing import TypeVar

from realmconf.domain.failures import error_from
from realmconf.errors import NotFound, StoreCorrupt, StoreUnavailable
from realmconf.stores.protocol import Head
from realmconf.stores.remote.codec import (
    entry_of,
    number_of,
    one_revision_of,
    realm_of,
    receipt_of,
    revision_of,
    step_of,
    text_of,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from typing import Any

    from realmconf.domain.document import Document
    from realmconf.domain.names import RealmName
    from realmconf.domain.revision import Revision
    from realmconf.stores.protocol import RealmEntry, Receipt, Step
    from realmconf.stores.remote.connection import Connection
    from realmconf.stores.remote.heads import Heads, Tagged

Result = TypeVar("Result")

PATH = "/v1/store/read"
LINEAGES_AT_ONCE = 64


class View:
    """The ``ReadView`` of a server's store at one point."""

    def __init__(self, connection: Connection, known: Heads) -> None:
        self._connection = connection
        self._known = known
        self._at: int | None = None
        self._asked_at = 0.0
        """When the question was sent whose answer is from that position; monotonic seconds."""
        self._heads: dict[RealmName, Head] = {}
        self._families: dict[RealmName, list[RealmName]] = {}
        self._schemas: dict[RealmName, list[str]] = {}
        self._asked_for: set[RealmName] = set()
        self._leaned_on: set[RealmName] = set()
        self._is_wide = False

    # --- asking ------------------------------------------------------------------------------

    def _ask(
        self, calls: Sequence[Mapping[str, Any]], understand: Callable[[list[Any]], Result]
    ) -> Result:
        """What *understand* makes of the answers to *calls*; the first error among them is raised."""
        asked_at = time.monotonic()

        def understand_all(answer: Any) -> Result:
            position = number_of(answer["position"])
            if len(answer["answers"]) != len(calls):
                raise ValueError
            values = []
            for found in answer["answers"]:
                if "error" in found:
                    raise error_from(found["error"]) or StoreUnavailable(
                        "the server answers with an error that this release does not know",
                        retryable=False,
                    )
                values.append(found["value"])
            if self._at is None:
                self._at, self._asked_at = position, asked_at
            return understand(values)

        asked = {"at": self._at, "calls": list(calls)}
        return self._connection.read(PATH, asked, understand=understand_all)

    def _one(self, call: str, understand: Callable[[Any], Result], **arguments: Any) -> Result:
        return self._ask([{"call": call, **arguments}], lambda values: understand(values[0]))

    def lineages(self, realms: Sequence[RealmName]) -> list[dict[RealmName, Head]]:
        """The heads of each of *realms* with all that it depends on, asked for in one request for some dozen."""
        found: list[dict[RealmName, Head]] = []
        for start in range(0, len(realms), LINEAGES_AT_ONCE):
            page = realms[start : start + LINEAGES_AT_ONCE]
            known = [self._known.known(realm) for realm in page]
            taken = self._ask(
                [self._known.question(*one) for one in zip(page, known, strict=True)],
                partial(self._taken, page, known),
            )
            for realm, heads in zip(page, taken, strict=True):
                for name, head in heads.items():
                    self._heads.setdefault(name, head)
                assert self._at is not None
                # Of a later question too: they were the newest at the point that the first one found.
                self._known.followed.note(realm, heads, position=self._at, asked_at=self._asked_at)
                found.append(heads)
        return found

    def _taken(
        self,
        realms: Sequence[RealmName],
        known: Sequence[Mapping[RealmName, Tagged]],
        answers: Sequence[Any],
    ) -> list[dict[RealmName, Head]]:
        taken = [self._known.take(*one) for one in zip(realms, known, answers, strict=True)]
        for realm, heads in zip(realms, taken, strict=True):
            # Without it nothing that is said of it can be told.
            heads[realm]
        return taken

    # --- what was looked at --------------------------------------------------------------------

    def standing(self) -> Mapping[RealmName, str]:
        """The digests (empty: none) of the heads that were asked for."""
        return {name: _digest(self._heads[name]) for name in self._asked_for}

    def basis(self) -> dict[str, Any]:
        """Everything that was looked at, so that whoever has it can tell whether it still stands."""
        missing = [name for name in self._leaned_on if name not in self._heads]
        if missing:
            self.lineages(missing)
        looked_at = self._asked_for | self._leaned_on
        return {
            "heads": {name: _digest(self._heads[name]) for name in looked_at},
            "position": self._at if self._is_wide else None,
        }

    # --- heads -------------------------------------------------------------------------------

    def head(self, realm: RealmName) -> Head:
        self._asked_for.add(realm)
        if realm not in self._heads:
            self.lineages([realm])
        return self._heads[realm]

    # --- history -----------------------------------------------------------------------------

    def revision(self, realm: RealmName, generation: int) -> Revision:
        self._leaned_on.add(realm)
        head = self._heads.get(realm)
        if head is not None and head.revision is not None and head.generation == generation:
            return head.revision
        understand = partial(one_revision_of, realm=realm)
        return self._one("revision", understand, realm=realm, generation=generation)

    def revisions(
        self,
        realm: RealmName,
        *,
        after: int = 0,
        before: int | None = None,
        limit: int | None = None,
        newest_first: bool = False,
    ) -> Sequence[Revision]:
        self._leaned_on.add(realm)
        found: list[Revision] = []
        while True:
            page, is_more = self._one(
                "revisions",
                partial(_page, realm),
                realm=realm,
                after=after,
                before=before,
                limit=None if limit is None else limit - len(found),
                newest_first=newest_first,
            )
            found += page
            if not page or not is_more or (limit is not None and len(found) >= limit):
                return found
            if newest_first:
                before = found[-1].generation
            else:
                after = found[-1].generation

    def receipt(self, realm: RealmName, write_id: str) -> Receipt | None:
        self._leaned_on.add(realm)
        understand = partial(receipt_of, realm=realm, write_id=write_id)
        return self._one("receipt", understand, realm=realm, write_id=write_id)

    def position(self, realm: RealmName, generation: int) -> int:
        self._leaned_on.add(realm)
        return self._one("position", number_of, realm=realm, generation=generation)

    def as_of(self, realm: RealmName, position: int) -> Revision | None:
        self._leaned_on.add(realm)
        understand = partial(revision_of, realm=realm)
        return self._one("as_of", understand, realm=realm, position=position)

    def last_position(self) -> int:
        self._is_wide = True
        if self._at is None:
            self._ask([], list)
        assert self._at is not None
        return self._at

    def steps(self, after: Mapping[RealmName, int], *, limit: int) -> Sequence[Step]:
        self._leaned_on.update(after)
        stood: dict[RealmName, int] = dict(after)
        found: list[Step] = []
        while True:
            page, is_more = self._one("steps", _steps, after=stood, limit=limit - len(found))
            found += page
            if not page or not is_more or len(found) >= limit:
                return found
            stood |= {step.realm: step.revision.generation for step in page}

    # --- names and schemas -------------------------------------------------------------------

    def realms(self, *, after: str | None = None, limit: int | None = None) -> Sequence[RealmEntry]:
        self._is_wide = True
        found: list[RealmEntry] = []
        while True:
            page, after = self._one("realms", _entries, after=after)
            found += page
            if after is None or (limit is not None and len(found) >= limit):
                return found[:limit]

    def children(self, realm: RealmName) -> Sequence[RealmName]:
        self._is_wide = True
        if realm not in self._families:
            families = self._one("children", partial(_families, realm), realm=realm)
            self._families |= families
        return self._families[realm]

    def schema(self, digest: str) -> Document:
        known = self._known.schema(digest)
        if known is None:
            try:
                known = self._one("schema", _document, digest=digest)
            except NotFound:
                raise StoreCorrupt(f"the store has lost the schema {digest}") from None
            self._known.remember_schema(digest, known)
        return known

    def schemas(self, realm: RealmName) -> Sequence[str]:
        self._leaned_on.add(realm)
        if realm not in self._schemas:
            # Whoever asks for those of one asks for those of all that it inherits from.
            names = [realm, *(name for name in self._heads if name not in self._schemas)]
            self._ask_for_schemas(dict.fromkeys(names))
        return self._schemas[realm]

    def _ask_for_schemas(self, names: Iterable[RealmName]) -> None:
        asked = list(names)
        answers = self._ask([{"call": "schemas", "realm": name} for name in asked], _digests)
        self._schemas.update(zip(asked, answers, strict=True))


def _digest(head: Head) -> str:
    return "" if head.revision is None else head.revision.digest


def _page(realm: RealmName, answer: Any) -> tuple[list[Revision], bool]:
    return [one_revision_of(one, realm=realm) for one in answer["revisions"]], bool(answer["more"])


def _steps(answer: Any) -> tuple[list[Step], bool]:
    return [step_of(one) for one in answer["steps"]], bool(answer["more"])


def _entries(answer: Any) -> tuple[list[RealmEntry], str | None]:
    after = answer["after"]
    return [entry_of(one) for one in answer["realms"]], None if after is None else text_of(after)


def _families(realm: RealmName, answer: Any) -> dict[RealmName, list[RealmName]]:
    found = {realm_of(parent): list(map(realm_of, names)) for parent, names in answer.items()}
    found[realm]
    return found


def _document(answer: Any) -> Document:
    if not isinstance(answer, dict):
        raise TypeError
    return answer


def _digests(answers: Sequence[Any]) -> list[list[str]]:
    return [list(map(text_of, names)) for names in answers]
