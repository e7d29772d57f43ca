"""The table of Meerkat's weaknesses has all of them, and names tests that exist and run where it says."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path

import pytest

from realmconf.testing.conformance import ConformanceSuite

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "meerkat.md").read_text("utf-8")
ROWS = [
    [cell.strip() for cell in line.strip("|").split("|")]
    for line in PAGE.splitlines()
    if re.match(r"\| W\d", line)
]
NAME = re.compile(r"`((?:conformance|[\w/]+\.py)::\w+)`")
NAMED = sorted({(row[0], name) for row in ROWS for cell in row[3:] for name in NAME.findall(cell)})
BOTH = [(row[0], name) for row in ROWS if row[4] == "the same" for name in NAME.findall(row[3])]


@cache
def functions(where: str) -> dict[str, ast.FunctionDef]:
    """The tests of a file, which is in ``tests/meerkat`` if no folder is named."""
    path = ROOT / where if "/" in where else ROOT / "tests" / "meerkat" / where
    tree = ast.parse(path.read_text("utf-8"))
    return {node.name: node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}


def claim_of(name: str) -> str | None:
    """What a named test claims; None where there is no such test, or where it claims nothing."""
    where, _, function = name.partition("::")
    if where == "conformance":
        return getattr(getattr(ConformanceSuite, function, None), "__doc__", None)
    found = functions(where).get(function)
    return None if found is None else ast.get_docstring(found)


def test_every_weakness_has_a_row() -> None:
    """W1 to W30, each once and in order, with what it is, what becomes of it, and tests for both kinds of store."""
    assert [row[0] for row in ROWS] == [f"W{number}" for number in range(1, 31)]
    for row in ROWS:
        assert len(row) == 5, row[0]
        assert all(row), row[0]
        assert NAME.search(row[3]), row[0]
        assert row[4] == "the same" or NAME.search(row[4]), row[0]


@pytest.mark.parametrize(("weakness", "name"), NAMED)
def test_a_named_test_exists(weakness: str, name: str) -> None:
    """Each test that the table names is there, and says what it claims."""
    assert claim_of(name), f"{weakness}: {name}"


@pytest.mark.parametrize("weakness", [row[0] for row in ROWS])
def test_a_row_names_a_test_that_cites_it(weakness: str) -> None:
    """Among the tests of each row is one whose claim names the weakness."""
    claims = [claim_of(name) or "" for row, name in NAMED if row == weakness]
    assert any(re.search(rf"\b{weakness}\b", claim) for claim in claims)


@pytest.mark.parametrize("weakness", sorted({row for row, _ in BOTH}))
def test_the_same_is_the_same(weakness: str) -> None:
    """Where the table says that a test runs on both kinds of store, one of them does: by its place, or as each does."""
    runs = []
    for row, name in BOTH:
        where, _, function = name.partition("::")
        if row != weakness:
            continue
        if where == "conformance":
            runs.append(True)
            continue
        names = {argument.arg for argument in functions(where)[function].args.args}
        runs.append(not names.isdisjoint({"place", "connect", "surface"}))
    assert any(runs)


def test_a_missing_test_is_seen() -> None:
    """A name that no test has would be found."""
    assert claim_of("test_store.py::test_that_nobody_wrote") is None
    assert claim_of("conformance::test_that_nobody_wrote") is None
    assert len(NAMED) > 60
