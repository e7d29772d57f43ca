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
PLANTED = next(one for one in SECTIONS if "`make planted`" in one and "| bug |" in one)
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


def is_planted(name: str) -> bool:
    """Whether ``make planted`` runs the test of this name."""
    where, _, function = name.partition("::")
    tree = ast.parse((ROOT / where).read_text("utf-8"))
    marks = [
        ast.unparse(node.value)
        for node in tree.body
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "pytestmark"
    ]
    for node in tree.body:
        if isinstance(node, ast.FunctionDef) and node.name == function:
            marks += [ast.unparse(one) for one in node.decorator_list]
    return any("mark.planted" in one for one in marks)


@pytest.mark.parametrize("name", sorted(set(re.findall(r"`(tests/[\w/]+\.py::\w+)`", PLANTED))))
def test_a_planted_bug_is_looked_for_by_the_one_command(name: str) -> None:
    """What the page says to be planted is what ``make planted`` runs."""
    assert is_planted(name)


def test_what_is_not_planted_is_seen() -> None:
    """An ordinary test in that table would be found."""
    assert not is_planted("tests/docs/test_guarantees.py::test_what_is_not_planted_is_seen")


def test_a_missing_test_is_seen() -> None:
    """A name that no test has would be found."""
    assert not hasattr(ConformanceSuite, "test_that_nobody_wrote")
    assert len(NAMED) > 30
