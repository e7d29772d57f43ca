"""
Plan, then apply: how an agent changes a configuration.

Decides what a plan is bound to (the realm, the patch, the generation, its caller), how long it is good, and that it
is good once: its id is the write id of the write that carries it out.  Plans are kept in the store, so that any
process can carry one out; what is kept holds no secret.
"""

from __future__ import annotations

from realmconf.domain.document import canonical_bytes
from realmconf.domain.names import PLANS, RealmName
from realmconf.domain.overlap import places_in_patch
from realmconf.domain.patch import check_patch
from realmconf.domain.scope import Scope, refuse_command, refuse_result
from realmconf.domain.secrets import has_mark
from realmconf.domain.write import MergePatch
from realmconf.errors import (
    InvalidArgument,
    LimitExceeded,
    NotPermitted,
    PlanInvalid,
    Unsupported,
)
from realmconf.runtime import plan_record
from realmconf.runtime.ledger import MINUTE_SECONDS, Ledger
from realmconf.runtime.operations.numbers import with_stored_number_types
from realmconf.runtime.operations.results import Planned
from realmconf.runtime.results import document_of
from realmconf.runtime.server import server_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from realmconf.runtime.operations.session import Session
    from realmconf.runtime.results import WriteResult

PLAN_SECONDS = 600.0
"""How long a plan is good."""
PATCH_BYTES_MAX = 32_768
_PLAN_ID_CHARS = 40
_NO_SECRETS = Scope(states_secrets=False)


def plan(
    session: Session,
    *,
    realm: RealmName,
    patch: dict[str, Any],
    expected_generation: int,
    reason: str,
) -> Planned:
    """
    Judge a change as the write that carries it out would be now, and remember it.

    Others may have written since *expected_generation*, if nothing that it touches has changed.

    Raises:
        InvalidArgument: There is no reason.
        NotPermitted: It states, changes or removes a secret or a reference to one, whoever asks.
        LimitExceeded: It is larger than a plan may be.
        RateLimited: Its caller makes too many.
        RealmconfError: The write would be refused.
    """
    if not reason.strip():
        raise InvalidArgument("a plan needs a reason: it is what people will read in the history")
    # Also here, so that whoever is over it is not judged first.
    _refuse_hurry(session)
    checked, planned = _judged(
        session, realm, patch, expected_generation=expected_generation, reason=reason
    )
    entry = _entry(session, realm, checked, expected_generation=expected_generation, reason=reason)
    plan_id = f"plan-{session.client.world.random_bytes(8).hex()}"
    since = session.client.world.timestamp_before(MINUTE_SECONDS)
    _ledger(session).update(
        lambda kept: plan_record.add(kept, plan_id, entry, since=since),
        author=entry["caller"],
        surface=session.surface,
        message=plan_id,
        deadline=session.client.deadline(None),
    )
    return Planned(plan=planned, plan_id=plan_id, expires_at=entry["expires_at"])


def _judged(
    session: Session,
    realm: RealmName,
    patch: dict[str, Any],
    *,
    expected_generation: int,
    reason: str,
) -> tuple[bytes, Any]:
    """The patch as it will be carried out, and what it would do."""
    handle = session.realm(realm)
    checked = check_patch(patch, limits=session.client.limits)
    # Before secrets: /realm is refused for what it is, whatever it holds.
    place = Scope(changes_place=session.grant.scope().changes_place)
    refuse_command(place, MergePatch(patch=checked), realm=realm)
    _refuse_secrets(session, realm, checked)
    checked = with_stored_number_types(checked, document_of(handle.get().record) or {})
    text = canonical_bytes(checked)
    if len(text) > PATCH_BYTES_MAX:
        raise LimitExceeded("plan_patch_bytes", len(text), maximum=PATCH_BYTES_MAX)
    planned: Any = handle.patch(
        checked,
        expected_generation=expected_generation,
        on_conflict="rebase",
        message=reason,
        dry_run=True,
    )
    refuse_result(
        _NO_SECRETS,
        planned.before,
        document_of(planned.record),
        realm=realm,
        secrecy=lambda: session.client.lineages.secrecy(realm),
    )
    return text, planned


