"""
The examples of the pages are run, and what they print is what the pages say.

    python tools/run_examples.py PAGE ...           fail where a page says something else
    python tools/run_examples.py --write PAGE ...   write what was printed into the page

All `console` blocks of a page are one session in an empty folder: a line that starts with
`$ ` is a command (`> ` continues it), what follows is its output, both streams together. A `python`
block whose first line is a comment with a file name is written to that file. In an
expected output `…` stands for anything within a line, a line that is only `…` for any lines; dates
and times are equal to each other. Where nothing named the store and the realm each command says
which it took: a page shows that once.
"""

import getpass
import os
import re
import shlex
import subprocess
import sys
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

FENCE = re.compile(r"^```(console|python)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
FILE = re.compile(r"# ([\w-]+\.(?:py|toml))$")
MOMENT = re.compile(r"\d{4}-\d\d-\d\d[ T]\d\d:\d\d:\d\d(?:\.\d+Z)?")
LOCATED = re.compile(r"realmconf: (?:store|realm) .*\)$")
ANYTHING = "…"
OWNER = f"{getpass.getuser()}@{os.uname().nodename}"
SHOWN = "you@laptop"
"""Who edits files by hand here, and how the pages call them."""
SECONDS_MAX = 120


@dataclass
class Step:
    """A command with the output that the page gives it, or a file to write."""

    command: str
    expected: list[str] = field(default_factory=list)
    file: str | None = None


def steps_of(kind: str, body: str) -> list[Step]:
    if kind == "python":
        named = FILE.match(body.partition("\n")[0])
        return [Step(body, file=named[1])] if named else []
    steps: list[Step] = []
    for line in body.splitlines():
        if line.startswith("$ "):
            steps.append(Step(line[2:]))
        elif line.startswith("> ") and not steps[-1].expected:
            steps[-1].command += "\n" + line[2:]
        else:
            steps[-1].expected.append(line)
    return steps


def run(steps: list[Step]) -> list[list[str]]:
    """Run *steps* as one session of a shell; the output of each."""
    with tempfile.TemporaryDirectory(prefix="realmconf-examples-") as name:
        folder = Path(name, "project")
        folder.mkdir()
        script = []
        for number, step in enumerate(steps):
            marker = f"@@ {number} @@"
            # Between two commands the exit code of the first is still to be asked for.
            script.append(f"(code=$?; echo {shlex.quote(marker)}; exit $code)")
            if step.file is not None:
                script.append(f"cat > {step.file} <<'END OF FILE'\n{step.command}END OF FILE")
            else:
                script.append(step.command)
        ours = ("REALMCONF_", "VISUAL", "EDITOR", "PYTHONPATH", "PYTHONDONTWRITEBYTECODE")
        kept = {key: value for key, value in os.environ.items() if not key.startswith(ours)}
        path = f"{Path(sys.executable).parent}{os.pathsep}{kept.get('PATH', '')}"
        finished = subprocess.run(
            ["bash", "-c", "exec 2>&1\n" + "\n".join(script) + "\nwait"],
            check=False,
            capture_output=True,
            text=True,
            cwd=folder,
            env={**kept, "HOME": name, "PATH": path, "REALMCONF_AUTHOR": "ada@laptop"},
            stdin=subprocess.DEVNULL,
            timeout=SECONDS_MAX,
        )
        printed = finished.stdout.replace(str(folder), "~/project").replace(name, "~")
        printed = printed.replace(OWNER.ljust(len(SHOWN)), SHOWN).replace(OWNER, SHOWN)
    parts = re.split(r"^@@ \d+ @@\n", printed, flags=re.MULTILINE)[1:]
    outputs = [part.rstrip("\n").split("\n") if part.strip() else [] for part in parts]
    told = [output for output in outputs if output and LOCATED.match(output[0])]
    for output in told[1:]:
        del output[0]
    return outputs


def agrees(expected: list[str], printed: list[str]) -> bool:
    """Whether *printed* is what the page says, with `…` for what it leaves out."""
    if not expected:
        return not printed
    first, *rest = expected
    if first.strip() == ANYTHING:
        return any(agrees(rest, printed[count:]) for count in range(len(printed) + 1))
    return bool(printed) and same_line(first, printed[0]) and agrees(rest, printed[1:])


def same_line(expected: str, printed: str) -> bool:
    wanted = ".*".join(map(re.escape, _plain(expected).split(ANYTHING)))
    return re.fullmatch(wanted, _plain(printed)) is not None


def _plain(line: str) -> str:
    # Columns are as wide as the longest name on this machine.
    return re.sub(" +", " ", MOMENT.sub("<moment>", line)).rstrip()


def check(page: Path, *, write: bool) -> list[str]:
    text = page.read_text("utf-8")
    blocks = [(found, steps_of(found[1], found[2])) for found in FENCE.finditer(text)]
    steps = [step for _, block in blocks for step in block]
    outputs = run(steps)
    if len(outputs) != len(steps):
        return [f"the session ended after `{steps[len(outputs) - 1].command}`"]
    problems = []
    for step, printed in zip(steps, outputs, strict=True):
        if not agrees(step.expected, printed):
            shown = "\n    ".join(printed)
            problems.append(f"`{step.command}` printed\n    {shown}")
            step.expected = printed
    if any("Traceback" in line or "[defect]" in line for step in steps for line in step.expected):
        # Nothing that no page may ever say is written into one.
        write = False
    if write and problems:
        for found, block in reversed(blocks):
            if found[1] == "console":
                body = "".join(
                    f"$ {line}\n" if place == 0 else f"> {line}\n" if place < 0 else f"{line}\n"
                    for step in block
                    for place, line in _lines(step)
                )
                text = text[: found.start(2)] + body + text[found.end(2) :]
        page.write_text(text, "utf-8")
    return problems


def _lines(step: Step) -> list[tuple[int, str]]:
    first, *more = step.command.split("\n")
    return [(0, first), *((-1, line) for line in more), *((1, line) for line in step.expected)]


def main(arguments: list[str]) -> int:
    write = "--write" in arguments
    failures = 0
    for name in arguments:
        if name == "--write":
            continue
        for problem in check(Path(name), write=write):
            failures += 1
            print(f"{name}: {problem}")
    return 1 if failures and not write else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
