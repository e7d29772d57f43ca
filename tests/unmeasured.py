"""What a program is given that looks at which modules it has loaded: nothing of whoever measures the tests."""

from __future__ import annotations

import os


def unmeasured() -> dict[str, str]:
    """
    The environment without what makes every interpreter measure itself.

    Under ``make coverage`` that is loaded before the first line of a program, and brings modules of its own.
    """
    return {name: value for name, value in os.environ.items() if not name.startswith("COVERAGE_")}
