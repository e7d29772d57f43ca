"""
Reads for a client that takes this store for its own: several questions, answered from one point.

Decides who may ask what, and how much goes into one answer.  A question that cannot be answered is an error of its
own and leaves the others alone.
"""

from __future__ import annotations

import json

from realmconf.domain.names import RealmName
from realmconf.errors import (
    InvalidArgument,
    NotPermitted,
    RealmconfError,
    StoreCorrupt,
    StoreUnavailable,
)
from realmconf.runtime.placeless import error_afar
from realmconf.runtime.serving.pinned import Pinned
from realmconf.runtime.serving.shown import Showing

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from typing import Any

    from realmconf.runtime.operations.session import Session
    from realmconf.stores.protocol import Head, ReadView

    Asked = Mapping[str, Any]

CALLS_MAX = 256
"""Questions of one request."""
PAGE_MAX = 1_000
"""Of revisions, realms or steps in one answer."""
ANSWER_CHARS_MAX = 4 * 1_048_576
"""After which a page ends."""
FAMILY_MAX = 1_024
"""Realms whose children are told together."""


def read(session: Session, asked: Asked) -> dict[str, Any]:
    """
    Answer ``calls``, all at the position ``at``, or at the newest point if that is null.

    Raises:
        InvalidArgument: The request is malformed.
        StoreUnavailable: The store is behind that position: it is not the one that was read.
    """
    calls, at = asked.get("calls"), asked.get("at")
    if not isinstance(calls, list) or len(calls) > CALLS_MAX:
        raise InvalidArgument(f"calls is a list of at most {CALLS_MAX}")
    if at is not None and (type(at) is not int or at < 0):
        raise InvalidArgument("at is a position, or null")
    newest = _Newest(session) if at is None else None
    if newest is not None:
        for call in calls:
            newest.look(call)
    with session.client.store.view() as view:
        position = view.last_position()
        if at is not None and at > position:
            raise StoreUnavailable("the server's store is another one than was read before")
        shown: ReadView = view if at is None or at == position else Pinned(view, at)
        reading = _Reading(session, shown, Showing(session, view), newest)
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
        self, session: Session, view: ReadView, showing: Showing, newest: _Newest | None
    ) -> None:
        self._session = session
        self._view = view
        self._showing = showing
        self._newest = newest

    def answered(self, call: Any) -> dict[str, Any]:
        try:
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
        return {
            "heads": self._showing.heads(
                heads, known if isinstance(known, dict) else {}, through=realm
            ),
            "schemas": self._schemas(digests),
        }

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
        return self._showing.revision(realm, self._view.revision(realm, _whole(call, "generation")))

    def revisions(self, call: Asked) -> Any:
        realm = self._realm(call)
        limit = call.get("limit")
        size = PAGE_MAX if limit is None else max(0, min(PAGE_MAX, _whole(call, "limit")))
        before = call.get("before")
        found = self._view.revisions(
            realm,
            after=_whole(call, "after"),
            before=None if before is None else _whole(call, "before"),
            limit=size,
            newest_first=call.get("newest_first") is True,
        )
        page = _page(self._showing.revision(realm, revision) for revision in found)
        return {"revisions": page, "more": len(page) < len(found) or len(found) == size}

    def steps(self, call: Asked) -> Any:
        after = call.get("after")
        if not isinstance(after, dict):
            raise InvalidArgument("after gives a generation for each realm")
        stood = {self._looked_at(RealmName(name)): _whole(after, name) for name in after}
        limit = max(0, min(PAGE_MAX, _whole(call, "limit")))
        found = self._view.steps(stood, limit=limit)
        page = _page(
            {
                "position": step.position,
                "realm": str(step.realm),
                "revision": self._showing.revision(step.realm, step.revision),
            }
            for step in found
        )
        return {"steps": page, "more": len(page) < len(found) or len(found) == limit}

    def position(self, call: Asked) -> Any:
        return self._view.position(self._realm(call), _whole(call, "generation"))

    def as_of(self, call: Asked) -> Any:
        realm = self._realm(call)
        return self._showing.revision(realm, self._view.as_of(realm, _whole(call, "position")))

    def receipt(self, call: Asked) -> Any:
        realm = self._realm(call)
        found = self._view.receipt(realm, _text(call, "write_id"))
        if found is None:
            return None
        return [found.request if self._showing.is_whole else "", found.outcome, found.generation]

    # --- names and schemas -----------------------------------------------------------------

    def realms(self, call: Asked) -> Any:
        after = None if call.get("after") is None else _text(call, "after")
        found = self._view.realms(after=after, limit=PAGE_MAX)
        client = self._session.client
        return {
            "realms": [
                [
                    str(one.realm),
                    one.generation,
                    one.exists,
                    one.parent if one.parent is None or client.may_read(one.parent) else None,
                ]
                for one in found
                if client.may_read(one.realm)
            ],
            "after": str(found[-1].realm) if len(found) == PAGE_MAX else None,
        }

    def children(self, call: Asked) -> Any:
        """Of the realm and, as long as they are few, of all below it."""
        realm = self._realm(call)
        may_read = self._session.client.may_read
        families: dict[str, list[str]] = {}
        waiting = [realm]
        while waiting and len(families) < FAMILY_MAX:
            parent = waiting.pop(0)
            if parent not in families:
                found = [child for child in self._view.children(parent) if may_read(child)]
                families[parent] = [str(child) for child in found]
                waiting += found
        return families

    def schema(self, call: Asked) -> Any:
        if "read" not in self._session.grant.effective_roles:
            raise NotPermitted("reading a schema", needs="the role read")
        return self._view.schema(_text(call, "digest"))

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


def _page(shown: Iterable[Any]) -> list[Any]:
    """As many as fit into one answer, and one at least."""
    page: list[Any] = []
    size = 0
    for one in shown:
        size += len(json.dumps(one, ensure_ascii=False))
        if page and size > ANSWER_CHARS_MAX:
            break
        page.append(one)
    return page


def _whole(call: Asked, key: str) -> int:
    value = call.get(key)
    if type(value) is not int or not -(2**63) <= value < 2**63:
        raise InvalidArgument(f"{key} is a whole number")
    return value


def _text(call: Asked, key: str) -> str:
    value = call.get(key)
    if not isinstance(value, str) or len(value) > 1_024:
        raise InvalidArgument(f"{key} is text")
    return value
