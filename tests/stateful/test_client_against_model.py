"""The real client, step by step, against the model: same answers, same histories, on every store."""

from __future__ import annotations

import itertools
import shutil
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from realmconf.errors import RealmconfError
from realmconf.runtime.client import Client, connect
from realmconf.testing.model import Answer, Model, Refused, merged, same

KEYS = st.sampled_from(["a", "b", "c d", "é"])
SCALARS = st.one_of(
    st.booleans(),
    st.integers(-3, 3),
    st.sampled_from([0.0, 1.0, -0.5]),
    st.sampled_from(["", "x", "1", "true"]),
)
VALUES = st.recursive(
    SCALARS | st.lists(SCALARS, max_size=2),
    lambda inner: st.dictionaries(KEYS, inner, max_size=2),
    max_leaves=4,
)
DOCUMENTS = st.dictionaries(KEYS, VALUES, max_size=3)
PATCHES = st.dictionaries(
    KEYS, VALUES | st.none() | st.dictionaries(KEYS, VALUES | st.none(), max_size=2), max_size=2
)
REALMS = st.sampled_from(["one", "two"])
STALENESS = st.sampled_from([None, 0, 0, 1, 2, -1])
"""How far behind the head an expected generation is; None is no expectation, -1 the future."""

_numbers = itertools.count()


