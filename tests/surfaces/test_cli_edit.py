"""``edit``, ``status`` and ``resolve``: a person, an editor, and everybody else who writes meanwhile."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path

import pytest

MARK = "«secret:"
"""How a mark begins."""

AGENT = '# ours\n[agent]\nmodel = "sonnet"   # the small one\ntokens = 12\n\n[provider]\napi_key = "sk-1"\n'


@pytest.fixture
def agent(shell):
    shell.ok("replace", "--toml", AGENT, "-m", "first")
    # Comments come from a person: state the same in other words.
    shell.file.write_text(f"{shell.file.read_text().splitlines()[0]}\n{AGENT}")
    shell.ok("get")
    return shell


@pytest.fixture
def editor(monkeypatch, tmp_path):
    """Sets an editor that is a Python program: each of its rounds gets ``path`` and ``text``."""

    def set_editor(*rounds: str) -> Path:
        seen = tmp_path / "seen"
        program = tmp_path / "editor.py"
        lines = [
            "import pathlib, sys",
            "path = pathlib.Path(sys.argv[1])",
            f"seen = pathlib.Path({str(seen)!r})",
            "number = len(list(seen.parent.glob('seen*')))",
            "text = path.read_text()",
            "(seen.parent / f'seen{number}').write_text(text)",
            f"exec({list(rounds)!r}[number])",
        ]
        program.write_text("\n".join(lines))
        monkeypatch.setenv("EDITOR", f"{shlex.quote(sys.executable)} {shlex.quote(str(program))}")
        return seen

    return set_editor


def shown(seen: Path, number: int) -> str:
    return (seen.parent / f"seen{number}").read_text()


def kept(answer) -> Path:
    """The file that the person's text is kept in."""
    line = next(line for line in answer.err.splitlines() if "your text is kept in" in line)
    return Path(line.rpartition(" ")[2])


def while_editing(shell, *words: str) -> str:
    """Code for an editor that lets somebody else write first."""
    command = [sys.executable, "-m", "realmconf", "--store", str(shell.root), "--realm", "team"]
    command += ["--author", "bob", *words]
    return f"import subprocess; subprocess.run({command!r}, check=True, capture_output=True)\n"


def test_edit_without_an_editor_and_a_terminal_is_refused(agent, monkeypatch):
    """Nobody waits for an editor that nobody can see; $EDITOR is named instead."""
    monkeypatch.delenv("EDITOR", raising=False)
    answer = agent("edit", "-o", "json")
    assert (answer.code, answer.error["code"]) == (4, "invalid_argument")
    assert "$EDITOR" in answer.error["message"]
    assert "your text is kept" not in answer.err


def test_edit_commits_what_was_saved(agent, editor):
    """The editor shows the own document with its comments; what is saved becomes a generation."""
    seen = editor("path.write_text(text.replace('sonnet', 'opus'))")
    answer = agent.ok("edit", "-m", "by hand")
    assert answer.out == "generation=2\n"
    assert shown(seen, 0).startswith("# realmconf: team, generation 1\n# ours\n")
    assert agent.head()[0]["agent"]["model"] == "opus"
    assert agent.ok("log", "-o", "json").json["revisions"][0]["message"] == "by hand"
    assert 'model = "opus"   # the small one' in agent.file.read_text()


def test_edit_keeps_the_comments_that_were_written(agent, editor):
    """G10: comments and order as the person left them are in the file, also where only they changed."""
    editor(
        "path.write_text(text.replace('tokens = 12', '# a dozen\\ntokens = 13'))",
        "path.write_text(text.replace('# a dozen', '# thirteen'))",
    )
    agent.ok("edit")
    assert "# a dozen\ntokens = 13\n" in agent.file.read_text()
    agent.ok("edit")
    assert "# thirteen\ntokens = 13\n" in agent.file.read_text()
    assert agent.file.read_text().startswith("# realmconf: team, generation 2\n# ours\n")
    assert "sk-1" in agent.file.read_text()
    assert agent.head()[1] == 2
    assert agent.ok("status", "-o", "json").json["state"] == "clean"
    agent.file.write_text(agent.file.read_text().replace("13", "14"))
    assert agent.ok("get", "agent.tokens").out == "14\n"


