"""
Writes from a client that takes this store for its own: decided here, inside the turn, with the caller's rights.

Decides what a request may say, in whose name it is done, and what is answered.  What a write becomes is for
``runtime.outcome``, as with any other.
"""

from __future__ import annotations

from realmconf.domain.names import RealmName
from realmconf.domain.scope import Scope
from realmconf.domain.wire import command_from, conditions_from
from realmconf.domain.write import Append, Write
from realmconf.errors import InvalidArgument, LimitExceeded, NotPermitted, RealmconfError
from realmconf.runtime import arguments
from realmconf.runtime.outcome import Answer, Request, commit, identity_of, preview, request_of
from realmconf.runtime.serving.shown import Showing, notices

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

    from realmconf.runtime.operations.session import Session
    from realmconf.runtime.outcome import Done, Judged
    from realmconf.stores.protocol import ReadView

    Asked = Mapping[str, Any]

SURFACES = ("sdk", "cli", "rpc", "mcp")
"""What a client may say that it was asked through."""
TIMEOUT_SECONDS_MAX = 120.0


class MovedError(Exception):
    """A head that a write was made for stands no more; answered, never raised to a caller."""


def author_of(session: Session, stated: object) -> str:
    """
    Who a write is by: the caller, and whom it names; an admin of every realm is taken at its word.

    Raises:
        InvalidArgument: It names nobody.
    """
    own: str = session.client.authorship({})["author"]
    if stated is None or stated == "" or stated == own:
        return own
    limits = session.client.limits
    named = arguments.line(stated, name="author", characters_max=limits.author_chars)
    if session.grant.allows("admin", None):
        return named
    room = limits.author_chars - len(own) - 3
    return f"{named[:room]} ({own})"


def deadline_of(session: Session, asked: Asked) -> float:
    """When a request that states its time-out stops waiting."""
    seconds = asked.get("timeout", 0.0)
    if isinstance(seconds, bool) or not isinstance(seconds, (int, float)) or not seconds >= 0:
        raise InvalidArgument("timeout is a number of seconds")
    return session.client.deadline(min(float(seconds), TIMEOUT_SECONDS_MAX))


def decide(session: Session, asked: Asked) -> dict[str, Any]:
    """
    Carry ``writes`` out together, or plan them; ``moved`` if they were made for heads that stand no more.

    Raises:
        RealmconfError: They were refused; nothing was changed.
        OutcomeUnknown: They may have been carried out.
    """
    requests = _requests(session, asked)
    client = session.client
    shared: dict[str, Any] = {
        "lineages": client.lineages,
        "world": client.world,
        "limits": client.limits,
    }
    dry_run = arguments.flag(asked.get("dry_run", False), name="dry_run")
    done: list[Done | Judged] = []
    try:
        if dry_run:
            done += preview(client.store, requests, **shared)
        else:
            done += commit(client.store, requests, deadline=deadline_of(session, asked), **shared)
    except MovedError:
        return {"moved": True}
    known = asked.get("known")
    known = known if isinstance(known, dict) else {}
    with client.store.view() as view:
        return {
            "decided": [
                _shown(session, view, request, one, known, dry_run=dry_run)
                for request, one in zip(requests, done, strict=True)
            ]
        }


# --- what was asked --------------------------------------------------------------------


def _requests(session: Session, asked: Asked) -> list[Request]:
    client = session.client
    limits = client.limits
    parts = asked.get("writes")
    if not isinstance(parts, list) or not parts or not all(isinstance(one, dict) for one in parts):
        raise InvalidArgument("writes is a list of objects")
    maximum = min(limits.transaction_realms, client.info.transaction_realms_max)
    if len(parts) > maximum:
        raise LimitExceeded("transaction_realms", len(parts), maximum=maximum)
    realms = [RealmName(part.get("realm")) for part in parts]
    if len(set(realms)) < len(realms):
        raise InvalidArgument("a realm is in the transaction twice")
    for realm in realms:
        session.grant.require("write", realm, action="writing")
    write_id = asked.get("write_id")
    if write_id is None:
        raise InvalidArgument("a write has an id")
    shared = client.authorship(
        {
            "author": author_of(session, asked.get("author")),
            "message": asked.get("message", ""),
            "write_id": write_id,
        }
    )
    surface = asked.get("surface")
    shared["surface"] = surface if surface in SURFACES else "sdk"
    # Whoever asks may be acting for somebody with fewer rights still.
    shared["sees_secrets"] = shared["sees_secrets"] and asked.get("sees_secrets") is not False
    shared["scope"] = _narrowed(shared["scope"], asked.get("scope"))
    identities = asked.get("identities")
    if identities is None:
        identities = [None] * len(parts)
    if not isinstance(identities, list) or len(identities) != len(parts):
        raise InvalidArgument("identities has one for each write")
    standing = asked.get("standing")
    if standing is not None and not isinstance(standing, dict):
        raise InvalidArgument("standing gives digests by realm")
    return [
        _request(
            session,
            Write(
                realm=realm,
                command=command_from(part.get("command"), limits=limits),
                **conditions_from(part, limits=limits),
                **shared,
            ),
            identity,
            standing,
        )
        for realm, part, identity in zip(realms, parts, identities, strict=True)
    ]


