"""What the commands do, each in this process on a store of its own."""

from __future__ import annotations

import json
import os
import shutil
import stat
import threading

import pytest

from realmconf.errors import StoreUnavailable
from realmconf.surfaces.veil import Veil

AGENT = '[agent]\nmodel = "sonnet"\ntokens = 12\nratio = 0.5\n\n[provider]\napi_key = "sk-1"\n'


@pytest.fixture
def agent(shell):
    shell.ok("replace", "--toml", AGENT, "-m", "first")
    return shell


# --- get and set -------------------------------------------------------------------


def test_set_prints_what_was_stored_and_its_type(shell):
    """A value is read as one TOML value, else as text; what became of it is said, and the generation."""
    answer = shell.ok("set", "agent.tokens", "12")
    assert answer.out == "agent.tokens = 12 (integer)\ngeneration=1\n"


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("12", 12),
        ("-5", -5),
        ("0.5", 0.5),
        ("1e3", 1000.0),
        ("true", True),
        ("[1, 2]", [1, 2]),
        ("{ a = 1 }", {"a": 1}),
        ('"quoted"', "quoted"),
        ("plain", "plain"),
        ("two words", "two words"),
        ("null", "null"),
        ("", ""),
        ("1, 2", "1, 2"),
        ("5,", "5,"),
        ("12 # dozens", "12 # dozens"),
        ("5\nb = 6", "5\nb = 6"),
        ("]", "]"),
        ("1], [2", "1], [2"),
        ("2026-01-02", "2026-01-02"),
        ("grün", "grün"),
    ],
)
def test_value_is_one_toml_value_else_text(shell, text, value):
    """What is not exactly one TOML value is the text that it is."""
    shell.ok("set", "a", "--", text)
    document, _ = shell.head()
    assert document == {"a": value}
    assert type(document["a"]) is type(value)


def test_text_is_not_interpreted(shell):
    """``--text`` and ``--stdin`` take the value as text, whatever it looks like."""
    shell.ok("set", "a", "12", "--text")
    shell.ok("set", "b", "--stdin", stdin=b"12\n")
    assert shell.head()[0] == {"a": "12", "b": "12"}


def test_number_beyond_64_bits_is_refused_at_its_place(shell):
    """It is neither rounded nor silently taken as text."""
    answer = shell("set", "a.b", "99999999999999999999", "-o", "json")
    assert (answer.code, answer.error["code"]) == (4, "invalid_document")
    assert answer.error["pointer"] == "/a/b"


@pytest.mark.parametrize("words", [["set", "a"], ["set", "a", "1", "--stdin"]])
def test_set_takes_exactly_one_value(shell, words):
    """A value that is missing, or given twice, is an error."""
    assert shell(*words).code == 4


@pytest.mark.parametrize(
    ("path", "printed"),
    [
        ("agent.model", "sonnet\n"),
        ("/agent/model", "sonnet\n"),
        ("agent.tokens", "12\n"),
        ("agent.ratio", "0.5\n"),
        ("agent", 'model = "sonnet"\nratio = 0.5\ntokens = 12\n'),
    ],
)
def test_single_value_prints_bare(agent, path, printed):
    """A scalar is printed as it is, for use in scripts; a table as TOML."""
    assert agent.ok("get", path).out == printed


def test_whole_configuration_says_which_view_it_is(agent):
    """Effective TOML says so in its first line; JSON is the envelope with its ``view``."""
    first, *rest = agent.ok("get").out.splitlines()
    assert first == "# realmconf: team, generation 1, effective view"
    assert 'model = "sonnet"' in rest
    assert agent.ok("get", "--own").out.startswith("# realmconf: team, generation 1\n")
    assert agent.ok("get", "-o", "json").json["view"] == "effective"
    envelope = agent.ok("get", "--own", "--format", "json").json
    assert envelope.keys() == {
        "config", "generation", "realm_id", "instance_id", "backend", "view"
    }  # fmt: skip
    assert (envelope["view"], envelope["generation"], envelope["realm_id"]) == ("own", 1, "team")


def test_json_of_a_path_is_the_bare_value(agent):
    """``-o json`` with a path prints the value, with ``--with-generation`` an object around it."""
    assert agent.ok("get", "agent.model", "-o", "json").json == "sonnet"
    wrapped = agent.ok("get", "agent.model", "-o", "json", "--with-generation").json
    assert (wrapped["value"], wrapped["generation"]) == ("sonnet", 1)
    text = agent.ok("get", "agent.model", "--with-generation").out
    assert text == "# generation = 1\nsonnet\n"


