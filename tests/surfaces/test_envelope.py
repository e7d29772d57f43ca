"""What errors are called and how snapshots look, on every surface."""

from __future__ import annotations

import json

import pytest

from realmconf import errors
from realmconf.domain.diff import Change
from realmconf.domain.document import ABSENT
from realmconf.domain.names import RealmName
from realmconf.domain.pointer import Pointer
from realmconf.domain.schemas.shape import Shape
from realmconf.domain.secrets import MARK, Secrecy
from realmconf.runtime.explaining import Provenance
from realmconf.surfaces import envelope
from realmconf.surfaces.envelope import ANSWERS, answer_to
from realmconf.surfaces.veil import Veil

ABSTRACT = {
    "RealmconfError",
    "LineageError",
    "NotFound",
    "StoreError",
    "WorkingCopyError",
    "SecretError",
}


def concrete_classes(above: type[errors.RealmconfError] = errors.RealmconfError) -> set[type]:
    below = {one for child in above.__subclasses__() for one in concrete_classes(child)}
    return below | (set() if above.__name__ in ABSTRACT else {above})


def test_every_error_has_one_row():
    """Every class that can be raised has exactly one status, JSON-RPC code and exit code."""
    ours = {one for one in concrete_classes() if one.__module__ == "realmconf.errors"}
    assert set(ANSWERS) == ours


def test_missing_row_is_seen():
    """The walk over the classes finds one that has no row."""

    class Forgotten(errors.StoreError):
        code = "forgotten"

    assert Forgotten in concrete_classes()
    assert Forgotten not in ANSWERS


@pytest.mark.parametrize(
    ("error", "status", "rpc", "exit_code"),
    [
        (errors.GenerationConflict(4, 5), 409, -32040, 3),
        (errors.GenerationRequired(realm="a", current=1), 428, -32042, 3),
        (errors.SchemaViolation([]), 422, -32044, 4),
        (errors.Unsupported("no"), 501, -32059, 6),
        (errors.LimitExceeded("keys", 3, maximum=2), 413, -32048, 4),
        (errors.InvalidPointer("no"), 400, -32602, 4),
        (errors.RealmNotFound(realm="a"), 404, -32049, 5),
        (errors.HistoryCompacted(1, 5, realm="a"), 410, -32050, 5),
        (errors.RealmMoved("x", realm="a"), 421, -32051, 6),
        (errors.LockTimeout(waited_seconds=1), 503, -32054, 6),
        (errors.StoreFull("no"), 503, -32055, 6),
        (errors.HistoryMissing("no"), 500, -32056, 6),
        (errors.RealmSplitBrain(realm="a", roots=["/a", "/b"]), 500, -32056, 6),
        (
            errors.RealmBackendMismatch(realm="a", requested="jsonl", existing="redb"),
            409,
            -32062,
            4,
        ),
        (errors.OutcomeUnknown("w"), 504, -32057, 7),
        (errors.WorkingCopyContested(realm="a", path="p"), 409, -32058, 3),
        (errors.WorkingCopyBroken(realm="a", path="p", reason="r"), 422, -32058, 4),
        (errors.ForkedInTransaction(), 500, -32060, 6),
        (errors.NotPermitted("write"), 403, -32052, 8),
        (errors.SecretMarkMisplaced(pointer="/a"), 400, -32061, 4),
        (errors.SecretWithheld(pointer="/a", realm="r"), 403, -32061, 9),
        (errors.SecretUnresolved("secret://env/A", kind="env", reason="r"), None, None, 9),
    ],
)
def test_answers_are_the_documented_ones(error, status, rpc, exit_code):
    """The numbers are part of the interface: a change of one breaks programs."""
    answer = answer_to(error)
    assert (answer.status, answer.rpc, answer.exit) == (status, rpc, exit_code)


def test_failed_precondition_in_a_header_is_412():
    """RFC 9110: what a conditional header asked for and did not find is 412."""
    assert ANSWERS[errors.GenerationConflict].status_for_header == 412


def test_no_two_errors_of_different_meaning_share_a_code():
    """A code names one meaning: classes that share one also share their row."""
    for one in ANSWERS:
        for other in ANSWERS:
            if one.code == other.code:
                assert ANSWERS[one] == ANSWERS[other]


def test_error_object_is_json():
    """An error crosses every wire with its code, its text and its typed fields."""
    conflict = errors.GenerationConflict(4, 5, [{"pointer": "/a", "author": "ada"}], realm="r")
    told = json.loads(json.dumps(envelope.error_object(conflict)))
    assert told["code"] == "generation_conflict"
    assert (told["expected"], told["current"]) == (4, 5)
    assert told["contested"] == [{"pointer": "/a", "author": "ada"}]


def test_change_of_a_secret_shows_neither_side():
    """G11: a diff tells that a secret changed, and neither what it was nor what it is."""
    change = Change(pointer=Pointer(("provider", "api_key")), before="old", after="new")
    assert envelope.change(change, veil=Veil()) == {
        "pointer": "/provider/api_key",
        "before": MARK,
        "after": MARK,
    }
    assert envelope.change(change, veil=Veil(shows_secrets=True))["after"] == "new"


def test_veil_goes_by_what_the_realm_calls_secret_and_asks_once():
    """A veil is for one answer: what is secret is found out with the first value, and not before."""
    asked = []

    def secrecy():
        asked.append(1)
        shape = Shape.of([{"properties": {"tuning": {"writeOnly": True}}}])
        return Secrecy(realm="team", shape=shape, key=lambda: b"k" * 32)

    veil = Veil(secrecy=secrecy)
    assert not asked
    shown = veil.over({"tuning": "t", "plain": "p", "token": 5})
    assert shown["plain"] == "p"
    assert shown["tuning"].startswith("«secret:")
    assert veil.over("t", Pointer(("tuning",))) == shown["tuning"]
    assert asked == [1]
    assert Veil(secrecy=secrecy, shows_secrets=True).over("t", Pointer(("tuning",))) == "t"
    assert asked == [1]


def test_provenance_has_every_field_and_no_secret():
    """Of what it shadows too; ``value`` and ``default`` are absent where there is none."""
    given = Provenance(
        pointer=Pointer(("api_key",)),
        value="mine",
        realm=RealmName("team"),
        generation=3,
        author="ada",
        surface="cli",
        message="why",
        created_at="2026-01-01T00:00:00Z",
    )
    masked = given.replace(value=ABSENT, realm=None, generation=None, masked_by=RealmName("org"))
    shown = envelope.provenance(given.replace(shadowed=(masked,), default="d"), veil=Veil())
    assert json.loads(json.dumps(shown)) == shown
    assert shown.keys() == {*Provenance.__fields__}
    assert (shown["value"], shown["default"], shown["realm"]) == (MARK, MARK, "team")
    (nested,) = shown["shadowed"]
    assert nested.keys() == {*Provenance.__fields__} - {"value", "default"}
    assert (nested["realm"], nested["masked_by"]) == (None, "org")


def test_change_leaves_out_an_absent_side():
    """A value that was added has no ``before``, one that was removed no ``after``; null is neither."""
    added = Change(pointer=Pointer(("a",)), before=ABSENT, after=1)
    removed = Change(pointer=Pointer(("a",)), before=1, after=ABSENT)
    assert envelope.change(added, veil=Veil()) == {"pointer": "/a", "after": 1}
    assert envelope.change(removed, veil=Veil()) == {"pointer": "/a", "before": 1}