def test_edit_without_a_change_does_nothing(agent, editor):
    """Nothing is written, and nothing is left behind."""
    editor("pass")
    answer = agent.ok("edit")
    assert "nothing was changed" in answer.err
    assert agent.head()[1] == 1


def test_edit_of_a_realm_never_written(shell, editor):
    """It starts from an empty document."""
    editor("path.write_text(text + 'a = 1')")
    shell.ok("edit")
    assert shell.head() == ({"a": 1}, 1)


def test_edit_keeps_secrets(agent, editor):
    """G11: the editor shows a mark; left in its place it keeps the secret, replaced it sets a new one."""
    seen = editor("path.write_text(text.replace('tokens = 12', 'tokens = 13'))")
    agent.ok("edit")
    assert "sk-1" not in shown(seen, 0)
    assert MARK in shown(seen, 0)
    assert agent.head()[0]["provider"]["api_key"] == "sk-1"


def test_moved_mark_is_refused_and_comes_back(agent, editor):
    """A mark at another place is none of a document; the person is told, and may mend it."""
    seen = editor(
        "path.write_text(text.replace('api_key', 'other_api_key'))",
        "path.write_text(text.replace('other_api_key', 'api_key').replace('tokens = 12', 'tokens = 13'))",
    )
    agent.ok("edit")
    assert "it is of another place, or of an older value" in shown(seen, 1)
    document, _ = agent.head()
    assert document["provider"] == {"api_key": "sk-1"}
    assert document["agent"]["tokens"] == 13


def test_broken_text_comes_back_with_the_reason(agent, editor):
    """What is no TOML is opened again, under a comment that says where it is broken."""
    seen = editor(
        "path.write_text(text.replace('tokens = 12', 'tokens = '))",
        "path.write_text(text.replace('tokens = ', 'tokens = 13'))",
    )
    agent.ok("edit")
    assert shown(seen, 1).startswith("# realmconf edit: invalid document")
    assert agent.head()[0]["agent"]["tokens"] == 13
    assert "realmconf edit" not in agent.file.read_text()


def test_broken_text_that_is_left_so_is_given_up_and_kept(agent, editor):
    """The error is that of the text; the text stays on disk, and nothing was changed."""
    editor("path.write_text(text + 'broken = ')", "pass")
    answer = agent("edit")
    assert answer.code == 4
    assert kept(answer).read_text().endswith("broken = ")
    assert agent.head()[1] == 1


@pytest.mark.parametrize(
    "text",
    [
        "b'\\xff\\xfe = 1'",
        "b'a = ' + b'[' * 5000",
        "b'.'.join([b'a'] * 20000) + b' = 1'",
        "b'a = ' + b'9' * 5000",
        "b'a = 99999999999999999999'",
        "b'x' * 6_000_000",
    ],
    ids=["not UTF-8", "deep", "dotted", "digits", "64 bits", "too long"],
)
def test_bombs_in_the_editor_are_refused(agent, editor, text):
    """G12: a typed error, nothing changed."""
    editor(f"path.write_bytes({text})", "pass")
    assert agent("edit").code == 4
    assert agent.head()[1] == 1


def test_text_that_does_not_fit_the_schema_comes_back_with_every_reason(agent, editor, tmp_path):
    """One line for each, in the editor; mended, it is taken."""
    (tmp_path / "s.json").write_text(
        '{"properties": {"agent": {"additionalProperties": false, "properties": {"model": {}, "tokens": {}}}}}'
    )
    agent.ok("schema", "set", "s.json")
    lines = "".join(f"x{n} = 1\\n" for n in range(7))
    seen = editor(
        f"path.write_text(text.replace('tokens = 12', 'tokens = 13\\n{lines}'))",
        "path.write_text(''.join(line for line in text.splitlines(True) if not line.startswith('x')))",
    )
    agent.ok("edit")
    first, *violations = shown(seen, 1).splitlines()[:8]
    assert first == "# realmconf edit: the configuration of realm team does not fit its schema"
    assert [line.split()[3] for line in violations] == [f"/agent/x{n}:" for n in range(7)]
    assert agent.head()[0]["agent"]["tokens"] == 13