def test_yaml(agent):
    """YAML prints the same envelope as JSON."""
    from ruamel.yaml import YAML

    loaded = YAML(typ="safe").load(agent.ok("get", "--format", "yaml").out)
    assert loaded == agent.ok("get", "--format", "json").json


@pytest.mark.parametrize(
    "words", [["-o", "json", "--format", "toml"], ["-o", "text", "--format", "json"]]
)
def test_two_formats_are_a_usage_error(agent, words):
    """``-o`` and ``--format`` that disagree are exit 2."""
    assert agent("get", *words).code == 2


def test_value_that_is_not_there(agent):
    """It is an error, exit 5, and never an empty answer."""
    answer = agent("get", "agent.nope", "-o", "json")
    assert answer.code == 5
    assert answer.error["code"] == "value_not_found"
    assert answer.error["pointer"] == "/agent/nope"


def test_realm_never_written_reads_as_generation_0(shell):
    """It is a value, not an error; and reading makes nothing."""
    answer = shell.ok("get", "-o", "json")
    assert (answer.json["config"], answer.json["generation"]) == ({}, 0)
    assert "was never written" in answer.err
    assert not shell.root.exists()


def test_what_was_taken_is_said_where_nothing_was_named(shell, monkeypatch, tmp_path):
    """One line on standard error names the store and the realm, and how they were found."""
    answer = shell.raw("get")
    (said, *_) = answer.err.splitlines()
    assert f"store {tmp_path}/.local/share/realmconf (the user's own)" in said
    assert "realm ws-" in said
    monkeypatch.setenv("REALMCONF_REALM", "named")
    monkeypatch.setenv("REALMCONF_STORE", str(shell.root))
    assert "store" not in shell.raw("get").err
    assert "store" not in shell("get").err


# --- whole documents, patches --------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.toml", b"a = 1\n"),
        ("a.json", b'{"a": 1}'),
        ("a.txt", b'  \n {"a": 1}'),
        ("a.conf", b"# TOML\na = 1\n"),
        ("-", b'{"a": 1}'),
        ("-", b"a = 1"),
    ],
)
def test_replace_tells_toml_from_json(shell, tmp_path, name, text):
    """By the file's name, else by a first ``{``."""
    if name != "-":
        (tmp_path / name).write_bytes(text)
    shell.ok("replace", name, stdin=text if name == "-" else b"")
    assert shell.head() == ({"a": 1}, 1)


def test_replace_takes_its_own_envelope_back(agent, tmp_path):
    """What ``get --own -o json`` printed goes back, secrets kept, with its generation as the expected one."""
    printed = agent.ok("get", "--own", "-o", "json")
    (tmp_path / "own.json").write_text(printed.out.replace("sonnet", "opus"))
    agent.ok("replace", "own.json")
    document, generation = agent.head()
    assert (document["agent"]["model"], document["provider"]["api_key"]) == ("opus", "sk-1")
    assert generation == 2
    answer = agent("replace", "own.json", "-o", "json")
    assert (answer.code, answer.error["expected"], answer.error["current"]) == (3, 1, 2)


@pytest.mark.parametrize("command", ["replace", "validate"])
@pytest.mark.parametrize("config", ["null", "[1]", "1"])
def test_envelope_without_a_document_is_refused(agent, command, config):
    """That of a realm without one says so; it is taken neither for an empty document nor for none at all."""
    text = f'{{"config": {config}, "generation": 1, "realm_id": "team", "view": "own"}}'
    answer = agent(command, "-", "-o", "json", stdin=text.encode())
    assert (answer.code, answer.error["code"]) == (4, "invalid_document")
    assert agent.head()[1] == 1


def test_write_of_what_must_exist(agent):
    """``--must-exist`` refuses to make a document; it contradicts ``--create``."""
    agent.ok("set", "a", "1", "--must-exist")
    answer = agent("set", "a", "1", "--must-exist", "--realm", "nobody", "-o", "json")
    assert (answer.code, answer.error["code"]) == (3, "generation_conflict")
    answer = agent("set", "a", "1", "--must-exist", "--create", "-o", "json")
    assert (answer.code, answer.error["code"]) == (4, "invalid_argument")


