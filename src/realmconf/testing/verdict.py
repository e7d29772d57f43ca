"""
Judges a torture run: the logs of its processes against the history that the store kept.

Five questions: can one order of writes explain every answer (``linearizability``); is each
document what its write made of the one before; did each watch see every generation once;
did transactions land whole; did each hand edit survive, and change nothing else.  Reads
files only; the store is never opened here.
"""

from __future__ import annotations

import json
import os
from bisect import bisect_left

from realmconf.domain.record import Record
from realmconf.testing import model
from realmconf.testing.calllog import read_calls
from realmconf.testing.linearizability import COMMITTED, OBSERVED, Call, Entry, violations
from realmconf.testing.workers import PAIR, REALM

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence
    from typing import Any

HISTORY_FILE = "history.jsonl"
EXPECTED_REFUSALS = frozenset({"revision_not_found", "realm_not_found", "write_id_void"})
"""Codes that a correct store may answer to the writes of ``workers``; a time-out is a finding."""


class Verdict(Record):
    """What was found, and how much was looked at."""

    findings: tuple[str, ...]
    calls: int
    writes: int
    committed: int
    unanswered: int
    unanswered_but_committed: int
    generations: int
    watched: int
    edits: int


def judge(folder: str, *, refusals: Collection[str] = EXPECTED_REFUSALS) -> Verdict:
    """Judge the run whose logs and ``history.jsonl`` are in *folder*; *refusals* are codes that are no finding."""
    logs = {
        name.removesuffix(".log"): list(read_calls(os.path.join(folder, name)))
        for name in sorted(os.listdir(folder))
        if name.endswith(".log")
    }
    with open(os.path.join(folder, HISTORY_FILE), encoding="utf-8") as lines:
        revisions = [json.loads(line) for line in lines]
    contended = [revision for revision in revisions if revision["realm"] == REALM]
    records = [record for log in logs.values() for record in log]
    calls = [record for record in records if record.get("realm") == REALM and "began_ns" in record]
    names = _names(contended, {call["write_id"] for call in calls if "write_id" in call})
    entries = [
        Entry(
            generation=revision["generation"],
            write_id=name,
            exists=revision["document"] is not None,
        )
        for revision, name in zip(contended, names, strict=True)
    ]
    findings = [
        *(
            f"{name}: {note['defect']}"
            for name, log in logs.items()
            for note in log
            if "defect" in note
        ),
        *_unexpected_refusals(calls, refusals),
        *(f"revision {one['generation']} is not intact" for one in revisions if not one["intact"]),
        *violations(
            entries, [*_calls(calls, contended, names), *_adoptions(contended, names, logs)]
        ),
        *_wrong_documents(contended, names, calls),
        *_wrong_watches(logs, contended, calls, names),
        *_torn_transactions(revisions, records),
        *_lost_edits(contended, logs),
    ]
    kept = {entry.write_id for entry in entries}
    silent = {call["write_id"] for call in calls if "write_id" in call and "ended_ns" not in call}
    return Verdict(
        findings=tuple(findings),
        calls=len(calls),
        writes=sum("write_id" in call and not call.get("settles") for call in calls),
        committed=sum(call.get("outcome") == COMMITTED for call in calls),
        unanswered=len(silent),
        unanswered_but_committed=len(silent & kept),
        generations=len(entries),
        watched=sum("watched" in record for record in records),
        edits=sum("saved" in record for record in records),
    )


def _names(revisions: Sequence[dict[str, Any]], invoked: set[str]) -> list[str]:
    """Each revision's write as the logs call it: by its own id, else by the mark in the document."""
    names = []
    for revision in revisions:
        name = revision["write_id"]
        if revision["kind"] == "adopt":
            name = f"adopted-{revision['generation']}"
        elif name not in invoked:
            name = (revision["document"] or {}).get("last", name)
        names.append(name)
    return names


