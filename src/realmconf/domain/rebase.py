"""
May a write made against an older generation be applied to the head?

Decides what a write touches, what history has changed since, and whether the two
overlap.  Only what a write names counts: what its author merely read is not known
here.
"""

from __future__ import annotations

from realmconf.domain.document import same
from realmconf.domain.edit import transformed
from realmconf.domain.keyed import fold, is_unfolded, shown, unfold
from realmconf.domain.lineage import as_named
from realmconf.domain.names import LIMITS
from realmconf.domain.overlap import Overlaps, changed_places, outside_arrays, places_in_patch
from realmconf.domain.patch import derive, merge
from realmconf.domain.pointer import ROOT, Pointer
from realmconf.domain.record import Record
from realmconf.domain.revision import Policy
from realmconf.domain.schemas.shape import NOTHING
from realmconf.domain.write import (
    Edit,
    JsonPatch,
    MergePatch,
    Rollback,
    SetDocument,
    SetPolicy,
    SetSchema,
)
from realmconf.errors import GenerationConflict, HistoryCompacted, RealmconfError, TimelineChanged

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from typing import Any

    from realmconf.domain.decide import HeadLike, History
    from realmconf.domain.document import Document
    from realmconf.domain.names import Limits
    from realmconf.domain.revision import Revision
    from realmconf.domain.schemas.shape import Shape
    from realmconf.domain.write import Command, Expected, Write

REALM_SECTION = Pointer(("realm",))
"""The reserved section that holds a realm's parent and masks."""


# --- what a write touches ----------------------------------------------------------


def touched(write: Write, base: Document | None) -> frozenset[Pointer]:
    """
    Every place that *write* names or depends on, when it was made against *base*.

    A whole document touches what it changes in *base*.  A write whose effect is not
    told by its command alone (``delete``, ``rollback``) touches everything.
    """
    return _written(write.command, base) | premises(write)


def premises(write: Write) -> frozenset[Pointer]:
    """The places whose value the write relies on: ``depends_on``, and ``test`` and ``from`` of a JSON Patch."""
    relied_on = set(write.depends_on)
    if isinstance(write.command, JsonPatch):
        for operation in write.command.operations:
            if operation["op"] == "test":
                relied_on.add(Pointer.parse_json_pointer(operation["path"]))
            elif operation["op"] in {"copy", "move"}:
                relied_on.add(Pointer.parse_json_pointer(operation["from"]))
    return frozenset(relied_on)


def _written(command: Command, base: Document | None) -> frozenset[Pointer]:
    if isinstance(command, MergePatch):
        return places_in_patch(command.patch)
    if isinstance(command, SetDocument):
        return changed_places(base, command.document)
    if isinstance(command, SetPolicy):
        return frozenset()
    if isinstance(command, SetSchema):
        # That nobody else has changed the schema is no matter of places.
        return frozenset() if command.patch is None else places_in_patch(command.patch)
    if isinstance(command, JsonPatch):
        named = [
            Pointer.parse_json_pointer(operation["path"])
            for operation in command.operations
            if operation["op"] != "test"
        ]
        named += [
            Pointer.parse_json_pointer(operation["from"])
            for operation in command.operations
            if operation["op"] == "move"
        ]
    elif isinstance(command, Edit):
        named = [*(pointer for pointer, _ in command.assignments), *command.removals]
    else:
        return frozenset((ROOT,))
    return frozenset(outside_arrays(pointer, base or {}) for pointer in named)


# --- what history changed ----------------------------------------------------------


class Obstacle(Record):
    """The first revision over which nothing is rebased, and why."""

    revision: Revision
    reason: str
    pointer: Pointer