@pytest.mark.parametrize("words", [["-o", "json"], ["--format", "toml"]])
def test_replace_refuses_the_effective_view(agent, tmp_path, words):
    """Stored, it would copy every inherited value into the realm."""
    (tmp_path / "view").write_text(agent.ok("get", *words).out)
    answer = agent("replace", "view")
    assert answer.code == 4
    assert "effective view" in answer.err
    assert agent.head()[1] == 1


def test_number_that_only_changed_its_spelling_is_no_change(agent):
    """On JSON a number that equals the stored one keeps the stored type."""
    answer = agent.ok("patch", "--json", '{"agent": {"tokens": 12.0}}', "-o", "json")
    assert answer.json["changed"] is False
    agent.ok("json-patch", "--json", '[{"op": "replace", "path": "/agent/tokens", "value": 12.0}]')
    assert agent.head()[1] == 1


def test_patch(agent):
    """Objects merge, null removes."""
    agent.ok("patch", "-", stdin=b'{"agent": {"model": null, "tokens": 13}}')
    assert agent.head()[0]["agent"] == {"tokens": 13, "ratio": 0.5}
    agent.ok("patch", "-", stdin=b"[agent]\ntokens = 14\n")
    assert agent.head()[0]["agent"]["tokens"] == 14


def test_json_patch_is_all_or_nothing(agent):
    """A ``test`` that fails, or a place that is not there, leaves everything as it was."""
    failing = '[{"op": "remove", "path": "/agent"}, {"op": "test", "path": "/agent", "value": 1}]'
    answer = agent("json-patch", "--json", failing, "-o", "json")
    assert (answer.code, answer.error["code"]) == (3, "test_failed")
    missing = '[{"op": "remove", "path": "/agent"}, {"op": "remove", "path": "/nope"}]'
    answer = agent("json-patch", "--json", missing, "-o", "json")
    assert (answer.code, answer.error["code"]) == (4, "patch_inapplicable")
    assert agent.head()[1] == 1


# --- what every write takes -------------------------------------------------------------


def test_write_answers_with_envelope_and_receipt(shell):
    """The own envelope, and whether it changed, over what it was rebased, its id and warnings."""
    answer = shell.ok("set", "a", "1", "--write-id", "w1", "-o", "json").json
    assert (answer["config"], answer["generation"], answer["view"]) == ({"a": 1}, 1, "own")
    assert (answer["changed"], answer["rebased_from"], answer["write_id"]) == (True, None, "w1")
    assert answer["warnings"] == []


def test_expected_generation_and_etag(agent):
    """G1: a write against another state than the current one is refused, and told where the realm is."""
    etag = agent.ok("log", "-o", "json").json["revisions"][0]["etag"]
    assert agent.ok("set", "a", "1", "--expected-generation", "1").out.endswith("generation=2\n")
    for precondition in (["--expected-generation", "1"], ["--expected", etag]):
        answer = agent("set", "a", "2", *precondition, "-o", "json")
        assert (answer.code, answer.error["code"]) == (3, "generation_conflict")
        assert (answer.error["expected"], answer.error["current"]) == (1, 2)
    answer = agent("set", "a", "2", "--expected-generation", "1")
    assert "generation conflict: expected 1, current 2" in answer.err
    assert agent("set", "a", "2", "--create").code == 3


def test_rebase(agent):
    """Disjoint changes are applied on top; the same value is contested, and who changed it is named."""
    agent.ok("set", "agent.model", "opus", "-m", "release week")
    rebase = ["--expected-generation", "1", "--on-conflict", "rebase", "-o", "json"]
    assert agent.ok("set", "agent.tokens", "13", *rebase).json["rebased_from"] == 1
    answer = agent("set", "agent.model", "haiku", *rebase)
    assert answer.code == 3
    (contested,) = answer.error["contested"]
    assert (contested["pointer"], contested["author"]) == ("/agent/model", "ada")
    assert contested["message"] == "release week"
    assert agent("set", "agent.ratio", "0.6", *rebase, "--depends-on", "agent.model").code == 3


