"""The command line on a server's store, with a token that does not have every right."""

from __future__ import annotations

import json
import os
import sys
from dataclasses import dataclass
from typing import Any

import pytest
from tests.surfaces.http.remote import Restarted

from realmconf.runtime.tokens import Tokens
from realmconf.surfaces.cli import main


@dataclass
class Answer:
    code: int
    out: str
    err: str


class Shell:
    """``realmconf --store URL …``, as whoever has a token of some roles."""

    def __init__(self, server: Restarted, monkeypatch, capsys) -> None:
        self.server = server
        self._monkeypatch = monkeypatch
        self._capsys = capsys
        self._tokens: dict[tuple[str, ...], str] = {}

    def token(self, *roles: str) -> str:
        if roles not in self._tokens:
            made = Tokens(self.server.client).create(
                realms="*", roles=roles, author="test", surface="sdk"
            )
            self._tokens[roles] = made.text
        return self._tokens[roles]

    def asked(self, *words: str, roles: tuple[str, ...] = ("admin",), realm="team") -> Answer:
        self._monkeypatch.setenv("REALMCONF_TOKEN", self.token(*roles))
        return self.bare("--store", self.server.url, "--realm", realm, *words)

    def bare(self, *words: str) -> Answer:
        self._capsys.readouterr()
        code = main(list(words))
        found = self._capsys.readouterr()
        assert "Traceback" not in found.out + found.err
        return Answer(code, found.out, found.err)

    def stored(self) -> Any:
        return self.server.client.realm("team").get()


