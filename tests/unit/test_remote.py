"""The parts of the remote store that need no server: its URL and token, errors, commands and withheld values."""

from __future__ import annotations

import copy
import json
import operator
import pickle

import pytest

from realmconf import errors
from realmconf.domain.diff import changes
from realmconf.domain.document import ABSENT, check_document
from realmconf.domain.failures import error_from
from realmconf.domain.frozen import freeze, thaw
from realmconf.domain.names import LIMITS, RealmName
from realmconf.domain.pointer import Pointer
from realmconf.domain.unread import handed_out, unread
from realmconf.domain.wire import command_fields, command_from, conditions_from, write_fields
from realmconf.domain.withheld import withheld_in, withholding
from realmconf.domain.write import (
    Delete,
    Edit,
    Expected,
    JsonPatch,
    MergePatch,
    Place,
    Rollback,
    SetDocument,
    SetPolicy,
    SetSchema,
    Write,
)
from realmconf.errors import InvalidArgument, RealmconfError, SecretWithheld
from realmconf.runtime.locate import credentials_path, stated_author, token_for
from realmconf.runtime.serving.pinned import Pinned
from realmconf.stores.memory import open_store as open_memory
from realmconf.stores.remote.address import Address
from realmconf.testing.conformance.base import ONE, TWO, append, grow, soon
from realmconf.testing.conformance.kinship import below, moving_to, schema_of

MARK = "«secret:0123456789abcdef»"

# --- where it is, and who asks -----------------------------------------------------------------


@pytest.mark.parametrize(
    ("scheme", "location", "origin", "is_loopback"),
    [
        ("http", "127.0.0.1:7411", "http://127.0.0.1:7411", True),
        ("http", "localhost:80/", "http://localhost", True),
        ("http", "[::1]:7411", "http://[::1]:7411", True),
        ("http", "127.9.9.9", "http://127.9.9.9", True),
        ("https", "Example.COM", "https://example.com", False),
        ("https", "example.com:8443", "https://example.com:8443", False),
        ("http", "localhost.example.com", "http://localhost.example.com", False),
    ],
)
def test_an_origin(scheme, location, origin, is_loopback):
    """A server is a host and a port; what is this machine is told by its address or ``localhost``."""
    address = Address.parse(scheme, location, {})
    assert (address.origin, address.is_loopback) == (origin, is_loopback)


@pytest.fixture
def home(tmp_path):
    environment = {"XDG_CONFIG_HOME": str(tmp_path)}
    (tmp_path / "realmconf").mkdir()

    def write(text, mode=0o600):
        path = tmp_path / "realmconf" / "credentials.toml"
        path.write_text(text)
        path.chmod(mode)
        assert credentials_path(environment) == str(path)
        return environment

    return write


def test_a_token_of_the_environment_wins(home):
    """``REALMCONF_TOKEN`` comes before the file, which is not even looked at."""
    environment = home("broken", 0o644) | {"REALMCONF_TOKEN": " rc_x\n"}
    assert token_for("https://host", environment=environment) == "rc_x"


def test_a_token_of_the_file(home):
    """The file has a token for each server, by its origin; none for any other."""
    environment = home('["https://host:8443"]\ntoken = "rc_a"\n["https://other/"]\ntoken = "rc_b"')
    assert token_for("https://host:8443", environment=environment) == "rc_a"
    assert token_for("https://other", environment=environment) == "rc_b"
    assert token_for("https://host", environment=environment) is None
    assert token_for("https://host", environment={"XDG_CONFIG_HOME": "/nowhere"}) is None


@pytest.mark.parametrize(
    ("name", "origin"),
    [
        ("https://host:443", "https://host"),
        ("HTTPS://Host/", "https://host"),
        ("http://localhost:80", "http://localhost"),
        ("http://[::1]:80/", "http://[::1]"),
    ],
)
def test_a_server_of_the_file_by_another_spelling(home, name, origin):
    """A server is the same one however its usual port and its name are written; what is no server is passed over."""
    environment = home(f'["https://a b/c"]\ntoken = "rc_x"\n["{name}"]\ntoken = "rc_a"')
    assert token_for(origin, environment=environment) == "rc_a"


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660])
def test_a_file_that_others_read(home, mode):
    """A file of tokens that others can read is refused with what to do."""
    environment = home('["https://host"]\ntoken = "rc_a"', mode)
    with pytest.raises(InvalidArgument, match="chmod 600"):
        token_for("https://host", environment=environment)


@pytest.mark.parametrize("text", ["rc_CANARY", '["https://host"]\ntoken = 1', "a = 'CANARY"])
def test_a_file_that_says_nothing(home, text):
    """What cannot be understood is an error that quotes none of it."""
    with pytest.raises(InvalidArgument) as refused:
        token_for("https://host", environment=home(text))
    assert "CANARY" not in str(refused.value)