def _request(
    session: Session, write: Write, identity: Any, standing: dict[str, Any] | None
) -> Request:
    if identity is None and standing is None:
        return request_of(write)

    def prepare(view: ReadView) -> Write:
        check_standing(session, view, standing or {})
        return write

    return Request(
        realm=write.realm,
        write_id=write.write_id,
        write_id_given=True,
        author=write.author,
        prepare=prepare,
        identity=(lambda: identity_of(write)) if identity is None else (lambda: identity),
        blind_author=write.author if write.may_guess else None,
    )


def check_standing(session: Session, view: ReadView, standing: Mapping[str, Any]) -> None:
    """
    Go on only if every head is the one of that digest (empty: none).

    Raises:
        NotPermitted: One is of a realm that the caller may not be told of, whether it is there or not.
        MovedError: One is not.
    """
    showing = Showing(session, view)
    names = [RealmName(name) for name in standing]
    for name in names:
        if not showing.may_look(name):
            raise NotPermitted("reading", realm=name, needs="the role read")
    for name, digest in zip(names, standing.values(), strict=True):
        revision = view.head(name).revision
        if digest != ("" if revision is None else revision.digest):
            raise MovedError


def _narrowed(scope: Scope | None, stated: Any) -> Scope | None:
    if stated is None:
        return scope
    if not isinstance(stated, dict):
        raise InvalidArgument("scope is an object")
    below = stated.get("below")
    narrower = Scope(
        below=None if below is None else arguments.pointers(below, name="scope"),
        changes_place=stated.get("changes_place") is True,
        governs=stated.get("governs") is True,
        states_secrets=stated.get("states_secrets") is True,
        judges_secrets=stated.get("judges_secrets") is True,
    )
    return narrower if scope is None else scope.narrowed(narrower)


# --- what is answered ------------------------------------------------------------------


def _shown(
    session: Session,
    view: ReadView,
    request: Request,
    done: Done | Judged,
    known: Mapping[str, Any],
    *,
    dry_run: bool,
) -> dict[str, Any]:
    what = done.what
    realm = request.realm
    if isinstance(what, Answer):
        return {"known": True, "generation": what.generation, "changed": what.changed}
    decision = what.decision
    revision = decision.revision if isinstance(decision, Append) else decision.head
    before = decision.head
    showing = Showing(session, view)
    handle = session.realm(realm)
    point = done.point
    assert point is not None
    if dry_run and not showing.is_whole:
        secrecy = session.client.lineages.secrecy_once(realm, point)
        # Of a realm never written no mark can come back.
        showing.use(realm, secrecy if before is not None else secrecy.replace(key=None))
    head = getattr(what, "head", None)
    answer: dict[str, Any] = {
        "generation": 0 if revision is None else revision.generation,
        "changed": isinstance(decision, Append),
        "revision": showing.revision(realm, revision),
        "before": showing.revision(realm, before) if isinstance(decision, Append) else None,
        "rebased_from": decision.rebased_from,
        "head": None if head is None else showing.state(head),
        "members": showing.heads(
            [head for head in point.watched_heads if head.realm != realm], known, through=realm
        ),
        "warnings": [],
        "tag": None,
        "position": None,
    }
    if isinstance(decision, Append) and head is not None:
        answer["tag"] = showing.tag(head)
        answer["position"] = _position(view, realm, decision.revision.generation)
    if isinstance(decision, Append):
        if dry_run:
            plan = handle.writing.plan(request, done)  # type: ignore[arg-type]
            answer["descendants"] = [str(name) for name in plan.descendants]
            answer["warnings"] = notices(_aftermath(handle, plan))
        else:
            result = handle.writing.result(request, done)  # type: ignore[arg-type]
            answer["warnings"] = notices(_aftermath(handle, result))
    return answer


def _position(view: ReadView, realm: RealmName, generation: int) -> int | None:
    try:
        return view.position(realm, generation)
    except RealmconfError:
        # It is compacted, or another realm's, already.
        return None


def _aftermath(handle: Any, result: Any) -> Sequence[Any]:
    try:
        found: Sequence[Any] = handle.source.aftermath(result)
    except RealmconfError:
        return ()
    return found
