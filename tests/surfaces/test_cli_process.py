"""The command line as a program of its own: signals, pipes, start-up, the demonstration."""

from __future__ import annotations

import ctypes
import errno
import json
import os
import shutil
import signal
import subprocess
import sys
import sysconfig
import time
from pathlib import Path

import pytest

from realmconf.surfaces.cli.commands import COMMANDS

REPOSITORY = Path(__file__).resolve().parents[2]
PROGRAM = [sys.executable, "-m", "realmconf"]


@pytest.fixture
def environment(tmp_path):
    # As a user has it: output is buffered, and modules are compiled once.
    ours = ("REALMCONF_", "PYTHONUNBUFFERED", "PYTHONDONTWRITEBYTECODE")
    names = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
    store = str(tmp_path / "store")
    return {**names, "HOME": str(tmp_path), "REALMCONF_STORE": store, "REALMCONF_REALM": "team"}


@pytest.fixture
def run(environment, tmp_path):
    def run(*words, stdin=b"", **changes):
        return subprocess.run(
            [*PROGRAM, *words],
            input=stdin,
            capture_output=True,
            check=False,
            timeout=60,
            cwd=tmp_path,
            env={**environment, **changes},
        )

    return run


@pytest.fixture
def start(environment, tmp_path):
    started = []

    def start(*words, **options):
        process = subprocess.Popen(
            [*PROGRAM, *words],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            cwd=tmp_path,
            env=environment,
            **options,
        )
        started.append(process)
        return process

    yield start
    for process in started:
        if process.poll() is None:
            process.kill()
        process.communicate()


def test_write_and_read(run):
    """The program writes and reads; answers on standard output, everything else on standard error."""
    assert (
        run("set", "agent.model", "sonnet").stdout
        == b'agent.model = "sonnet" (string)\ngeneration=1\n'
    )
    answer = run("get", "agent.model")
    assert (answer.returncode, answer.stdout, answer.stderr) == (0, b"sonnet\n", b"")


def test_usage(run):
    """Without a command, or with a wrong one, it says how it is used, exit 2; asked for help, exit 0."""
    assert run().returncode == 2
    answer = run("frobnicate")
    assert (answer.returncode, answer.stdout) == (2, b"")
    assert b"usage: realmconf" in answer.stderr
    answer = run("--help")
    assert (answer.returncode, answer.stderr) == (0, b"")
    assert run("--version").stdout.startswith(b"realmconf ")


def test_usage_error_as_json(run):
    """A program that asked for JSON gets one JSON value, whatever is wrong."""
    answer = run("set", "-o", "json")
    assert answer.returncode == 2
    assert json.loads(answer.stdout)["error"]["code"] == "usage"


def test_defect_is_said_without_a_traceback_or_a_value(run, tmp_path):
    """Exit 1 with kind and place for a report, and nothing of what the configuration holds."""
    (tmp_path / "sitecustomize.py").write_text(
        "import realmconf.surfaces.cli.reading as reading\n"
        "def broken(call):\n    raise RuntimeError('a-secret-value')\n"
        "reading.get = broken\n"
    )
    answer = run("get", "-o", "json", PYTHONPATH=str(tmp_path))
    assert answer.returncode == 1
    assert json.loads(answer.stdout)["error"]["code"] == "defect"
    assert b"report" in answer.stdout
    for text in (answer.stdout, answer.stderr):
        assert b"Traceback" not in text
        assert b"a-secret-value" not in text


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_signals_end_it_quietly(run, start, number, code):
    """Exit 130 and 143, as shells count, and no traceback."""
    run("set", "a", "1")
    watcher = start("watch", "--own", "--after", "0", "-o", "json")
    watcher.stdout.readline()
    watcher.send_signal(number)
    output, errors = watcher.communicate(timeout=30)
    assert watcher.returncode == code
    assert b"Traceback" not in output + errors