def _unexpected_refusals(
    calls: Sequence[dict[str, Any]], refusals: Collection[str]
) -> Iterator[str]:
    for call in calls:
        if call.get("outcome") == "refused" and call["code"] not in refusals:
            yield f"{call['verb']} {call['write_id']} was refused: {call['code']} {call.get('text')}"


# --- calls ---------------------------------------------------------------------------


def _calls(
    calls: Sequence[dict[str, Any]], revisions: Sequence[dict[str, Any]], names: Sequence[str]
) -> Iterator[Call]:
    name_of = {one["write_id"]: name for one, name in zip(revisions, names, strict=True)}
    showing: dict[object, list[int]] = {}
    for revision in revisions:
        mark = (revision["document"] or {}).get("last")
        showing.setdefault(mark, []).append(revision["generation"])
    for call in calls:
        if call["verb"] == "current":
            # A value alone does not tell its generation; several may show the same mark.
            # Then the newest is assumed, which can only excuse the read.
            generations = showing.get(call["last"], []) if call["last"] else []
            if generations:
                yield Call(
                    began_ns=call["began_ns"],
                    ended_ns=call["ended_ns"] if len(generations) == 1 else None,
                    outcome=OBSERVED,
                    generation=generations[-1],
                )
            continue
        seen = call.get("seen")
        outcome = call.get("outcome", "unknown")
        if call.get("settles") and outcome == COMMITTED and call["verb"] in ("delete", "rollback"):
            # "Committed" also settles a write that changed nothing, and these two may.
            outcome = COMMITTED if names[call["generation"] - 1] == call["write_id"] else OBSERVED
        yield Call(
            began_ns=call["began_ns"],
            ended_ns=call.get("ended_ns"),
            outcome=outcome,
            generation=call.get("generation"),
            write_id=call.get("write_id"),
            seen=name_of.get(seen, seen),
            expected=call.get("expected"),
            create=call.get("create", False),
            rebases=call.get("rebases", False),
        )


def _adoptions(
    revisions: Sequence[dict[str, Any]],
    names: Sequence[str],
    logs: dict[str, list[dict[str, Any]]],
) -> Iterator[Call]:
    """An adoption is a write that began when somebody began to save what it brought."""
    saving = {
        (name, note["saving"]): note["at_ns"]
        for name, log in logs.items()
        for note in log
        if "saving" in note
    }
    before: dict[str, Any] = {}
    for revision, name in zip(revisions, names, strict=True):
        edits = (revision["document"] or {}).get("edits", {})
        if revision["kind"] == "adopt":
            began = [
                saving.get((editor, number))
                for editor, number in edits.items()
                if before.get(editor) != number
            ]
            known = [instant for instant in began if instant is not None]
            if known and len(known) == len(began):
                yield Call(began_ns=max(known), outcome="unknown", write_id=name)
        before = edits


# --- documents -----------------------------------------------------------------------


def _wrong_documents(
    revisions: Sequence[dict[str, Any]], names: Sequence[str], calls: Sequence[dict[str, Any]]
) -> Iterator[str]:
    by_name = {call["write_id"]: call for call in calls if "write_id" in call}
    documents: list[dict[str, Any] | None] = [None]
    for revision, name in zip(revisions, names, strict=True):
        document = revision["document"]
        generation = revision["generation"]
        if revision["kind"] == "adopt":
            if _without_edits(document) != _without_edits(documents[-1]):
                yield f"the adoption at {generation} changed more than what was edited"
        elif name in by_name:
            call = by_name[name]
            if document != _made_by(call, name, documents):
                yield f"generation {generation} is not what its {call['verb']} {name} makes of the one before"
        documents.append(document)