def test_a_stated_author():
    """Only what somebody has set is an author that is stated."""
    assert stated_author({"REALMCONF_AUTHOR": "me"}) == "me"
    assert stated_author({}) is None


# --- errors --------------------------------------------------------------------------------------

RAISED = [
    errors.GenerationConflict(1, 2, [{"pointer": "/a", "author": "x"}], realm="r"),
    errors.TimelineChanged(realm="r", generation=1),
    errors.GenerationRequired(realm="r", current=1),
    errors.PatchTestFailed(pointer="/a", index=1),
    errors.SchemaViolation([{"pointer": "/a", "keyword": "type", "message": "m"}], realm="r"),
    errors.PatchInapplicable("no", pointer="/a", index=0),
    errors.LineageCycle(realm="r", chain=["r", "r"]),
    errors.LineageTooDeep(realm="r", chain=["r"], depth_max=16),
    errors.ParentNotFound(realm="r", parent="p", chain=["r", "p"]),
    errors.WriteIdReused(realm="r", write_id="w"),
    errors.WriteIdVoid(realm="r", write_id="w"),
    errors.PlanInvalid("p", reason="replayed", generation=1),
    errors.RateLimited("calls", retry_after_seconds=2.0),
    errors.Unsupported("no"),
    errors.LimitExceeded("depth", 65, maximum=64),
    errors.InvalidRealm("no"),
    errors.InvalidDocument("no", pointer="/a"),
    errors.InvalidPatch("no"),
    errors.InvalidPointer("no"),
    errors.InvalidArgument("no"),
    errors.RealmNotFound(realm="r"),
    errors.RevisionNotFound(realm="r", generation=1, current=0),
    errors.ValueNotFound(realm="r", pointer="/a", generation=1),
    errors.TokenNotFound("t"),
    errors.HistoryCompacted(1, 2, realm="r", purged=True),
    errors.RealmMoved("https://other", realm="r"),
    errors.LockTimeout(waited_seconds=1.5),
    errors.StoreUnavailable("no", retryable=False),
    errors.StoreUnavailable("no"),
    errors.StoreFull("no"),
    errors.StoreReadOnly("no"),
    errors.StoreNotInstalled("x", extra="client"),
    errors.StoreCorrupt("no"),
    errors.StoreTooNew("no"),
    errors.HistoryMissing("no"),
    errors.RealmSplitBrain(realm="r", roots=["/a", "/b"]),
    errors.RealmBackendMismatch(realm="r", requested="jsonl", existing="redb"),
    errors.OutcomeUnknown("w", realm="r", reason="x"),
    errors.WorkingCopyContested(realm="r", path="p", pointers=["/a"]),
    errors.WorkingCopyBroken(realm="r", path="p", reason="x", line=1),
    errors.WorkingCopyRefused(realm="r", path="p", reason="x"),
    errors.ForkedInTransaction(),
    errors.UnsupportedFilesystem("no"),
    errors.Unauthenticated(),
    errors.NotPermitted("x", realm="r"),
    errors.SecretMarkMisplaced(pointer="/a"),
    errors.SecretWithheld(pointer="/a", realm="r"),
    errors.SecretUnresolved("secret://env/X", kind="env", reason="x"),
]


def concrete(root=RealmconfError):
    for below_it in root.__subclasses__():
        if below_it.__module__ == errors.__name__:
            yield from list(concrete(below_it)) or [below_it]


def test_every_error_comes_back():
    """Each class of error survives the wire: class, text, fields, and whether to try again."""
    assert {type(one) for one in RAISED} == set(concrete())
    for error in RAISED:
        sent = json.loads(json.dumps({**error.to_dict(), "type": "x", "status": 1, "detail": "d"}))
        found = error_from(sent)
        assert type(found) is type(error)
        assert found.to_dict() == error.to_dict()
        assert found.retryable == error.retryable
        for name in error.to_dict():
            assert type(getattr(found, name, "")) is type(getattr(error, name, ""))
        assert str(pickle.loads(pickle.dumps(found))) == str(error)


@pytest.mark.parametrize("error", RAISED, ids=lambda one: type(one).__name__)
def test_the_members_of_an_error_are_declared(error):
    """The members that a class declares, and the reference names, are those that its errors have: all, and no other."""
    declared = {
        name for one in type(error).__mro__ for name in vars(one).get("__annotations__", ())
    }
    assert declared == error.to_dict().keys() - {"code", "message", "retryable"}


def test_what_is_no_error_of_ours():
    """What a newer release may answer is told apart, not guessed."""
    for found in ({}, {"code": "new_code", "message": "m"}, {"code": 1, "message": "m"}):
        assert error_from(found) is None


