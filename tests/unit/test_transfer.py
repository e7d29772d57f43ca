"""Realms in and out of a store: export and import."""

from __future__ import annotations

import json

import pytest

from realmconf.domain import archive
from realmconf.domain.names import RealmName
from realmconf.domain.schemas.schema import schema_digest
from realmconf.domain.secrets import MARK
from realmconf.errors import InvalidArgument, RealmconfError, StoreCorrupt, StoreTooNew
from realmconf.runtime.client import connect
from realmconf.testing.conformance.base import append


@pytest.fixture
def other():
    with connect("memory://", author="importer") as opened:
        yield opened


def fill(client):
    realm = client.realm("a")
    realm.set({"x": 1, "text": "ü\n"}, author="first", message="one")
    realm.set({"x": 2.0})
    realm.delete()
    realm.set({"x": 3})
    realm.set_policy(history_keep=9)
    client.realm("b").set({"password": "hunter2"})


def test_a_history_goes_over_whole_into_a_realm_never_written(client, other):
    """Numbers, authors, messages, documents and tombstones; as revisions of kind ``import``."""
    fill(client)
    lines = list(client.export())
    header = json.loads(lines[0])
    assert (header["format"], header["version"]) == ("realmconf-revisions", 1)
    assert len(lines) == 1 + 5 + 1
    read: list[int] = []
    imported = other.import_(lines, progress=read.append)
    assert [(one.realm, one.revisions, one.generation) for one in imported] == [
        ("a", 5, 5),
        ("b", 1, 1),
    ]
    assert read == [1, 2, 3, 4, 5, 6]
    ours, theirs = other.realm("a").history(), client.realm("a").history()
    for mine, original in zip(ours, theirs, strict=True):
        assert mine.kind == "import"
        assert (mine.generation, mine.author, mine.message, mine.document) == (
            original.generation,
            original.author,
            original.message,
            original.document,
        )
    assert other.realm("a").policy.history_keep == 9
    assert other.realm("a").verify().revisions == 5


def test_numbers_are_kept_where_history_was_compacted(client, other):
    """What comes first keeps its number, so none is used for something else (G2)."""
    for number in range(6):
        client.realm("a").set({"n": number})
    client.compact(keep=2)
    other.import_(client.export())
    assert [revision.generation for revision in other.realm("a").history()] == [6, 5]
    assert other.realm("a").verify().revisions == 2


def test_a_realm_with_a_history_gets_one_revision(client, other):
    """The newest document, above both numbers; none if it is the same already."""
    fill(client)
    other.realm("a").set({"mine": 1})
    imported = {one.realm: one for one in other.import_(client.export())}
    assert (imported["a"].revisions, imported["a"].generation) == (1, 6)
    assert other.realm("a").get().document == {"x": 3}
    again = other.import_(client.export())
    assert [one.revisions for one in again] == [0, 0]
    assert other.realm("a").get().generation == 6


def test_a_realm_can_be_imported_under_another_name(client, other):
    """Both can then be there."""
    fill(client)
    other.import_(client.export(realms=["b"]), names={"b": "c"})
    assert [entry.realm for entry in other.realms()] == ["c"]


def test_a_renamed_realm_goes_over_whole(client, other):
    """Its older revisions name the realm they were written to, and belong to the new one."""
    client.realm("old").set({"x": 1})
    client.rename("old", "new")
    imported = {one.realm: one for one in other.import_(client.export())}
    assert (imported["new"].revisions, imported["new"].generation) == (2, 2)
    assert other.realm("new").at(1).document == {"x": 1}
    assert not other.realm("old").get().exists


def test_a_purged_revision_does_not_come_back(client, other):
    """Neither its document nor an empty one in its place."""
    for number in range(3):
        client.realm("a").set({"n": number})
    client.purge("a", 2)
    other.import_(client.export())
    assert [revision.generation for revision in other.realm("a").history()] == [3, 1]


def test_a_redacted_export_shows_no_secret_and_cannot_be_imported(client, other):
    """Nor what would confirm a guess: where a secret is left out so are salt and document digest (G11)."""
    fill(client)
    lines = list(client.export(redacted=True))
    assert not any("hunter2" in line for line in lines)
    marked = [json.loads(line) for line in lines[1:] if MARK in line]
    assert marked
    assert all(one["salt"] == one["document_digest"] == "" for one in marked)
    with pytest.raises(InvalidArgument, match="redacted"):
        other.import_(lines)
    assert other.realms() == []


def test_empty_lines_of_an_archive_say_nothing(client, other):
    """As an editor or a transfer may leave them, between the lines and at the end."""
    fill(client)
    lines = list(client.export())
    other.import_([lines[0], "", *lines[1:], "  \n", ""])
    assert other.realm("a").get().document == client.realm("a").get().document


