"""A write has three outcomes, and the third becomes one of the others (G6)."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest

from realmconf.domain.names import LIMITS
from realmconf.domain.scope import Scope
from realmconf.errors import (
    GenerationConflict,
    LockTimeout,
    OutcomeUnknown,
    StoreFull,
    StoreUnavailable,
    WriteIdReused,
    WriteIdVoid,
)
from realmconf.runtime.client import Client
from realmconf.runtime.commands import set_document
from realmconf.runtime.outcome import RETRIES_MAX, Committed, Pending, Void
from realmconf.runtime.world import World
from realmconf.stores.memory import open_store


def memory():
    return open_store("", options={}, limits=LIMITS)


class Flaky:
    """A store whose writes go wrong as scripted, one word per attempt; then well."""

    def __init__(self, *script: str) -> None:
        self.inner = memory()
        self.script = list(script)
        self.attempts = 0

    def __getattr__(self, name):
        return getattr(self.inner, name)

    def apply(self, realms, judge, **options):
        self.attempts += 1
        fault = self.script.pop(0) if self.script else ""
        if fault == "lost":
            raise OutcomeUnknown(None)
        if fault == "full":
            raise StoreFull("no space left")
        if fault == "late":
            raise LockTimeout(waited_seconds=1.0)
        done = self.inner.apply(realms, judge, **options)
        if fault == "applied":
            raise OutcomeUnknown(None)
        return done


def client_on(store) -> Client:
    return Client(store, author="tester")


def test_an_applied_write_of_unknown_outcome_is_found_by_the_retry():
    """A retry under the same id finds the revision of the first attempt and makes no second one."""
    store = Flaky("applied")
    realm = client_on(store).realm("a")
    result = realm.set({"x": 1}, expected_generation=0)
    assert (result.generation, result.changed, result.document) == (1, True, {"x": 1})
    assert [revision.generation for revision in realm.history()] == [1]
    assert store.attempts == 2


def test_an_applied_write_is_found_below_newer_ones():
    """The answer is the revision the write made, even if another writer came after it."""
    store = Flaky("applied")
    other = client_on(store.inner).realm("a")
    world = World(sleep_seconds=lambda _: other.set_value("y", 2))
    result = Client(store, author="tester", world=world).realm("a").set({"x": 1})
    assert (result.generation, result.document) == (1, {"x": 1})
    assert other.get().generation == 2


def test_a_lost_write_is_sent_again():
    """An attempt that left no trace is repeated, and its precondition judged again."""
    store = Flaky("lost", "lost")
    result = client_on(store).realm("a").set({"x": 1}, expected_generation=0)
    assert result.generation == 1
    assert store.attempts == 3


def test_the_outcome_stays_unknown_after_the_last_retry():
    """The caller is told the write id, with which ``settle`` finds the truth."""
    store = Flaky("applied", *["lost"] * RETRIES_MAX)
    realm = client_on(store).realm("a")
    with pytest.raises(OutcomeUnknown) as caught:
        realm.set({"x": 1})
    assert caught.value.realm == "a"
    assert caught.value.write_id is not None
    assert realm.settle(caught.value.write_id) == Committed(generation=1)


@pytest.mark.parametrize("fault", ["full", "late"])
def test_another_failure_after_an_unknown_one_does_not_claim_that_nothing_happened(fault):
    """A full disk on the second attempt says nothing about the first."""
    store = Flaky("applied", fault, fault, fault)
    with pytest.raises(OutcomeUnknown):
        client_on(store).realm("a").set({"x": 1})


@pytest.mark.parametrize(("fault", "error"), [("full", StoreFull), ("late", LockTimeout)])
def test_a_first_failure_is_told_as_it_is(fault, error):
    """Where nothing is unknown, nothing is retried."""
    store = Flaky(fault)
    with pytest.raises(error):
        client_on(store).realm("a").set({"x": 1})
    assert store.attempts == 1


def test_a_refusal_after_a_lost_attempt_is_a_refusal():
    """What a judgement says after an unknown attempt is about the write: it was not applied."""
    store = Flaky("lost")
    client_on(store.inner).realm("a").set({"y": 1})
    with pytest.raises(GenerationConflict) as caught:
        client_on(store).realm("a").set({"x": 1}, expected_generation=0)
    assert caught.value.current == 1


class JudgedInVain(Flaky):
    """Attempts that are judged, and then end in the open with nothing done."""

    def apply(self, realms, judge, **options):
        if self.script and self.script[0] == "judged":
            with self.inner.view() as view:
                judge(view)
            self.script[0] = "lost"
        return super().apply(realms, judge, **options)


def test_a_number_that_somebody_else_took_is_not_the_lost_writes():
    """What stands where a lost attempt would have put it is looked at: there is nothing, or it is another's."""
    store = JudgedInVain("judged", "judged")
    other = client_on(store.inner).realm("a")
    pauses = []

    def pause(seconds):
        pauses.append(seconds)
        if len(pauses) == 2:
            other.set({"y": 2})

    result = (
        Client(store, author="tester", world=World(sleep_seconds=pause)).realm("a").set({"x": 1})
    )
    assert (store.attempts, result.generation, result.changed) == (3, 2, True)
    assert [revision.generation for revision in other.history()] == [2, 1]


