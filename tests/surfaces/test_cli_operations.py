"""The command line and the table of operations: the same operations, words and answers."""

from __future__ import annotations

import json
from typing import Any

import pytest

from realmconf.domain.names import LIMITS
from realmconf.errors import ParentNotFound
from realmconf.runtime.access import OWNER, ROLES
from realmconf.runtime.client import connect
from realmconf.runtime.operations.rows import BY_NAME, OPERATIONS
from realmconf.runtime.operations.session import Session
from realmconf.surfaces.answers import answer
from realmconf.surfaces.cli.commands import BY_NAME as COMMANDS_BY_NAME
from realmconf.surfaces.cli.commands import COMMANDS
from realmconf.surfaces.cli.usage import page_of
from realmconf.surfaces.cli.wording import (
    ALONE,
    details_of,
    help_of,
    operations_of,
    parameter_name,
    summary_of,
)

WITHOUT_COMMAND = {
    "config/watch_once": "`watch -n 1` does it",
    "config/plan": "for agents: a person sees the same with --dry-run, and decides at once",
    "config/apply": "likewise",
    "config/transaction": "its parts have no form that fits a command line",
    "config/settle": "the command that wrote says what became of it",
    "realm/descendants": "`realms --tree` shows them",
    "store/info": "`doctor` says what the store promises",
}
"""Operations that are no command, and why."""

NO_OPERATION = {
    "edit": "a person's editor, on top of set",
    "purge": "for whoever has the store in hand",
    "status": "about the files of this machine",
    "resolve": "about the files of this machine",
    "init": "about the files of this machine",
    "export": "for whoever has the store in hand",
    "import": "for whoever has the store in hand",
    "backup": "for whoever has the store in hand",
    "restore": "for whoever has the store in hand",
    "migrate": "between two stores, for whoever has both in hand",
    "compact": "for whoever has the store in hand",
    "verify": "for whoever has the store in hand",
    "doctor": "about this machine",
    "serve": "a surface",
    "rpc": "a surface",
    "mcp": "a surface",
    "demo": "about the program",
    "completion": "about the program",
}
"""Commands that are no operation, and why."""

NOT_GIVEN = {
    ("config/get", "after"): "`watch` waits",
    ("config/get", "wait"): "`watch` waits",
    ("config/set", "exact_numbers"): "the format says it: TOML and YAML are exact, JSON is not",
    ("config/patch", "exact_numbers"): "the format says it",
    ("config/json_patch", "exact_numbers"): "it is JSON",
    ("config/set_value", "exact_numbers"): "VALUE is TOML, which is exact",
}
"""Parameters that no option or operand gives, and why."""

COMMANDED = [operation for operation in OPERATIONS if operation.command is not None]


def command_of(operation):
    name, _, word = operation.command.partition(" ")
    return COMMANDS_BY_NAME[name], word


def arguments_of(command):
    return (*command.operands, *command.options)


def test_every_operation_is_a_command_or_it_is_said_why_not():
    """An operation that is added and not thought of fails here."""
    assert {one.name for one in OPERATIONS if one.command is None} == set(WITHOUT_COMMAND)


def test_every_command_is_an_operation_or_it_is_said_why_not():
    """A command that is added and not thought of fails here."""
    assert {one.name for one in COMMANDS if not operations_of(one)} == set(NO_OPERATION)


@pytest.mark.parametrize("operation", COMMANDED, ids=lambda one: one.name)
def test_operation_has_its_command(operation):
    """A command that is one operation is described by its words; one that is several has a word for each."""
    command, word = command_of(operation)
    assert operations_of(command)[word] is operation
    if word == ALONE:
        assert (command.summary, summary_of(command)) == ("", operation.summary)
        assert details_of(command).startswith(operation.details)
    else:
        (action,) = (one for one in command.operands if one.destination == "action")
        assert word in action.choices
        page = " ".join(page_of(command).split())
        assert f"{word}: {operation.summary}." in page


