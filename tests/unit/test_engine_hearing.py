"""What is concluded from what an engine tells unasked, and what is asked for instead."""

from __future__ import annotations

import time
from itertools import count
from unittest import mock

import pytest

from realmconf.domain.names import RealmName
from realmconf.runtime.client import Client
from realmconf.stores.engine.following import Following
from realmconf.stores.engine.ledger import News
from realmconf.stores.engine.store import AT_ONCE_REALMS, EngineStore
from realmconf.testing.modelengine import ModelEngine, Weather

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

BASE, TEAM = RealmName("base"), RealmName("team")


class Counting(Weather):
    """Fair weather in which questions are counted."""

    def __init__(self) -> None:
        self.questions = 0

    def asking(self) -> None:
        self.questions += 1


class Listener:
    """A handle that watches a realm with a parent, and is told what a test lets it hear."""

    def __init__(self, *, is_at_once: bool = False) -> None:
        """With *is_at_once* the thread that hears tells what it can, as a ledger with ``on_news`` lets it."""
        self.is_at_once = is_at_once
        self.engine = ModelEngine()
        self.told: list[News] = []
        self.numbers = count(1)
        self.weather = Counting()
        self.writer = Client(self.engine.open())
        self.client = Client(self.engine.open(weather=self.weather))
        self.writer.realm(BASE).set({"b": 0})
        self.writer.realm(TEAM).set({"t": 0, "realm": {TEAM: {"parent": BASE}}})
        assert isinstance(self.client.store, EngineStore)
        self.store = self.client.store
        self.sight = self.store.watched(TEAM)
        self.engine.listeners.append(self.told.append)
        self.store._hinted(None)
        # Of the first it cannot be known what came before.
        self.write(TEAM)
        self.hear(self.told)

    def write(self, *realms: RealmName) -> list[News]:
        """Write to *realms*, one after the other; what is told of it."""
        before = len(self.told)
        for realm in realms:
            self.writer.realm(realm).patch({realm[0]: next(self.numbers)})
        return self.told[before:]

    def hear(self, news: Sequence[News]) -> int:
        """Let it hear *news*, all at once; how much it asked."""
        before = self.weather.questions
        waiting: list[News] = []
        for one in news:
            # Behind what waits everything waits.
            if waiting or not (self.is_at_once and self.store._told_at_once(one)):
                waiting.append(one)
        assert self.weather.questions == before
        if waiting:
            self.store._hinted(waiting)
        return self.weather.questions - before

    def is_up_to_date(self) -> bool:
        """Whether what it remembers is what stands."""
        seen = self.sight.seen()
        assert seen is not None
        return all(
            head.revision == self.engine.state.head(name).revision
            and head.floor == self.engine.state.head(name).floor
            for name, head in seen.heads.items()
        )


@pytest.fixture(params=[False, True], ids=["by who listens", "at once"])
def listener(request: pytest.FixtureRequest) -> Iterator[Listener]:
    with mock.patch.object(Following, "start"):
        found = Listener(is_at_once=request.param)
        yield found
        found.client.close()
        found.writer.close()


def test_what_is_told_in_order_is_not_asked_for(listener: Listener) -> None:
    """Each step of a realm and of its parent is remembered as it is told, also several at once, without a question."""
    for realms in ((TEAM,), (BASE,), (TEAM, BASE, TEAM), (BASE, BASE)):
        assert listener.hear(listener.write(*realms)) == 0
        assert listener.is_up_to_date()


def test_strangers_leave_no_gap(listener: Listener) -> None:
    """What is told of realms that nobody watches costs nothing, and is missed by nobody."""
    stranger = RealmName("stranger")
    assert listener.hear(listener.write(stranger, TEAM, stranger, stranger, BASE)) == 0
    assert listener.is_up_to_date()


@pytest.mark.parametrize("lost", range(4))
def test_after_a_gap_it_is_asked(listener: Listener, lost: int) -> None:
    """
    Of several steps one is not told: what came behind it is not taken for what stands, though it follows on what is
    remembered of its own realm.
    """
    told = listener.write(BASE, TEAM, BASE, TEAM, TEAM, BASE)
    del told[lost]
    assert listener.hear(told) > 0
    assert listener.is_up_to_date()
    assert listener.hear(listener.write(TEAM, BASE)) == 0
    assert listener.is_up_to_date()