def _entry(
    session: Session, realm: RealmName, patch: bytes, *, expected_generation: int, reason: str
) -> dict[str, Any]:
    """What is kept of a plan."""
    world = session.client.world
    entry: dict[str, Any] = {
        "realm": str(realm),
        # As text: a patch has nulls, and a document has none.
        "patch": patch.decode(),
        "expected_generation": expected_generation,
        "reason": reason,
        "caller": caller_of(session),
        "share": _share_of(session),
        "created_at": world.timestamp(),
        "expires_at": world.timestamp_before(-PLAN_SECONDS),
    }
    if expected_generation:
        # Of the same number in another history it is not a plan.
        entry["expected"] = session.realm(realm).at(expected_generation).etag
    return plan_record.sized(entry)


def apply(session: Session, *, plan_id: str) -> WriteResult[Mapping[str, Any]]:
    """
    Write what was planned; what others changed elsewhere since stays.

    Raises:
        PlanInvalid: There is no such plan of this caller, it has expired, or it was carried out.
        GenerationConflict: What it changes was changed since.
        NotPermitted: Its caller may not write there any more.
    """
    from realmconf.domain.jsontext import parse_json

    world = session.client.world
    entry = _ledger(session).read().get(plan_id)
    if entry is None or entry["caller"] != caller_of(session):
        raise PlanInvalid(plan_id[:_PLAN_ID_CHARS], reason="unknown")
    realm = RealmName(entry["realm"])
    session.require_role("write", realm, action="config/apply")
    with session.client.store.view() as view:
        receipt = view.receipt(realm, plan_id)
    if receipt is not None:
        raise PlanInvalid(plan_id, reason="replayed", generation=receipt.generation)
    if entry["expires_at"] <= world.timestamp():
        raise PlanInvalid(plan_id, reason="expired")
    patch: Any = parse_json(entry["patch"])
    bound: dict[str, Any] = {
        name: entry[name] for name in ("expected_generation", "expected") if name in entry
    }
    result = session.realm(realm).patch(
        patch, **bound, on_conflict="rebase", message=entry["reason"], write_id=plan_id
    )
    if any(warning.code == "replayed" for warning in result.warnings):
        # Somebody was faster with the same plan.
        raise PlanInvalid(plan_id, reason="replayed", generation=result.generation)
    return result


def _refuse_secrets(session: Session, realm: RealmName, patch: dict[str, Any]) -> None:
    """
    Refuse a patch that names a secret or a reference.

    Before anything is compared: a value that is the stored one would change nothing, and tell by that that it was
    guessed.  A mark tells nothing new to who sends it back.
    """
    refuse_command(_NO_SECRETS, MergePatch(patch=patch), realm=realm)
    secrecy = session.client.lineages.secrecy(realm)
    for place in places_in_patch(patch):
        value: Any = place.resolve(patch)
        if value is None or has_mark(value):
            continue
        if secrecy.is_secret(place) or secrecy.conceals(value, place):
            raise NotPermitted(f"changing the secret at {place}", realm=realm)


def caller_of(session: Session) -> str:
    """Whose plans these are: the token's, or of whoever has the store in hand, by the name of the author."""
    return session.grant.id or f"local {session.client.authorship({})['author']}"


def _share_of(session: Session) -> str:
    """With whom it shares the room that there is for plans: with those who have a token of the same maker."""
    return session.grant.share or caller_of(session)


def _refuse_hurry(session: Session) -> None:
    world = session.client.world
    plan_record.refuse_hurry(
        _ledger(session).read(),
        caller_of(session),
        _share_of(session),
        now=world.timestamp(),
        since=world.timestamp_before(MINUTE_SECONDS),
    )


def _ledger(session: Session) -> Ledger:
    server = server_of(session.client.store)
    if server is not None:
        raise Unsupported(f"plans are kept by the server itself: agents plan at {server}/mcp")
    return Ledger(
        session.client.store,
        PLANS,
        world=session.client.world,
        revisions_kept=plan_record.REVISIONS_KEPT,
    )
