"""The process's streams: what comes out of them, and how it ends."""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
from typing import Any

import pytest
from tests.surfaces.rpc.conftest import END, PROGRAM, Failed


def test_nothing_else_comes_out(start, tmp_path):
    """What the process, a library or a program that it starts prints goes to standard error."""
    (tmp_path / "sitecustomize.py").write_text(
        "import os, subprocess, sys\n"
        "import realmconf.runtime.operations.reading as reading\n"
        "get = reading.get\n"
        "def noisy(session, **given):\n"
        "    print('from print')\n"
        "    sys.__stdout__.write('from the stream\\n'); sys.__stdout__.flush()\n"
        "    os.write(1, b'from the descriptor\\n')\n"
        "    subprocess.run(['/bin/echo', 'from a program'], check=True)\n"
        "    assert subprocess.run(['/bin/cat'], check=True, stdout=subprocess.PIPE).stdout == b''\n"
        "    return get(session, **given)\n"
        "reading.get = noisy\n"
    )
    rpc = start(PYTHONPATH=str(tmp_path))
    for _ in range(3):
        assert rpc.call("config/get")["generation"] == 0
    rpc.end()
    assert rpc.rest() == []
    said = rpc.process.stderr.read()
    for words in (b"print", b"the stream", b"the descriptor", b"a program"):
        assert said.count(b"from " + words) == 3


def test_end_of_the_input(start, turn):
    """After the end of its input it finishes everything that came before, and exits with 0."""
    rpc = start("--timeout", "100")
    waiting = [rpc.ask("config/set_value", path="n", value=number) for number in range(3)]
    watching = rpc.ask("config/watch_once", after=0, wait=60)
    rpc.ask("config/watch")
    rpc.end()
    turn.release()
    assert [rpc.answer(one)["generation"] for one in waiting] == [2, 3, 4]
    assert rpc.answer(watching)["changed"]
    rpc.rest()
    assert rpc.process.wait(timeout=60) == 0
    assert rpc.process.stderr.read() == b""


def test_nothing_at_all(start):
    """Without any input it exits with 0 and says nothing."""
    rpc = start()
    rpc.end()
    assert rpc.read() is END
    assert rpc.process.wait(timeout=60) == 0


def patience(tmp_path, more=""):
    """Let a process wait for what has been started as long as a busy machine may take."""
    (tmp_path / "sitecustomize.py").write_text(
        f"import realmconf.surfaces.rpc.server as server\nserver.STOP_SECONDS = 100\n{more}"
    )


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 0), (signal.SIGINT, 130)])
def test_signals(start, turn, number, code, tmp_path):
    """After a signal it finishes what has been started and begins nothing more; what waits for changes ends."""
    patience(tmp_path)
    rpc = start("--timeout", "100", PYTHONPATH=str(tmp_path))
    rpc.call("config/watch")
    begun = rpc.ask("config/set_value", path="begun", value=1)
    waiting = rpc.ask("config/set_value", path="waiting", value=1)
    watching = rpc.ask("config/watch_once", wait=60)
    assert rpc.call("store/info")
    rpc.process.send_signal(number)
    assert rpc.answer(watching)["changed"] is False
    with pytest.raises(Failed) as raised:
        rpc.answer(waiting)
    assert raised.value.data["code"] == "cancelled"
    turn.release()
    assert rpc.answer(begun)["config"]["begun"] == 1
    rpc.rest()
    assert rpc.process.wait(timeout=60) == code
    assert b"Traceback" not in rpc.process.stderr.read()


def test_signal_to_one_that_does_nothing(start):
    """One that waits for messages ends at once."""
    rpc = start()
    rpc.call("store/info")
    rpc.process.send_signal(signal.SIGTERM)
    assert rpc.rest() == []
    assert rpc.process.wait(timeout=60) == 0


def test_second_signal(start, turn, tmp_path):
    """Who asks twice gets no answers any more, and waits for nobody who has the turn."""
    patience(
        tmp_path, "import realmconf.stores.embedded.store as store\nstore.CREATE_SECONDS = 0.2\n"
    )
    rpc = start("--timeout", "100", PYTHONPATH=str(tmp_path))
    rpc.ask("config/set_value", path="begun", value=1)
    watching = rpc.ask("config/watch_once", wait=60)
    assert rpc.call("store/info")
    rpc.process.send_signal(signal.SIGTERM)
    rpc.answer(watching)
    rpc.process.send_signal(signal.SIGTERM)
    assert rpc.process.wait(timeout=60) == 143
    assert b"Traceback" not in rpc.process.stderr.read()


