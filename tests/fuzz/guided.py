"""
The same parsers, with inputs that seek out code not yet run: ``python -m tests.fuzz.guided [NAME …] [--seconds S]``.

Needs the package ``atheris``, which ``make fuzz`` installs. A finding is written to a file, and named.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

SECONDS = 30
BYTES_MAX = 8_192
WORD_BYTES_MAX = 64
CHILD = "--in-this-process"


def _child(name: str, folder: str, seconds: int) -> None:
    """Fuzz one parser, in a process that libFuzzer ends."""
    import atheris  # type: ignore[import-untyped,import-not-found,unused-ignore]

    with atheris.instrument_imports(include=["realmconf", "tomlrt", "tomllib"]):
        from tests.fuzz.parsers import PARSERS
    from realmconf.errors import RealmconfError

    parser = PARSERS[name]
    read = parser.read
    assert read is not None
    for number, seed in enumerate(parser.seeds):
        Path(folder, f"seed-{number}").write_bytes(seed)
    words = Path(folder).with_suffix(".words")
    words.write_text("".join(map(_quoted, parser.words)), encoding="ascii")

    def one(raw: bytes) -> None:
        try:
            read(raw)
        except RealmconfError:
            pass

    options = (
        f"-max_total_time={seconds}", f"-max_len={BYTES_MAX}", "-timeout=10", "-rss_limit_mb=2048", "-verbosity=0",
        "-print_final_stats=1", f"-dict={words}", f"-artifact_prefix={name}-",
    )  # fmt: skip
    atheris.Setup([sys.argv[0], *options, folder], one)
    atheris.Fuzz()


def _quoted(word: bytes) -> str:
    """*word* as a line of a dictionary; one that is too long for that is left out."""
    if len(word) > WORD_BYTES_MAX:
        return ""
    return '"' + "".join(f"\\x{byte:02x}" for byte in word) + '"\n'


def _parent(names: list[str], seconds: int) -> int:
    failed = False
    for name in names:
        with tempfile.TemporaryDirectory() as scratch:
            folder = Path(scratch, "corpus")
            folder.mkdir()
            words = [name, CHILD, str(folder), "--seconds", str(seconds)]
            done = subprocess.run(
                [sys.executable, "-m", "tests.fuzz.guided", *words],
                capture_output=True,
                text=True,
                check=False,
                timeout=seconds * 3 + 120,
            )
            said = dict(
                line.removeprefix("stat::").split(":", 1)
                for line in done.stderr.splitlines()
                if line.startswith("stat::")
            )
            runs = int(said.get("number_of_executed_units", "0"))
            found = len(list(folder.iterdir()))
            print(f"{name:14} {runs:9,} inputs {found:6,} that reached new code", flush=True)
            if done.returncode or not runs:
                failed = True
                print(done.stdout[-2_000:] + done.stderr[-4_000:])
    return int(failed)


def main() -> int:
    """Fuzz the parsers that are named, or all, for a time each; exit 1 on a finding."""
    asked = argparse.ArgumentParser(prog="python -m tests.fuzz.guided", description=__doc__)
    asked.add_argument("names", nargs="*", metavar="NAME")
    asked.add_argument("--seconds", type=int, default=SECONDS, help="of each (%(default)s)")
    asked.add_argument(CHILD, metavar="FOLDER", help=argparse.SUPPRESS)
    request = asked.parse_args()
    if request.in_this_process:
        _child(request.names[0], request.in_this_process, request.seconds)
        return 0
    from tests.fuzz.parsers import PARSERS

    unknown = [name for name in request.names if name not in PARSERS]
    if unknown:
        asked.error(f"there is no parser {unknown[0]}; there are {', '.join(PARSERS)}")
    return _parent(request.names or list(PARSERS), request.seconds)


if __name__ == "__main__":
    sys.exit(main())
