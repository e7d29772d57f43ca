"""
Every error realmconf raises: its stable code, its typed fields, its text.

Knows nothing of surfaces: the HTTP status, JSON-RPC code and exit code of a
class stand in one table in ``realmconf.surfaces.envelope``.  A text names the
realm, the numbers and what to do; it never quotes a configuration value, because
a value may be a secret.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any


class RealmconfError(Exception):
    """
    The root of the tree; only its subclasses are raised.

    ``code`` is stable and meant for programs, ``str(error)`` is meant for a
    person.  ``retryable`` says whether the very same request may succeed when
    it is sent again unchanged (with the same write id, if it is a write).
    """

    code = "error"
    retryable = False

    def __init__(self, message: str, /, **fields: Any) -> None:
        super().__init__(message)
        self._fields = tuple(fields)
        self.__dict__.update(fields)

    def to_dict(self) -> dict[str, Any]:
        """The error as JSON: ``code``, ``message``, ``retryable`` and every typed field."""
        fields = {name: _plain(getattr(self, name)) for name in self._fields}
        return {"code": self.code, "message": str(self), "retryable": self.retryable, **fields}

    def __reduce__(self) -> tuple[Any, ...]:
        fields = {name: getattr(self, name) for name in self._fields}
        return (_rebuild, (type(self), self.args[0], fields))


def _rebuild(cls: type[RealmconfError], message: str, fields: dict[str, Any]) -> RealmconfError:
    # Subclasses have constructors of their own, which compose the message; a
    # pickled error already has it.
    error = cls.__new__(cls)
    RealmconfError.__init__(error, message, **fields)
    return error


def _plain(value: Any) -> Any:
    if value is None or isinstance(value, (bool, int, float)):
        return value
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)) and type(value).__str__ is object.__str__:
        return [_plain(item) for item in value]
    if type(value) in (list, tuple):
        return [_plain(item) for item in value]
    return str(value)


def _in_realm(realm: str | None) -> str:
    return f" (realm {realm})" if realm else ""


# --- preconditions -----------------------------------------------------------


class GenerationConflict(RealmconfError):
    """
    The write's precondition does not hold; nothing was changed.

    ``contested`` lists, for a rebase that found an overlap, what the write and
    the revisions in between both touched: mappings with ``pointer``,
    ``generation``, ``author``, ``surface``, ``message``, ``created_at``.
    """

    code = "generation_conflict"
    expected: int
    current: int
    contested: tuple[Mapping[str, Any], ...]
    realm: str | None
    reason: str | None

    def __init__(
        self,
        expected: int,
        current: int,
        contested: Sequence[Mapping[str, Any]] = (),
        *,
        realm: str | None = None,
        reason: str | None = None,
    ) -> None:
        text = f"generation conflict: expected {expected}, current {current}{_in_realm(realm)}"
        if reason:
            text += f": {reason}"
        elif contested:
            pointers = ", ".join(str(entry["pointer"]) or "/" for entry in contested[:5])
            more = f" and {len(contested) - 5} more" if len(contested) > 5 else ""
            text += f": also changed since by somebody else: {pointers}{more}"
        super().__init__(
            text,
            expected=expected,
            current=current,
            contested=tuple(contested),
            realm=realm,
            reason=reason,
        )


class TimelineChanged(RealmconfError):
    """The etag or cursor is of a history that this store no longer has (a replaced or restored store)."""

    code = "timeline_changed"
    realm: str
    generation: int

    def __init__(self, *, realm: str, generation: int, reason: str = "") -> None:
        super().__init__(
            f"generation {generation} of realm {realm} is not the one "
            + (
                reason
                or "this etag or cursor was made from: "
                "the store was replaced by another copy, or the etag is mistyped; read again"
            ),
            realm=realm,
            generation=generation,
        )


class GenerationRequired(RealmconfError):
    """The realm's policy refuses writes that state no precondition."""

    code = "generation_required"
    realm: str
    current: int

    def __init__(self, *, realm: str, current: int) -> None:
        super().__init__(
            f"realm {realm} requires an expected generation on every write; the current one is {current}",
            realm=realm,
            current=current,
        )


class PatchTestFailed(RealmconfError):
    """A ``test`` operation of a JSON Patch did not hold; nothing was changed."""

    code = "test_failed"
    pointer: str
    index: int

    def __init__(self, *, pointer: str, index: int) -> None:
        super().__init__(
            f"operation {index} of the JSON patch: the value at {pointer or '/'} is not the one tested for",
            pointer=pointer,
            index=index,
        )


