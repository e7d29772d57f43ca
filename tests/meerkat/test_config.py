"""Meerkat's configuration as models: equal to the schema, read and written without loss, and checked by its rules."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any, get_args

import pytest
from pydantic import BaseModel, ValidationError

import realmconf
from realmconf.domain.schemas.filling import filled
from realmconf.domain.schemas.shape import Shape
from realmconf.domain.toml import parse_toml
from realmconf.errors import InvalidDocument, SchemaViolation
from realmconf.meerkat import (
    SCHEMA,
    Config,
    HookEntry,
    OpenConfig,
    OutputSchema,
    ShellDefaults,
    entries,
    validate,
)

EXAMPLES = Path(__file__).parent / "examples"
UUID = "6f3c9a52-7c63-4c0d-9d0e-0d6a4d1f7b11"
SHAPE = Shape.of((SCHEMA,))
MODELS = {"anthropic": ["a"], "openai": ["o"], "gemini": ["g"]}


def example(name):
    return parse_toml((EXAMPLES / f"{name}.toml").read_text()).document


def without_empty(document):
    return {key: value for key, value in document.items() if value != {}}


# --- models and schema -----------------------------------------------------------------------


def keys_of(model: type[BaseModel]) -> set[str]:
    return {field.alias or name for name, field in model.model_fields.items()}


def sections_of(annotation: Any) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [model for part in get_args(annotation) for model in sections_of(part)]


def test_models_and_schema_have_the_same_defaults():
    """A configuration of which nothing is stated is what the schema fills in."""
    assert without_empty(Config().document()) == filled({}, SHAPE)


def test_models_and_schema_have_the_same_keys():
    """In every section; only the other name of a shell's patterns is none of the model."""
    assert keys_of(Config) == set(SCHEMA["properties"])
    for name, field in Config.model_fields.items():
        keys = {key for model in sections_of(field.annotation) for key in keys_of(model)}
        if keys:
            assert keys | ({"allowlist"} if name == "shell" else set()) == set(
                SHAPE.member(name).keys
            ), name


@pytest.mark.parametrize(
    ("definition", "models"),
    [
        ("hook", [entries.HookEntry]),
        ("mcp_server", [entries.McpStdioServer, entries.McpHttpServer]),
        ("alias", [entries.SkillAlias]),
        ("remap", [entries.SkillRemap]),
        ("lineage", [entries.SkillLineage]),
        (
            "skill_repository",
            [
                entries.FilesystemRepository,
                entries.StdioRepository,
                entries.HttpRepository,
                entries.GitRepository,
            ],
        ),
    ],
)
def test_entries_have_the_same_keys_and_defaults(definition, models):
    """The forms of an entry of a list, too."""
    said = SCHEMA["$defs"][definition]
    forms = said.get("anyOf") or ([said["else"], said["then"]] if "if" in said else [said])
    for form, model in zip(forms, models, strict=True):
        assert keys_of(model) == set(form["properties"])
        required = {
            field.alias or name for name, field in model.model_fields.items() if field.is_required()
        }
        assert required == set(form.get("required", ()))
        for name, field in model.model_fields.items():
            wanted = form["properties"][field.alias or name].get("default")
            default = field.get_default(call_default_factory=True)
            given = default.model_dump() if isinstance(default, BaseModel) else default
            assert field.is_required() or given == wanted, name


# --- reading and writing ---------------------------------------------------------------------


@pytest.mark.parametrize("name", ["realistic", "later", "template-0.4"])
def test_what_is_stated_comes_back(name):
    """Nothing is lost, sections of later releases included; only lengths of time get their one spelling."""
    stated = example(name)
    found = Config.of(stated).document(stated=True)
    if name == "realistic":
        assert found["limits"].pop("max_duration") == "2h"
        assert stated["limits"].pop("max_duration") == 7_200_000
    if name == "later":
        assert found["retry"].pop("stream_inactivity_timeout") == "1m 30s"
        assert stated["retry"].pop("stream_inactivity_timeout") == "90s"
    assert found == stated


@pytest.mark.parametrize("stated", [False, True])
@pytest.mark.parametrize("name", ["realistic", "later", "template-0.4"])
def test_a_file_is_read_again_as_it_was_meant(name, stated):
    """Whole, or as far as it was stated, a configuration that becomes a file is read from it as the same one."""
    config = Config.from_toml((EXAMPLES / f"{name}.toml").read_text())
    again = Config.from_toml(config.to_toml(stated=stated))
    assert again == config
    assert again.document(stated=True) == config.document(stated=stated)