def test_edit_merges_what_others_changed(agent, editor):
    """What does not overlap is merged without a question."""
    editor(
        while_editing(agent, "set", "agent.tokens", "99")
        + "path.write_text(text.replace('sonnet', 'opus'))"
    )
    answer = agent.ok("edit")
    assert "merged with what was changed up to generation 2" in answer.err
    document, generation = agent.head()
    assert (document["agent"], generation) == ({"model": "opus", "tokens": 99}, 3)


def test_overlap_is_put_before_the_person(agent, editor):
    """Both sides are shown between markers, with who wrote the other; the decision is committed."""
    seen = editor(
        while_editing(agent, "set", "agent.model", "haiku")
        + "path.write_text(text.replace('sonnet', 'opus').replace('tokens = 12', 'tokens = 13'))",
        "lines = text.splitlines(keepends=True)\n"
        "mine = [line for line in lines if 'opus' in line]\n"
        "start = next(n for n, line in enumerate(lines) if line.startswith('<<<<<<<'))\n"
        "end = next(n for n, line in enumerate(lines) if line.startswith('>>>>>>>'))\n"
        "path.write_text(''.join(lines[:start] + mine + lines[end + 1:]))",
    )
    agent.ok("edit")
    text = shown(seen, 1)
    assert '<<<<<<< yours\nmodel = "opus"' in text
    assert '=======\nmodel = "haiku"' in text
    assert ">>>>>>> generation 2, bob\n" in text
    assert "tokens = 13" in text
    assert "sk-1" not in text
    document, generation = agent.head()
    assert (document["agent"], generation) == ({"model": "opus", "tokens": 13}, 3)
    assert document["provider"]["api_key"] == "sk-1"


SERVERS = '{"servers": [{"name": "a", "port": 1}, {"name": "b", "port": 1}]}'


@pytest.fixture
def servers(agent, tmp_path):
    schema = tmp_path / "schema.json"
    schema.write_text('{"properties": {"servers": {"x-merge-key": "name"}}}')
    agent.ok("schema", "set", str(schema))
    agent.ok("patch", "--json", SERVERS)
    return agent


def test_edit_merges_elements_that_have_names(servers, editor):
    """Who changes one element and who changes another have not met."""
    theirs = SERVERS.replace('"b", "port": 1', '"b", "port": 2')
    editor(
        while_editing(servers, "patch", "--json", theirs)
        + "path.write_text(text.replace('port = 1', 'port = 3', 1))"
    )
    servers.ok("edit")
    assert servers.head()[0]["servers"] == [{"name": "a", "port": 3}, {"name": "b", "port": 2}]


def test_overlap_in_an_element_is_put_before_the_person_with_its_array(servers, editor):
    """An element that is known by its name has no place in a text of its own, and no other one is lost."""
    theirs = SERVERS.replace('"a", "port": 1', '"a", "port": 2')
    seen = editor(
        while_editing(servers, "patch", "--json", theirs)
        + "path.write_text(text.replace('port = 1', 'port = 3', 1))",
        "lines = text.splitlines(keepends=True)\n"
        "start = next(n for n, line in enumerate(lines) if line.startswith('<<<<<<<'))\n"
        "middle = next(n for n, line in enumerate(lines) if line.startswith('======='))\n"
        "end = next(n for n, line in enumerate(lines) if line.startswith('>>>>>>>'))\n"
        "path.write_text(''.join(lines[:start] + lines[start + 1:middle] + lines[end + 1:]))",
    )
    servers.ok("edit")
    text = shown(seen, 1)
    mine, _, other = text.partition("=======")
    assert '"a", port = 3' in mine
    assert '"b", port = 1' in mine
    assert '"a", port = 2' in other
    assert servers.head()[0]["servers"] == [{"name": "a", "port": 3}, {"name": "b", "port": 1}]


def test_undecided_overlap_is_a_conflict_and_the_text_is_kept(agent, editor):
    """Left as it is, it is the conflict that it was, exit 3."""
    editor(
        while_editing(agent, "set", "agent.model", "haiku")
        + "path.write_text(text.replace('sonnet', 'opus'))",
        "pass",
    )
    answer = agent("edit")
    assert answer.code == 3
    assert "/agent/model" in answer.err
    assert "<<<<<<< yours" in kept(answer).read_text()
    assert agent.head()[0]["agent"]["model"] == "haiku"