# --- what was asked for ------------------------------------------------------


class SchemaViolation(RealmconfError):
    """
    The configuration does not fit its schema or model.

    ``violations`` are mappings with ``pointer``, ``keyword`` and ``message``; they never quote a value.
    """

    code = "schema_violation"
    violations: tuple[Mapping[str, Any], ...]
    realm: str | None

    def __init__(
        self, violations: Sequence[Mapping[str, Any]], *, realm: str | None = None
    ) -> None:
        shown = "; ".join(
            f"{entry['pointer'] or '/'}: {entry['message']}" for entry in violations[:5]
        )
        more = f"; and {len(violations) - 5} more" if len(violations) > 5 else ""
        super().__init__(
            f"the configuration does not fit its schema{_in_realm(realm)}: {shown}{more}",
            violations=tuple(violations),
            realm=realm,
        )


class PatchInapplicable(RealmconfError):
    """A JSON Patch names a place that is not there; nothing was changed."""

    code = "patch_inapplicable"
    pointer: str
    index: int

    def __init__(self, reason: str, *, pointer: str, index: int) -> None:
        super().__init__(
            f"operation {index} of the JSON patch at {pointer or '/'}: {reason}",
            pointer=pointer,
            index=index,
        )


class LineageError(RealmconfError):
    """Abstract: the chain of parents of a realm cannot be used."""

    code = "lineage_error"
    realm: str
    chain: tuple[str, ...]


class LineageCycle(LineageError):
    """A realm would be its own ancestor."""

    def __init__(self, *, realm: str, chain: Sequence[str]) -> None:
        super().__init__(
            f"realm {realm} would inherit from itself: {' -> '.join(chain)}",
            realm=realm,
            chain=tuple(chain),
        )


class LineageTooDeep(LineageError):
    """A chain of parents is longer than the limit allows; ``global`` at its end does not count."""

    depth_max: int

    def __init__(self, *, realm: str, chain: Sequence[str], depth_max: int) -> None:
        super().__init__(
            f"the lineage of realm {realm} is longer than {depth_max} realms: {' -> '.join(chain)}",
            realm=realm,
            chain=tuple(chain),
            depth_max=depth_max,
        )


class ParentNotFound(LineageError):
    """The named parent does not exist, or may not be read by the caller: the two look the same."""

    parent: str

    def __init__(self, *, realm: str, parent: str, chain: Sequence[str] = ()) -> None:
        super().__init__(
            f"the parent {parent} of realm {realm} does not exist",
            realm=realm,
            parent=parent,
            chain=tuple(chain),
        )


class WriteIdReused(RealmconfError):
    """The write id was already used for another request; nothing was changed."""

    code = "write_id_reused"
    realm: str
    write_id: str

    def __init__(self, *, realm: str, write_id: str) -> None:
        super().__init__(
            f"write id {write_id} was already used in realm {realm} for another request; use a new one",
            realm=realm,
            write_id=write_id,
        )


class WriteIdVoid(RealmconfError):
    """``settle`` declared this write id void: it was not applied and never will be."""

    code = "write_id_void"
    realm: str
    write_id: str

    def __init__(self, *, realm: str, write_id: str) -> None:
        super().__init__(
            f"write id {write_id} in realm {realm} was settled as void; send the write under a new id",
            realm=realm,
            write_id=write_id,
        )


class PlanInvalid(RealmconfError):
    """
    The plan cannot be carried out: it was already, has expired, or is another caller's; nothing was changed.

    ``reason`` is one of unknown, expired, replayed; of a plan that was carried out ``generation`` says what it made.
    """

    code = "plan_invalid"
    plan_id: str
    reason: str
    generation: int | None

    def __init__(self, plan_id: str, *, reason: str, generation: int | None = None) -> None:
        texts = {
            "replayed": f"it was carried out already, as generation {generation}",
            "expired": "it has expired",
            "unknown": "there is no such plan of this caller",
        }
        super().__init__(
            f"the plan {plan_id} cannot be carried out: {texts.get(reason, reason)}; make a new one",
            plan_id=plan_id,
            reason=reason,
            generation=generation,
        )


class RateLimited(RealmconfError):
    """Too much was asked in too short a time; nothing was done."""

    code = "rate_limited"
    retryable = True
    retry_after_seconds: float

    def __init__(self, what: str, *, retry_after_seconds: float) -> None:
        super().__init__(
            f"too many {what}: try again in {retry_after_seconds:.0f} s",
            retry_after_seconds=retry_after_seconds,
        )


