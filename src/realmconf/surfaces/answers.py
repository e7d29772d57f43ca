"""
What every operation answers, as JSON: the same on every surface, redacted for whoever asked.

Decides the shape of each answer of the table of operations and what its reader is shown; the parts come from
``envelope``.  Knows nothing of any transport.
"""

from __future__ import annotations

from realmconf.domain.names import RealmName
from realmconf.runtime.operations.table import call
from realmconf.runtime.placeless import notices_afar
from realmconf.runtime.results import Plan, document_of
from realmconf.surfaces import envelope
from realmconf.surfaces.veil import veil_of, veil_of_plan, veil_of_step

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from typing import Any

    from realmconf.runtime.operations import results
    from realmconf.runtime.operations.session import Session
    from realmconf.runtime.operations.table import Operation
    from realmconf.surfaces.veil import Veil


def answer(operation: Operation, session: Session, arguments: Mapping[str, Any]) -> Any:
    """
    Do what *operation* says, and answer as JSON.

    Raises:
        RealmconfError: As ``operations.table.call``.
    """
    return render(operation, session, call(operation, session, arguments))


def render(operation: Operation, session: Session, found: Any) -> Any:
    """What *operation* has answered to the caller of *session*, as JSON."""
    return SHAPES[operation.answer](session, found)


# --- shapes ----------------------------------------------------------------------------


def _veil(session: Session, realm: RealmName) -> Veil:
    return veil_of(session.client, realm, shows_secrets=session.shows_secrets)


def view(session: Session, found: results.View) -> Any:
    """The envelope of one view; or the bare value that was asked for."""
    snapshot = found.snapshot
    veil = _veil(session, snapshot.realm_id)
    if found.path is None:
        return envelope.envelope(snapshot, view=found.view, veil=veil)
    config = document_of(snapshot.record) if found.view == "own" else snapshot.composed
    return veil.over(found.path.resolve(config or {}), found.path)


def receipt(session: Session, result: Any, *, others: Sequence[RealmName] = ()) -> dict[str, Any]:
    """
    What a write answers; or its plan, if it was a dry run.

    *others* are realms whose values may be in it.
    """
    if isinstance(result, Plan):
        shows = session.shows_secrets
        veil = veil_of_plan(session.client, result, shows_secrets=shows, others=others)
        shown = envelope.plan(result, veil=veil)
    else:
        shown = envelope.receipt(result, veil=_veil(session, result.realm_id))
    if not session.shows_paths:
        shown["warnings"] = envelope.warnings(notices_afar(result.warnings))
    return shown


def placed(session: Session, found: results.Placed) -> dict[str, Any]:
    """What a write answers that takes the document of another realm."""
    return receipt(session, found.result, others=(found.source,))


def receipts(session: Session, found: Any) -> dict[str, Any]:
    """What a transaction answers: one receipt for each part, in their order."""
    return {"results": [receipt(session, one) for one in found]}


def planned(session: Session, found: results.Planned) -> dict[str, Any]:
    """What a change would do, and the id under which it can be carried out."""
    return {
        **receipt(session, found.plan),
        "plan_id": found.plan_id,
        "expires_at": found.expires_at,
    }


def step(session: Session, found: results.Step) -> dict[str, Any]:
    """One step of a watch."""
    snapshot = found.snapshot
    assert snapshot is not None
    if found.view == "own":
        veil = _veil(session, found.realm)
    else:
        veil = veil_of_step(session.client, snapshot, shows_secrets=session.shows_secrets)
    may_read = session.client.may_read
    return envelope.step(snapshot, snapshot.changes, view=found.view, veil=veil, may_read=may_read)


def step_or_none(session: Session, found: results.Step) -> dict[str, Any]:
    """The next step, or that there was none in time."""
    if found.snapshot is None:
        return {"changed": False, "cursor": found.cursor}
    return {"changed": True, **step(session, found)}


def revisions(session: Session, found: results.History) -> dict[str, Any]:
    """A page of history; ``before`` is where the next one begins."""
    veil = _veil(session, found.realm)
    return {
        "realm": str(found.realm),
        "revisions": [
            envelope.revision(one, veil=veil, with_document=False) for one in found.revisions
        ],
        "before": found.before,
    }


