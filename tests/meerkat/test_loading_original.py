"""
Layers of Meerkat's configuration merged, loaded and patched, beside the published crate's own answers.

Whatever differs is named, here as on docs/meerkat-differences.md; a difference that is gone is found as well.
"""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from tests.meerkat.documents import differences, plain, without_empty

from realmconf.domain.patch import merge as patched
from realmconf.domain.toml import parse_toml
from realmconf.errors import SchemaViolation
from realmconf.meerkat import load, merge

if TYPE_CHECKING:
    from tests.meerkat.crate import Oracle

pytestmark = pytest.mark.machine

PAGE = Path(__file__).parents[2] / "docs" / "meerkat-differences.md"

# --- merging ---------------------------------------------------------------------------------

MERGED_ALIKE = [
    ["", "agent.model = 'b'"],
    ["agent.model = 'a'", "agent.model = 'b'\nagent.max_tokens_per_turn = 5"],
    ["agent = {system_prompt='a', tool_instructions='b', extraction_prompt='c'}", "max_tokens = 5"],
    ["max_tokens = 5\nstorage.directory = '/a'", "max_tokens = 6\nstorage.directory = '/b'"],
    ["budget = {max_tokens=5, max_duration='5s'}", "budget = {max_tokens=6, max_tool_calls=7}"],
    ["retry = {max_retries=9, multiplier=1.5}", "retry = {max_retries=3, initial_delay='1s'}"],
    ["tools = {shell_enabled=true, max_concurrent=3}", "tools = {shell_enabled=false}"],
    ["tools = {mob_enabled=true}", "tools = {default_timeout='10m', comms_enabled=true}"],
    ["models.openai = 'a'", "models = {openai='b', gemini='c'}"],
    ["provider = {type='openai', api_key='a'}", "provider = {type='gemini', api_key='b'}"],
    ["hooks.entries = [{id='a'}]", "hooks.entries = [{id='b'}]\nhooks.default_timeout_ms = 9"],
    ["hooks.entries = [{id='a'}]", "hooks.entries = [{id='a'}]"],
    ["rest = {host='a', port=1}", "rest = {host='b', port=2}"],
    ["shell.security_patterns = ['a']", "shell.allowlist = ['b']"],
]
"""Layers that both merge alike."""

_KEPT = "agent.temperature = 0.5\nagent.max_turns = 3\nagent.system_prompt_file = 'p'"
MERGED_OTHERWISE: dict[str, tuple[list[str], list[Any]]] = {
    "a value that equals the default": (
        ["shell.program = 'bash'", "shell.program = 'nu'"],
        ["shell", "program", "nu", "bash"],
    ),
    "`agent.temperature`": ([_KEPT], ["agent", "temperature", 0.5, None]),
    "`.max_turns`": ([_KEPT], ["agent", "max_turns", 3, None]),
    "`.system_prompt_file`": ([_KEPT], ["agent", "system_prompt_file", "p", None]),
    "`shell`": (
        ["shell.program = 'bash'", "shell.timeout_secs = 5"],
        ["shell", "program", "bash", "nu"],
    ),
    "`rest`": (["rest.host = 'a'", "rest.port = 2"], ["rest", "host", "a", "127.0.0.1"]),
    "`provider`": (
        ["provider.type = 'gemini'", "max_tokens = 5"],
        ["provider", "type", "gemini", "anthropic"],
    ),
    "`tools.mcp_servers`": (
        [
            "tools.mcp_servers = [{name='a', command='x'}]",
            "tools.mcp_servers = [{name='b', command='y'}]",
        ],
        [
            *("tools", "mcp_servers"),
            [
                {"name": "a", "command": "x", "args": [], "env": {}},
                {"name": "b", "command": "y", "args": [], "env": {}},
            ],
            [{"name": "b", "command": "y", "args": [], "env": {}}],
        ],
    ),
    "`tools.tool_timeouts`": (
        [
            "tools.tool_timeouts.a = {secs=1, nanos=0}",
            "tools.tool_timeouts.b = {secs=2, nanos=0}",
        ],
        [
            *("tools", "tool_timeouts"),
            {"a": {"secs": 1, "nanos": 0}, "b": {"secs": 2, "nanos": 0}},
            {"b": {"secs": 2, "nanos": 0}},
        ],
    ),
    "`skills`": (["skills.inventory_threshold = 3"], ["skills", "inventory_threshold", 3, 12]),
}
"""What the page calls a difference -> layers, and the key whose value is one here, another there."""