# --- commands --------------------------------------------------------------------------------------

SCHEMA = {"type": "object"}
COMMANDS = [
    SetDocument(document={"a": [1, 1.0, True, "ü"]}),
    MergePatch(patch={"a": None, "b": {"c": None}}),
    JsonPatch(operations=({"op": "test", "path": "/a", "value": None},)),
    Edit(assignments=((Pointer(("a", "0")), {"x": 1}),), removals=(Pointer(("b/c",)),), kind="set"),
    Delete(),
    Rollback(to=3),
    SetPolicy(changes={"history_keep": None}),
    SetSchema(digest=None),
]


@pytest.mark.parametrize("command", COMMANDS, ids=lambda one: type(one).__name__)
def test_a_command_travels(command):
    """A command comes back equal, in value and in type."""
    sent = json.loads(json.dumps(command_fields(command)))
    found = command_from(sent, limits=LIMITS)
    assert repr(found) == repr(command)
    assert found == command


def test_conditions_travel():
    """So do the conditions of a write."""
    write = Write(
        realm=RealmName("r"),
        command=Delete(),
        author="a",
        write_id="w",
        expected=Expected(generation=3, digest="ab" * 6),
        on_conflict="rebase",
        depends_on=(Pointer(("a",)),),
        must_exist=True,
    )
    found = conditions_from(json.loads(json.dumps(write_fields(write))), limits=LIMITS)
    assert all(getattr(write, name) == value for name, value in found.items())


def test_what_does_not_travel():
    """What places a document under another name is sealed instead."""
    with pytest.raises(InvalidArgument):
        command_fields(Place(document={}, kind="copy"))


@pytest.mark.parametrize(
    "found",
    [
        None,
        [],
        {},
        {"do": "fly"},
        {"do": "set"},
        {"do": "set", "document": []},
        {"do": "set", "document": {"a": None}},
        {"do": "patch", "patch": []},
        {"do": "rollback", "to": 0},
        {"do": "rollback", "to": True},
        {"do": "edit", "assignments": [["", 1]], "removals": [], "kind": "patch"},
        {"do": "edit", "assignments": [], "removals": [], "kind": "adopt"},
        {"do": "edit", "assignments": [1], "removals": [], "kind": "set"},
        {"do": "policy", "changes": 1},
        {"do": "schema", "schema": 1, "patch": None},
        {"do": ["set"]},
    ],
)
def test_what_is_no_command(found):
    """G12: whatever is sent in the place of a command is refused, typed."""
    with pytest.raises(RealmconfError):
        command_from(found, limits=LIMITS)


# --- what is withheld ------------------------------------------------------------------------------


@pytest.fixture
def document():
    return withholding(
        {"a": 1, "token": MARK, "list": [MARK, 1], "in": {"x": {"password": MARK}}}, realm="r"
    )


READS = {
    "item": lambda one: one["token"],
    "get": lambda one: one.get("token"),
    "dict": dict,
    "spread": lambda one: {**one},
    "keywords": lambda one: dict(**one),
    "update": {}.update,
    "or": lambda one: one | {},
    "ror": lambda one: {} | one,
    "values": lambda one: list(one.values()),
    "items": lambda one: list(one.items()),
    "json": json.dumps,
    "equal": lambda one: one == {"a": 1, "token": "x", "list": 1, "in": 1},
    "element": lambda one: one["list"][0],
    "slice": lambda one: one["list"][:1],
    "list": lambda one: list(one["list"]),
    "star": lambda one: [*one["list"]],
    "in": lambda one: "x" in one["list"],
    "extend": lambda one: [].extend(one["list"]),
    "add": lambda one: one["list"] + [],
    "deep": lambda one: one["in"]["x"]["password"],
    "json list": lambda one: json.dumps(one["list"]),
}


@pytest.mark.parametrize("read", READS.values(), ids=READS)
def test_a_withheld_value_is_never_a_text(document, read):
    """However somebody reads it, what is withheld raises and names its place."""
    for shown in (freeze(document), thaw(document), freeze(document).copy()):
        with pytest.raises(SecretWithheld) as withheld:
            read(shown)
        assert withheld.value.pointer in ("/token", "/list/0", "/in/x/password")


def test_the_rest_is_read_as_ever(document):
    """What is not withheld is read, listed and compared; the whole is shown, copied, sent and stored again."""
    for shown in (freeze(document), thaw(document)):
        assert shown["a"] == 1
        assert list(shown) == ["a", "token", "list", "in"]
        assert (len(shown), "token" in shown, shown["list"][1]) == (4, True, 1)
        assert "0123456789abcdef" in repr(shown)
        again = pickle.loads(pickle.dumps(shown))
        for one in (shown, again, copy.copy(shown), copy.deepcopy(shown)):
            sent = check_document(one)
            assert type(sent["token"]) is str
            assert sent == {
                "a": 1,
                "token": MARK,
                "list": [MARK, 1],
                "in": {"x": {"password": MARK}},
            }
        assert len(list(withheld_in(shown))) == 3


