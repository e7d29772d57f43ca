"""
Plan, then apply: how an agent changes a configuration.

Decides what a plan is bound to (the realm, the patch, the generation, its caller), how long it is good, and that it
is good once: its id is the write id of the write that carries it out.  Plans are kept in the store, so that any
process can carry one out.
"""

from __future__ import annotations

from realmconf.domain.document import canonical_bytes
from realmconf.domain.names import PLANS, RealmName
from realmconf.domain.patch import check_patch
from realmconf.errors import InvalidArgument, LimitExceeded, PlanInvalid, RateLimited
from realmconf.runtime.ledger import Ledger
from realmconf.runtime.operations.numbers import with_stored_number_types
from realmconf.runtime.operations.results import Planned

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from realmconf.runtime.operations.session import Session
    from realmconf.runtime.results import WriteResult

PLAN_SECONDS = 600.0
"""How long a plan is good."""
PATCH_BYTES_MAX = 65_536
PLANS_MAX = 512
"""Plans of all callers that are good at the same time."""
PLANS_PER_MINUTE = 30
"""Of one caller."""
MINUTE_SECONDS = 60.0


def plan(
    session: Session,
    *,
    realm: RealmName,
    patch: dict[str, Any],
    expected_generation: int,
    reason: str,
) -> Planned:
    """
    Judge a change as a write would be, and remember it.

    Raises:
        InvalidArgument: There is no reason.
        LimitExceeded: It is larger than a plan may be.
        RateLimited: Its caller makes too many.
        RealmconfError: The write would be refused.
    """
    if not reason.strip():
        raise InvalidArgument("a plan needs a reason: it is what people will read in the history")
    handle = session.realm(realm)
    checked = with_stored_number_types(
        check_patch(patch, limits=session.client.limits), handle.get().document or {}
    )
    size = len(canonical_bytes(checked))
    if size > PATCH_BYTES_MAX:
        raise LimitExceeded("plan_patch_bytes", size, maximum=PATCH_BYTES_MAX)
    planned: Any = handle.patch(
        checked, expected_generation=expected_generation, message=reason, dry_run=True
    )
    world = session.client.world
    plan_id = f"plan-{world.random_bytes(8).hex()}"
    entry: dict[str, Any] = {
        "realm": str(realm),
        # As text: a patch has nulls, and a document has none.
        "patch": canonical_bytes(checked).decode(),
        "expected": _etag_planned_on(planned, expected_generation),
        "expected_generation": expected_generation,
        "reason": reason,
        "caller": caller_of(session),
        "created_at": world.timestamp(),
        "expires_at": world.timestamp_before(-PLAN_SECONDS),
    }
    _ledger(session).update(
        lambda kept: _add(kept, plan_id, entry, session),
        author=caller_of(session),
        surface=session.surface,
        message=plan_id,
        deadline=session.client.deadline(None),
    )
    return Planned(plan=planned, plan_id=plan_id, expires_at=entry["expires_at"])


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
        raise PlanInvalid(plan_id, reason="unknown")
    realm = RealmName(entry["realm"])
    session.require_role("write", realm, action="config/apply")
    with session.client.store.view() as view:
        receipt = view.receipt(realm, plan_id)
    if receipt is not None:
        raise PlanInvalid(plan_id, reason="replayed", generation=receipt.generation)
    if entry["expires_at"] <= world.timestamp():
        raise PlanInvalid(plan_id, reason="expired")
    patch: Any = parse_json(entry["patch"])
    result = session.realm(realm).patch(
        patch,
        expected_generation=entry["expected_generation"],
        expected=entry["expected"],
        on_conflict="rebase",
        message=entry["reason"],
        write_id=plan_id,
    )
    if any(warning.code == "replayed" for warning in result.warnings):
        raise PlanInvalid(plan_id, reason="replayed", generation=result.generation)
    return result


def caller_of(session: Session) -> str:
    """Whose plans these are: the token's, or of whoever has the store in hand, by the name of the author."""
    return session.grant.id or f"local {session.client.authorship({})['author']}"


def _etag_planned_on(planned: Any, expected_generation: int) -> str | None:
    before = planned.before
    if before is None or before.generation != expected_generation:
        return None
    etag: str = before.etag
    return etag


def _add(kept: dict[str, Any], plan_id: str, entry: dict[str, Any], session: Session) -> None:
    world = session.client.world
    now = world.timestamp()
    for name in [name for name, one in kept.items() if one["expires_at"] <= now]:
        del kept[name]
    since = world.timestamp_before(MINUTE_SECONDS)
    recent = sum(
        one["caller"] == entry["caller"] and one["created_at"] > since for one in kept.values()
    )
    if recent >= PLANS_PER_MINUTE:
        raise RateLimited("plans of this caller", retry_after_seconds=MINUTE_SECONDS)
    if len(kept) >= PLANS_MAX:
        raise RateLimited("plans", retry_after_seconds=MINUTE_SECONDS)
    kept[plan_id] = {name: value for name, value in entry.items() if value is not None}


def _ledger(session: Session) -> Ledger:
    return Ledger(session.client.store, PLANS, world=session.client.world, is_compacted=True)
