"""One key of a file is read, typed, changed and written: that line differs, and no other."""

from __future__ import annotations

import difflib
import json
import tomllib
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel

from realmconf.meerkat import Config, template
from realmconf.surfaces.cli import main

EXAMPLES = Path(__file__).parent / "examples"
REALISTIC = (EXAMPLES / "realistic.toml").read_text("utf-8")
ORIGINAL = (EXAMPLES / "template-0.4.toml").read_text("utf-8")

TEMPLATE = [
    ("agent.model", "claude-sonnet-4-5", 'model = "claude-sonnet-4-5"'),
    ("models.gemini", "gemini-3-pro", 'gemini = "gemini-3-pro"'),
    ("shell.timeout_secs", 31, "timeout_secs = 31"),
    ("rest.port", 8081, "port = 8081"),
    ("sub_agents.default_provider", "openai", 'default_provider = "openai"        # the parent'),
    ("sub_agents.allowed_models.openai", ["gpt-5.2"], 'openai = ["gpt-5.2"]'),
    ("store.database_dir", "/srv/db", 'database_dir = "/srv/db"'),
    ("compaction.recent_turn_budget", 5, "recent_turn_budget = 5"),
    ("hooks.payload_max_bytes", 1024, "payload_max_bytes = 1024"),
]
"""In each section of the template: the key, its value, and how the line begins that then stands there."""

EXAMPLE = [
    ("max_tokens", 9000, "max_tokens = 9000"),
    ("agent.budget_warning_threshold", 0.5, "budget_warning_threshold = 0.5"),
    ("provider.base_url", "https://x.example", 'base_url = "https://x.example"'),
    ("budget.max_duration", "1h", 'max_duration = "1h"'),
    ("retry.max_delay", "2m", 'max_delay = "2m"'),
    ("tools.max_concurrent", 7, "max_concurrent = 7"),
    ("tools.tool_timeouts.shell.secs", 30, "secs = 30"),
    ("tools.mcp_servers.1.url", "https://w.example", 'url = "https://w.example"'),
    ("tools.mcp_servers.0.args", ["--all"], 'args = ["--all"]'),
    ("shell.security_patterns", ["git *"], 'security_patterns = ["git *"]'),
    ("providers.api_keys.openai", "sk-other", 'openai = "sk-other"'),
    ("comms.mode", "uds", 'mode = "uds"'),
    ("compaction.auto_compact_threshold", 90000, "auto_compact_threshold = 90000"),
    ("limits.max_duration", "3h", 'max_duration = "3h"            # integer'),
    ("sub_agents.default_model", "inherit", 'default_model = "inherit"'),
    ("hooks.entries.0.priority", 11, "priority = 11"),
    ("hooks.entries.0.runtime.args", ["x.py"], 'args = ["x.py"]'),
    ("skills.repositories.0.git_ref", "v4", 'git_ref = "v4"'),
]
"""The same for every section of the realistic example; a number is the place of an element."""

ORIGINALS = [
    ("agent.budget_warning_threshold", 0.5, "budget_warning_threshold = 0.5"),
    ("models.openai", "gpt-5.2", 'openai = "gpt-5.2"'),
    ("store.tasks_path", "/srv/tasks", 'tasks_path = "/srv/tasks"'),
    ("sub_agents.allowed_models.gemini", ["g"], 'gemini = ["g"]'),
]
"""The same for the original's template, in which a key stands that nobody reads."""

CASES = [
    *[pytest.param(template(), *one, id=f"template-{one[0]}") for one in TEMPLATE],
    *[pytest.param(ORIGINAL, *one, id=f"original-{one[0]}") for one in ORIGINALS],
    *[pytest.param(REALISTIC, *one, id=f"example-{one[0]}") for one in EXAMPLE],
]


def changed(value: Any, path: list[str], wanted: Any) -> Any:
    """A copy of a model, or of what stands in one, with *wanted* at *path*."""
    if not path:
        return wanted
    if isinstance(value, BaseModel):
        document = value.model_dump(by_alias=True, exclude_unset=True)
        return type(value).model_validate(changed(document, path, wanted))
    if isinstance(value, list):
        index = int(path[0])
        return [*value[:index], changed(value[index], path[1:], wanted), *value[index + 1 :]]
    return {**value, path[0]: changed(value.get(path[0], {}), path[1:], wanted)}


def check(before: str, after: str, line: str) -> None:
    """That *line* has come, at most one has gone, and everything else stands as it stood."""
    pairs = [one.splitlines() for one in (before, after)]
    # Our own files have their generation in the first line.
    old, new = ([one for one in lines if not one.startswith("# realmconf")] for lines in pairs)
    moved = [one for one in difflib.ndiff(old, new) if one[:2] in ("- ", "+ ")]
    come = [one[2:] for one in moved if one[0] == "+"]
    assert len(come) == 1, moved
    assert come[0].startswith(line), come
    assert len(moved) <= 2, moved


@pytest.mark.parametrize(("text", "path", "value", "line"), CASES)
def test_by_a_model(place, text, path, value, line):
    """A changed copy of the typed configuration is set as a whole."""
    place.begin(text)
    realm = place.connect().realm("team", schema=Config)
    before = place.text(realm)
    realm.set(changed(realm.get().config, path.split("."), value))
    check(before, place.text(realm), line)
    Config.from_toml(place.text(realm))


@pytest.mark.parametrize(("text", "path", "value", "line"), CASES)
def test_by_a_patch(place, text, path, value, line):
    """One value of it is written through a typed handle."""
    place.begin(text)
    realm = place.connect().realm("team", schema=Config)
    before = place.text(realm)
    realm.set_value(f"/{path.replace('.', '/')}", value)
    check(before, place.text(realm), line)


@pytest.mark.parametrize(("text", "path", "value", "line"), CASES)
def test_by_the_command_line(place, capsys, text, path, value, line):
    """With ``set``, under Meerkat's schema."""
    realm = place.begin(text)
    where = ("--store", place.url, "--realm", "team")
    assert main([*where, "schema", "set", "meerkat"]) == 0, capsys.readouterr().err
    before = place.text(realm)
    said = value if isinstance(value, str) else json.dumps(value)
    assert main([*where, "set", f"/{path.replace('.', '/')}", said]) == 0, capsys.readouterr().err
    check(before, place.text(realm), line)


@pytest.mark.parametrize(
    ("text", "cases"),
    [(template(), TEMPLATE), (ORIGINAL, ORIGINALS), (REALISTIC, EXAMPLE)],
    ids=["template", "original", "example"],
)
def test_every_section_is_changed_once(text, cases):
    """No section of the files is without a case."""
    stated = tomllib.loads(text)
    assert stated.keys() == {path.split(".")[0] for path, _, _ in cases}
