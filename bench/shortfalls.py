"""
Why a figure falls short of its goal, where measuring has shown why.

A reason is printed only beside a figure that is short in the run at hand.
"""

from __future__ import annotations

REASONS: dict[tuple[str, str], str] = {}
