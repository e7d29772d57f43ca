"""
Revisions that were decided and sealed elsewhere: appended only to exactly the heads that they were made on.

Decides that they are what they claim to be (the next number, the digest before, what ``serving.stated`` asks of each),
that everything they were judged by still stands, that whoever sends them has every right in each realm concerned, and
that they may stand there: their author may inherit from the parent that they name, whatever their kind, and what is
judged of any write is judged of them.  Not whether what they state is wise: that is what those rights are for.
"""

from __future__ import annotations

from realmconf.domain import admit
from realmconf.domain.admit import Upcoming
from realmconf.domain.lineage import SECTION, links
from realmconf.domain.names import RealmName
from realmconf.domain.revision import GENESIS
from realmconf.domain.scope import refuse_result
from realmconf.domain.write import Append, SetDocument, Unchanged, Write
from realmconf.errors import InvalidArgument, InvalidDocument, NotPermitted, ParentNotFound
from realmconf.runtime import arguments
from realmconf.runtime.serving.shown import Showing
from realmconf.runtime.serving.stated import STEPPING_KINDS, STEPS_MAX, read_revision
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

    # A whole store that is brought back may have used any numbers.
    steps_max = client.limits.generation if _governs_all(session) else STEPS_MAX

    def judge(view: ReadView) -> Sequence[Judgement]:
        position = basis.get("position")
        if position is not None and position != view.last_position():
            raise MovedError
        check_standing(session, view, basis["heads"])
        decided = [one.judgement(view, renamed, steps_max=steps_max) for one in judged]
        return _admitted(session, view, decided, renamed)

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


def _governs_all(session: Session) -> bool:
    return session.grant.allows("admin", None)


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
        self._revision = (
            None
            if revision is None
            else read_revision(revision, realm=self.realm, write_id=self._write_id, limits=limits)
        )

    def judgement(
        self, view: ReadView, renamed: tuple[RealmName, RealmName] | None, *, steps_max: int
    ) -> Judgement:
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
            before = _before(view, self.realm, renamed)
            self._check_follows(self._revision, before, floor=head.floor, steps_max=steps_max)
            self._check_schema(self._revision, view, renamed)
            decision = Append(revision=self._revision, head=head.revision, schemas=self._schemas)
        return Judgement(write=write, decision=decision, request=self._request)

    @staticmethod
    def _check_follows(
        revision: Revision, before: Revision | None, *, floor: int, steps_max: int
    ) -> None:
        following = floor if before is None else before.generation + 1
        steps = revision.kind in STEPPING_KINDS
        if revision.generation < following or (revision.generation > following and not steps):
            raise InvalidArgument(
                f"generation {revision.generation} does not follow in realm {revision.realm}"
            )
        if revision.generation > following + steps_max:
            raise InvalidArgument(f"generation {revision.generation} leaves too many numbers out")
        if revision.previous != (GENESIS if before is None else before.digest):
            raise InvalidArgument(
                f"the revision does not name the digest before it in realm {revision.realm}"
            )

    def _check_schema(
        self, revision: Revision, view: ReadView, renamed: tuple[RealmName, RealmName] | None
    ) -> None:
        """A schema comes along, or the realm had it: that of another realm is its readers'."""
        digest = revision.schema_digest
        if digest is None or digest in self._schemas:
            return
        names = (self.realm, *(renamed or ()))
        if not any(digest in view.schemas(name) for name in names):
            raise InvalidArgument(
                f"the revision of realm {self.realm} names a schema that did not come with it"
            )


def _before(
    view: ReadView, realm: RealmName, renamed: tuple[RealmName, RealmName] | None
) -> Revision | None:
    """What a revision of *realm* goes on from."""
    is_new_name = renamed is not None and realm == renamed[1]
    return view.head(renamed[0] if is_new_name and renamed else realm).revision


def _admitted(
    session: Session,
    view: ReadView,
    judged: Sequence[Judgement],
    renamed: tuple[RealmName, RealmName] | None,
) -> Sequence[Judgement]:
    """
    *judged*, each with the schemas that it must not lose, if all of them may stand where they are put.

    Raises:
        RealmconfError: One may not, or its author may not put it there.
    """
    lineages = session.client.lineages
    appends = [one.decision for one in judged if isinstance(one.decision, Append)]
    for append in appends:
        for digest, schema in append.schemas.items():
            lineages.remember(digest, schema)
    upcoming = Upcoming(view, [append.revision for append in appends])
    found: list[Judgement] = []
    for one in judged:
        decision = one.decision
        if isinstance(decision, Append):
            revision = decision.revision
            before = _before(view, revision.realm, renamed)
            if session.client.scope is not None:
                refuse_result(
                    session.client.scope,
                    before,
                    revision.document,
                    realm=revision.realm,
                    secrecy=None,
                )
            try:
                _check_section(revision, before)
                admit.check(
                    before,
                    revision,
                    upcoming,
                    composer=lineages.composer,
                    limits=session.client.limits,
                )
            except (InvalidDocument, ParentNotFound):
                # Whoever governs every realm may bring back what was right in its time and place, whatever its kind.
                if not _governs_all(session):
                    raise
            one = one.replace(decision=lineages.keeping_secrets(decision, view))
        found.append(one)
    return found


def _check_section(revision: Revision, before: Revision | None) -> None:
    """What is not judged where it is brought back must be well-formed all the same."""
    earlier = {} if before is None or before.document is None else before.document
    document = revision.document
    if document is not None and document.get(SECTION) != earlier.get(SECTION):
        links(revision.realm, document)


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