@pytest.mark.parametrize("texts", MERGED_ALIKE, ids=range(len(MERGED_ALIKE)))
def test_layers(oracle: Oracle, texts: list[str]) -> None:
    """Files that are read one over the other give the same configuration in both."""
    theirs = plain(oracle.ask("merge", texts=texts)["config"], oracle)
    merged = merge(*(parse_toml(text).document for text in texts))
    assert [*differences(without_empty(merged.document()), theirs)] == []


@pytest.mark.parametrize("name", MERGED_OTHERWISE)
def test_layers_that_are_merged_otherwise(oracle: Oracle, name: str) -> None:
    """Each difference that the page names is there, and is what it says."""
    assert name in PAGE.read_text()
    texts, (section, key, here, there) = MERGED_OTHERWISE[name]
    theirs = plain(oracle.ask("merge", texts=texts)["config"], oracle)
    merged = merge(*(parse_toml(text).document for text in texts)).document()
    assert (merged[section].get(key), theirs[section].get(key)) == (here, there)


# --- loading ---------------------------------------------------------------------------------


class Place:
    """A home and a project of one test, and the same question to both."""

    def __init__(self, folder: Path, oracle: Oracle) -> None:
        self._oracle = oracle
        self.home = folder / "home"
        self.project = folder / "work" / "app"
        self.inside = self.project / "src"
        self.home.mkdir()
        self.inside.mkdir(parents=True)

    def write(self, folder: Path, text: str) -> None:
        (folder / ".rkat").mkdir(exist_ok=True)
        (folder / ".rkat" / "config.toml").write_text(text)

    def both(self, environment: dict[str, str] | None = None, **flags: Any) -> tuple[Any, Any]:
        """Ours and theirs."""
        said = {**flags}
        if "max_duration" in said:
            said["max_duration_milliseconds"] = said.pop("max_duration") // timedelta(
                milliseconds=1
            )
        facts = {"home": str(self.home), "environment": environment or {}, "flags": said}
        answer = self._oracle.ask("load", folder=str(self.inside), **facts)
        theirs = {**plain(answer["config"], self._oracle), "hooks": answer["hooks"]}
        mine = load(self.inside, environment or {}, home=self.home, **flags)
        return without_empty(mine.document()), theirs

    def differences(self, environment: dict[str, str] | None = None, **flags: Any) -> list[str]:
        """Where ours and theirs differ."""
        return [*differences(*self.both(environment, **flags))]


@pytest.fixture
def place(tmp_path: Path, oracle: Oracle) -> Place:
    return Place(tmp_path, oracle)


USERS = "agent.model = 'user'\nhooks.entries = [{id='audit'}]\nprovider.type = 'openai'"
OWN = "agent.max_tokens_per_turn = 9\nhooks.entries = [{id='guard'}]"


@pytest.mark.parametrize("users", [USERS, None])
@pytest.mark.parametrize("own", [OWN, None])
def test_files(place: Place, users: str | None, own: str | None) -> None:
    """The project's file replaces the user's, hooks alone come from both."""
    if users is not None:
        place.write(place.home, users)
    if own is not None:
        place.write(place.project, own)
    assert place.differences() == []


@pytest.mark.parametrize("provider", ["anthropic", "openai", "gemini"])
@pytest.mark.parametrize("has_key", [True, False])
def test_keys(place: Place, provider: str, *, has_key: bool) -> None:
    """The environment fills in the missing key of the selected provider, under the same names in the same order."""
    key = ", api_key='own'" if has_key else ""
    place.write(place.project, f"provider = {{type='{provider}'{key}}}")
    names = ["GOOGLE_API_KEY", "GEMINI_API_KEY", "OPENAI_API_KEY", "ANTHROPIC_API_KEY"]
    names += ["RKAT_GEMINI_API_KEY", "RKAT_OPENAI_API_KEY", "RKAT_ANTHROPIC_API_KEY", "RKAT_MODEL"]
    environment: dict[str, str] = {}
    for name in names:
        environment[name] = f"from {name}"
        assert place.differences(environment) == [], name


