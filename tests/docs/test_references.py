"""The references are what the program says of itself."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
TOOLS = sorted(path.name for path in (REPOSITORY / "tools").glob("render_*_reference.py"))


@pytest.mark.parametrize("tool", TOOLS)
def test_the_references_are_printed_from_the_code(tool):
    """Whoever changes a command, an operation, a signature or a docstring prints the page again."""
    done = subprocess.run(
        [sys.executable, str(REPOSITORY / "tools" / tool), "--check"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def test_every_reference_is_printed():
    """No page among the references is written by hand."""
    pages = {path.stem for path in (REPOSITORY / "docs" / "reference").glob("*.md")}
    assert {f"render_{page}_reference.py" for page in pages} == set(TOOLS)
