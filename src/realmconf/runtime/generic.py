"""
``Generic`` without the import cost of ``typing``, which the fast start-up path must not pay.

Type checkers see the real one; at run time ``Name[T]`` is ``Name``.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Generic, TypeVar

    Config = TypeVar("Config")
else:

    class Generic:
        """Accepts parameters and forgets them."""

        __slots__ = ()

        def __class_getitem__(cls, _parameters):
            return cls

    Config = None

__all__ = ["Config", "Generic"]
