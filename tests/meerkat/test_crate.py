"""The published crate that tests compare with: where it cannot be had, they fail."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from tests.meerkat import conftest
from tests.meerkat.crate import build

if TYPE_CHECKING:
    from pathlib import Path


def test_without_cargo_nothing_is_skipped(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Where there is no cargo the tests that need the crate fail, and say what is to be installed."""
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("CARGO_HOME", str(tmp_path))
    with pytest.raises(AssertionError, match=r"there is no cargo.*install Rust"):
        build()


@pytest.mark.parametrize("bound", [None, pytest.mark.timeout(900)])
def test_building_is_not_measured(
    request: pytest.FixtureRequest, bound: pytest.MarkDecorator | None
) -> None:
    """A test that needs the crate has its own time for itself; building takes as long as it takes."""
    item = request.node
    if bound is not None:
        item.add_marker(bound)
    conftest.pytest_collection_modifyitems([item])
    assert item.get_closest_marker("timeout") == (None if bound is None else bound.mark)
    # The list is that of every case of this test.
    item.fixturenames.append("oracle_program")
    try:
        conftest.pytest_collection_modifyitems([item])
    finally:
        item.fixturenames.remove("oracle_program")
    found = item.get_closest_marker("timeout")
    assert found is not None
    assert found.kwargs == {"func_only": True}
    assert found.args == (() if bound is None else (900,))
