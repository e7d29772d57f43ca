"""
What handles of a simulated engine do besides the verbs of one realm, and what must be true of it at every step.

Relatives: a parent is there when a child comes to name it, a child fits its parent's schema when it is written, and a
parent that ends because nobody names it is named by nobody.  Changes of mind: what was refused is never there.  The
same request again, from anybody: it is there once, and every answer is the first one's.
"""

from __future__ import annotations

from realmconf.domain.lineage import parent_of
from realmconf.domain.names import RealmName
from realmconf.errors import (
    LockTimeout,
    OutcomeUnknown,
    RealmconfError,
    StoreUnavailable,
    WriteIdVoid,
)
from realmconf.stores.protocol import MINTED
from realmconf.testing.conformance.base import appending

TYPE_CHECKING = False
if TYPE_CHECKING:
    import random
    from collections.abc import Callable, Iterator, Sequence
    from typing import Any

    from realmconf.domain.revision import Revision
    from realmconf.runtime.client import Client
    from realmconf.stores.protocol import Judgement, ReadView
    from realmconf.testing.modelengine import ModelEngine
    from realmconf.testing.modelengine.state import State

PARENTS = (RealmName("parent-one"), RealmName("parent-two"))
CHILDREN = (RealmName("child-one"), RealmName("child-two"), RealmName("child-three"))
MOODS = RealmName("moods")
AGAIN = RealmName("again")
WANDERING = "wandering"
CHILDLESS = "childless-"

COMMITTED, REFUSED, UNKNOWN = "committed", "refused", "unknown"


class ChangedMindError(Exception):
    """Raised by a caller's own change."""


class HasChildrenError(Exception):
    """Raised by a judgement that ends a parent only when nobody names it."""


class Watchful:
    """Looks at every step of the engine, and remembers what callers were told."""

    def __init__(self, engine: ModelEngine) -> None:
        self._engine = engine
        self._wrong: list[str] = []
        self.answers: dict[str, list[tuple[str, object]]] = {}
        """By the mark of a write: what its callers were told, and with which generation."""
        self._plain_step = engine.step
        engine.step = self._step  # type: ignore[method-assign]

    def told(self, mark: str, outcome: str, generation: object = None) -> None:
        """Somebody was told this of the write that is called *mark*."""
        self.answers.setdefault(mark, []).append((outcome, generation))

    def _step(self, state: State) -> None:
        before = self._engine.state
        for name in (*PARENTS, *CHILDREN):
            was, now = before.head(name).revision, state.head(name).revision
            if now is not None and now is not was:
                self._wrong += self._wrong_with(was, now, state)
        self._plain_step(state)

    def _wrong_with(self, was: Revision | None, now: Revision, state: State) -> Iterator[str]:
        if now.write_id.startswith(CHILDLESS):
            for child in CHILDREN:
                head = state.head(child).revision
                if head is not None and parent_of(child, head.document) == now.realm:
                    yield f"{now.realm} ended as childless at {now.generation} and is named by {child}"
        parent = parent_of(now.realm, now.document)
        if now.document is None or parent is None:
            return
        above = state.head(parent).revision
        is_there = above is not None and above.document is not None
        if not is_there and (was is None or parent_of(now.realm, was.document) != parent):
            yield f"{now.realm} came to name {parent} at {now.generation}, which is not there"
        if above is not None and is_there and above.schema_digest:
            maximum = state.schemas[above.schema_digest]["properties"]["n"]["maximum"]
            composed = {**(above.document or {}), **now.document}
            if composed.get("n", 0) > maximum:
                yield f"{now.realm} has n = {composed['n']} at {now.generation} under a maximum of {maximum}"

    def findings(self) -> list[str]:
        """What was wrong, once all is quiet."""
        found = list(self._wrong)
        there: dict[str, list[int]] = {}
        for name, history in self._engine.state.histories.items():
            generations = [one.generation for one in history.revisions]
            if generations != list(range(generations[0], generations[0] + len(generations))):
                found.append(f"{name} has generations {generations}")
            for revision in history.revisions:
                there.setdefault(_mark_of(revision), []).append(revision.generation)
        for mark, answers in self.answers.items():
            outcomes = {outcome for outcome, _ in answers}
            generations = there.get(mark, [])
            if len(generations) > 1:
                found.append(f"{mark} is there {len(generations)} times: {generations}")
            if COMMITTED in outcomes and not generations:
                found.append(f"{mark} was acknowledged and is not there")
            if REFUSED in outcomes and generations:
                found.append(f"{mark} was refused and is at {generations}")
            told = {generation for outcome, generation in answers if outcome == COMMITTED}
            if len(told) > 1 or (generations and told - {None} - set(generations)):
                found.append(f"{mark} was answered {told} and is at {generations}")
        return found


def _mark_of(revision: Revision) -> str:
    """What its writer calls it: by the id that it gave, or by the mark in what it wrote."""
    if revision.write_id.startswith(MINTED) and revision.kind != "rename":
        return str((revision.document or {}).get("mark", revision.write_id))
    return (
        f"renamed-{revision.realm}-{revision.generation}"
        if revision.kind == "rename"
        else revision.write_id
    )


