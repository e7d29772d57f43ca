"""Texts that are almost right: a seed, changed in a few places. The same seed, name and number give the same text."""

from __future__ import annotations

import copy
import json
import random
from itertools import chain
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

CHANGES_MAX = 6
REPEATS_MAX = 3_000
BYTES_MAX = 2 * 1_048_576
"""Beyond what any reader of ours accepts, and still quick to make."""
VALUES_MAX = 10_000
"""What has more may be far larger than that."""

_DIGITS = (b"0", b"-1", b"1e309", b"007", b"18446744073709551616", b"2.", b"0x1", b"1_0")
_ODD = (
    b"\x00",
    b"\x7f",
    b"\xff",
    b"\xc0\x80",
    b"\xed\xa0\x80",
    b"\xe2\x80\xa8",
    b"\xf4\x90\x80\x80",
    b"\r",
    b"\n",
)

_VALUES: tuple[Any, ...] = (
    None, True, False, 0, -1, 1.0, -0.0, 1e308, float("inf"), float("nan"), 2**53, 2**63, -(2**63) - 1, 10**400, "",
    "a", "\x00", "\ud800", "é" * 300, "/a/b", "/a~2", "#", "x" * 600, [], [[]], [None], {}, {"": {}}, {"a": None},
    {"k" * 600: 1}, {"op": "test", "path": "", "value": None}, {"$ref": "#"}, {"pattern": "("},
)  # fmt: skip


class Mutator:
    """Makes inputs for one parser."""

    def __init__(self, seeds: Sequence[bytes], words: Sequence[bytes], *, seed: str) -> None:
        self._seeds = seeds
        self._words = (*words, *_DIGITS, *_ODD)
        self._seed = seed
        self._values = {one: value for one in seeds if (value := _as_json(one)) is not None}
        self._ways: tuple[Callable[[random.Random, bytes], bytes], ...] = (
            self._insert_word, self._insert_word, self._replace_by_word, self._flip, self._cut, self._double,
            self._move, self._repeat, self._join, self._end,
        )  # fmt: skip

    def input(self, number: int) -> bytes:
        """The input of this *number*."""
        chance = random.Random(f"{self._seed}:{number}")
        if chance.random() < 0.02:
            return chance.randbytes(chance.randrange(200))
        seed = chance.choice(self._seeds)
        values = self._values.get(seed)
        if values is not None and chance.random() < 0.6:
            changed = copy.deepcopy(values)
            for _ in range(chance.randint(1, 2)):
                line = chance.randrange(len(changed))
                changed[line] = _changed(chance, changed[line])
            return _as_text(changed)
        made = seed
        for _ in range(chance.randint(1, CHANGES_MAX)):
            made = chance.choice(self._ways)(chance, made)[:BYTES_MAX]
        return made

    def _insert_word(self, chance: random.Random, text: bytes) -> bytes:
        at = chance.randint(0, len(text))
        return text[:at] + chance.choice(self._words) + text[at:]

    def _replace_by_word(self, chance: random.Random, text: bytes) -> bytes:
        start, end = _piece(chance, text)
        return text[:start] + chance.choice(self._words) + text[end:]

    def _flip(self, chance: random.Random, text: bytes) -> bytes:
        if not text:
            return text
        at = chance.randrange(len(text))
        return text[:at] + bytes((text[at] ^ 1 << chance.randrange(8),)) + text[at + 1 :]

    def _cut(self, chance: random.Random, text: bytes) -> bytes:
        start, end = _piece(chance, text)
        return text[:start] + text[end:]

    def _double(self, chance: random.Random, text: bytes) -> bytes:
        start, end = _piece(chance, text)
        return text[:end] + text[start:]

    def _move(self, chance: random.Random, text: bytes) -> bytes:
        start, end = _piece(chance, text)
        rest = text[:start] + text[end:]
        at = chance.randint(0, len(rest))
        return rest[:at] + text[start:end] + rest[at:]

    def _repeat(self, chance: random.Random, text: bytes) -> bytes:
        """What costs more the deeper, longer or wider it is: few bytes, very often."""
        start, end = _piece(chance, text, most=12)
        piece = chance.choice(self._words) if chance.random() < 0.3 else text[start:end]
        times = chance.randint(2, REPEATS_MAX) if chance.random() < 0.1 else chance.randint(2, 30)
        return text[:start] + piece * times + text[end:]

    def _join(self, chance: random.Random, text: bytes) -> bytes:
        other = chance.choice(self._seeds)
        return text[: chance.randint(0, len(text))] + other[chance.randint(0, len(other)) :]

    def _end(self, chance: random.Random, text: bytes) -> bytes:
        return text[: chance.randint(0, len(text))]


def _as_text(values: Sequence[Any]) -> bytes:
    """
    *values* as JSON, one a line, and no more of it than is kept.

    Parts of them may be one large value many times over: all of that would be made first.
    """
    if not _is_large(values):
        return "\n".join(map(json.dumps, values)).encode()[:BYTES_MAX]
    pieces = chain.from_iterable(
        chain(json.JSONEncoder().iterencode(value), ("\n",)) for value in values
    )
    made: list[str] = []
    size = 0
    while size < BYTES_MAX and (piece := next(pieces, None)) is not None:
        made.append(piece)
        size += len(piece)
    return "".join(made).encode()[:BYTES_MAX]


def _is_large(values: Sequence[Any]) -> bool:
    left: list[Any] = list(values)
    for _ in range(VALUES_MAX):
        if not left:
            return False
        value = left.pop()
        if isinstance(value, (dict, list)):
            left += value.values() if isinstance(value, dict) else value
    return True


def _piece(chance: random.Random, text: bytes, *, most: int = 40) -> tuple[int, int]:
    start = chance.randint(0, len(text))
    return start, min(len(text), start + chance.randint(0, most))


def _as_json(text: bytes) -> list[Any] | None:
    """The value of each line, where each is JSON."""
    try:
        found = [json.loads(line) for line in text.splitlines()]
    except ValueError:
        return None
    return found or None


def _changed(chance: random.Random, value: Any) -> Any:
    """*value*, changed at one place: a member more, less, renamed, moved deeper, or another value instead of it."""
    if isinstance(value, (dict, list)) and value and chance.random() < 0.85:
        key = chance.choice(list(value) if isinstance(value, dict) else range(len(value)))
        way = chance.random()
        if way < 0.15:
            del value[key]
        elif way < 0.25 and isinstance(value, list):
            value.insert(key, copy.deepcopy(chance.choice(value)))
        elif way < 0.25:
            value[chance.choice(["", "a", "op", "path", "type", "é", "x" * 20, key + "~"])] = value[
                key
            ]
        else:
            value[key] = _changed(chance, value[key])
        return value
    way = chance.random()
    if way < 0.1:
        for _ in range(chance.choice([1, 5, 200])):
            value = [value] if chance.random() < 0.5 else {"a": value}
        return value
    if way < 0.15 and not (isinstance(value, (dict, list)) and len(value) > 5):
        return [copy.deepcopy(value)] * chance.choice([2, 50, 2_000])
    return copy.deepcopy(chance.choice(_VALUES))
