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
