"""The schema of Meerkat's configuration: what fits it, what is said of what does not, how realms with it compose."""

from __future__ import annotations

from pathlib import Path

import pytest

import realmconf
from realmconf.domain.composition import combine
from realmconf.domain.pointer import Pointer
from realmconf.domain.schemas.filling import filled
from realmconf.domain.schemas.schema import check_schema, schema_digest, violations
from realmconf.domain.schemas.shape import Shape
from realmconf.domain.toml import parse_toml
from realmconf.meerkat import OPEN_SCHEMA, SCHEMA

EXAMPLES = Path(__file__).parent / "examples"
DIGEST, OPEN_DIGEST = schema_digest(SCHEMA), schema_digest(OPEN_SCHEMA)
SHAPE = Shape.of((SCHEMA,))
UUID = "6f3c9a52-7c63-4c0d-9d0e-0d6a4d1f7b11"
OTHER = "0f8fad5b-d9cb-469f-a165-70867728950e"
MODELS = {"anthropic": ["a"], "openai": ["o"], "gemini": ["g"]}


def told(config):
    """The violations, as pointer -> message."""
    return {one["pointer"]: one["message"] for one in violations(DIGEST, SCHEMA, config)}


@pytest.mark.parametrize("schema", [SCHEMA, OPEN_SCHEMA], ids=["strict", "open"])
def test_the_schema_may_be_attached(schema):
    """Both keep every limit of schemas."""
    assert check_schema(schema) == schema


@pytest.mark.parametrize("example", sorted(EXAMPLES.glob("*.toml")), ids=lambda path: path.stem)
def test_files_of_both_releases_fit(example):
    """What v0.4.1 and v0.8 write is taken, their misplaced keys and each other's sections included."""
    config = parse_toml(example.read_text()).document
    assert told(config) == {}
    assert violations(OPEN_DIGEST, OPEN_SCHEMA, config) == ()


@pytest.mark.parametrize(
    ("config", "pointer", "message"),
    [
        ({"agnet": {}}, "/agnet", 'did you mean "agent"?'),
        ({"agent": {"modle": "x"}}, "/agent/modle", 'did you mean "model"?'),
        ({"agent": {"maxTurns": 3}}, "/agent/maxTurns", 'did you mean "max_turns"?'),
        (
            {"tools": {"mcp_servers": [{"name": "a", "comand": "x"}]}},
            "/tools/mcp_servers/0/comand",
            '"command"',
        ),
        ({"hooks": {"entries": [{"pont": "x"}]}}, "/hooks/entries/0/pont", 'did you mean "point"?'),
        ({"provider": {"type": "anthropc"}}, "/provider/type", '"anthropic", "openai", "gemini"'),
        ({"provider": {}}, "/provider/type", "required"),
    ],
)
def test_a_typo_is_refused_with_what_was_meant(config, pointer, message):
    """W3: a misspelt key or name is no success without effect."""
    assert message in told(config)[pointer]


@pytest.mark.parametrize(
    "config",
    [
        {"max_tokens": 0},
        {"max_tokens": 2**32},
        {"agent": {"max_tokens_per_turn": 0}},
        {"agent": {"max_turns": -1}},
        {"agent": {"output_schema": {"schema": 7}}},
        {"budget": {"max_tokens": 0}},
        {"budget": {"max_tool_calls": 1.5}},
        {"budget": {"max_duration": "45"}},
        {"budget": {"max_duration": -1}},
        {"limits": {"budget": 0}},
        {"retry": {"initial_delay": 500}},
        {"retry": {"initial_delay": "1.s"}},
        {"retry": {"initial_delay": "half an hour"}},
        {"tools": {"tool_timeouts": {"x": "30s"}}},
        {"tools": {"tool_timeouts": {"x": {"secs": 1}}}},
        {"tools": {"mcp_servers": [{"name": "a", "command": "x", "url": "y"}]}},
        {"tools": {"mcp_servers": [{"name": "a", "url": "y", "transport": "stdio"}]}},
        {"shell": {"security_mode": "allowlist"}},
        {"rest": {"port": 65536}},
        {"compaction": {"recent_turn_budget": 0}},
        {"provider": {"type": "gemini", "base_url": "x"}},
        {"sub_agents": {"allowed_models": {"anthropic": ["a"]}}},
        {"sub_agents": {"allowed_models": {**MODELS, "openai": []}}},
        {"sub_agents": {"allowed_models": {**MODELS, "gemini": ["*"]}}},
        {"sub_agents": {"default_provider": "OpenAI"}},
        {"hooks": {"entries": [{"runtime": {"command": "x"}}]}},
        {"skills": {"health_thresholds": {"degraded_invalid_ratio": 0.1}}},
        {"skills": {"repositories": [{"name": "a", "source_uuid": "x", "type": "filesystem", "path": "p"}]}},
        {"skills": {"identity": {"aliases": [{"alias": "a", "to": {"source_uuid": UUID, "skill_name": "A"}}]}}},
        {"models": {"mine": {"max_output": 5}}},
    ],
    ids=str,
)  # fmt: skip
def test_what_the_original_refuses_is_refused(config):
    """A value of another type, outside of its range, or of no form there is."""
    assert told(config)


