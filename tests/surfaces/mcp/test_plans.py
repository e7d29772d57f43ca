"""Plan, then apply: what a plan is bound to, how often it is good, and how many there may be."""

from __future__ import annotations

import asyncio
import json

import pytest
from tests.surfaces.mcp.agents import (
    DOCUMENT,
    ERAS,
    REALM,
    answer,
    connected,
    hosted,
    planned,
    refusal,
    state,
)

import realmconf
from realmconf.domain.document import canonical_bytes
from realmconf.domain.names import PLANS
from realmconf.errors import GenerationConflict, NotPermitted, PlanInvalid, RateLimited
from realmconf.runtime import plan_record
from realmconf.runtime.access import OWNER
from realmconf.runtime.ledger import MINUTE_SECONDS, Ledger
from realmconf.runtime.operations import planning
from realmconf.runtime.operations.session import Session
from realmconf.runtime.world import World
from realmconf.surfaces.mcp.rights import allowance, narrowed
from realmconf.surfaces.mcp.stdio import host_for


def agent_of(client, *, caller="a", share=""):
    allowed = allowance(allow_write=True, paths=["/agent"], realms=["*"])
    grant = narrowed(OWNER.replace(share=share), allowed, caller=caller, author=f"mcp:{caller}")
    return Session(client, grant, surface="mcp")


def plan(session, limit, *, generation=1, realm=REALM):
    return planning.plan(
        session,
        realm=realm,
        patch={"agent": {"limit": limit}},
        expected_generation=generation,
        reason="r",
    ).plan_id


@pytest.mark.parametrize("mode", ERAS)
def test_a_change_is_planned_and_applied(client, team, mode):
    """A plan tells what a patch would do and changes nothing; applying it does that, and tells the new document."""

    async def scenario():
        before = state(client)
        async with hosted(client, paths=["/agent"], mode=mode) as agent:
            told = await answer(
                agent,
                "config_plan",
                patch={"agent": {"limit": 5, "style": None}},
                expected_generation=1,
                reason="five is enough",
            )
            changes = [
                {"pointer": "/agent/limit", "before": 1, "after": 5},
                {"pointer": "/agent/style/tone", "before": "dry"},
            ]
            assert told["changes"] == told["effective_changes"] == changes
            assert told["dry_run"] is True
            assert state(client) == before
            receipt = await answer(agent, "config_apply", plan_id=told["plan_id"])
            assert (receipt["changed"], receipt["generation"]) == (True, 2)
            assert receipt["write_id"] == told["plan_id"]
            assert receipt["config"]["agent"] == {"model": "m", "limit": 5, "list": [1, 2]}

    asyncio.run(scenario())
    assert team.get().document["agent"]["limit"] == 5


def test_a_plan_for_a_realm_never_written(client):
    """An agent may begin a realm: its plan is made at generation 0."""
    session = agent_of(client)
    assert planning.apply(session, plan_id=plan(session, 1, generation=0, realm="new")).changed
    second = plan(session, 2, generation=0, realm="other")
    client.realm("other").set({"agent": {"limit": 3}})
    with pytest.raises(GenerationConflict):
        planning.apply(session, plan_id=second)


def test_what_others_write_elsewhere_is_kept(client, team):
    """Between reading, planning and applying others may write elsewhere: nothing of it is lost, and no conflict."""
    session = agent_of(client)
    team.set_value("db.host", "h2")
    plan_id = plan(session, 5, generation=1)
    team.set_value("agent.model", "m2")
    result = planning.apply(session, plan_id=plan_id)
    assert result.rebased_from == 1
    document = result.document or {}
    assert document["agent"] == {**DOCUMENT["agent"], "model": "m2", "limit": 5}
    assert document["db"]["host"] == "h2"


