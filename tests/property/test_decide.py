"""``decide`` against a model that says the same in a few lines."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from tests.property.strategies import NEAR_DOCUMENTS
from tests.unit.history import TEAM, ListHistory

from realmconf.domain.document import same
from realmconf.domain.patch import merge
from realmconf.domain.revision import GENESIS, intact
from realmconf.domain.write import (
    Append,
    Command,
    Delete,
    MergePatch,
    Rollback,
    SetDocument,
    SetPolicy,
)
from realmconf.errors import (
    GenerationConflict,
    GenerationRequired,
    RealmconfError,
    RealmNotFound,
    RevisionNotFound,
)

PATCHES = st.dictionaries(
    st.sampled_from(["a", "b"]),
    st.one_of(
        st.none(),
        st.sampled_from([1, 1.0, True]),
        st.just({}),
        st.just({"c": None}),
        st.just({"c": 1}),
    ),
    max_size=2,
)
COMMANDS = st.one_of(
    st.builds(SetDocument, document=NEAR_DOCUMENTS),
    st.builds(MergePatch, patch=PATCHES),
    st.builds(Rollback, to=st.integers(0, 5)),
    st.builds(SetPolicy, changes=st.fixed_dictionaries({"require_generation": st.booleans()})),
    st.builds(Delete),
)
PRECONDITIONS = st.fixed_dictionaries(
    {},
    optional={"behind": st.integers(-1, 2), "create": st.booleans(), "must_exist": st.booleans()},
)
STEPS = st.lists(st.tuples(COMMANDS, PRECONDITIONS), max_size=12)


class Model:
    """A realm as a list of (document or None, whether a generation is required), and what a write does to it."""

    def __init__(self) -> None:
        self.states: list[tuple[dict[str, Any] | None, bool]] = []

    def write(
        self,
        command: Command,
        *,
        expected: int | None = None,
        create: bool = False,
        must_exist: bool = False,
    ) -> type[RealmconfError] | None:
        document, required = self.states[-1] if self.states else (None, False)
        if expected not in {None, len(self.states)}:
            return GenerationConflict
        if (create and document is not None) or (must_exist and document is None):
            return GenerationConflict
        if required and expected is None and not create:
            return GenerationRequired
        if isinstance(command, SetDocument):
            after: dict[str, Any] | None = command.document
        elif isinstance(command, MergePatch):
            after = merge(document or {}, command.patch)
            if document is None and not after:
                after = None
        elif isinstance(command, Rollback):
            if not 1 <= command.to <= len(self.states):
                return RevisionNotFound
            after = self.states[command.to - 1][0]
        elif not self.states:
            return RealmNotFound
        elif isinstance(command, SetPolicy):
            after, required = document, bool(command.changes["require_generation"])
        else:
            after = None
        was = self.states[-1] if self.states else (None, False)
        if not same([*was], [after, required]):
            self.states.append((after, required))
        return None


@given(STEPS)
def test_any_sequence_of_writes_goes_as_the_model_says(steps: list) -> None:
    """G1, G2, G5, G14: same verdicts, same documents, no gap, an intact chain; no-ops append nothing."""
    history, model = ListHistory(), Model()
    for command, stated in steps:
        preconditions = dict(stated)
        if "behind" in preconditions:
            preconditions["expected"] = max(0, len(model.states) - preconditions.pop("behind"))
        before = list(history.kept.get(TEAM, []))
        refusal = model.write(command, **preconditions)
        try:
            decision = history.write(command, **preconditions)
        except RealmconfError as error:
            assert type(error) is refusal  # noqa: PT017 - which refusal it is, is the claim
            assert history.kept.get(TEAM, []) == before
            continue
        assert refusal is None
        assert isinstance(decision, Append) == (len(model.states) > len(before))
        assert decision.head is (before[-1] if before else None)

    kept = history.kept.get(TEAM, [])
    assert [revision.generation for revision in kept] == list(range(1, len(model.states) + 1))
    previous = GENESIS
    for revision, (document, required) in zip(kept, model.states, strict=True):
        assert same(revision.document, document)
        assert revision.tombstone == (document is None)
        assert revision.policy.require_generation == required
        assert revision.previous == previous
        assert intact(revision)
        previous = revision.digest
