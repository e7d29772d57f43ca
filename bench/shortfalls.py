"""
Why a figure falls short of its goal, where measuring has shown why.

A reason is printed only beside a figure that is short in the run at hand.  A figure that is
short without a reason here is short for a cause nobody has looked for yet, or because
the machine was busy.
"""

from __future__ import annotations

PROPERTY = (
    "`current` is a property of one comparison, and Python 3.11 does not inline a property; "
    "on 3.12 and 3.13 the same code takes 2.1 to 2.4 mapped words"
)
DISK_OF_THE_GOAL = (
    "the goal was set on a disk where renaming over a file costs ten synced appends; where the original's get and set "
    "together are a dozen appends, a tenth of them is little more than our one sync"
)
PLACING = (
    "making config.toml takes the turn for five syncs: the spare, the two commits that record the text as ours before "
    "the exchange and confirm it after, the folder"
)
LARGE = (
    "a large document is walked once to be checked and spelled out twice, in Python and in C, before a byte is "
    "written; its pages go to the log and, every 8 MB, once more to the database"
)

LAGGING = (
    "a watcher that is two generations behind opens a view of its own and reads history; where the loop falls behind, "
    "a thousand of them do"
)
CROWD = (
    "the woken share the writer's cores: before its call returns, or before the last of them runs, the "
    "scheduler has others in line"
)

LOG_HELD = (
    "no view stays open for longer than 256 heirs take, but the next one follows at once, and a log starts over only "
    "in a moment when nobody reads it: what is written meanwhile, here as fast as the disk takes it, makes it longer, "
    "and it keeps that length"
)
LOOKED = (
    "no turn is held, which would show as seconds: whoever looks takes one of the machine's cores for as long, and the "
    "log grows meanwhile, by commits that cost about two"
)
JUDGED = (
    "most of what a schema adds is ours, since the validator is done in microseconds: the realm is composed before it "
    "is judged, its schemas and their validator are looked up, in Python. Of a durable write all of it is a tenth"
)
JUDGED_DEEP = (
    "its document is also put onto what it inherits, before it is judged, which takes as long as the validator. The "
    "read that follows has it for nothing"
)
TOLD = (
    "the document comes with the hint on both sides; ours goes from the thread that listens for all watchers to the "
    "callback's own, as a checked and composed snapshot; by hand the thread that reads the socket calls. Where the "
    "server tells at the moment of its answer, by hand next to nothing is left to compare with"
)
TOLD_AT_ONCE = (
    "the document comes with the push on both sides, and the thread that reads the socket reads it; ours is also "
    "checked against what it follows, composed, and told by the callback's own thread. By hand the thread of the "
    "socket calls, at about the moment of the answer or before it, so that little is left to compare with"
)
TOLD_BEHIND = (
    "the notification follows the commit in a transaction of its own, since one in the same holds a lock of the whole "
    "server until it is on the disk; and it goes from the thread that listens to the callback's"
)
COMPOSED = (
    "a read asks for the realm and for what it inherits at one point, and says which generations that was; by hand it "
    "is one row"
)
JUDGING = (
    "one round trip on both sides; the rest is judging, sealing and packing a revision, in Python"
)
GATEWAY = (
    "etcd is asked in JSON over HTTP, since grpcio does not survive a fork; beside the same gateway asked by hand the "
    "figure is smaller"
)

