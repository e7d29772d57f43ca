"""
Which measurement yields which goals: the one table of them.
"""

from __future__ import annotations

from bench import (
    contention,
    engine_etcd,
    engine_nats,
    engine_postgres,
    growth,
    heirs,
    lineage,
    patches,
    reads,
    schemas,
    serving,
    sizes,
    startup,
    watching,
    workingcopy,
    writes,
)
from bench.results import Measure

MEASURES = (
    Measure(("M1",), "a typed attribute", reads.measure_attribute),
    Measure(("M2",), "get, nothing changed", reads.measure_unchanged),
    Measure(("M3",), "get after a foreign commit", reads.measure_foreign_commit),
    Measure(("M4",), "one durable commit", writes.measure_commit),
    Measure(("M5",), "get, patch, validate, CAS", writes.measure_patch),
    Measure(("M6",), "from a commit to config.toml", workingcopy.measure_projection),
    Measure(("M7", "M8"), "eight writers, one key", contention.measure),
    Measure(("M9",), "from a commit to a callback elsewhere", watching.measure_one),
    Measure(("M10",), "batches and threads", writes.measure_batches),
    Measure(("M11",), "commits by size", sizes.measure, seconds_max=600.0),
    Measure(("M12",), "a long history", growth.measure_history),
    Measure(("M13",), "many realms", growth.measure_realms),
    Measure(("M14",), "a thousand watching tasks", watching.measure_tasks),
    Measure(("M15",), "sixty-four watching processes", watching.measure_processes),
    Measure(("M16",), "a read over HTTP", serving.measure_requests),
    Measure(("M17",), "a thousand streams", serving.measure_streams),
    Measure(("M18",), "starting the command", startup.measure),
    Measure(("M19",), "a patch of 50 KB", patches.measure),
    Measure(("M20",), "from a hand edit to a read", workingcopy.measure_hand_edit),
    Measure(("M21",), "a long lineage, nothing changed", lineage.measure_unchanged),
    Measure(("M22",), "a long lineage after a foreign commit", lineage.measure_rebuilt),
    Measure(("M23",), "a parent of ten thousand", heirs.measure),
    Measure(("M24",), "a write under a schema", schemas.measure),
    Measure(("M25",), "composing and explaining", lineage.measure_composition),
    Measure(("M26",), "a store in PostgreSQL", engine_postgres.measure, ("PostgreSQL",)),
    Measure(("M27",), "a store in NATS JetStream", engine_nats.measure),
    Measure(("M28",), "a store in etcd", engine_etcd.measure, ("etcd",)),
)