def test_flags(place: Place) -> None:
    """A command line's flags and its overrides weigh as in the original."""
    place.write(place.project, "budget.max_tokens = 5\nmax_tokens = 7")
    flags: dict[str, Any] = {"model": "m", "max_tokens": 6, "max_tool_calls": 8}
    assert place.differences(max_duration=timedelta(minutes=3), **flags) == []
    assert place.differences(overrides={"agent": {"model": "n"}, "max_tokens": None}, **flags) == []


def test_an_empty_key(place: Place) -> None:
    """An empty variable for a key: there it is the key, here the next name is asked."""
    mine, theirs = place.both({"RKAT_ANTHROPIC_API_KEY": "", "ANTHROPIC_API_KEY": "k"})
    assert (mine["provider"]["api_key"], theirs["provider"]["api_key"]) == ("k", "")


def test_the_users_file_as_the_projects(place: Place) -> None:
    """Hooks, where the user's file is the project's: there they are read twice, here once."""
    place.home = place.project
    place.write(place.project, OWN)
    mine, theirs = place.both()
    assert [one["id"] for one in mine["hooks"]["entries"]] == ["guard"]
    assert [one["id"] for one in theirs["hooks"]["entries"]] == ["guard", "guard"]


def test_overrides_that_do_not_fit(place: Place) -> None:
    """There they are left out in silence, here refused."""
    with pytest.raises(SchemaViolation, match="/max_tokens"):
        place.both(overrides={"max_tokens": "many"})
    assert (
        place._oracle.ask(
            "load", folder=str(place.inside), flags={"overrides": {"max_tokens": "many"}}
        )["config"]["max_tokens"]
        == 16384
    )


def test_a_broken_rule(place: Place) -> None:
    """There a file that breaks a rule is loaded, here refused in the words that the original has for a patch."""
    place.write(place.project, "compaction.recent_turn_budget = 0")
    words = "compaction.recent_turn_budget must be greater than 0"
    answer = place._oracle.ask("load", folder=str(place.inside))
    assert answer["refused"] == f"Validation error: {words}"
    with pytest.raises(SchemaViolation):
        load(place.inside, {}, home=place.home)


# --- patching --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("base", "patch", "theirs"),
    [
        ({"a": 1}, {"a": {"b": None}}, {"a": {"b": None}}),
        ({}, {"a": {"b": {"c": None}}}, {"a": {"b": {"c": None}}}),
        ({"a": [1]}, {"a": {"b": None}}, {"a": {"b": None}}),
    ],
)
def test_a_null_that_meets_no_object(
    oracle: Oracle, base: dict[str, Any], patch: dict[str, Any], theirs: dict[str, Any]
) -> None:
    """W8: there it is kept as it is, against RFC 7396; here it removes what is not there."""
    assert oracle.ask("merge-patch", base=base, patch=patch)["result"] == theirs
    assert None not in [*_values(patched(base, patch))]


@pytest.mark.parametrize(
    ("base", "patch"),
    [
        ({"a": "b"}, {"a": "c"}),
        ({"a": "b"}, {"b": "c"}),
        ({"a": "b"}, {"a": None}),
        ({"a": "b", "b": "c"}, {"a": None}),
        ({"a": ["b"]}, {"a": "c"}),
        ({"a": "c"}, {"a": ["b"]}),
        ({"a": {"b": "c"}}, {"a": {"b": "d", "c": None}}),
        ({"a": [{"b": "c"}]}, {"a": [1]}),
        ({"a": "foo"}, {"b": {"c": 1}}),
        ({"a": {"b": {"c": 1, "d": 2}}}, {"a": {"b": {"c": None}, "e": {}}}),
    ],
)
def test_a_patch(oracle: Oracle, base: dict[str, Any], patch: dict[str, Any]) -> None:
    """Where no null meets nothing both follow RFC 7396."""
    assert oracle.ask("merge-patch", base=base, patch=patch)["result"] == patched(base, patch)


def _values(value: Any) -> list[Any]:
    if isinstance(value, dict):
        return [one for inner in value.values() for one in _values(inner)]
    return [value]