REASONS: dict[tuple[str, str], str] = {
    ("M1", "realm.current.a.b, slotted / mapped word"): PROPERTY,
    ("M1", "realm.current.a.b, pydantic / mapped word"): PROPERTY,
    ("M1", "realm.current.a.b, pydantic / dynaconf"): (
        "a fifteenth of dynaconf's attribute is three mapped words: the same cause"
    ),
    ("M3", "get just after a foreign commit / SELECT just after one"): (
        "after a foreign commit SQLite reads three b-trees of 8 KB pages anew where the reference reads one page; "
        "decoding and wrapping the row is a hundred lines of Python that have just been asleep, like the reader"
    ),
    ("M4", "commit of a dict, with working copy, p99 / synced append, median"): PLACING,
    ("M5", "original, its lock unlinked in time / ours"): DISK_OF_THE_GOAL,
    ("M5", "original, its lock unlinked late / ours"): (
        "the original waits 20 ms and more for its own lock, whatever the disk; a hundredth of that is less than this "
        "disk takes for two synced appends"
    ),
    ("M6", "render and exchange config.toml / write, fsync, rename"): (
        f"{PLACING}; parsing and rendering TOML is another millisecond. None of it is on the commit path"
    ),
    ("M7", "update / original, its lock unlinked in time"): DISK_OF_THE_GOAL,
    ("M7", "update / original, its lock unlinked late"): (
        "the original sleeps, whatever the disk; ours is as fast as the disk syncs"
    ),
    ("M8", "update: longest wait of a writer"): PLACING,
    ("M8", "own loop: slowest writer / fastest"): (
        "a caller's own loop loses its turn whenever somebody else's write came between: use `update`"
    ),
    ("M8", "own loop: longest wait / naive SQLite's"): (
        "the same; and the naive writers' longest wait is cut off at the length of a batch"
    ),
    ("M11", "commit of 100 KB / synced append of as many bytes"): LARGE,
    ("M11", "commit of 1 MB / synced append of as many bytes"): LARGE,
    ("M11", "commit by the size of the document, 64 KB to 1 MB, exponent"): LARGE,
    ("M12", "disk bytes of a generation / its document"): (
        "a page of 8 KB holds three such rows, whatever they have to spare: 2.7 KB each"
    ),
    ("M14", "last of 1,000 watchers in one process"): LAGGING,
    ("M14", "each further watcher"): LAGGING,
    ("M14", "commit with 1,000 watchers / with none"): CROWD,
    ("M14", "commit by the number of watchers, exponent"): CROWD,
    ("M14", "acknowledged to the last delivery by the number of watchers, exponent"): LAGGING,
    ("M15", "last of 64 watching processes / the only one"): CROWD,
    ("M15", "commit with 64 watching processes / with none"): CROWD,
    ("M19", "one-key patch of 50 KB with its diff / deepcopy of the document"): (
        "the patch itself is 3 µs; the diff looks once at each of the 115 members to see that it is shared"
    ),
    ("M20", "hand edit to the read that has it, committed / dynaconf.reload"): (
        "dynaconf reads the file; here the edit is also checked against its base and everything since, and is "
        "a durable revision before the read returns"
    ),
    ("M23", "the plan's descendants: longest wait of a writer elsewhere meanwhile"): LOOKED,
    ("M23", "the receipt's warnings: longest wait of a writer elsewhere meanwhile"): LOOKED,
    ("M23", "length of the log after these looks / before"): LOG_HELD,
    ("M24", "added to a write by pydantic's schema, lone realm / is_valid"): JUDGED,
    ("M24", "added to a write by pydantic's schema of the root, 16 deep / is_valid"): JUDGED_DEEP,
    ("M24", "added to a write by pydantic's schema of its own, 16 deep / is_valid"): JUDGED_DEEP,
    ("M24", "added to a write by a closed schema, lone realm / is_valid"): JUDGED,
    ("M24", "added to a write by a closed schema of the root, 16 deep / is_valid"): JUDGED_DEEP,
    ("M24", "added to a write by a closed schema of its own, 16 deep / is_valid"): JUDGED_DEEP,
    ("M26", "PostgreSQL: get / SELECT, json.loads"): COMPOSED,
    (
        "M26",
        "PostgreSQL: commit acknowledged to callback elsewhere / LISTEN, then SELECT, json.loads",
    ): TOLD_BEHIND,
    (
        "M27",
        "NATS: compare-and-swap of 2 KB / one message that waits for the last sequence",
    ): f"{JUDGING}; the way to the thread of the connection and back is a tenth of the write",
    (
        "M27",
        "NATS: commit acknowledged to callback elsewhere / a subscription, json.loads",
    ): TOLD_AT_ONCE,
    (
        "M28",
        "etcd: compare-and-swap of 2 KB / a transaction of two comparisons and three puts over gRPC",
    ): f"{GATEWAY}; {JUDGING}",
    ("M28", "etcd: compare-and-swap of 2 KB / that transaction through the JSON gateway"): JUDGING,
    ("M28", "etcd: get / Range over gRPC, json.loads"): GATEWAY,
    (
        "M28",
        "etcd: commit acknowledged to callback elsewhere / a watch over gRPC that brings the document",
    ): TOLD,
}