def test_dry_run_changes_nothing(agent):
    """It prints what would change, and the generation it would make."""
    answer = agent.ok("set", "agent.model", "opus", "--dry-run")
    assert '~ agent.model = "sonnet" → "opus"' in answer.out
    assert answer.out.endswith("generation=2\n")
    plan = agent.ok("unset", "agent.model", "--dry-run", "-o", "json").json
    assert (plan["dry_run"], plan["generation"]) == (True, 2)
    assert plan["changes"] == [{"pointer": "/agent/model", "before": "sonnet"}]
    assert agent.head()[1] == 1


def test_retry_with_the_same_write_id_gets_the_first_answer(shell):
    """G6: and the id of one request cannot be used for another."""
    shell.ok("set", "a", "1", "--write-id", "w1")
    shell.ok("set", "a", "2")
    answer = shell.ok("set", "a", "1", "--write-id", "w1")
    assert answer.out.endswith("generation=1\n")
    assert shell("set", "a", "3", "--write-id", "w1").code == 4
    assert shell.head() == ({"a": 2}, 2)


def test_policy(shell):
    """A realm can require that every write states what it expects."""
    shell.ok("set", "a", "1")
    shell.ok("policy", "set", "require_generation=true", "history_keep=2")
    assert shell.ok("policy", "show", "-o", "json").json == {
        "require_generation": True,
        "history_keep": 2,
    }
    answer = shell("set", "a", "2", "-o", "json")
    assert (answer.code, answer.error["code"]) == (3, "generation_required")
    shell.ok("set", "a", "2", "--expected-generation", "2")
    for bad in ("require_generation=yes", "history_keep=0", "nonsense=1", "history_keep"):
        assert shell("policy", "set", bad).code == 4
    assert shell("policy", "set").code == 4


# --- history ---------------------------------------------------------------------------


def test_history(agent):
    """Who changed what, when and why; newest first; a diff, a blame, a way back."""
    agent.ok("set", "agent.model", "opus", "-m", "release week", "--author", "bob")
    assert [one["generation"] for one in agent.ok("log", "-o", "json").json["revisions"]] == [2, 1]
    assert (
        agent.ok("log", "-n", "1", "--before", "2", "-o", "json").json["revisions"][0]["message"]
        == "first"
    )
    line = agent.ok("log").out.splitlines()[1]
    assert line.startswith("2 ")
    assert "bob" in line
    assert "release week" in line
    changed = '~ agent.model = "sonnet" → "opus"'
    assert changed in agent.ok("log", "--patch").out
    assert changed in agent.ok("show", "2").out
    assert changed in agent.ok("diff").out
    assert changed in agent.ok("diff", "1", "2").out
    assert agent.ok("diff", "2", "-o", "json").json["changes"] == []
    blamed = {one["pointer"]: one for one in agent.ok("blame", "-o", "json").json}
    assert (blamed["/agent/model"]["generation"], blamed["/agent/model"]["author"]) == (2, "bob")
    assert blamed["/agent/tokens"]["generation"] == 1
    only = agent.ok("blame", "agent.model").out.splitlines()
    assert len(only) == 2
    assert 'agent.model = "opus"' in only[1]
    agent.ok("rollback", "1", "-m", "back")
    assert agent.head()[0]["agent"]["model"] == "sonnet"
    newest = agent.ok("show", "3", "-o", "json").json
    assert (newest["kind"], newest["restores"]) == ("rollback", 1)
    assert agent.ok("get", "agent.model", "--at", "2").out == "opus\n"


def test_generations_go_on_after_a_delete(agent):
    """G2: a deleted realm is a value, and the next write makes the next number."""
    agent.ok("delete", "--expected-generation", "1")
    answer = agent.ok("get", "--own", "-o", "json")
    assert (answer.json["config"], answer.json["generation"]) == (None, 2)
    agent.ok("set", "a", "1", "--create")
    assert agent.head() == ({"a": 1}, 3)


def test_generation_that_is_not_there(agent):
    """Exit 5, with the current one."""
    answer = agent("show", "9", "-o", "json")
    assert (answer.code, answer.error["code"]) == (5, "revision_not_found")
    assert answer.error["current"] == 1
    assert agent("rollback", "9").code == 5
    assert agent("diff", "9").code == 5


def test_compacted_generation(shell):
    """What compaction removed is said to be gone, with the oldest one kept."""
    for number in range(5):
        shell.ok("set", "a", str(number))
    done = shell.ok("compact", "--keep", "2", "-o", "json").json
    assert done == [{"realm": "team", "floor": 4, "removed": 3}]
    answer = shell("show", "2", "-o", "json")
    assert (answer.code, answer.error["code"], answer.error["floor"]) == (5, "history_compacted", 4)
    assert "not known any more" in shell.ok("show", "4").out
    assert shell("compact").code == 4