@pytest.mark.skipif(sys.platform != "linux", reason="/proc and tgkill are Linux's")
def test_signal_that_another_thread_takes_ends_it(run, start):
    """A signal ends a watch whichever of its threads the machine gives it to."""
    run("set", "a", "1")
    process = start("watch", "--after", "0")
    assert process.stdout.readline()
    *_, another = sorted(int(one) for one in os.listdir(f"/proc/{process.pid}/task"))
    assert another != process.pid
    assert ctypes.CDLL(None).tgkill(process.pid, another, signal.SIGTERM) == 0
    assert process.wait(30) == 143
    assert process.stderr.read() == b""


def test_closed_pipe_ends_it_quietly(run, environment, tmp_path):
    """``realmconf … | head`` is no error of anybody's."""
    document = {f"key{number}": "x" * 100 for number in range(5_000)}
    run("replace", stdin=json.dumps(document).encode())
    words = " ".join([*PROGRAM, "get", "--own"])
    answer = subprocess.run(
        ["/bin/bash", "-c", f"{words} | head -1; echo ${{PIPESTATUS[0]}}"],
        capture_output=True,
        check=False,
        cwd=tmp_path,
        env=environment,
        timeout=60,
    )
    assert answer.stdout.splitlines()[-1] == b"141"
    assert answer.stderr == b""


@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_answer_that_cannot_be_written_is_said(run, environment, tmp_path, unbuffered):
    """A full disk behind standard output is no success, and no defect of ours."""
    run("set", "a", "1")
    with open("/dev/full", "wb") as full:
        answer = subprocess.run(
            [*PROGRAM, "get", "a"],
            stdout=full,
            stderr=subprocess.PIPE,
            check=False,
            cwd=tmp_path,
            env={**environment, "PYTHONUNBUFFERED": unbuffered},
            timeout=60,
        )
    assert answer.returncode == 6
    assert answer.stderr == b"realmconf: standard output: No space left on device\n"


def test_words_that_are_no_text(run):
    """Bytes that are not UTF-8 are a typed error wherever they stand."""
    for words in ([b"get", b"a\xff"], [b"set", b"a", b"\xff"], [b"get", b"--realm", b"\xff"]):
        answer = run(*words)
        assert answer.returncode == 4, answer.stderr
        assert b"Traceback" not in answer.stderr
    answer = run(b"set", b"a", b"\xff", b"-o", b"json")
    assert json.loads(answer.stdout)["error"]["code"] == "invalid_document"
    assert run(b"frobnicate\xff").returncode == 2


@pytest.mark.parametrize("locale", ["C", "POSIX", "C.UTF-8"])
def test_any_locale_prints_any_value(run, locale):
    """No locale turns an answer into an encoding error."""
    run("set", "a", "grün → 日本")
    answer = run("get", "a", LC_ALL=locale, PYTHONIOENCODING="ascii", PYTHONUTF8="0")
    assert answer.returncode == 0
    assert answer.stdout.startswith(b"gr")


def shown_on(terminal):
    """All that was written to the other side of *terminal*, which is closed there: one read may give a part of it."""
    shown = b""
    try:
        while part := os.read(terminal, 4096):
            shown += part
    except OSError as failure:
        # So the kernel says that nobody has the other side open any more.
        if failure.errno != errno.EIO:
            raise
    os.close(terminal)
    return shown


def test_steering_characters_do_not_reach_a_terminal(run, environment, tmp_path):
    """A value may come from anybody: on a terminal control characters are shown, not sent; in a pipe they are kept."""
    import pty

    run("set", "a", "--stdin", stdin=b"red \x1b[31m\x07 end")
    assert run("get", "a").stdout == b"red \x1b[31m\x07 end\n"
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [*PROGRAM, "get", "a"], stdout=theirs, stderr=theirs, cwd=tmp_path, env=environment
    )
    os.close(theirs)
    seen = shown_on(ours)
    process.wait(timeout=60)
    assert b"\x1b" not in seen
    assert b"\\x1b[31m\\x07" in seen


def test_steering_characters_in_what_is_said_are_shown(run):
    """A key may come from anybody too, and stands in warnings."""
    key = "\x1b[31m\x9b"
    run("replace", "--realm", "global", stdin=json.dumps({key: 1}).encode())
    run("replace", stdin=json.dumps({key: 2}).encode())
    answer = run("replace", "--realm", "global", stdin=json.dumps({key: 3}).encode())
    assert b"is overridden" in answer.stderr
    for steering in (b"\x1b", "\x9b".encode()):
        assert steering not in answer.stderr


