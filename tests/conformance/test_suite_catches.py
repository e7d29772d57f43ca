"""The conformance suite finds what is planted: each broken store fails the claim it breaks."""

from __future__ import annotations

import inspect
import time
from contextlib import contextmanager
from functools import partial
from typing import cast

import pytest

from realmconf.domain.names import LIMITS
from realmconf.domain.revision import Revision
from realmconf.domain.write import Append
from realmconf.errors import GenerationConflict, LockTimeout
from realmconf.stores.memory import MemoryStore
from realmconf.stores.memory.state import Memory
from realmconf.stores.memory.view import View
from realmconf.testing.conformance import ConformanceSuite

pytestmark = pytest.mark.planted

SUITE = ConformanceSuite


class StaleHead(MemoryStore):
    """Answers the head it read first."""

    def head(self, realm, *, adopt=True):
        self.__dict__.setdefault("seen", {}).setdefault(realm, super().head(realm))
        return self.__dict__["seen"][realm]


class FreshObjects(MemoryStore):
    """Makes a new head for each reader."""

    def head(self, realm, *, adopt=True):
        return super().head(realm).replace()

    def proof(self, realms):
        proof = super().proof(realms)
        heads = () if proof is None else tuple(head.replace() for head in proof.heads)
        return None if proof is None else proof.replace(heads=heads)


class EternalProof(MemoryStore):
    """Proves a head with a word that nobody changes."""

    def proof(self, realms):
        proof = super().proof(realms)
        return None if proof is None else proof.replace(words=[0], mark=0)


class ProofOfTheFirst(MemoryStore):
    """Proves several realms by the word of the first."""

    def proof(self, realms):
        proof, first = super().proof(realms), super().proof(realms[:1])
        if proof is None or first is None:
            return None
        return proof.replace(words=first.words, mark=first.mark)


class ProofOfOld(MemoryStore):
    """Gives the proof that it gave before."""

    def proof(self, realms):
        given = self.__dict__.setdefault("given", {})
        return given.setdefault(tuple(realms), super().proof(realms))


class ProofForGood(MemoryStore):
    """Takes back nothing when it is closed."""

    def close(self):
        setattr(self._words, "take_back", lambda: None)  # noqa: B010 - a method, which the types forbid
        super().close()


class MovingView(MemoryStore):
    """Its views follow what is written meanwhile."""

    @contextmanager
    def view(self):
        yield self._live()


class ForgetsTombstones(MemoryStore):
    """Starts a deleted realm again at 1."""

    def apply(self, realms, judge, **rest):
        for realm in realms:
            revision = self.head(realm).revision
            if revision is not None and revision.tombstone:
                del self._memory.histories[realm]
        return super().apply(realms, judge, **rest)


class JudgesOutsideTheTurn(MemoryStore):
    """Decides first and takes the turn afterwards: the lost update."""

    def apply(self, realms, judge, **rest):
        judged = judge(self._live())
        time.sleep(0.002)
        return super().apply(realms, lambda view: self._at_the_head(judged, view), **rest)

    @staticmethod
    def _at_the_head(judged, view):
        return [
            one.replace(
                decision=one.decision.replace(
                    revision=one.decision.revision.replace(
                        generation=view.head(one.write.realm).generation + 1
                    )
                )
            )
            if isinstance(one.decision, Append)
            else one
            for one in judged
        ]


class SwallowsRefusals(MemoryStore):
    """Answers a refused write with nothing."""

    def apply(self, realms, judge, **rest):
        try:
            return super().apply(realms, judge, **rest)
        except GenerationConflict:
            raise
        except Exception:  # noqa: BLE001 - that is the bug
            return []


class NoReceipts(MemoryStore):
    """Forgets every write id."""

    def apply(self, realms, judge, **rest):
        applied = super().apply(realms, judge, **rest)
        self._memory.receipts.clear()
        return applied


class VoidsWhatWasCommitted(MemoryStore):
    """Settles by assertion."""

    def void(self, realm, write_id, *, deadline):
        self._memory.receipts.get(realm, {}).pop(write_id, None)
        return super().void(realm, write_id, deadline=deadline)


class OneByOne(MemoryStore):
    """Appends the realms of a transaction one after the other."""

    def apply(self, realms, judge, **rest):
        done: list = []
        for realm in realms:
            time.sleep(0.002)
            done += super().apply(
                [realm],
                partial(_of_one_realm, judge, realm),
                **rest,
            )
        return done


