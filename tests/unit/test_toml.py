"""TOML at its edges: texts that one of the two libraries refuses, and a rendering that would be wrong."""

from __future__ import annotations

import sys
import tomllib

import pytest

from realmconf.domain import toml, tomledit
from realmconf.domain.toml import parse_toml, render
from realmconf.errors import InvalidDocument


def test_a_text_that_cannot_be_edited_is_written_anew() -> None:
    """The rendering reads as the document, whatever was there before."""
    assert tomledit.edited("a = = 1", {"a": 2}) is None
    assert parse_toml(render({"a": 2}, text="a = = 1")).document == {"a": 2}


def test_a_rendering_that_reads_otherwise_is_never_given(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a library that writes something else, or what is no TOML, nothing gets into a file."""
    for wrong in ("a = 1", "a = = 2", None):
        monkeypatch.setattr(tomledit, "fresh", lambda document, wrong=wrong: wrong)
        with pytest.raises(AssertionError):
            render({"a": 2})


def test_an_edit_that_reads_otherwise_is_thrown_away(monkeypatch: pytest.MonkeyPatch) -> None:
    """The comments are lost, the document is not."""
    monkeypatch.setattr(tomledit, "edited", lambda text, document: text)
    assert parse_toml(render({"a": 2}, text="# mine\na = 1\n")).document == {"a": 2}


def test_the_longest_number_is_read_whatever_the_program_allows_python() -> None:
    """The fewest digits that a program can have Python convert are more than are let through to the parser."""
    before = sys.get_int_max_str_digits()
    try:
        sys.set_int_max_str_digits(sys.int_info.str_digits_check_threshold)
        with pytest.raises(InvalidDocument, match="64 bits"):
            parse_toml("a = " + "1" * toml.DIGITS_MAX)
    finally:
        sys.set_int_max_str_digits(before)


def test_too_little_memory_is_told_as_a_refusal(monkeypatch: pytest.MonkeyPatch) -> None:
    """For the size of a value, not for that of the program."""

    def exhausted(text: str) -> object:
        raise MemoryError

    monkeypatch.setattr(tomllib, "loads", exhausted)
    with pytest.raises(InvalidDocument, match="no memory is left to read it"):
        parse_toml("a = 1")


@pytest.mark.parametrize(
    ("text", "line", "column"),
    [("a = 1\nb = = 2", 2, 5), ("a = 1\nb = ", 2, None), ("a = [1,\n2", 2, None)],
)
def test_a_text_that_is_no_toml_is_refused_with_its_place(
    text: str, line: int, column: int | None
) -> None:
    """Line and column, or the last line where something is missing at the end; never a value."""
    with pytest.raises(InvalidDocument) as refused:
        parse_toml(text)
    assert (refused.value.line, refused.value.column) == (line, column)
    assert refused.value.reason[0].islower()
    assert "(at" not in refused.value.reason
