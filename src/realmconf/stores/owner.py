"""Who owns a file, as the author of an edit that nobody has signed."""

from __future__ import annotations

import os


def name_of(owner: int) -> str:
    """``user@host`` of a user's number."""
    try:
        import pwd

        user = pwd.getpwuid(owner).pw_name
    except (ImportError, KeyError):
        user = str(owner)
    return f"{user}@{os.uname().nodename if hasattr(os, 'uname') else 'localhost'}"