@pytest.mark.parametrize("operation", COMMANDED, ids=lambda one: one.name)
def test_every_parameter_is_an_option_or_operand(operation):
    """What an operation takes can be said on the command line, or it is said why not."""
    command, _ = command_of(operation)
    given = {parameter_name(argument) for argument in arguments_of(command)}
    missing = {parameter.name for parameter in operation.parameters} - given
    assert missing == {name for row, name in NOT_GIVEN if row == operation.name}


LISTS = ("pointers", "places", "patterns", "roles")
"""Kinds of parameters that are several values."""


@pytest.mark.parametrize("operation", COMMANDED, ids=lambda one: one.name)
def test_options_take_what_parameters_do(operation):
    """The same choices, and several values where the parameter is a list."""
    command, _ = command_of(operation)
    for parameter in operation.parameters:
        for argument in arguments_of(command):
            if parameter_name(argument) != parameter.name or argument.help:
                continue
            if parameter.name == "roles":
                assert argument.choices == ROLES
            else:
                assert argument.choices == parameter.choices
            assert argument.repeats == (parameter.kind in LISTS), parameter.name


def test_no_text_exists_twice():
    """What the table of operations says of a parameter is not said again by the command line."""
    said = {parameter.help for operation in OPERATIONS for parameter in operation.parameters}
    said |= {operation.summary for operation in OPERATIONS}
    said |= {operation.details for operation in OPERATIONS} - {""}
    own = {argument.help for command in COMMANDS for argument in arguments_of(command)}
    own |= {command.summary for command in COMMANDS} | {command.details for command in COMMANDS}
    assert not said & own


def test_every_argument_has_help():
    """Its own, or that of the parameter that it gives."""
    for command in COMMANDS:
        for argument in arguments_of(command):
            assert help_of(command, argument), (command.name, argument)


def test_an_option_without_words_is_seen():
    """The look for help finds an option that names no parameter and says nothing."""
    (own,) = (option for option in COMMANDS_BY_NAME["get"].options if "--own" in option.names)
    with pytest.raises(StopIteration):
        help_of(COMMANDS_BY_NAME["get"], own.replace(help="", parameter="", names=("--nothing",)))


# --- answers --------------------------------------------------------------------------------

SCHEMA = '{"properties": {"agent": {"properties": {"pin": {"writeOnly": true}}}}}'

READS: list[tuple[list[str], str, dict[str, Any]]] = [
    (["get"], "config/get", {"view": "effective"}),
    (["get", "--own"], "config/get", {}),
    (["get", "agent.model"], "config/get", {"view": "effective", "path": "/agent/model"}),
    (["get", "agent", "--own"], "config/get", {"path": "/agent"}),
    (["get", "--at", "2"], "config/get", {"at": 2}),
    (["explain"], "config/explain", {}),
    (["explain", "agent.model"], "config/explain", {"path": "agent.model"}),
    (["validate"], "config/validate", {}),
    (["log"], "config/history", {"limit": 20}),
    (["log", "-n", "2"], "config/history", {"limit": 2}),
    (["log", "-n", "2", "--before", "3"], "config/history", {"limit": 2, "before": 3}),
    (["show", "2"], "config/revision", {"generation": 2}),
    (["diff"], "config/diff", {}),
    (["diff", "1", "3"], "config/diff", {"from": 1, "to": 3}),
    (["blame"], "config/blame", {}),
    (["blame", "agent"], "config/blame", {"path": "agent"}),
    (["schema", "show"], "schema/get", {}),
    (["policy", "show"], "policy/get", {}),
    (["parent", "show"], "realm/get_parent", {}),
    (["realms"], "realm/list", {}),
    (["realms", "-n", "1"], "realm/list", {"limit": 1}),
    (["token", "list"], "token/list", {}),
]

