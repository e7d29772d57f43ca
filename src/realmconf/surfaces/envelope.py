"""
The wire form of what the library returns and raises; the same for every surface.

Decides two things: how snapshots, receipts, revisions and changes look as JSON;
and which HTTP status, JSON-RPC code and exit code an error class has.  Knows nothing of any
transport: a surface takes its column of the table and prints.
"""

from __future__ import annotations

from realmconf import errors
from realmconf.domain.document import ABSENT
from realmconf.domain.record import Record
from realmconf.domain.unread import unread

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Any

    from realmconf.domain.diff import Change
    from realmconf.domain.names import RealmName
    from realmconf.runtime.explaining import Provenance
    from realmconf.runtime.history import Revision
    from realmconf.surfaces.veil import Veil


# --- errors ------------------------------------------------------------------


class Answer(Record):
    """How the surfaces answer one class of error."""

    status: int | None
    """HTTP; None for what can only happen in the asking process."""
    rpc: int | None
    """JSON-RPC; None likewise."""
    exit: int
    status_for_header: int | None = None
    """HTTP, where the failed precondition came in a header (RFC 9110, 13.1)."""


_UNUSABLE = Answer(status=400, rpc=-32602, exit=4)
_UNKNOWN_PLACE = Answer(status=404, rpc=-32049, exit=5)
_BAD_LINEAGE = Answer(status=422, rpc=-32046, exit=4)
_BAD_WRITE_ID = Answer(status=422, rpc=-32047, exit=4)
_STORE_IN_THE_WAY = Answer(status=503, rpc=-32055, exit=6)
_STORE_UNUSABLE = Answer(status=500, rpc=-32056, exit=6)
_MACHINE_UNUSABLE = Answer(status=500, rpc=-32060, exit=6)

ANSWERS: dict[type[errors.RealmconfError], Answer] = {
    errors.GenerationConflict: Answer(status=409, status_for_header=412, rpc=-32040, exit=3),
    errors.TimelineChanged: Answer(status=409, status_for_header=412, rpc=-32041, exit=3),
    errors.GenerationRequired: Answer(status=428, rpc=-32042, exit=3),
    errors.PatchTestFailed: Answer(status=409, rpc=-32043, exit=3),
    errors.SchemaViolation: Answer(status=422, rpc=-32044, exit=4),
    errors.PatchInapplicable: Answer(status=422, rpc=-32045, exit=4),
    errors.LineageCycle: _BAD_LINEAGE,
    errors.LineageTooDeep: _BAD_LINEAGE,
    errors.ParentNotFound: _BAD_LINEAGE,
    errors.WriteIdReused: _BAD_WRITE_ID,
    errors.WriteIdVoid: _BAD_WRITE_ID,
    errors.PlanInvalid: _BAD_WRITE_ID,
    errors.RateLimited: Answer(status=429, rpc=-32053, exit=6),
    errors.Unsupported: Answer(status=501, rpc=-32059, exit=6),
    errors.LimitExceeded: Answer(status=413, rpc=-32048, exit=4),
    errors.InvalidRealm: _UNUSABLE,
    errors.InvalidDocument: _UNUSABLE,
    errors.InvalidPatch: _UNUSABLE,
    errors.InvalidPointer: _UNUSABLE,
    errors.InvalidArgument: _UNUSABLE,
    errors.RealmNotFound: _UNKNOWN_PLACE,
    errors.RevisionNotFound: _UNKNOWN_PLACE,
    errors.ValueNotFound: _UNKNOWN_PLACE,
    errors.TokenNotFound: _UNKNOWN_PLACE,
    errors.HistoryCompacted: Answer(status=410, rpc=-32050, exit=5),
    errors.RealmMoved: Answer(status=421, rpc=-32051, exit=6),
    errors.LockTimeout: Answer(status=503, rpc=-32054, exit=6),
    errors.StoreUnavailable: _STORE_IN_THE_WAY,
    errors.StoreFull: _STORE_IN_THE_WAY,
    errors.StoreReadOnly: _STORE_IN_THE_WAY,
    errors.StoreNotInstalled: _STORE_IN_THE_WAY,
    errors.StoreCorrupt: _STORE_UNUSABLE,
    errors.StoreTooNew: _STORE_UNUSABLE,
    errors.HistoryMissing: _STORE_UNUSABLE,
    errors.RealmSplitBrain: _STORE_UNUSABLE,
    errors.RealmBackendMismatch: Answer(status=409, rpc=-32062, exit=4),
    errors.OutcomeUnknown: Answer(status=504, rpc=-32057, exit=7),
    errors.WorkingCopyContested: Answer(status=409, rpc=-32058, exit=3),
    errors.WorkingCopyBroken: Answer(status=422, rpc=-32058, exit=4),
    errors.WorkingCopyRefused: Answer(status=422, rpc=-32058, exit=4),
    errors.ForkedInTransaction: _MACHINE_UNUSABLE,
    errors.UnsupportedFilesystem: _MACHINE_UNUSABLE,
    errors.Unauthenticated: Answer(status=401, rpc=-32052, exit=8),
    errors.NotPermitted: Answer(status=403, rpc=-32052, exit=8),
    errors.SecretMarkMisplaced: Answer(status=400, rpc=-32061, exit=4),
    errors.SecretWithheld: Answer(status=403, rpc=-32061, exit=9),
    errors.SecretUnresolved: Answer(status=None, rpc=None, exit=9),
}


