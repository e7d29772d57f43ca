"""
What must be equal in the answers of two surfaces, and what cannot be.

Times, digests, minted ids and marks are another thing each time: they are named by the order in which they come, so
that the same one is the same everywhere.  Who writes and by which surface differ by design.
"""

from __future__ import annotations

import re
from typing import Any

TIMES = ("created_at", "expires_at")
OF_THE_WRITER = {"author": "«author»", "created_by": "«author»", "surface": "«surface»"}
OF_THE_PROCESS = {
    "instance_id": "«instance»",
    "backend": "«backend»",
    "created_by_id": "«author»",
}
MINTED = re.compile(
    r"(?P<mark>«secret:[0-9a-f]{16}»)"
    r"|(?P<digest>\b[0-9a-f]{64}\b)"
    r"|(?P<etag>(?<=\d-)[0-9a-f]{12}(?![0-9a-f]))"
    r"|(?P<write>\bw-[0-9a-f]{32}\b)"
    r"|(?P<plan>\bplan-[0-9a-f]{16}\b)"
    r"|(?P<token>\bt-[0-9a-f]{12}\b)"
    r"|(?P<text>\brc_[A-Za-z0-9_-]{43})"
    r"|(?P<time>\b\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z)"
)


class Naming:
    """Names for what is minted, by the order of their coming; one for each play of a scenario."""

    def __init__(self) -> None:
        self._names: dict[str, str] = {}

    def alike(self, value: Any) -> Any:
        """*value*, with a name in place of everything that no other play has."""
        if isinstance(value, dict):
            return {key: self._member(key, item) for key, item in value.items()}
        if isinstance(value, list):
            return [self.alike(item) for item in value]
        if isinstance(value, str):
            return MINTED.sub(self._named, value)
        return value

    def _member(self, key: str, item: Any) -> Any:
        if isinstance(item, str):
            if key in TIMES:
                return "«time»"
            if key in OF_THE_WRITER:
                return OF_THE_WRITER[key]
        if key in OF_THE_PROCESS:
            return OF_THE_PROCESS[key]
        return self.alike(item)

    def _named(self, found: re.Match[str]) -> str:
        kind = found.lastgroup
        if kind == "time":
            return "«time»"
        text = found.group()
        if kind in ("digest", "etag"):
            # An etag and a cursor have the beginning of a digest.
            kind, text = "digest", text[:12]
            if set(text) == {"0"}:
                return "000000000000"
        if text not in self._names:
            number = sum(name.startswith(f"«{kind}") for name in self._names.values()) + 1
            self._names[text] = f"«{kind} {number}»"
        return self._names[text]
