"""The command line in this process, asked for JSON: words made of an operation's arguments."""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ClassVar

from tests.surfaces.parity.driving import Outcome, refusal
from tests.surfaces.parity.scenarios import Step

from realmconf.runtime.access import ROLES
from realmconf.surfaces.cli import main
from realmconf.surfaces.cli.formats import toml_value
from realmconf.surfaces.envelope import ANSWERS

OPTIONS = {
    "expected_generation": "--expected-generation",
    "expected": "--expected",
    "create": "--create",
    "must_exist": "--must-exist",
    "on_conflict": "--on-conflict",
    "depends_on": "--depends-on",
    "message": "--message",
    "write_id": "--write-id",
    "dry_run": "--dry-run",
}
EXITS = {
    error.code: {answer.exit for other, answer in ANSWERS.items() if other.code == error.code}
    for error in ANSWERS
}


class Words:
    """Somebody at a shell, with ``-o json``."""

    UNREACHED: ClassVar[dict[str, str]] = {
        "config/transaction": "the command line writes one realm at a time",
        "config/plan": "people have --dry-run",
        "config/apply": "likewise",
        "config/settle": "people look",
        "config/watch_once": "watch -n 1 goes on from a cursor",
        "config/get.after": "likewise",
        "config/get.wait": "likewise",
        "realm/descendants": "realms --tree shows them",
        "store/info": "doctor tells where a store is weak",
        "config/set.exact_numbers": "told by the format: TOML tells 1 and 1.0 apart, JSON does not",
        "config/patch.exact_numbers": "likewise",
        "config/json_patch.exact_numbers": "likewise",
        "config/set_value.exact_numbers": "likewise",
    }
    MALFORMED = False

    def __init__(self, store: str) -> None:
        self._store = store
        self._home = Path(store).parent

    def close(self) -> None:
        """Nothing is open between two commands."""

    def states(self, step: Step) -> bool:
        """Whether words say the same as *step*: some of what JSON can hold is another thing in words."""
        arguments = step.arguments
        if {"expected", "expected_generation"} <= arguments.keys():
            # Two words for one thing are none.
            return False
        if step.operation in ("realm/list", "config/history"):
            # Whoever wants more than a page is shown more.
            return bool(arguments.get("limit", 0) <= 1000)
        if step.operation == "config/set_value":
            # What is no TOML value is text.
            return None not in (arguments["value"], *_elements(arguments["value"]))
        if step.operation == "token/create":
            return set(arguments["roles"]) <= set(ROLES)
        if step.operation == "config/get" and "at" in arguments:
            # People are shown the own document of a generation, and the first is 1.
            return arguments.get("view", "own") == "own" and arguments["at"] > 0
        if step.operation == "config/get":
            return arguments.get("path") != ""
        if step.operation == "config/diff":
            # A is the first of two.
            return 0 not in arguments.values() and ("from" in arguments or not arguments.get("to"))
        return True

    def call(self, step: Step) -> Outcome:
        stated = dict(step.arguments)
        realm = ["--realm", stated.pop("realm")] if "realm" in stated else []
        stdin = b""
        name = step.operation.replace("/", "_")
        if step.operation == "config/watch":
            stated["count"] = step.count
        words = getattr(self, f"_{name}")(stated, realm)
        if isinstance(words, tuple):
            words, stdin = words
        for option, value in stated.items():
            flag = OPTIONS[option]
            if isinstance(value, bool):
                words += [flag] if value else []
            elif isinstance(value, list):
                words += [word for item in value for word in (flag, item)]
            else:
                words += [f"{flag}={value}"]
        command = ["--store", self._store, "--author", "ada", "-o", "json", *realm, *words]
        return self._run(command, stdin, streams=step.operation == "config/watch")

    def _run(self, words: list[str], stdin: bytes, *, streams: bool) -> Outcome:
        with _streams(stdin) as (out, err):
            code = main(words)
        printed = out.getvalue()
        assert "Traceback" not in printed + err.getvalue(), err.getvalue()
        if streams and code == 0:
            return ("ok", [json.loads(line) for line in printed.splitlines()])
        assert printed, f"{words}: exit {code}: {err.getvalue()}"
        shown = json.loads(printed)
        if code == 0 or (isinstance(shown, dict) and "violations" in shown):
            assert code == (0 if not isinstance(shown, dict) or shown.get("valid", True) else 4)
            return ("ok", shown)
        error = shown["error"]
        error["message"] = error["message"].removeprefix("--after: ")
        assert code in EXITS[error["code"]], (code, error)
        return refusal(error)

    # --- words

    def _config_get(self, stated: dict[str, Any], realm: list[str]) -> list[str]:
        words = ["get"]
        if "at" in stated:
            words.append(f"--at={stated.pop('at')}")
            stated.pop("view", None)
        else:
            words.append(f"--{stated.pop('view', 'own')}")
        return words + _operand(stated, "path")

    def _config_explain(self, stated: dict[str, Any], realm: list[str]) -> list[str]:
        return ["explain", *_operand(stated, "path")]

    def _config_watch(self, stated: dict[str, Any], realm: list[str]) -> list[str]:
        own = ["--own"] if stated.pop("view", "own") == "own" else []
        after = [f"--after={stated.pop('after')}"] if "after" in stated else []
        return ["watch", *own, *after, f"--count={stated.pop('count')}"]

    def _config_validate(self, stated: dict[str, Any], realm: list[str]) -> Any:
        if "config" not in stated:
            return ["validate"]
        return ["validate", "-"], _json(stated.pop("config"))

    def _config_set(self, stated: dict[str, Any], realm: list[str]) -> Any:
        return ["replace"], _json(stated.pop("config"))

    def _config_patch(self, stated: dict[str, Any], realm: list[str]) -> Any:
        return ["patch"], _json(stated.pop("patch"))

    def _config_json_patch(self, stated: dict[str, Any], realm: list[str]) -> Any:
        return ["json-patch"], _json(stated.pop("operations"))

    def _config_set_value(self, stated: dict[str, Any], realm: list[str]) -> list[str]:
        return ["set", stated.pop("path"), toml_value(stated.pop("value"))]

    def _config_unset(self, stated: dict[str, Any], realm: list[str]) -> list[str]:
        return ["unset", stated.pop("path")]

    def _config_history(self, stated: dict[str, Any], realm: list[str]) -> list[str]:
        words = ["log", f"--limit={stated.pop('limit', 50)}"]
        return words + ([f"--before={stated.pop('before')}"] if "before" in stated else [])

    def _config_revision(self, stated: dict[str, Any], realm: list[str]) -> list[str]:
        return ["show", str(stated.pop("generation"))]

    def _config_diff(self, stated: dict[str, Any], realm: list[str]) -> list[str]:
        return ["diff", *_operand(stated, "from"), *_operand(stated, "to")]

    def _config_blame(self, stated: dict[str, Any], realm: list[str]) -> list[str]:
        return ["blame", *_operand(stated, "path")]

    def _config_rollback(self, stated: dict[str, Any], realm: list[str]) -> list[str]:
        return ["rollback", str(stated.pop("to"))]

    def _config_delete(self, stated: dict[str, Any], realm: list[str]) -> list[str]:
        return ["delete"]

    def _schema_get(self, stated: dict[str, Any], realm: list[str]) -> list[str]:
        return ["schema", "show"]

    def _schema_set(self, stated: dict[str, Any], realm: list[str]) -> Any:
        words = ["schema", "set", "-"]
        if "patch" in stated:
            file = self._home / "patch.json"
            file.write_bytes(_json(stated.pop("patch")))
            words.append(f"--patch={file}")
        return words, _json(stated.pop("schema"))

    def _schema_unset(self, stated: dict[str, Any], realm: list[str]) -> list[str]:
        return ["schema", "unset"]

    def _policy_get(self, stated: dict[str, Any], realm: list[str]) -> list[str]:
        return ["policy", "show"]

    def _policy_set(self, stated: dict[str, Any], realm: list[str]) -> list[str]:
        settings = stated.pop("policy")
        shown = {
            name: "all" if value is None else json.dumps(value) for name, value in settings.items()
        }
        return ["policy", "set", *(f"{name}={value}" for name, value in shown.items())]

    def _realm_list(self, stated: dict[str, Any], realm: list[str]) -> list[str]:
        after = [f"--after={stated.pop('after')}"] if "after" in stated else []
        limit = [f"--limit={stated.pop('limit')}"] if "limit" in stated else []
        return ["realms", *after, *limit]

    def _realm_get_parent(self, stated: dict[str, Any], realm: list[str]) -> list[str]:
        return ["parent", "show"]

    def _realm_set_parent(self, stated: dict[str, Any], realm: list[str]) -> list[str]:
        return ["parent", "set", stated.pop("parent")]

    def _realm_unset_parent(self, stated: dict[str, Any], realm: list[str]) -> list[str]:
        return ["parent", "unset"]

    def _realm_rename(self, stated: dict[str, Any], realm: list[str]) -> list[str]:
        return ["rename", realm[1], stated.pop("to")]

    def _realm_copy(self, stated: dict[str, Any], realm: list[str]) -> list[str]:
        return ["copy", realm[1], stated.pop("to")]

    def _token_create(self, stated: dict[str, Any], realm: list[str]) -> list[str]:
        return [
            "token",
            "create",
            *(f"--realms={pattern}" for pattern in stated.pop("realms")),
            *(f"--role={role}" for role in stated.pop("roles")),
            *(f"--path={path}" for path in stated.pop("paths", ())),
            *([f"--name={stated.pop('name')}"] if "name" in stated else []),
            *([f"--expires={stated.pop('expires')}s"] if "expires" in stated else []),
        ]

    def _token_list(self, stated: dict[str, Any], realm: list[str]) -> list[str]:
        return ["token", "list"]

    def _token_revoke(self, stated: dict[str, Any], realm: list[str]) -> list[str]:
        return ["token", "revoke", stated.pop("id")]


def _elements(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _operand(stated: dict[str, Any], name: str) -> list[str]:
    return [str(stated.pop(name))] if name in stated else []


def _json(value: Any) -> bytes:
    return json.dumps(value, ensure_ascii=False).encode()


@contextmanager
def _streams(stdin: bytes) -> Iterator[tuple[io.StringIO, io.StringIO]]:
    before = sys.stdin, sys.stdout, sys.stderr
    out, err = io.StringIO(), io.StringIO()
    sys.stdin, sys.stdout, sys.stderr = io.TextIOWrapper(io.BytesIO(stdin)), out, err
    try:
        yield out, err
    finally:
        sys.stdin, sys.stdout, sys.stderr = before