def test_what_is_no_file_of_meerkats_is_refused():
    """Text that is no TOML, keys that are none, and what no file can hold: each by its place."""
    with pytest.raises(InvalidDocument) as unread:
        Config.from_toml("[agent]\nmodel = [}\n")
    assert (unread.value.line, unread.value.column) == (2, 10)
    with pytest.raises(SchemaViolation) as refused:
        Config.from_toml("[agnet]\nmodel = 'm'\n")
    assert refused.value.violations[0]["pointer"] == "/agnet"
    config = Config.model_validate({"agent": {"provider_params": {"a": [None]}}})
    with pytest.raises(InvalidDocument) as unwritten:
        config.to_toml()
    assert unwritten.value.pointer == "/agent/provider_params/a/0"


def test_lengths_of_time_are_timedeltas():
    """Whether written as text, as milliseconds or as a table."""
    config = Config.of(example("realistic"))
    assert config.budget.max_duration == timedelta(minutes=45)
    assert config.limits.max_duration == timedelta(hours=2)
    assert config.retry.max_delay == timedelta(seconds=90)
    assert config.tools.tool_timeouts == {"shell": timedelta(seconds=90)}
    assert config.tools.default_timeout == timedelta(minutes=2)


@pytest.mark.parametrize(
    "text",
    ["18446744073710ms", "18446744073709552us", f"1.{'0' * 20}s", "0.0000000018446744073709h"],
)
def test_a_length_of_time_that_needs_more_than_64_bits(text):
    """It is refused, as by the original, which could not read the file any more."""
    with pytest.raises(SchemaViolation):
        Config.of({"retry": {"max_delay": text}})


def test_forms_are_told_apart():
    """By tag or by key: providers, servers, repositories, events."""
    config = Config.of(example("realistic"))
    assert isinstance(config.provider, entries.AnthropicProvider)
    assert [type(one) for one in config.tools.mcp_servers] == [
        entries.McpStdioServer,
        entries.McpHttpServer,
    ]
    assert isinstance(config.skills.repositories[0], entries.GitRepository)
    assert config.hooks.entries[0].runtime.settings == {"command": "python3", "args": ["guard.py"]}
    event = {"event": "split", "from": UUID, "into": [UUID.upper()]}
    lineage = [{"event_id": "e", "recorded_at_unix_secs": 5, "event": event}]
    found = Config.of({"skills": {"identity": {"lineage": lineage}}}).skills.identity.lineage
    assert found[0].event == entries.SplitEvent.model_validate({**event, "into": [UUID]})


def test_a_lone_config_of_a_hook_is_meant_by_what_it_holds():
    """As the original reads it."""
    runtime = HookEntry.model_validate(
        {"runtime": {"type": "http", "config": {"url": "u"}}}
    ).runtime
    assert runtime.settings == {"url": "u"}


@pytest.mark.parametrize(
    ("stated", "mode", "patterns"),
    [
        ({"allowlist": ["a"]}, "allow_list", ["a"]),
        ({"allowlist": ["a"], "security_patterns": ["b"]}, "allow_list", ["b"]),
        ({"allowlist": ["a"], "security_mode": "deny_list"}, "deny_list", ["a"]),
        ({"security_patterns": ["b"]}, "unrestricted", ["b"]),
    ],
)
def test_an_allowlist_is_another_name(stated, mode, patterns):
    """It fills in the patterns, restricts where no mode is stated, and is written back by the usual names."""
    shell = ShellDefaults.model_validate(stated)
    assert (shell.security_mode, shell.security_patterns) == (mode, patterns)
    assert "allowlist" not in shell.model_dump()


@pytest.mark.parametrize(
    ("given", "wrapped"),
    [
        ({"type": "object"}, {"schema": {"type": "object"}}),
        ({"schema": {}, "strict": True}, {"schema": {}, "strict": True}),
        ({"schema": {}, "extra": 1}, {"schema": {"schema": {}, "extra": 1}}),
    ],
)
def test_a_bare_schema_is_an_output_schema(given, wrapped):
    """As is one with a name and a mode."""
    config = Config.of({"agent": {"output_schema": given}})
    assert config.document(stated=True) == {"agent": {"output_schema": wrapped}}


