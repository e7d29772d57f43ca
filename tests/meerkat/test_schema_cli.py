"""The built-in schema through the command line: attached by its name, and kept to."""

from __future__ import annotations

from pathlib import Path

import pytest

from realmconf.surfaces.cli import main

EXAMPLES = Path(__file__).parent / "examples"


@pytest.fixture
def call(tmp_path, capsys, monkeypatch):
    """Calls the command line in a folder of the test's own; gives the exit code and what was printed."""
    monkeypatch.chdir(tmp_path)

    def call(*words):
        capsys.readouterr()
        code = main(list(words))
        printed = capsys.readouterr()
        return code, printed.out + printed.err

    return call


@pytest.fixture
def made(call, tmp_path):
    """A project with the realistic example, governed by the schema; the file of its working copy."""
    code, printed = call(
        "init", "--realm", "team", "--schema", "meerkat", "--from", str(EXAMPLES / "realistic.toml")
    )
    assert code == 0, printed
    return tmp_path / ".realmconf" / "team" / "config.toml"


@pytest.mark.usefixtures("made")
def test_a_project_starts_with_the_schema(call):
    """``init --schema meerkat`` takes an existing file in; a typo is refused and what was meant is named."""
    assert call("validate")[0] == 0
    code, printed = call("set", "agent.modle", "x")
    assert code == 4
    assert 'there is no such key; did you mean "model"?' in printed
    assert call("get", "agent.model")[1].startswith("claude-sonnet-4-5\n")


@pytest.mark.usefixtures("made")
def test_keys_are_not_shown(call):
    """The example's key and a server's environment are withheld, in whatever form they are asked for."""
    for words in (
        ("get",),
        ("get", "-o", "json"),
        ("get", "providers"),
        ("get", "tools.mcp_servers"),
    ):
        code, printed = call(*words)
        assert code == 0
        assert "sk-placeholder" not in printed
        assert '"eu"' not in printed


def test_one_key_changes_one_line(made, call):
    """W10: comments, order and spelling of everything else in the file stay as they are."""
    before = made.read_text().splitlines()
    assert call("set", "compaction.auto_compact_threshold", "90000")[0] == 0
    after = made.read_text().splitlines()
    assert len(before) == len(after)
    changed = [(old, new) for old, new in zip(before[1:], after[1:], strict=True) if old != new]
    assert changed == [("auto_compact_threshold = 80000", "auto_compact_threshold = 90000")]


def test_the_schema_is_attached_to_a_realm_that_is_there(call):
    """``schema set meerkat`` refuses while the document does not fit, and takes it once it does."""
    assert call("init", "--realm", "team")[0] == 0
    assert call("set", "agent.modle", "x")[0] == 0
    code, printed = call("schema", "set", "meerkat")
    assert code == 4
    assert 'did you mean "model"?' in printed
    assert call("schema", "set", "meerkat-open")[0] == 0
    assert call("unset", "agent.modle")[0] == 0
    assert call("schema", "set", "meerkat")[0] == 0
    assert call("set", "max_tokens", "0")[0] == 4