def test_a_newer_format_is_refused(client, other):
    """It may hold what this release would lose."""
    fill(client)
    lines = list(client.export())
    lines[0] = json.dumps({**json.loads(lines[0]), "version": 2})
    with pytest.raises(StoreTooNew):
        other.import_(lines)
    assert other.realms() == []


@pytest.mark.parametrize(
    "lines",
    [
        [],
        [""],
        ["{}"],
        ["[1]"],
        ["not json"],
        ['{"format": "realmconf-revisions"}'],
        ['{"format": "realmconf-revisions", "version": "1"}'],
        ['{"format": "realmconf-revisions", "version": true}'],
        [archive.header_line(), "{}"],
        [archive.header_line(), "[" * 100_000],
        [archive.header_line(), '{"realm": "a"}'],
        [archive.header_line(), "x" * (archive.LINE_CHARACTERS_MAX + 1)],
    ],
    ids=lambda lines: str(lines)[:30],
)
def test_what_is_no_export_is_refused(other, lines):
    """Typed, by line, and nothing changed (G12)."""
    with pytest.raises(InvalidArgument):
        other.import_(lines)
    assert other.realms() == []


@pytest.mark.parametrize(
    "change",
    [
        {"realm": "not a name"},
        {"generation": "1"},
        {"generation": True},
        {"generation": -1},
        {"document": [1]},
        {"document": {"x": None}},
        {"policy": None},
        {"policy": {"require_generation": False, "history_keep": "all"}},
        {"reverts": "x"},
        {"author": 5},
        {"restores": "x"},
    ],
    ids=str,
)
def test_a_damaged_line_is_refused_and_named(client, other, change):
    """By its number."""
    client.realm("a").set({"x": 1})
    lines = list(client.export())
    lines[1] = json.dumps({**json.loads(lines[1]), **change})
    with pytest.raises(InvalidArgument, match="line 2"):
        other.import_(lines)
    assert other.realms() == []


def test_an_archive_gives_equal_revisions_back(client):
    """Every field, of every kind of revision."""
    fill(client)
    client.rename("b", "c")
    client.realm("a").set({"x": 4})
    client.purge("a", 1)
    originals = []
    with client.store.view() as view:
        for entry in client.realms():
            floor = view.head(entry.realm).floor
            originals += [
                (entry.realm, revision) for revision in view.revisions(entry.realm, after=floor - 1)
            ]
    lines = [archive.header_line()]
    lines += [archive.revision_line(realm, revision) for realm, revision in originals]
    back = [(entry.realm, entry.revision) for entry in archive.read_archive(lines)]
    assert back == originals


def test_options_that_mean_nothing_for_many_writes_are_refused(client, other):
    """A precondition is never ignored."""
    fill(client)
    with pytest.raises(InvalidArgument):
        other.import_(client.export(), expected_generation=0)
    with pytest.raises(RealmconfError):
        other.import_(client.export(), names={"a": "no name"})
    with pytest.raises(InvalidArgument):
        list(client.export(realms="a"))


# --- schemas ---------------------------------------------------------------------------

FIRST = {"title": "first", "type": "object", "properties": {"pin": {"writeOnly": True}}}
SECOND = {"title": "second", "type": "object", "default": None}
A = RealmName("a")


def fill_with_schemas(client):
    """A realm whose first schema no kept revision names, and one that has none."""
    append(client.store, A, {"n": 1}, schemas=[FIRST])
    append(client.store, A, {"n": 2, "pin": "1234"}, schemas=[SECOND])
    append(client.store, A, {"n": 3}, schema_digest=schema_digest(SECOND))
    client.compact(keep=2)
    append(client.store, RealmName("b"), {"n": 1})


def schemas_of(client, realm=A):
    with client.store.view() as view:
        return [view.schema(digest) for digest in view.schemas(realm)]


def schema_digests(client, realm=A):
    with client.store.view() as view:
        floor = view.head(realm).floor
        return [one.schema_digest for one in view.revisions(realm, after=floor - 1)]


@pytest.mark.parametrize("redacted", [False, True])
def test_an_export_holds_every_schema_once(client, redacted):
    """Each realm's before its revisions, also those that no kept revision names, also where secrets are left out."""
    fill_with_schemas(client)
    lines = [json.loads(line) for line in client.export(redacted=redacted)]
    assert [one.get("schema") for one in lines] == [None, FIRST, SECOND, None, None, None]
    assert [one.get("schema_digest") for one in lines[1:]] == [
        schema_digest(FIRST),
        *[schema_digest(SECOND)] * 3,
        None,
    ]


def test_a_redacted_export_knows_the_schemas(client):
    """What any of them called secret is left out, though its name tells nothing (G11)."""
    fill_with_schemas(client)
    lines = list(client.export(redacted=True))
    assert not any("1234" in line for line in lines)
    assert any(MARK in line for line in lines)


