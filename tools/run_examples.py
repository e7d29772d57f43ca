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

A command that ends with ` &` goes on while the session does: the next one comes when it has printed as
many lines as the page says, or has ended. What a page has started is ended with its session, in any case.
A page's servers have the ports 7411 and 7412; they get free ones here, so that pages may be run beside
each other.
"""

import getpass
import os
import re
import shlex
import signal
import socket
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack, suppress
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
PORTS = ("7411", "7412")
"""Where the pages have their servers."""
SECONDS_MAX = 120
STARTED_SECONDS_MAX = 30
ENDED_SECONDS_MAX = 15

ENDING = "exec > /dev/null 2>&1; kill $(jobs -p); wait"
SHOWN_WHEN_STARTED = f"""
shown_when_started() {{  # what the last background command prints to file $1, once it has $2 lines
  local tenth
  for ((tenth = 0; tenth < {10 * STARTED_SECONDS_MAX}; tenth++)); do
    [ "$(grep -vcE '^realmconf: (store|realm) ' "$1")" -ge "$2" ] && break
    kill -0 $! 2> /dev/null || break
    sleep 0.1
  done
  cat "$1"
}}
"""


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
        ports = dict(zip(PORTS, free_ports(len(PORTS)), strict=True))
        printed = session(script_of(steps, name, ports), name, folder)
        for shown, port in ports.items():
            printed = printed.replace(f":{port}", f":{shown}")
        printed = printed.replace(str(folder), "~/project").replace(name, "~")
        printed = printed.replace(OWNER.ljust(len(SHOWN)), SHOWN).replace(OWNER, SHOWN)
    parts = re.split(r"^@@ \d+ @@\n", printed, flags=re.MULTILINE)[1:]
    outputs = [part.rstrip("\n").split("\n") if part.strip() else [] for part in parts]
    told = [output for output in outputs if output and LOCATED.match(output[0])]
    for output in told[1:]:
        del output[0]
    return outputs


def free_ports(count: int) -> list[str]:
    """Ports that nobody listens at now."""
    with ExitStack() as held:
        found = [held.enter_context(socket.socket()) for _ in range(count)]
        for one in found:
            one.bind(("127.0.0.1", 0))
        return [str(one.getsockname()[1]) for one in found]


def script_of(steps: list[Step], home: str, ports: dict[str, str]) -> str:
    """A shell's script: each step after a line that says which it is."""
    script = ["exec 2>&1", SHOWN_WHEN_STARTED]
    for number, step in enumerate(steps):
        # Between two commands the exit code of the first is still to be asked for; what it prints may
        # have no line end.
        script.append(f"(code=$?; echo; echo '@@ {number} @@'; exit $code)")
        command = re.sub("|".join(ports), lambda found: ports[found[0]], step.command)
        if step.file is not None:
            script.append(f"cat > {step.file} <<'END OF FILE'\n{command}END OF FILE")
        elif command.endswith(" &"):
            place = shlex.quote(f"{home}/printed-{number}")
            # In front, so that a redirection of the command's own counts.
            script.append(f": > {place}\n>> {place} 2>&1 {command}")
            script.append(f"shown_when_started {place} {lines_of(step)}")
        else:
            script.append(command)
    return "\n".join(script)


def lines_of(step: Step) -> int:
    """How many lines the page says that *step* prints, at least."""
    if not step.expected:
        return 0
    said = [line for line in step.expected if line.strip() != ANYTHING and not LOCATED.match(line)]
    return max(1, len(said))


def session(script: str, home: str, folder: Path) -> str:
    """What *script* prints as one session in *folder*; nothing that it has started is left."""
    ours = ("REALMCONF_", "XDG_", "VISUAL", "EDITOR", "PYTHONPATH", "PYTHONDONTWRITEBYTECODE")
    kept = {key: value for key, value in os.environ.items() if not key.startswith(ours)}
    path = f"{Path(sys.executable).parent}{os.pathsep}{kept.get('PATH', '')}"
    # Into a file: a pipe would be held open by whatever is left.
    with tempfile.TemporaryFile("w+") as output:
        shell = subprocess.Popen(
            ["bash", "-c", f"trap {shlex.quote(ENDING)} EXIT\n{script}"],
            cwd=folder,
            env={**kept, "HOME": home, "PATH": path, "REALMCONF_AUTHOR": "ada@laptop"},
            stdin=subprocess.DEVNULL,
            stdout=output,
            start_new_session=True,
        )
        try:
            shell.wait(SECONDS_MAX)
        finally:
            end(shell)
        output.seek(0)
        return output.read()


def end(shell: "subprocess.Popen[bytes]") -> None:
    """End whatever is left of a session: all of it is one group of processes."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        with suppress(ProcessLookupError):
            os.killpg(shell.pid, number)
        with suppress(subprocess.TimeoutExpired):
            shell.wait(ENDED_SECONDS_MAX)
    # What is killed goes on for as long as the kernel takes, and nobody here is its parent who could wait for it.
    deadline = time.monotonic() + ENDED_SECONDS_MAX
    while is_running(shell.pid) and time.monotonic() < deadline:
        time.sleep(0.01)


def is_running(group: int) -> bool:
    """Whether a process of *group* is still there; one that has ended and was not asked after is not."""
    for place in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            state, _, its_group = place.read_text().rpartition(")")[2].split()[:3]
            if int(its_group) == group and state not in "ZX":
                return True
    return False


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