def test_a_gap_before_a_stranger_counts(listener: Listener) -> None:
    """What was missed before a write to another realm is missed still when the next one is told."""
    _, *told = listener.write(BASE, RealmName("stranger"), TEAM)
    assert listener.hear(told[:1]) == 0
    assert listener.hear(told[1:]) > 0
    assert listener.is_up_to_date()


@pytest.mark.parametrize(
    "order", [(1, 0), (0, 2, 1), (2, 1, 0), (1, 2, 0), (0, 0, 1, 1), (0, 1, 0)]
)
def test_late_and_doubled(listener: Listener, order: tuple[int, ...]) -> None:
    """What comes late, or again, never takes anything back, whatever the order, and all at once or one by one."""
    for at_once in (True, False):
        told = listener.write(BASE, TEAM, BASE)
        heard = [told[number] for number in order]
        before = listener.sight.seen()
        if at_once:
            listener.hear(heard)
        else:
            for news in heard:
                listener.hear([news])
        listener.hear(listener.write(TEAM))
        assert listener.is_up_to_date()
        assert listener.sight.seen() is not before


def test_what_an_answer_has_already_is_no_step_back(listener: Listener) -> None:
    """Somebody has asked before the news came: they change nothing."""
    told = listener.write(BASE, TEAM, TEAM)
    listener.store.lineage(TEAM)
    seen = listener.sight.seen()
    for news in told:
        assert listener.hear([news]) == 0
        assert listener.sight.seen() is seen


def test_what_is_told_without_its_head_is_asked_for(listener: Listener) -> None:
    """Names alone, or a version without a head, are asked for; also what is told behind them at once."""
    for has_version in (True, False):
        first, second = listener.write(BASE, TEAM)
        bare = first.replace(heads={}) if has_version else News(realms=first.realms)
        assert listener.hear([bare, second]) > 0
        assert listener.is_up_to_date()


def test_what_is_told_too_little_of_is_built_on_by_nobody(listener: Listener) -> None:
    """A parent's step is told without its head, the child's behind it with its own: they are not put together."""
    first, second = listener.write(BASE, TEAM)
    with mock.patch.object(EngineStore, "_look_at") as look:
        before = listener.sight.seen()
        listener.hear([first.replace(heads={}), second])
        look.assert_called_once_with([TEAM])
        assert listener.sight.seen() is before


def test_another_parent_is_asked_for(listener: Listener) -> None:
    """A realm that comes to inherit from another one is asked for, with that."""
    listener.writer.realm("other").set({"o": 1})
    before = len(listener.told)
    listener.hear(listener.told[-1:])
    listener.writer.realm(TEAM).patch({"realm": {TEAM: {"parent": "other"}}})
    assert listener.hear(listener.told[before:]) > 0
    assert listener.is_up_to_date()
    seen = listener.sight.seen()
    assert seen is not None
    assert "other" in seen.heads


def test_a_compaction_is_asked_for(listener: Listener) -> None:
    """What changes in a row besides its head is no step."""
    before = len(listener.told)
    listener.writer.store.compact(TEAM, floor=2, deadline=listener.writer.deadline(1.0))
    assert listener.hear(listener.told[before:]) > 0
    assert listener.is_up_to_date()


def test_a_head_that_is_not_the_next_is_asked_for(listener: Listener) -> None:
    """Two generations at once, or another floor with the next one, are no step from what is remembered."""
    first, second = listener.write(TEAM, TEAM)
    assert listener.hear([second.replace(before=first.before)]) > 0
    assert listener.is_up_to_date()
    (third,) = listener.write(TEAM)
    heads = {TEAM: third.heads[TEAM].replace(floor=2)}
    assert listener.hear([third.replace(heads=heads)]) > 0
    assert listener.is_up_to_date()


