"""What the pages show is what the program does."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def tool():
    place = REPOSITORY / "tools" / "run_examples.py"
    specification = importlib.util.spec_from_file_location("run_examples", place)
    assert specification is not None
    assert specification.loader is not None
    module = importlib.util.module_from_spec(specification)
    sys.modules["run_examples"] = module
    specification.loader.exec_module(module)
    yield module
    del sys.modules["run_examples"]


@pytest.mark.parametrize("page", ["README.md", "docs/tutorial.md"])
def test_examples_print_what_the_page_says(tool, page):
    """Every command of the page, in order, in an empty folder."""
    assert tool.check(REPOSITORY / page, write=False) == []


def test_other_output_is_seen(tool, tmp_path):
    """A page that says something else than the program is found, and where."""
    page = tmp_path / "page.md"
    page.write_text("```console\n$ echo one\none\n$ echo two\nthree\n```\n")
    (problem,) = tool.check(page, write=False)
    assert "echo two" in problem
    assert "two" in problem


@pytest.mark.parametrize(
    ("expected", "printed", "same"),
    [
        (["a"], ["a"], True),
        (["a"], ["b"], False),
        (["a"], [], False),
        ([], ["a"], False),
        (["a … c"], ["a b c"], True),
        (["…", "z"], ["a", "b", "z"], True),
        (["a", "…"], ["a"], True),
        (["2026-01-01 00:00:00  x"], ["2027-02-03 04:05:06 x"], True),
        (["a", "b"], ["a"], False),
    ],
)
def test_expected_output_may_leave_things_out(tool, expected, printed, same):
    """`…` stands for anything, times are equal, columns may be wider."""
    assert tool.agrees(expected, printed) is same
