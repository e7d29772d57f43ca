"""G11 through the command line: no command shows a secret, and none gives one away, but by ``--show-secrets``."""

from __future__ import annotations

import json
import shlex
import sys
from collections.abc import Iterable
from typing import Any

import pytest

import realmconf
from realmconf.domain.jsonpatch import apply_operations
from realmconf.domain.pointer import Pointer
from realmconf.domain.secrets import MARK, Secrecy
from realmconf.surfaces.cli.commands import COMMANDS
from realmconf.surfaces.veil import Veil

KEYED = "«secret:"
"""How a mark begins."""
FORGED = f"{KEYED}{'0' * 16}»"

# --- a store with a secret in every kind of place ----------------------------------------

NUMBER = 918273645
CANARY = "canary"
SECRETS = {
    "by name": "/provider/api_key",
    "by a word of the name": "/provider/db-password",
    "a number": "/pin/token",
    "below a name": "/credentials/user/name",
    "by writeOnly": "/tuning",
    "by format": "/phrase",
    "by x-secret": "/inner/whole/deep",
    "by an earlier schema": "/older",
    "by name in an array": "/servers/0/password",
    "by schema in an array": "/pins/1",
    "below /realm": "/realm/other/login",
}
"""What is secret in the realm's own document, and why."""

INHERITED = {
    "an ancestor's name": "/org/secret",
    "an ancestor's schema": "/org/note",
    "an ancestor's earlier schema": "/org/former",
    "the root's": "/everybody/api_keys/first",
}

ORG_FIRST = {"properties": {"org": {"properties": {"former": {"writeOnly": True}}}}}
ORG = {"properties": {"org": {"properties": {"note": {"format": "password"}}}}}
TEAM_FIRST = {"properties": {"older": {"x-secret": True}}}
TEAM = {
    "properties": {
        "tuning": {"writeOnly": True},
        "phrase": {"type": "string", "format": "password"},
        "inner": {"properties": {"whole": {"x-secret": True}}},
        "pins": {"items": {"writeOnly": True}},
        "agent": {"properties": {"tokens": {"type": "integer"}}},
    }
}


def secret(pointer: str) -> object:
    return NUMBER if pointer == "/pin/token" else f"{CANARY}{pointer}"


TABLES: dict[str, Any] = {
    "provider": {},
    "pin": {},
    "credentials": {"user": {}},
    "inner": {"whole": {}},
    "servers": [{"name": "a"}],
    "pins": ["x"],
    "realm": {"other": {}},
    "org": {},
    "everybody": {"api_keys": {}},
}


def document(pointers: Iterable[str], **rest: object) -> dict[str, Any]:
    """A document with a secret at each of *pointers*."""
    places = list(map(Pointer.parse, pointers))
    empty = {name: TABLES[name] for name, *_ in places if name in TABLES}
    operations = [{"op": "add", "path": str(one), "value": secret(str(one))} for one in places]
    return apply_operations({**empty, **rest}, operations)


OWN = document(SECRETS.values(), agent={"tokens": 1})
OLD = json.loads(json.dumps(OWN).replace(CANARY, f"{CANARY}-old"))
HEIR = {"realm": {"heir": {"parent": "team"}}, "own": True, "org": {"note": f"{CANARY}-heir"}}


@pytest.fixture
def full(shell):
    """``global`` <- ``org`` <- ``team`` <- ``heir``, full of secrets; ``team`` is the realm of the test."""
    with realmconf.connect(str(shell.root), author="ada") as client:
        client.realm("global").set(document([INHERITED["the root's"]]))
        org = client.realm("org")
        org.set_schema(ORG_FIRST)
        org.set(document(path for path in INHERITED.values() if path.startswith("/org")))
        org.set_schema(ORG)
        team = client.realm("team")
        team.set_schema(TEAM_FIRST)
        team.set(OLD)
        team.set_schema(TEAM)
        team.set(OWN)
        team.set_value("realm.team.parent", "org")
        client.realm("heir").set(HEIR)
        client.realm("stranger").set({"own": True})
    return shell


def holds_a_secret(text: str) -> bool:
    return CANARY in text or str(NUMBER) in text


