"""Event streams as their readers see them: the bytes, where a stream begins and goes on, what it shows."""

from __future__ import annotations

import json

import pytest
from tests.surfaces.http.streaming import Connection, staged

SECRET = "CANARY-9d1f"


@pytest.fixture(scope="module")
def stage(tmp_path_factory):
    with staged(str(tmp_path_factory.mktemp("streams") / "store")) as found:
        yield found


@pytest.fixture
def scene(stage):
    return stage.fresh()


def test_a_stream_is_never_kept_or_held_back_on_its_way(scene):
    """A stream is ``text/event-stream`` that no cache keeps and no proxy collects."""
    token = scene.token()
    with Connection(scene.server.port) as one:
        one.ask(f"/v1/realms/{scene.name}/watch", authorization=f"Bearer {token.text}")
        status, headers = one.head()
    assert status == 200
    assert headers["content-type"] == "text/event-stream"
    assert headers["cache-control"] == "no-store, no-transform"
    assert headers["x-accel-buffering"] == "no"
    assert "content-length" not in headers


def test_head_tells_of_a_stream_without_opening_one(scene):
    """HEAD gives the headers of a stream and no stream."""
    token = scene.token()
    with Connection(scene.server.port) as one:
        one.ask(
            f"/v1/realms/{scene.name}/watch", method="HEAD", authorization=f"Bearer {token.text}"
        )
        assert one.head()[0] == 200
        # The connection goes on with the next request.
        one.ask("/stats")
        status, headers = one.head()
        assert status == 200
        assert json.loads(one.exactly(int(headers["content-length"])))["streams"] == 0


def test_the_bytes_of_a_stream(scene):
    """
    A stream begins with ``retry`` and a bookmark; each event has ``id``, ``event`` and one line of ``data``, which is
    the step as every surface shows it.
    """
    first = scene.realm.get()
    with scene.open() as stream:
        assert stream.block() == b"retry: 2000"
        assert (
            stream.block()
            == (
                f"id: {first.etag}\nevent: bookmark\n"
                f'data: {{"realm":"{scene.name}","event":"bookmark","cursor":"{first.etag}"}}'
            ).encode()
        )
        done = scene.realm.patch({"value": "a\nb\r\u2028"}, author="ada", message="why")
        lines = stream.block().decode().split("\n")
    assert lines[0] == f"id: {done.etag}"
    assert lines[1] == "event: change"
    assert lines[2].startswith("data: ")
    assert len(lines) == 3
    assert json.loads(lines[2].removeprefix("data: ")) == {
        "realm": scene.name,
        "generation": 2,
        "event": "change",
        "cursor": done.etag,
        "step": {"realm": scene.name, "generation": 2},
        "author": "ada",
        "surface": "sdk",
        "message": "why",
        "created_at": done.revision.created_at,
        "changes": [{"pointer": "/value", "before": 0, "after": "a\nb\r\u2028"}],
    }


def test_a_deletion_is_an_event_of_its_own(scene):
    """A deletion is a ``delete``, and what is written after it a ``change`` again."""
    with scene.open() as stream:
        scene.realm.delete()
        scene.realm.set({"value": 1})
        assert [stream.change().event for _ in range(2)] == ["delete", "change"]


def test_without_a_cursor_a_stream_begins_now(scene):
    """Without a cursor nothing is told that was committed before the request, and everything after it."""
    for number in range(20):
        before = scene.realm.patch({"value": number + 1})
        with scene.open() as stream:
            found = stream.event()
            assert (found.event, found.id) == ("bookmark", before.etag)
            after = scene.realm.patch({"value": -number - 1})
            assert stream.event().id == after.etag


def test_a_realm_that_was_never_written_can_be_watched(scene):
    """A stream of a realm that does not exist begins at generation 0 and tells of the first."""
    fresh, token = scene.other("fresh"), scene.token()
    with Connection(scene.server.port) as one:
        one.ask(f"/v1/realms/{fresh.realm_id}/watch", authorization=f"Bearer {token.text}")
        one.head()
        assert one.event().id == "0-000000000000"
        made = fresh.set({"a": 1})
        assert one.event().id == made.etag