def revision(session: Session, found: results.Shown) -> dict[str, Any]:
    """One revision with its document, and what it changed; null where that is not known any more."""
    veil = _veil(session, found.realm)
    changed = found.changes
    return {
        **envelope.revision(found.revision, veil=veil, with_document=True),
        "changes": None if changed is None else envelope.changes(changed, veil=veil),
    }


def diff(session: Session, found: results.Difference) -> dict[str, Any]:
    """What differs between two generations."""
    return {
        "realm": str(found.realm),
        "from": found.start,
        "to": found.end,
        "changes": envelope.changes(found.changes, veil=_veil(session, found.realm)),
    }


def blame(session: Session, found: results.Blamed) -> list[dict[str, Any]]:
    """Each value of the own document, with the revision that set it."""
    veil = _veil(session, found.realm)
    return [
        {
            "pointer": str(one.pointer),
            "value": veil.over(one.value, one.pointer),
            "at_least": one.at_least,
            **envelope.revision(one.revision, veil=veil, with_document=False),
        }
        for one in found.entries
    ]


def provenance(session: Session, found: results.Explained) -> dict[str, Any]:
    """Where a value comes from."""
    veil, may_read = _veil(session, found.realm), session.client.may_read
    return envelope.provenance(found.provenance, veil=veil, may_read=may_read)


def violations(_: Session, found: results.Judged) -> dict[str, Any]:
    """What does not fit; no value is quoted."""
    return {"valid": not found.violations, "violations": [dict(one) for one in found.violations]}


def settled(_: Session, found: results.Settled) -> dict[str, Any]:
    """What became of a write."""
    return {
        "write_id": found.write_id,
        "outcome": found.outcome,
        "generation": found.generation,
    }


def schema(_: Session, found: results.Attached) -> Any:
    """The schema itself, or null."""
    from realmconf.domain.frozen import thaw

    return None if found.schema is None else thaw(found.schema)


def policy(_: Session, found: Any) -> dict[str, Any]:
    """What a realm asks of its writers."""
    return {
        "require_generation": found.require_generation,
        "history_keep": found.history_keep,
    }


def realms(_: Session, found: results.Page) -> dict[str, Any]:
    """A page of realms; ``after`` is where the next one begins."""
    return {
        "realms": [
            {
                "realm": str(one.realm),
                "generation": one.generation,
                "exists": one.exists,
                "parent": one.parent,
            }
            for one in found.entries
        ],
        "after": found.after,
    }


def parent(session: Session, found: results.Inheriting) -> dict[str, Any]:
    """What a realm inherits from, as far as the caller may be told of it."""
    snapshot, may_read = found.snapshot, session.client.may_read
    named = found.named
    return {
        "realm": str(snapshot.realm_id),
        "parent": None if named is None or not may_read(named) else str(named),
        "lineage": [
            {"realm": str(one.realm), "generation": one.generation}
            for one in snapshot.lineage
            if may_read(RealmName(one.realm))
        ],
    }


def names(_: Session, found: Any) -> list[str]:
    """Names of realms."""
    return [str(one) for one in found]


def tokens(_: Session, found: Any) -> list[dict[str, Any]]:
    """Tokens without their texts."""
    return [one.to_dict() for one in found]


def ended_token(_: Session, found: Any) -> dict[str, Any]:
    """A token that was just ended, and the ids of those that ended with it."""
    return {**found.token.to_dict(), "also_revoked": list(found.also)}


def new_token(_: Session, found: Any) -> dict[str, Any]:
    """A token that was just made: the only answer that has its text."""
    return {**found.token.to_dict(), "token": found.text}


def info(_: Session, found: Any) -> dict[str, Any]:
    """What the store promises."""
    return {name: getattr(found, name) for name in found.__fields__}


SHAPES: dict[str, Callable[[Session, Any], Any]] = {
    "view": view,
    "receipt": receipt,
    "receipts": receipts,
    "placed": placed,
    "planned": planned,
    "step": step,
    "step_or_none": step_or_none,
    "revisions": revisions,
    "revision": revision,
    "diff": diff,
    "blame": blame,
    "provenance": provenance,
    "violations": violations,
    "settled": settled,
    "schema": schema,
    "policy": policy,
    "realms": realms,
    "parent": parent,
    "names": names,
    "tokens": tokens,
    "ended_token": ended_token,
    "new_token": new_token,
    "info": info,
}
"""By the names that the rows of the table use."""
