"""Layers of Meerkat's configuration merged, and loaded from files, environment and overrides."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from realmconf.errors import InvalidArgument, InvalidDocument, SchemaViolation, StoreUnavailable
from realmconf.meerkat import Config, load, merge

# --- merging ---------------------------------------------------------------------------------


def test_no_key_is_dropped():
    """What the original loses on the way, the temperature for one, arrives."""
    stated: dict[str, Any] = {
        "agent": {
            "system_prompt_file": "p.md",
            "temperature": 0.5,
            "budget_warning_threshold": 0.5,
            "max_turns": 3,
            "provider_params": {"a": 1},
            "output_schema": {"schema": {"type": "object"}},
            "structured_output_retries": 5,
        },
        "skills": {"inventory_threshold": 3},
    }
    assert merge({"agent": {"model": "m"}}, stated).document(stated=True) == {
        "agent": {"model": "m", **stated["agent"]},
        "skills": {"inventory_threshold": 3},
    }


def test_a_stated_default_wins():
    """Presence decides, not whether a value differs from the default."""
    below = {"shell": {"program": "bash", "timeout_secs": 5}, "retry": {"max_retries": 9}}
    found = merge(below, {"shell": {"program": "nu"}, "retry": {"max_retries": 3}})
    assert (found.shell.program, found.shell.timeout_secs, found.retry.max_retries) == ("nu", 5, 3)


def test_a_layer_without_a_provider_leaves_it():
    """In the original a file without the section resets it."""
    below = {"provider": {"type": "gemini", "api_key": "k"}}
    assert merge(below, {"max_tokens": 5}).document(stated=True) == {**below, "max_tokens": 5}


def test_layers_may_be_models():
    """Only what they state counts."""
    found = merge(Config.of({"max_tokens": 5}), Config.of({"rest": {"port": 1}}), Config())
    assert found.document(stated=True) == {"max_tokens": 5, "rest": {"port": 1}}


def test_a_layer_that_does_not_fit_is_refused():
    """A typo is no layer without effect."""
    with pytest.raises(SchemaViolation, match="did you mean"):
        merge({"agent": {"modle": "x"}})


# --- loading ---------------------------------------------------------------------------------


@pytest.fixture
def places(tmp_path):
    """A home and a project, and what writes their files."""

    class Places:
        home = tmp_path / "home"
        project = tmp_path / "work" / "app"
        inside = project / "src" / "deep"

        def __init__(self) -> None:
            self.home.mkdir()
            self.inside.mkdir(parents=True)

        def write(self, folder, text):
            (folder / ".rkat").mkdir(exist_ok=True)
            (folder / ".rkat" / "config.toml").write_text(text)

        def load(self, environment=None, **more):
            return load(self.inside, environment or {}, home=self.home, **more)

    return Places()


def test_without_a_file_there_are_defaults(places):
    """A folder ``.rkat`` without one counts as none."""
    (places.project / ".rkat").mkdir()
    assert places.load() == Config()


def test_the_nearest_project_replaces_the_user(places):
    """The two are not stacked; only hooks are, the user's first."""
    places.write(places.home, 'max_tokens = 5\n[[hooks.entries]]\nid = "audit"\n')
    assert places.load().max_tokens == 5
    places.write(
        places.project, '[[hooks.entries]]\nid = "guard"\n[hooks]\ndefault_timeout_ms = 7\n'
    )
    config = places.load()
    assert config.max_tokens == 16384
    assert [one.id for one in config.hooks.entries] == ["audit", "guard"]
    assert config.hooks.default_timeout_ms == 7


def test_a_home_above_the_project_is_read_once(places):
    """Where both files are the same one, its hooks are there once."""
    places.write(places.project, '[[hooks.entries]]\nid = "guard"\n')
    config = load(places.inside, {"HOME": str(places.project)})
    assert [one.id for one in config.hooks.entries] == ["guard"]