def test_a_child_that_leaves_is_asked_for_though_its_parent_is_not_told_of(
    listener: Listener,
) -> None:
    """Whom a realm depends on is told by its own head."""
    before = len(listener.told)
    listener.writer.realm(TEAM).patch({"realm": None})
    (news,) = listener.told[before:]
    alone = news.replace(realms=frozenset([TEAM]), heads={TEAM: news.heads[TEAM]})
    assert listener.hear([alone]) > 0
    assert listener.is_up_to_date()
    seen = listener.sight.seen()
    assert seen is not None
    assert BASE not in seen.heads


def test_an_older_copy_in_the_place_of_the_store(listener: Listener) -> None:
    """After a restore numbers are given again: none of the second time are taken for what followed on the first."""
    copy = listener.engine.state
    assert listener.hear(listener.write(BASE, TEAM)) == 0
    listener.engine.state = copy
    listener.writer.close()
    listener.writer = Client(listener.engine.open())
    told = listener.write(TEAM, BASE, TEAM)
    for news in told:
        listener.hear([news])
    assert listener.is_up_to_date()


def test_where_answers_may_be_old_nothing_is_concluded(listener: Listener) -> None:
    """G8: an answer that lacks what was committed before it was asked for is nothing to build on."""
    ledger = listener.store._ledger
    ledger.info = ledger.info.replace(reads="stale")
    assert listener.hear(listener.write(TEAM)) > 0
    assert listener.is_up_to_date()


def test_a_beat_is_no_gap(listener: Listener) -> None:
    """Once a second all that is watched is asked for on a busy store; what is told next needs no question for it."""
    assert listener.hear(listener.write(TEAM)) == 0
    newest = listener.engine.state.version
    listener.store._beat(newest, time.monotonic(), time.monotonic())
    assert listener.hear(listener.write(BASE, TEAM)) == 0
    assert listener.is_up_to_date()


def test_a_new_listening_begins_anew(listener: Listener) -> None:
    """What was committed while nobody listened is in no news: the first one afterwards proves nothing."""
    listener.write(BASE)
    listener.store._hearing.begin()
    assert listener.hear(listener.write(TEAM)) > 0
    assert listener.is_up_to_date()


@pytest.fixture
def at_once() -> Iterator[Listener]:
    with mock.patch.object(Following, "start"):
        found = Listener(is_at_once=True)
        yield found
        found.client.close()
        found.writer.close()


def test_who_watches_is_woken_at_once(at_once: Listener) -> None:
    """Whoever watches is woken by the thread that hears, where what is told is enough, else by the one that listens."""
    bell = at_once.store.signal([TEAM])
    try:
        bell.wait(0)
        first, _, third = at_once.write(TEAM, TEAM, TEAM)
        assert at_once.store._told_at_once(first)
        assert bell.wait(0)
        assert not at_once.store._told_at_once(third)
        assert not bell.wait(0)
        at_once.store._hinted([third])
        assert bell.wait(0)
        assert at_once.is_up_to_date()
    finally:
        bell.close()


def test_news_is_judged_once(at_once: Listener) -> None:
    """What the thread that hears has judged is not judged again, by which a gap would be taken for none."""
    told = at_once.write(TEAM, TEAM)
    hearing = at_once.store._hearing
    with mock.patch.object(hearing, "hear", wraps=hearing.hear) as judged:
        assert at_once.hear(told[1:]) > 0
    assert judged.call_count == 1


def test_what_concerns_many_is_left_to_who_listens(at_once: Listener) -> None:
    """The thread that brings everybody's answers goes through a few realms, and leaves more to the one that listens."""
    heirs = [RealmName(f"heir-{number}") for number in range(AT_ONCE_REALMS)]
    for heir in heirs:
        at_once.writer.realm(heir).set({"realm": {heir: {"parent": BASE}}})
    sights = [at_once.store.watched(heir) for heir in heirs]
    at_once.store._hinted(None)
    # Of the first it cannot be known what came before.
    assert at_once.hear(at_once.write(BASE)) > 0
    (news,) = at_once.write(BASE)
    hearing = at_once.store._hearing
    with mock.patch.object(hearing, "hear", wraps=hearing.hear) as judged:
        assert not at_once.store._told_at_once(news)
        assert judged.call_count == 0
        assert at_once.hear([news]) == 0
    assert at_once.is_up_to_date()
    for sight in sights:
        sight.close()
    assert at_once.hear(at_once.write(BASE)) == 0