def test_colour_only_on_a_terminal_and_never_with_no_color(run, environment, tmp_path):
    """Diffs are coloured for a person who wants that."""
    import pty

    run("set", "a", "1")

    def on_terminal(**changes):
        ours, theirs = pty.openpty()
        process = subprocess.Popen(
            [*PROGRAM, "diff"],
            stdout=theirs,
            stderr=subprocess.DEVNULL,
            cwd=tmp_path,
            env={**environment, "TERM": "xterm", **changes},
        )
        os.close(theirs)
        seen = shown_on(ours)
        process.wait(timeout=60)
        return seen

    assert b"\x1b[32m+ a = 1" in on_terminal()
    assert b"\x1b" not in on_terminal(NO_COLOR="1")
    assert b"\x1b" not in on_terminal(TERM="dumb")
    assert b"\x1b" not in run("diff").stdout


STOPS_INSIDE_THE_TURN = """
import os, signal, sys
from realmconf.runtime.client import connect

def change(draft):
    print("inside", flush=True)
    os.kill(os.getpid(), signal.SIGSTOP)
    draft["a"] = 2

with connect(sys.argv[1], author="sleeper") as client:
    client.realm("team").update(change)
"""


def test_stopped_holder_of_the_turn(run, environment, tmp_path):
    """
    A write gives up after its time-out, reads go on, ``doctor`` names the process and what to do; when it goes on,
    so does everybody.
    """
    run("set", "a", "1")
    holder = subprocess.Popen(
        [sys.executable, "-c", STOPS_INSIDE_THE_TURN, environment["REALMCONF_STORE"]],
        stdout=subprocess.PIPE,
        env=environment,
    )
    try:
        assert holder.stdout is not None
        holder.stdout.readline()
        os.waitid(os.P_PID, holder.pid, os.WSTOPPED | os.WNOWAIT)
        answer = run("set", "a", "3", "--timeout", "0.3", "-o", "json")
        assert answer.returncode == 6
        assert json.loads(answer.stdout)["error"]["code"] == "lock_timeout"
        assert run("get", "a").stdout == b"1\n"
        findings = run("doctor")
        assert findings.returncode == 6
        assert (
            f"process {holder.pid} holds the turn to write and is stopped".encode()
            in findings.stdout
        )
        assert f"kill -CONT {holder.pid}".encode() in findings.stdout
        holder.send_signal(signal.SIGCONT)
        assert holder.wait(timeout=30) == 0
        assert run("set", "a", "3").stdout.endswith(b"generation=3\n")
    finally:
        holder.kill()
        holder.communicate()


# --- start-up --------------------------------------------------------------------------

NOT_FOR_A_READ = {
    "argparse",
    "asyncio",
    "concurrent.futures",
    "ctypes",
    "dataclasses",
    "hashlib",
    "hmac",
    "inspect",
    "jsonschema_rs",
    "logging",
    "multiprocessing",
    "pathlib",
    "pydantic",
    "subprocess",
    "tomllib",
    "tomlrt",
    "typing",
    "uuid",
}


OURS = REPOSITORY / "src" / "realmconf"
EMBEDDED = OURS / "stores" / "embedded"
OURS_NOT_FOR_A_READ = {
    f"realmconf.{layer}.{name}"
    for layer, names in {
        "domain": "archive blame decide diff edit frozen guess inverse jsonpatch jsontext merge overlap patch"
        " provenance rebase scope toml tomledit workfile write",
        "domain.schemas": "complaints effort engine forms schema wording",
        "runtime": "access aio chain checkup commands descendants difference explaining follow history hub ledger"
        " outcome project retention sources tokens transfer typed watch writing",
        "runtime.operations": "changing governing kinds numbers planning reading realms results rows session table"
        " tokens",
        "stores.embedded": "maintenance notify publisher turn witness "
        + " ".join(path.stem for path in EMBEDDED.glob("work*.py")),
        "surfaces": "answers envelope intake",
        "surfaces.cli": "completion documents editing explaining history lineage masks onevalue schemas terminal"
        " tokens usage validity watching wording writing",
    }.items()
    for name in names.split()
} - {"realmconf.stores.embedded.workglance", "realmconf.stores.embedded.workrecord"}
"""What writes, watches, maintains, types, validates or explains."""


