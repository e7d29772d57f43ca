"""
From judgements to one conditional write.

Decides what a judged write puts down besides its revisions: receipts, the names that it claims, and whose children it
makes or ends.  Pure: asks only the point that was judged on.
"""

from __future__ import annotations

from realmconf.domain.lineage import parent_of
from realmconf.domain.names import case_twin
from realmconf.domain.write import Append
from realmconf.errors import GenerationConflict, InvalidArgument, RealmMoved
from realmconf.stores.engine.ledger import Put
from realmconf.stores.engine.packing import pack
from realmconf.stores.protocol import Applied, Head, Receipt

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from realmconf.domain.document import Document
    from realmconf.domain.names import RealmName
    from realmconf.domain.revision import Revision
    from realmconf.stores.engine.ledger import Changes
    from realmconf.stores.engine.noting import Noting
    from realmconf.stores.protocol import Judgement


def changes_of(
    judgements: Sequence[Judgement],
    view: Noting,
    *,
    renamed: tuple[RealmName, RealmName] | None = None,
) -> Changes:
    """
    What *judgements*, made on *view*, write; it rests on all that *view* was asked.

    Raises:
        RealmMoved: One of their realms lives in another store.
        GenerationConflict: One was judged on something else.
        InvalidRealm: A new name differs from another one's by case alone.
        InvalidArgument: A realm is renamed to a name that has a history.
    """
    made = _Made(view, renamed)
    for judgement in judgements:
        made.take(judgement)
    refuse_twins(made.claims)
    return view.resting(
        claims=tuple(made.claims),
        puts=tuple(made.puts),
        receipts=tuple(made.receipts),
        schemas=made.schemas,
        touched=frozenset(made.touched) - {put.realm for put in made.puts},
        renamed=renamed,
    )


def refuse_twins(claims: Sequence[RealmName]) -> None:
    """
    Raises:
        InvalidRealm: Two names that come together differ by case alone.
    """
    folded: dict[str, RealmName] = {}
    for realm in claims:
        if folded.setdefault(realm.folded, realm) != realm:
            raise case_twin(realm)


class _Made:
    def __init__(self, view: Noting, renamed: tuple[RealmName, RealmName] | None) -> None:
        self.claims: list[RealmName] = []
        self.puts: list[Put] = []
        self.receipts: list[Receipt] = []
        self.schemas: dict[RealmName, dict[str, Document]] = {}
        self.touched: set[RealmName] = set()
        self._view = view
        self._heads: dict[RealmName, Revision | None] = {}
        if renamed is not None:
            self._rename(*renamed)

    def _rename(self, old: RealmName, new: RealmName) -> None:
        moved = self._view.head(old)
        _refuse_moved(moved)
        if self._view.head(new).revision is not None:
            raise InvalidArgument(f"realm {new} has a history of its own")
        if new.folded != old.folded:
            self._claim(new)
        self._heads[new] = moved.revision
        if moved.revision is not None:
            self._touch(moved.revision, None)

    def _claim(self, realm: RealmName) -> None:
        if self._view.twin(realm):
            raise case_twin(realm)
        self.claims.append(realm)

    def take(self, judgement: Judgement) -> None:
        """Add what one judgement writes."""
        write, decision = judgement.write, judgement.decision
        realm = write.realm
        head = self._view.head(realm)
        _refuse_moved(head)
        if not isinstance(decision, Append):
            if write.write_id_given:
                self.receipts.append(_receipt(judgement, "unchanged", head.generation))
            return
        revision = decision.revision
        before = self._heads.get(realm, head.revision)
        if before is None:
            self._claim(realm)
        elif revision.generation <= before.generation:
            raise GenerationConflict(revision.generation - 1, before.generation, realm=realm)
        self._touch(before, revision)
        self._heads[realm] = revision
        self.puts.append(
            Put(
                realm=realm,
                revision=revision,
                packed=pack(revision, decision.canonical),
                parent=_parent(revision),
            )
        )
        if decision.schemas:
            self.schemas.setdefault(realm, {}).update(decision.schemas)
        self.receipts.append(_receipt(judgement, "committed", revision.generation))

    def _touch(self, before: Revision | None, after: Revision | None) -> None:
        """Whose children change with a step of one realm."""
        parents = (_parent(before), _parent(after))
        if parents[0] != parents[1]:
            self.touched.update(parent for parent in parents if parent is not None)


def _parent(revision: Revision | None) -> RealmName | None:
    return None if revision is None else parent_of(revision.realm, revision.document)


def _refuse_moved(head: Head) -> None:
    if head.moved_to is not None:
        raise RealmMoved(head.moved_to, realm=head.realm)


def _receipt(judgement: Judgement, outcome: str, generation: int) -> Receipt:
    write = judgement.write
    return Receipt(
        realm=write.realm,
        write_id=write.write_id,
        request=judgement.request,
        outcome=outcome,
        generation=generation,
    )


def applied(judgements: Sequence[Judgement], changes: Changes, view: Noting) -> list[Applied]:
    """What *judgements* came to, once *changes* are committed."""
    found = []
    for judgement in judgements:
        realm, decision = judgement.write.realm, judgement.decision
        before = view.head(realm)
        if isinstance(decision, Append):
            revision = decision.revision
            head = Head(
                realm=realm, revision=revision, floor=_floor(realm, revision, changes, view)
            )
        else:
            head = before
        found.append(Applied(write=judgement.write, decision=decision, head=head))
    return found


def _floor(realm: RealmName, revision: Revision, changes: Changes, view: Noting) -> int:
    if changes.renamed is not None and realm in changes.renamed:
        old, new = changes.renamed
        return view.head(old).floor if realm == new else revision.generation
    before = view.head(realm)
    return revision.generation if before.revision is None else before.floor
