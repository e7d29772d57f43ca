"""
Ask a running server everything that its OpenAPI document says can be asked, and much that it says cannot.

    python tools/check_contract.py SCHEMATHESIS [OPTION...]

A server is started on a free port with a store of its own, with a few realms in it, and is ended again: once for each
of those who ask, an administrator, a writer of some places and a reader.  They ask by the program SCHEMATHESIS, which
gets the further options: ``--seed 7`` for another run than the usual one, ``--report har --report-har-path FILE`` for
every exchange of the last of them.

The exit code is 0 if every answer was one that the document announces and none of a server's failure; if what was
asked rightly was understood, and what was not was refused; if each asked with success for everything that they may
ask for, so that no part of the document is only ever refused; and with none for anything else.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tempfile
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import realmconf
from realmconf.domain.record import Record
from realmconf.runtime.operations.rows import OPERATIONS
from realmconf.runtime.tokens import Tokens
from realmconf.surfaces.http.openapi import document

HERE = Path(__file__).resolve().parent
LINK = re.compile(r"(http://127\.0\.0\.1:\d+)/#token=(rc_[A-Za-z0-9_-]+)")
DEFECT = re.compile(r"defect|Exception|Error")
"""In what the server logs: nothing of the kind is to be there, whatever it was asked."""
MEERKAT_REALM = "meerkat"
ENDING_SECONDS = 20
ASKING_SECONDS = 400
"""For one of those who ask; all three take about two minutes together on an idle machine."""
ROLES = ("read", "write", "admin")


class Asker(Record):
    """Who asks."""

    name: str
    role: str
    surely: str
    """The role whose operations are each answered with success; of another that they have one at least is."""
    paths: tuple[str, ...] = ()
    options: tuple[str, ...] = ()
    """For schemathesis."""


ASKERS = (
    Asker(name="an administrator", role="admin", surely="admin"),
    Asker(
        name="a writer of some places",
        role="write",
        # Most of what is made up at random is about other places.
        surely="read",
        paths=("/agent", "/limits"),
        options=("--phases", "examples,fuzzing,stateful", "--max-examples", "30"),
    ),
    Asker(
        name="a reader",
        role="read",
        surely="read",
        options=("--phases", "examples,fuzzing", "--max-examples", "20"),
    ),
)


def main(words: Sequence[str]) -> int:
    """Run it; the words are those behind the program's name."""
    if not words:
        print(__doc__, file=sys.stderr)
        return 2
    complaints = [f"{one.name}: {said}" for one in ASKERS for said in _complaints(one, words)]
    print("\n".join(complaints) or "The server keeps what its OpenAPI document says.")
    return 1 if complaints else 0


def _complaints(asker: Asker, words: Sequence[str]) -> Iterator[str]:
    print(f"\nAs {asker.name}:", flush=True)
    with tempfile.TemporaryDirectory(prefix="realmconf-contract-") as folder:
        root, tally, log = (Path(folder) / name for name in ("realms", "tally", "log"))
        tally.touch()
        _fill(root)
        token_id, token = _token(root, asker)
        with _server(root, log) as address:
            try:
                code = _ask(
                    [*words, *asker.options], address, token, token_id=token_id, tally=tally
                )
            except subprocess.TimeoutExpired:
                yield f"it was not asked to the end within {ASKING_SECONDS} s"
            else:
                if code:
                    yield "an answer was none that the document announces: see above"
        for line in sorted(set(filter(DEFECT.search, log.open(encoding="utf-8")))):
            yield f"the server logged: {line.strip()}"
        yield from _judged(asker, [json.loads(line) for line in tally.open(encoding="utf-8")])


# --- the server -----------------------------------------------------------------------------------