def answer_to(error: errors.RealmconfError) -> Answer:
    """The row of the error's class; a class without a row is a defect, and a test looks for it."""
    return ANSWERS[type(error)]


def error_object(error: errors.RealmconfError) -> dict[str, Any]:
    """``code``, ``message``, ``retryable`` and the typed fields: HTTP's problem, JSON-RPC's data, the CLI's JSON."""
    return error.to_dict()


# --- wire forms --------------------------------------------------------------


def envelope(snapshot: Any, *, view: str, veil: Veil) -> dict[str, Any]:
    """One view of a snapshot: ``config, generation, realm_id, instance_id, backend, view``."""
    return _veiled(snapshot.envelope(view=view).to_dict(), veil)


def receipt(snapshot: Any, *, veil: Veil) -> dict[str, Any]:
    """What a write answers: the own envelope, and what became of the write."""
    return {
        **envelope(snapshot, view="own", veil=veil),
        "changed": snapshot.changed,
        "rebased_from": snapshot.rebased_from,
        "write_id": snapshot.write_id,
        "warnings": warnings(snapshot.warnings),
    }


def warnings(given: Iterable[Any]) -> list[dict[str, Any]]:
    """Warnings as JSON: ``code``, ``message`` and, where a file is meant, ``path``."""
    return [
        {"code": warning.code, "message": warning.message}
        | ({"path": warning.path} if warning.path else {})
        for warning in given
    ]


def plan(planned: Any, *, veil: Veil) -> dict[str, Any]:
    """
    What a dry run answers; nothing was written.

    ``kind`` is that of the revision that would be made, null for none.  ``effective_changes`` is null where the
    realm's parents cannot be used, of which a warning tells.
    """
    effective = effective_changes(planned)
    return {
        "dry_run": True,
        "generation": planned.generation,
        "kind": planned.record.kind if planned.changed else None,
        "changes": changes(planned.changes, veil=veil),
        "effective_changes": None if effective is None else changes(effective, veil=veil),
        "descendants": [str(realm) for realm in planned.descendants],
        "warnings": warnings(planned.warnings),
    }


def effective_changes(planned: Any) -> tuple[Change, ...] | None:
    """What a plan changes in the composed configuration; None where nobody can tell."""
    try:
        found: tuple[Change, ...] = planned.effective_changes
    except (errors.LineageError, errors.HistoryCompacted):
        # Own documents are not held up by their relatives.
        return None
    return found


def changes(given: Iterable[Change], *, veil: Veil) -> list[dict[str, Any]]:
    """Changes as JSON: a side that was absent has no member."""
    return [change(one, veil=veil) for one in given]


def change(given: Change, *, veil: Veil) -> dict[str, Any]:
    """One change: ``pointer``, and ``before`` and ``after`` where there was and is a value."""
    shown: dict[str, Any] = {"pointer": str(given.pointer)}
    for name in ("before", "after"):
        value = unread(given, name)
        if value is not ABSENT:
            shown[name] = veil.over(value, given.pointer)
    return shown