class WithoutReceipts(Flaky):
    """A store that keeps no receipt of an id that no caller gave: the revision under it says enough."""

    def apply(self, realms, judge, **options):
        return super().apply(realms, lambda view: judge(WithoutReceipt(view)), **options)


class WithoutReceipt:
    def __init__(self, view) -> None:
        self._view = view

    def __getattr__(self, name):
        return getattr(self._view, name)

    def receipt(self, realm, write_id):
        return None


def test_an_applied_write_without_a_receipt_is_found_in_the_history():
    """G6: the revision that an attempt made is its answer, in stores that remember no more of it than that."""
    store = WithoutReceipts("applied")
    realm = client_on(store).realm("a")
    assert realm.set({"x": 1}).generation == 1
    assert [revision.generation for revision in realm.history()] == [1]


def test_a_write_whose_revision_was_compacted_meanwhile_stays_in_the_open():
    """G6: where the revision that would tell is gone, nobody claims that the write was not applied."""
    store = WithoutReceipts("applied")
    other = client_on(store.inner)

    def pause(seconds):
        other.realm("a").set({"y": 2})
        other.compact(keep=1, realm="a")

    realm = Client(store, author="tester", world=World(sleep_seconds=pause)).realm("a")
    with pytest.raises(OutcomeUnknown) as caught:
        realm.set({"x": 1})
    assert caught.value.realm == "a"
    assert realm.get().document == {"y": 2}


class Unreadable:
    """A view that cannot be asked for the receipt of a write."""

    def __init__(self, view, failure: Exception) -> None:
        self._view = view
        self._failure = failure

    def __getattr__(self, name):
        return getattr(self._view, name)

    def receipt(self, realm, write_id):
        raise self._failure


@pytest.mark.parametrize(
    "failure", [StoreUnavailable("a read failed"), OSError(5, "a read failed"), ValueError("gone")]
)
def test_a_failed_look_for_the_first_attempt_is_no_refusal(failure):
    """G6: a store that cannot be asked whether the write is there has not said that it is not."""

    class CannotLook(Flaky):
        def apply(self, realms, judge, **options):
            def judge_blindly(view):
                return judge(Unreadable(view, failure) if self.attempts > 1 else view)

            return super().apply(realms, judge_blindly, **options)

    store = CannotLook("applied")
    realm = client_on(store).realm("a")
    with pytest.raises(OutcomeUnknown) as caught:
        realm.set({"x": 1})
    assert store.attempts == 1 + RETRIES_MAX
    assert caught.value.write_id is not None
    assert realm.settle(caught.value.write_id) == Committed(generation=1)


class Blinded(Flaky):
    """A store that cannot be read any more once something was committed."""

    blind = False

    def __getattr__(self, name):
        found = super().__getattr__(name)
        if name in {"rename", "compact", "purge"}:
            return partial(self._committing, found)
        if name in {"view", "head"}:
            return partial(self._looking, found)
        return found

    def apply(self, *args, **options):
        return self._committing(super().apply, *args, **options)

    def _committing(self, commit, *args, **options):
        try:
            return commit(*args, **options)
        finally:
            self.blind = True

    def _looking(self, look, *args, **options):
        if self.blind:
            raise StoreUnavailable("a read failed")
        return look(*args, **options)