def obstacle(between: Iterable[Revision], base: Revision | None) -> Obstacle | None:
    """
    The first revision that changed more than values: it deleted the document, changed
    schema or lineage, or was purged so that nobody can tell.

    *between* are all revisions after *base* (None: before the first), oldest first.
    """
    before = base
    for revision in between:
        pointer = ROOT
        reason = None
        if revision.tombstone:
            reason = "the document was deleted since"
        elif revision.purged or (before is not None and before.purged):
            reason = "what was changed since has been purged"
        elif revision.schema_digest != (None if before is None else before.schema_digest):
            reason = "the schema was changed since"
        elif not same(_section(before), _section(revision)):
            pointer = REALM_SECTION
            reason = "the lineage was changed since"
        if reason is not None:
            return Obstacle(revision=revision, reason=reason, pointer=pointer)
        before = revision
    return None


def _document(revision: Revision | None) -> Document:
    return {} if revision is None or revision.document is None else revision.document


def _section(revision: Revision | None) -> Any:
    return REALM_SECTION.resolve(_document(revision))


def contested(
    places: Iterable[Pointer],
    between: Sequence[Revision],
    base: Revision | None,
    *,
    intended: Document | None = None,
    relied_on: frozenset[Pointer] = frozenset(),
    guarded: frozenset[Pointer] = frozenset(),
    shape: Shape = NOTHING,
) -> tuple[dict[str, Any], ...]:
    """
    Where *places* overlap with what the revisions in *between* changed, and who changed it.

    Each revision counts on its own: a value that was changed and put back is contested.
    With *intended*, what the write makes of its base, a change to the very value that the
    write wants is not contested, unless the place is *relied_on*, or has one of the *guarded* in or around it.
    The entries are those of ``GenerationConflict.contested``, by pointer and generation.
    """
    overlaps = Overlaps(places)
    found: dict[tuple[Pointer, int], Revision] = {}
    reference = _document(base)
    before = unfold(reference, shape, reference)
    for revision in between:
        after = unfold(_document(revision), shape, reference)
        for changed in changed_places(before, after):
            for place in overlaps.meeting(changed):
                upper, deeper = (place, changed) if len(place) <= len(changed) else (changed, place)
                wanted = (
                    intended is not None
                    and place not in relied_on
                    and not any(one.within(upper) or upper.within(one) for one in guarded)
                    and same(upper.resolve(intended), upper.resolve(after))
                )
                if not wanted:
                    found[deeper, revision.generation] = revision
        before = after
    return tuple(
        _entry(pointer, found[pointer, generation]) for pointer, generation in sorted(found)
    )


def _entry(pointer: Pointer, revision: Revision) -> dict[str, Any]:
    return {
        "pointer": str(shown(pointer)),
        "generation": revision.generation,
        "author": revision.author,
        "surface": revision.surface,
        "message": revision.message,
        "created_at": revision.created_at,
    }


# --- the verdict -------------------------------------------------------------------


def onto_head(
    write: Write,
    expected: Expected,
    head: HeadLike,
    view: History,
    *,
    limits: Limits = LIMITS,
    shape: Shape = NOTHING,
    guarded: frozenset[Pointer] = frozenset(),
) -> Command:
    """
    The command that does at *head* what *write* was meant to do at *expected*, an older generation.

    A whole document becomes its difference to the base, applied to the head, so that
    what others changed meanwhile stays, and so does an array whose elements have names by *shape*;
    every other command stays as it is.  What it states at the places *guarded* is contested wherever they were
    changed since, equal or not, so that a guess is told nothing.

    Raises:
        GenerationConflict: The two overlap (``contested`` says where), or nobody can tell.
        TimelineChanged: The expected revision is of another history.
        RevisionNotFound, HistoryCompacted: The target of a rollback is not there.
    """
    base, between = _history_since(write, expected, head, view, limits)
    blocked = obstacle(between, base)
    if blocked is not None:
        raise GenerationConflict(
            expected.generation,
            head.generation,
            [_entry(blocked.pointer, blocked.revision)],
            realm=write.realm,
            reason=blocked.reason,
        )
    base_document = _document(base)
    meant = write.replace(command=_as_difference(write, view))
    command = meant.command
    intended = _intended(command, base_document, limits)
    before = unfold(base_document, shape, base_document)
    after = None if intended is None else unfold(intended, shape, base_document)
    guarded = frozenset(outside_arrays(place, base_document) for place in guarded)
    named = _guarding(touched(meant, base_document), guarded)
    places = named if after is None else _guarding(_by_element(named, before, after), guarded)
    overlap = contested(
        places,
        between,
        base,
        intended=after,
        relied_on=premises(meant),
        guarded=guarded,
        shape=shape,
    )
    if overlap:
        raise GenerationConflict(expected.generation, head.generation, overlap, realm=write.realm)
    if isinstance(command, SetPolicy):
        _check_policy_stood(write, expected, head, base, between)
    if after is not None and (isinstance(command, SetDocument) or places != named):
        now = unfold(_document(head.revision), shape, base_document)
        document = merge(now, derive(before, after))
        if shape.has_merges:
            document = fold(document)
        if not isinstance(command, SetDocument):
            kind = "json_patch" if isinstance(command, JsonPatch) else "patch"
            return SetDocument(document=document, kind=getattr(command, "kind", kind))
        exactly = same(document, command.document)
        return command.replace(document=document, restores=command.restores if exactly else None)
    return command


