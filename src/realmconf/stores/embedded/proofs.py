"""
What a session has proved of its heads, and how that is taken back.

A proof of one realm compares the realm's own slot, a proof of several the word that announces every commit
(``counters``).  Each looks through a slice of the mapped words, and is taken back by releasing the slice.
Proofs of several realms look through one slice in common: whatever ends one of them ends all, at one price for
ten thousand as for two, and each is had again for a few comparisons.
"""

from __future__ import annotations

from realmconf.stores.embedded.counters import ANNOUNCED, in_order
from realmconf.stores.protocol import Proof

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from realmconf.domain.names import RealmName
    from realmconf.stores.protocol import Head


class Proofs:
    """
    The proofs of one session.  Thread-safe without a lock: every proof is taken out before it is released, and
    only one thread gets it out.
    """

    __slots__ = ("_common", "_joined", "of_one")

    def __init__(self) -> None:
        self.of_one: dict[str, Proof] = {}
        """By realm; an entry may have been overtaken by a commit: then its word has moved."""
        self._joined: set[str] = set()
        """Realms that a proof of several may speak of."""
        self._common: list[memoryview] = []
        """What proofs of several look through: one slice, or a few where threads asked at once."""

    def proved(self, realm: str) -> Proof | None:
        """The proof of *realm*'s head, if it holds."""
        proof = self.of_one.get(realm)
        try:
            if proof is not None and proof.words[0] == proof.mark:
                return proof
        except ValueError:  # taken back by another thread at this moment
            pass
        return None

    def of(self, realms: Sequence[RealmName], words: memoryview) -> Proof | None:
        """The proof that the heads of *realms* are the newest, if the head of each is proved by itself."""
        if len(realms) == 1:
            return self.proved(realms[0])
        try:
            own = self.of_one[realms[0]]
            if own.words[0] != own.mark:
                # It was itself committed to, the common case: nothing else need be looked at.
                return None
            if not self._common:
                self._common.append(words[ANNOUNCED : ANNOUNCED + 1])
            # In this order, against that of `doubt`: what is taken back from here on takes back this slice, or
            # is missed below.
            common = self._common[-1]
            self._joined.update(realms)
            # The mark before the slots: a commit that is announced after this moves it, one that was announced
            # before has made its slots odd. Looked at the other way round, it might do neither.
            mark = common[0]
            in_order()
            heads: list[Head] = []
            for realm in realms:
                proof = self.of_one[realm]
                if proof.words[0] != proof.mark:
                    return None
                heads += proof.heads
        except (IndexError, KeyError, ValueError):  # not proved, or taken back at this moment
            return None
        return Proof(heads=tuple(heads), words=common, mark=mark)

    def keep(self, head: Head, words: memoryview, mark: int) -> None:
        """*head* was read after *mark*, which was even, was seen in *words*: a slice of its own for this proof."""
        proof = Proof(heads=(head,), words=words, mark=mark)
        self.replace(head, mark)
        while self.of_one.setdefault(head.realm, proof) is not proof:
            self.replace(head, mark)

    def replace(self, head: Head, mark: int) -> None:
        """Take back what was proved of the realm before *head* was read under *mark*."""
        before = self.of_one.pop(head.realm, None)
        if before is None:
            return
        _release(before.words)
        # A slot moves only with what is announced, which ends the proofs of several by itself.
        if before.mark == mark and before.heads[0] is not head and head.realm in self._joined:
            self._part()

    def doubt(self, realm: str) -> None:
        """Take back every proof that speaks of *realm*."""
        proof = self.of_one.pop(realm, None)
        if proof is not None:
            _release(proof.words)
        if realm in self._joined:
            self._part()

    def take_back(self) -> None:
        """Take back every proof."""
        for realm in tuple(self.of_one):
            self.doubt(realm)
        self._part()

    def _part(self) -> None:
        # Before the slices: who joins after this has one that is not among those below.
        self._joined.clear()
        while True:
            try:
                common = self._common.pop()
            except IndexError:
                return
            common.release()


def _release(words: Sequence[int]) -> None:
    words.release()  # type: ignore[attr-defined]
