"""
What every surface must do alike: one list of scenarios in terms of the table of operations.

``{team}`` in a text stands for a realm of the scenario's own, so that all of them can be played on one store; one that
is told of the whole store has it for itself (``alone``).  An argument may be taken from what an earlier step has
answered (``answer``).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, eq=False)
class From:
    """What stands at *path* in the answer to the step *number*, from 0 on."""

    number: int
    path: tuple[Any, ...]


@dataclass(frozen=True, eq=False)
class Step:
    """One call, or something that its maker does to the store (``host:…``)."""

    operation: str
    arguments: dict[str, Any] = field(default_factory=dict)
    malformed: bool = False
    """Of a kind that only JSON can state: neither words of a command line nor calls in Python have it."""
    by_code: bool = False
    """Refused by who reads it on some surfaces, and so with other words."""
    count: int = 1
    """How many steps of a stream are read."""


@dataclass(frozen=True, eq=False)
class Scenario:
    """Calls, one after the other."""

    name: str
    claim: str
    steps: tuple[Step, ...]
    alone: bool = False


def do(operation: str, /, **arguments: Any) -> Step:
    return Step(operation, arguments)


def bad(operation: str, /, **arguments: Any) -> Step:
    return Step(operation, arguments, malformed=True)


def stream(count: int, /, **arguments: Any) -> Step:
    return Step("config/watch", arguments, count=count)


def answer(number: int, /, *path: Any) -> From:
    return From(number, path)


TEAM = "{team}"
ORG = "{org}"
CREW = "{crew}"


def on(operation: str, /, **arguments: Any) -> Step:
    """A call on the realm ``{team}``."""
    return do(operation, realm=TEAM, **arguments)


def child(parent: str = ORG, *unset: str, of: str = TEAM, **document: Any) -> dict[str, Any]:
    """A document whose realm inherits."""
    own: dict[str, Any] = {"parent": parent}
    if unset:
        own["unset"] = list(unset)
    return {**document, "realm": {of: own}}


STRICT = {
    "type": "object",
    "properties": {
        "agent": {
            "type": "object",
            "properties": {
                "model": {"type": "string", "minLength": 2},
                "tries": {"type": "integer", "maximum": 5},
            },
            "required": ["model"],
            "additionalProperties": False,
        }
    },
}
MERGING = {
    "properties": {
        "hosts": {"type": "array", "items": {"type": "string"}, "x-merge": "append"},
        "jobs": {
            "type": "array",
            "x-merge-key": "name",
            "items": {"type": "object", "properties": {"name": {"type": "string"}}},
        },
    }
}
HIDING = {"properties": {"pin": {"type": "string", "writeOnly": True}}}
DEEP: Any = []
for _ in range(65):
    DEEP = [DEEP]
GOOD = {"agent": {"model": "opus", "tries": 3}}


SCENARIOS: tuple[Scenario, ...] = (
    # --- a realm without anything
    Scenario(
        "never-written",
        "A realm that was never written reads as generation 0, and what needs one says so.",
        (
            on("config/get"),
            on("config/get", view="effective"),
            on("config/get", path="a.b"),
            on("config/get", at=1),
            on("config/explain"),
            on("config/explain", path="a"),
            on("config/validate"),
            on("config/validate", config={"a": 1}),
            on("config/history"),
            on("config/revision", generation=1),
            on("config/diff"),
            on("config/blame"),
            on("config/unset", path="a"),
            on("config/patch", patch={}),
            on("config/patch", patch={"a": None}),
            on("config/rollback", to=1),
            on("config/delete"),
            on("schema/get"),
            on("schema/unset"),
            on("policy/get"),
            on("policy/set", policy={"history_keep": 3}),
            on("realm/get_parent"),
            on("realm/descendants"),
            do("realm/rename", realm=TEAM, to=CREW),
            do("realm/copy", realm=TEAM, to=CREW),
            on("config/set", config={"a": 1}, must_exist=True),
            on("config/set", config={"a": 1}, expected_generation=1),
            on("config/set", config={"a": 1}, expected_generation=0, dry_run=True),
            on("config/get"),
        ),
    ),
    # --- writing
    Scenario(
        "writing",
        "Each way to write answers with the own envelope and what became of the write.",
        (
            on("config/set", config={"a": {"b": 1}, "list": [1, "x"]}, message="the start"),
            on("config/patch", patch={"a": {"c": True}, "d": {}}),
            on("config/patch", patch={"a": {"c": None}}),
            on(
                "config/json_patch",
                operations=[
                    {"op": "test", "path": "/a/b", "value": 1},
                    {"op": "add", "path": "/list/-", "value": 2},
                    {"op": "move", "from": "/d", "path": "/e"},
                    {"op": "copy", "from": "/a", "path": "/f"},
                    {"op": "replace", "path": "/a/b", "value": 2},
                    {"op": "remove", "path": "/f/b"},
                ],
            ),
            on("config/set_value", path="a.b", value=3),
            on("config/set_value", path="/a~1b/x", value="text"),
            on("config/unset", path='"a/b"'),
            on("config/set", config={"a": {"b": 3}}, create=False),
            on("config/get"),
            on("config/get", view="effective"),
            on("config/get", path="a"),
            on("config/get", path="/a/b"),
            on("config/get", path="/a/missing"),
            on("config/get", at=1),
            on("config/get", at=1, path="list"),
            on("config/get", at=99),
            on("config/delete", message="over"),
            on("config/get"),
            on("config/get", view="effective"),
            on("config/delete"),
            on("config/set", config={}, create=True),
            on("config/rollback", to=1),
            on("config/rollback", to=99),
            on("config/get"),
        ),
    ),
    Scenario(
        "no-ops",
        "What changes nothing makes no generation.",
        (
            on("config/set", config={"a": 1}),
            on("config/set", config={"a": 1}),
            on("config/patch", patch={"a": 1}),
            on("config/patch", patch={}),
            on("config/json_patch", operations=[]),
            on("config/set_value", path="a", value=1),
            on("config/unset", path="b"),
            on("config/rollback", to=1),
            on("config/set", config={"a": 1}, expected_generation=1),
            on("config/set", config={"a": 1}, expected_generation=0),
            on("policy/set", policy={"history_keep": None}),
            on("schema/unset"),
        ),
    ),
    Scenario(
        "preconditions",
        "A precondition that does not hold, or contradicts another one, refuses the write.",
        (
            on("config/set", config={"a": 1}),
            on("config/set", config={"a": 2}, expected_generation=1),
            on("config/history"),
            on("config/set", config={"a": 3}, expected_generation=1),
            on("config/set", config={"a": 3}, expected=answer(2, "revisions", 1, "etag")),
            on("config/set", config={"a": 3}, expected=answer(2, "revisions", 0, "etag")),
            on("config/set", config={"a": 4}, expected="3-000000000000"),
            on("config/set", config={"a": 4}, expected="3-000000000000", expected_generation=2),
            on("config/set", config={"a": 4}, expected="three"),
            on("config/set", config={"a": 4}, create=True),
            on("config/set", config={"a": 4}, create=True, must_exist=True),
            on("config/set", config={"a": 4}, must_exist=True),
            on("config/set", config={"a": 5}, on_conflict="rebase"),
            on("config/set", config={"a": 5}, expected_generation=4, depends_on=["a"]),
            on("config/delete", expected_generation=3),
            on("config/delete", expected_generation=4),
            on("config/set", config={"a": 5}, expected_generation=5),
            on("config/rollback", to=1, expected_generation=1),
            on("config/get"),
        ),
    ),
    Scenario(
        "generation-required",
        "A policy asks every writer what they expect.",
        (
            on("config/set", config={"a": 1}),
            on("policy/set", policy={"require_generation": True, "history_keep": 10}),
            on("policy/get"),
            on("config/patch", patch={"a": 2}),
            on("config/patch", patch={"a": 2}, must_exist=True),
            on("config/patch", patch={"a": 2}, expected_generation=2),
            on("policy/set", policy={"require_generation": False}),
            on("policy/set", policy={"require_generation": False}, expected_generation=4),
            on("policy/get"),
            bad("policy/set", realm=TEAM, policy={"history_keep": 0}, expected_generation=3),
            bad("policy/set", realm=TEAM, policy={"history": 1}),
            on("config/patch", patch={"a": 2}),
        ),
    ),
    Scenario(
        "conflicts",
        "A conflict names exactly what is contested; a rebase passes where nothing is.",
        (
            on("config/set", config={"a": 1, "b": 1, "c": {"x": 1, "y": 1}}, message="one"),
            on("config/patch", patch={"a": 2}, message="two"),
            on("config/patch", patch={"c": {"x": 2}}, message="three"),
            on("config/patch", patch={"b": 2}, expected_generation=1),
            on("config/patch", patch={"b": 2}, expected_generation=1, on_conflict="rebase"),
            on(
                "config/patch",
                patch={"a": 3, "c": {"x": 3}},
                expected_generation=1,
                on_conflict="rebase",
            ),
            on(
                "config/patch",
                patch={"c": {"y": 2}},
                expected_generation=1,
                on_conflict="rebase",
                depends_on=["/a", "c.x"],
            ),
            on(
                "config/set",
                config={"a": 1, "b": 1, "c": {"x": 1, "y": 9}},
                expected_generation=1,
                on_conflict="rebase",
            ),
            on(
                "config/json_patch",
                operations=[{"op": "test", "path": "/a", "value": 1}],
                expected_generation=1,
                on_conflict="rebase",
            ),
            on("config/set_value", path="a", value=2, expected_generation=1, on_conflict="rebase"),
            on("config/unset", path="b", expected_generation=1, on_conflict="rebase"),
            on("config/delete", expected_generation=1, on_conflict="rebase"),
            on("config/patch", patch={"a": 3}, expected_generation=99, on_conflict="rebase"),
            on("config/get"),
        ),
    ),
    Scenario(
        "write-ids",
        "A write id stands for one request: sent again it gets the first answer.",
        (
            on("config/set", config={"a": 1}, write_id="one"),
            on("config/patch", patch={"b": 1}),
            on("config/set", config={"a": 1}, write_id="one"),
            on("config/set", config={"a": 2}, write_id="one"),
            on("config/set", config={"a": 1}, write_id="one", message="why"),
            on("config/set", config={"a": 1}, write_id="one", dry_run=True),
            on("config/patch", patch={"b": 1}, write_id="nothing"),
            on("config/patch", patch={"b": 1}, write_id="nothing"),
            on("config/settle", write_id="one"),
            on("config/settle", write_id="nothing"),
            on("config/settle", write_id="never"),
            on("config/settle", write_id="never"),
            on("config/patch", patch={"b": 2}, write_id="never"),
            on("config/patch", patch={"b": 2}, write_id="x" * 129),
            on("config/settle", write_id="x" * 129),
            on("config/get"),
        ),
    ),
    Scenario(
        "numbers",
        "A number that equals the stored one keeps its type, unless its sender tells types apart.",
        (
            on("config/set", config={"a": 1.0, "b": [1, 2.0]}, exact_numbers=True),
            on("config/set", config={"a": 1, "b": [1.0, 2]}, exact_numbers=False),
            on("config/patch", patch={"a": 1}, exact_numbers=False),
            on(
                "config/json_patch",
                operations=[{"op": "replace", "path": "/a", "value": 1}],
                exact_numbers=False,
            ),
            on("config/set_value", path="a", value=1, exact_numbers=False),
            on("config/set_value", path="a", value=1, exact_numbers=True),
            on("config/patch", patch={"a": 1.0}, exact_numbers=True, write_id="typed"),
            on("config/patch", patch={"a": 7}),
            on("config/patch", patch={"a": 1}, exact_numbers=True, write_id="typed"),
            on("config/get"),
        ),
    ),
    Scenario(
        "dry-runs",
        "A dry run answers with what would change, refuses what would be refused, and changes nothing.",
        (
            do("config/set", realm=ORG, config={"a": 1, "b": 1}),
            on("config/set", config=child(a=2)),
            on("config/set", config=child(a=2, c=1), dry_run=True),
            on("config/patch", patch={"c": 1}, dry_run=True),
            on("config/patch", patch={"a": 2}, dry_run=True),
            on("config/json_patch", operations=[{"op": "remove", "path": "/a"}], dry_run=True),
            on("config/json_patch", operations=[{"op": "remove", "path": "/z"}], dry_run=True),
            on("config/set_value", path="c.d", value=1, dry_run=True),
            on("config/unset", path="a", dry_run=True),
            on("config/delete", dry_run=True),
            do("config/patch", realm=ORG, patch={"b": 2}, dry_run=True),
            do("config/delete", realm=ORG, dry_run=True),
            on("config/patch", patch={"c": 1}, expected_generation=9, dry_run=True),
            on("config/rollback", to=1, dry_run=True),
            on("schema/set", schema=HIDING, dry_run=True),
            on("schema/unset", dry_run=True),
            on("policy/set", policy={"history_keep": 2}, dry_run=True),
            on("realm/unset_parent", dry_run=True),
            on("realm/set_parent", parent=CREW, dry_run=True),
            do("realm/rename", realm=TEAM, to=CREW, dry_run=True),
            do("realm/copy", realm=TEAM, to=CREW, dry_run=True),
            do("realm/copy", realm=TEAM, to=ORG, dry_run=True),
            on("config/set", config={"realm": 1}, dry_run=True),
            on("config/history"),
            do("config/get", realm=CREW),
        ),
    ),
    # --- reading
    Scenario(
        "history",
        "The history is read in pages, newest first; a difference names its ends.",
        (
            on("config/set", config={"a": 1, "b": {"c": 1}}, message="one"),
            on("config/patch", patch={"b": {"c": 2}}, message="two"),
            on("config/patch", patch={"d": [1]}, message="three"),
            on("config/delete", message="four"),
            on("config/rollback", to=2, message="five"),
            on("config/history"),
            on("config/history", limit=2),
            on("config/history", limit=2, before=4),
            on("config/history", limit=2, before=2),
            on("config/history", before=1),
            on("config/revision", generation=1),
            on("config/revision", generation=4),
            on("config/revision", generation=5),
            on("config/revision", generation=6),
            on("config/diff"),
            on("config/diff", **{"from": 1}),
            on("config/diff", **{"from": 1, "to": 2}),
            on("config/diff", **{"from": 2, "to": 1}),
            on("config/diff", **{"from": 0, "to": 4}),
            on("config/diff", **{"from": 1, "to": 9}),
            on("config/blame"),
            on("config/blame", path="b"),
            on("config/blame", path="z"),
            on("config/get", at=2),
            on("config/get", at=4),
            on("config/get", at=0),
        ),
    ),
    Scenario(
        "compacted",
        "What was removed is gone for good, and says from where on there is something.",
        (
            on("config/set", config={"a": 1}),
            on("config/patch", patch={"a": 2}),
            on("config/patch", patch={"a": 3, "b": 1}),
            on("config/patch", patch={"a": 4}),
            do("host:compact", realm=TEAM, keep=2),
            on("config/history"),
            on("config/revision", generation=3),
            on("config/revision", generation=1),
            on("config/get", at=1),
            on("config/rollback", to=1),
            on("config/diff", **{"from": 1, "to": 4}),
            on("config/blame"),
            on("config/explain", path="b"),
            on("config/patch", patch={"b": 2}, expected_generation=1, on_conflict="rebase"),
            on("config/watch_once", after=1, wait=0),
            do("host:purge", realm=TEAM, generation=3),
            on("config/revision", generation=3),
            on("config/rollback", to=3),
        ),
    ),
    Scenario(
        "watching",
        "Every generation after a cursor, once and in order.",
        (
            on("config/set", config={"a": 1}, message="one"),
            on("config/patch", patch={"a": 2}),
            on("config/delete"),
            on("config/set", config={"b": 1}),
            on("config/watch_once", after=0, wait=5),
            on("config/watch_once", after=answer(4, "cursor"), wait=5),
            on("config/watch_once", after=3, wait=5),
            on("config/watch_once", after=4, wait=0),
            on("config/watch_once", after=4, wait=0, view="effective"),
            on("config/watch_once", after=0, wait=5, view="effective"),
            on("config/watch_once", after="4-000000000000", wait=5),
            on("config/watch_once", after="four", wait=0),
            on("config/watch_once", after=4, wait=61),
            stream(4, realm=TEAM, after=0),
            stream(1, realm=TEAM, after=3),
            stream(2, realm=TEAM, after=2, view="effective"),
            stream(1, realm=TEAM, after="nothing"),
            on("config/get", after=1),
            on("config/get", after=1, wait=5),
            on("config/get", after=4, wait=0),
            on("config/get", after=1, view="effective", wait=5),
            on("config/get", wait=1),
            on("config/get", after=1, at=1),
            on("config/get", after=1, wait=61),
        ),
    ),
    # --- lineage
    Scenario(
        "lineage",
        "A realm has what it inherits, the nearest first; whoever changes it is told who does not notice.",
        (
            do("config/set", realm=ORG, config={"a": {"x": 1, "y": 1}, "b": 1}, message="org"),
            on("config/set", config=child(a={"x": 2}), message="team"),
            do("config/set", realm=CREW, config=child(TEAM, "/b", of=CREW, c=1), message="crew"),
            do("realm/get_parent", realm=CREW),
            do("realm/get_parent", realm=ORG),
            do("realm/descendants", realm=ORG),
            do("realm/descendants", realm=CREW),
            do("config/get", realm=CREW, view="own"),
            do("config/get", realm=CREW, view="effective"),
            do("config/get", realm=CREW, view="effective", path="a.y"),
            do("config/get", realm=CREW, view="own", path="a.y"),
            do("config/get", realm=CREW, view="effective", path="b"),
            do("config/get", realm=CREW, view="effective", at=1),
            do("config/explain", realm=CREW, path="a.x"),
            do("config/explain", realm=CREW, path="a"),
            do("config/explain", realm=CREW, path="b"),
            do("config/explain", realm=CREW, path="nothing"),
            do("config/explain", realm=CREW),
            do("config/patch", realm=ORG, patch={"a": {"x": 7, "y": 7}, "b": 7}),
            do("config/watch_once", realm=CREW, view="effective", after=1, wait=5),
            stream(1, realm=CREW, after=1, view="effective"),
            do("config/validate", realm=CREW, config=child(ORG, of=CREW, c=2)),
            do("config/delete", realm=ORG),
            on("config/get", view="effective"),
            on("config/get"),
            on("config/explain", path="a"),
            on("config/validate"),
            do("config/watch_once", realm=CREW, view="effective", after=1, wait=5),
        ),
    ),
    Scenario(
        "parents",
        "A parent is there, is nobody's heir, and is not too far from the root.",
        (
            do("config/set", realm=ORG, config={"a": 1}),
            on("realm/set_parent", parent=ORG),
            on("realm/get_parent"),
            on("config/get"),
            on("realm/set_parent", parent="{missing}"),
            do("realm/set_parent", realm=ORG, parent=TEAM),
            on("realm/set_parent", parent=TEAM),
            do("realm/set_parent", realm=CREW, parent=TEAM, create=True),
            do("realm/set_parent", realm=CREW, parent=ORG, expected_generation=0),
            on("realm/set_parent", parent=ORG),
            on("realm/unset_parent"),
            on("realm/unset_parent"),
            on("config/get"),
            on("config/set", config={"realm": {TEAM: {"parent": "no name"}}}),
            on("config/set", config={"realm": {TEAM: {"parent": ORG, "unset": "a"}}}),
            on("config/set", config={"realm": {TEAM: {"parent": ORG, "unset": ["/realm"]}}}),
            on("config/set", config={"realm": {"other": {"key": "kept"}}}),
            *(
                do("realm/set_parent", realm=f"{{r{number}}}", parent=f"{{r{number - 1}}}")
                if number
                else do("config/set", realm="{r0}", config={"a": 1})
                for number in range(17)
            ),
            do("config/get", realm="{r14}", view="effective", path="a"),
        ),
    ),
    Scenario(
        "global",
        "What global states every realm has.",
        (
            on("config/set", config={"b": 1}),
            do("config/set", realm="global", config={"a": 1, "b": 2}, message="for all"),
            on("config/get", view="effective"),
            on("config/explain", path="a"),
            on("config/explain", path="b"),
            on("realm/get_parent"),
            do("realm/descendants", realm="global"),
            do("config/set", realm="global", config={"realm": {"global": {"parent": TEAM}}}),
            do("realm/set_parent", realm="global", parent=TEAM),
            do("config/patch", realm="global", patch={"a": None}),
            do("realm/rename", realm="global", to=CREW),
            do("config/delete", realm="global"),
        ),
        alone=True,
    ),
    Scenario(
        "merging",
        "A schema may have arrays joined to those that are inherited, end to end or by name.",
        (
            do(
                "config/set",
                realm=ORG,
                config={"hosts": ["a"], "jobs": [{"name": "x", "n": 1}, {"name": "y", "n": 1}]},
            ),
            do("schema/set", realm=ORG, schema=MERGING),
            on(
                "config/set",
                config=child(hosts=["b"], jobs=[{"name": "y", "n": 2}, {"name": "z", "n": 3}]),
            ),
            on("config/get"),
            on("config/get", view="effective"),
            on("config/explain", path="hosts"),
            on("config/explain", path="jobs"),
            on("config/explain", path="/jobs/1/n"),
            do("config/patch", realm=ORG, patch={"hosts": ["a", "c"]}),
            on("config/get", view="effective", path="hosts"),
        ),
    ),
    # --- schemas
    Scenario(
        "schema",
        "A configuration fits its schema, or all that does not is told at once.",
        (
            on("config/set", config={"agent": {"model": "m", "extra": 1}}),
            on("schema/set", schema=STRICT),
            on("schema/set", schema=STRICT, patch={"agent": {"model": "opus", "extra": None}}),
            on("schema/get"),
            on("config/get"),
            on("config/set", config={"agent": {"tries": 9, "modle": "x"}}),
            on("config/patch", patch={"agent": {"tries": "many"}}),
            on("config/patch", patch={"agent": {"tries": "many"}}, dry_run=True),
            on("config/validate"),
            on("config/validate", config={"agent": {"tries": 9, "modle": "x"}}),
            on("config/validate", config={"agent": GOOD["agent"]}),
            on("config/rollback", to=1),
            on("schema/set", schema=STRICT),
            on("schema/set", schema={"type": 3}),
            on("schema/set", schema={"$ref": "https://elsewhere/schema"}),
            on("schema/set", schema=STRICT, expected_generation=1),
            on("schema/unset", expected_generation=1),
            on("schema/unset"),
            on("schema/get"),
            on("config/rollback", to=1),
        ),
    ),
    Scenario(
        "schema-of-an-ancestor",
        "A schema judges the realms below it; what breaks a child's own is a warning.",
        (
            do("config/set", realm=ORG, config=GOOD),
            do("schema/set", realm=ORG, schema=STRICT),
            on("config/set", config=child(agent={"tries": 99})),
            on("config/set", config=child(agent={"tries": 4})),
            do("config/set", realm=CREW, config=child(ORG, of=CREW)),
            do(
                "schema/set",
                realm=CREW,
                schema={"properties": {"agent": {"properties": {"tries": {"maximum": 3}}}}},
            ),
            do("config/patch", realm=ORG, patch={"agent": {"tries": 5}}, dry_run=True),
            do("config/patch", realm=ORG, patch={"agent": {"tries": 5}}),
            do("config/validate", realm=CREW),
            on("config/get", view="effective"),
        ),
    ),
    # --- secrets
    Scenario(
        "secrets",
        "Whoever may not see a secret is shown a mark, in whatever answers.",
        (
            on("config/set", config={"api_key": "k-1", "db": {"password": "p-1", "port": 1}}),
            on("config/patch", patch={"db": {"password": "p-2"}, "ref": "secret://env/KEY"}),
            on("config/get"),
            on("config/get", path="api_key"),
            on("config/get", path="db"),
            on("config/get", view="effective", path="/db/password"),
            on("config/get", at=1),
            on("config/explain", path="db"),
            on("config/explain", path="db.password"),
            on("config/history"),
            on("config/revision", generation=2),
            on("config/diff"),
            on("config/diff", **{"from": 0, "to": 2}),
            on("config/blame"),
            on("config/watch_once", after=1, wait=5),
            stream(2, realm=TEAM, after=0),
            on("config/rollback", to=1, dry_run=True),
            # Of one that states a secret it depends on who asks: who has the store in hand could look as well.
            on("config/set", config={"db": {"port": 2}}, dry_run=True),
            on("config/rollback", to=1),
            do("realm/copy", realm=TEAM, to=CREW, dry_run=True),
            do("realm/copy", realm=TEAM, to=CREW),
            do("realm/rename", realm=CREW, to=ORG),
            on("config/delete"),
        ),
    ),
    Scenario(
        "marks",
        "A mark that comes back to its place keeps the secret; anywhere else it is refused.",
        (
            on("config/set", config={"api_key": "k-1", "db": {"password": "p-1"}, "n": 1}),
            on("config/get"),
            on(
                "config/set",
                config={
                    "api_key": answer(1, "config", "api_key"),
                    "db": {"password": answer(1, "config", "db", "password")},
                    "n": 2,
                },
            ),
            on("config/patch", patch={"api_key": answer(1, "config", "api_key")}),
            on("config/patch", patch={"api_key": answer(1, "config", "db", "password")}),
            on("config/patch", patch={"open": answer(1, "config", "api_key")}),
            on("config/set_value", path="api_key", value=answer(1, "config", "api_key")),
            on("config/set_value", path="api_key", value="«secret»"),
            on("config/set_value", path="api_key", value="«secret:0123456789abcdef»"),
            on("config/patch", patch={"n": 3}, message="n"),
            on(
                "config/json_patch",
                operations=[
                    {"op": "test", "path": "/api_key", "value": answer(1, "config", "api_key")},
                    {"op": "replace", "path": "/n", "value": 4},
                ],
            ),
            on("config/set_value", path="api_key", value="k-2"),
            on("config/set_value", path="api_key", value=answer(1, "config", "api_key")),
            on(
                "config/patch",
                patch={"api_key": answer(1, "config", "api_key"), "n": 5},
                expected_generation=1,
                on_conflict="rebase",
            ),
            on("config/get"),
        ),
    ),
    Scenario(
        "withheld",
        "Nothing that reads a secret is done for whoever may not see it.",
        (
            on("config/set", config={"api_key": "k-1", "db": {"password": "p-1"}}),
            on(
                "config/json_patch",
                operations=[{"op": "copy", "from": "/api_key", "path": "/open"}],
            ),
            on(
                "config/json_patch",
                operations=[{"op": "move", "from": "/db", "path": "/open"}],
                dry_run=True,
            ),
            on(
                "config/json_patch",
                operations=[{"op": "test", "path": "/api_key", "value": "k-1"}],
            ),
            on(
                "config/json_patch",
                operations=[{"op": "test", "path": "/db", "value": {"password": "p-2"}}],
            ),
            on("config/json_patch", operations=[{"op": "copy", "from": "", "path": "/open"}]),
            on("config/json_patch", operations=[{"op": "remove", "path": "/db"}]),
            on("config/get"),
        ),
    ),
    Scenario(
        "secrets-of-a-schema",
        "What a schema calls secret is so for the realms below it, and stays so.",
        (
            do("config/set", realm=ORG, config={"pin": "1234", "n": 1}),
            do("schema/set", realm=ORG, schema=HIDING),
            do("config/get", realm=ORG),
            on("config/set", config=child(pin="4321")),
            on("config/get", view="effective"),
            on("config/explain", path="pin"),
            on("realm/unset_parent"),
            on("config/get"),
            on("config/get", at=1, view="effective"),
            on("config/watch_once", view="effective", after=1, wait=5),
            do("schema/unset", realm=ORG),
            do("config/get", realm=ORG),
            do("realm/set_parent", realm=CREW, parent=ORG, dry_run=True),
            do("config/history", realm=ORG),
        ),
    ),
    # --- several realms
    Scenario(
        "transactions",
        "Several realms are written together or not at all.",
        (
            do(
                "config/transaction",
                parts=[
                    {"realm": TEAM, "set": {"a": 1, "api_key": "k"}},
                    {"realm": ORG, "patch": {"b": 1}, "create": True},
                ],
                message="both",
                write_id="{tx}",
            ),
            do(
                "config/transaction",
                parts=[
                    {"realm": TEAM, "set": {"a": 1, "api_key": "k"}},
                    {"realm": ORG, "patch": {"b": 1}, "create": True},
                ],
                message="both",
                write_id="{tx}",
            ),
            do(
                "config/transaction",
                parts=[
                    {"realm": TEAM, "set_value": {"a": 2}},
                    {"realm": ORG, "patch": {"b": 2}, "expected_generation": 9},
                ],
            ),
            do(
                "config/transaction",
                parts=[
                    {"realm": TEAM, "json_patch": [{"op": "replace", "path": "/a", "value": 2}]},
                    {"realm": ORG, "unset": ["b"]},
                    {"realm": CREW, "set": child(TEAM, of=CREW)},
                ],
                dry_run=True,
            ),
            do(
                "config/transaction",
                parts=[
                    {"realm": TEAM, "json_patch": [{"op": "replace", "path": "/a", "value": 2}]},
                    {"realm": ORG, "unset": ["b"]},
                    {"realm": CREW, "set": child(TEAM, of=CREW)},
                ],
            ),
            do(
                "config/transaction",
                parts=[{"realm": TEAM, "rollback": 1}, {"realm": ORG, "delete": True}],
            ),
            do("config/transaction", parts=[]),
            do("config/transaction", parts=[{"realm": TEAM}]),
            do("config/transaction", parts=[{"realm": TEAM, "set": {}, "patch": {}}]),
            do("config/transaction", parts=[{"realm": TEAM, "set": {}, "message": "x"}]),
            do("config/transaction", parts=[{"realm": TEAM, "set": {}}] * 2),
            do("config/transaction", parts=[{"realm": "_tokens", "set": {}}]),
            bad("config/transaction", parts=[{"set": {}}]),
            do(
                "config/transaction",
                parts=[{"realm": f"{{r{number}}}", "set": {}} for number in range(65)],
            ),
            on("config/get"),
            do("config/get", realm=ORG),
        ),
    ),
    Scenario(
        "renaming",
        "A realm takes its history along; a copy begins one. Whoever inherits is told of.",
        (
            do("config/set", realm=ORG, config={"a": 1}),
            on("config/set", config=child(b=1)),
            do("realm/rename", realm=ORG, to=CREW, message="new name"),
            do("config/history", realm=CREW),
            do("config/get", realm=ORG),
            on("config/get", view="effective"),
            do("realm/rename", realm=CREW, to=TEAM),
            do("realm/rename", realm=CREW, to=CREW),
            do("realm/rename", realm=CREW, to=ORG, expected_generation=1),
            do("realm/copy", realm=CREW, to="{copy}"),
            do("realm/copy", realm=CREW, to="{copy}"),
            do("realm/copy", realm=CREW, to="{copy}", expected_generation=1, message="again"),
            do("realm/copy", realm=TEAM, to="{heir}"),
            do("config/get", realm="{copy}"),
            do("realm/rename", realm=CREW, to="no name"),
        ),
    ),
    Scenario(
        "names-alike",
        "Two names that differ by case alone cannot both be.",
        (
            on("config/set", config={"a": 1}),
            do("config/get", realm="X{team}"),
            do("config/set", realm="{TEAM}", config={"a": 1}),
            do("config/set", realm="{TEAM}", config={"a": 1}, dry_run=True),
            do("realm/rename", realm=TEAM, to="{TEAM}"),
            do("realm/rename", realm=TEAM, to="{TEAM}", dry_run=True),
            do("realm/copy", realm=TEAM, to="{TEAM}"),
            do("realm/copy", realm=TEAM, to="{TEAM}", dry_run=True),
        ),
    ),
    Scenario(
        "lists",
        "The realms of a store, by name and in pages; tokens and plans are none.",
        (
            do("realm/list"),
            do("config/set", realm="org", config={"a": 1}),
            do("config/set", realm="team", config=child("org", of="team")),
            do("config/set", realm="zoo", config={}),
            do("config/delete", realm="zoo"),
            do("token/create", realms=["org"], roles=["read"], name="{ci}"),
            do("config/plan", realm="org", patch={"a": 2}, expected_generation=1, reason="why"),
            do("realm/list"),
            do("realm/list", limit=2),
            do("realm/list", limit=2, after="team"),
            do("realm/list", after="_"),
            do("realm/list", limit=1001),
            do("realm/descendants", realm="global"),
        ),
        alone=True,
    ),
    Scenario(
        "info",
        "A store says what it promises.",
        (do("store/info"),),
        alone=True,
    ),
    # --- plans and tokens
    Scenario(
        "plans",
        "A plan is judged as a write, and carried out once.",
        (
            on("config/set", config={"a": 1, "b": 1}),
            on("config/plan", patch={"a": 2}, expected_generation=1, reason="because"),
            on("config/plan", patch={"a": 2}, expected_generation=7, reason="because"),
            on("config/plan", patch={"a": 2}, expected_generation=1, reason=" "),
            on("config/plan", patch={"a": [None]}, expected_generation=1, reason="because"),
            on("config/patch", patch={"b": 2}),
            do("config/apply", plan_id=answer(1, "plan_id")),
            do("config/apply", plan_id=answer(1, "plan_id")),
            do("config/apply", plan_id="plan-0000000000000000"),
            on("config/plan", patch={"a": 3}, expected_generation=3, reason="because"),
            on("config/patch", patch={"a": 9}),
            do("config/apply", plan_id=answer(9, "plan_id")),
            on("config/get"),
        ),
    ),
    Scenario(
        "tokens",
        "A token is shown once; its end is told of.",
        (
            do("token/create", realms=[TEAM], roles=["read", "write"], name="{ci}", expires=60),
            do("token/create", realms=["*"], roles=["admin"], paths=["/a", "b.c"], name="{dev}"),
            do("token/list"),
            do("token/revoke", id=answer(0, "id")),
            do("token/revoke", id=answer(0, "id")),
            do("token/revoke", id="t-none"),
            do("token/list"),
            do("token/create", realms=["a/b"], roles=["read"]),
            do("token/create", realms=["a"], roles=["root"]),
            do("token/create", realms=["a"], roles=["read"], name="x" * 65),
            do("token/create", realms=["a"], roles=["read"], expires=0),
            do("token/create", realms=["a"], roles=["read"], paths=["a..b"]),
        ),
    ),
    # --- what is refused
    Scenario(
        "limits",
        "Everything has a limit, and says which.",
        (
            on("config/set", config={"a": 1}),
            on("config/patch", patch={"a": 2}, message="x" * 2001),
            on("config/history", limit=1001),
            on("config/patch", patch={"k" * 513: 1}),
            on("config/set_value", path="a", value={"k" * 513: 1}),
            on("config/set", config={"a": "x" * 1_048_576}),
            on("config/patch", patch={"deep": DEEP}),
            on(
                "config/json_patch",
                operations=[{"op": "test", "path": "/a", "value": 1}] * 4097,
            ),
            on("config/get"),
        ),
    ),
    Scenario(
        "names",
        "A name of a realm has one form.",
        tuple(
            do(operation, realm=name, **arguments)
            for name in ("no name", "-x", "_tokens", "x" * 65, "é")
            for operation, arguments in (
                ("config/get", {}),
                ("config/patch", {"patch": {"a": 1}}),
                ("config/history", {}),
            )
        ),
    ),
    Scenario(
        "places",
        "A place has one of two forms.",
        (
            on("config/set", config={"a": {"b": 1}}),
            on("config/get", path="a..b"),
            on("config/get", path="/a~2"),
            on("config/get", path=""),
            on("config/explain", path='"a'),
            on("config/blame", path="a."),
            on("config/set_value", path="/", value=1),
            on("config/set_value", path="a.b.c", value=1),
            on("config/unset", path="a.b.c"),
            on("config/json_patch", operations=[{"op": "add", "path": "a", "value": 1}]),
            on("config/json_patch", operations=[{"op": "add", "path": "/x/y", "value": 1}]),
            on("config/json_patch", operations=[{"op": "test", "path": "/a/b", "value": 2}]),
            on("config/json_patch", operations=[{"op": "jump", "path": "/a"}]),
            on("config/json_patch", operations=[{"op": "add", "path": "/a"}]),
            on("config/json_patch", operations=["add"]),
            on(
                "config/patch",
                patch={"a": 1},
                expected_generation=1,
                on_conflict="rebase",
                depends_on=["a..b"],
            ),
        ),
    ),
    Scenario(
        "documents",
        "A document is an object without nulls, within what TOML can say.",
        (
            on("config/set", config={"a": None}),
            on("config/set", config={"a": [None]}),
            on("config/patch", patch={"a": [1, None]}),
            Step("config/set", {"realm": TEAM, "config": {"a": 2**64}}, by_code=True),
            on("config/set", config={"realm": "x"}),
            on("config/set_value", path="a", value=[None]),
            on("config/validate", config={"a": None}),
            on("config/get"),
        ),
    ),
    Scenario(
        "arguments",
        "An argument is one that the operation has, and of its kind.",
        (
            bad("config/get", realm=TEAM, at="1"),
            bad("config/get", realm=TEAM, at=-1),
            bad("config/get", realm=TEAM, view="both"),
            bad("config/get", realm=TEAM, path=3),
            bad("config/set", realm=TEAM, config=[]),
            bad("config/set", realm=TEAM, config="x"),
            bad("config/set", realm=TEAM),
            bad("config/set", realm=TEAM, config={}, expected_generation=1.5),
            bad("config/set", realm=TEAM, config={}, expected_generation=True),
            bad("config/set", realm=TEAM, config={}, create="yes"),
            bad("config/set", realm=TEAM, config={}, on_conflict="merge"),
            bad("config/set", realm=TEAM, config={}, message=1),
            bad("config/set", realm=TEAM, config={}, depends_on="a"),
            bad("config/set", realm=TEAM, config={}, unknown=1),
            bad("config/patch", realm=TEAM, patch=[1]),
            bad("config/json_patch", realm=TEAM, operations={}),
            bad("config/rollback", realm=TEAM, to="one"),
            bad("config/rollback", realm=TEAM),
            bad("config/history", realm=TEAM, limit=0),
            bad("config/history", realm=TEAM, limit="x"),
            bad("config/watch_once", realm=TEAM, wait="long"),
            bad("config/watch_once", realm=TEAM, after=[1]),
            bad("config/transaction", parts={"realm": TEAM}),
            bad("config/transaction", parts=[1]),
            bad("config/plan", realm=TEAM, patch={"a": 1}, reason="because"),
            bad("config/apply", plan_id=7),
            bad("token/create", realms="*", roles=["read"]),
            bad("token/create", realms=["*"], roles=["read"], expires="never"),
            bad("schema/set", realm=TEAM, schema=True),
            bad("policy/set", realm=TEAM, policy={}),
            bad("policy/set", realm=TEAM, policy={"require_generation": "yes"}),
            bad("realm/set_parent", realm=TEAM, parent=1),
            on("config/set", config={}, message="a\x00b"),
            on("config/set", config={}, write_id="a\nb"),
            on("config/get"),
        ),
    ),
)