def test_compaction_by_policy_keeps_what_the_policy_asks_for(shell):
    """Without options only realms with a limit are compacted, to that limit."""
    for number in range(4):
        shell.ok("set", "a", str(number))
        shell.ok("set", "a", str(number), "--realm", "other")
    shell.ok("policy", "set", "history_keep=2")
    shell.ok("compact")
    assert [one["generation"] for one in shell.ok("log", "-o", "json").json["revisions"]] == [5, 4]
    assert len(shell.ok("log", "-o", "json", "--realm", "other").json["revisions"]) == 4


def test_purge(agent):
    """An older document, or one value of it, is erased for good; the chain stays verifiable."""
    agent.ok("set", "provider.api_key", "secret://env/KEY")
    answer = agent("purge", "2")
    assert answer.code == 4
    agent.ok("purge", "1", "--path", "provider.api_key")
    old = agent.ok("get", "--at", "1", "-o", "json", "--show-secrets").json["config"]
    assert old == {"agent": {"model": "sonnet", "tokens": 12, "ratio": 0.5}, "provider": {}}
    assert agent.ok("verify", "-o", "json").json[0]["revisions"] == 2


# --- realms and the store -------------------------------------------------------------------


def test_realms_rename_copy(agent):
    """A name can change and keep its history; neither name ever repeats a number."""
    agent.ok("set", "agent.model", "opus")
    agent.ok("rename", "team", "squad")
    agent.ok("copy", "squad", "other")
    listed = {one["realm"]: one for one in agent.ok("realms", "-o", "json").json["realms"]}
    assert (listed["squad"]["generation"], listed["squad"]["exists"]) == (3, True)
    assert listed["team"]["exists"] is False
    assert listed["other"]["generation"] == 1
    assert (
        agent.ok("realms", "--after", "other", "-n", "1", "-o", "json").json["realms"][0]["realm"]
        == "squad"
    )
    assert agent("rename", "squad", "other").code == 3
    assert agent("rename", "nobody", "somebody").code == 5
    assert "team" in agent.ok("realms").out


def test_export_and_import(agent, tmp_path):
    """A complete export takes the history along; a redacted one cannot be imported."""
    agent.ok("set", "agent.model", "opus")
    refused = tmp_path / "redacted.jsonl"
    agent.ok("export", str(refused))
    complete = tmp_path / "complete.jsonl"
    answer = agent.ok("export", str(complete), "--show-secrets")
    assert "clear text" in answer.err
    assert stat.S_IMODE(complete.stat().st_mode) == 0o600
    assert agent("export", str(complete)).code == 4
    agent.root = tmp_path / "elsewhere"
    assert agent("import", str(refused)).code == 4
    agent.ok("import", str(complete))
    document, generation = agent.head()
    assert (document["agent"]["model"], generation) == ("opus", 2)
    assert document["provider"]["api_key"] == "sk-1"


def test_export_without_secrets_is_complete(shell, tmp_path):
    """What holds nothing secret can be exported and imported as it is."""
    shell.ok("set", "a", "1")
    shell.ok("set", "a", "2", "-m", "two")
    exported = shell.ok("export")
    assert "cannot be imported" not in exported.err
    shell.root = tmp_path / "elsewhere"
    shell.ok("import", "-", stdin=exported.out.encode())
    assert shell.head() == ({"a": 2}, 2)
    assert shell.ok("log", "-o", "json").json["revisions"][0]["message"] == "two"


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\xff\xfe",
        b"{}",
        b'{"format": "realmconf-revisions", "version": 99}',
        b'{"format": "realmconf-revisions", "version": 1}\n{"realm": "x"}',
        b'{"format": "realmconf-revisions", "version": 1}\n' + b"[" * 100_000,
        b"x" * 1_000_000,
    ],
)
def test_import_of_something_else_is_refused(shell, content):
    """G12: a typed error, and nothing is written, not even what stands before the bad line."""
    shell.ok("set", "a", "1")
    complete = shell.ok("export").out.encode()
    shell.realm = "other"
    assert shell("import", "-", stdin=content).code in (4, 6)
    if content:
        after_good_lines = complete.replace(b"team", b"other") + content
        assert shell("import", "-", stdin=after_good_lines).code == 4
    assert shell.head() == (None, 0)