@pytest.fixture
def reads(full, tmp_path):
    """Runs words and gives everything that anybody could have read."""

    def reads(*words: str, stdin: bytes = b"", code: int | None = 0) -> str:
        answer = full(*words, stdin=stdin)
        assert code is None or answer.code == code, answer.err + answer.out
        written = [path.read_text() for path in tmp_path.glob("told*")]
        return "\n".join([answer.out, answer.err, *written])

    return reads


# --- every command -------------------------------------------------------------------------

PATHS = [*SECRETS.values(), *INHERITED.values()]
CHANGED = json.dumps({"provider": {"api_key": f"{CANARY}-new"}, "tuning": f"{CANARY}-new"})
PATCHED = json.dumps([{"op": "replace", "path": "/tuning", "value": f"{CANARY}-new"}])
TOLD = "cat > {told}"
"""What ``watch --exec`` runs."""

CASES: dict[str, list[list[str]]] = {
    "get": [
        [],
        ["-o", "json"],
        ["--own"],
        ["--own", "-o", "json"],
        ["--format", "yaml"],
        ["--at", "3"],
        ["--realm", "heir"],
        ["--realm", "heir", "-o", "json"],
        ["pins", "-o", "json", "--with-generation"],
        *([path] for path in PATHS),
        *([path, "--realm", "heir", "-o", "json"] for path in PATHS),
    ],
    "explain": [
        [],
        ["-o", "json"],
        ["--realm", "heir", "-o", "json"],
        *([path] for path in PATHS),
        *([path, "-o", "json"] for path in PATHS),
    ],
    "watch": [
        ["--after", "0", "-n", "5"],
        ["--after", "0", "-n", "5", "-o", "json"],
        ["--own", "--after", "0", "-n", "5"],
        ["--own", "--after", "0", "-n", "5", "-o", "json"],
        ["--after", "0", "-n", "5", "--exec", TOLD],
        ["--realm", "heir", "--after", "0", "-n", "1", "--exec", TOLD],
        ["--own", "tuning", "--after", "0", "-n", "1", "--exec", TOLD],
    ],
    "set": [
        ["provider.api_key", f"{CANARY}-new"],
        ["tuning", f"{CANARY}-new", "-o", "json"],
        ["older", f"{CANARY}-new", "--dry-run"],
        ["pins", f'["{CANARY}-new"]'],
        ["org.secret", f"{CANARY}-new", "--realm", "heir", "--dry-run", "-o", "json"],
        ["org.note", f"{CANARY}-new", "--realm", "heir"],
        ["pin.token", str(NUMBER + 1), "--dry-run"],
    ],
    "unset": [
        ["tuning"],
        ["tuning", "--dry-run", "-o", "json"],
        ["org.secret"],
        ["org.secret", "--mask"],
        ["org.secret", "--mask", "--dry-run"],
        ["org.secret", "--unmask"],
    ],
    "replace": [
        ["--json", CHANGED],
        ["--json", CHANGED, "--dry-run"],
        ["--json", CHANGED, "--dry-run", "-o", "json"],
        ["--json", CHANGED, "-o", "json"],
    ],
    "patch": [
        ["--json", CHANGED],
        ["--json", CHANGED, "--dry-run"],
        ["--json", CHANGED, "--dry-run", "-o", "json"],
    ],
    "json-patch": [
        ["--json", PATCHED],
        ["--json", PATCHED, "--dry-run"],
        ["--json", PATCHED, "--dry-run", "-o", "json"],
    ],
    "edit": [[], ["-o", "json"], ["--dry-run"]],
    "log": [["--patch"], ["--patch", "-o", "json"], ["--patch", "--realm", "heir"]],
    "show": [["2"], ["2", "-o", "json"], ["4"], ["4", "-o", "json"]],
    "diff": [[], ["2", "4"], ["2", "4", "-o", "json"], ["1", "-o", "json"]],
    "blame": [[], ["-o", "json"], ["--realm", "heir"], *([path] for path in SECRETS.values())],
    "rollback": [["2"], ["2", "-o", "json"], ["2", "--dry-run"], ["2", "--dry-run", "-o", "json"]],
    "delete": [[], ["-o", "json"], ["--dry-run"], ["--dry-run", "-o", "json"]],
    "purge": [["2"], ["2", "-o", "json"], ["2", "--path", "tuning"]],
    "status": [[], ["-o", "json"], ["--all"], ["--all", "-o", "json"]],
    "resolve": [["--head"], ["--head", "-o", "json"], ["--edit"]],
    "init": [["--from", "document.json"], ["--from", "document.json", "--schema", "s.json"]],
    "realms": [[], ["-o", "json"], ["--tree"]],
    "parent": [
        ["show"],
        ["show", "-o", "json"],
        ["set", "global"],
        ["set", "global", "--dry-run"],
        ["set", "org", "--realm", "stranger", "--dry-run"],
        ["set", "org", "--realm", "stranger", "--dry-run", "-o", "json"],
        ["set", "heir", "--realm", "stranger", "-o", "json"],
        ["unset", "--dry-run", "-o", "json"],
        ["unset", "-o", "json"],
    ],
    "schema": [
        ["show"],
        ["show", "-o", "json"],
        ["set", "s.json"],
        ["set", "s.json", "--dry-run", "-o", "json"],
        ["set", "s.json", "--patch", "patch.json", "-o", "json"],
        ["set", "secret.json", "--patch", "more.json", "--dry-run"],
        ["set", "secret.json", "--patch", "more.json", "--dry-run", "-o", "json"],
        ["set", "secret.json", "--patch", "more.json", "-o", "json"],
        ["unset"],
        ["unset", "-o", "json"],
    ],
    "validate": [[], ["-o", "json"], ["document.json"]],
    "rename": [
        ["team", "crew"],
        ["team", "crew", "-o", "json"],
        ["team", "crew", "--dry-run"],
        ["team", "crew", "--dry-run", "-o", "json"],
    ],
    "copy": [
        ["team", "crew"],
        ["team", "crew", "-o", "json"],
        ["team", "crew", "--dry-run"],
        ["team", "crew", "--dry-run", "-o", "json"],
    ],
    "policy": [["show"], ["set", "history_keep=3", "-o", "json"]],
    "export": [[], ["told.jsonl"], ["--realm", "team"]],
    "import": [["export"], ["export", "-o", "json"]],
    "backup": [["copy"], ["copy", "-o", "json"]],
    "restore": [["copy"], ["copy", "-o", "json"]],
    "migrate": [["store", "new"], ["store", "new", "--dry-run"], ["store", "new", "-o", "json"]],
    "compact": [["--keep", "1"], ["--keep", "1", "-o", "json"]],
    "verify": [[], ["-o", "json"]],
    "doctor": [[], ["-o", "json"]],
    "token": [["create", "--realms", "*", "--role", "read"], ["list"], ["list", "-o", "json"]],
    # Surfaces of their own, whose own tests look at what they answer.
    "serve": [],
    "rpc": [],
    "mcp": [],
    # A store of its own, without these; ``test_cli_process`` looks at what it prints.
    "demo": [],
    "completion": [["bash"], ["paths"], ["realms"]],
}