class Unsupported(RealmconfError):
    """This store cannot do that, as its ``StoreInfo`` declares."""

    code = "unsupported"

    def __init__(self, reason: str) -> None:
        super().__init__(reason)


class LimitExceeded(RealmconfError):
    """A limit was exceeded; ``limit`` is its name, ``value`` what was found, ``maximum`` what may be."""

    code = "limit_exceeded"
    limit: str
    value: int
    maximum: int

    def __init__(self, limit: str, value: int, *, maximum: int) -> None:
        super().__init__(
            f"{limit.replace('_', ' ')}: {value} exceeds the limit of {maximum}",
            limit=limit,
            value=value,
            maximum=maximum,
        )


class InvalidRealm(RealmconfError):
    """Not a realm name."""

    code = "invalid_realm"


class InvalidDocument(RealmconfError):
    """Not a document; ``pointer``, or ``line`` and ``column`` of its text, say where."""

    code = "invalid_document"
    reason: str
    pointer: str | None
    line: int | None
    column: int | None

    def __init__(
        self,
        reason: str,
        *,
        pointer: str | None = None,
        line: int | None = None,
        column: int | None = None,
    ) -> None:
        place = f" at {pointer or '/'}" if pointer is not None else ""
        super().__init__(
            f"invalid document{place}: {reason}",
            reason=reason,
            pointer=pointer,
            line=line,
            column=column,
        )


class InvalidPatch(RealmconfError):
    """Not a merge patch or JSON Patch."""

    code = "invalid_patch"


class InvalidPointer(RealmconfError):
    """Not a JSON Pointer or dotted path."""

    code = "invalid_pointer"


class InvalidArgument(RealmconfError):
    """An argument is not of the form the operation takes, or contradicts another one."""

    code = "invalid_argument"


# --- what is not there -------------------------------------------------------


class NotFound(RealmconfError):
    """Abstract: what was named does not exist."""

    code = "realm_not_found"


class RealmNotFound(NotFound):
    """The operation needs a realm that has been written."""

    code = "realm_not_found"
    realm: str

    def __init__(self, *, realm: str, reason: str = "was never written") -> None:
        super().__init__(f"realm {realm} {reason}", realm=realm)


class RevisionNotFound(NotFound):
    """The realm has no such generation, now or ever."""

    code = "revision_not_found"
    realm: str
    generation: int
    current: int

    def __init__(self, *, realm: str, generation: int, current: int) -> None:
        super().__init__(
            f"realm {realm} has no generation {generation}; the current one is {current}",
            realm=realm,
            generation=generation,
            current=current,
        )


class ValueNotFound(NotFound):
    """The configuration has no value at the pointer that was asked for."""

    code = "value_not_found"
    realm: str
    pointer: str
    generation: int

    def __init__(self, *, realm: str, pointer: str, generation: int) -> None:
        where = f"at generation {generation}" if generation else "which was never written"
        super().__init__(
            f"realm {realm}, {where}, has no value at {pointer or '/'}",
            realm=realm,
            pointer=pointer,
            generation=generation,
        )


class TokenNotFound(NotFound):
    """There is no token of this id (any more)."""

    code = "token_not_found"
    token_id: str

    def __init__(self, token_id: str) -> None:
        super().__init__(f"there is no token {token_id[:40]!a}", token_id=token_id[:40])


class HistoryCompacted(RealmconfError):
    """
    The generation existed and was removed by compaction; the oldest one kept is ``floor``.

    Where it is ``purged``, its record is kept, and its document was erased.
    """

    code = "history_compacted"
    realm: str
    requested: int
    floor: int
    purged: bool

    def __init__(self, requested: int, floor: int, *, realm: str, purged: bool = False) -> None:
        gone = (
            "was purged: what it stated is erased"
            if purged
            else f"was compacted; the oldest one kept is {floor}"
        )
        super().__init__(
            f"generation {requested} of realm {realm} {gone}",
            requested=requested,
            floor=floor,
            realm=realm,
            purged=purged,
        )


class RealmMoved(RealmconfError):
    """The realm now lives in another store."""

    code = "realm_moved"
    realm: str
    to: str

    def __init__(self, to: str, *, realm: str) -> None:
        super().__init__(f"realm {realm} has moved to {to}", to=to, realm=realm)