def _fill(root: Path) -> None:
    """Realms to be found: that of the document's examples, one that inherits, one with a schema, one that is gone."""
    with realmconf.connect(str(root)) as client:
        client.realm("org").set({"limits": {"tokens": 1000}, "api_key": "not for everybody"})
        client.realm("team").set({"realm": {"team": {"parent": "org"}}, "agent": {"model": "m"}})
        governed = client.realm("governed")
        governed.set({"port": 8080})
        governed.set_schema({"type": "object", "properties": {"port": {"type": "integer"}}})
        client.realm("gone").set({})
        client.realm("gone").delete()
        client.realm(MEERKAT_REALM).set({"agent": {"model": "m"}})


def _token(root: Path, asker: Asker) -> tuple[str, str]:
    """A token: its id and its text."""
    with realmconf.connect(str(root)) as client:
        made = Tokens(client).create(
            realms=["*"],
            roles=[asker.role],
            paths=asker.paths,
            author="contract",
            surface="sdk",
        )
    return made.token.id, made.text


@contextmanager
def _server(root: Path, log: Path) -> Iterator[str]:
    """A server on a free port: its address."""
    command = [sys.executable, "-m", "realmconf", "--store", str(root), "serve", "--port", "0"]
    command += ["--meerkat-realm", MEERKAT_REALM]
    with (
        log.open("w", encoding="utf-8") as errors,
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=errors, text=True) as process,
    ):
        assert process.stdout is not None
        try:
            link = next(filter(None, map(LINK.search, process.stdout)), None)
            if link is None:
                raise SystemExit("the server printed no link")
            yield link[1]
        finally:
            process.terminate()
            process.wait(ENDING_SECONDS)


def _ask(words: Sequence[str], address: str, token: str, *, token_id: str, tally: Path) -> int:
    program, *options = words
    return subprocess.run(
        [
            Path(program).absolute(),
            "--config-file",
            HERE / "schemathesis.toml",
            "run",
            f"{address}/openapi.json",
            "--header",
            f"Authorization: Bearer {token}",
            *options,
        ],
        check=False,
        cwd=tally.parent,
        env={
            **os.environ,
            "SCHEMATHESIS_HOOKS": str(HERE / "contract_hooks.py"),
            "REALMCONF_CONTRACT_TALLY": str(tally),
            "REALMCONF_CONTRACT_TOKEN": token,
            "REALMCONF_CONTRACT_TOKEN_ID": token_id,
        },
        timeout=ASKING_SECONDS,
    ).returncode


# --- what was answered ----------------------------------------------------------------------------


def _judged(asker: Asker, answers: Sequence[dict[str, Any]]) -> Iterator[str]:
    """What the answers as a whole leave to be desired."""
    statuses: defaultdict[str, Counter[int]] = defaultdict(Counter)
    for one in answers:
        if one["method"] == one["operation"].partition(" ")[0]:
            statuses[one["operation"]][one["status"]] += 1
    done_of: Counter[str] = Counter()
    for operation, role in sorted(_roles().items()):
        counts = statuses[operation]
        done = sum(count for status, count in counts.items() if status < 300)
        done_of[role] += done
        print(f"{operation:45} {done:5} of {counts.total():5} with success")
        if not done and _has(asker.surely, role):
            yield f"{operation} was never answered with success"
        if done and not _has(asker.role, role):
            yield f"{operation} was done for who may not do it"
    for role in ROLES:
        if not done_of[role] and _has(asker.role, role):
            yield f"nothing was done that needs the role {role}"


def _has(role: str, needed: str) -> bool:
    return ROLES.index(needed) <= ROLES.index(role)


def _roles() -> dict[str, str]:
    """The operations of the document, but what schemathesis.toml leaves out, and the role that each needs."""
    found = {
        f"{method.upper()} {path}": "read"
        for path, methods in document(meerkat=True)["paths"].items()
        for method in methods
    }
    for row in OPERATIONS:
        if row.route is not None:
            found[f"{row.route.method} {row.route.path}"] = row.role
            if row.streams:
                del found[f"{row.route.method} {row.route.path}"]
    # It was asked for before everything else.
    del found["GET /openapi.json"]
    return {**found, "PUT /config": "write", "PATCH /config": "write"}


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
