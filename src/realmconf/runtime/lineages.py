"""
Points: the heads of a realm's whole chain, all of one moment, and what they compose to.

Decides how a consistent point is had and when a known one is as good as a new one.  What a chain is
and what it composes to is decided in ``domain``; whether a head is the newest, in the store.
"""

from __future__ import annotations

from weakref import WeakKeyDictionary

from realmconf.domain.composition import Composer
from realmconf.domain.document import same
from realmconf.domain.lineage import own_section, parent_of, resolve, schemas_in_reach
from realmconf.domain.names import GLOBAL
from realmconf.domain.revision import DIGEST_SHOWN, GENESIS
from realmconf.domain.schemas.shape import NOTHING, Shape
from realmconf.errors import HistoryCompacted, InvalidArgument, RealmMoved, RevisionNotFound
from realmconf.runtime.trail import Trail
from realmconf.stores.protocol import Head, far

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from typing import Any

    from realmconf.domain.composition import Composed
    from realmconf.domain.document import Document
    from realmconf.domain.lineage import Chain
    from realmconf.domain.names import Limits, RealmName
    from realmconf.domain.revision import Revision
    from realmconf.domain.secrets import Secrecy
    from realmconf.domain.write import Append
    from realmconf.errors import LineageError
    from realmconf.stores.protocol import ReadView, Seen, Store

POINTS_KEPT = 4_096
SCHEMAS_KEPT = 1_024


class Point:
    """
    A realm and those it inherits from, as they stood at one moment.

    ``heads`` and ``names`` are the members, the realm itself first; ``watched`` also names those on which it depends
    that are not there, and ``watched_heads`` are their heads, in the same order.
    """

    __slots__ = ("_composed", "_lineages", "heads", "names", "problem", "watched", "watched_heads")

    def __init__(
        self,
        lineages: Lineages,
        chain: Chain,
        watched_heads: tuple[Any, ...],
    ) -> None:
        self._lineages = lineages
        self.heads: tuple[Any, ...] = chain.heads
        self.names: tuple[RealmName, ...] = chain.names
        self.watched: tuple[RealmName, ...] = chain.watched
        self.watched_heads = watched_heads
        self.problem: LineageError | HistoryCompacted | RealmMoved | None = (
            chain.problem or _moved_from(chain)
        )
        self._composed: Composed | None = None

    def going_on(self, head: Any) -> Point:
        """This point with a newer *head* of its realm, which inherits from the same realms as before."""
        point = Point.__new__(Point)
        point._lineages = self._lineages
        point.heads = (head, *self.heads[1:])
        point.names = self.names
        point.watched = self.watched
        point.watched_heads = (head, *self.watched_heads[1:])
        point.problem = self.problem
        point._composed = None
        return point

    @property
    def head(self) -> Any:
        """The realm's own."""
        return self.heads[0]

    @property
    def realm(self) -> RealmName:
        """Whose point it is."""
        return self.names[0]

    @property
    def inherits_nothing(self) -> bool:
        """Whether no realm on which it depends was ever written."""
        return all(head.generation == 0 for head in self.watched_heads[1:])

    @property
    def composed(self) -> Composed:
        """
        What the realm's readers see.

        Raises:
            LineageCycle, LineageTooDeep, ParentNotFound: The chain cannot be used.
            HistoryCompacted: What a member stated then is erased.
            RealmMoved: One that it inherits from lives in another store.
        """
        if self.problem is not None:
            raise self.problem
        if self._composed is None:
            self._composed = self._lineages.composer.compose(self.heads, self.names)
        return self._composed

    def compose_with(self, composer: Composer) -> None:
        """Let *composer* make what ``composed`` gives, instead of the one that remembers for everybody."""
        self._composed = composer.compose(self.heads, self.names)

    @property
    def marks(self) -> tuple[str, ...]:
        """Each watched realm's generation and digest: what a cursor of the effective view is made of."""
        return tuple(
            f"{name}@{etag_of(head.revision)}"
            for name, head in zip(self.watched, self.watched_heads, strict=True)
        )


def _is_of(point: Point, chain: Chain, heads: Mapping[RealmName, Head]) -> bool:
    """Whether *point* is of these very heads."""
    return point.watched == chain.watched and all(
        head is heads.get(name)
        for name, head in zip(point.watched, point.watched_heads, strict=True)
    )