# --- time and the store ------------------------------------------------------


class LockTimeout(RealmconfError):
    """The turn to write did not come in time; nothing was changed."""

    code = "lock_timeout"
    retryable = True
    waited_seconds: float

    def __init__(self, *, waited_seconds: float) -> None:
        super().__init__(
            f"timed out after {waited_seconds:.3g} s waiting for the turn to write: another process holds it",
            waited_seconds=waited_seconds,
        )


class StoreError(RealmconfError):
    """Abstract: the store itself is in the way."""


class StoreUnavailable(StoreError):
    """The store cannot be reached or opened now; nothing was changed."""

    code = "store_unavailable"
    retryable = True


class StoreFull(StoreError):
    """No space or quota left; nothing was changed and reads go on."""

    code = "store_full"
    retryable = True


class StoreReadOnly(StoreError):
    """The store can be read but not written from here."""

    code = "store_read_only"


class StoreNotInstalled(StoreError):
    """The store, or a feature, needs an optional package; the text names the command that installs it."""

    code = "store_not_installed"
    extra: str

    def __init__(self, what: str, *, extra: str) -> None:
        super().__init__(
            f"{what} needs an optional package: pip install 'realmconf[{extra}]'", extra=extra
        )


class StoreCorrupt(StoreError):
    """The record is damaged; ``verify`` names the first bad revision."""

    code = "store_corrupt"


class StoreTooNew(StoreError):
    """The stored format is newer than this program."""

    code = "store_too_new"


class HistoryMissing(StoreError):
    """
    A witness (log, counters, a working copy's first line) proves that history was lost.

    Nothing is written, so that no generation is ever used twice.
    """

    code = "history_missing"


class RealmSplitBrain(StoreError):
    """
    A realm of Meerkat's is in both folders where it may be; which of the two is meant, only a person can say.

    ``roots`` are the two state roots, the project's first.
    """

    code = "realm_split_brain"
    realm: str
    roots: tuple[str, ...]

    def __init__(self, *, realm: str, roots: Sequence[str]) -> None:
        super().__init__(
            f"realm {realm} is in both {' and '.join(roots)}: name the one that is meant as the state root, "
            "or let `rkat storage doctor` show both and `rkat storage migrate` put one of them away",
            realm=realm,
            roots=tuple(roots),
        )


class RealmBackendMismatch(RealmconfError):
    """A realm of Meerkat's keeps its sessions in the backend that its manifest was made with; nothing was changed."""

    code = "realm_backend_mismatch"
    realm: str
    requested: str
    existing: str

    def __init__(self, *, realm: str, requested: str, existing: str) -> None:
        super().__init__(
            f"realm {realm} is pinned to the backend {existing}, and {requested} was asked for; "
            "a backend is chosen once, when the realm is made",
            realm=realm,
            requested=requested,
            existing=existing,
        )


class OutcomeUnknown(RealmconfError):
    """
    The write may or may not have been applied.

    Retry with the same ``write_id``, or ask ``settle(write_id)``.
    """

    code = "outcome_unknown"
    retryable = True
    write_id: str | None
    realm: str | None
    reason: str

    def __init__(self, write_id: str | None, *, realm: str | None = None, reason: str = "") -> None:
        because = f": {reason}" if reason else ""
        super().__init__(
            f"the outcome of write {write_id} is unknown{_in_realm(realm)}{because}; "
            "retry with the same write id, or settle it"
            if write_id is not None
            else f"the outcome of this is unknown{_in_realm(realm)}{because}; look before asking again",
            write_id=write_id,
            realm=realm,
            reason=reason,
        )

    def for_write(self, write_id: str, *, realm: str | None = None) -> OutcomeUnknown:
        """The same failure, for another write of the same transaction."""
        return OutcomeUnknown(write_id, realm=realm or self.realm, reason=self.reason)


class WorkingCopyError(RealmconfError):
    """Abstract: what stands in ``config.toml`` needs a person."""

    path: str
    realm: str


class WorkingCopyContested(WorkingCopyError):
    """A hand edit overlaps with changes made since its author loaded the file; it is kept beside it."""

    code = "working_copy_contested"
    kept: str | None
    pointers: tuple[str, ...]

    def __init__(
        self, *, realm: str, path: str, kept: str | None = None, pointers: Sequence[str] = ()
    ) -> None:
        where = f"; it is kept in {kept}" if kept else ""
        super().__init__(
            f"the hand edit of {path} overlaps with newer changes of realm {realm}{where}; "
            "settle it with: realmconf resolve",
            realm=realm,
            path=path,
            kept=kept,
            pointers=tuple(pointers),
        )