def revision(given: Revision, *, veil: Veil, with_document: bool) -> dict[str, Any]:
    """A revision without its salt and bare document digest, which would confirm a guessed secret."""
    shown: dict[str, Any] = {
        "realm": str(given.realm),
        "generation": given.generation,
        "kind": given.kind,
        "author": given.author,
        "surface": given.surface,
        "message": given.message,
        "write_id": given.write_id,
        "created_at": given.created_at,
        "deleted": given.tombstone,
        "purged": given.purged,
        "restores": given.restores,
        "reverts": list(given.reverts),
        "etag": given.etag,
        "digest": given.digest,
        "previous": given.previous,
    }
    if with_document:
        shown["document"] = None if given.document is None else veil.over(given.document)
    return shown


def step(
    snapshot: Any,
    given: Iterable[Change],
    *,
    view: str,
    veil: Veil,
    may_read: Callable[[RealmName], bool] = lambda _: True,
) -> dict[str, Any]:
    """
    One step of a watch, with the changes *given* of it: ``event`` is change, delete or reset.

    ``step`` and who made it are left out of a reset that no revision made.  Of a realm that the reader *may_read* not,
    its number is told, and who made it and why is null.  ``error`` says why a step has no
    effective configuration.
    """
    made = snapshot.step
    shown: dict[str, Any] = {
        "realm": str(snapshot.realm_id),
        "generation": snapshot.generation,
        "event": event_of(snapshot),
        "cursor": str(snapshot.cursor),
    }
    if made is not None:
        shown |= {
            "step": {"realm": str(made.realm), "generation": made.generation},
            **_made_by(made, made.realm, may_read),
        }
    shown["changes"] = changes(given, veil=veil)
    problem = problem_of(snapshot, view=view)
    if problem is not None:
        shown["error"] = error_object(problem)
    return shown


def event_of(snapshot: Any) -> str:
    """What a step of a watch is: change | delete | reset."""
    if snapshot.reset:
        return "reset"
    made = snapshot.step
    is_deleted = made is not None and made.realm == snapshot.realm_id and made.tombstone
    return "delete" if is_deleted else "change"


def problem_of(snapshot: Any, *, view: str) -> errors.RealmconfError | None:
    """Why there is no effective view of a step; of the own view nothing is in the way."""
    problem: errors.RealmconfError | None = None if view == "own" else snapshot.point.problem
    return problem


def provenance(
    given: Provenance,
    *,
    veil: Veil,
    may_read: Callable[[RealmName], bool] = lambda _: True,
) -> dict[str, Any]:
    """
    Where a value comes from: ``value`` and ``default`` are left out where there is none.

    Of a realm that the reader *may_read* not, its name and number are told, and who stated it and why is null.
    """
    shown: dict[str, Any] = {"pointer": str(given.pointer)}
    value = unread(given, "value")
    if value is not ABSENT:
        shown["value"] = veil.over(value, given.pointer)
    shown |= {
        "realm": given.realm,
        "generation": given.generation,
        **_made_by(given, given.realm, may_read),
        "at_least": given.at_least,
        "shadowed": [provenance(one, veil=veil, may_read=may_read) for one in given.shadowed],
        "masked_by": given.masked_by,
    }
    if given.default is not ABSENT:
        shown["default"] = veil.over(given.default, given.pointer)
    shown["parts"] = [provenance(one, veil=veil, may_read=may_read) for one in given.parts]
    return shown


def _made_by(
    made: Any, realm: RealmName | None, may_read: Callable[[RealmName], bool]
) -> dict[str, Any]:
    """Who made a revision of *realm*, and why: for those who may ask for its history."""
    names = ("author", "surface", "message", "created_at")
    if realm is not None and not may_read(realm):
        return dict.fromkeys(names)
    return {name: getattr(made, name) for name in names}


def _veiled(wire: dict[str, Any], veil: Veil) -> dict[str, Any]:
    return {**wire, "config": veil.over(wire["config"]), "realm_id": str(wire["realm_id"])}
