"""The checker of histories: it agrees with a brute-force search, and it finds planted lies."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Sequence
from typing import Any

import pytest

from realmconf.testing.linearizability import (
    COMMITTED,
    CONFLICT,
    OBSERVED,
    REFUSED,
    UNKNOWN,
    Call,
    Entry,
    violations,
)

DELETES = "delete-"


def explained(history: Sequence[Entry], calls: Sequence[Call]) -> bool:
    """
    Search every order that real time allows for one that explains *calls* and ends in *history*.

    Written from the meaning of a generation register alone, after Wing and Gong (1993);
    it shares nothing with the checker but the records.
    """
    target = [entry.write_id for entry in history]
    numbers_fit = [entry.generation for entry in history] == list(range(1, len(history) + 1))

    def search(done: list[str], left: tuple[Call, ...]) -> bool:
        if done != target[: len(done)]:
            return False
        if not left:
            return done == target
        for call in left:
            others = tuple(other for other in left if other is not call)
            if any(answered_before(other, call) for other in others):
                continue
            for after in steps(call, done):
                if search(after, others):
                    return True
        return False

    return numbers_fit and search([], tuple(calls))


def answered_before(one: Call, other: Call) -> bool:
    return one.outcome != UNKNOWN and one.ended_ns is not None and one.ended_ns < other.began_ns


def steps(call: Call, done: list[str]) -> list[list[str]]:
    """Every state that *call* may leave behind when it happens in the state *done*."""
    head = len(done)
    exists = head > 0 and not done[-1].startswith(DELETES)
    if call.create:
        holds = not exists
    elif call.expected is None:
        holds = True
    elif call.rebases:
        holds = call.expected <= head
    else:
        holds = call.expected == head
    if call.outcome == REFUSED:
        return [done]
    if call.outcome == UNKNOWN:
        assert call.write_id is not None
        return [done, [*done, call.write_id]] if holds else [done]
    if call.outcome == COMMITTED:
        assert call.write_id is not None
        return [[*done, call.write_id]] if holds and head + 1 == call.generation else []
    if head != call.generation or (call.seen is not None and (not done or done[-1] != call.seen)):
        return []
    if call.outcome == CONFLICT:
        contested = call.rebases and call.expected is not None and call.expected < head
        return [done] if contested or not holds else []
    return [done] if holds or call.write_id is None else []


def history_of(write_ids: Sequence[str]) -> list[Entry]:
    return [
        Entry(generation=number, write_id=write_id, exists=not write_id.startswith(DELETES))
        for number, write_id in enumerate(write_ids, start=1)
    ]


def simulated(chance: random.Random) -> tuple[list[Entry], list[Call]]:
    """A run of a correct register: each call takes effect at one instant while it is under way."""
    done: list[str] = []
    calls = []
    instants = sorted(chance.sample(range(100), chance.randint(1, 6)))
    for number, instant in enumerate(instants):
        began = instant - chance.randint(1, 30)
        ended = instant + chance.randint(1, 30)
        head = len(done)
        if chance.random() < 0.35:
            seen = done[-1] if done and chance.random() < 0.7 else None
            calls.append(
                Call(began_ns=began, ended_ns=ended, outcome=OBSERVED, generation=head, seen=seen)
            )
            continue
        write_id = f"{DELETES if chance.random() < 0.2 else ''}w{number}"
        create = chance.random() < 0.15
        expected = None if create else chance.choice([None, head, max(0, head - 1)])
        rebases = expected is not None and chance.random() < 0.3
        exists = head > 0 and not done[-1].startswith(DELETES)
        holds = not exists if create else expected in (None, head) or rebases
        outcome = COMMITTED if holds else CONFLICT
        if rebases and expected != head and chance.random() < 0.3:
            outcome = CONFLICT
        if holds and chance.random() < 0.15:
            outcome = OBSERVED
        if chance.random() < 0.1:
            outcome = REFUSED
        if outcome == COMMITTED:
            done.append(write_id)
        if outcome in (COMMITTED, CONFLICT) and chance.random() < 0.2:
            outcome = UNKNOWN
        generation = {COMMITTED: len(done), CONFLICT: head, OBSERVED: head}.get(outcome)
        calls.append(
            Call(
                began_ns=began,
                ended_ns=None if outcome == UNKNOWN and chance.random() < 0.5 else ended,
                outcome=outcome,
                generation=generation,
                write_id=write_id,
                expected=expected,
                create=create,
                rebases=rebases,
            )
        )
    return history_of(done), calls


def spoiled(
    history: list[Entry], calls: list[Call], chance: random.Random
) -> tuple[list[Entry], list[Call]]:
    """The same run with one thing told, timed or kept differently."""
    calls = list(calls)
    at = chance.randrange(len(calls))
    call = calls[at]
    match chance.randrange(6):
        case 0 if call.generation is not None:
            calls[at] = call.replace(
                generation=max(0, call.generation + chance.choice([-1, 1])), seen=None
            )
        case 1:
            shift = chance.randint(-80, 80)
            ended = None if call.ended_ns is None else call.ended_ns + shift
            calls[at] = call.replace(began_ns=call.began_ns + shift, ended_ns=ended)
        case 2 if history:
            history = history_of([entry.write_id for entry in history[:-1]])
        case 3 if len(history) > 1:
            ids = [entry.write_id for entry in history]
            ids[0], ids[1] = ids[1], ids[0]
            history = history_of(ids)
        case 4 if call.expected is not None:
            calls[at] = call.replace(expected=call.expected + 1)
        case _ if call.outcome == COMMITTED:
            calls[at] = call.replace(outcome=chance.choice([REFUSED, CONFLICT, OBSERVED]))
    return history, calls


def disagreements(number: int, seed: int) -> Counter[str]:
    chance = random.Random(seed)
    verdicts: Counter[str] = Counter()
    for _ in range(number):
        history, calls = simulated(chance)
        while chance.random() < 0.5:
            history, calls = spoiled(history, calls, chance)
        found = violations(history, calls)
        verdict = explained(history, calls)
        assert (not found) == verdict, (history, calls, found)
        verdicts["linearizable" if verdict else "not"] += 1
    return verdicts


def test_agrees_with_brute_force() -> None:
    """The checker says "linearizable" exactly when a search over all orders finds one."""
    verdicts = disagreements(10_000, seed=20)
    assert min(verdicts["linearizable"], verdicts["not"]) > 2_000, verdicts


@pytest.mark.torture
@pytest.mark.timeout(900)
def test_agrees_with_brute_force_at_length() -> None:
    """The same on two hundred thousand histories."""
    verdicts = disagreements(200_000, seed=7)
    assert min(verdicts["linearizable"], verdicts["not"]) > 40_000, verdicts


HISTORY = history_of(["a", "b", "c"])


def write(write_id: str, began: int, ended: int | None, **fields: Any) -> Call:
    return Call(began_ns=began, ended_ns=ended, write_id=write_id, **fields)


def read(generation: int, began: int, ended: int, **fields: Any) -> Call:
    return Call(began_ns=began, ended_ns=ended, outcome=OBSERVED, generation=generation, **fields)


GOOD = (
    write("a", 0, 10, outcome=COMMITTED, generation=1, expected=0),
    write("b", 5, 20, outcome=COMMITTED, generation=2, expected=1),
    write("c", 15, None, outcome=UNKNOWN),
    write("d", 16, 30, outcome=CONFLICT, generation=2, expected=1),
    write("e", 16, 30, outcome=REFUSED),
    read(2, 21, 40, seen="b"),
    read(3, 41, 50, seen="c"),
)


def test_a_correct_run_is_explained() -> None:
    """Overlaps, an unknown outcome that came true, a conflict and a time-out are all fine."""
    assert violations(HISTORY, GOOD) == ()


@pytest.mark.planted
@pytest.mark.parametrize(
    ("planted", "call"),
    [
        ("lost acknowledged write", write("x", 60, 70, outcome=COMMITTED, generation=4)),
        ("acknowledged at another place", write("c", 60, 70, outcome=COMMITTED, generation=1)),
        ("stale read", read(1, 60, 70, seen="a")),
        ("read before it was written", read(1, -20, -10, seen="a")),
        ("torn read: generation 2 with content 3", read(2, 22, 39, seen="c")),
        ("read of a future generation", read(9, 60, 70)),
        ("conflict that was none", write("x", 60, 70, outcome=CONFLICT, generation=3, expected=3)),
        (
            "conflict with a stale head",
            write("x", 60, 70, outcome=CONFLICT, generation=1, expected=0),
        ),
        (
            "create refused over a realm never written",
            write("x", -9, -8, outcome=CONFLICT, generation=0, create=True),
        ),
        (
            "no-op against its precondition",
            write("x", 60, 70, outcome=OBSERVED, generation=3, expected=2),
        ),
    ],
)
def test_a_planted_lie_is_found(planted: str, call: Call) -> None:
    """Each single wrong answer added to a correct run is reported, once its own reason is there."""
    kept = [one for one in GOOD if one.write_id != call.write_id]
    assert violations(HISTORY, [*kept, call]), planted


@pytest.mark.planted
@pytest.mark.parametrize(
    ("planted", "history", "calls"),
    [
        ("gap", [HISTORY[0], HISTORY[2]], GOOD),
        ("rewound and written again", [*HISTORY, Entry(generation=1, write_id="d")], GOOD),
        ("one write twice", [*HISTORY, Entry(generation=4, write_id="b")], GOOD),
        ("written by nobody", [*HISTORY, Entry(generation=4, write_id="ghost")], GOOD),
        ("a refused write came true", [*HISTORY, Entry(generation=4, write_id="e")], GOOD),
        ("a lost write came true", [*HISTORY, Entry(generation=4, write_id="d")], GOOD),
        (
            "order against real time",
            [HISTORY[0], Entry(generation=2, write_id="c"), Entry(generation=3, write_id="b")],
            GOOD,
        ),
    ],
)
def test_a_planted_history_is_found(
    planted: str, history: list[Entry], calls: Sequence[Call]
) -> None:
    """A history that lost, repeated, invented or reordered a write is reported."""
    assert violations(history, calls), planted


def test_attempts_of_one_write_are_one_call() -> None:
    """A retry that got its answer under the same write id counts from the first attempt on."""
    first = write("a", 0, 10, outcome=UNKNOWN)
    retry = write("a", 90, 99, outcome=COMMITTED, generation=1)
    seen_between = read(1, 20, 30, seen="a")
    assert violations(HISTORY[:1], [first, seen_between, retry]) == ()
    assert violations(HISTORY[:1], [seen_between, retry])


def test_two_answers_for_one_write_are_found() -> None:
    """Two attempts that were acknowledged at different generations cannot both be right."""
    answers = [write("a", 0, 1, outcome=COMMITTED, generation=g) for g in (1, 2)]
    calls = [*answers, *GOOD[1:]]
    assert violations(HISTORY, calls)