@pytest.mark.parametrize(
    ("provider", "environment", "key"),
    [
        ("anthropic", {"ANTHROPIC_API_KEY": "b", "RKAT_ANTHROPIC_API_KEY": "a"}, "a"),
        ("openai", {"OPENAI_API_KEY": "b", "ANTHROPIC_API_KEY": "a"}, "b"),
        ("gemini", {"GOOGLE_API_KEY": "c", "GEMINI_API_KEY": "b"}, "b"),
        ("gemini", {"GOOGLE_API_KEY": "c"}, "c"),
        ("gemini", {"OPENAI_API_KEY": "c", "RKAT_MODEL": "m"}, None),
    ],
)
def test_the_environment_gives_the_selected_provider_its_key(places, provider, environment, key):
    """The first name that is set counts, and nothing else of the environment does."""
    places.write(places.project, f'[provider]\ntype = "{provider}"\n')
    config = places.load(environment)
    assert config.provider.api_key == key
    assert config.agent.model == Config().agent.model


def test_a_key_in_the_file_is_kept(places):
    """The environment only fills in; an empty variable fills in nothing."""
    assert places.load({"ANTHROPIC_API_KEY": "e"}).provider.api_key == "e"
    assert (
        places.load({"RKAT_ANTHROPIC_API_KEY": "", "ANTHROPIC_API_KEY": ""}).provider.api_key
        is None
    )
    places.write(places.project, '[provider]\ntype = "anthropic"\napi_key = "f"\n')
    assert places.load({"ANTHROPIC_API_KEY": "e"}).provider.api_key == "f"


def test_overrides_have_the_last_word(places):
    """A flag outweighs the file, and the patch outweighs the flag; null takes away."""
    places.write(
        places.project, '[agent]\nmodel = "m"\ntemperature = 0.5\n[budget]\nmax_tokens = 5\n'
    )
    config = places.load(
        model="n",
        max_tokens=6,
        max_duration=timedelta(seconds=90),
        max_tool_calls=7,
        overrides={"agent": {"model": "o", "temperature": None}, "budget": {"max_tool_calls": 8}},
    )
    assert config.document(stated=True) == {
        "agent": {"model": "o"},
        "budget": {"max_tokens": 6, "max_duration": "1m 30s", "max_tool_calls": 8},
    }


@pytest.mark.parametrize(
    "overrides", [{"agent": {"modle": "x"}}, {"agent": {"model": 7}}, {"max_tokens": 0}], ids=str
)
def test_an_override_that_does_not_fit_is_refused(places, overrides):
    """It is not left out in silence."""
    with pytest.raises(SchemaViolation):
        places.load(overrides=overrides)


def test_what_breaks_a_rule_is_refused(places):
    """W28: also where no schema can say it, and in a file that was edited by hand."""
    places.write(places.project, '[sub_agents]\ndefault_provider = "openai"\ndefault_model = "m"\n')
    with pytest.raises(SchemaViolation, match="not in allowed_models"):
        places.load()
    with pytest.raises(InvalidArgument):
        places.load(max_duration=timedelta(seconds=-1))


def test_a_broken_file_is_named(places):
    """W14: it is not taken for one without settings."""
    places.write(places.project, "[agent\n")
    with pytest.raises(InvalidDocument, match=r"config\.toml"):
        places.load()
    (places.project / ".rkat" / "config.toml").unlink()
    (places.project / ".rkat" / "config.toml").mkdir()
    with pytest.raises(StoreUnavailable, match="cannot be read"):
        places.load()


def test_no_provider_is_given_the_key_of_another(tmp_path):
    """W24: an override that names another provider takes no key along, be it from the file or of a variable."""
    (tmp_path / ".rkat").mkdir()
    (tmp_path / ".rkat" / "config.toml").write_text(
        '[provider]\ntype = "anthropic"\napi_key = "A"\n'
    )
    config = load(
        tmp_path, {"ANTHROPIC_API_KEY": "B"}, overrides={"provider": {"type": "gemini"}}, home=None
    )
    assert config.document()["provider"] == {"type": "gemini"}
    config = load(
        tmp_path, {"GEMINI_API_KEY": "G"}, overrides={"provider": {"type": "gemini"}}, home=None
    )
    assert config.document()["provider"] == {"type": "gemini", "api_key": "G"}