def test_keys_are_not_printed():
    """W21: what a log gets of a configuration has no secret in it."""
    config = Config.of(
        {
            "provider": {"type": "gemini", "api_key": "hush"},
            "providers": {"api_keys": {"openai": "hush"}},
            "tools": {"mcp_servers": [{"name": "a", "command": "c", "env": {"T": "hush"}}]},
            "skills": {
                "repositories": [
                    {"name": "r", "source_uuid": UUID, "type": "git", "url": "u", "ssh_key": "hush"}
                ]
            },
        }
    )
    assert "hush" not in repr(config)
    assert config.document()["provider"]["api_key"] == "hush"
    with pytest.raises(ValidationError) as caught:
        Config.model_validate({"provider": {"type": "gemini", "api_key": ["hush"]}})
    assert "hush" not in str(caught.value)


def test_a_document_that_does_not_fit_is_refused_by_place():
    """With what was probably meant, and never with a value."""
    with pytest.raises(
        SchemaViolation, match='/agent/modle: there is no such key; did you mean "model"'
    ):
        Config.of({"agent": {"modle": "x"}})
    with pytest.raises(SchemaViolation, match=r"/retry/max_delay: .*finer than a microsecond"):
        Config.of({"retry": {"max_delay": "5ns"}})


# --- rules -----------------------------------------------------------------------------------

RULES = [
    ({"max_tokens": 0, "agent": {"max_tokens_per_turn": 0}}, "max_tokens must be greater than 0"),
    ({"agent": {"max_tokens_per_turn": 0}}, "agent.max_tokens_per_turn must be greater than 0"),
    ({"budget": {"max_tokens": 0}}, "budget.max_tokens must be greater than 0 when set"),
    ({"limits": {"budget": 0}}, "limits.budget must be greater than 0 when set"),
    (
        {"compaction": {"auto_compact_threshold": 0}},
        "compaction.auto_compact_threshold must be greater than 0",
    ),
    (
        {"compaction": {"recent_turn_budget": 0}},
        "compaction.recent_turn_budget must be greater than 0",
    ),
    (
        {"compaction": {"max_summary_tokens": 0}},
        "compaction.max_summary_tokens must be greater than 0",
    ),
    (
        {"compaction": {"min_turns_between_compactions": 0}},
        "compaction.min_turns_between_compactions must be greater than 0",
    ),
    (
        {
            "provider": {"type": "openai", "base_url": "a"},
            "providers": {"base_urls": {"openai": "b"}},
        },
        "provider base_url conflicts with providers.base_urls entry",
    ),
    (
        {
            "provider": {"type": "gemini", "api_key": "a"},
            "providers": {"api_keys": {"gemini": "b"}},
        },
        "provider api_key conflicts with providers.api_keys entry",
    ),
    (
        {"sub_agents": {"allowed_models": {"anthropic": ["*"], "gemini": []}}},
        "sub_agents.allowed_models['anthropic']: wildcards ('*') are not allowed",
    ),
    (
        {"sub_agents": {"allowed_models": {"anthropic": ["a"], "gemini": []}}},
        "sub_agents.allowed_models missing provider key 'openai'",
    ),
    (
        {"sub_agents": {"allowed_models": {**MODELS, "gemini": []}, "default_provider": "x"}},
        "sub_agents.allowed_models['gemini'] must not be empty",
    ),
    (
        {"sub_agents": {"default_provider": "OpenAI"}},
        "sub_agents.default_provider 'OpenAI' is not a valid provider name",
    ),
    (
        {"sub_agents": {"default_provider": "openai", "default_model": "m"}},
        "sub_agents.default_model 'm' is not in allowed_models for provider 'openai'",
    ),
]


@pytest.mark.parametrize(("stated", "text"), RULES, ids=[text for _, text in RULES])
def test_each_rule_has_its_words(stated, text):
    """The first one that is broken is told, of a document as of a model."""
    for config in (stated, Config.model_validate(stated)):
        with pytest.raises(SchemaViolation) as caught:
            validate(config)
        assert [one["message"] for one in caught.value.violations] == [text]


