"""
Reads for a client that takes this store for its own: several questions, answered from one point.

Decides who may ask what, and how much goes into one answer: what does not fit is for the next one, which each answer
says.  A question that cannot be answered is an error of its own and leaves the others alone.
"""

from __future__ import annotations

import json

from realmconf.domain.names import GLOBAL, RealmName
from realmconf.errors import (
    InvalidArgument,
    LimitExceeded,
    NotFound,
    NotPermitted,
    RealmconfError,
    StoreCorrupt,
    StoreUnavailable,
)
from realmconf.runtime.placeless import error_afar
from realmconf.runtime.serving.asked import text, whole
from realmconf.runtime.serving.patience import Patience
from realmconf.runtime.serving.pinned import Pinned
from realmconf.runtime.serving.shown import Showing

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from typing import Any

    from realmconf.domain.revision import Revision
    from realmconf.runtime.operations.session import Session
    from realmconf.runtime.serving.asked import Asked
    from realmconf.stores.protocol import Head, ReadView, Step

CALLS_MAX = 256
"""Questions of one request."""
PAGE_MAX = 1_000
"""Of revisions, realms or steps in one answer."""
ANSWER_CHARS_MAX = 8 * 1_048_576
"""Of history in all answers to one request: a page ends there and says that there is more, and no other one begins."""
HEADS_CHARS_MAX = 64 * 1_048_576
"""The same of heads, of which several are asked for at once."""
BATCH = 8
"""Revisions that are read at once, each of which may be large."""
FAMILY_MAX = 1_024
"""Realms whose children are told together."""


def read(session: Session, asked: Asked, *, patience: Patience | None = None) -> dict[str, Any]:
    """
    Answer ``calls``, all at the position ``at``, or at the newest point if that is null.

    A call of which *patience* has come to an end is answered with that, and so are those behind it.

    Raises:
        InvalidArgument: The request is malformed.
        NobodyWaitsError: The caller has gone meanwhile.
        StoreUnavailable: The store is behind that position: it is not the one that was read.
    """
    calls, at = asked.get("calls"), asked.get("at")
    if not isinstance(calls, list) or len(calls) > CALLS_MAX:
        raise InvalidArgument(f"calls is a list of at most {CALLS_MAX}")
    if at is not None and (type(at) is not int or at < 0):
        raise InvalidArgument("at is a position, or null")
    patience = patience or Patience()
    newest = _Newest(session) if at is None else None
    if newest is not None:
        for call in calls:
            patience.look(0)
            newest.look(call)
    with session.client.store.view() as view:
        position = view.last_position()
        if at is not None and at > position:
            raise StoreUnavailable("the server's store is another one than was read before")
        shown: ReadView = view
        if at is not None and at < position:
            shown = Pinned(view, at, patience=patience)
        showing = Showing(session, view, patience=patience)
        reading = _Reading(session, shown, showing, newest, patience, is_one_of_many=len(calls) > 1)
        return {
            "position": position if at is None else at,
            "answers": [reading.answered(call) for call in calls],
        }


class _Newest:
    """
    The newest heads, looked at before the point is taken: hand edits come in, and what is wrong with a file is told.
    """

    def __init__(self, session: Session) -> None:
        self._session = session
        self.heads: dict[RealmName, Head] = {}

    def look(self, call: Any) -> None:
        if not isinstance(call, dict) or call.get("call") != "lineage":
            return
        try:
            realm = RealmName(call.get("realm"))  # type: ignore[arg-type]
            if self._session.grant.may_read(realm):
                point = self._session.client.lineages.point(realm)
                self.heads.update(zip(point.watched, point.watched_heads, strict=True))
        except RealmconfError:
            # Said where the question is answered.
            return

    def warned(self, head: Any) -> Any:
        """*head*, with what is to be said of it."""
        known = self.heads.get(head.realm)
        if known is None or not known.warnings or known.generation != head.generation:
            return head
        return head.replace(warnings=known.warnings)


