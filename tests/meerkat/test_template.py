"""The text that a new file starts with."""

from __future__ import annotations

from realmconf.domain.toml import parse_toml
from realmconf.meerkat import Config, template, validate


def test_the_template_states_defaults():
    """It fits, and whoever starts with it has what one without a file has."""
    stated = parse_toml(template()).document
    config = Config.of(stated)
    validate(config)
    assert config == Config()
    assert config.document(stated=True) == stated


def test_the_template_states_nothing_that_nobody_reads():
    """The original's has a limit of tokens among the models, which later releases refuse."""
    stated = parse_toml(template()).document
    assert stated["models"].keys() == {"anthropic", "openai", "gemini"}
    assert "max_tokens" not in stated
