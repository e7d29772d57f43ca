"""Which release of realmconf this is; the one place that says so in the code."""

from __future__ import annotations

__version__ = "0.1.0"
"""As in ``pyproject.toml``."""