def test_markers_cannot_become_a_document(agent, editor):
    """A text in which something is undecided is no TOML, and comes back."""
    editor(
        while_editing(agent, "set", "agent.model", "haiku")
        + "path.write_text(text.replace('sonnet', 'opus'))",
        "path.write_text(text + '# done\\n')",
        "pass",
    )
    assert agent("edit").code == 4
    assert agent.head()[0]["agent"]["model"] == "haiku"


REPLACE_MARK = "import re; path.write_text(re.sub('«secret:[0-9a-f]+»', 'sk-mine', text))"
KEEP = """
lines = text.splitlines(keepends=True)
start, middle, end = (
    next(n for n, line in enumerate(lines) if line.startswith(sign)) for sign in ("<<<", "===", ">>>")
)
sides = {{"mine": lines[start + 1 : middle], "theirs": lines[middle + 1 : end]}}
path.write_text("".join([*lines[:start], *sides[{side!r}], *lines[end + 1 :]]))
"""


@pytest.mark.parametrize("side", ["mine", "theirs"])
def test_contested_secret_shows_neither_and_either_can_be_chosen(agent, editor, side):
    """Each side's mark stands for that side's secret."""
    seen = editor(
        while_editing(agent, "set", "provider.api_key", "sk-theirs") + REPLACE_MARK,
        KEEP.format(side=side),
    )
    agent.ok("edit")
    assert shown(seen, 1).count(MARK) == 2
    assert "sk-" not in shown(seen, 1)
    assert agent.head()[0]["provider"]["api_key"] == f"sk-{side}"


def test_contested_secret_takes_a_real_value_too(agent, editor):
    """What stands between the markers is only what was there to choose from."""
    typed = REPLACE_MARK.replace("path.write_text(", "text = (").replace("mine", "new")
    editor(
        while_editing(agent, "set", "provider.api_key", "sk-theirs") + REPLACE_MARK,
        typed + KEEP.format(side="mine"),
    )
    agent.ok("edit")
    assert agent.head()[0]["provider"]["api_key"] == "sk-new"


def test_deleted_meanwhile_is_a_conflict(agent, editor):
    """An edit against a delete is not resolved by guessing."""
    editor(
        while_editing(agent, "delete")
        + "path.write_text(text.replace('tokens = 12', 'tokens = 13'))"
    )
    answer = agent("edit")
    assert answer.code == 3
    assert "deleted" in answer.err
    assert kept(answer).exists()


@pytest.mark.parametrize("program", ["import sys; sys.exit(3)", "path.unlink()"])
def test_editor_that_fails_changes_nothing(agent, editor, program):
    """Its exit code is said."""
    editor(program)
    assert agent("edit").code == 4
    assert agent.head()[1] == 1


def test_no_editor(agent, monkeypatch):
    """Where there is none, it says what to set."""
    monkeypatch.delenv("EDITOR", raising=False)
    monkeypatch.setenv("PATH", "/nonexistent")
    answer = agent("edit")
    assert answer.code == 4
    assert "EDITOR" in answer.err


# --- status and resolve -----------------------------------------------------------------


def contest(agent) -> None:
    """Save an old buffer over a newer generation that changed the same value."""
    buffer = agent.file.read_text()
    agent.ok("set", "agent.model", "haiku", "--author", "bob")
    agent.file.write_text(buffer.replace("sonnet", "opus").replace("12", "13"))
    agent.ok("set", "x", "1")


def test_clean_working_copy(agent):
    """The file is the newest generation."""
    answer = agent.ok("status")
    assert "team, generation 1: clean" in answer.out
    assert str(agent.file) in answer.out
    state = agent.ok("status", "-o", "json").json
    assert (state["state"], state["generation"], state["advice"]) == ("clean", 1, None)
    assert [one["realm"] for one in agent.ok("status", "--all", "-o", "json").json] == ["team"]


