"""Revisions and their digests."""

import pickle

import pytest

from realmconf.domain.document import canonical_bytes
from realmconf.domain.names import RealmName
from realmconf.domain.revision import GENESIS, Policy, Revision, digest_document, intact, seal

FIELDS: dict = {
    "realm": RealmName("team"),
    "generation": 3,
    "kind": "set",
    "document": {"a": 1, "password": "hunter2"},
    "author": "ada",
    "surface": "cli",
    "message": "why",
    "write_id": "w1",
    "created_at": "2024-05-01T12:00:00Z",
    "salt": "5a17",
    "previous": "0" * 64,
}

CHANGED: dict = {
    "realm": RealmName("crew"),
    "generation": 4,
    "kind": "adopt",
    "document": {"a": 2},
    "tombstone": True,
    "author": "bob",
    "surface": "sdk",
    "message": "",
    "write_id": "w2",
    "created_at": "2024-05-01T12:00:01Z",
    "salt": "5a18",
    "previous": "1" * 64,
    "policy": Policy(require_generation=True),
    "schema_digest": "5" * 64,
    "reverts": ("/a",),
    "restores": 0,
    "document_digest": "d" * 64,
}


def test_a_sealed_revision_is_intact() -> None:
    """Both digests are those of the record; the etag is the generation and twelve digits."""
    revision = seal(**FIELDS)
    assert intact(revision)
    assert len(revision.digest) == len(revision.document_digest) == 64
    assert revision.etag == f"3-{revision.digest[:12]}"
    assert not revision.tombstone


@pytest.mark.parametrize("field", CHANGED)
def test_no_field_can_be_changed_unnoticed(field: str) -> None:
    """G14: whatever is changed in a stored revision, a digest no longer fits."""
    revision = seal(**FIELDS)
    assert getattr(revision, field) != CHANGED[field]
    assert not intact(revision.replace(**{field: CHANGED[field]}))


def test_the_list_of_fields_is_complete() -> None:
    """A field added to the record is added to this test, so it cannot be forgotten in the digest."""
    assert set(CHANGED) == set(Revision.__fields__) - {"digest", "purged"}


def test_the_digest_of_a_revision_depends_on_the_one_before() -> None:
    """G14: so no revision can be replaced without replacing all after it."""
    assert seal(**FIELDS).digest != seal(**{**FIELDS, "previous": "1" * 64}).digest


def test_a_purged_revision_keeps_the_chain() -> None:
    """A purge erases document and salt, and leaves the digest verifiable; other damage still shows."""
    purged = seal(**FIELDS).replace(document=None, salt="", purged=True)
    assert intact(purged)
    assert not intact(purged.replace(author="mallory"))
    assert not intact(purged.replace(document_digest="d" * 64))


def test_a_document_digest_is_salted() -> None:
    """The same document under another salt has another digest, so a digest confirms no guess."""
    document = FIELDS["document"]
    assert digest_document(document, "1") != digest_document(document, "2")
    assert digest_document(None, "1") != digest_document({}, "1")
    assert digest_document(document, "1") == digest_document(
        document, "1", canonical=canonical_bytes(document)
    )


def test_a_tombstone_is_sealed_as_one() -> None:
    """A revision without document says so itself."""
    tombstone = seal(**{**FIELDS, "document": None, "kind": "delete"})
    assert tombstone.tombstone
    assert intact(tombstone)


def test_types_count_in_the_digest() -> None:
    """1, 1.0 and true are three documents."""
    digests = {
        seal(**{**FIELDS, "document": {"a": value}}).document_digest for value in (1, 1.0, True)
    }
    assert len(digests) == 3


def test_a_digest_is_the_same_for_ever() -> None:
    """The digests of a given record are fixed: a store written today verifies in every later release."""
    revision = seal(**FIELDS)
    assert (
        revision.document_digest
        == "2974e3ab586b78b8a41f306178551a648b92b4309bc21ac0dd41a03ca1deca36"
    )
    assert revision.digest == "25d913da1df5e1017674cc703af72adebdf6f228990c0e8ce5ffa26bab5681dd"
    later = seal(
        **{
            **FIELDS,
            "policy": Policy(require_generation=True, history_keep=5),
            "reverts": ("/a",),
            "restores": 1,
            "schema_digest": "5" * 64,
        }
    )
    assert later.digest == "272578672a059355bd501586027b307eba16f9a12fe1a319e7d2098ac1765504"


def test_a_revision_travels_and_hides_its_document() -> None:
    """A revision pickles; its repr shows neither document nor salt."""
    revision = seal(**FIELDS)
    assert pickle.loads(pickle.dumps(revision)) == revision
    assert "hunter2" not in repr(revision)
    assert "5a17" not in repr(revision)
    assert GENESIS == "0" * 64