def _of_one_realm(judge, realm, view):
    return [one for one in judge(view) if one.write.realm == realm]


class SilentTimeout(MemoryStore):
    """Gives up without a word when the turn does not come."""

    def apply(self, realms, judge, **rest):
        try:
            return super().apply(realms, judge, **rest)
        except LockTimeout:
            return []


class CompactsTheHead(MemoryStore):
    """Takes the floor it is told."""

    def compact(self, realm, *, floor, deadline):
        done = super().compact(realm, floor=floor, deadline=deadline)
        history = self._memory.histories[realm]
        history.floor = floor
        history.head = history.head.replace(floor=floor)
        return done.replace(floor=floor)


class SilentGap(MemoryStore):
    """Leaves out what was compacted without a word."""

    def compact(self, realm, *, floor, deadline):
        done = super().compact(realm, floor=floor, deadline=deadline)
        self._memory.histories[realm].floor = 1
        return done


class DeafSignal(MemoryStore):
    """Hints only at whoever waits already."""

    def signal(self, realms):
        signal = super().signal(realms)
        plain = signal.wait

        def wait(timeout_seconds):
            signal._hinted = False
            return plain(0.2)

        setattr(signal, "wait", wait)  # noqa: B010 - a method, which the types forbid
        return signal


class Forgetful(MemoryStore):
    """Declares itself durable and is not."""

    def __init__(self, *arguments, **named):
        super().__init__(*arguments, **named)
        self.info = self.info.replace(durable=True)

    def close(self):
        super().close()
        self._memory.histories.clear()


class CompactsSchemas(MemoryStore):
    """Keeps the schemas that kept revisions name."""

    def compact(self, realm, *, floor, deadline):
        done = super().compact(realm, floor=floor, deadline=deadline)
        history = self._memory.histories[realm]
        named = {one.schema_digest for one in history.revisions}
        history.schemas = tuple(one for one in history.schemas if one in named)
        return done


class RenamesSchemasAway(MemoryStore):
    """Leaves no schema with the old name."""

    def rename(self, old, new, judge, *, deadline):
        applied = super().rename(old, new, judge, deadline=deadline)
        self._memory.histories[old].schemas = ()
        return applied


class ForgetsSchemas(MemoryStore):
    """Has the newest schema of each realm alone."""

    def apply(self, realms, judge, **rest):
        applied = super().apply(realms, judge, **rest)
        for history in self._memory.histories.values():
            history.schemas = history.schemas[-1:]
        return applied


class BacksUpNoSchemas(MemoryStore):
    """Thinks that documents are all there is."""

    def schemas_in(self, path):
        return {}


class FirstParentStays(MemoryStore):
    """Learns who a realm's parent is once."""

    def apply(self, realms, judge, **rest):
        applied = super().apply(realms, judge, **rest)
        known = self.__dict__.setdefault("known", {})
        for realm, history in self._memory.histories.items():
            history.parent = known.setdefault(realm, history.parent)
        return applied


class TakesChildrenAlong(MemoryStore):
    """Lets the children of a renamed realm name its new name."""

    def rename(self, old, new, judge, *, deadline):
        applied = super().rename(old, new, judge, deadline=deadline)
        for history in self._memory.histories.values():
            history.parent = new if history.parent == old else history.parent
        return applied


class TakesLateWrites(MemoryStore):
    """Looks for the marker when a judgement appends, and not when it does nothing or is to be fenced off."""

    def void(self, realm, write_id, *, deadline):
        moved_to = self._memory.head(realm).moved_to
        if moved_to is None:
            return super().void(realm, write_id, deadline=deadline)
        self._live_again(realm, None)
        try:
            return super().void(realm, write_id, deadline=deadline)
        finally:
            self._live_again(realm, moved_to)

    def _live_again(self, realm, moved_to):
        self._memory.histories[realm] = self._memory.histories[realm].living(moved_to)


class MarksWhatItHasNotSeen(MemoryStore):
    """Sets the marker first, and then lets the rest be copied."""

    def depart(self, realm, to, *, finish, deadline):
        head = super().depart(realm, to, finish=lambda _: None, deadline=deadline)
        with self.view() as view:
            finish(view)
        return head


