"""Gives every test time, for runs in which the code is slow: `make coverage` loads this as a plugin."""

from __future__ import annotations

import pytest

PATIENCE_SECONDS = 1800


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """
    Let no test's own limit end it: most are right for code that is not measured.

    One that is ended while the measuring holds its lock leaves it locked, and every test after it waits for ever.
    """
    for item in items:
        item.add_marker(pytest.mark.timeout(PATIENCE_SECONDS), append=False)