@pytest.mark.parametrize(
    "stated",
    [
        {},
        {
            "provider": {"type": "openai", "base_url": "a"},
            "providers": {"base_urls": {"openai": "a"}},
        },
        {
            "provider": {"type": "openai", "api_key": "a"},
            "providers": {"api_keys": {"gemini": "b"}},
        },
        {"sub_agents": {"default_provider": "inherit", "default_model": "m"}},
        {"sub_agents": {"default_provider": "openai", "default_model": "gpt-5.2"}},
    ],
    ids=str,
)
def test_what_breaks_no_rule_passes(stated):
    """Of a document as of a model."""
    validate(stated)
    validate(Config.of(stated))


# --- the way back ----------------------------------------------------------------------------


@pytest.fixture
def team():
    with realmconf.connect("memory://") as client:
        yield client.realm("team", schema=Config)


def test_a_tag_is_always_written(team):
    """A provider that differs from the default in its key alone is written with its type, which the original wants."""
    keyed = entries.AnthropicProvider(type="anthropic", api_key="k")
    assert team.set(Config(provider=keyed)).document == {
        "provider": {"type": "anthropic", "api_key": "k"}
    }
    assert Config(provider=keyed).document(stated=True) == {
        "provider": {"type": "anthropic", "api_key": "k"}
    }
    with pytest.raises(SchemaViolation):
        team.set({"provider": {"api_key": "k"}})


def test_what_belongs_together_is_written_together(team):
    """All four thresholds of health, where one was changed; and nothing else."""
    config = team.get().config
    skills = config.skills
    changed = skills.health_thresholds.model_copy(update={"degraded_failure_streak": 7})
    skills = skills.model_copy(update={"health_thresholds": changed})
    found = team.set(config.model_copy(update={"skills": skills})).document
    assert found == {
        "skills": {
            "health_thresholds": {
                "degraded_invalid_ratio": 0.05,
                "unhealthy_invalid_ratio": 0.4,
                "degraded_failure_streak": 7,
                "unhealthy_failure_streak": 10,
            }
        }
    }
    Config.of(found)


def test_names_of_attributes_are_no_keys():
    """What Python must call ``from_`` and ``schema_`` is ``from`` and ``schema``, on the way in as on the way out."""
    key = {"source_uuid": UUID, "skill_name": "a"}
    assert entries.SkillRemap.model_validate({"from": key, "to": key}).from_.skill_name == "a"
    with pytest.raises(ValidationError):
        entries.SkillRemap.model_validate({"from_": key, "to": key})
    found = OutputSchema.model_validate({"schema_": {"type": "object"}})
    assert found.schema_ == {"schema_": {"type": "object"}}


# --- unknown keys ----------------------------------------------------------------------------


UNKNOWN = {
    "agnet": {"x": 1},
    "agent": {"model": "m", "later": [1]},
    "provider": {"type": "gemini", "region": "eu"},
    "skills": {
        "repositories": [
            {"name": "a", "source_uuid": UUID, "type": "git", "url": "u", "mirror": "v"}
        ]
    },
}


def test_unknown_keys_are_kept_on_request(team):
    """``OpenConfig`` is a ``Config`` that keeps them, also where nothing else is changed, and checks the others."""
    config = OpenConfig.model_validate(UNKNOWN)
    assert isinstance(config, Config)
    assert config.document(stated=True) == UNKNOWN
    assert OpenConfig().document() == Config().document()
    with pytest.raises(ValidationError):
        OpenConfig.model_validate({**UNKNOWN, "max_tokens": 5.0})
    opened = team.client.realm("team", schema=OpenConfig)
    opened.set(UNKNOWN)
    written = opened.set(opened.get().config.model_copy(update={"max_tokens": 9})).document
    assert written == {**UNKNOWN, "max_tokens": 9}


def test_what_the_original_refuses_is_refused_by_open_models_too():
    """An MCP server has no unknown keys there, and a model of one's own names its provider."""
    for stated in (
        {"tools": {"mcp_servers": [{"name": "a", "command": "x", "cwd": "/"}]}},
        {"models": {"mine": 3}},
    ):
        with pytest.raises(ValidationError):
            OpenConfig.model_validate(stated)


def test_open_models_know_the_same_keys():
    """Each of them is one of ``Config``'s, section by section."""
    for name, field in Config.model_fields.items():
        opened = OpenConfig.model_fields[name]
        for one, other in zip(
            sections_of(field.annotation), sections_of(opened.annotation), strict=True
        ):
            assert keys_of(one) == keys_of(other)
            assert issubclass(other, one)