@pytest.mark.parametrize(
    "write",
    [
        lambda client: client.realm("a").set({"x": 9}),
        lambda client: client.realm("a").update(lambda draft: draft.update(x=9)),
        lambda client: client.realm("a").delete(),
        lambda client: client.realm("a").rollback(to=1),
        lambda client: client.realm("a").set_policy(history_keep=3),
        lambda client: client.realm("a").set_schema({"type": "object"}),
        lambda client: client.realm("a").set_parent("b"),
        lambda client: client.transaction([("a", {"set": {"x": 9}}), ("b", {"set": {"x": 9}})]),
        lambda client: client.rename("a", "new"),
        lambda client: client.copy("a", "new"),
        lambda client: client.compact(keep=1, realm="a"),
        lambda client: client.purge("a", 1),
    ],
)
def test_nothing_that_is_looked_for_after_the_commit_refuses_it(write):
    """G6: an operation that was committed is answered, though nothing can be read any more."""
    store = Blinded()
    before = client_on(store.inner)
    before.realm("a").set({"x": 1})
    before.realm("b").set({"x": 1})
    before.realm("a").set({"x": 2})
    write(client_on(store))
    assert store.blind


def test_a_rename_that_cannot_tell_whom_it_leaves_behind_says_so():
    """The rename is done; that nobody can be asked for heirs is a warning."""
    store = Blinded()
    client_on(store.inner).realm("a").set({"x": 1})
    result = client_on(store).rename("a", "new")
    assert {warning.code for warning in result.warnings} == {"descendants_unknown"}
    assert client_on(store.inner).realm("new").get().document == {"x": 1}


def test_a_known_write_that_cannot_be_read_is_no_refusal():
    """G6: a retry that finds its first attempt, and cannot read what it made, has not refused the write."""
    store = Blinded("applied")
    with pytest.raises(OutcomeUnknown) as caught:
        client_on(store).realm("a").set({"x": 1})
    assert isinstance(caught.value.__cause__, StoreUnavailable)
    assert caught.value.write_id is not None
    realm = client_on(store.inner).realm("a")
    assert realm.settle(caught.value.write_id) == Committed(generation=1)


def test_a_change_that_fails_after_a_lost_attempt_fails_as_it_does():
    """The look found no trace of the first attempt, so what the caller's own function raises is the answer."""
    store = Flaky("lost")
    calls = []

    def change(draft):
        calls.append(1)
        if len(calls) > 1 or store.attempts > 1:
            raise KeyError("mine")

    with pytest.raises(KeyError, match="mine"):
        client_on(store).realm("a").update(change)
    assert store.attempts == 2


def test_a_retry_with_the_deadline_over_is_not_made():
    """A write does not wait longer than its caller does."""
    store = Flaky("lost")
    with pytest.raises(OutcomeUnknown):
        client_on(store).realm("a").set({"x": 1}, timeout=0)
    assert store.attempts == 1


def test_the_same_id_and_request_get_the_first_answer():
    """Also when the head has moved on, and when the precondition would fail by now."""
    realm = client_on(memory()).realm("a")
    first = realm.set({"x": 1}, expected_generation=0, write_id="one")
    realm.set({"x": 2})
    again = realm.set({"x": 1}, expected_generation=0, write_id="one")
    assert (again.generation, again.etag, again.changed) == (1, first.etag, True)
    assert again.changes == first.changes
    assert realm.get().generation == 2


def test_a_no_op_under_a_given_id_is_remembered():
    """The first answer of a write that changed nothing is that it changed nothing."""
    realm = client_on(memory()).realm("a")
    realm.set({"x": 1})
    assert not realm.set({"x": 1}, write_id="same").changed
    realm.set({"x": 2})
    again = realm.set({"x": 1}, write_id="same")
    assert (again.generation, again.changed) == (1, False)


