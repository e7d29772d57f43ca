"""The reference of the Python interface is what the library says of itself."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]


def test_the_python_reference_is_printed_from_the_code():
    """Whoever changes a command, a signature or a docstring prints the page again."""
    done = subprocess.run(
        [sys.executable, str(REPOSITORY / "tools" / "render_python_reference.py"), "--check"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