def test_every_command_has_a_case():
    """A command that is added and not thought of fails here."""
    assert CASES.keys() == {command.name for command in COMMANDS}


def prepare(full, tmp_path, monkeypatch, name: str) -> None:
    """What some commands need to be there."""
    (tmp_path / "document.json").write_text(json.dumps(OLD))
    (tmp_path / "s.json").write_text(json.dumps({"title": "other"}))
    (tmp_path / "patch.json").write_text(CHANGED)
    (tmp_path / "secret.json").write_text(json.dumps({"properties": {"more": {"writeOnly": True}}}))
    (tmp_path / "more.json").write_text(json.dumps({"more": f"{CANARY}-more"}))
    editor = tmp_path / "editor.py"
    editor.write_text(
        "import pathlib, sys\n"
        "path = pathlib.Path(sys.argv[1])\n"
        "text = path.read_text()\n"
        f"pathlib.Path({str(tmp_path)!r}, 'told').write_text(text)\n"
        "kept = [line for line in text.splitlines() if not line.startswith(('<<<', '==='))]\n"
        "kept = [line for line, below in zip(kept, [*kept[1:], '']) if not below.startswith('>>>')]\n"
        "text = '\\n'.join(line for line in kept if not line.startswith('>>>'))\n"
        "path.write_text(text.replace('tokens = 1', 'tokens = 2'))\n"
    )
    monkeypatch.setenv("EDITOR", f"{shlex.quote(sys.executable)} {shlex.quote(str(editor))}")
    if name == "resolve":
        buffer = full.file.read_text()
        full.ok("set", "tuning", "other")
        full.file.write_text(buffer.replace(f"{CANARY}/tuning", f"{CANARY}/mine"))
        full.ok("set", "x", "1")
        assert full.ok("status", "-o", "json").json["state"] == "contested"
    if name == "restore":
        full.ok("backup", "copy")
        full.ok("set", "tuning", "other")
    if name == "import":
        full.ok("export", "export", "--show-secrets")
        full.root = tmp_path / "elsewhere"
    if name == "unset":
        full.ok("unset", "org.note", "--mask")