class OpensWhatArrives(MemoryStore):
    """Lets a realm live here as soon as something of it is here."""

    def receive(self, arrival, *, deadline):
        super().receive(arrival, deadline=deadline)
        for realm in arrival.floors:
            self._memory.publish({realm: self._memory.histories[realm].living(None)})


class OpensAnything(MemoryStore):
    """Lets a realm live here whatever its head is."""

    def arrive(self, realm, *, digest, deadline):
        revision = cast(Revision, self.head(realm).revision)
        return super().arrive(realm, digest=revision.digest, deadline=deadline)


class NumbersAnew(MemoryStore):
    """Takes for known what has a known number."""

    def receive(self, arrival, *, deadline):
        steps = [
            step
            for step in arrival.steps
            if step.revision.generation > self.head(step.realm).generation
        ]
        super().receive(arrival.replace(steps=steps), deadline=deadline)


class LosesKeys(MemoryStore):
    """Keeps receipts that it can never compare with anything."""

    def receive(self, arrival, *, deadline):
        super().receive(arrival.replace(keys={}), deadline=deadline)


class SleepsThroughMoves(MemoryStore):
    """Moves no word when a realm leaves."""

    def depart(self, realm, to, *, finish, deadline):
        with self._writing(deadline):
            finish(self._live())
            self._memory.histories[realm] = self._memory.histories[realm].living(to)
        return self._memory.head(realm)


def altered(name, **methods):
    """A store whose views answer otherwise in these methods."""
    kind = type("AlteredView", (View,), methods)

    @contextmanager
    def view(self):
        with MemoryStore.view(self) as found:
            plain = cast("View", found)
            yield kind(plain._histories, plain._receipts, plain._schemas)

    return type(name, (MemoryStore,), {"view": view})


def realm_by_realm(view, after, *, limit):
    one_by_one = (View.steps(view, {realm: after[realm]}, limit=limit) for realm in after)
    return [step for steps in one_by_one for step in steps][:limit]


def cut_before_sorting(view, after, *, limit):
    return sorted(realm_by_realm(view, after, limit=limit), key=lambda step: step.position)


def skipping_what_is_gone(view, after, *, limit):
    floors = {realm: view.head(realm).floor - 1 for realm in after}
    kept = {realm: max(after[realm], floors[realm]) for realm in after}
    return View.steps(view, kept, limit=limit)


PositionsOfItsOwn = altered(
    "PositionsOfItsOwn",
    position=lambda view, realm, generation: view.revision(realm, generation).generation,
)
AlwaysNow = altered("AlwaysNow", as_of=lambda view, realm, position: view.head(realm).revision)
RealmByRealm = altered("RealmByRealm", steps=realm_by_realm)
CutBeforeSorting = altered("CutBeforeSorting", steps=cut_before_sorting)
SkipsWhatIsGone = altered("SkipsWhatIsGone", steps=skipping_what_is_gone)


class RenamesPositions(MemoryStore):
    """Counts a moved history as written at the rename."""

    def rename(self, old, new, judge, *, deadline):
        applied = super().rename(old, new, judge, deadline=deadline)
        history = self._memory.histories[new]
        history.positions[:] = [one + 100 for one in history.positions]
        return applied


