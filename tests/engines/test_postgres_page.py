"""What the page about PostgreSQL shows is what the programs do."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import pytest
from tests.engines.servers.postgres import USER, Postgres

pytestmark = pytest.mark.engines

REPOSITORY = Path(__file__).resolve().parents[2]


def test_the_page(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every command of docs/postgresql.md, in order, on a server of its own."""
    place = REPOSITORY / "tools" / "run_examples.py"
    specification = importlib.util.spec_from_file_location("run_examples_here", place)
    assert specification is not None
    assert specification.loader is not None
    tool = importlib.util.module_from_spec(specification)
    monkeypatch.setitem(sys.modules, "run_examples_here", tool)
    specification.loader.exec_module(tool)
    server = Postgres()
    try:
        # The page's server is where servers usually are; this one is elsewhere.
        monkeypatch.setattr(tool, "PORTS", ("5432",))
        monkeypatch.setattr(tool, "free_ports", lambda count: [str(server.port)])
        for name, value in (("HOST", "127.0.0.1"), ("PORT", str(server.port)), ("USER", USER)):
            monkeypatch.setenv(f"PG{name}", value)
        assert tool.check(REPOSITORY / "docs" / "postgresql.md", write=False) == []
    finally:
        server.close()