def test_a_conflict_says_to_read_again(client, team):
    """What somebody else changed since is a conflict, when planning and when applying; the model is told to read."""

    async def scenario():
        async with hosted(client, paths=["/agent"]) as agent:
            plan_id = await planned(agent, {"agent": {"limit": 5}})
            team.set_value("agent.limit", 4, author="bob", message="four")
            before = state(client)
            for tool, arguments in [
                ("config_apply", {"plan_id": plan_id}),
                (
                    "config_plan",
                    {"patch": {"agent": {"limit": 6}}, "expected_generation": 1, "reason": "r"},
                ),
                ("config_apply", {"plan_id": plan_id}),
            ]:
                found = await agent.call_tool(tool, arguments)
                assert found.is_error
                error = found.structured_content
                assert error["code"] == "generation_conflict"
                assert (error["expected"], error["current"]) == (1, 2)
                assert error["contested"][0]["pointer"] == "/agent/limit"
                assert error["contested"][0]["author"] == "bob"
                assert "Read the configuration again" in found.content[1].text
                assert "Never send the same" in found.content[1].text
                assert state(client) == before
            again = await planned(agent, {"agent": {"limit": 6}})
            assert (await answer(agent, "config_apply", plan_id=again))["generation"] == 3

    asyncio.run(scenario())


def test_a_plan_is_good_once(client):
    """A plan that was carried out is refused from then on, and the refusal says what it made."""

    async def scenario():
        async with hosted(client, paths=["/agent"]) as agent:
            plan_id = await planned(agent, {"agent": {"limit": 5}})
            await answer(agent, "config_apply", plan_id=plan_id)
            before = state(client)
            found = await refusal(agent, "config_apply", plan_id=plan_id)
            assert (found["code"], found["reason"], found["generation"]) == (
                "plan_invalid",
                "replayed",
                2,
            )
            assert state(client) == before

    asyncio.run(scenario())


def test_a_plan_that_is_applied_twice_at_once_is_applied_once(client, team):
    """Of many that apply one plan at the same time exactly one does."""

    async def scenario():
        async with hosted(client, paths=["/agent"]) as agent:
            plan_id = await planned(agent, {"agent": {"limit": 5}})
            found = await asyncio.gather(
                *(agent.call_tool("config_apply", {"plan_id": plan_id}) for _ in range(10))
            )
            assert sum(not one.is_error for one in found) == 1
            assert {one.structured_content["code"] for one in found if one.is_error} == {
                "plan_invalid"
            }

    asyncio.run(scenario())
    assert team.get().generation == 2


def test_a_plan_that_changes_nothing_is_good_once(client):
    """Also a plan that changes nothing is carried out once."""
    session = agent_of(client)
    plan_id = plan(session, 1)
    assert planning.apply(session, plan_id=plan_id).changed is False
    with pytest.raises(PlanInvalid, match="carried out already"):
        planning.apply(session, plan_id=plan_id)


def test_a_plan_is_its_caller_s(client):
    """Nobody carries out somebody else's plan: neither another client, nor another process with one of that name."""
    allowed = allowance(allow_write=True, paths=["/agent"], realms=[REALM])

    async def scenario():
        host, other = (host_for(client, allowed, default_realm=None) for _ in range(2))
        async with (
            connected(host, name="one") as mine,
            connected(host, name="two") as named_otherwise,
            connected(other, name="one") as of_another_process,
        ):
            plan_id = await planned(mine, {"agent": {"limit": 5}}, realm=REALM)
            before = state(client)
            for agent in (named_otherwise, of_another_process):
                found = await refusal(agent, "config_apply", plan_id=plan_id)
                assert (found["code"], found["reason"]) == ("plan_invalid", "unknown")
            assert state(client) == before
            await answer(mine, "config_apply", plan_id=plan_id)
        host.close()
        other.close()

    asyncio.run(scenario())