@pytest.mark.parametrize("how", ["query", "header", "both"])
def test_a_stream_goes_on_after_its_cursor(scene, how):
    """``Last-Event-ID`` or ``?after=`` says what was had already; the header is the newer of the two."""
    etags = [scene.realm.patch({"value": number}).etag for number in range(1, 5)]
    query = {"query": f"?after={etags[1]}", "header": "", "both": f"?after={etags[0]}"}[how]
    headers = {} if how == "query" else {"last_event_id": etags[1]}
    with scene.open(query, **headers) as stream:
        found = [stream.event() for _ in range(3)]
    assert [(one.event, one.id) for one in found] == [
        ("change", etags[2]),
        ("change", etags[3]),
        ("bookmark", etags[3]),
    ]


def test_a_bare_generation_is_a_cursor(scene):
    """``?after=2`` goes on after generation 2, in the effective view after what this realm was then."""
    for number in range(1, 4):
        scene.realm.patch({"value": number})
    for view in ("own", "effective"):
        with scene.open(f"?view={view}&after=2") as stream:
            assert [stream.event().data["generation"] for _ in range(2)] == [3, 4]


@pytest.mark.parametrize(
    ("query", "headers"),
    [
        ("?after=nonsense", {}),
        ("", {"last_event_id": "nonsense"}),
        ("?view=own", {"last_event_id": "e:other@1-0123456789ab,global@0-000000000000"}),
        ("?view=effective", {"last_event_id": "e:other@1-0123456789ab,global@0-000000000000"}),
    ],
)
def test_what_is_no_cursor_is_refused_before_the_stream_begins(scene, query, headers):
    """What is no cursor of the view is 400: the reader is told before anything is streamed."""
    status, problem = scene.refused(query, **headers)
    assert (status, problem["code"]) == (400, "invalid_argument")


def test_a_cursor_below_the_floor_gives_a_reset(scene):
    """A cursor whose generations are compacted gives a ``reset`` to the newest, and the stream goes on."""
    old = scene.realm.patch({"value": 1})
    for number in range(2, 8):
        last = scene.realm.patch({"value": number})
    scene.client.compact(keep=2, realm=scene.name)
    for cursor in (old.etag, "1"):
        with scene.open(f"?after={cursor}") as stream:
            first = stream.event()
            assert (first.event, first.id, first.data["changes"]) == ("reset", last.etag, [])
            assert stream.event().event == "bookmark"
            last = scene.realm.patch({"value": cursor})
            assert stream.event().id == last.etag


@pytest.mark.parametrize("cursor", ["1-ffffffffffff", "900-0123456789ab", "900"])
def test_a_cursor_of_another_timeline_gives_a_reset(scene, cursor):
    """A cursor that another store gave, or this one before it was put back, gives a ``reset``."""
    head = scene.realm.get()
    with scene.open(f"?after={cursor}") as stream:
        first = stream.event()
    assert (first.event, first.id) == ("reset", head.etag)


def test_a_foreign_cursor_of_the_effective_view_gives_a_reset(scene):
    """The same of the effective view, whose cursor names each realm on which the view depends."""
    head = scene.realm.get()
    foreign = f"e:{scene.name}@1-ffffffffffff,global@0-000000000000"
    with scene.open("?view=effective", last_event_id=foreign) as stream:
        first = stream.event()
    assert (first.event, first.id) == ("reset", head.cursor)