PLANTED = [
    (StaleHead, SUITE.test_another_handle_sees_a_write_at_once),
    (FreshObjects, SUITE.test_an_unchanged_head_is_the_same_object),
    (EternalProof, SUITE.test_a_proof_ends_with_the_next_write),
    (EternalProof, SUITE.test_a_proof_of_nothing_ends_with_the_first_write),
    (EternalProof, SUITE.test_a_proof_does_not_survive_a_rename),
    (EternalProof, SUITE.test_a_proof_does_not_survive_a_compaction),
    (ProofOfTheFirst, SUITE.test_a_proof_of_several_ends_with_a_write_to_any),
    (FreshObjects, SUITE.test_a_proof_is_given_again_after_a_write_elsewhere),
    (ProofOfOld, SUITE.test_a_proof_is_of_the_newest_heads_when_it_is_given),
    (ProofForGood, SUITE.test_a_proof_ends_with_its_handle),
    (MovingView, SUITE.test_a_view_stays_at_its_point),
    (ForgetsTombstones, SUITE.test_generations_are_one_two_three),
    (JudgesOutsideTheTurn, SUITE.test_one_winner_at_each_generation),
    (JudgesOutsideTheTurn, SUITE.test_a_judgement_sees_the_head),
    (SwallowsRefusals, SUITE.test_what_a_judgement_raises_is_raised),
    (NoReceipts, SUITE.test_a_given_id_leaves_a_receipt),
    (VoidsWhatWasCommitted, SUITE.test_a_committed_id_cannot_be_voided),
    (OneByOne, SUITE.test_several_realms_together),
    (OneByOne, SUITE.test_all_or_nothing),
    (SilentTimeout, SUITE.test_a_deadline_ends_the_wait_for_the_turn),
    (CompactsTheHead, SUITE.test_the_head_is_never_compacted),
    (SilentGap, SUITE.test_a_gap_is_never_silent),
    (DeafSignal, SUITE.test_a_hint_before_the_wait_is_kept),
    (Forgetful, SUITE.test_what_is_declared_durable_is_there_after_closing),
    (ForgetsSchemas, SUITE.test_schemas_are_kept),
    (CompactsSchemas, SUITE.test_schemas_outlive_what_named_them),
    (RenamesSchemasAway, SUITE.test_schemas_of_a_renamed_realm),
    (OneByOne, SUITE.test_schemas_of_a_refused_append),
    (BacksUpNoSchemas, SUITE.test_a_backup_holds_the_schemas),
    (FirstParentStays, SUITE.test_parents_are_what_documents_name),
    (FirstParentStays, SUITE.test_children_come_by_name),
    (FirstParentStays, SUITE.test_a_judgement_sees_who_names_whom),
    (TakesChildrenAlong, SUITE.test_parents_of_a_renamed_realm),
    (MovingView, SUITE.test_kinship_at_one_point),
    (MovingView, SUITE.test_order_at_one_point),
    (PositionsOfItsOwn, SUITE.test_positions_rise_with_every_commit),
    (AlwaysNow, SUITE.test_as_of_agrees_with_a_replay),
    (AlwaysNow, SUITE.test_order_below_the_floor),
    (RealmByRealm, SUITE.test_steps_agree_with_a_replay),
    (CutBeforeSorting, SUITE.test_steps_agree_with_a_replay),
    (SkipsWhatIsGone, SUITE.test_order_below_the_floor),
    (RenamesPositions, SUITE.test_order_of_a_renamed_realm),
    (TakesLateWrites, SUITE.test_a_moved_realm_is_written_no_more),
    (MarksWhatItHasNotSeen, SUITE.test_the_marker_is_set_on_what_was_seen),
    (OpensWhatArrives, SUITE.test_what_arrives_is_written_by_nobody),
    (OpensAnything, SUITE.test_what_arrives_is_written_by_nobody),
    (NumbersAnew, SUITE.test_another_history_is_refused),
    (LosesKeys, SUITE.test_what_hangs_on_it_comes_along),
    (SleepsThroughMoves, SUITE.test_a_proof_and_a_sleeper_hear_of_the_marker),
]


@pytest.mark.parametrize(
    ("broken", "claim"), PLANTED, ids=[f"{one.__name__}-{two.__name__}" for one, two in PLANTED]
)
def test_a_broken_store_fails(broken, claim, request, monkeypatch) -> None:
    """The claim that a store breaks is red for it, and green for the store it was broken from."""

    def verdict(kind: type[MemoryStore]) -> BaseException | None:
        shared = Memory()

        def opened(url: str) -> MemoryStore:
            return kind(shared, name="planted", read_only=False, limits=LIMITS)

        suite = SUITE()
        monkeypatch.setattr(suite, "open", opened)
        available = {
            "store": opened(""),
            "other": opened(""),
            "store_url": "",
        }
        if "tmp_path" in inspect.signature(claim).parameters:
            folder = request.getfixturevalue("tmp_path") / kind.__name__
            folder.mkdir()
            available["tmp_path"] = folder
        needed = {
            name: available[name] for name in inspect.signature(claim).parameters if name != "self"
        }
        try:
            claim(suite, **needed)
        except (Exception, pytest.fail.Exception) as failure:  # noqa: BLE001 - any red will do
            return failure
        return None

    assert verdict(broken) is not None
    assert verdict(MemoryStore) is None
