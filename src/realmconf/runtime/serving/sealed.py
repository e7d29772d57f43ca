"""
Revisions that were decided and sealed elsewhere: appended only to exactly the heads that they were made on.

Decides that they are what they claim to be (the next number, the digest before, their own digests, a valid document),
that everything they were judged by still stands, and that whoever sends them has every right in each realm
concerned.  Not whether what they state is wise: that is what those rights are for.
"""

from __future__ import annotations

from realmconf.domain.archive import revision_from
from realmconf.domain.names import RealmName
from realmconf.domain.revision import GENESIS, intact
from realmconf.domain.write import Append, SetDocument, Unchanged, Write
from realmconf.errors import InvalidArgument, NotPermitted, RealmconfError
from realmconf.runtime import arguments
from realmconf.runtime.serving.shown import Showing
from realmconf.runtime.serving.writes import MovedError, check_standing, deadline_of
from realmconf.stores.protocol import Judgement

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

    from realmconf.domain.document import Document
    from realmconf.domain.names import Limits
    from realmconf.domain.revision import Revision
    from realmconf.runtime.operations.session import Session
    from realmconf.stores.protocol import ReadView

    Asked = Mapping[str, Any]

KINDS = frozenset(
    ("set", "patch", "json_patch", "rollback", "delete", "adopt", "import", "migrate", "restore", "schema", "policy",
     "rename", "copy")
)  # fmt: skip
STEPPING_KINDS = frozenset(("import", "migrate", "restore"))
"""Kinds that may step over numbers that a lost or an other history has used."""


def require_everything(session: Session, realm: RealmName | None, *, action: str) -> None:
    """
    Go on only with the roles admin and secrets in *realm* (None: in all), and the right to write anywhere in it.

    Raises:
        NotPermitted: One is missing.
    """
    for role in ("admin", "secrets"):
        session.grant.require(role, realm, action=action)
    scope = session.client.scope
    if scope is not None and (
        scope.below is not None
        or not (scope.changes_place and scope.governs and scope.states_secrets)
    ):
        raise NotPermitted(f"{action} with rights for parts of a realm only", realm=realm)


def append(session: Session, asked: Asked) -> dict[str, Any]:
    """
    Append ``judgements``, all or none; ``moved`` if what they were judged by stands no more.

    Raises:
        InvalidArgument: One is not what it claims to be.
        NotPermitted: A right is missing.
        RealmconfError: As ``Store.apply``.
    """
    client = session.client
    sent = asked.get("judgements")
    if not isinstance(sent, list) or not sent or len(sent) > client.limits.transaction_realms:
        raise InvalidArgument("judgements is a list")
    basis = asked.get("basis")
    if not isinstance(basis, dict) or not isinstance(basis.get("heads"), dict):
        raise InvalidArgument("basis says what the judgements rest on")
    judged = [_Sealed(one, limits=client.limits) for one in sent]
    renamed = _renamed(asked.get("rename"))
    for realm in (*(one.realm for one in judged), *(renamed or ())):
        require_everything(session, realm, action="appending revisions")

    def judge(view: ReadView) -> Sequence[Judgement]:
        position = basis.get("position")
        if position is not None and position != view.last_position():
            raise MovedError
        check_standing(view, basis["heads"])
        return [one.judgement(view, renamed) for one in judged]

    deadline = deadline_of(session, asked)
    store = client.store
    try:
        if renamed is None:
            applied = store.apply([one.realm for one in judged], judge, deadline=deadline)
        else:
            applied = store.rename(*renamed, judge, deadline=deadline)
    except MovedError:
        return {"moved": True}
    return {"applied": [Showing.state(one.head) for one in applied]}


def _renamed(found: Any) -> tuple[RealmName, RealmName] | None:
    if found is None:
        return None
    if not isinstance(found, list) or len(found) != 2:
        raise InvalidArgument("rename is two names")
    return RealmName(found[0]), RealmName(found[1])


class _Sealed:
    """One judgement as it was sent."""

    def __init__(self, found: Any, *, limits: Limits) -> None:
        if not isinstance(found, dict):
            raise InvalidArgument("a judgement is an object")
        self._limits = limits
        self.realm = RealmName(found.get("realm"))  # type: ignore[arg-type]
        self._write_id = arguments.line(
            found.get("write_id"), name="write_id", characters_max=limits.write_id_chars
        )
        self._write_id_given = found.get("write_id_given") is True
        request = found.get("request")
        self._request = request if isinstance(request, str) and len(request) <= 128 else ""
        revision = found.get("revision")
        self._schemas = _schemas(found.get("schemas"), limits)
        self._revision = None if revision is None else self._read(revision)

    def _read(self, found: Any) -> Revision:
        try:
            revision = revision_from(found, limits=self._limits)
        except (KeyError, TypeError, AttributeError):
            raise InvalidArgument("this is no revision") from None
        limits = self._limits
        if revision.realm != self.realm or revision.write_id != self._write_id:
            raise InvalidArgument("the revision is of another realm or write than it is sent for")
        if revision.purged or revision.tombstone != (revision.document is None):
            raise InvalidArgument("a revision has a document, or is a tombstone")
        if revision.kind not in KINDS:
            raise InvalidArgument(f"there is no kind of revision {revision.kind[:40]!a}")
        if not 1 <= revision.generation <= limits.generation:
            raise InvalidArgument("a generation is a number from 1 on")
        arguments.text(revision.author, name="author", characters_max=limits.author_chars)
        arguments.text(revision.message, name="message", characters_max=limits.message_chars)
        try:
            is_intact = intact(revision)
        except (RealmconfError, UnicodeEncodeError):
            is_intact = False
        if not is_intact:
            raise InvalidArgument("the revision's digests are not those of what it states")
        return revision

    def judgement(self, view: ReadView, renamed: tuple[RealmName, RealmName] | None) -> Judgement:
        head = view.head(self.realm)
        if self._write_id_given and view.receipt(self.realm, self._write_id) is not None:
            # It was not there when this was judged.
            raise MovedError
        write = Write(
            realm=self.realm,
            command=SetDocument(document={}),
            author="",
            write_id=self._write_id,
            write_id_given=self._write_id_given,
        )
        if self._revision is None:
            decision: Append | Unchanged = Unchanged(head=head.revision)
        else:
            before = head.revision
            if renamed is not None and self.realm == renamed[1]:
                before = view.head(renamed[0]).revision
            self._check_follows(self._revision, before, floor=head.floor)
            decision = Append(revision=self._revision, head=head.revision, schemas=self._schemas)
        return Judgement(write=write, decision=decision, request=self._request)

    @staticmethod
    def _check_follows(revision: Revision, before: Revision | None, *, floor: int) -> None:
        following = floor if before is None else before.generation + 1
        steps = revision.kind in STEPPING_KINDS
        if revision.generation < following or (revision.generation > following and not steps):
            raise InvalidArgument(
                f"generation {revision.generation} does not follow in realm {revision.realm}"
            )
        if revision.previous != (GENESIS if before is None else before.digest):
            raise InvalidArgument(
                f"the revision does not name the digest before it in realm {revision.realm}"
            )


def _schemas(found: Any, limits: Limits) -> dict[str, Document]:
    if not found:
        return {}
    if not isinstance(found, dict):
        raise InvalidArgument("schemas are by digest")
    from realmconf.domain.schemas.schema import check_schema, schema_digest

    checked: dict[str, Document] = {}
    for digest, schema in found.items():
        checked[digest] = check_schema(schema, limits=limits)
        if schema_digest(checked[digest]) != digest:
            raise InvalidArgument("a schema is not the one that its digest names")
    return checked
