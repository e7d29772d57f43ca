"""
Tokens that a process holds: good as long as it runs, and not much longer.

Decides how one is told from others and what becomes of it when its process is killed: its time is short and the living
process prolongs it; and whoever holds the next one ends those whose process is dead.
"""

from __future__ import annotations

import os
import re

from realmconf.errors import TokenNotFound

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from realmconf.runtime.tokens import NewToken, Tokens

HELD_SECONDS = 7_200.0
"""So that a token for an hour can be made with it at any time."""
RENEW_SECONDS = 1_200.0
"""How often a living process prolongs its own."""
_MARK = re.compile(r"(?P<number>\d+)\.(?P<began>\d+) at (?P<place>.+)")
"""How a process is told from every other one: its number, when it began, and where."""


def hold(tokens: Tokens, *, author: str, name: str, surface: str) -> NewToken:
    """
    A token of an admin for this process, which ends those that dead processes of this machine have left.

    Raises:
        StoreError, LockTimeout, OutcomeUnknown: The store cannot be written, or what came of it is not known.
    """
    for token in tokens.all():
        found = None if token.held_by is None else _MARK.fullmatch(token.held_by)
        if found is not None and _is_dead(found):
            try:
                tokens.revoke(token.id, author=author, surface=surface)
            except TokenNotFound:
                pass
    number = os.getpid()
    return tokens.create(
        realms=["*"],
        roles=["admin"],
        name=name,
        expires_seconds=HELD_SECONDS,
        held_by=f"{number}.{_began(number)} at {_place()}",
        author=f"{author} (realmconf serve)",
        surface=surface,
    )


def prolong(tokens: Tokens, token_id: str, *, author: str, surface: str, deadline: float) -> None:
    """Let a held token last for its whole time again; one that somebody has ended stays ended."""
    expires_at = tokens.expiry(HELD_SECONDS)

    def renew(kept: dict[str, Any]) -> None:
        if token_id in kept:
            kept[token_id]["expires_at"] = expires_at

    tokens.ledger.update(
        renew,
        author=author,
        surface=surface,
        message=f"token {token_id} goes on",
        deadline=deadline,
    )


def _is_dead(found: re.Match[str]) -> bool:
    """Whether the process of a mark has ended; of another machine, or of what sees other processes, nobody knows."""
    return found["place"] == _place() and _began(int(found["number"])) != found["began"]


def _place() -> str:
    try:
        processes = os.readlink("/proc/self/ns/pid")
    except OSError:
        processes = ""
    return f"{os.uname().nodename}{processes.removeprefix('pid:')}"


def _began(number: int) -> str:
    """When the process began, so that another one of its number is told apart; empty: there is none."""
    try:
        with open(f"/proc/{number}/stat", encoding="utf-8", errors="replace") as file:
            # Field 22; the second, a name in parentheses, may hold anything.
            return file.read().rpartition(")")[2].split()[19]
    except (OSError, IndexError):
        pass
    if os.path.exists("/proc/self/stat"):
        return ""
    try:
        os.kill(number, 0)
    except ProcessLookupError:
        return ""
    except OSError:
        pass
    return "0"