def test_file_is_the_head_when_a_command_has_ended(shell):
    """However fast commands follow each other: whoever looks into the file afterwards sees what was written."""
    for number in range(6):
        shell.ok("set", "a", str(number))
        assert f"a = {number}\n" in shell.file.read_text()


def test_hand_edit_is_adopted_with_its_owner_as_author(agent):
    """The next read or write takes it in, as a generation of its own."""
    agent.file.write_text(agent.file.read_text().replace("12", "13"))
    agent.ok("set", "x", "1")
    newest = agent.ok("log", "-o", "json").json["revisions"]
    assert [(one["kind"], one["surface"]) for one in newest[:2]] == [
        ("patch", "cli"), ("adopt", "file")
    ]  # fmt: skip
    assert agent.head()[0]["agent"]["tokens"] == 13


def test_broken_file_is_explained(agent):
    """Line, column and reason; reads and writes go on; every write says so; mended, it is taken in."""
    broken = agent.file.read_text().replace("tokens = 12", "tokens = ")
    agent.file.write_text(broken)
    answer = agent.ok("status")
    assert "broken" in answer.out
    assert "line 5" in answer.out
    assert "to do:" in answer.out
    state = agent.ok("status", "-o", "json").json
    assert (state["state"], state["line"]) == ("broken", 5)
    answer = agent.ok("set", "x", "1", "-o", "json")
    assert [one["code"] for one in answer.json["warnings"]] == ["working_copy_broken"]
    assert agent.file.read_text() == broken
    answer = agent("edit", "-o", "json")
    assert (answer.code, answer.error["code"], answer.error["line"]) == (
        4, "working_copy_broken", 5
    )  # fmt: skip
    agent.file.write_text(broken.replace("tokens = ", "tokens = 14"))
    assert agent.ok("get", "agent.tokens").out == "14\n"


def test_contested_edit_is_kept_and_explained(agent):
    """The head stays, the edit is beside it in full, and everything says so until it is settled."""
    contest(agent)
    state = agent.ok("status", "-o", "json").json
    assert state["state"] == "contested"
    assert state["contested"] == ["/agent/model"]
    assert len(state["kept"]) == 1
    assert "opus" in Path(state["kept"][0]).read_text()
    assert agent.ok("get", "agent.model").out == "haiku\n"
    text = agent.ok("status").out
    assert "contested: /agent/model" in text
    assert "realmconf resolve" in text
    answer = agent("edit", "-o", "json")
    assert (answer.code, answer.error["code"]) == (3, "working_copy_contested")


def test_resolve_needs_to_know_how(agent):
    """There is no default: it would drop somebody's work."""
    contest(agent)
    assert agent("resolve").code == 2
    assert agent.ok("status", "-o", "json").json["state"] == "contested"


def test_resolve_for_the_head(agent):
    """The hand edit is dropped, because somebody said so."""
    contest(agent)
    answer = agent.ok("resolve", "--head")
    assert "the edit is dropped: the file shows what was in force all along" in answer.err
    state = agent.ok("status", "-o", "json").json
    assert (state["state"], state["kept"]) == ("clean", [])
    assert agent.head()[0]["agent"] == {"model": "haiku", "tokens": 12}


def test_resolve_with_a_file(agent, tmp_path):
    """A document that was merged elsewhere."""
    contest(agent)
    (tmp_path / "merged.toml").write_text("[agent]\nmodel = 'opus'\n")
    agent.ok("resolve", "--file", "merged.toml", "-m", "merged by hand")
    assert agent.ok("status", "-o", "json").json["state"] == "clean"
    assert agent.head()[0] == {"agent": {"model": "opus"}}


def test_resolve_in_the_editor(agent, editor):
    """What does not overlap is merged already; both sides of the rest are shown."""
    contest(agent)
    seen = editor(
        "lines = text.splitlines(keepends=True)\n"
        "drop = {n for n, line in enumerate(lines) if line.startswith(('<<<', '===', '>>>')) or 'haiku' in line}\n"
        "path.write_text(''.join(line for n, line in enumerate(lines) if n not in drop))"
    )
    agent.ok("resolve", "--edit")
    text = shown(seen, 0)
    assert '<<<<<<< yours\nmodel = "opus"' in text
    assert 'model = "haiku"' in text
    assert "tokens = 13" in text
    assert agent.head()[0]["agent"] == {"model": "opus", "tokens": 13}
    assert agent.head()[0]["x"] == 1
    assert agent.ok("status", "-o", "json").json["state"] == "clean"


