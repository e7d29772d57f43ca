"""Who set each value, by the history alone."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from realmconf.domain.blame import blame


def history(*newest_first: tuple[int, dict[str, Any] | None]) -> list[SimpleNamespace]:
    return [SimpleNamespace(generation=number, document=found) for number, found in newest_first]


def told(*newest_first: tuple[int, dict[str, Any] | None]) -> list[tuple[str, int, bool]]:
    found = blame(history(*newest_first))
    return [(str(one.pointer), one.revision.generation, one.at_least) for one in found]


def test_each_value_is_of_the_newest_revision_that_changed_it():
    """Also where an older one had the same value in between; the first revision of all is nobody's guess."""
    assert told(
        (4, {"a": 1, "b": 2, "c": {"d": 3}}),
        (3, {"a": 1, "b": 9, "c": {"d": 3}}),
        (2, {"a": 1, "b": 2}),
        (1, {"a": 1}),
    ) == [("/a", 1, False), ("/b", 4, False), ("/c/d", 3, False)]


def test_what_is_older_than_the_kept_history_is_at_least_as_old():
    """It is attributed to the oldest revision that is kept, and that is said."""
    newest = (7, {"a": 1, "b": 2})
    assert told(newest, (6, {"a": 1})) == [("/a", 6, True), ("/b", 7, False)]
    assert [one.value for one in blame(history(newest, (6, {"a": 1})))] == [1, 2]


def test_no_more_of_a_history_is_read_than_is_needed():
    """Once every value has its revision, nothing older is asked for."""
    read: list[int] = []

    def revisions():
        for one in history((3, {"a": 1}), (2, {"a": 2}), (1, {"a": 3})):
            read.append(one.generation)
            yield one

    (found,) = blame(revisions())
    assert (found.revision.generation, found.value) == (3, 1)
    assert read == [3, 2]


def test_where_nothing_is_stated_nobody_is_to_blame():
    """Of no history, and of a realm that was deleted."""
    assert told() == []
    assert told((2, None), (1, {"a": 1})) == []


def test_a_purged_revision_hides_what_it_changed():
    """What the next newer one states is attributed to that one."""
    assert told((3, {"a": 1, "b": 2}), (2, None), (1, {"a": 1})) == [
        ("/a", 3, False),
        ("/b", 3, False),
    ]
