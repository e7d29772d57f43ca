"""What repositories and skills were before: what has to agree, and what a name leads to."""

from __future__ import annotations

import pytest

from realmconf.errors import InvalidArgument, SchemaViolation
from realmconf.meerkat import Config, SkillName, Skills

A = "6f3c9a52-7c63-4c0d-9d0e-0d6a4d1f7b11"
B = "0f8fad5b-d9cb-469f-a165-70867728950e"
C = "7d444840-9dc0-11d1-b245-5ffdce74fad2"


def repository(uuid, path="p", name="r"):
    return {"name": name, "source_uuid": uuid, "type": "filesystem", "path": path}


def key(uuid, name="s"):
    return {"source_uuid": uuid, "skill_name": name}


def remap(old, new, name="s"):
    return {"from": key(old, name), "to": key(new, name)}


def noted(event, **stated):
    return {"event_id": "e", "recorded_at_unix_secs": 1, "event": event, **stated}


def configured(repositories=(), **identity):
    return {"skills": {"repositories": list(repositories), "identity": identity}}


ROTATE = {"event": "rotate", "from": A, "to": B}
SPLIT = {"event": "split", "from": A, "into": [B, C]}
MERGE = {"event": "merge", "from": [A, B], "to": C}
RENAME = {"event": "rename_or_relocate", "from": A, "to": B}
MISSING = "lineage event 'e' ({}) requires explicit per-skill remap entries"

REFUSED = {
    "one UUID, two places": (
        configured([repository(A), repository(A, "q")]),
        "/skills/repositories/1/source_uuid",
        f"source UUID collision for {A}: two repositories of it are different ones",
    ),
    "one place, two UUIDs": (
        configured([repository(A), repository(B)]),
        "/skills/repositories/1/source_uuid",
        f"source UUID mutation rejected: {A} -> {B} without lineage",
    ),
    "a rotation without skills": (
        configured(lineage=[noted(ROTATE)], remaps=[remap(A, B)]),
        "/skills/identity/lineage/0",
        MISSING.format("rotate"),
    ),
    "a rotation without remaps": (
        configured(lineage=[noted(ROTATE, required_from_skills=["s"])]),
        "/skills/identity/lineage/0",
        MISSING.format("rotate"),
    ),
    "a split that leaves one target out": (
        configured(lineage=[noted(SPLIT, required_from_skills=["s"])], remaps=[remap(A, B)]),
        "/skills/identity/lineage/0",
        MISSING.format("split"),
    ),
    "a merge that leaves one skill out": (
        configured(
            lineage=[noted(MERGE, required_from_skills=["s", "t"])],
            remaps=[remap(A, C), remap(B, C), remap(A, C, "t")],
        ),
        "/skills/identity/lineage/0",
        MISSING.format("merge"),
    ),
    "a remap to another repository": (
        configured(remaps=[remap(A, B)]),
        "/skills/identity/remaps/0",
        f"skill remap from {A}/s to {B}/s is not allowed by lineage",
    ),
    "a remap against the direction": (
        configured(lineage=[noted(RENAME)], remaps=[remap(B, A)]),
        "/skills/identity/remaps/0",
        f"skill remap from {B}/s to {A}/s is not allowed by lineage",
    ),
}
TAKEN = {
    "nothing": {},
    "one repository twice": configured([repository(A), repository(A.upper(), name="again")]),
    "one place whose UUID was rotated": configured(
        [repository(B), repository(A)],
        lineage=[noted(ROTATE, required_from_skills=["s"])],
        remaps=[remap(A, B)],
    ),
    "one place, related by way of a third": configured(
        [repository(A), repository(C)],
        lineage=[noted(RENAME), noted({**RENAME, "from": C, "to": B})],
    ),
    "a split with all its skills": configured(
        lineage=[noted(SPLIT, required_from_skills=["s"])], remaps=[remap(A, B), remap(A, C)]
    ),
    "a merge with all its skills": configured(
        lineage=[noted(MERGE, required_from_skills=["s"])], remaps=[remap(A, C), remap(B, C)]
    ),
    "a remap inside of one repository": configured(
        remaps=[{"from": key(A, "s"), "to": key(A, "t")}]
    ),
    "a move that names no skills": configured(lineage=[noted(RENAME)]),
    "places that differ in what is fetched": configured(
        [
            {"name": "a", "source_uuid": A, "type": "git", "url": "u"},
            {"name": "b", "source_uuid": B, "type": "git", "url": "u", "git_ref": "v1"},
        ]
    ),
}


@pytest.mark.parametrize(
    ("config", "pointer", "message"), list(REFUSED.values()), ids=list(REFUSED)
)
def test_what_does_not_agree_is_refused(config, pointer, message):
    """By place, of a document as of a model; no text has a hash of where a repository is."""
    for one in (config, Config.of(config)):
        with pytest.raises(SchemaViolation) as caught:
            Skills.of(one)
        assert caught.value.violations[0]["pointer"] == pointer
        assert caught.value.violations[0]["message"] == message


@pytest.mark.parametrize("config", list(TAKEN.values()), ids=list(TAKEN))
def test_what_agrees_is_taken(config):
    """Of a document as of a model."""
    Skills.of(config)
    Skills.of(Config.of(config))


def test_a_name_leads_to_the_skill_of_today():
    """By alias or by UUID and name, along every remap."""
    skills = Skills.of(
        configured(
            lineage=[noted(RENAME), noted({**RENAME, "from": B, "to": C})],
            remaps=[remap(A, B), remap(B, C)],
            aliases=[{"alias": "short", "to": key(A)}],
        )
    )
    today = SkillName(source_uuid=C, skill_name="s")
    assert skills.resolve("short") == skills.resolve(f"{A.upper()}/s") == today
    assert str(skills.resolve(f"{B}/other")) == f"{B}/other"
    for unknown in ("long", f"{A}/s/t", f"{A}/S", "", "x/s"):
        with pytest.raises(InvalidArgument, match=f"unknown skill alias '{unknown}'"):
            skills.resolve(unknown)


def test_a_circle_is_told():
    """Remaps that lead back to where they began are found when one follows them."""
    there, back = {"from": key(A, "s"), "to": key(A, "t")}, {"from": key(A, "t"), "to": key(A, "s")}
    skills = Skills.of(configured(remaps=[there, back]))
    with pytest.raises(InvalidArgument, match=f"skill remap cycle detected for {A}/s"):
        skills.resolve(f"{A}/s")