def _made_by(call: dict[str, Any], mark: str, documents: list[dict[str, Any] | None]) -> Any:
    head = documents[-1] or {}
    match call["verb"]:
        case "set":
            return call["body"]
        case "patch":
            return model.merged(head, call["body"])
        case "update":
            counters = head.get("counters", {})
            raised = {**counters, call["body"]: counters.get(call["body"], 0) + 1}
            return {**head, "counters": raised, "last": mark}
        case "rollback":
            return documents[call["body"]]
        case _:
            return None


def _without_edits(document: dict[str, Any] | None) -> Any:
    return {key: value for key, value in (document or {}).items() if key != "edits"}


# --- watches --------------------------------------------------------------------------


def _wrong_watches(
    logs: dict[str, list[dict[str, Any]]],
    revisions: Sequence[dict[str, Any]],
    calls: Sequence[dict[str, Any]],
    names: Sequence[str],
) -> Iterator[str]:
    began: dict[str, int] = {}
    for call in calls:
        if "write_id" in call:
            began[call["write_id"]] = min(
                call["began_ns"], began.get(call["write_id"], call["began_ns"])
            )
    for watcher, log in logs.items():
        events = [note for note in log if "watched" in note]
        last = 0
        for event in events:
            generation = event["watched"]
            if event["reset"]:
                yield f"{watcher}: reset at {generation}, and nothing was compacted"
            elif generation != last + 1:
                yield f"{watcher}: generation {generation} came after {last}"
            last = generation
            if not 0 < generation <= len(revisions):
                yield f"{watcher}: generation {generation} does not exist"
                continue
            if event["seen"] != revisions[generation - 1]["write_id"]:
                yield f"{watcher}: generation {generation} came with the content of {event['seen']}"
            if event["at_ns"] < began.get(names[generation - 1], 0):
                yield f"{watcher}: generation {generation} came before it was written"
        if events and last != len(revisions):
            yield f"{watcher}: stopped at {last} of {len(revisions)}"


# --- transactions ------------------------------------------------------------------------


def _torn_transactions(
    revisions: Sequence[dict[str, Any]], records: Sequence[dict[str, Any]]
) -> Iterator[str]:
    left, right = (
        [(one["generation"], one["write_id"]) for one in revisions if one["realm"] == realm]
        for realm in PAIR
    )
    if left != right:
        yield f"transactions came apart: {set(left) ^ set(right)}"
    kept = {write_id for _, write_id in left}
    for record in records:
        acknowledged = record.get("verb") == "transaction" and record.get("outcome") == COMMITTED
        if acknowledged and record["write_id"] not in kept:
            yield f"transaction {record['write_id']} was acknowledged and is gone"


# --- hand edits ----------------------------------------------------------------------------


def _lost_edits(
    revisions: Sequence[dict[str, Any]], logs: dict[str, list[dict[str, Any]]]
) -> Iterator[str]:
    for editor, log in logs.items():
        saved = [note["saved"] for note in log if "saved" in note]
        if not saved:
            continue
        begun = max(note["saving"] for note in log if "saving" in note)
        values = [
            (revision["document"] or {}).get("edits", {}).get(editor, 0) for revision in revisions
        ]
        if values != sorted(values):
            at = next(g for g in range(1, len(values)) if values[g] < values[g - 1])
            yield f"{editor}: edit {values[at - 1]} was reverted to {values[at]} at generation {at + 1}"
        if values and values[-1] > begun:
            yield f"{editor}: edit {values[-1]} was adopted and never made"
        # What is kept beside the file is not lost: the inspector notes those numbers.
        kept_aside = [
            note["kept_aside"][editor]
            for note in logs.get("inspector", [])
            if "kept_aside" in note and editor in note["kept_aside"]
        ]
        survived = [*values[-1:], *kept_aside]
        if not survived or max(survived) < saved[-1]:
            yield f"{editor}: edit {saved[-1]} was saved and is lost; {survived[:1] or 'nothing'} remains"
        if bisect_left(sorted(set(values)), 1) == len(set(values)) and len(saved) > 3:
            yield f"{editor}: {len(saved)} edits were saved and none was ever adopted"