def test_a_plan_does_not_outlive_its_rights(client):
    """A plan that was made while its caller might write there is refused when it may not any more."""
    plan_id = plan(agent_of(client), 5)
    before = state(client)
    for allowed in (
        allowance(),
        allowance(allow_write=True, paths=["/agent"], realms=["other"]),
        allowance(allow_write=True, paths=["/db"], realms=[REALM]),
    ):
        grant = narrowed(OWNER, allowed, caller="a", author="mcp:a")
        session = Session(client, grant, surface="mcp")
        with pytest.raises(NotPermitted):
            planning.apply(session, plan_id=plan_id)
    assert state(client) == before


class Clock:
    """Time that goes on when it is told to."""

    def __init__(self) -> None:
        self.now = 1_800_000_000 * 10**9

    def client(self, url):
        return realmconf.connect(url, author="ada", world=World(time_nanoseconds=lambda: self.now))

    def pass_seconds(self, seconds):
        self.now += int(seconds * 10**9)


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def timed(clock, tmp_path):
    with clock.client(str(tmp_path / "timed")) as client:
        client.realm(REALM).set(DOCUMENT)
        yield client


def test_a_plan_expires(clock, timed):
    """A plan is good for ten minutes."""
    session = agent_of(timed)
    first, second = plan(session, 5), plan(session, 6)
    clock.pass_seconds(planning.PLAN_SECONDS - 1)
    assert planning.apply(session, plan_id=first).changed
    clock.pass_seconds(1)
    before = state(timed)
    with pytest.raises(PlanInvalid, match="expired"):
        planning.apply(session, plan_id=second)
    assert state(timed) == before


def test_a_plan_is_of_one_history(client, team, tmp_path):
    """A plan made on a generation is refused where that number is of another history."""
    session = agent_of(client)
    plan_id = plan(session, 5)
    entry = Ledger(client.store, PLANS, world=client.world).read()[plan_id]
    assert entry["expected"] == team.get().etag
    with realmconf.connect(str(tmp_path / "copy")) as other:
        other.realm(REALM).set({"agent": {"limit": 0}})
        Ledger(other.store, PLANS, world=other.world).update(
            lambda kept: kept.update({plan_id: dict(entry)}),
            author="a",
            surface="mcp",
            message="",
            deadline=other.deadline(None),
        )
        before = state(other)
        with pytest.raises(realmconf.TimelineChanged):
            planning.apply(agent_of(other), plan_id=plan_id)
        assert state(other) == before


@pytest.mark.parametrize(
    "patch",
    [
        {"db": {"password": "new"}},
        {"db": {"password": "hunter2"}},
        {"db": None},
        {"a": "secret://env/X"},
    ],
)
def test_what_is_kept_of_plans_holds_no_secret(client, patch):
    """Also whoever may write secrets plans none: a plan is kept, and would keep it."""
    session = Session(client, OWNER, surface="rpc")
    with pytest.raises(NotPermitted):
        planning.plan(
            session, realm=session.named(REALM), patch=patch, expected_generation=1, reason="r"
        )
    assert not Ledger(client.store, PLANS, world=client.world).read()


# --- how many --------------------------------------------------------------------------------------


def test_a_caller_makes_so_many_plans_a_minute(clock, timed):
    """After 240 plans in a minute a caller waits; others do not."""
    session = agent_of(timed)
    for number in range(plan_record.PLANS_PER_MINUTE):
        plan(session, number)
    with pytest.raises(RateLimited):
        plan(session, 999)
    assert plan(agent_of(timed, caller="b"), 999)
    clock.pass_seconds(MINUTE_SECONDS)
    assert plan(session, 999)


def test_large_plans_are_fewer(clock, timed):
    """The plans of one caller take so much room and no more: the oldest give way, but none of the last minute."""
    session = agent_of(timed)

    first, second, *_ = [large(session) for _ in range(4)]
    with pytest.raises(RateLimited):
        large(session)
    clock.pass_seconds(MINUTE_SECONDS)
    large(session)
    with pytest.raises(PlanInvalid):
        planning.apply(session, plan_id=first)
    assert planning.apply(session, plan_id=second).changed


