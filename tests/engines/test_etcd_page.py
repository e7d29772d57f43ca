"""What the page about etcd shows is what the programs do."""

from __future__ import annotations

import importlib.util
import os
import sys
from pathlib import Path

import pytest
from tests.engines.servers.etcd import program
from tests.engines.servers.ports import free_port

pytestmark = pytest.mark.engines

REPOSITORY = Path(__file__).resolve().parents[2]


@pytest.mark.timeout(240)
def test_the_page(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every command of docs/etcd.md, in order, with the server that it starts."""
    place = REPOSITORY / "tools" / "run_examples.py"
    specification = importlib.util.spec_from_file_location("run_examples_here", place)
    assert specification is not None
    assert specification.loader is not None
    tool = importlib.util.module_from_spec(specification)
    monkeypatch.setitem(sys.modules, "run_examples_here", tool)
    specification.loader.exec_module(tool)
    # The page's server is where servers usually are; this one is elsewhere.
    monkeypatch.setattr(tool, "PORTS", ("2379", "2380"))
    monkeypatch.setattr(tool, "free_ports", lambda count: [str(free_port()) for _ in range(count)])
    folder = Path(program()).parent
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")
    assert tool.check(REPOSITORY / "docs" / "etcd.md", write=False) == []
