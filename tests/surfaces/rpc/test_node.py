"""A client in another language."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.machine
def test_client_in_javascript(environment, tmp_path):
    """
    A client written for Node with nothing but its standard library gets, sets, patches, sees a conflict with the
    current generation in it, and is told of what other processes write.
    """
    finished = subprocess.run(
        ["node", str(Path(__file__).with_name("client.mjs")), sys.executable],
        check=False,
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env=environment,
        timeout=100,
    )
    assert (finished.returncode, finished.stdout, finished.stderr) == (0, "done\n", "")
