"""What the pages show is what the program does."""

from __future__ import annotations

import importlib.util
import socket
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
PAGES = (
    "README.md",
    "docs/tutorial.md",
    "docs/composition.md",
    "docs/schema.md",
    "docs/secrets.md",
    "docs/http.md",
    "docs/remote.md",
    "docs/agents.md",
    "docs/json-rpc.md",
    "docs/meerkat.md",
    "docs/migrating.md",
)
WITH_A_SERVER = ("docs/etcd.md", "docs/nats.md", "docs/postgresql.md")
"""Pages that need the server of a database: they are run by the tests of its engine."""
LINEAGE = """\
refused: /agent/modle there is no such key; did you mean "model"?
refused: /agent/retries it is too large: at most 9 is wanted
/agent/api_key = 'secret://env/AGENT_KEY' (company: defaults for everybody)
/agent/model = 'claude-opus-4-5' (team: long reviews)
/agent/retries = 2 (company: defaults for everybody)
/hooks/0 = 'lint' (company: defaults for everybody)
/hooks/1 = 'types' (team: long reviews)
Secret(secret://env/AGENT_KEY) has 10 characters
a change of the company's retries would reach: team
"""
PROGRAMS = {"lineage.py": LINEAGE}
"""Every program of ``examples/``, and what it prints."""


@pytest.fixture(scope="module")
def tool():
    place = REPOSITORY / "tools" / "run_examples.py"
    specification = importlib.util.spec_from_file_location("run_examples", place)
    assert specification is not None
    assert specification.loader is not None
    module = importlib.util.module_from_spec(specification)
    sys.modules["run_examples"] = module
    specification.loader.exec_module(module)
    yield module
    del sys.modules["run_examples"]


@pytest.mark.parametrize("page", PAGES)
def test_examples_print_what_the_page_says(tool, page):
    """Every command of the page, in order, in an empty folder."""
    assert tool.check(REPOSITORY / page, write=False) == []


def test_every_page_with_a_session_is_run():
    """No page shows what nobody checks; the references and the pages of others have no sessions."""
    pages = [REPOSITORY / "README.md", *(REPOSITORY / "docs").rglob("*.md")]
    sessions = [page for page in pages if "```console" in page.read_text("utf-8")]
    assert {str(page.relative_to(REPOSITORY)) for page in sessions} == {*PAGES, *WITH_A_SERVER}


@pytest.mark.parametrize("store", ["memory", "embedded"])
@pytest.mark.parametrize(
    "name", sorted(path.name for path in (REPOSITORY / "examples").glob("*.py"))
)
def test_programs_print_what_they_should(name, store, tmp_path):
    """Each program of ``examples/`` runs, on a store of its own, and again on the one that it left."""
    url = "memory://" if store == "memory" else str(tmp_path / "realms")
    for _ in range(2):
        finished = subprocess.run(
            [sys.executable, str(REPOSITORY / "examples" / name), url],
            check=False,
            capture_output=True,
            text=True,
            cwd=tmp_path,
            env={"PATH": "/usr/bin:/bin"},
            timeout=60,
        )
        assert (finished.stdout, finished.stderr) == (PROGRAMS[name], "")


def test_what_a_page_starts_is_ended_with_it(tool, tmp_path):
    """What goes on beside the commands of a page is shown when it is there, and is gone when the page is done."""
    page = tmp_path / "page.md"
    page.write_text(
        "```console\n"
        "$ python -c 'import os, time; print(os.getpid(), flush=True); print(2, flush=True); time.sleep(999)' &\n"
        "…\n2\n"
        f"$ (sleep 999 & echo $! > {tmp_path}/left; echo done)\n"
        "done\n"
        f"$ echo $! > {tmp_path}/started\n"
        "```\n"
    )
    assert tool.check(page, write=False) == []
    for name in ("started", "left"):
        process = Path("/proc", (tmp_path / name).read_text().strip(), "stat")
        # One that nobody has asked after yet has ended all the same.
        assert not process.exists() or process.read_text().rpartition(")")[2].split()[0] == "Z"


def test_pages_have_ports_of_their_own(tool, tmp_path):
    """A page's port is a free one, called by the page's number for it."""
    page = tmp_path / "page.md"
    page.write_text(
        "```python\n# serve.py\nimport socket\n"
        "with socket.create_server(('127.0.0.1', 7411)) as one:\n"
        "    print(f'127.0.0.1:{one.getsockname()[1]}')\n```\n"
        "```console\n$ python serve.py\n127.0.0.1:7411\n```\n"
    )
    with socket.socket() as taken:
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        with suppress(OSError):
            # Whoever has it, it is taken.
            taken.bind(("127.0.0.1", 7411))
            taken.listen()
        assert tool.check(page, write=False) == []


def test_output_need_not_end_with_a_line(tool, tmp_path):
    """What a command prints without a line end is its own all the same."""
    page = tmp_path / "page.md"
    page.write_text("```console\n$ printf one\none\n$ echo two\ntwo\n```\n")
    assert tool.check(page, write=False) == []


def test_other_output_is_seen(tool, tmp_path):
    """A page that says something else than the program is found, and where."""
    page = tmp_path / "page.md"
    page.write_text("```console\n$ echo one\none\n$ echo two\nthree\n```\n")
    (problem,) = tool.check(page, write=False)
    assert "echo two" in problem
    assert "two" in problem


@pytest.mark.parametrize(
    ("expected", "printed", "same"),
    [
        (["a"], ["a"], True),
        (["a"], ["b"], False),
        (["a"], [], False),
        ([], ["a"], False),
        (["a … c"], ["a b c"], True),
        (["…", "z"], ["a", "b", "z"], True),
        (["a", "…"], ["a"], True),
        (["2026-01-01 00:00:00  x"], ["2027-02-03 04:05:06 x"], True),
        (["a", "b"], ["a"], False),
    ],
)
def test_expected_output_may_leave_things_out(tool, expected, printed, same):
    """`…` stands for anything, times are equal, columns may be wider."""
    assert tool.agrees(expected, printed) is same