def _guarding(places: frozenset[Pointer], guarded: frozenset[Pointer]) -> frozenset[Pointer]:
    """*places* and those *guarded*, without what is below one of these: that may depend on what was guessed."""
    if not guarded:
        return places
    return guarded | {place for place in places if not any(place.within(one) for one in guarded)}


def _by_element(
    places: frozenset[Pointer], before: Document, after: Document
) -> frozenset[Pointer]:
    """*places*, with the elements that a write changes in the place of each array whose elements have names."""
    found: set[Pointer] = set()
    for place in places:
        old: Any = place.resolve(before)
        new: Any = place.resolve(after)
        if is_unfolded(old) and is_unfolded(new):
            found |= {Pointer((*place, *inner)) for inner in changed_places(old, new)}
        else:
            found.add(place)
    return frozenset(found)


def _history_since(
    write: Write, expected: Expected, head: HeadLike, view: History, limits: Limits
) -> tuple[Revision | None, Sequence[Revision]]:
    """The expected revision (None for generation 0), and all after it."""
    after = expected.generation
    if head.generation - after > limits.history_page:
        raise GenerationConflict(
            after,
            head.generation,
            realm=write.realm,
            reason=f"a write is rebased over at most {limits.history_page} generations",
        )
    try:
        base = view.revision(write.realm, after) if after else None
        between = view.revisions(write.realm, after=after)
    except HistoryCompacted:
        raise GenerationConflict(
            after,
            head.generation,
            realm=write.realm,
            reason="the history since then has been compacted",
        ) from None
    if (
        base is not None
        and expected.digest is not None
        and not base.digest.startswith(expected.digest)
    ):
        raise TimelineChanged(realm=write.realm, generation=after)
    return base, between


def _as_difference(write: Write, view: History) -> Command:
    """The command, with a rollback to a document said as setting it: so what it touches can be told."""
    command = write.command
    if isinstance(command, Rollback):
        target = view.revision(write.realm, command.to)
        document = as_named(target, write.realm)
        if document is not None:
            return SetDocument(document=document, kind="rollback", restores=command.to)
    return command


def _intended(command: Command, base: Document, limits: Limits) -> Document | None:
    try:
        return transformed(command, base, limits=limits)
    except RealmconfError:
        # It did not fit what it was made against. Whether it fits the head is found out there.
        return None


def _check_policy_stood(
    write: Write,
    expected: Expected,
    head: HeadLike,
    base: Revision | None,
    between: Sequence[Revision],
) -> None:
    policy = Policy() if base is None else base.policy
    if any(revision.policy != policy for revision in between):
        raise GenerationConflict(
            expected.generation,
            head.generation,
            realm=write.realm,
            reason="the policy was changed since",
        )
