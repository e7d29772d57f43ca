"""
``config_state.json``: a realm's generation, and what we put beside it.

Decides its form: Meerkat's own, ``{"generation": N}``, with one member of ours that Meerkat ignores and drops, and with
whatever else stands in it.  What a missing or damaged one means is not decided here.
"""

from __future__ import annotations

import json

from realmconf.domain.names import LIMITS
from realmconf.domain.record import Record
from realmconf.errors import StoreCorrupt

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

OURS = "realmconf"
GENERATION = "generation"

_NONE: Mapping[str, Any] = {}


class Sidecar(Record):
    """What one says."""

    generation: int
    text: str | None = None
    """The keyed digest of the text that belongs to the generation; None where nobody of ours has written it."""
    key: str | None = None
    """Which key that is: another root's says nothing to us."""
    moved_to: str | None = None
    """The store that the realm had gone to when this was written by one of ours."""
    others: Mapping[str, Any] = _NONE
    """Members that are neither Meerkat's nor ours, kept."""


class Damaged(Record):
    """It is there and says no generation."""


def parse(raw: bytes) -> Sidecar | Damaged:
    """
    Read the file's content.

    Raises:
        StoreCorrupt: Its generation is beyond what any JSON reader keeps exactly: nobody may count on from there.
    """
    try:
        stated = json.loads(raw.decode("utf-8"))
    except (ValueError, RecursionError):
        return Damaged()
    if not isinstance(stated, dict):
        return Damaged()
    generation = stated.get(GENERATION)
    if type(generation) is not int or generation < 0:
        return Damaged()
    if generation > LIMITS.generation:
        raise StoreCorrupt(
            f"config_state.json names generation {generation}, above the largest there is, {LIMITS.generation}"
        )
    ours = stated.get(OURS)
    text, key, moved_to = (
        (ours.get("text"), ours.get("key"), ours.get("moved_to"))
        if isinstance(ours, dict)
        else (None, None, None)
    )
    is_stamped = isinstance(text, str) and isinstance(key, str)
    return Sidecar(
        generation=generation,
        text=text if is_stamped else None,
        key=key if is_stamped else None,
        moved_to=moved_to if isinstance(moved_to, str) else None,
        others={name: value for name, value in stated.items() if name not in (GENERATION, OURS)},
    )


def written(
    generation: int,
    *,
    text: str,
    key: str,
    others: Mapping[str, Any] = _NONE,
    moved_to: str | None = None,
) -> bytes:
    """The content that says it."""
    ours = {"text": text, "key": key}
    if moved_to is not None:
        ours["moved_to"] = moved_to
    stated = {GENERATION: generation, **others, OURS: ours}
    return json.dumps(stated, indent=2, ensure_ascii=False).encode("utf-8", "surrogatepass")
