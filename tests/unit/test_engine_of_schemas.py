"""Single questions to the library that validates: patterns."""

from __future__ import annotations

import pytest

from realmconf.domain.schemas import engine
from realmconf.domain.schemas.engine import matches


@pytest.mark.parametrize(
    ("pattern", "text", "found"),
    [
        ("", "", True),
        (".*", "a\nb", True),
        ("^", "a", True),
        ("$", "a", True),
        ("^.*$", "abc", True),
        ("^.*$", "", True),
        ("^x-", "x-a", True),
        ("^x-", "ax-", False),
        ("_key$", "a_key", True),
        ("_key$", "_key_", False),
        ("^key$", "key", True),
        ("^key$", "keys", False),
        ("^$", "", True),
        ("^$", "a", False),
        ("ey", "keys", True),
        ("ey", "kays", False),
        ("^[a-c]+$", "abc", True),
        ("^[a-c]+$", "abd", False),
        ("a.c", "abc", True),
        ("é", "café", True),
        ("é", "cafe", False),
    ],
)
def test_a_pattern_is_found_or_not(pattern: str, text: str, found: bool) -> None:
    """Plain ones without the library, and as it would find them."""
    assert matches(pattern, text) is found
    assert engine._engine_match(pattern, text) is found


def test_what_is_no_line_of_text_is_asked_of_the_library() -> None:
    """A dot is no end of a line."""
    assert not matches("^.*$", "a\nb")


@pytest.mark.parametrize("pattern", ["(", r"^((a|aa)+)\2?!x"])
def test_what_the_library_cannot_tell_counts_as_found(pattern: str) -> None:
    """A pattern that does not compile, or takes too many steps: so whoever asks for secrets is on the safe side."""
    assert matches(pattern, "a" * 100 + "!")


def test_patterns_are_answered_right_however_many_there_are(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """What is kept of them is bounded, and forgetting changes no answer."""
    monkeypatch.setattr(engine, "_PATTERNS_KEPT", 2)
    monkeypatch.setattr(engine, "_patterns", {})
    for _ in range(2):
        for letter in "abcde":
            assert matches(f"^[{letter}]", letter)
            assert not matches(f"^[{letter}]", "z")
            assert len(engine._patterns) <= 2