@pytest.mark.parametrize(
    "config",
    [
        {"limits": {"budget": 2**63 - 1, "max_duration": 0}},
        {"retry": {"initial_delay": " 1h 30 min2s 1.5ms", "max_delay": "2years 1month 3days"}},
        {"agent": {"output_schema": {"type": "object", "schema": 7}, "provider_params": [1]}},
        {"tools": {"tool_timeouts": {"x": {"secs": 0, "nanos": 999_999_999}}}},
        {"shell": {"allowlist": ["git *"]}},
        {"sub_agents": {"allowed_models": {**MODELS, "mine": []}}},
        {"hooks": {"entries": [{}, {"runtime": {"type": "http", "config": {"url": "x"}}}]}},
        {"skills": {"repositories": [{"name": "a", "source_uuid": UUID.upper(), "type": "filesystem", "path": "p"}]}},
        {"models": {"mine": {"provider": "openai", "max_output": 5}}},
        {"retry": {"call_timeout": "disabled", "stream_inactivity_timeout": "30s"}},
    ],
    ids=str,
)  # fmt: skip
def test_what_the_original_takes_is_taken(config):
    """At the ends of the ranges, and in every form."""
    assert told(config) == {}


def test_the_open_schema_keeps_unknown_keys():
    """Types are checked all the same; where the original refuses unknown keys, they are refused."""
    assert violations(OPEN_DIGEST, OPEN_SCHEMA, {"agnet": {}, "agent": {"modle": 1}}) == ()
    assert violations(OPEN_DIGEST, OPEN_SCHEMA, {"agent": {"model": 1}})
    server = {"name": "a", "command": "x", "cwd": "/"}
    assert violations(OPEN_DIGEST, OPEN_SCHEMA, {"tools": {"mcp_servers": [server]}})


@pytest.mark.parametrize(
    "pointer",
    [
        "/provider/api_key",
        "/providers/api_keys/openai",
        "/tools/mcp_servers/0/env/TOKEN",
        "/tools/mcp_servers/0/headers/X-Team",
        "/skills/repositories/0/auth_token",
        "/skills/repositories/0/auth_header",
        "/skills/repositories/0/ssh_key",
        "/skills/repositories/0/env/TOKEN",
    ],
)
def test_keys_are_secret(pointer):
    """W21: what opens a door is written and not shown."""
    assert SHAPE.at(Pointer.parse(pointer)).secret


# --- defaults --------------------------------------------------------------------------------


def test_an_allowlist_is_not_outweighed_by_a_default():
    """Nothing is filled in for what an allowlist says already: commands stay as restricted as they are."""
    shell = filled({"shell": {"allowlist": ["git *"]}}, SHAPE)["shell"]
    assert shell == {"program": "nu", "timeout_secs": 30, "allowlist": ["git *"]}


def test_what_depends_on_the_folder_has_no_default():
    """Nor has anything that may be left out."""
    found = filled({}, SHAPE)
    assert not {"storage", "budget", "limits", "store", "providers"} & found.keys()
    assert found["max_tokens"] == found["agent"]["max_tokens_per_turn"] == 16384
    assert "provider_tools" not in found


# --- composition -----------------------------------------------------------------------------


def test_an_mcp_server_of_the_same_name_replaces_the_inherited_one():
    """In its place; nothing of the inherited one is left, and the others stay."""
    inherited = {
        "tools": {
            "mcp_servers": [{"name": "a", "command": "x", "args": ["1"]}, {"name": "b", "url": "u"}]
        }
    }
    own = {"tools": {"mcp_servers": [{"name": "c", "url": "v"}, {"name": "a", "url": "w"}]}}
    found = combine(inherited, own, SHAPE)["tools"]["mcp_servers"]
    assert found == [
        {"name": "a", "url": "w"},
        {"name": "b", "url": "u"},
        {"name": "c", "url": "v"},
    ]