TRIED: list[tuple[list[str], str, dict[str, Any]]] = [
    (["set", "agent.n", "2"], "config/set_value", {"path": "agent.n", "value": 2}),
    (["unset", "agent.model"], "config/unset", {"path": "agent.model"}),
    (["replace", "--json", '{"a": 1}'], "config/set", {"config": {"a": 1}}),
    (
        ["patch", "--json", '{"agent": {"pin": "x"}}'],
        "config/patch",
        {"patch": {"agent": {"pin": "x"}}},
    ),
    (
        ["json-patch", "--json", '[{"op": "remove", "path": "/agent/model"}]'],
        "config/json_patch",
        {"operations": [{"op": "remove", "path": "/agent/model"}]},
    ),
    (["rollback", "2"], "config/rollback", {"to": 2}),
    (["delete"], "config/delete", {}),
    (["schema", "unset"], "schema/unset", {}),
    (["policy", "set", "history_keep=9"], "policy/set", {"policy": {"history_keep": 9}}),
    (["parent", "unset"], "realm/unset_parent", {}),
    (["copy", "team", "crew"], "realm/copy", {"realm": "team", "to": "crew"}),
    (["rename", "team", "crew"], "realm/rename", {"realm": "team", "to": "crew"}),
]
"""Writes, each as a command and as a call; tried with --dry-run, which tells most."""


@pytest.fixture
def full(shell):
    shell.ok("set", "agent.model", "org's", "--realm", "org")
    shell.ok("set", "agent.model", "one", "-m", "first")
    shell.ok("patch", "--json", '{"agent": {"pin": "1234", "api_key": "s3cret", "n": 1.0}}')
    shell.ok("schema", "set", "-", stdin=SCHEMA.encode())
    shell.ok("parent", "set", "org")
    shell.ok("token", "create", "--realms", "team*", "--role", "write", "--path", "agent")
    return shell


@pytest.fixture
def asked(full):
    """The answer of an operation, as any other surface gives it."""
    with connect(str(full.root), author="ada") as client:
        session = Session(client, OWNER, surface="cli", author="ada")

        def ask(name: str, arguments: dict[str, Any]) -> Any:
            operation = BY_NAME[name]
            if operation.on == "realm":
                arguments = {"realm": full.realm, **arguments}
            # As bytes, since that is what arrives.
            return json.loads(json.dumps(answer(operation, session, arguments)))

        yield ask


def without_chance(shown: Any) -> Any:
    """*shown* without what is new with every write and every process."""
    if isinstance(shown, dict):
        new = ("write_id", "instance_id")
        return {name: without_chance(one) for name, one in shown.items() if name not in new}
    return [without_chance(one) for one in shown] if isinstance(shown, list) else shown


@pytest.mark.parametrize(("words", "name", "arguments"), READS, ids=lambda one: str(one)[:40])
def test_json_is_the_operations_answer(full, asked, words, name, arguments):
    """``-o json`` prints what HTTP, JSON-RPC and MCP answer, marks in the same places."""
    shown = full.ok(*words, "-o", "json")
    assert "1234" not in shown.out
    assert "s3cret" not in shown.out
    assert without_chance(shown.json) == without_chance(asked(name, arguments))


@pytest.mark.parametrize(("words", "name", "arguments"), TRIED, ids=lambda one: str(one)[:40])
def test_json_of_a_dry_run_is_the_operations_answer(full, asked, words, name, arguments):
    """What would change, as every surface tells it."""
    shown = full.ok(*words, "--dry-run", "-o", "json")
    assert "1234" not in shown.out
    assert "s3cret" not in shown.out
    assert shown.json["dry_run"] is True
    assert shown.json == asked(name, {**arguments, "dry_run": True})


def test_json_of_a_write_is_a_receipt(full, asked):
    """The own envelope, and what became of the write; a retry of the same gets the same."""
    shown = full.ok("set", "agent.n", "7", "--write-id", "w", "-o", "json").json
    again = asked("config/set_value", {"path": "/agent/n", "value": 7, "write_id": "w"})
    assert again["generation"] == shown["generation"] == 5
    assert again.keys() == shown.keys()
    assert [one["code"] for one in again["warnings"]] == ["replayed"]