def test_a_draft_is_changed_unread(document):
    """Of a draft a withheld value can be replaced and removed."""
    draft = freeze(document).copy()
    with pytest.raises(SecretWithheld):
        draft.pop("token")
    draft["token"] = "new"
    del draft["list"]
    draft["in"]["x"] = {}
    assert dict(draft) == {"a": 1, "token": "new", "in": {"x": {}}}


# --- a point in the past -----------------------------------------------------------------------------


def test_a_pinned_view_is_the_view_of_then():
    """What was asked at a position is answered the same once the store has gone on."""
    store = open_memory("", options={}, limits=LIMITS)
    three = RealmName("three")

    def everything(view):
        found = []
        for realm in (ONE, TWO, three):
            head = view.head(realm)
            found += [head.revision, list(view.revisions(realm)), list(view.schemas(realm))]
            found += list(view.revisions(realm, newest_first=True, limit=2))
            found += [list(view.children(realm))]
            found += [view.as_of(realm, position) for position in range(12)]
            for generation in range(6):
                for ask in (view.revision, view.position):
                    try:
                        found.append(ask(realm, generation))
                    except errors.RevisionNotFound as missed:
                        found.append(missed.to_dict())
        found += [view.realms(), view.realms(after="realm-one", limit=1), view.last_position()]
        return [*found, view.steps({ONE: 0, TWO: 0, three: 0}, limit=99)]

    points = []

    def note():
        with store.view() as view:
            points.append((view.last_position(), everything(view)))

    note()
    for act in (
        lambda: grow(store, ONE, 2),
        lambda: append(store, TWO, below(TWO, ONE), schemas=[schema_of("a")]),
        lambda: append(store, ONE, None),
        lambda: append(store, ONE, below(ONE, TWO), schemas=[schema_of("b"), schema_of("a")]),
        lambda: append(store, TWO, {}, schemas=[schema_of("c")]),
    ):
        act()
        note()
    with store.view() as view:
        for position, found in points:
            assert everything(Pinned(view, position)) == found


def test_a_pinned_view_and_a_rename():
    """A name that was taken since was nobody's then; what the old one stated then is told as gone."""
    store = open_memory("", options={}, limits=LIMITS)
    grow(store, ONE, 2)
    with store.view() as view:
        position = view.last_position()
    store.rename(ONE, TWO, moving_to(TWO, {"n": 2}), deadline=soon())
    with store.view() as view:
        then = Pinned(view, position)
        assert then.head(TWO).revision is None
        with pytest.raises(errors.HistoryCompacted):
            then.head(ONE)


# --- records of what is withheld -----------------------------------------------------------------


def _withholding_document():
    return withholding({"password": MARK, "keys": [MARK, "x"], "n": 1}, realm="r")


def test_a_change_of_what_is_withheld_is_not_read():
    """Which leaf changed is told; what it was and is raises, and nothing of it is in what is printed."""
    found = handed_out(changes(None, _withholding_document()))
    by_place = {str(change.pointer): change for change in found}
    assert by_place["/n"].after == 1
    secret = by_place["/password"]
    assert secret.before is ABSENT
    with pytest.raises(SecretWithheld, match="/password"):
        _ = secret.after
    with pytest.raises(SecretWithheld):
        list(by_place["/keys"].after)  # type: ignore[arg-type]
    assert MARK not in repr(found)
    assert secret == pickle.loads(pickle.dumps(secret)) == copy.copy(secret) == secret.replace()
    assert hash(secret) == hash(secret.replace())
    assert unread(secret, "after") == MARK
    plain = changes({"n": 1}, {"n": 2})
    assert handed_out(plain)[0] is plain[0]


@pytest.mark.parametrize(
    "read",
    [
        lambda found: operator.add([], found),
        lambda found: operator.add(found, []),
        lambda found: operator.mul(2, found),
        lambda found: operator.mul(found, 2),
        lambda found: operator.lt(found, ["a"]),
        lambda found: operator.le(found, ["a"]),
        lambda found: operator.gt(["zz"], found),
        lambda found: operator.ge(["zz"], found),
        lambda found: [*found],
        sorted,
        ",".join,
    ],
)
@pytest.mark.parametrize("make", [freeze, lambda found: thaw(freeze(found))])
def test_no_operator_reads_what_is_withheld(make, read):
    """Also put together, repeated, or compared from either side, an array does not give away what is in it."""
    found = make(_withholding_document())["keys"]
    with pytest.raises(SecretWithheld):
        read(found)