def _moved_from(chain: Chain) -> RealmMoved | None:
    """Why there is no composition where somebody that the realm inherits from lives in another store."""
    for name, head in zip(chain.names[1:], chain.heads[1:], strict=True):
        moved_to = getattr(head, "moved_to", None)
        if moved_to is not None:
            return RealmMoved(moved_to, realm=name)
    return None


def etag_of(revision: Revision | None) -> str:
    """``<generation>-<digest12>``; of a realm never written ``0-000000000000``."""
    if revision is None:
        return f"0-{GENESIS[:DIGEST_SHOWN]}"
    return f"{revision.generation}-{revision.digest[:DIGEST_SHOWN]}"


class Lineages:
    """The points, compositions and schemas of one client. Thread-safe: what one overwrites is only made again."""

    def __init__(self, store: Store, *, limits: Limits) -> None:
        self._store = store
        self._far = far(store)
        self._limits = limits
        self._points: dict[RealmName, Point] = {}
        self._among: dict[RealmName, tuple[Mapping[RealmName, Head], Point]] = {}
        self._seen: WeakKeyDictionary[Seen, Point] = WeakKeyDictionary()
        self._schemas: dict[str, Document] = {}
        self._secrecies: dict[tuple[RealmName, tuple[str, ...]], Secrecy] = {}
        self.composer = Composer(self.schema)
        self.trail = Trail()
        """The steps that watchers have gone, for those who come after them."""

    # --- points -------------------------------------------------------------------------

    def point(self, realm: RealmName, *, adopt: bool = True) -> Point:
        """The newest point of *realm*; the same object as long as nothing in it has changed."""
        store = self._store
        found: dict[RealmName, Head] = {}
        if self._far is not None:
            # Where asking takes a while, it is asked for all of them at once.
            return self.point_among(realm, self._far.lineage(realm))

        known = self._points.get(realm)
        if known is not None and realm != GLOBAL:
            head = found[realm] = store.head(realm, adopt=adopt)
            point = self._gone_on(known, head)
            if point is not None:
                return point

        def head_of(name: RealmName) -> Head:
            head = found.get(name)
            if head is None:
                head = found[name] = store.head(name, adopt=adopt)
            return head

        chain = resolve(realm, head_of, limits=self._limits)
        if not self._is_one_point(chain, found):
            # They were read one after the other, and nothing in memory shows that they stood together.
            own = found[realm]
            found.clear()
            with store.view() as view:
                chain = resolve(
                    realm, lambda name: found.setdefault(name, view.head(name)), limits=self._limits
                )
            if own.warnings and _same(own.revision, found[realm].revision):
                found[realm] = own
        return self._kept(chain, found)

    def point_among(self, realm: RealmName, heads: Mapping[RealmName, Head]) -> Point:
        """
        The point of *realm* among *heads* of one moment; the same object as long as they are the same.

        *heads* do not change any more.
        """
        known = self._among.get(realm)
        if known is not None and known[0] is heads:
            return known[1]
        found = dict(heads)

        def head_of(name: RealmName) -> Head:
            return found.setdefault(name, Head(realm=name, revision=None))

        point = self._kept(resolve(realm, head_of, limits=self._limits), found)
        if len(self._among) >= POINTS_KEPT:
            self._among.clear()
        self._among[realm] = (heads, point)
        return point

    def point_seen(self, realm: RealmName, seen: Seen) -> Point:
        """The point of *realm* in what a store has heard of it; the same object for all who look."""
        point = self._seen.get(seen)
        if point is None:
            heads = seen.heads
            chain = resolve(
                realm,
                lambda name: heads.get(name) or Head(realm=name, revision=None),
                limits=self._limits,
            )
            known = self._points.get(realm)
            if known is not None and _is_of(known, chain, heads):
                point = known
            else:
                point = self.of_chain(
                    chain, lambda name: heads.get(name) or Head(realm=name, revision=None)
                )
            self._seen[seen] = point
        return point

    def peek(self, realm: RealmName) -> Point | None:
        """The known point of *realm* if it can be proved without I/O, else None."""
        known = self._points.get(realm)
        peek = self._store.peek
        if known is None:
            return None
        for name, head in zip(known.watched, known.watched_heads, strict=True):
            if peek(name) is not head:
                return None
        return known

    def point_of(self, head_of: Callable[[RealmName], Any], realm: RealmName) -> Point:
        """The point of *realm* among heads of one moment."""
        found: dict[RealmName, Any] = {}

        def noted(name: RealmName) -> Any:
            # Nobody is asked for twice: the names of a chain differ.
            head = found[name] = head_of(name)
            return head

        chain = resolve(realm, noted, limits=self._limits)
        return Point(self, chain, tuple(found[name] for name in chain.watched))

    def of_chain(self, chain: Chain, head_of: Callable[[RealmName], Any]) -> Point:
        """The point of a chain that was resolved among the heads that *head_of* gives."""
        return Point(self, chain, tuple(head_of(name) for name in chain.watched))

    def _gone_on(self, known: Point, head: Head) -> Point | None:
        """
        The point of *known*'s realm, now at *head*, if nobody else of it has changed; None if somebody may have.

        What follows most commits: the chain is the same, and need not be followed again.
        """
        revision = head.revision
        if known.problem is not None or known.watched[1] != (
            (revision and parent_of(revision.realm, revision.document)) or GLOBAL
        ):
            return None
        peek = self._store.peek
        # The others were known before the head was read, and are unchanged after it: they stood together.
        for name, other in zip(known.watched[1:], known.watched_heads[1:], strict=True):
            if peek(name) is not other:
                return None
        if head is known.heads[0]:
            return known
        point = self._points[known.watched[0]] = known.going_on(head)
        return point

    def _is_one_point(self, chain: Chain, found: dict[RealmName, Head]) -> bool:
        """Whether the heads of *chain*, collected one after the other, stood together at one moment."""
        others = chain.watched[1:]
        if not others or all(name == GLOBAL and found[name].generation == 0 for name in others):
            # What was never written by the end had not been written at the beginning.
            return True
        peek = self._store.peek
        # Each was known before the first of these looks, and is unchanged in one after it.
        return all(peek(name) is found[name] for name in chain.watched)

    def _kept(self, chain: Chain, found: dict[RealmName, Head]) -> Point:
        known = self._points.get(chain.names[0])
        if known is not None and _is_of(known, chain, found):
            return known
        point = Point(self, chain, tuple(found[name] for name in chain.watched))
        if len(self._points) >= POINTS_KEPT:
            self._points.clear()
        self._points[chain.names[0]] = point
        return point

    # --- then -----------------------------------------------------------------------------

    def then(self, view: ReadView, realm: RealmName, position: int) -> Point:
        """
        The point of *realm* as it was at a *position* in the store's order of commits.

        Raises:
            HistoryCompacted: What a member stated then is gone.
        """

        def head_of(name: RealmName) -> Head:
            return Head(realm=name, revision=view.as_of(name, position))

        return self.point_of(head_of, realm)

    def point_at(self, view: ReadView, realm: RealmName, generation: int | None) -> Point:
        """
        The point of *realm* at one of its generations, or now if none is named.

        Now, too, where that generation is gone: a write against it is refused in any case.

        Raises:
            InvalidArgument: An ancestor went on under that generation, so that it does not tell which point is meant.
        """
        newest = self.point_of(view.head, realm)
        if generation is None or (generation == newest.head.generation and newest.inherits_nothing):
            return newest
        is_newest = generation >= newest.head.generation
        try:
            begun = view.position(realm, generation) if generation else 0
            ended = None if is_newest else view.position(realm, generation + 1) - 1
        except (RevisionNotFound, HistoryCompacted):
            return newest
        try:
            first = self.then(view, realm, begun) if generation else self.never(realm)
            last = newest if ended is None else self.then(view, realm, ended)
            is_one = _is_one_composition(first, last)
        except HistoryCompacted:
            # What an ancestor stated then is gone, and nobody can tell.
            is_one = False
        if not is_one:
            raise InvalidArgument(
                f"generation {generation} of realm {realm} has been several configurations, as far as is known, "
                "since a realm that it inherits from went on: name the snapshot the model came from as base"
            )
        return last

    def never(self, realm: RealmName) -> Point:
        """The point of a realm before anything was written."""
        return self.point_of(lambda name: Head(realm=name, revision=None), realm)

    def instead(self, point: Point, revision: Revision | None) -> Point:
        """*point*, had its realm stood at *revision*; whom it does not know is asked for now."""
        known = dict(zip(point.watched, point.watched_heads, strict=True))
        known[point.realm] = Head(realm=point.realm, revision=revision)

        def head_of(name: RealmName) -> Any:
            return known.get(name) or self._store.head(name, adopt=False)

        return self.point_of(head_of, point.realm)

    # --- schemas and secrecy ----------------------------------------------------------------

    def schema(self, digest: str) -> Document:
        """The schema with this digest, which never changes."""
        found = self._schemas.get(digest)
        if found is None:
            with self._store.view() as view:
                found = view.schema(digest)
            self.remember(digest, found)
        return found

    def remember(self, digest: str, schema: Document) -> None:
        """Keep a schema that is at hand."""
        if len(self._schemas) >= SCHEMAS_KEPT:
            self._schemas.clear()
        self._schemas[digest] = schema

    def secrecy(self, realm: RealmName, view: ReadView | None = None) -> Secrecy:
        """
        What is secret in *realm*: by name, by place, and by every schema that it and its ancestors ever had.
        """
        if view is None:
            with self._store.view() as opened:
                return self.secrecy(realm, opened)
        digests = self.schemas_of(realm, view)
        known = self._secrecies.get((realm, digests))
        if known is None:
            known = self._secrecy(realm, digests, view)
            if len(self._secrecies) >= POINTS_KEPT:
                self._secrecies.clear()
            self._secrecies[realm, digests] = known
        return known

    def secrecy_once(
        self, realm: RealmName, point: Point, *, others: Sequence[RealmName] = ()
    ) -> Secrecy:
        """
        What is secret in *realm* and would be, once it stood at *point*, with values of *others* in it.

        For a plan: a parent that is only tried, or the realm that a copy would be made of, brings its secrets along.
        """
        from realmconf.domain.secrets import Secrecy

        with self._store.view() as view:
            digests = dict.fromkeys(
                digest
                for name in (*others, *reversed(point.watched), realm)
                for digest in self.schemas_of(name, view)
            )
            schemas = self.schemas_in(view, tuple(digests))
        if point.problem is None:
            schemas |= dict(point.composed.schemas)
        shape = Shape.of(list(schemas.values()))
        return Secrecy(realm=realm, shape=shape, key=self._store.request_key)

    def shape(self, realm: RealmName, view: ReadView) -> Shape:
        """What the schemas at or above *realm* say of its configuration; nothing, if its parents cannot be used."""
        point = self.point_of(view.head, realm)
        return NOTHING if point.problem is not None else point.composed.shape

    def keeping_secrets(self, decision: Append, view: ReadView) -> Append:
        """
        *decision*, which *view* does not have yet, with all that the realm's chain ever knew of secrets.

        A realm that leaves its chain, or ends, takes the schemas of its ancestors along: what they called
        secret stays so in what it has stated.
        """
        before, revision = decision.head, decision.revision
        if before is None or before.document is None:
            return decision
        realm = revision.realm
        if revision.document is not None and own_section(realm, before.document) == own_section(
            realm, revision.document
        ):
            return decision
        inherited = self.schemas_of(realm, view)
        if not inherited:
            return decision
        taken = self.schemas_in(view, inherited)
        return decision.replace(schemas={**taken, **decision.schemas})

    def schemas_in(self, view: ReadView, digests: Sequence[str]) -> dict[str, Document]:
        """Schemas by their digests."""
        return {digest: self._schema_in(view, digest) for digest in digests}

    def _schema_in(self, view: ReadView, digest: str) -> Document:
        found = self._schemas.get(digest)
        if found is None:
            found = view.schema(digest)
            self.remember(digest, found)
        return found

    def schemas_of(self, realm: RealmName, view: ReadView) -> tuple[str, ...]:
        """The digests of every schema that *realm*, its ancestors and ``global`` ever had, the root's first."""
        return schemas_in_reach(realm, view, limits=self._limits)

    def _secrecy(self, realm: RealmName, digests: Sequence[str], view: ReadView) -> Secrecy:
        from realmconf.domain.secrets import Secrecy

        shape = Shape.of(list(self.schemas_in(view, digests).values()))
        return Secrecy(realm=realm, shape=shape, key=self._store.request_key)


def _is_one_composition(first: Point, last: Point) -> bool:
    """Whether a realm, between two points of one generation of its own, was composed to the same all the time."""
    before, after = (
        dict(zip(point.watched, [head.generation for head in point.watched_heads], strict=True))
        for point in (first, last)
    )
    if before == after:
        return True
    if first.problem is not None or last.problem is not None or before.keys() != after.keys():
        return False
    steps = sum(after[name] - before[name] for name in before)
    if not any(before.values()):
        # Before the first thing that it inherits there was nothing that a model could have been read from.
        return bool(steps <= 1)
    # With more than one step in between, what it was in the middle may differ from both ends.
    return steps == 1 and same(first.composed.config, last.composed.config)


def _same(one: Revision | None, other: Revision | None) -> bool:
    if one is None or other is None:
        return one is other
    return one.digest == other.digest