def test_backup_and_restore(agent, tmp_path):
    """A restore brings documents back as new generations, above everything known."""
    copy = str(tmp_path / "copy")
    agent.ok("backup", copy)
    assert agent("backup", copy).code == 4
    agent.ok("set", "agent.model", "opus")
    agent.ok("restore", copy)
    document, generation = agent.head()
    assert (document["agent"]["model"], generation) == ("sonnet", 3)
    assert agent("restore", str(tmp_path / "nothing")).code == 4


def test_doctor_says_what_to_do(agent):
    """It names places of literals that look secret, files that others may read, and never a value."""
    os.chmod(agent.root / ".store", 0o755)
    findings = agent.ok("doctor", "-o", "json").json
    levels = {(one["level"], one["subject"]) for one in findings}
    assert ("warning", "modes") in levels
    secrets = [one for one in findings if "look secret" in one["text"]]
    assert "provider.api_key" in secrets[0]["text"]
    assert all(one["advice"] for one in findings if one["level"] != "ok")
    assert "chmod 700" in agent.ok("doctor").out


def test_doctor_reports_a_lost_history(agent):
    """G2: a store whose record is gone is a problem that is explained, exit 6."""
    for name in ("realmconf.db", "realmconf.db-wal", "realmconf.db-shm"):
        (agent.root / ".store" / name).unlink(missing_ok=True)
    answer = agent("doctor", "-o", "json")
    assert answer.code == 6
    assert any("history_missing" in one["text"] for one in answer.json)
    answer = agent("get", "-o", "json")
    assert (answer.code, answer.error["code"]) == (6, "history_missing")


# --- watch ---------------------------------------------------------------------------------


def test_watch_tells_every_generation_after_a_cursor(agent):
    """G7: from a generation on, each one, in order, once."""
    for number in range(3):
        agent.ok("set", "agent.tokens", str(number), "-m", f"step {number}")
    answer = agent.ok("watch", "--own", "--after", "1", "-n", "3", "-o", "json")
    events = [json.loads(line) for line in answer.out.splitlines()]
    assert [one["generation"] for one in events] == [2, 3, 4]
    assert [one["message"] for one in events] == ["step 0", "step 1", "step 2"]
    assert events[0]["changes"] == [{"pointer": "/agent/tokens", "before": 12, "after": 0}]
    effective = agent.ok("watch", "--after", "1", "-n", "1", "-o", "json")
    assert json.loads(effective.out)["generation"] == 2
    later = agent.ok("watch", "--own", "--after", events[1]["cursor"], "-n", "1", "-o", "json")
    assert json.loads(later.out)["generation"] == 4
    text = agent.ok("watch", "agent.tokens", "--own", "--after", "3", "-n", "1").out
    assert "~ agent.tokens = 1 → 2" in text
    assert "(step 2)" in text


def test_watch_runs_a_command_with_the_new_configuration(agent, tmp_path):
    """``--exec`` gets the value on its standard input, and the generation in its environment."""
    told = tmp_path / "told"
    agent.ok("set", "agent.tokens", "13")
    command = f'cat >> {told}; echo "$REALMCONF_REALM $REALMCONF_GENERATION" >> {told}; exit 3'
    answer = agent.ok("watch", "agent", "--own", "--after", "1", "-n", "1", "--exec", command)
    value, names = told.read_text().splitlines()
    assert json.loads(value)["tokens"] == 13
    assert names == "team 2"
    assert "ended with 3" in answer.err


def test_watch_wakes_for_a_write(agent):
    """A write of somebody else ends the wait."""
    from realmconf.runtime.client import connect

    ended = threading.Event()

    def write():
        number = 99
        # Nothing says from outside when the wait has begun, and what was written before does not end it.
        while not ended.wait(0.2):
            realm.set_value("agent.tokens", number)
            number += 1

    with connect(str(agent.root)) as client:
        realm = client.realm(agent.realm)
        writer = threading.Thread(target=write)
        writer.start()
        answer = agent.ok("watch", "-n", "1", "-o", "json")
        ended.set()
        writer.join()
    assert json.loads(answer.out)["changes"][0]["after"] >= 99


# --- init ------------------------------------------------------------------------------------