class Kin:
    """One handle's doings."""

    def __init__(
        self, client: Client, name: str, chance: random.Random, watchful: Watchful
    ) -> None:
        self._client = client
        self._name = name
        self._chance = chance
        self._watchful = watchful
        self._marks = 0

    def act(self) -> None:
        """Go on until somebody ends it."""
        doings = (
            *(self.bear, self.bear, self.grow, self.grow, self.limit, self.end_childless),
            *(self.change_mind, self.change_mind, self.ask_again, self.ask_again, self.wander),
        )
        while True:
            try:
                self._chance.choice(doings)()
            except (StoreUnavailable, LockTimeout):
                continue

    def _mark(self) -> str:
        self._marks += 1
        return f"{self._name}-{self._marks}"

    def _try(self, mark: str, act: Callable[[], Any]) -> None:
        """Tell what became of it, if it was a caller's business alone."""
        try:
            done = act()
        except OutcomeUnknown:
            self._watchful.told(mark, UNKNOWN)
        except (RealmconfError, ChangedMindError, HasChildrenError):
            self._watchful.told(mark, REFUSED)
        else:
            has_changed = getattr(done, "changed", True)
            generation = getattr(done, "generation", None)
            self._watchful.told(mark, COMMITTED if has_changed else REFUSED, generation)

    def _options(self, mark: str) -> dict[str, Any]:
        # Given or minted; patient, or gone before it can be found out.
        given = {"write_id": mark} if self._chance.random() < 0.5 else {}
        return {**given, "timeout": self._chance.choice([0.002, 0.02, 20.0])}

    # --- relatives -----------------------------------------------------------------------------

    def bear(self) -> None:
        """A parent, where there is none; or a child that names one, and maybe another one than before."""
        mark = self._mark()
        if self._chance.random() < 0.4:
            parent = self._client.realm(self._chance.choice(PARENTS))
            self._try(
                mark, lambda: parent.set({"mark": mark, "n": 0}, create=True, **self._options(mark))
            )
            return
        name = self._chance.choice(CHILDREN)
        section = {name: {"parent": self._chance.choice(PARENTS)}}
        child = self._client.realm(name)
        patch = {"mark": mark, "realm": section}
        self._try(mark, lambda: child.patch(patch, **self._options(mark)))

    def grow(self) -> None:
        """A child's number, by a patch."""
        mark = self._mark()
        child = self._client.realm(self._chance.choice(CHILDREN))
        patch = {"mark": mark, "n": self._chance.randrange(10)}
        self._try(mark, lambda: child.patch(patch, **self._options(mark)))

    def limit(self) -> None:
        """A parent's schema, which says how high its children's numbers may be."""
        mark = self._mark()
        parent = self._client.realm(self._chance.choice(PARENTS))
        schema = {"properties": {"n": {"maximum": self._chance.randrange(10)}}}
        self._try(
            mark,
            lambda: parent.set_schema(
                schema, write_id=mark, timeout=self._chance.choice([0.02, 20])
            ),
        )

    def end_childless(self) -> None:
        """A parent ends, if nobody names it."""
        mark = CHILDLESS + self._mark()
        name = self._chance.choice(PARENTS)

        def judge(view: ReadView) -> Sequence[Judgement]:
            children = [
                child
                for child in view.children(name)
                if parent_of(child, getattr(view.head(child).revision, "document", None)) == name
            ]
            if children or view.head(name).revision is None:
                raise HasChildrenError
            return appending(name, None, write_id=mark)(view)

        deadline = self._client.deadline(20.0)
        self._try(mark, lambda: self._client.store.apply([name], judge, deadline=deadline) and None)

    # --- changes of mind -------------------------------------------------------------------------

    def change_mind(self) -> None:
        """A change that may refuse itself, at each judgement anew."""
        mark = self._mark()

        def change(draft: dict[str, Any]) -> None:
            if self._chance.random() < 0.5:
                raise ChangedMindError
            draft["mark"] = mark

        realm = self._client.realm(MOODS)
        self._try(mark, lambda: realm.update(change, **self._options(mark)))

    # --- again -------------------------------------------------------------------------------------

    def ask_again(self) -> None:
        """A request under its id, perhaps one that somebody has sent before; or what became of it."""
        marks = [mark for mark in self._watchful.answers if mark.startswith("again-")]
        mark = (
            self._chance.choice(marks[-5:])
            if marks and self._chance.random() < 0.7
            else f"again-{self._mark()}"
        )
        realm = self._client.realm(AGAIN)
        if self._chance.random() < 0.2 and marks:
            settled = realm.settle(mark)
            outcome = {"Committed": COMMITTED, "Void": REFUSED}.get(type(settled).__name__, UNKNOWN)
            self._watchful.told(mark, outcome, getattr(settled, "generation", None))
            return
        timeout = self._chance.choice([0.002, 0.02, 20.0])
        try:
            done = realm.patch({"mark": mark}, write_id=mark, timeout=timeout)
        except WriteIdVoid:
            self._watchful.told(mark, REFUSED)
        except (OutcomeUnknown, StoreUnavailable, LockTimeout):
            # It may be known from before.
            self._watchful.told(mark, UNKNOWN)
        else:
            self._watchful.told(mark, COMMITTED, done.generation)

    # --- wandering -----------------------------------------------------------------------------------

    def wander(self) -> None:
        """A realm changes its name, or is written under the name that it has now."""
        names = sorted(
            entry.realm
            for entry in self._client.realms()
            if entry.realm.startswith(WANDERING) and entry.exists
        )
        mark = self._mark()
        if not names:
            realm = self._client.realm(f"{WANDERING}-{mark}")
            self._try(mark, lambda: realm.set({"mark": mark}, **self._options(mark)))
            return
        realm = self._client.realm(self._chance.choice(names))
        if self._chance.random() < 0.7:
            self._try(
                mark,
                lambda: realm.patch({"mark": mark}, must_exist=True, **self._options(mark)),
            )
            return
        try:
            self._client.rename(realm.realm_id, f"{WANDERING}-{mark}", timeout=20.0)
        except RealmconfError:
            # Somebody else has renamed it.
            return