def test_every_answer_that_is_printed_is_compared():
    """An operation that becomes a command is compared too."""
    compared = {name for _, name, _ in (*READS, *TRIED)}
    elsewhere = {
        "config/watch": "test_steps_are_those_of_every_surface",
        "schema/set": "as any other write",
        "realm/set_parent": "as any other write",
        "token/create": "test_cli_tokens",
        "token/revoke": "test_cli_tokens",
    }
    assert compared | elsewhere.keys() == {operation.name for operation in COMMANDED}


def test_steps_are_those_of_every_surface(full, asked):
    """A JSON line of ``watch`` is what a waiting call answers, its flag left out."""
    line = full.ok("watch", "--own", "--after", "1", "-n", "1", "-o", "json").json
    step = asked("config/watch_once", {"after": 1, "view": "own"})
    assert step.pop("changed") is True
    assert line == step


def test_trying_a_document_is_for_readers_and_tells_them_nothing_else(shell):
    """Whoever may read a realm may try a document; under a parent it may not read, as under one that is not there."""
    shell.ok("set", "agent.model", "m")
    shell.ok("schema", "set", "-", stdin=b'{"properties": {"agent": {"required": ["model"]}}}')
    shell.ok("set", "a", "1", "--realm", "hidden")
    reader = OWNER.replace(id="t-1", roles=frozenset(("read",)), realms=("team",))
    with connect(str(shell.root)) as client:
        session = Session(client, reader, surface="http")

        def tried(document):
            arguments = {"realm": "team", "config": document}
            return answer(BY_NAME["config/validate"], session, arguments)

        assert tried({"agent": {"model": "m"}}) == {"valid": True, "violations": []}
        assert tried({"agent": {}})["valid"] is False
        refusals = set()
        for parent in ("hidden", "nobody"):
            with pytest.raises(ParentNotFound) as refused:
                tried({"agent": {"model": "m"}, "realm": {"team": {"parent": parent}}})
            refusals.add(str(refused.value).replace(parent, "…"))
        assert len(refusals) == 1


def test_patch_tells_the_changes_of_each(full):
    """``log --patch`` adds to each entry what `show` has of it."""
    entries = full.ok("log", "--patch", "-o", "json").json["revisions"]
    for entry in entries:
        shown = full.ok("show", str(entry["generation"]), "-o", "json").json
        assert entry["changes"] == shown["changes"]


def test_more_than_a_page_is_put_together(shell, monkeypatch):
    """However many are asked for, or without a limit all: the page that a server gives at once is no limit here."""
    from realmconf.surfaces.cli import history, realms

    small = LIMITS.replace(history_page=2)
    monkeypatch.setattr(history, "LIMITS", small)
    monkeypatch.setattr(realms, "LIMITS", small)
    for number in range(5):
        shell.ok("set", "a", str(number))
        shell.ok("set", "a", "1", "--realm", f"r{number}")
    found = shell.ok("log", "-n", "4", "-o", "json").json
    assert [one["generation"] for one in found["revisions"]] == [5, 4, 3, 2]
    assert found["before"] == 2
    found = shell.ok("log", "-o", "json").json
    assert (len(found["revisions"]), found["before"]) == (5, None)
    found = shell.ok("realms", "-o", "json").json
    assert [one["realm"] for one in found["realms"]] == ["r0", "r1", "r2", "r3", "r4", "team"]
    assert found["after"] is None
    found = shell.ok("realms", "-n", "3", "-o", "json").json
    assert (len(found["realms"]), found["after"]) == (3, "r2")
    assert len(shell.ok("realms").out.splitlines()) == 7
    assert len(shell.ok("realms", "--tree").out.splitlines()) == 7