def test_init_makes_a_project(shell, tmp_path):
    """The project keeps its realms in its own tree; its file names the realm, its history stays out of git."""
    answer = shell.raw("init", "--realm", "web")
    assert answer.code == 0
    root = tmp_path / ".realmconf"
    assert (root / "project.toml").read_text() == 'realm = "web"\n'
    assert "/.store/" in (root / ".gitignore").read_text()
    (tmp_path / "deep" / "er").mkdir(parents=True)
    os.chdir(tmp_path / "deep" / "er")
    assert shell.raw("set", "a", "1").code == 0
    assert (root / "web" / "config.toml").exists()
    os.chdir(tmp_path)
    assert shell.raw("init").code == 0
    assert shell.raw("init", "--realm", "other").code == 4


def test_init_without_a_name_names_the_workspace(shell, tmp_path):
    """The derived name is written down, so that the project keeps it when it moves."""
    assert shell.raw("init", "-o", "json").json["realm"].startswith("ws-")
    assert 'realm = "ws-' in (tmp_path / ".realmconf" / "project.toml").read_text()


def test_init_says_what_goes_before_the_project(shell, tmp_path, monkeypatch):
    """A variable of the environment that names a store or a realm is said, since the project is not used then."""
    assert "warning" not in shell.raw("init", "--realm", "web").err
    for name, what, value in (
        ("REALMCONF_STORE", "store", str(tmp_path / "elsewhere")),
        ("REALMCONF_REALM", "realm", "api"),
    ):
        with monkeypatch.context() as patched:
            patched.setenv(name, value)
            answer = shell.raw("init")
            assert answer.code == 0
            assert f"warning: {name} is set and goes before the project" in answer.err
            assert f"use the {what} that it names until it is unset" in answer.err
            assert value not in answer.err


def test_init_takes_a_first_document(shell, tmp_path):
    """``--from`` starts the realm, and never replaces a document."""
    (tmp_path / "first.toml").write_text("a = 1\n")
    assert shell.raw("init", "--realm", "web", "--from", "first.toml").code == 0
    assert shell.raw("get", "a").out == "1\n"
    assert shell.raw("init", "--from", "first.toml").code == 3
    assert shell.raw("init", "--from", "nothing.toml").code == 4


def test_init_makes_a_fresh_clone_usable(shell, tmp_path):
    """The working copies' documents go on above the numbers they name; their comments stay."""
    root = tmp_path / ".realmconf"
    (root / "web").mkdir(parents=True)
    (root / "project.toml").write_text('realm = "web"\n')
    text = "# realmconf: web, generation 7\n# why\na = 1   # one\n"
    (root / "web" / "config.toml").write_text(text)
    (root / "api").mkdir()
    (root / "api" / "config.toml").write_text("# no first line of ours\nb = 1\n")
    answer = shell.raw("set", "a", "2", "-o", "json")
    assert (answer.code, answer.error["code"]) == (6, "history_missing")
    assert "realmconf init" in answer.error["message"]
    assert (root / "web" / "config.toml").read_text() == text
    answer = shell.raw("init")
    assert answer.code == 0
    assert "fresh clone" in answer.err
    assert "web: generation=8" in answer.out
    assert shell.raw("get", "--own", "-o", "json").json["generation"] == 8
    assert (root / "web" / "config.toml").read_text() == text.replace("7", "8")
    assert shell.raw("set", "a", "2").out.endswith("generation=9\n")
    assert "a = 2   # one" in (root / "web" / "config.toml").read_text()
    assert "# no first line of ours\nb = 1\n" in (root / "api" / "config.toml").read_text()
    assert shell.raw("get", "b", "--realm", "api").out == "1\n"


def test_init_in_a_clone_with_a_broken_file_starts_nothing(shell, tmp_path):
    """It says where the file is broken, and changes nothing until it is mended."""
    root = tmp_path / ".realmconf"
    (root / "web").mkdir(parents=True)
    (root / "project.toml").write_text('realm = "web"\n')
    (root / "web" / "config.toml").write_text("# realmconf: web, generation 7\na = \n")
    assert shell.raw("init").code == 4
    assert not (root / ".store").exists()


# --- completion ------------------------------------------------------------------------------


def test_completion_offers_realms_and_paths(agent):
    """The scripts ask the program what there is; sections are offered too."""
    assert agent.ok("completion", "realms").out == "team\n"
    assert agent.ok("completion", "paths").out.split() == [
        "agent", "agent.model", "agent.ratio", "agent.tokens", "provider", "provider.api_key"
    ]  # fmt: skip