@pytest.mark.parametrize("side", ["mine", "theirs"])
def test_resolve_of_a_contested_secret(agent, editor, side):
    """The editor shows marks for both, and the chosen one becomes the secret again."""
    buffer = agent.file.read_text()
    agent.ok("set", "provider.api_key", "sk-theirs", "--author", "bob")
    agent.file.write_text(buffer.replace("sk-1", "sk-mine"))
    agent.ok("set", "x", "1")
    seen = editor(KEEP.format(side=side))
    agent.ok("resolve", "--edit")
    assert shown(seen, 0).count(MARK) == 2
    assert "sk-" not in shown(seen, 0)
    assert agent.head()[0]["provider"]["api_key"] == f"sk-{side}"
    assert f"sk-{side}" in agent.file.read_text()


def test_resolve_a_broken_file_in_the_editor(agent, editor):
    """The broken text is opened under the reason."""
    agent.file.write_text(agent.file.read_text().replace("tokens = 12", "tokens = "))
    seen = editor("path.write_text(text.replace('tokens = ', 'tokens = 15'))")
    agent.ok("resolve", "--edit")
    assert shown(seen, 0).startswith("# realmconf edit: ")
    assert agent.head()[0]["agent"]["tokens"] == 15
    assert agent.ok("status", "-o", "json").json["state"] == "clean"


def test_nothing_to_resolve(agent):
    """It says so, and writes nothing."""
    assert "nothing to settle" in agent.ok("resolve", "--head").err
    assert agent.head()[1] == 1


@pytest.mark.parametrize("kind", ["fifo", "folder", "symlink", "dangling"])
def test_what_is_not_a_regular_file_is_refused(agent, tmp_path, kind):
    """A FIFO, folder or symlink in place of the file is never read or followed; reads and writes go on."""
    import os

    agent.file.unlink()
    outside = tmp_path / "outside.toml"
    if kind == "fifo":
        os.mkfifo(agent.file)
    elif kind == "folder":
        agent.file.mkdir()
    else:
        if kind == "symlink":
            outside.write_text("a = 1\n")
        agent.file.symlink_to(outside)
    state = agent.ok("status", "-o", "json").json
    assert state["state"] == "refused"
    assert state["advice"]
    assert agent.ok("get", "agent.tokens").out == "12\n"
    agent.ok("set", "agent.tokens", "13")
    assert agent.head()[0]["agent"]["tokens"] == 13
    answer = agent("edit", "-o", "json")
    assert (answer.code, answer.error["code"]) == (4, "working_copy_refused")
    if kind == "symlink":
        assert outside.read_text() == "a = 1\n"


@pytest.mark.parametrize("deleted", [False, True])
def test_status_of_a_realm_without_a_document_names_no_file(shell, deleted):
    """Where there is no document there is no file, and none is shown."""
    if deleted:
        shell.ok("set", "a", "1")
        shell.ok("delete")
    assert "none (there is no working copy)\n" in shell.ok("status").out
    state = shell.ok("status", "-o", "json").json
    assert (state["state"], state["path"]) == ("none", None)


def test_status_of_a_file_with_a_byte_order_mark_says_so(agent):
    """TOML has none, and no editor shows it."""
    agent.file.write_bytes(b"\xef\xbb\xbf" + agent.file.read_bytes())
    state = agent.ok("status", "-o", "json").json
    assert (state["state"], state["line"], state["column"]) == ("broken", 1, 1)
    assert "byte order mark" in state["reason"]


@pytest.mark.parametrize("emptied", [False, True])
def test_a_write_brings_a_missing_file_back(agent, emptied):
    """A file that was removed or emptied is there again when the next command that writes has ended."""
    if emptied:
        agent.file.write_bytes(b"")
    else:
        agent.file.unlink()
    agent.ok("set", "agent.tokens", "13")
    assert "tokens = 13" in agent.file.read_text()
