"""
Every fault at every call of every operation: ``python -m tests.crash.full_sweep [OPERATION …]``.

Takes a quarter of an hour and more, so no test run does it; the first thing that does not hold ends it.
"""

from __future__ import annotations

import sys
import time

from tests.crash.sweep import every_fault, sweep
from tests.crash.test_sweep import OPERATIONS


def main(names: list[str]) -> None:
    for operation in OPERATIONS:
        if not names or operation.name in names:
            began = time.monotonic()
            points = sweep(operation, plan=every_fault)
            print(
                f"{operation.name}: {points} faults in {time.monotonic() - began:.0f} s", flush=True
            )


if __name__ == "__main__":
    main(sys.argv[1:])