@pytest.mark.parametrize(
    ("name", "words"),
    [
        pytest.param(name, words, id=f"{name} {' '.join(words)}"[:60])
        for name, cases in CASES.items()
        for words in cases
    ],
)
def test_no_output_holds_a_secret(full, reads, tmp_path, monkeypatch, name, words):
    """No command prints a secret, hands it to another program, or puts it into a text for an editor."""
    prepare(full, tmp_path, monkeypatch, name)
    told = str(tmp_path / "told")
    text = reads(name, *(word.format(told=told) if word == TOLD else word for word in words))
    assert not holds_a_secret(text)


@pytest.mark.parametrize(
    "words",
    [
        ["get"],
        ["get", "-o", "json", "--realm", "heir"],
        ["explain"],
        ["watch", "--after", "0", "-n", "5"],
        ["watch", "--own", "--after", "0", "-n", "5", "--exec", TOLD],
        ["set", "tuning", "canary-new"],
        ["patch", "--json", CHANGED, "--dry-run"],
        ["patch", "--json", CHANGED, "-o", "json"],
        ["edit"],
        ["log", "--patch"],
        ["show", "4", "-o", "json"],
        ["diff", "2", "4"],
        ["blame"],
        ["rename", "team", "crew", "-o", "json"],
        ["copy", "team", "crew", "--dry-run"],
        ["copy", "team", "crew", "--dry-run", "-o", "json"],
        ["parent", "set", "org", "--dry-run", "--realm", "stranger"],
        ["export"],
    ],
    ids=" ".join,
)
def test_a_hole_in_the_veil_is_seen(full, reads, tmp_path, monkeypatch, words):
    """The look for secrets finds them where nothing hides them: so they are there to be hidden."""
    prepare(full, tmp_path, monkeypatch, words[0])
    monkeypatch.setattr(Secrecy, "redact", lambda self, value, **_: value)
    told = str(tmp_path / "told")
    assert holds_a_secret(
        reads(*(word.format(told=told) if word == TOLD else word for word in words))
    )


@pytest.mark.parametrize("pointer", PATHS)
def test_each_place_is_marked_by_a_rule_of_its_own(full, monkeypatch, pointer):
    """Nothing else hides these: with the veil by names alone, those that a schema calls secret would show."""
    assert full.ok("get", pointer).out.startswith(KEYED)
    assert full.ok("get", pointer, "--show-secrets").out == f"{secret(pointer)}\n"


def test_a_veil_by_names_alone_would_show_what_schemas_hide(full, reads, monkeypatch):
    """What the schemas of the past and of ancestors say is looked at."""
    monkeypatch.setattr(Veil, "secrecy", Secrecy(realm="team"))
    shown = reads("get")
    for pointer in ("/tuning", "/phrase", "/older", "/pins/1", "/org/note", "/org/former"):
        assert f"{CANARY}{pointer}" in shown