class WorkingCopyBroken(WorkingCopyError):
    """``config.toml`` does not parse, or does not hold a valid document."""

    code = "working_copy_broken"
    reason: str
    line: int | None
    column: int | None

    def __init__(
        self,
        *,
        realm: str,
        path: str,
        reason: str,
        line: int | None = None,
        column: int | None = None,
    ) -> None:
        place = f" line {line}" + (f", column {column}" if column else "") if line else ""
        super().__init__(
            f"{path}{place}: {reason}; the last good configuration stays in force until it is mended",
            realm=realm,
            path=path,
            reason=reason,
            line=line,
            column=column,
        )


class WorkingCopyRefused(WorkingCopyError):
    """``config.toml`` is not a regular file of ours: a symlink, a folder, a pipe, or somebody else's file."""

    code = "working_copy_refused"
    reason: str

    def __init__(self, *, realm: str, path: str, reason: str) -> None:
        super().__init__(
            f"{path} {reason}; it is neither read nor written",
            realm=realm,
            path=path,
            reason=reason,
        )


class ForkedInTransaction(RealmconfError):
    """The process was forked inside its own transaction; this handle cannot be used in the child."""

    code = "forked_in_transaction"

    def __init__(self) -> None:
        super().__init__(
            "this process was forked while a transaction was open in the same thread; open a new client in the child"
        )


class UnsupportedFilesystem(RealmconfError):
    """The file system cannot give the locks or shared memory that the guarantees rest on."""

    code = "unsupported_filesystem"


# --- who may -------------------------------------------------------------------


class Unauthenticated(RealmconfError):
    """Nobody can tell who asks: there is no token, or it is not (or no longer) one of ours."""

    code = "unauthenticated"

    def __init__(
        self,
        reason: str = "this needs a token",
        *,
        advice: str = "send Authorization: Bearer with one that `realmconf token create` gave",
    ) -> None:
        super().__init__(f"{reason}: {advice}")


class NotPermitted(RealmconfError):
    """The caller has no right to do that; nothing was changed."""

    code = "not_permitted"
    action: str
    realm: str | None

    def __init__(self, action: str, *, realm: str | None = None, needs: str = "") -> None:
        because = f": this needs {needs}" if needs else ""
        super().__init__(
            f"not permitted: {action}{_in_realm(realm)}{because}", action=action, realm=realm
        )


# --- secrets -----------------------------------------------------------------


class SecretError(RealmconfError):
    """Abstract: a secret cannot be shown, taken back or resolved."""

    pointer: str | None


class SecretMarkMisplaced(SecretError):
    """The mark that stands for a redacted secret was sent back at another place, or is not one of ours."""

    code = "secret_mark_misplaced"
    pointer: str

    def __init__(self, *, pointer: str) -> None:
        super().__init__(
            f"the mark at {pointer or '/'} does not stand for the secret that is stored there: "
            "it is of another place, or of an older value; "
            "send the real value or leave it out",
            pointer=pointer,
        )


class SecretWithheld(SecretError):
    """
    A secret would be read, copied, moved, tried or judged by somebody without the right to; nothing was changed.

    ``pointer`` is empty where all of them are needed, as for digests.
    """

    code = "secret_withheld"
    pointer: str
    realm: str

    def __init__(self, *, pointer: str, realm: str, because: str = "") -> None:
        what = (
            f"the secret at {pointer}{_in_realm(realm)} is withheld"
            if pointer
            else f"this takes the whole of realm {realm}, and its secrets are withheld"
        )
        super().__init__(
            f"{what}: {because}{', and that' if because else 'this'} needs the right to secrets",
            pointer=pointer,
            realm=realm,
        )


class SecretUnresolved(SecretError):
    """A reference to a secret leads nowhere in this process, or to where this process does not look."""

    code = "secret_unresolved"
    reference: str
    kind: str
    """env | file | keyring; empty: none of them"""
    reason: str

    def __init__(
        self, reference: str, *, kind: str, reason: str, pointer: str | None = None
    ) -> None:
        place = f" at {pointer or '/'}" if pointer is not None else ""
        super().__init__(
            f"{reference}{place} cannot be resolved: {reason}",
            reference=reference,
            kind=kind,
            reason=reason,
            pointer=pointer,
        )