class ClientAgainstModel(RuleBasedStateMachine):
    """Two handles on one store take turns; the model follows."""

    written = Bundle("written")

    def __init__(self) -> None:
        super().__init__()
        self.model = Model()
        self.folder = Path(tempfile.mkdtemp(prefix="realmconf-stateful-"))
        self.clients: list[Client] = []
        self.ids = itertools.count()
        self.turn = 0
        self.url = self.make_url()
        self.clients = [self.open(), self.open()]

    def make_url(self) -> str:
        return str(self.folder / "root")

    def open(self) -> Client:
        return connect(self.url)

    def teardown(self) -> None:
        for client in self.clients:
            client.close()
        shutil.rmtree(self.folder, ignore_errors=True)

    # --- what both are asked ------------------------------------------------------------

    def compare(
        self, realm: str, verb: str, argument: Any, change: Any, **options: Any
    ) -> str | None:
        """Ask the client and the model the same; the write id, if one was given and kept."""
        self.turn += 1
        runtime = self.clients[self.turn % 2].realm(realm)
        named = {name: value for name, value in options.items() if value is not None}
        expected = self.model_answer(realm, verb, argument, change, named)
        arguments = () if verb == "delete" else (argument,)
        if isinstance(expected, Refused):
            with pytest.raises(RealmconfError) as refused:
                getattr(runtime, verb)(*arguments, **named)
            assert refused.value.code == expected.code
            if expected.code == "generation_conflict":
                assert refused.value.to_dict()["current"] == expected.current
            return None
        result = getattr(runtime, verb)(*arguments, **named)
        assert (result.generation, result.changed) == (expected.generation, expected.changed)
        assert result.rebased_from == expected.rebased_from
        return named.get("write_id")

    def model_answer(
        self, realm: str, verb: str, argument: Any, change: Any, options: dict[str, Any]
    ) -> Answer | Refused:
        rebases = options.get("on_conflict") == "rebase" and verb == "patch"
        try:
            return self.model.write(
                realm,
                change,
                request=(verb, repr(argument), repr(sorted(options.items()))),
                expected=options.get("expected_generation"),
                create=options.get("create", False),
                write_id=options.get("write_id"),
                rebase_of=argument if rebases else None,
            )
        except Refused as refused:
            return refused

    def expectation(self, realm: str, staleness: int | None) -> int | None:
        if staleness is None:
            return None
        return max(0, len(self.model.history(realm)) - staleness)

    def new_id(self, given: bool) -> str | None:
        return f"id-{next(self.ids)}" if given else None

    # --- rules ----------------------------------------------------------------------------

    @rule(
        target=written, realm=REALMS, document=DOCUMENTS, staleness=STALENESS, given=st.booleans()
    )
    def set(self, realm, document, staleness, given):
        options = {
            "expected_generation": self.expectation(realm, staleness),
            "write_id": self.new_id(given),
        }
        kept = self.compare(realm, "set", document, lambda _: document, **options)
        return (kept, realm, "set", document, options)

    @rule(realm=REALMS, document=DOCUMENTS)
    def create(self, realm, document):
        self.compare(realm, "set", document, lambda _: document, create=True)

    @rule(
        target=written,
        realm=REALMS,
        patch=PATCHES,
        staleness=STALENESS,
        rebases=st.booleans(),
        given=st.booleans(),
    )
    def patch(self, realm, patch, staleness, rebases, given):
        options = {
            "expected_generation": self.expectation(realm, staleness),
            "on_conflict": "rebase" if rebases and staleness is not None else None,
            "write_id": self.new_id(given),
        }
        kept = self.compare(realm, "patch", patch, self.patched(patch), **options)
        return (kept, realm, "patch", patch, options)

    @staticmethod
    def patched(patch: dict[str, Any]) -> Any:
        def change(document: dict[str, Any] | None) -> dict[str, Any] | None:
            result = merged(document or {}, patch)
            # A patch changes what is there; it does not call an empty document into being.
            return None if document is None and not result else result

        return change

    @rule(realm=REALMS, staleness=STALENESS)
    def delete(self, realm, staleness):
        if not self.model.history(realm):
            with pytest.raises(RealmconfError):
                self.clients[0].realm(realm).delete()
            return
        self.compare(
            realm,
            "delete",
            None,
            lambda _: None,
            expected_generation=self.expectation(realm, staleness),
        )

    @rule(realm=REALMS, back=st.integers(0, 3))
    def rollback(self, realm, back):
        history = self.model.history(realm)
        to = len(history) - back
        if to < 1:
            with pytest.raises(RealmconfError):
                self.clients[1].realm(realm).rollback(to=len(history) + 1)
            return
        self.compare(realm, "rollback", to, lambda _: history[to - 1])

    @rule(realm=REALMS, key=KEYS)
    def update(self, realm, key):
        def count(draft: dict[str, Any] | None) -> dict[str, Any]:
            draft = draft or {}
            number = draft.get(key)
            draft[key] = number + 1 if type(number) is int else 1
            return draft

        self.compare(realm, "update", count, count)

    @precondition(lambda self: any(self.model.receipts))
    @rule(call=written)
    def retry(self, call):
        """The same request under the same id gets the first answer, whatever has happened since."""
        kept, realm, verb, argument, options = call
        if kept is None:
            return
        named = {name: value for name, value in options.items() if value is not None}
        expected = self.model_answer(realm, verb, argument, None, named)
        if isinstance(expected, Refused):
            with pytest.raises(RealmconfError) as refused:
                getattr(self.clients[0].realm(realm), verb)(argument, **named)
            assert refused.value.code == expected.code
        else:
            result = getattr(self.clients[0].realm(realm), verb)(argument, **named)
            assert result.generation == expected.generation
            with pytest.raises(RealmconfError) as refused:
                self.clients[1].realm(realm).set({"another": "request"}, write_id=kept)
            assert refused.value.code == "write_id_reused"

    @rule(realm=REALMS)
    def void(self, realm):
        """An id that was settled before it was used is void for good."""
        write_id = f"void-{next(self.ids)}"
        settled = self.clients[0].realm(realm).settle(write_id)
        assert type(settled).__name__ == "Void"
        self.model.void(realm, write_id)
        with pytest.raises(RealmconfError) as refused:
            self.clients[1].realm(realm).set({"late": True}, write_id=write_id)
        assert refused.value.code == "write_id_void"

    @rule(call=written)
    def settle(self, call):
        """A write that was acknowledged under a given id settles as committed at its generation."""
        kept, realm, *_ = call
        if kept is not None:
            settled = self.clients[1].realm(realm).settle(kept)
            answer = self.model.void(realm, kept)
            assert answer is not None
            assert getattr(settled, "generation", None) == answer.generation

    @rule()
    def reopen(self):
        """Closing and opening changes nothing."""
        closed = self.clients.pop(0)
        closed.close()
        self.clients.append(self.open())

    # --- what always holds -------------------------------------------------------------------

    @invariant()
    def same_heads(self):
        for client, realm in itertools.product(self.clients, ("one", "two")):
            snapshot = client.realm(realm).get()
            head = self.model.head(realm)
            assert snapshot.generation == len(self.model.history(realm))
            assert snapshot.exists == (head is not None)
            assert same(plain(client.realm(realm).current), head or {})

    @invariant()
    def same_histories(self):
        for realm in ("one", "two"):
            found = self.clients[0].realm(realm).history(limit=1000)
            assert [one.generation for one in found] == list(range(len(found), 0, -1))
            kept = [plain(one.document) for one in reversed(found)]
            wanted = self.model.history(realm)
            assert len(kept) == len(wanted)
            assert all(map(same, kept, wanted))
            if found:
                self.clients[0].realm(realm).verify()


class OnMemory(ClientAgainstModel):
    """The same on the memory store."""

    def make_url(self) -> str:
        return f"memory://stateful-{next(_numbers)}"


def plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    return value


MACHINES = {"embedded": ClientAgainstModel, "memory": OnMemory}


def run(machine: type[ClientAgainstModel], *, examples: int, steps: int) -> None:
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=examples,
            stateful_step_count=steps,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )


@pytest.mark.parametrize("store", MACHINES)
def test_agrees_with_the_model(store: str) -> None:
    """G1, G2, G3, G6: after any sequence of calls, answers and histories are those of the model."""
    run(MACHINES[store], examples=25, steps=25)


@pytest.mark.torture
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("store", MACHINES)
def test_agrees_with_the_model_at_length(store: str) -> None:
    """The same for many more and longer sequences."""
    run(MACHINES[store], examples=120, steps=50)
