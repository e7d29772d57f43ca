"""
What can be known from what an engine tells unasked, so that those who watch need not ask.

Decides when a told head may stand for an answer: nothing was missed since the last answer about the realm, and the
head is the one revision behind the one that is remembered.  Nothing else is ever concluded; whatever does not fit so is
for the caller to ask.

Why that is enough: an answer has all that was committed before it was asked for.  If from then on each write names the
one that was told of just before it, none is missing; so what is remembered, with what a write says that it has changed,
is what stood right after that write, for a realm and all that it depends on.  A write that was lost, late, repeated, or
from before a store was set back names another one, and then only answers asked for later count again.
"""

from __future__ import annotations

import time

from realmconf.domain.lineage import resolve
from realmconf.stores.engine.packing import unpack
from realmconf.stores.protocol import Head

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from realmconf.domain.names import Limits, RealmName
    from realmconf.domain.revision import Revision
    from realmconf.stores.engine.known import Known
    from realmconf.stores.engine.ledger import News, Told
    from realmconf.stores.followed import Followed


class Hearing:
    """What one store hears; used by one thread at a time."""

    def __init__(self, followed: Followed, known: Known, limits: Limits) -> None:
        self._followed = followed
        self._known = known
        self._limits = limits
        self._last: int | None = None
        """The version of the last write that was told of."""
        self._since = 0.0
        """From when on nothing is missing, up to that one."""

    def begin(self) -> None:
        """Anything may have been missed up to now."""
        self._last, self._since = None, time.monotonic()

    def hear(self, news: News) -> Sequence[RealmName]:
        """Remember what *news* tells; whom it concerns without telling enough, and who is to be asked for."""
        if news.before is None or news.before != self._last:
            self._since = time.monotonic()
        self._last = news.version
        concerned = self._followed.concerned(news.realms)
        untold = [realm for realm in concerned if not self._is_told(realm, news)]
        self._followed.outdate(untold)
        return untold

    def _is_told(self, realm: RealmName, news: News) -> bool:
        version = news.version
        standing = self._followed.standing(realm, since=self._since)
        if standing is None or version is None:
            return False
        if version <= standing.position:
            # It is in the answer that is remembered, which was asked for after the last gap.
            return True
        heads = dict(standing.seen.heads)
        for name in news.realms & heads.keys():
            head = self._head(name, heads[name], news)
            if head is None:
                return False
            heads[name] = head
        if set(self._watched(realm, heads)) != heads.keys():
            # It has other parents now.
            return False
        return self._followed.go_on(realm, standing, heads, version)

    def _watched(self, realm: RealmName, heads: Mapping[RealmName, Head]) -> Sequence[RealmName]:
        def head_of(name: RealmName) -> Head:
            return heads.get(name) or Head(realm=name, revision=None)

        return resolve(realm, head_of, limits=self._limits).watched

    def _head(self, name: RealmName, before: Head, news: News) -> Head | None:
        """The head that *news* tells of, if it is the one right behind *before*."""
        told = news.heads.get(name)
        if told is None or before.moved_to is not None or told.floor not in {None, before.floor}:
            return None
        last, revision = before.revision, self._revision(name, told)
        if last is None or (revision.generation, revision.previous) != (
            last.generation + 1,
            last.digest,
        ):
            return None
        known = self._known.recall(name)
        if known is not None and known.head.revision is revision and known.version == news.version:
            return known.head
        assert news.version is not None
        head = Head(realm=name, revision=revision, floor=before.floor)
        return self._known.note(name, news.version, head).head

    def _revision(self, name: RealmName, told: Told) -> Revision:
        known = self._known.recall(name)
        if known is not None and known.head.revision is not None:
            revision = known.head.revision
            if revision.digest == told.digest:
                # Whoever has written it here, or was told of it for another one.
                return revision
        return unpack(told.packed)