class _Reading:
    """One request."""

    def __init__(
        self,
        session: Session,
        view: ReadView,
        showing: Showing,
        newest: _Newest | None,
        patience: Patience,
        *,
        is_one_of_many: bool,
    ) -> None:
        self._session = session
        self._view = view
        self._showing = showing
        self._newest = newest
        self._patience = patience
        self._is_one_of_many = is_one_of_many
        self._room = ANSWER_CHARS_MAX
        self._heads_room = HEADS_CHARS_MAX
        self._children: dict[RealmName, list[RealmName]] = {}

    def answered(self, call: Any) -> dict[str, Any]:
        try:
            self._patience.look()
            if not isinstance(call, dict):
                raise InvalidArgument("a call is an object")
            answer = _ANSWERS.get(str(call.get("call")))
            if answer is None:
                raise InvalidArgument("there is no such call")
            return {"value": answer(self, call)}
        except RealmconfError as error:
            return {"error": error_afar(error, self._session.client).to_dict()}

    def _realm(self, call: Asked, key: str = "realm") -> RealmName:
        return self._looked_at(RealmName(call.get(key)))  # type: ignore[arg-type]

    def _looked_at(self, realm: RealmName) -> RealmName:
        if not self._showing.may_look(realm):
            raise NotPermitted("reading", realm=realm, needs="the role read")
        return realm

    # --- heads -----------------------------------------------------------------------------

    def lineage(self, call: Asked) -> Any:
        realm = self._realm(call)
        lineages = self._session.client.lineages
        point = lineages.point_of(self._view.head, realm)
        heads = [self._warned(head) for head in point.watched_heads]
        known = call.get("known")
        schemas = call.get("schemas")
        has = {one for one in schemas if isinstance(one, str)} if isinstance(schemas, list) else ()
        digests = {
            head.revision.schema_digest
            for head in heads
            if head.revision is not None and head.revision.schema_digest not in (None, *has)
        }
        found = self._showing.heads(
            heads,
            known if isinstance(known, dict) else {},
            through=self._showing.sakes.sake_of(realm),
        )
        if self._is_one_of_many:
            if self._heads_room <= 0:
                raise LimitExceeded("answer_chars", _size(found), maximum=HEADS_CHARS_MAX)
            self._heads_room -= _size(found)
        return {"heads": found, "schemas": self._schemas(digests)}

    def _schemas(self, digests: Iterable[str | None]) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for digest in digests:
            try:
                found |= self._session.client.lineages.schemas_in(self._view, [digest])  # type: ignore[list-item]
            except StoreCorrupt:
                # Said to whoever asks for it.
                continue
        return found

    def _warned(self, head: Any) -> Any:
        return head if self._newest is None else self._newest.warned(head)

    # --- history ---------------------------------------------------------------------------

    def revision(self, call: Asked) -> Any:
        realm = self._realm(call)
        found = self._view.revision(realm, whole(call, "generation"))
        return self._taken(self._showing.revision_then(realm, found))

    def _taken(self, shown: Any) -> Any:
        self._take(_size(shown))
        return shown

    def revisions(self, call: Asked) -> Any:
        realm = self._realm(call)
        limit, before = call.get("limit"), call.get("before")
        wanted = PAGE_MAX if limit is None else max(0, min(PAGE_MAX, whole(call, "limit")))
        after = whole(call, "after")
        before = None if before is None else whole(call, "before")
        newest_first = call.get("newest_first") is True

        def batch(page: list[Any]) -> Sequence[Revision]:
            begin, end = after, before
            if page and newest_first:
                end = page[-1]["generation"]
            elif page:
                begin = page[-1]["generation"]
            return self._view.revisions(
                realm,
                after=begin,
                before=end,
                limit=min(BATCH, wanted - len(page)),
                newest_first=newest_first,
            )

        page, more = self._page(
            batch, lambda revision: self._showing.revision_then(realm, revision), wanted=wanted
        )
        return {"revisions": page, "more": more}

    def steps(self, call: Asked) -> Any:
        after = call.get("after")
        if not isinstance(after, dict):
            raise InvalidArgument("after gives a generation for each realm")
        stood = {self._looked_at(RealmName(name)): whole(after, name) for name in after}
        wanted = max(0, min(PAGE_MAX, whole(call, "limit")))

        def batch(page: list[Any]) -> Sequence[Step]:
            for one in page[-BATCH:]:
                name = RealmName(one["realm"])
                stood[name] = max(stood[name], one["revision"]["generation"])
            return self._view.steps(stood, limit=min(BATCH, wanted - len(page)))

        def shown(step: Step) -> Any:
            return {
                "position": step.position,
                "realm": str(step.realm),
                "revision": self._showing.revision_then(step.realm, step.revision),
            }

        page, more = self._page(batch, shown, wanted=wanted)
        return {"steps": page, "more": more}

    def _take(self, size: int) -> None:
        """
        Use so much of the room that all answers have together.

        Raises:
            LimitExceeded: There is none left.
        """
        if self._room <= 0:
            raise LimitExceeded("answer_chars", size, maximum=ANSWER_CHARS_MAX)
        self._room -= size

    def _page(
        self,
        batch: Callable[[list[Any]], Sequence[Any]],
        shown: Callable[[Any], Any],
        *,
        wanted: int,
    ) -> tuple[list[Any], bool]:
        """As much of what *batch* gives after a page as there is room for, at least one; whether there may be more."""
        page: list[Any] = []
        while len(page) < wanted:
            found = batch(page)
            for one in found:
                self._patience.look()
                ready = shown(one)
                size = _size(ready)
                if page and size > self._room:
                    self._room = 0
                    return page, True
                self._take(size)
                page.append(ready)
            if len(found) < BATCH and len(page) < wanted:
                return page, False
        return page, True

    def position(self, call: Asked) -> Any:
        return self._view.position(self._realm(call), whole(call, "generation"))

    def as_of(self, call: Asked) -> Any:
        realm = self._realm(call)
        return self._showing.revision_then(realm, self._view.as_of(realm, whole(call, "position")))

    def receipt(self, call: Asked) -> Any:
        realm = self._realm(call)
        # Nothing is composed of it.
        self._session.grant.require("read", realm, action="reading")
        found = self._view.receipt(realm, text(call, "write_id"))
        if found is None:
            return None
        return [found.request if self._showing.is_whole else "", found.outcome, found.generation]

    # --- names and schemas -----------------------------------------------------------------

    def realms(self, call: Asked) -> Any:
        after = None if call.get("after") is None else text(call, "after")
        client = self._session.client
        listed: list[list[Any]] = []
        # Of many realms a caller may be told of few; others are not even where a page ends.
        while len(listed) < PAGE_MAX:
            found = self._view.realms(after=after, limit=PAGE_MAX)
            self._patience.look(len(found) + 1)
            for one in found:
                if client.may_read(one.realm) and len(listed) < PAGE_MAX:
                    parent = one.parent
                    if parent is not None and not client.may_read(parent):
                        parent = None
                    listed.append([str(one.realm), one.generation, one.exists, parent])
            if len(found) < PAGE_MAX:
                if len(listed) < PAGE_MAX or listed[-1][0] == found[-1].realm:
                    return {"realms": listed, "after": None}
                break
            after = found[-1].realm
        return {"realms": listed, "after": listed[-1][0]}

    def children(self, call: Asked) -> Any:
        """Of the realm and, as long as they are few, of all below it."""
        realm = self._realm(call)
        may_read = self._session.client.may_read
        families: dict[str, list[str]] = {}
        waiting = [realm]
        while waiting and len(families) < FAMILY_MAX:
            parent = waiting.pop(0)
            if parent not in families:
                found = [child for child in self._children_of(parent) if may_read(child)]
                families[parent] = [str(child) for child in found]
                waiting += found
        return families

    def _children_of(self, realm: RealmName) -> list[RealmName]:
        if realm not in self._children:
            self._patience.look()
            self._children[realm] = list(self._view.children(realm))
        return self._children[realm]

    def schema(self, call: Asked) -> Any:
        """Of a realm that the caller may look at; any other is not there."""
        digest = text(call, "digest")
        if not self._has_schema(digest):
            raise NotFound("there is no schema with this digest")
        return self._view.schema(digest)

    def _has_schema(self, digest: str) -> bool:
        looked_at: set[RealmName] = set()
        waiting = [GLOBAL] if self._showing.may_look(GLOBAL) else []
        after: str | None = None
        while True:
            for realm in waiting:
                self._patience.look()
                if realm not in looked_at and digest in self._view.schemas(realm):
                    return True
                looked_at.add(realm)
            page = self._view.realms(after=after, limit=PAGE_MAX)
            if not page:
                return False
            self._patience.look(len(page))
            after = page[-1].realm
            readable = [one for one in page if self._session.client.may_read(one.realm)]
            # What a realm inherits comes with it, whoever may read that.
            waiting = [one.realm for one in readable]
            waiting += [
                name
                for one in readable
                if one.parent is not None and not self._session.client.may_read(one.parent)
                for name in self._session.client.lineages.point_of(
                    self._view.head, one.realm
                ).watched
            ]

    def schemas(self, call: Asked) -> Any:
        return list(self._view.schemas(self._realm(call)))


_ANSWERS: dict[str, Callable[[_Reading, Asked], Any]] = {
    "lineage": _Reading.lineage,
    "revision": _Reading.revision,
    "revisions": _Reading.revisions,
    "steps": _Reading.steps,
    "position": _Reading.position,
    "as_of": _Reading.as_of,
    "receipt": _Reading.receipt,
    "realms": _Reading.realms,
    "children": _Reading.children,
    "schema": _Reading.schema,
    "schemas": _Reading.schemas,
}


def _size(shown: Any) -> int:
    return len(json.dumps(shown, ensure_ascii=False))