def test_completion_of_nothing(shell):
    """Where nothing was written there is nothing to offer."""
    assert shell.ok("completion", "paths").out == ""


@pytest.mark.parametrize("words", [["log"], ["blame"], ["verify"], ["diff"]])
def test_history_of_a_realm_never_written_is_said_to_be_none(shell, words):
    """An empty answer alone could as well be a mistyped name."""
    assert "realm team was never written" in shell.ok(*words).err
    shell.ok("set", "a", "1")
    assert "never written" not in shell.ok(*words).err


def test_blame_of_what_is_not_there_is_an_error(agent):
    """As it is for ``get``."""
    answer = agent("blame", "nope", "-o", "json")
    assert (answer.code, answer.error["code"]) == (5, "value_not_found")
    assert agent.ok("blame", "agent.model").out


def test_a_store_in_memory_says_that_nothing_is_kept(shell):
    """Nobody takes the generation it prints for one that will be there."""
    answer = shell.raw("--store", "memory://", "--realm", "team", "set", "a", "1")
    assert (answer.code, answer.out.splitlines()[-1]) == (0, "generation=1")
    assert "nothing in this store is kept" in answer.err
    assert "is kept" not in shell.ok("set", "a", "1").err


def test_a_replayed_write_says_what_it_was(shell):
    """The first answer comes again, and is told from a write that happened now."""
    first = shell.ok("set", "a", "1", "--write-id", "w1")
    shell.ok("set", "b", "1")
    again = shell.ok("set", "a", "1", "--write-id", "w1")
    assert again.out == first.out
    assert "already done" not in first.err
    assert "already done as generation 1" in again.err


def test_doctor_does_not_call_a_clone_never_written(agent):
    """Working copies without a record were written somewhere."""
    shutil.rmtree(agent.root / ".store")
    findings = agent("doctor", "-o", "json").json
    (note,) = [one for one in findings if one["level"] == "note"]
    assert "no record" in note["text"]
    assert "realmconf init" in note["advice"]


def test_what_is_refused_is_named(agent):
    """An argument that is wrong, by the name it was given under."""
    refused = {
        "--after: ": ("watch", "--after", "bogus"),
        "expected: ": ("set", "a", "1", "--expected", "bogus"),
        "the path is empty": ("set", "", "1"),
        "mistyped": ("set", "a", "1", "--expected", "1-000000000000"),
    }
    for named, words in refused.items():
        assert named in agent(*words, "-o", "json").error["message"]
    answer = agent.raw("--store", "nope", "--nope")
    assert answer.code == 2
    assert "no option '--nope'" in answer.err


@pytest.mark.parametrize(
    "words",
    [["rename", "team", "crew"], ["copy", "team", "crew"], ["policy", "set", "history_keep=9"]],
)
def test_what_moves_realms_and_policies_can_be_tried_first(agent, words):
    """``--dry-run`` changes nothing there either, and a stale expectation is refused."""
    agent.ok(*words, "--dry-run", "-m", "why")
    assert [one["realm"] for one in agent.ok("realms", "-o", "json").json["realms"]] == ["team"]
    assert agent.head()[1] == 1
    assert agent.ok("policy", "show", "-o", "json").json["history_keep"] is None
    stale = agent(*words, "--expected", "9-0123456789ab", "-o", "json")
    assert (stale.code, stale.error["code"]) == (3, "generation_conflict")
    agent.ok(*words, "-m", "why", "--write-id", "w")


@pytest.mark.parametrize("output", ["text", "json"])
def test_what_is_written_is_no_refusal_though_it_cannot_be_shown(shell, monkeypatch, output):
    """A write that was committed succeeds, also where the store fails right after: what cannot be shown is said."""
    shell.ok("set", "a", "1")

    def failing(*_):
        raise StoreUnavailable("the store has just gone")

    monkeypatch.setattr(Veil, "over", failing)
    answer = shell("set", "a", "2", "-o", output)
    monkeypatch.undo()
    assert answer.code == 0
    assert (
        "it is done, and what came of it cannot be shown now: the store has just gone" in answer.err
    )
    if output == "json":
        assert (answer.json["generation"], answer.json["changed"]) == (2, True)
    else:
        assert answer.out == "generation=2\n"