def test_signal_while_nobody_reads(start, tmp_path, client):
    """After a signal an answer that nobody reads is not waited for without end."""
    client.realm("team").set({"a": "x" * 300_000})
    (tmp_path / "sitecustomize.py").write_text(
        "import realmconf.surfaces.rpc.server as server\nserver.STOP_SECONDS = 0.5\n"
    )
    rpc = start(PYTHONPATH=str(tmp_path))
    rpc.ask("config/get")
    select.select([rpc.process.stdout], [], [])
    rpc.process.send_signal(signal.SIGTERM)
    assert rpc.process.wait(timeout=60) == 0


def test_client_that_is_gone(start):
    """When nobody reads its answers any more it ends quietly, though its input is open."""
    rpc = start()
    rpc.call("config/watch")
    rpc.process.stdout.close()
    assert rpc.process.wait(timeout=60) == 0
    assert rpc.process.stderr.read() == b""


def test_client_that_is_gone_with_requests(start, client):
    """So it does when that shows while it answers; a write that has been started is finished."""
    rpc = start()
    rpc.ask("config/set", config={"a": "x" * 300_000})
    for _ in range(20):
        rpc.ask("config/get")
    select.select([rpc.process.stdout], [], [])
    rpc.process.stdout.close()
    assert rpc.process.wait(timeout=60) == 0
    assert rpc.process.stderr.read() == b""
    assert client.realm("team").get().document == {"a": "x" * 300_000}


def test_answers_that_cannot_be_written(start):
    """A full disk behind standard output is said, and is no success."""
    with open("/dev/full", "wb") as full:
        rpc = start(stdout=full)
    rpc.ask("store/info")
    assert rpc.process.wait(timeout=60) == 6
    assert rpc.process.stderr.read() == b"realmconf: standard output: No space left on device\n"


def test_streams_that_do_not_block(environment, tmp_path):
    """Streams that somebody has made non-blocking are as good as others."""
    read_end, write_end = os.pipe()
    os.set_blocking(write_end, False)
    process: Any = subprocess.Popen(
        PROGRAM, stdin=subprocess.PIPE, stdout=write_end, cwd=tmp_path, env=environment
    )
    os.close(write_end)
    request = {"jsonrpc": "2.0", "id": 1, "method": "config/set"}
    document = {"config": {"a": "x" * 900_000}}
    process.stdin.write(json.dumps({**request, "params": document}).encode() + b"\n")
    process.stdin.close()
    with open(read_end, "rb") as answers:
        (answer,) = answers.read().splitlines()
    assert json.loads(answer)["result"]["config"] == document["config"]
    assert process.wait(timeout=60) == 0


def test_files_instead_of_pipes(environment, tmp_path):
    """Input and output may be files."""
    requests = [
        {
            "jsonrpc": "2.0",
            "id": number,
            "method": "config/set_value",
            "params": {"path": "n", "value": number},
        }
        for number in range(300)
    ]
    (tmp_path / "in").write_text("".join(json.dumps(one) + "\n" for one in requests))
    with open(tmp_path / "in", "rb") as given, open(tmp_path / "out", "wb") as answers:
        code = subprocess.run(
            PROGRAM,
            check=False,
            stdin=given,
            stdout=answers,
            cwd=tmp_path,
            env=environment,
            timeout=60,
        ).returncode
    assert code == 0
    lines = (tmp_path / "out").read_text().splitlines()
    assert [json.loads(line)["id"] for line in lines] == list(range(300))


@pytest.mark.parametrize("closed", ["2>&-", "<&-", "<&- 2>&-"])
def test_streams_that_are_closed(environment, tmp_path, closed):
    """Without standard error, or without any input, it ends as well as with."""
    line = json.dumps({"jsonrpc": "2.0", "id": 1, "method": "config/get"})
    finished = subprocess.run(
        ["/bin/sh", "-c", f"echo '{line}' | \"{sys.executable}\" -m realmconf rpc {closed}"],
        check=False,
        capture_output=True,
        cwd=tmp_path,
        env=environment,
        timeout=60,
    )
    assert finished.returncode == 0
    assert b"Traceback" not in finished.stderr
    if "<" not in closed:
        assert json.loads(finished.stdout)["result"]["generation"] == 0


def test_store_that_cannot_be_opened(environment, tmp_path):
    """What is wrong before the first message is said on standard error, with the exit code of every command."""
    finished = subprocess.run(
        [*PROGRAM, "--store", "nonsense://x"],
        check=False,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        cwd=tmp_path,
        env=environment,
        timeout=60,
    )
    assert (finished.returncode, finished.stdout) == (4, b"")
    assert b"[invalid_argument]" in finished.stderr
