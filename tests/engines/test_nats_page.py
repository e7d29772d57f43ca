"""What the page about NATS shows is what the programs do."""

from __future__ import annotations

import importlib.util
import os
import sys
from pathlib import Path

import pytest
from tests.engines.servers.nats import program
from tests.engines.servers.ports import free_port

pytestmark = pytest.mark.engines

REPOSITORY = Path(__file__).resolve().parents[2]


@pytest.mark.timeout(240)
def test_the_page(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every command of docs/nats.md, in order, with the server that it starts and the users that it has."""
    place = REPOSITORY / "tools" / "run_examples.py"
    specification = importlib.util.spec_from_file_location("run_examples_here", place)
    assert specification is not None
    assert specification.loader is not None
    tool = importlib.util.module_from_spec(specification)
    monkeypatch.setitem(sys.modules, "run_examples_here", tool)
    specification.loader.exec_module(tool)
    # The page's server is where servers usually are; this one is elsewhere.
    monkeypatch.setattr(tool, "PORTS", ("4222",))
    monkeypatch.setattr(tool, "free_ports", lambda count: [str(free_port())])
    folder = Path(program()).parent
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")
    assert tool.check(REPOSITORY / "docs" / "nats.md", write=False) == []
