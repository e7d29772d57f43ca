"""What people are told of a defect: the same on every surface, and nothing of anybody's configuration."""

from __future__ import annotations

import pytest

from realmconf.surfaces.defects import places, plea


def _inner(secret):
    local = {"token": secret}
    raise ValueError(f"cannot read {local}")


def _raised():
    try:
        _inner("hunter2")
    except ValueError as defect:
        return defect
    raise AssertionError


def test_a_defect_is_told_by_kind_and_place():
    """A plea to report a defect names its kind and where it happened, the innermost place first; no value, no text."""
    told = plea(_raised())
    assert told.startswith(
        "this should not have happened, please report it: ValueError at test_defects.py:"
    )
    assert told.index("_inner") < told.index("_raised")
    assert "hunter2" not in told
    assert "cannot read" not in told


def test_a_deep_defect_is_told_in_a_line():
    """Of many calls that led to it, the last few are named."""

    def deeper(depth):
        if depth == 0:
            raise KeyError
        deeper(depth - 1)

    with pytest.raises(KeyError) as raised:
        deeper(50)
    assert places(raised.value).count("deeper") == 6