def test_the_effective_view_tells_what_parents_do(scene):
    """In the effective view a commit to any parent is an event, with what it changes here and a cursor to resume."""
    base = scene.other("base")
    base.set({"inherited": 1})
    scene.realm.set_parent(base.realm_id)
    with scene.open("?view=effective") as stream, scene.open() as own:
        stream.event()
        own.event()
        base.set({"inherited": 2})
        found = stream.event()
        assert found.data["step"] == {"realm": base.realm_id, "generation": 2}
        assert found.data["changes"] == [{"pointer": "/inherited", "before": 1, "after": 2}]
        cursor = found.id
        base.set({"inherited": 3})
        assert stream.event().data["step"]["generation"] == 3
        # Nothing of that concerned the realm itself.
        done = scene.realm.patch({"own": 1})
        assert own.event().id == done.etag
    with scene.open("?view=effective", last_event_id=cursor) as stream:
        steps = [stream.event().data["step"] for _ in range(2)]
    assert steps == [
        {"realm": base.realm_id, "generation": 3},
        {"realm": scene.name, "generation": 3},
    ]


def test_a_parent_that_changes_is_followed(scene):
    """A realm that gets another parent is told what that one does from then on."""
    for name in ("one", "two"):
        scene.other(name).set({"from": name})
    scene.realm.set_parent(scene.other("one").realm_id)
    with scene.open("?view=effective") as stream:
        stream.event()
        scene.realm.set_parent(scene.other("two").realm_id)
        changes = {one["pointer"]: one["after"] for one in stream.event().data["changes"]}
        assert changes["/from"] == "two"
        scene.other("one").set({"from": "elsewhere"})
        scene.other("two").set({"from": "here"})
        assert stream.event().data["step"] == {
            "realm": scene.other("two").realm_id,
            "generation": 2,
        }


def test_secrets_are_shown_to_those_who_have_the_right_to_them(scene):
    """Of two streams side by side one shows secrets, to a token with that right, and the other marks."""
    scene.realm.set({"api_key": "old"})
    with scene.open(token=scene.token("read", "secrets")) as shown, scene.open() as veiled:
        scene.realm.set({"api_key": SECRET})
        assert shown.change().data["changes"][0]["after"] == SECRET
        text = b"".join(veiled.block() for _ in range(3))
    assert b"/api_key" in text
    assert SECRET.encode() not in text
    with scene.open("?after=0") as veiled:
        text = b"".join(veiled.block() for _ in range(4))
    assert SECRET.encode() not in text


def test_an_idle_stream_has_a_heartbeat(tmp_path):
    """A stream on which nothing happens has a bookmark with its cursor again and again."""
    with staged(str(tmp_path / "store"), heartbeat_seconds=0.5) as scene:
        head = scene.realm.get()
        with scene.open() as stream, scene.open("?view=effective") as effective:
            assert [stream.event() for _ in range(3)] == 3 * [stream.event()]
            assert stream.event().id == head.etag
            assert [effective.event().id for _ in range(2)] == 2 * [head.cursor]


def test_the_heartbeat_comes_at_least_every_fifteen_seconds():
    """Nobody waits longer than 15 seconds for a sign of life: the limit and one tick together."""
    from realmconf.surfaces.http.stream_limits import STREAM_LIMITS
    from realmconf.surfaces.http.streams import TICK_SECONDS

    assert STREAM_LIMITS.heartbeat_seconds + TICK_SECONDS < 15


def test_many_commits_at_once_come_one_by_one_and_in_order(scene):
    """However fast they are committed, each generation is an event of its own, in order."""
    with scene.open() as stream, scene.open("?view=effective") as effective:
        stream.event()
        effective.event()
        for number in range(1, 201):
            scene.realm.patch({"value": number})
        for one in (stream, effective):
            assert [one.change().data["generation"] for _ in range(200)] == list(range(2, 202))


def test_a_transaction_is_one_event_of_the_effective_view(scene):
    """What was committed together is one event."""
    base = scene.other("base")
    base.set({"a": 1})
    scene.realm.set({"b": 1})
    scene.realm.set_parent(base.realm_id)
    with scene.open("?view=effective") as stream:
        stream.event()
        scene.client.transaction(
            [(base.realm_id, {"patch": {"a": 2}}), (scene.name, {"patch": {"b": 2}})]
        )
        changes = {one["pointer"]: one["after"] for one in stream.event().data["changes"]}
        assert changes == {"/a": 2, "/b": 2}
