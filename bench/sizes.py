"""
M11: what a commit costs by the size of its document, against a synced append of as many bytes, and by which law.
"""

from __future__ import annotations

from contextlib import ExitStack
from functools import partial

from bench import documents, floors, ours
from bench.harness import compete, each, steady
from bench.laws import Plot, contestants, law, named
from bench.results import Figure, Workplace, at_most
from bench.writes import SLICES, Swaps

LIMITS = {"2 KB": 2.0, "10 KB": 2.0, "100 KB": 3.0, "1 MB": 6.0}
SMALL = (512, 1024, 2048, 4096)
LARGE = (65_536, 131_072, 262_144, 524_288, 1_024_000)
LENGTHS = (*SMALL, 8192, 16_384, 32_768, *LARGE)
LAW_SLICES = 3
NEARLY_FLAT = 0.1


def measure(place: Workplace) -> list[Figure]:
    """M11: commits of four sizes beside their floors, and the laws below 4 KB and above 64 KB."""
    return [*beside_floors(place), *laws(place)]


def beside_floors(place: Workplace) -> list[Figure]:
    """Each size in a contest of its own."""
    root = place.path("store")
    figures = []
    with ExitStack() as stack:
        client = stack.enter_context(ours.connect(root / "with"))
        bare = stack.enter_context(ours.connect(root / "without", working_copies=False))
        for size, limit in LIMITS.items():
            label = size.replace(" ", "").lower()
            swaps = Swaps(client, f"size-{label}", documents.SIZES[size] * documents.KILOBYTE)
            bare_swaps = Swaps(bare, f"size-{label}", documents.SIZES[size] * documents.KILOBYTE)
            length = swaps.length
            repeats = place.effort.count({"1 MB": 3, "100 KB": 8}.get(size, 20), least=2)
            floor = floors.appending(root / label, length=length)
            rounds = compete(
                {
                    "commit": partial(swaps.batch, repeats),
                    "bare": partial(bare_swaps.batch, repeats),
                    "append": partial(steady, floor, repeats),
                },
                rounds=place.effort.rounds,
                slices=SLICES if length < 50_000 else SLICES // 5,
            )
            swaps.check()
            bare_swaps.check()
            without = rounds.ratio("bare", "append").value
            figures.append(
                Figure(
                    "M11", f"commit of {size} / synced append of as many bytes",
                    rounds.ratio("commit", "append"), "x", at_most(limit),
                    f"{rounds.cost('commit') / 1000:.2f} ms, append "
                    f"{rounds.cost('append') / 1000:.2f} ms; {without:.1f}x without working copy",
                )
            )  # fmt: skip
    return figures


def laws(place: Workplace) -> list[Figure]:
    """All sizes in one contest, in stores without working copies, whose rendering would run beside the others."""
    root = place.path("laws")
    with ExitStack() as stack:
        swaps = {}
        appends = {}
        for wanted in LENGTHS:
            client = stack.enter_context(ours.connect(root / str(wanted), working_copies=False))
            one = Swaps(client, length=wanted)
            length = one.length
            swaps[length] = one
            appends[length] = floors.appending(root / f"{wanted}.log", length=length)
        lengths = list(swaps)

        def repeats(length: int) -> int:
            return place.effort.count(12 if length < 20_000 else 3, least=2)

        rounds = compete(
            contestants(swaps, "commit", lambda one: partial(each, one, repeats(one.length)))
            | {
                f"append, {length}": partial(each, append, repeats(length))
                for length, append in appends.items()
            },
            rounds=place.effort.rounds,
            slices=LAW_SLICES,
        )
        for written in swaps.values():
            written.check()
    small, large = lengths[: len(SMALL)], lengths[-len(LARGE) :]
    plot = Plot("commit-by-size", "bytes of the document")
    return [
        law(
            "M11", "commit by the size of the document, 512 bytes to 4 KB", rounds,
            named(small, "commit"), limit=at_most(NEARLY_FLAT), either_way=True,
        ),
        law(
            "M11", "commit by the size of the document, 64 KB to 1 MB", rounds,
            named(large, "commit"), limit=at_most(1),
        ),
        law(
            "M11", "commit by the size of the document, all sizes", rounds,
            named(lengths, "commit"), line="commit", plot=plot,
        ),
        law(
            "M11", "synced append of as many bytes, all sizes", rounds, named(lengths, "append"),
            line="synced append of as many bytes", plot=plot,
        ),
    ]  # fmt: skip