def loaded_by(environment, *words: str) -> set[str]:
    program = (
        "import sys; sys.path[:0] = {folders!r}\n"
        "from realmconf.surfaces.cli import main\n"
        "code = main({words!r})\n"
        "print(*sys.modules, file=sys.stderr)\n"
        "sys.exit(code)\n"
    )
    folders = [
        str(REPOSITORY / "src"),
        sysconfig.get_path("purelib"),
        sysconfig.get_path("platlib"),
    ]
    finished = subprocess.run(
        [sys.executable, "-I", "-S", "-c", program.format(folders=folders, words=list(words))],
        capture_output=True,
        check=False,
        text=True,
        env=environment,
        timeout=60,
    )
    assert finished.returncode == 0, finished.stderr
    return set(finished.stderr.split())


@pytest.mark.parametrize(
    "words", [["get", "agent.model"], ["get", "agent.model", "-o", "json"]], ids=" ".join
)
def test_read_loads_nothing_dear(run, environment, words):
    """A read of one value imports nothing dear, nor anything of ours that it does not use."""
    run("set", "agent.model", "sonnet")
    loaded = loaded_by(environment, *words)
    assert "realmconf.surfaces.cli.reading" in loaded
    assert not loaded & (NOT_FOR_A_READ | OURS_NOT_FOR_A_READ)


def test_read_loads_what_marks_and_schemas_need_only_where_there_are_some(run, environment):
    """A secret is marked with a keyed digest, and a governed realm judged by the library; nothing else pays for it."""
    run("set", "agent.model", "sonnet")
    run("set", "api_key", "k")
    assert "hmac" in loaded_by(environment, "get", "api_key")
    run("schema", "set", "-", stdin=b'{"title": "t"}')
    assert "jsonschema_rs" in loaded_by(environment, "get", "agent.model")


def test_modules_that_a_read_does_without_are_there():
    """Nothing in the list has another name by now, which would make it mean nothing."""
    for name in OURS_NOT_FOR_A_READ:
        assert OURS.parent.joinpath(*name.split(".")).with_suffix(".py").exists(), name


def test_dear_import_is_seen(run, environment):
    """The look into the interpreter finds what it is looking for: printing TOML loads its libraries."""
    run("set", "agent.model", "sonnet")
    assert {"tomllib", "tomlrt", "realmconf.domain.toml"} <= loaded_by(environment, "get")
    assert OURS_NOT_FOR_A_READ & loaded_by(environment, "set", "a", "1")


# --- optional packages ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "package", "extra"),
    [
        (["serve"], "uvicorn", "server"),
        (["serve"], "starlette", "server"),
        (["mcp"], "mcp", "mcp"),
    ],
)
def test_missing_package_is_said(run, tmp_path, words, package, extra):
    """A surface that needs more than is installed names the command that installs it: exit 6, nothing started."""
    (tmp_path / "sitecustomize.py").write_text(f"import sys\nsys.modules[{package!r}] = None\n")
    answer = run(*words, PYTHONPATH=str(tmp_path))
    assert (answer.returncode, answer.stdout) == (6, b"")
    assert f"pip install 'realmconf[{extra}]'".encode() in answer.stderr
    assert b"[store_not_installed]" in answer.stderr
    assert b"Traceback" not in answer.stderr
    answer = run(*words, "-o", "json", PYTHONPATH=str(tmp_path))
    assert json.loads(answer.stdout)["error"]["extra"] == extra
    assert not (tmp_path / "store").exists()


# --- what is printed from the table ---------------------------------------------------------