def test_schemas_go_over_with_a_history(client, other):
    """The revisions name theirs, and the realm has all that it ever had."""
    fill_with_schemas(client)
    other.import_(client.export(), names={"b": "c"})
    assert schemas_of(other) == [FIRST, SECOND]
    assert schema_digests(other) == [schema_digest(SECOND)] * 2
    assert schemas_of(other, RealmName("c")) == []
    assert other.realm("a").verify().revisions == 2


def test_schemas_go_into_a_realm_with_a_history(client, other):
    """With its one revision; and where the document is the same already, if there are schemas to bring."""
    fill_with_schemas(client)
    append(other.store, A, {"n": 3}, schemas=[SECOND])
    lines = list(client.export(realms=["a"]))
    assert [one.revisions for one in other.import_(lines)] == [1]
    assert schemas_of(other) == [SECOND, FIRST]
    assert schema_digests(other)[-1] == schema_digest(SECOND)
    assert [one.revisions for one in other.import_(lines)] == [0]


def test_schemas_of_a_purged_revision_go_over(client, other):
    """They come with the next revision that does."""
    append(client.store, A, {"n": 1}, schemas=[FIRST])
    append(client.store, A, {"n": 2})
    client.purge("a", 1)
    other.import_(client.export())
    assert schemas_of(other) == [FIRST]
    assert schema_digests(other) == [None]


def test_a_restore_brings_the_schemas_back(client, tmp_path):
    """Those of each realm, by the names that realms have now."""
    fill_with_schemas(client)
    path = str(tmp_path / "copy")
    client.backup(path)
    kind = client.info.name
    url = "memory://" if kind == "memory" else f"{tmp_path}/restored"
    with connect(url, author="restorer") as restored:
        assert [one.generation for one in restored.restore(path)] == [4, 2]
        assert schemas_of(restored) == [FIRST, SECOND]
        assert schema_digests(restored) == [schema_digest(SECOND)]
        assert [one.changed for one in restored.restore(path)] == [False, False]
        assert restored.realm("a").verify().revisions == 1


def test_an_export_without_its_schema_is_refused(client, other):
    """A revision that names a schema must not come without it."""
    fill_with_schemas(client)
    lines = list(client.export(realms=["a"]))
    del lines[2]
    with pytest.raises(InvalidArgument, match="generation 2 of realm a"):
        other.import_(lines)
    assert other.realms() == []


@pytest.mark.parametrize(
    "change",
    [
        {"schema": {**FIRST, "title": "another"}},
        {"schema": [1]},
        {"schema": None},
        {"schema": {"type": "no type"}},
        {"schema": {"$ref": "https://example.org/elsewhere"}},
        {"schema_digest": 5},
        {"schema_digest": "00"},
        {"realm": "no name"},
    ],
    ids=str,
)
def test_a_damaged_schema_is_refused_and_named(client, other, change):
    """By its line."""
    fill_with_schemas(client)
    lines = list(client.export())
    lines[1] = json.dumps({**json.loads(lines[1]), **change})
    with pytest.raises(InvalidArgument, match="line 2"):
        other.import_(lines)
    assert other.realms() == []


def test_an_export_that_ends_after_a_schema_is_refused(client, other):
    """It was cut off."""
    fill_with_schemas(client)
    with pytest.raises(InvalidArgument, match="cut off"):
        other.import_(list(client.export())[:3])


def test_a_schema_that_is_missing_is_found(client):
    """``verify`` names the first revision whose schema is not kept (G14)."""
    append(client.store, A, {"n": 1}, schemas=[FIRST])
    client.realm("a").verify()
    append(client.store, A, {"n": 2}, schema_digest="ab" * 32)
    with pytest.raises(StoreCorrupt, match="generation 2 of realm a"):
        client.realm("a").verify()


def test_a_schema_that_was_changed_is_found(client, monkeypatch):
    """``verify`` reads every schema that is named (G14)."""
    append(client.store, A, {"n": 1}, schemas=[FIRST])
    with client.store.view() as view:
        kind = type(view)
    monkeypatch.setattr(kind, "schema", lambda view, digest: SECOND)
    with pytest.raises(StoreCorrupt, match="generation 1 of realm a"):
        client.realm("a").verify()


def test_what_an_ancestor_calls_secret_is_so_where_there_is_no_ancestor(client, other):
    """G11: an export takes along what all its realm's ancestors ever said of secrets."""
    client.realm("org").set_schema({"properties": {"pin": {"writeOnly": True}}})
    client.realm("child").set({"pin": 4711, "realm": {"child": {"parent": "org"}}})
    redacted = "".join(client.export(realms=["child"], redacted=True))
    assert "4711" not in redacted
    other.import_(list(client.export(realms=["child"])))
    secrecy = other.lineages.secrecy(other.realm("child").realm_id)
    assert "4711" not in str(secrecy.redact({"pin": 4711}))