@pytest.mark.parametrize("leaving", [["parent", "unset"], ["rename", "heir", "team2"], ["delete"]])
def test_what_a_parent_called_secret_stays_so_when_a_realm_leaves_it(full, reads, leaving):
    """In all that the realm has ever stated, under its new name too, and in a copy of it."""
    full.realm = "heir"
    reads(*leaving)
    full.realm = "team2" if leaving[0] == "rename" else "heir"
    if leaving[0] == "rename":
        reads("parent", "unset")
    if leaving[0] != "delete":
        reads("copy", full.realm, "copied")
        assert not holds_a_secret(reads("get", "--realm", "copied"))
    for words in (["get", "--own"], ["log", "-p"], ["show", "1"], ["blame"], ["export"]):
        assert not holds_a_secret(reads(*words))


# --- errors -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "stdin", "code"),
    [
        (["set", "agent.tokens", "canary"], b"", 4),
        (["set", "agent.tokens", "canary", "-o", "json"], b"", 4),
        (["validate", "-"], b'{"agent": {"tokens": "canary"}}', 4),
        (["validate", "-", "-o", "json"], b'{"agent": {"tokens": "canary"}}', 4),
        (["replace", "-"], b'tuning = "canary\n', 4),
        (["replace", "-"], b'{"tuning": "canary}', 4),
        (["replace", "-"], b'{"tuning": "canary", "tuning": "canary"}', 4),
        (["replace", "x.yaml"], b"", 4),
        (["patch", "-"], b'{"phrase": {"canary": 1}}', 4),
        (["json-patch", "-"], b'[{"op": "test", "path": "/tuning", "value": "canary"}]', 9),
        (["json-patch", "-"], b'[{"op": "test", "path": "/tuning", "value": "canary/tuning"}]', 9),
        (["json-patch", "-"], b'[{"op": "copy", "from": "/tuning", "path": "/x"}]', 9),
        (["json-patch", "-"], b'[{"op": "move", "from": "/inner", "path": "/x"}]', 9),
        (["json-patch", "-"], b'[{"op": "copy", "from": "", "path": "/x"}]', 9),
        (["set", "tuning", "canary", "--expected-generation", "1"], b"", 3),
        (["schema", "set", "-"], b'{"const": "canary", "type": 1}', 4),
        (["parent", "set", "heir"], b"", 4),
    ],
)
def test_errors_hold_no_secret(full, reads, tmp_path, words, stdin, code):
    """Whatever is refused, the text tells where and why, and quotes nothing."""
    (tmp_path / "x.yaml").write_text("tuning: [canary\nx: }")
    before = full.head()
    text = reads(*words, stdin=stdin, code=code)
    assert not holds_a_secret(text)
    assert full.head() == before


# --- what is let out on purpose --------------------------------------------------------------


def test_only_get_export_and_rpc_show_secrets():
    """There is one explicit way out, and it is not on every door."""
    showing = {
        command.name
        for command in COMMANDS
        if any(option.destination == "show_secrets" for option in command.options)
    }
    assert showing == {"get", "export", "rpc"}


@pytest.mark.parametrize("words", [["get"], ["get", "tuning"], ["export"]])
def test_who_asks_for_secrets_is_warned(full, words):
    """``--show-secrets`` prints them, and says so where it is not part of the answer."""
    answer = full.ok(*words, "--show-secrets")
    assert CANARY in answer.out
    assert "warning: " in answer.err
    assert "clear text" in answer.err
    assert "clear text" not in full.ok(*words).err


def test_redacted_export_has_marks_that_nobody_takes_back(full):
    """An export is of no realm's surface: its marks are the same everywhere, and cannot come back."""
    text = full.ok("export").out
    assert MARK in text
    assert KEYED not in text


def test_dry_run_of_a_secret_makes_no_store(shell):
    """A mark of what is not there needs no key that is kept."""
    answer = shell.ok("set", "password", "hush", "--dry-run")
    assert answer.out == f'+ password = "{MARK}"\ngeneration=1\n'
    assert not shell.root.exists()


# --- marks ---------------------------------------------------------------------------------------