@pytest.mark.parametrize(
    "other",
    [
        lambda realm: realm.set({"x": 2}, write_id="one"),
        lambda realm: realm.patch({"x": 1}, write_id="one"),
        lambda realm: realm.set({"x": 1}, write_id="one", expected_generation=1),
        lambda realm: realm.set({"x": True}, write_id="one"),
        lambda realm: realm.delete(write_id="one"),
        lambda realm: realm.update(lambda draft: None, write_id="one"),
    ],
)
def test_the_same_id_for_another_request_is_refused(other):
    """A write id stands for one request: its command, its precondition, its message."""
    realm = client_on(memory()).realm("a")
    realm.set({"x": 1}, write_id="one")
    with pytest.raises(WriteIdReused):
        other(realm)
    assert realm.get().generation == 1


def test_a_retry_may_write_its_numbers_another_way():
    """Many JSON writers turn 1.0 into 1: the retry of a write is the same request with either."""
    realm = client_on(memory()).realm("a")
    realm.set({"x": 1.0, "y": [2]}, write_id="one")
    again = realm.set({"x": 1, "y": [2.0]}, write_id="one")
    assert (again.generation, again.changed) == (1, True)
    assert realm.get().document == {"x": 1.0, "y": [2]}
    with pytest.raises(WriteIdReused):
        realm.set({"x": 1.5, "y": [2]}, write_id="one")


def test_an_update_is_repeated_by_its_id_alone():
    """A function cannot be compared, so the id of an update is what makes it the same request."""
    realm = client_on(memory()).realm("a")

    def count(draft):
        draft["n"] = draft.get("n", 0) + 1

    assert realm.update(count, write_id="u").generation == 1
    assert realm.update(count, write_id="u").generation == 1
    assert realm.get().document == {"n": 1}


class LosesRaces:
    """A store without a turn: each time before a judgement counts, another writer has come first."""

    def __init__(self, races: int) -> None:
        self.inner = memory()
        self.races = races

    def __getattr__(self, name):
        return getattr(self.inner, name)

    def apply(self, realms, judge, **options):
        for _ in range(self.races):
            with self.inner.view() as view:
                judge(view)
        return self.inner.apply(realms, judge, **options)


def test_an_update_is_called_again_after_a_lost_race_and_not_for_ever():
    """``attempts_max`` bounds the calls; past it the write is refused, and nothing was changed."""
    calls = []

    def change(draft):
        calls.append(1)
        draft["n"] = len(calls)

    realm = client_on(LosesRaces(3)).realm("a")
    assert realm.update(change, attempts_max=4).document == {"n": 4}
    calls.clear()
    with pytest.raises(GenerationConflict, match="every time"):
        realm.update(change, attempts_max=3)
    assert len(calls) == 3
    assert realm.get().generation == 1


def test_a_minted_id_is_no_other_writes():
    """An id under which one write was made stands for no transaction that reaches further."""
    client = client_on(memory())
    minted = client.realm("a").set({"x": 1}).write_id
    with pytest.raises(WriteIdReused):
        client.transaction([("a", {"set": {"x": 1}}), ("b", {"set": {}})], write_id=minted)
    assert client.realm("b").get().generation == 0


def test_nothing_done_to_a_realm_never_written_is_remembered():
    """The first answer of a write that left no generation is that there is none."""
    realm = client_on(memory()).realm("a")
    for _ in range(2):
        result = realm.unset("x", write_id="nothing")
        assert (result.generation, result.changed) == (0, False)
        assert not realm.unset("x", write_id="nothing", dry_run=True).changed


def test_the_author_is_no_part_of_the_request():
    """A retry may come over another surface, under another name."""
    store = memory()
    Client(store, author="one").realm("a").set({"x": 1}, write_id="w")
    again = Client(store, author="two", surface="http").realm("a").set({"x": 1}, write_id="w")
    assert again.revision is not None
    assert again.revision.author == "one"


def blind(client, author):
    """A handle of somebody who may write secrets and see none."""
    return client.acting(
        author=author,
        surface="http",
        sees_secrets=False,
        scope=Scope(judges_secrets=False),
        may_read=None,
    ).realm("a")