def test_reference_page_is_current():
    """The page of the command line says what the table of commands says."""
    tool = REPOSITORY / "tools" / "render_cli_reference.py"
    checked = subprocess.run(
        [sys.executable, str(tool), "--check"],
        check=False,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert checked.returncode == 0, checked.stderr


@pytest.mark.parametrize(
    ("typed", "offered"),
    [
        (["roll"], {"rollback"}),
        (["get", "agent."], {"agent.model", "agent.tokens"}),
        (["--realm", "te"], {"team"}),
        (["rename", ""], {"team"}),
        (["set", "--on-conflict", ""], {"fail", "rebase"}),
        (["-o", "json", "policy", ""], {"show", "set"}),
        (["log", "--pa"], {"--patch"}),
        (["log", "--patch", ""], set()),
        (["parent", ""], {"show", "set", "unset"}),
        (["parent", "set", ""], {"team"}),
        (["--realm", "team", "parent", "set", "te"], {"team"}),
        (["schema", "set", "sch"], {"schema.json"}),
        (["schema", "set", "schema.json", "--patch", "sch"], {"schema.json"}),
        (["explain", "agent.m"], {"agent.model"}),
        (["unset", "--ma"], {"--mask"}),
    ],
)
def test_bash_completes(run, environment, tmp_path, typed, offered):
    """Commands, options, choices, realms and paths."""
    if shutil.which("bash") is None:
        pytest.fail("bash is needed to test its completion")
    run("replace", "--toml", "[agent]\nmodel = 'm'\ntokens = 1")
    (tmp_path / "schema.json").write_text("{}")
    binary = tmp_path / "bin"
    binary.mkdir()
    (binary / "realmconf").write_text(f'#!/bin/sh\nexec {sys.executable} -m realmconf "$@"\n')
    (binary / "realmconf").chmod(0o755)
    script = run("completion", "bash").stdout.decode()
    words = " ".join(f"'{word}'" for word in ["realmconf", *typed])
    asked = f"{script}\nCOMP_WORDS=({words}); COMP_CWORD={len(typed)}; _realmconf\n"
    asked += 'printf "%s\\n" "${COMPREPLY[@]}"'
    answer = subprocess.run(
        ["bash", "-c", asked],
        capture_output=True,
        check=False,
        text=True,
        cwd=tmp_path,
        env={**environment, "PATH": f"{binary}:{os.environ['PATH']}"},
        timeout=60,
    )
    assert set(answer.stdout.split()) == offered, answer.stderr


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_scripts_name_every_command_and_option(run, shell):
    """What the table has, every script has."""
    script = run("completion", shell).stdout.decode()
    for command in COMMANDS:
        assert command.name in script
        for option in command.options:
            for name in option.names:
                assert (name if shell != "fish" else name.lstrip("-")) in script


# --- the demonstration ----------------------------------------------------------------------


def test_demonstration(run, tmp_path):
    """It shows conflicts, hand edits and a rollback, keeps its own promises, and leaves nothing behind."""
    place = tmp_path / "temporary"
    place.mkdir()
    started = time.monotonic()
    answer = run("demo", TMPDIR=str(place))
    assert time.monotonic() - started < 60
    text = answer.stdout.decode()
    assert answer.returncode == 0, text + answer.stderr.decode()
    assert "✗" not in text
    assert text.count("✓") >= 12
    for part in (
        "generation conflict: expected",
        "rebase",
        "adopt",
        "rollback of",
        "durable commits a second",
    ):
        assert part in text
    assert "sk-demo" not in text
    assert answer.stderr == b""
    assert not list(place.iterdir())


def test_demonstration_fails_when_a_promise_is_broken(run, tmp_path):
    """Its checks can fail: a writer that writes once more than it tells is found."""
    (tmp_path / "sitecustomize.py").write_text(
        "import sys\n"
        "import realmconf.surfaces.cli.demo.processes as processes\n"
        "told = processes.counted\n"
        "def twice(draft, name):\n    return told(told(draft, name), name)\n"
        "processes.counted = twice\n"
        "if 'writer' in sys.argv:\n"
        "    processes.main(sys.argv[1:])\n"
        "    import os; os._exit(0)\n"
    )
    place = tmp_path / "temporary"
    place.mkdir()
    answer = run("demo", PYTHONPATH=str(tmp_path), TMPDIR=str(place))
    assert answer.returncode == 1
    assert "✗" in answer.stdout.decode()
