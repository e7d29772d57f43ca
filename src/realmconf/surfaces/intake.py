"""
What a text means that was shown with marks, when it comes back.

Decides that a mark that is left where it stood means the secret that it stands for.  What a mark in a command means
is decided in the domain.
"""

from __future__ import annotations

from realmconf.domain.document import ABSENT
from realmconf.domain.pointer import ROOT
from realmconf.domain.secrets import has_mark, unmarked
from realmconf.errors import SecretMarkMisplaced

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from realmconf.domain.pointer import Pointer
    from realmconf.domain.secrets import Secrecy


def with_secrets(value: Any, shown: Sequence[Any], secrecy: Secrecy, *, at: Pointer = ROOT) -> Any:
    """
    *value* with every mark replaced by what it stands for in one of *shown*, of which its author saw marks.

    All stand at the pointer *at*.  Of a place where two people disagree both sides were shown.

    Raises:
        SecretMarkMisplaced: A mark stands where none was shown, or for another value.
    """
    if not has_mark(value):
        return value
    if isinstance(value, dict):
        return {
            _plain_key(key, at): with_secrets(
                item, [_member(one, key) for one in shown], secrecy, at=at.child(key)
            )
            for key, item in value.items()
        }
    refusal = SecretMarkMisplaced(pointer=str(at))
    for one in shown:
        try:
            return unmarked(value, one, secrecy, at=at)
        except SecretMarkMisplaced as misplaced:
            refusal = misplaced
    raise refusal


def _plain_key(key: str, at: Pointer) -> str:
    if has_mark(key):
        raise SecretMarkMisplaced(pointer=str(at))
    return key


def _member(value: Any, key: str) -> Any:
    return value.get(key, ABSENT) if isinstance(value, dict) else ABSENT
