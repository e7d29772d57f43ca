"""
What a store and its client mean, without any machinery: the executable reference.

A realm is a list; a write appends to it or raises.  No files, locks, caches or threads,
and none of the library's own algorithms: where the two differ, one of them is wrong.
"""

from __future__ import annotations

import copy
from itertools import pairwise

from realmconf.domain.record import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    Document = dict[str, Any]


NOTHING = object()
"""Stands for a place that a document does not have."""


class Refused(Exception):
    """The write changed nothing; ``code`` is the error's, ``current`` the head's generation."""

    def __init__(self, code: str, current: int) -> None:
        super().__init__(code, current)
        self.code = code
        self.current = current


class Answer(Record):
    """What a write answers."""

    generation: int
    changed: bool
    rebased_from: int | None = None


class Model:
    """Realms as lists of documents; None stands for a tombstone."""

    def __init__(self) -> None:
        self.realms: dict[str, list[Document | None]] = {}
        self.receipts: dict[tuple[str, str], tuple[object, Answer | None]] = {}
        """By realm and given write id: the request, and its answer; None is void."""

    def history(self, realm: str) -> list[Document | None]:
        """Every document of *realm*, oldest first; the generation is the position, from 1."""
        return self.realms.get(realm, [])

    def head(self, realm: str) -> Document | None:
        """The live document, if there is one."""
        history = self.history(realm)
        return history[-1] if history else None

    def write(
        self,
        realm: str,
        change: Callable[[Document | None], Document | None],
        *,
        request: object,
        expected: int | None = None,
        create: bool = False,
        write_id: str | None = None,
        rebase_of: Document | None = None,
    ) -> Answer:
        """
        Append what *change* makes of the head, under the preconditions given.

        *request* is what makes two requests the same one; *rebase_of* is the merge patch of a
        write that may be rebased.
        """
        known = self.receipts.get((realm, write_id)) if write_id is not None else None
        history = self.history(realm)
        if known is not None:
            if known[1] is None:
                raise Refused("write_id_void", len(history))
            if known[0] != request:
                raise Refused("write_id_reused", len(history))
            return known[1]
        if create and history and history[-1] is not None:
            raise Refused("generation_conflict", len(history))
        rebased_from = None
        if expected is not None and expected != len(history):
            if rebase_of is None or not self._may_rebase(realm, expected, rebase_of):
                raise Refused("generation_conflict", len(history))
            rebased_from = expected
        head = self.head(realm)
        document = change(copy.deepcopy(head))
        changed = not same(document, head)
        if changed:
            self.realms.setdefault(realm, []).append(copy.deepcopy(document))
        answer = Answer(
            generation=len(self.history(realm)), changed=changed, rebased_from=rebased_from
        )
        if write_id is not None:
            self.receipts[realm, write_id] = (request, answer)
        return answer

    def void(self, realm: str, write_id: str) -> Answer | None:
        """Settle: the answer there was, else none will ever be."""
        return self.receipts.setdefault((realm, write_id), (None, None))[1]

    def _may_rebase(self, realm: str, expected: int, patch: Document) -> bool:
        history = self.history(realm)
        if expected > len(history) or any(one is None for one in history[expected:]):
            return False
        # A realm without a document is, to a patch, an empty one.
        base = (history[expected - 1] if expected > 0 else None) or {}
        intended = merged(base, patch)
        touched = leaves(patch) if patch else {}
        for before, after in pairwise([base, *history[expected:]]):
            for pointer in differences(before, after):
                for mine in touched:
                    shared = min(mine, pointer, key=len)
                    overlap = mine[: len(shared)] == pointer[: len(shared)]
                    if overlap and not same(at(intended, shared), at(after, shared)):
                        return False
        return True


def at(document: Any, path: tuple[str, ...]) -> Any:
    """What stands at *path*, or ``NOTHING``."""
    for key in path:
        if not isinstance(document, dict) or key not in document:
            return NOTHING
        document = document[key]
    return document


def merged(document: Any, patch: Any) -> Any:
    """RFC 7396, as its appendix writes it."""
    if not isinstance(patch, dict):
        return patch
    result = dict(document) if isinstance(document, dict) else {}
    for key, value in patch.items():
        if value is None:
            result.pop(key, None)
        else:
            result[key] = merged(result.get(key), value)
    return result


def same(left: Any, right: Any) -> bool:
    """Equal and of the same types: 1, 1.0 and true differ."""
    if type(left) is not type(right):
        return False
    if isinstance(left, dict):
        return left.keys() == right.keys() and all(same(left[key], right[key]) for key in left)
    if isinstance(left, list):
        return len(left) == len(right) and all(map(same, left, right))
    return bool(left == right)


def leaves(value: Any, at: tuple[str, ...] = ()) -> dict[tuple[str, ...], Any]:
    """Every place of *value* that holds no further object, by its path."""
    if not isinstance(value, dict) or not value:
        return {at: value}
    found: dict[tuple[str, ...], Any] = {}
    for key, item in value.items():
        found |= leaves(item, (*at, key))
    return found


def differences(before: Any, after: Any) -> set[tuple[str, ...]]:
    """
    The topmost paths at which two documents differ.

    An object that was removed is one place, so whoever adds to it meets its removal; one that
    was added is its leaves, since two may well add to it.
    """
    if isinstance(before, dict) and isinstance(after, dict):
        found: set[tuple[str, ...]] = set()
        for key in before.keys() | after.keys():
            if key not in after:
                found.add((key,))
            elif key not in before:
                found |= {(key, *rest) for rest in leaves(after[key])}
            else:
                found |= {(key, *rest) for rest in differences(before[key], after[key])}
        return found
    return set() if same(before, after) else {()}
