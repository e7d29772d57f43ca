"""
Ask a running server everything that its OpenAPI document says can be asked, and much that it says cannot.

    python tools/check_contract.py SCHEMATHESIS [OPTION...]

A server is started on a free port with a store of its own, with a few realms in it, and is ended again. It is asked
with the rights of an administrator and with those of a reader, by the program SCHEMATHESIS, which gets the further
options. The exit code is 0 if every answer was one that the document announces, and none of a server's failure.
"""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import realmconf

SETTINGS = Path(__file__).parent / "schemathesis.toml"
LINK = re.compile(r"(http://127\.0\.0\.1:\d+)/#token=(rc_[A-Za-z0-9_-]+)")
ENDING_SECONDS = 20
ASKING_SECONDS = 420


def main(words: Sequence[str]) -> int:
    """Run it; the words are those behind the program's name."""
    if not words:
        print(__doc__, file=sys.stderr)
        return 2
    with tempfile.TemporaryDirectory(prefix="realmconf-contract-") as folder:
        root = Path(folder) / "realms"
        _fill(root)
        with _server(root) as (address, administrator):
            reader = _token(root, roles=("read",))
            for who, token in (("an administrator", administrator), ("a reader", reader)):
                print(f"As {who}:", flush=True)
                if _ask(words, address, token, folder=folder):
                    return 1
    return 0


def _fill(root: Path) -> None:
    """Realms to be found: one that inherits, one with a schema, one that was deleted."""
    with realmconf.connect(str(root)) as client:
        client.realm("org").set({"limits": {"tokens": 1000}, "api_key": "not for everybody"})
        client.realm("team").set({"realm": {"team": {"parent": "org"}}, "model": "m"})
        governed = client.realm("governed")
        governed.set({"port": 8080})
        governed.set_schema({"type": "object", "properties": {"port": {"type": "integer"}}})
        client.realm("gone").set({})
        client.realm("gone").delete()


def _token(root: Path, *, roles: Sequence[str]) -> str:
    from realmconf.runtime.tokens import Tokens

    with realmconf.connect(str(root)) as client:
        made = Tokens(client).create(realms=["*"], roles=roles, author="contract", surface="sdk")
    return made.text


@contextmanager
def _server(root: Path) -> Iterator[tuple[str, str]]:
    """A server on a free port: its address, and the token that it prints."""
    command = [sys.executable, "-m", "realmconf", "--store", str(root), "serve", "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            link = next(filter(None, map(LINK.search, process.stdout)), None)
            if link is None:
                raise SystemExit("the server printed no link")
            yield link[1], link[2]
        finally:
            process.terminate()
            process.wait(ENDING_SECONDS)


def _ask(words: Sequence[str], address: str, token: str, *, folder: str) -> int:
    program, *options = words
    return subprocess.run(
        [
            Path(program).absolute(),
            "--config-file",
            SETTINGS,
            "run",
            f"{address}/openapi.json",
            "--header",
            f"Authorization: Bearer {token}",
            *options,
        ],
        check=False,
        cwd=folder,
        timeout=ASKING_SECONDS,
    ).returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
