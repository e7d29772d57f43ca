"""The command line in this process, on a store of the test's own."""

from __future__ import annotations

import io
import json
import os
import sys
import tempfile
from dataclasses import dataclass
from typing import Any

import pytest

from realmconf.surfaces.cli import main


@dataclass
class Answer:
    """What one call of the command line answered."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)

    @property
    def error(self) -> Any:
        return self.json["error"]


class Shell:
    """Calls the command line with the store and realm of the test."""

    def __init__(self, monkeypatch, capsys, root) -> None:
        self._monkeypatch = monkeypatch
        self._capsys = capsys
        self.root = root
        self.realm = "team"

    @property
    def file(self):
        """The working copy."""
        return self.root / self.realm / "config.toml"

    def raw(self, *words: str, stdin: bytes = b"") -> Answer:
        """Exactly these words."""
        self._monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin)))
        self._capsys.readouterr()
        code = main(list(words))
        captured = self._capsys.readouterr()
        assert "Traceback" not in captured.out + captured.err
        return Answer(code, captured.out, captured.err)

    def __call__(self, *words: str, stdin: bytes = b"") -> Answer:
        """These words, on the store and realm of the test."""
        named = ["--realm", self.realm, "--author", "ada"]
        if words[:1] != ("init",):
            # That makes the store of the folder it is called in.
            named += ["--store", str(self.root)]
        return self.raw(*named, *words, stdin=stdin)

    def ok(self, *words: str, stdin: bytes = b"") -> Answer:
        """As a call, and it must succeed."""
        answer = self(*words, stdin=stdin)
        assert answer.code == 0, answer.err + answer.out
        return answer

    def head(self) -> Any:
        """Own document with secrets, and the generation."""
        envelope = self.ok("get", "--own", "-o", "json", "--show-secrets").json
        return envelope["config"], envelope["generation"]


@pytest.fixture
def shell(monkeypatch, capsys, tmp_path):
    for name in [name for name in os.environ if name.startswith("REALMCONF_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("XDG_DATA_HOME", raising=False)
    monkeypatch.delenv("VISUAL", raising=False)
    # What `edit` leaves behind when it fails goes with the test.
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    return Shell(monkeypatch, capsys, tmp_path / "store")
