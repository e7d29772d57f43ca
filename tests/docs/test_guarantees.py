"""The page of guarantees names tests that exist, and every guarantee has some."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from realmconf.testing.conformance import ConformanceSuite

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "guarantees.md").read_text("utf-8")
SECTIONS = re.split(r"^## ", PAGE, flags=re.MULTILINE)[1:]
NAMED = sorted(set(re.findall(r"`((?:conformance|tests/[\w/]+\.py)::\w+)`", PAGE)))


@pytest.mark.parametrize("name", NAMED)
def test_a_named_test_exists(name: str) -> None:
    """Each test that the page names is there, and says what it claims."""
    where, _, function = name.partition("::")
    if where == "conformance":
        claim = getattr(ConformanceSuite, function, None)
        assert claim is not None
        assert claim.__doc__
        return
    tree = ast.parse((ROOT / where).read_text("utf-8"))
    found = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)]
    claims = [ast.get_docstring(node) for node in found if node.name == function]
    assert claims
    assert all(claims)


@pytest.mark.parametrize("number", range(1, 15))
def test_each_guarantee_has_tests(number: int) -> None:
    """G1 to G14 each have a section, and each section names a test."""
    (section,) = (one for one in SECTIONS if one.startswith(f"G{number} "))
    assert "::test_" in section


def test_a_missing_test_is_seen() -> None:
    """A name that no test has would be found."""
    assert not hasattr(ConformanceSuite, "test_that_nobody_wrote")
    assert len(NAMED) > 30
