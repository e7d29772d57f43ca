"""
Judging a text against the record, and committing an edit as a revision of its own.

Decides who is the author of a hand edit and what its revision says; what the text
means is decided in ``domain.workfile``, whether it may stand in ``stores.admission``.
"""

from __future__ import annotations

from realmconf.domain import workfile
from realmconf.domain.names import LIMITS
from realmconf.domain.revision import GENESIS, Policy, seal
from realmconf.domain.write import Append
from realmconf.errors import HistoryCompacted, RevisionNotFound
from realmconf.stores.admission import Gate
from realmconf.stores.embedded import workrecord
from realmconf.stores.embedded.files import digest_of
from realmconf.stores.owner import name_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from realmconf.domain.document import Document
    from realmconf.domain.names import Limits, RealmName
    from realmconf.domain.revision import Revision
    from realmconf.domain.workfile import Verdict
    from realmconf.stores.embedded.workhost import Reading, Writing
    from realmconf.stores.protocol import Head

REVISIONS_SEARCHED = 64
"""How far back an adoption looks for a write that it puts back."""


class Adopter:
    """Judges texts, and takes in those that are edits."""

    def __init__(
        self,
        stamp: Callable[[], tuple[str, str]],
        request_key: Callable[[], bytes],
        *,
        limits: Limits = LIMITS,
    ) -> None:
        self._stamp = stamp
        self._limits = limits
        self._gate = Gate(request_key, limits=limits)

    def judge(
        self, rows: Reading, head: Head, *, content: bytes, digest: bytes, seen: int | None
    ) -> Verdict:
        """What *content* means; *seen* is the generation its file was last known to be in step with."""
        realm = head.realm
        verdict = workfile.judge(
            workfile.Observation(
                realm=realm,
                text=content,
                known=workrecord.known(rows.connection, realm, digest),
                head=None if head.revision is None else head.revision.document,
                head_generation=head.generation,
                seen_generation=seen,
                rendered=()
                if seen is None
                else workrecord.rendered_since(rows.connection, realm, seen),
                shape=self._gate.shape(rows, realm),
            ),
            _revision_at(rows, realm),
            limits=self._limits,
        )
        return self._gate.admitted(rows, head, verdict)

    def base_document(
        self, rows: Reading, realm: RealmName, generation: int | None
    ) -> Document | None:
        """The document a contested edit was made against, if it is known and kept."""
        revision = None if generation is None else _revision_at(rows, realm)(generation)
        return None if revision is None or revision.purged else revision.document

    def commit_edit(
        self,
        turn: Writing,
        head: Head,
        verdict: Verdict,
        *,
        digest: bytes,
        text: str | None,
        owner: int,
    ) -> bool:
        """
        Commit an edit that *verdict* says is one; whether there was something to commit.

        *text* is what the next rendering starts from, *owner* whose file it was.
        """
        realm = head.realm
        if isinstance(verdict, workfile.Restyled):
            turn.commit(
                (),
                also=lambda connection: workrecord.take_in(
                    connection, realm, digest=digest, generation=head.generation, text=text
                ),
            )
            return True
        if not isinstance(verdict, workfile.Adopt) or head.generation >= self._limits.generation:
            return False
        revision = self._adoption(turn, head, verdict, digest=digest, owner=owner)
        turn.commit(
            [Append(revision=revision, schemas=self._gate.kept_by(turn, head, verdict.document))],
            also=lambda connection: workrecord.take_in(
                connection, realm, digest=digest, generation=revision.generation, text=text
            ),
        )
        return True

    def _adoption(
        self, turn: Writing, head: Head, verdict: workfile.Adopt, *, digest: bytes, owner: int
    ) -> Revision:
        created_at, salt = self._stamp()
        author = name_of(owner)
        previous = head.revision
        reverts: tuple[str, ...] = ()
        # Who names the base they had loaded cannot undo what came after it: that is contested.
        if previous is not None and verdict.restores is None and verdict.base is None:
            newest_first = turn.revisions(head.realm, limit=REVISIONS_SEARCHED, newest_first=True)
            reverts = workfile.reverts(verdict.document, newest_first, author=author)
        return seal(
            realm=head.realm,
            generation=head.generation + 1,
            kind="adopt",
            document=verdict.document,
            author=author,
            surface="file",
            write_id=f"adopt-{digest_of(salt.encode() + digest).hex()[:32]}",
            created_at=created_at,
            reverts=reverts,
            restores=verdict.restores,
            salt=salt,
            previous=GENESIS if previous is None else previous.digest,
            policy=Policy() if previous is None else previous.policy,
            schema_digest=None if previous is None else previous.schema_digest,
        )


def _revision_at(rows: Reading, realm: RealmName) -> Callable[[int], Revision | None]:
    def revision_at(generation: int) -> Revision | None:
        try:
            return rows.revision(realm, generation)
        except (RevisionNotFound, HistoryCompacted):
            return None

    return revision_at