@pytest.fixture
def agent(shell):
    shell.ok("replace", "--toml", '[provider]\napi_key = "sk-1"\n[agent]\nnote = "n"\n')
    shell.mark = shell.ok("get", "provider.api_key").out.strip()
    assert shell.mark.startswith(KEYED)
    return shell


def test_mark_keeps_the_secret(agent):
    """Sent back at its own place it keeps the stored value, whichever way it comes."""
    mark = agent.mark
    agent.ok("patch", "--json", json.dumps({"provider": {"api_key": mark, "url": "u"}}))
    answer = agent.ok("set", "provider.api_key", mark)
    assert answer.out.startswith(f'provider.api_key = "{mark}" (string)\n')
    operation = {"op": "replace", "path": "/provider/api_key", "value": mark}
    agent.ok("json-patch", "--json", json.dumps([operation]))
    agent.ok("replace", "--json", json.dumps({"provider": {"api_key": mark, "url": "v"}}))
    assert agent.head()[0] == {"provider": {"api_key": "sk-1", "url": "v"}}


def test_a_test_for_the_mark_that_was_shown_reads_nothing(agent):
    """A JSON Patch may make sure that a secret is the one that its author has seen the mark of."""
    operations = [
        {"op": "test", "path": "/provider/api_key", "value": agent.mark},
        {"op": "add", "path": "/provider/url", "value": "u"},
    ]
    agent.ok("json-patch", "--json", json.dumps(operations))
    agent.ok("set", "provider.api_key", "sk-2")
    assert agent("json-patch", "--json", json.dumps(operations)).code == 9


def test_mark_in_another_place_is_refused(agent):
    """It cannot copy a secret to where others see it, and is no value."""
    agent.ok("set", "api_keys", '["k1"]')
    mark = agent.mark
    before = agent.head()
    for words in (
        ["patch", "--json", json.dumps({"copy": mark})],
        ["set", "agent.note", f"Bearer {mark}"],
        ["set", "agent.note", MARK],
        ["json-patch", "--json", json.dumps([{"op": "add", "path": "/token", "value": mark}])],
        ["json-patch", "--json", json.dumps([{"op": "add", "path": "/api_keys/0", "value": mark}])],
        ["replace", "--json", json.dumps({"other_api_key": mark})],
        ["replace", "--json", json.dumps({"provider": {"api_key": FORGED}})],
    ):
        answer = agent(*words, "-o", "json")
        assert (answer.code, answer.error["code"]) == (4, "secret_mark_misplaced"), words
    assert agent.head() == before


def test_mark_of_a_value_that_has_changed_since_is_refused(agent):
    """Nobody brings an old secret back by an old mark, nor keeps a new one unknowingly."""
    agent.ok("set", "provider.api_key", "sk-2")
    answer = agent(
        "patch", "--json", json.dumps({"provider": {"api_key": agent.mark}}), "-o", "json"
    )
    assert (answer.code, answer.error["code"]) == (4, "secret_mark_misplaced")


def test_a_mark_in_place_of_a_secret_states_no_generation(agent):
    """What a policy asks of writers is asked of a text with marks too."""
    agent.ok("policy", "set", "require_generation=true")
    patch = json.dumps({"provider": {"api_key": agent.mark}, "a": 1})
    assert agent("patch", "--json", patch, "-o", "json").error["code"] == "generation_required"
    agent.ok("patch", "--json", patch, "--expected-generation", "2")
    assert agent.head()[0]["provider"] == {"api_key": "sk-1"}


def test_validate_knows_what_a_mark_stands_for(agent, tmp_path):
    """A document with marks is judged as what it would be."""
    schema = {"properties": {"provider": {"properties": {"api_key": {"maxLength": 4}}}}}
    (tmp_path / "s.json").write_text(json.dumps(schema))
    agent.ok("schema", "set", "s.json")
    document = json.dumps({"provider": {"api_key": agent.mark}}).encode()
    agent.ok("validate", "-", stdin=document)
    moved = json.dumps({"provider": {"other": agent.mark}}).encode()
    assert (
        agent("validate", "-", "-o", "json", stdin=moved).error["code"] == "secret_mark_misplaced"
    )