def large(session, size=32_000, letter="x"):
    return planning.plan(
        session,
        realm=session.named(REALM),
        patch={"agent": {"model": letter * size}},
        expected_generation=1,
        reason="r",
    ).plan_id


def is_kept(client, plan_id):
    return plan_id in Ledger(client.store, PLANS, world=client.world).read()


def test_nobody_keeps_others_from_planning(clock, timed):
    """Where there is no more room, the oldest plans of whoever has most give way: who has few keeps them."""
    victim = agent_of(timed, caller="v")
    mine = plan(victim, 5)
    by_turns = [agent_of(timed, caller=f"t-{n:02}", share="t-maker") for n in range(40)]
    made = []
    for session in by_turns:
        made.append(large(session))
        clock.pass_seconds(1)
    also = plan(victim, 6)
    assert is_kept(timed, mine)
    assert is_kept(timed, also)
    assert not is_kept(timed, made[0])
    assert is_kept(timed, made[-1])
    assert planning.apply(victim, plan_id=mine).changed


def test_tokens_of_one_maker_share_their_room(timed):
    """However many tokens somebody makes: what they plan together counts as what one would have planned."""
    others = [agent_of(timed, caller=f"o{n}") for n in range(3)]
    theirs = [large(session) for session in others for _ in range(3)]
    for number in range(40):
        large(agent_of(timed, caller=f"t-{number}", share="t-maker"))
    assert all(is_kept(timed, one) for one in theirs)


@pytest.mark.parametrize("letter", ['"', "\\", "é", "\U0001f600"])
def test_plans_are_counted_as_they_are_kept(timed, letter):
    """Text within text is up to four times as long: nothing fills the record beyond a document's limits."""
    size = 32_000 // len(json.dumps(letter, ensure_ascii=False)[1:-1].encode())
    for number in range(60):
        large(agent_of(timed, caller=f"c{number}"), size=size, letter=letter)
    record = Ledger(timed.store, PLANS, world=timed.world).read()
    assert plan_record.BYTES_MAX * 3 // 4 < len(canonical_bytes(record)) <= plan_record.BYTES_MAX


def test_makers_of_many_tokens_wait_too(timed, monkeypatch):
    """All tokens of one maker plan so often together, and no more; others are not meant."""
    monkeypatch.setattr(plan_record, "SHARE_PLANS_PER_MINUTE", 20)
    sessions = [agent_of(timed, caller=f"t-{n}", share="t-maker") for n in range(5)]
    for number in range(20):
        plan(sessions[number % 5], number)
    with pytest.raises(RateLimited, match="of this maker"):
        plan(sessions[0], 1000)
    assert plan(agent_of(timed, caller="b"), 999)


def test_who_waits_is_told_how_long(clock, timed):
    """After the seconds that a refusal tells, and not before, there is room for another plan."""
    session = agent_of(timed)
    for _ in range(3):
        large(session)
        clock.pass_seconds(10)
    large(session)
    with pytest.raises(RateLimited) as refused:
        large(session)
    assert refused.value.retry_after_seconds == 30
    clock.pass_seconds(29)
    with pytest.raises(RateLimited):
        large(session)
    clock.pass_seconds(1)
    large(session)


def test_plans_do_not_pile_up(clock, timed):
    """Expired plans are forgotten, and of the record of plans only the newest states are kept."""
    session = agent_of(timed)
    for number in range(3 * plan_record.REVISIONS_KEPT):
        plan(session, number)
        clock.pass_seconds(planning.PLAN_SECONDS)
    assert len(Ledger(timed.store, PLANS, world=timed.world).read()) == 1
    with timed.store.view() as view:
        head = view.head(PLANS)
    assert head.generation - head.floor < 2 * plan_record.REVISIONS_KEPT