def test_a_guess_under_a_known_id_is_another_request():
    """G11: that a request is the same would confirm the secret in it, so whoever sees none is told of its own alone."""
    client = client_on(memory())
    bob, eve = blind(client, "bob"), blind(client, "eve")
    for _ in range(2):
        assert bob.set_value("token", "hunter2", write_id="one").generation == 1
    with pytest.raises(WriteIdReused):
        eve.set_value("token", "hunter2", write_id="one")
    assert [handle.set_value("x", 1, write_id="two").generation for handle in (bob, eve)] == [2, 2]
    client.compact(keep=1)
    # Whose it was is gone with the revision.
    with pytest.raises(WriteIdReused):
        bob.set_value("token", "hunter2", write_id="one")


def test_what_changed_nothing_is_told_again_to_anybody():
    """G11: an id that no history shows is known to its writer alone, who gets the first answer."""
    realm = client_on(memory()).realm("a")
    realm.set({"x": 1})
    command = set_document({"x": 1}, limits=LIMITS)
    request = realm.writing.request(command, {"write_id": "same"})
    request = request.replace(blind_author="bob", write=None)
    for _ in range(2):
        assert not realm.writing.run(request, {}, groupable=False).changed


def test_a_settled_id_is_void_for_ever():
    """A write that comes after its id was settled as void is refused."""
    realm = client_on(memory()).realm("a")
    assert realm.settle("late") == Void()
    assert realm.settle("late") == Void()
    with pytest.raises(WriteIdVoid):
        realm.set({"x": 1}, write_id="late")
    assert realm.get().generation == 0


def test_a_retry_after_settling_is_refused():
    """Settled as void between two attempts, the second is not applied, though its id was minted."""
    store = Flaky("lost")
    settled = []
    world = World(
        time_nanoseconds=lambda: 0,
        random_bytes=bytes,
        sleep_seconds=lambda _: settled.append(realm.settle("w-" + 32 * "0")),
    )
    realm = Client(store, author="tester", world=world).realm("a")
    with pytest.raises(WriteIdVoid):
        realm.set({"x": 1})
    assert settled == [Void()]
    assert realm.get().generation == 0


def test_settling_finds_a_minted_id():
    """The id in every result can be settled, given or not."""
    realm = client_on(memory()).realm("a")
    result = realm.set({"x": 1})
    assert realm.settle(result.write_id) == Committed(generation=1)


def test_settling_while_the_turn_is_taken_is_pending():
    """What cannot be told now is not guessed."""

    class Busy(Flaky):
        def void(self, realm, write_id, *, deadline):
            raise LockTimeout(waited_seconds=0.0)

    assert client_on(Busy()).realm("a").settle("w") == Pending()


def test_a_compacted_first_answer_is_no_error():
    """A receipt outlives the revision: the write was committed, and that is the answer."""
    client = client_on(memory())
    realm = client.realm("a")
    realm.set({"x": 1}, write_id="one")
    realm.set({"x": 2})
    client.compact(keep=1)
    again = realm.set({"x": 1}, write_id="one")
    assert (again.generation, again.changed) == (1, True)
    assert again.document is None


def test_a_transaction_is_retried_as_one():
    """An applied transaction of unknown outcome is found in all of its realms."""
    store = Flaky("applied")
    results = client_on(store).transaction([("a", {"set": {"x": 1}}), ("b", {"set": {"y": 1}})])
    assert [result.generation for result in results] == [1, 1]
    assert len({result.write_id for result in results}) == 1


def test_a_transactions_id_covers_all_of_its_parts():
    """With one part more or fewer it is another request."""
    client = client_on(memory())
    parts: list[tuple[str, dict[str, Any]]] = [("a", {"set": {"x": 1}}), ("b", {"set": {"y": 1}})]
    first = client.transaction(parts, write_id="t")
    again = client.transaction(parts, write_id="t")
    assert [result.etag for result in again] == [result.etag for result in first]
    for other in (parts[:1], [*parts, ("c", {"set": {}})]):
        with pytest.raises(WriteIdReused):
            client.transaction(other, write_id="t")
    assert client.realm("c").get().generation == 0