def test_hooks_are_appended_and_repositories_united():
    """A parent's hooks come first; a repository is known by its UUID; what became of skills is all kept."""
    alias = [{"alias": one, "to": {"source_uuid": UUID, "skill_name": "s"}} for one in "ab"]
    git = {"name": "r", "source_uuid": UUID, "type": "git", "url": "u"}
    local = {"name": "r", "source_uuid": UUID, "type": "filesystem", "path": "p"}
    other = {"name": "o", "source_uuid": OTHER, "type": "filesystem", "path": "p"}
    inherited = {
        "hooks": {"default_timeout_ms": 1, "entries": [{"id": "p"}]},
        "skills": {"repositories": [git], "identity": {"aliases": alias[:1]}},
    }
    own = {
        "hooks": {"entries": [{"id": "p"}]},
        "skills": {"repositories": [local, other], "identity": {"aliases": alias[1:]}},
    }
    assert combine(inherited, own, SHAPE) == {
        "hooks": {"default_timeout_ms": 1, "entries": [{"id": "p"}, {"id": "p"}]},
        "skills": {"repositories": [local, other], "identity": {"aliases": alias}},
    }


def test_a_key_does_not_wander_to_another_provider():
    """W24: a realm that names its provider takes nothing of the inherited one."""
    inherited = {"provider": {"type": "anthropic", "api_key": "k", "base_url": "u"}}
    own = {"provider": {"type": "gemini"}}
    assert combine(inherited, own, SHAPE) == own


def test_each_key_of_a_section_is_inherited_by_itself():
    """What a realm states wins, also where it is the default; what it does not state is inherited."""
    inherited = {"shell": {"program": "bash", "timeout_secs": 5}, "agent": {"temperature": 0.5}}
    own = {"shell": {"program": "nu"}, "agent": {"model": "m"}}
    assert combine(inherited, own, SHAPE) == {
        "shell": {"program": "nu", "timeout_secs": 5},
        "agent": {"temperature": 0.5, "model": "m"},
    }


def test_no_mode_of_a_parent_opens_a_childs_allowlist():
    """An allowlist under a parent that lets everything through is refused, not read as unrestricted."""
    with realmconf.connect("memory://") as client:
        client.realm("global").set({"shell": {"security_mode": "unrestricted"}})
        client.realm("global").set_schema(SCHEMA)
        with pytest.raises(realmconf.SchemaViolation):
            client.realm("team").set({"shell": {"allowlist": ["git *"]}})
        allowed = {"allowlist": ["git *"], "security_mode": "allow_list"}
        assert client.realm("team").set({"shell": allowed}).generation == 1


# --- what a file could not hold --------------------------------------------------------------


@pytest.mark.parametrize(
    "config",
    [
        {"max_tokens": 5.0},
        {"budget": {"max_duration": 5.0}},
        {"rest": {"port": 80.0}},
        {"tools": {"tool_timeouts": {"x": {"secs": 1.0, "nanos": 0}}}},
        {"hooks": {"entries": [{"priority": 1.0}]}},
    ],
    ids=str,
)
def test_an_integer_is_written_as_one(config):
    """JSON Schema calls 5.0 an integer; the original does not read it, so it is not written."""
    for schema in (SCHEMA, OPEN_SCHEMA):
        (found,) = violations(schema_digest(schema), schema, config)
        assert (found["keyword"], found["message"]) == (
            "x-integer",
            "it must be an integer, written without a point",
        )


def test_a_child_states_all_allowed_models_or_none():
    """A part of them would be refused by the original; so it is here, whatever a parent states besides."""
    with realmconf.connect("memory://") as client:
        client.realm("global").set({"sub_agents": {"allowed_models": MODELS}})
        client.realm("global").set_schema(SCHEMA)
        team = client.realm("team")
        with pytest.raises(realmconf.SchemaViolation, match="allowed_models/gemini"):
            team.set({"sub_agents": {"allowed_models": {"anthropic": ["b"], "openai": ["c"]}}})
        team.set({"sub_agents": {"default_model": "o"}})
        assert team.get().config["sub_agents"]["allowed_models"] == MODELS


def test_no_length_of_time_at_all_may_be_written_as_0():
    """As the original takes it, and no other number without a unit."""
    for place in ("initial_delay", "max_delay", "call_timeout"):
        assert told({"retry": {place: "0"}}) == {}
        assert told({"retry": {place: "00"}})
