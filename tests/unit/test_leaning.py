"""Arrays of tables in a model that is written back: what was stated of an element stays what is stated of it (G10)."""

from __future__ import annotations

import datetime
from typing import Annotated, Any, Literal

import pydantic
import pytest

import realmconf


class Step(pydantic.BaseModel):
    name: str = "step"
    retries: int = 3
    on: bool = True


class File(pydantic.BaseModel):
    type: Literal["file"] = "file"
    path: str
    mode: int = 0o644


class Link(pydantic.BaseModel):
    type: Literal["link"] = "link"
    path: str
    follow: bool = True


class Task(pydantic.BaseModel):
    id: str
    steps: list[Step] = []
    waits: list[datetime.timedelta] = []
    output: Annotated[File | Link, pydantic.Field(discriminator="type")] | None = None
    note: str | None = None
    limit: int = 5


class Plan(pydantic.BaseModel):
    tasks: list[Task] = []
    default: list[Step] = [Step(name="first")]


STATED: dict[str, Any] = {
    "tasks": [
        {"id": "a", "limit": 5},
        {"id": "b", "steps": [{"name": "s"}, {}], "waits": ["PT60S"]},
        {"id": "c", "output": {"type": "link", "path": "/p"}, "note": "n"},
    ]
}


def first(plan: Plan) -> None:
    plan.tasks[0].limit = 6


def default(plan: Plan) -> None:
    plan.tasks[2].limit = 6
    plan.tasks[0].note = "x"


def turned_round(plan: Plan) -> None:
    plan.tasks.reverse()


def moved_and_changed(plan: Plan) -> None:
    plan.tasks.insert(0, plan.tasks.pop(2))
    plan.tasks[0].note = "m"


def removed(plan: Plan) -> None:
    del plan.tasks[0]


def added(plan: Plan) -> None:
    plan.tasks.insert(1, Task(id="d", output=File(path="/p"), steps=[Step(on=False)]))


def inside(plan: Plan) -> None:
    plan.tasks[1].steps[0].on = False


def absent(plan: Plan) -> None:
    plan.tasks[2].note = None
    plan.tasks[2].output = None


def another(plan: Plan) -> None:
    plan.tasks[2].output = File(path="/p")


def added_inside(plan: Plan) -> None:
    plan.tasks[1].steps.append(Step(name="t"))
    plan.tasks[1].waits.append(datetime.timedelta(seconds=5))


def set_to_default(plan: Plan) -> None:
    plan.tasks[1].steps[0].name = "step"


def of_the_type(plan: Plan) -> None:
    plan.default[0].retries = 1


A, B, C = STATED["tasks"]
FILE = {"type": "file", "path": "/p", "mode": 0o644}
"""An alternative of which the type demands to be told which one it is, is stated whole."""
CHANGES = [
    (first, [{**A, "limit": 6}, B, C]),
    (default, [{**A, "note": "x"}, B, {**C, "limit": 6}]),
    (turned_round, [C, B, A]),
    (moved_and_changed, [{"id": "c", "output": C["output"], "note": "m"}, A, B]),
    (removed, [B, C]),
    (
        added,
        [A, {"id": "d", "output": FILE, "steps": [{"on": False}]}, B, C],
    ),
    (inside, [A, {**B, "steps": [{"name": "s", "on": False}, {}]}, C]),
    (absent, [A, B, {"id": "c"}]),
    (another, [A, B, {**C, "output": FILE}]),
    (
        added_inside,
        [A, {**B, "steps": [*B["steps"], {"name": "t"}], "waits": ["PT60S", "PT5S"]}, C],
    ),
    (set_to_default, [A, {**B, "steps": [{"name": "step"}, {}]}, C]),
]


@pytest.fixture
def client():
    with realmconf.connect("memory://", author="ada") as found:
        yield found


@pytest.mark.parametrize(("change", "tasks"), CHANGES, ids=lambda one: getattr(one, "__name__", ""))
def test_an_element_states_what_was_changed_in_it(client, change, tasks):
    """G10: of an array's elements those that stayed are as they were stated; what is new states no default."""
    realm = client.realm("team", schema=Plan)
    realm.set(STATED)
    plan = realm.get().config
    change(plan)
    realm.set(plan)
    assert realm.get().config == plan
    assert realm.get().document == {"tasks": tasks}


def test_an_array_that_only_the_type_has(client):
    """G10: what is changed in an element of a default is stated with what is no default of its own type."""
    realm = client.realm("team", schema=Plan)
    realm.set(STATED)
    plan = realm.get().config
    of_the_type(plan)
    realm.set(plan)
    assert realm.get().config == plan
    assert realm.get().document == {**STATED, "default": [{"name": "first", "retries": 1}]}


def test_equal_elements_stay_where_they_are(client):
    """Of two elements that the type reads alike each keeps what it states, whatever is changed in a third."""
    stated = [{"id": "a"}, {"id": "a", "limit": 5}, {"id": "b"}]
    realm = client.realm("team", schema=Plan)
    realm.set({"tasks": stated})
    plan = realm.get().config
    plan.tasks[2].limit = 9
    realm.set(plan)
    assert realm.get().document == {"tasks": [*stated[:2], {"id": "b", "limit": 9}]}


class Counted(pydantic.BaseModel):
    """A type that reads an element by what stands beside it."""

    rows: list[Step] = []

    @pydantic.model_validator(mode="before")
    @classmethod
    def numbered(cls, given: Any) -> Any:
        rows = [
            {"retries": place, **row} if isinstance(row, dict) else row
            for place, row in enumerate(given.get("rows", []))
        ]
        return {**given, "rows": rows}


def test_a_type_that_reads_an_element_by_its_place(client):
    """Where an element means something else elsewhere the array is stated whole, and read as what was written."""
    realm = client.realm("team", schema=Counted)
    realm.set({"rows": [{"name": "a"}, {"name": "b"}]})
    found = realm.get().config
    found.rows.reverse()
    realm.set(found)
    assert realm.get().config == found
    assert realm.get().document == {
        "rows": [{"name": "b", "retries": 1, "on": True}, {"name": "a", "retries": 0, "on": True}]
    }


def test_a_model_is_read_once_more_and_no_oftener(client, monkeypatch):
    """Writing a model reads it twice, before and after, whether or not it has arrays of tables."""
    from realmconf.runtime import difference
    from realmconf.runtime.typed import adapter_for

    realm = client.realm("team")
    realm.set(STATED)
    adapter = adapter_for(Plan)
    loads = []
    load = type(adapter).load

    def counted(self, composed):
        loads.append(composed)
        return load(self, composed)

    composed = realm.get().point.composed
    for change in (first, of_the_type, lambda plan: None):
        plan = adapter.load(composed.config)
        change(plan)
        with monkeypatch.context() as patched:
            patched.setattr(type(adapter), "load", counted)
            loads.clear()
            difference.edit_from(adapter, composed, plan)
        assert len(loads) == 2
