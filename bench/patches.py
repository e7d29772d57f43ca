"""
M19: a one-key merge patch of a large document, computed in memory.

The reference is a deep copy, which is what applying a patch in place to shared data has to begin with.
"""

from __future__ import annotations

from copy import deepcopy
from functools import partial

from bench import documents
from bench.harness import compete, each, looped
from bench.results import Figure, Workplace, at_most
from realmconf.domain.diff import changes
from realmconf.domain.patch import merge


def measure(place: Workplace) -> list[Figure]:
    """M19: merge and diff of 50 KB, against a deep copy and against validating the result."""
    from bench.models import Settings

    document = documents.sized("50 KB")
    patch = {"profiles": {"p1007": {"agent": {"model": "another"}}}}

    def merged_and_compared() -> object:
        return changes(document, merge(document, patch))

    def merged_compared_and_validated() -> object:
        after = merge(document, patch)
        return changes(document, after), Settings.model_validate(after)

    after = merge(document, patch)
    found = changes(document, after)
    assert [str(change.pointer) for change in found] == ["/profiles/p1007/agent/model"]
    assert document == documents.sized("50 KB"), "the patched document is left as it was"

    def copied() -> object:
        return deepcopy(document)

    def validated() -> object:
        return Settings.model_validate(after)

    count = place.effort.count(60)
    rounds = compete(
        {
            "patch": partial(looped, merged_and_compared, count * 20),
            "copy": partial(each, copied, count),
            "validated patch": partial(each, merged_compared_and_validated, count * 2),
            "validation": partial(each, validated, count * 2),
        },
        rounds=place.effort.rounds,
    )
    return [
        Figure(
            "M19", "one-key patch of 50 KB with its diff / deepcopy of the document",
            rounds.ratio("patch", "copy"), "x", at_most(1 / 50),
            f"{rounds.cost('patch'):.1f} µs, deepcopy {rounds.cost('copy') / 1000:.2f} ms",
        ),
        Figure(
            "M19", "the same with validation by a model / the validation alone",
            rounds.ratio("validated patch", "validation"), "x", at_most(1.2),
            f"pydantic {rounds.cost('validation'):.0f} µs",
        ),
    ]  # fmt: skip
