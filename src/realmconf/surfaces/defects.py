"""
What is said of a defect of ours, which no error is for: where it happened, and a plea to report it.

Decides that neither the text of what was raised nor a local value is told: either could hold somebody's configuration.
"""

from __future__ import annotations

import os

PLEA = "this should not have happened, please report it"
PLACES_MAX = 6
"""Of the calls that led to it, the last ones."""


def plea(defect: BaseException) -> str:
    """What whoever asked is told, and may send on: all that a report needs."""
    return f"{PLEA}: {places(defect)}"


def places(defect: BaseException) -> str:
    """Its kind, and where it was raised, the innermost place first."""
    found = []
    trace = defect.__traceback__
    while trace is not None:
        code = trace.tb_frame.f_code
        found.append(f"{os.path.basename(code.co_filename)}:{trace.tb_lineno} {code.co_name}")
        trace = trace.tb_next
    return f"{type(defect).__name__} at " + " < ".join(reversed(found[-PLACES_MAX:]))