@pytest.fixture
def shell(tmp_path, monkeypatch, capsys):
    for name in [name for name in os.environ if name.startswith("REALMCONF_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    server = Restarted(str(tmp_path / "store"))
    try:
        yield Shell(server, monkeypatch, capsys)
    finally:
        server.stop()


# --- writes of secrets ----------------------------------------------------------------------


def test_a_secret_that_was_set_is_told_as_set(shell):
    """Whoever may not see secrets sets one, and is told so: the mark, the type that was sent, the generation."""
    answer = shell.asked("set", "api_key", "k")
    assert answer.code == 0, answer.err
    mark, generation = answer.out.splitlines()
    assert mark.startswith('api_key = "«secret:')
    assert mark.endswith("(string)")
    assert generation == "generation=1"
    assert shell.asked("set", "api_key", "5").out.splitlines()[0].endswith("(integer)")
    assert shell.stored().document == {"api_key": 5}


@pytest.mark.parametrize(
    ("words", "document"),
    [
        (("patch", "--json", '{"api_key": "k2"}'), {"api_key": "k2", "n": 1}),
        (("patch", "--json", '{"api_key": 2}'), {"api_key": 2, "n": 1}),
        (("replace", "--json", '{"api_key": "k2"}'), {"api_key": "k2"}),
        (("set", "api_key", "k2"), {"api_key": "k2", "n": 1}),
        (("unset", "api_key"), {"n": 1}),
    ],
)
def test_a_secret_is_replaced_unseen(shell, words, document):
    """Another secret may be put in the place of one that is withheld, by every way of writing."""
    shell.server.client.realm("team").set({"api_key": "k1", "n": 1})
    answer = shell.asked(*words)
    assert answer.code == 0, answer.err
    assert shell.stored().document == document


def test_a_json_patch_replaces_a_secret_unseen(shell, tmp_path):
    """A JSON Patch may, too."""
    shell.server.client.realm("team").set({"api_key": ["k1"]})
    patch = tmp_path / "patch.json"
    patch.write_text('[{"op": "replace", "path": "/api_key/0", "value": "k2"}]')
    assert shell.asked("json-patch", str(patch)).code == 0
    assert shell.stored().document == {"api_key": ["k2"]}


@pytest.mark.parametrize(
    "words",
    [
        ("get", "api_key"),
        ("get", "--own", "api_key"),
        ("blame", "api_key"),
        ("blame",),
        ("explain", "api_key"),
        ("diff",),
        ("show", "1"),
        ("log", "--patch"),
    ],
)
def test_a_secret_is_shown_as_its_mark(shell, words):
    """What the command line shows of a secret of a server is its mark, wherever it shows values."""
    shell.server.client.realm("team").set({"api_key": "sk-hidden"})
    answer = shell.asked(*words, roles=("read",))
    assert answer.code == 0, answer.err
    assert "«secret:" in answer.out
    assert "sk-hidden" not in answer.out + answer.err


EDITOR = """
import sys
from realmconf import connect
path = sys.argv[1]
text = open(path).read()
with connect({store!r}) as client:
    client.realm("team").set_value("db.password", "other")
open(path, "w").write(text.replace("n = 1", "n = 2"))
"""


def test_a_text_with_marks_is_edited(shell, tmp_path, monkeypatch):
    """``edit`` works on a server's store without the right to secrets, also beside somebody who changes one."""
    store = str(tmp_path / "store")
    shell.server.client.realm("team").set({"api_key": "k1", "n": 1, "db": {"password": "p"}})
    script = tmp_path / "editor.py"
    script.write_text(EDITOR.format(store=store))
    monkeypatch.setenv("EDITOR", f"{sys.executable} {script}")
    answer = shell.asked("edit")
    assert answer.code == 0, answer.err
    assert shell.stored().document == {"api_key": "k1", "n": 2, "db": {"password": "other"}}


def test_rpc_replaces_a_secret_unseen(shell, monkeypatch, tmp_path):
    """JSON-RPC on a server's store puts another secret in the place of one that is withheld, in a transaction too."""
    import subprocess

    shell.server.client.realm("team").set({"api_key": "k1"})
    asked = [
        ("config/patch", {"patch": {"api_key": 2}}),
        ("config/set_value", {"path": "api_key", "value": 3}),
        ("config/transaction", {"parts": [{"realm": "team", "set_value": {"api_key": 4}}]}),
        ("config/get", {"path": "api_key"}),
    ]
    environment = {**os.environ, "REALMCONF_TOKEN": shell.token("admin")}
    for method, given in asked:
        frame = json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": given})
        done = subprocess.run(
            [
                sys.executable,
                "-m",
                "realmconf",
                "--store",
                shell.server.url,
                "--realm",
                "team",
                "rpc",
            ],
            input=frame + "\n",
            capture_output=True,
            text=True,
            check=True,
            env=environment,
        )
        answer = json.loads(done.stdout)
        assert "result" in answer, answer
    assert answer["result"].startswith("«secret:")
    assert shell.stored().document == {"api_key": 4}


# --- what needs the right to secrets --------------------------------------------------------


def test_doctor_says_what_it_cannot_check(shell):
    """Without the role ``secrets`` ``doctor`` says what cannot be checked: no problem, and nothing to restore."""
    shell.server.client.realm("team").set({"api_key": "k1", "n": 1})
    for roles in (("read",), ("admin",)):
        answer = shell.asked("doctor", roles=roles)
        assert answer.code == 0, answer.err
        assert "problem" not in answer.out
        assert "restore" not in answer.out
        assert "cannot be told without its secrets" in answer.out
        assert "the role secrets" in answer.out
    answer = shell.asked("doctor", roles=("admin", "secrets"))
    assert "1 revisions up to generation 1 are intact" in answer.out


def test_doctor_lists_no_tokens_for_who_may_not_make_them(shell):
    """Of the tokens ``doctor`` says that they are told to who may make them only."""
    answer = shell.asked("doctor", roles=("read",))
    assert answer.code == 0
    assert "a server tells of its tokens only to who may make them" in answer.out


def test_verify_says_what_it_needs(shell):
    """``verify`` needs all secrets of a realm, and says so without naming a place."""
    shell.server.client.realm("team").set({"api_key": "k1"})
    answer = shell.asked("verify")
    assert answer.code == 9
    assert "this takes the whole of realm team, and its secrets are withheld" in answer.err
    assert "at /" not in answer.err


def test_verify_leaves_the_servers_own_records_to_the_server(shell):
    """With the role ``secrets`` ``verify`` looks at every realm; the server's tokens are not a client's to look at."""
    shell.server.client.realm("team").set({"api_key": "k1"})
    shell.token("admin", "secrets")
    shell.asked("realms", roles=("admin", "secrets"))
    done = shell.bare("--store", shell.server.url, "verify")
    assert done.out.splitlines() == ["team: 1 revisions up to 1 are intact"]


@pytest.mark.parametrize(
    ("words", "action"),
    [
        (("rename", "team", "crew"), "renaming through a server (realm team)"),
        (("copy", "team", "crew"), "writing whole revisions through a server"),
    ],
)
def test_what_needs_every_right_says_which(shell, words, action):
    """A rename or a copy through a server says what it is and which roles it needs."""
    shell.server.client.realm("team").set({"api_key": "k1"})
    answer = shell.asked(*words)
    assert answer.code == 8
    assert action in answer.err
    assert "this needs the roles admin and secrets" in answer.err
    assert answer.err.count("(") <= 1


# --- what only a store in hand can do -----------------------------------------------------------


def test_a_server_is_not_served_again(shell):
    """``serve`` refuses a server's store at its start: nothing listens, and no token is made anywhere."""
    shell.token("admin", "secrets")
    before = Tokens(shell.server.client).all()
    answer = shell.asked("serve", "--port", "0", roles=("admin", "secrets"))
    assert answer.code == 4
    assert "serve wants a store that it has in hand" in answer.err
    assert shell.server.url in answer.err
    assert Tokens(shell.server.client).all() == before


def test_agents_write_through_the_server(shell):
    """``mcp --allow-write`` refuses a server's store, which keeps its own plans, and names the way in."""
    answer = shell.asked("mcp", "--allow-write", "--allow-path", "/")
    assert answer.code == 4
    assert f"{shell.server.url}/mcp" in answer.err


def test_working_copies_are_the_servers(shell):
    """``status`` of a server's store names the server, whose files are its own."""
    answer = shell.asked("status")
    assert answer.code == 6
    assert (
        f"{shell.server.url} is a server, whose working copies are on its own machine" in answer.err
    )
    assert "embedded" not in answer.err


# --- tokens ---------------------------------------------------------------------------------


def test_a_missing_token_is_asked_for_where_it_is_looked_for(shell, monkeypatch, tmp_path):
    """Without a token the error names the variable, the file, and the origin that was looked for in it."""
    folder = tmp_path / "config" / "realmconf"
    folder.mkdir(parents=True)
    file = folder / "credentials.toml"
    file.touch(mode=0o600)
    token = shell.token("read")
    file.write_text(f'["http://localhost:{shell.server.port}"]\ntoken = "{token}"\n')
    answer = shell.bare("--store", shell.server.url, "realms")
    assert answer.code == 8
    assert "REALMCONF_TOKEN" in answer.err
    assert f'["{shell.server.url}"] in ~/.config/realmconf/credentials.toml' in answer.err
    assert "none was found" in answer.err
    assert "Bearer" not in answer.err
    assert shell.bare("--store", f"http://localhost:{shell.server.port}", "realms").code == 0
    monkeypatch.setenv("REALMCONF_TOKEN", "rc_nobodys")
    answer = shell.bare("--store", shell.server.url, "realms")
    assert answer.code == 8
    assert "does not take the token" in answer.err
    assert "nobodys" not in answer.err
