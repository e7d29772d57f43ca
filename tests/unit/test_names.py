"""Realm names, derived names, and limits."""

import copy
import pickle

import pytest

from realmconf.domain.names import (
    GLOBAL,
    LIMITS,
    RealmName,
    generated_realm,
    is_system,
    workspace_realm,
)
from realmconf.errors import InvalidRealm


@pytest.mark.parametrize(
    "name",
    [
        "a",
        "7",
        "X",
        "Team-Alpha_2",
        "x" * 64,
        "X" * 32,
        "ws-cbf29ce484222325",
        "deadbeef" * 3,
        "global",
    ],
)
def test_a_name_is_letters_digits_underscores_and_hyphens(name: str) -> None:
    """A realm name is 1-64 ASCII letters, digits, ``_`` and ``-``, the first one a letter or digit."""
    assert RealmName(name) == name


@pytest.mark.parametrize(
    "name",
    [
        "",
        "x" * 65,
        "-a",
        "_a",
        "a b",
        "a.b",
        "a/b",
        "../a",
        "a\n",
        "é",
        "a\x00",
        "١",
        "a:b",
        "\ud800",
        ".store",
    ],
)
def test_anything_else_is_refused(name: str) -> None:
    """Every other text is ``invalid_realm``, and the error can be printed anywhere."""
    with pytest.raises(InvalidRealm) as caught:
        RealmName(name)
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 500


@pytest.mark.parametrize("name", [None, 5, b"a", True, ["a"]])
def test_only_text_is_a_name(name: object) -> None:
    """What is not text is refused, not converted."""
    with pytest.raises(InvalidRealm):
        RealmName(name)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "name",
    [
        "01890a5d-ac96-774b-bcce-b302099a8057",
        "01890A5D-AC96-774B-BCCE-B302099A8057",
        "01890a5dac96774bbcceb302099a8057",
        "00000000000000000000000000000000",
        "0123456789abcdefABCDEF0123456789",
    ],
)
def test_a_name_that_reads_as_a_uuid_is_refused(name: str) -> None:
    """Identifiers of other things are never taken for realms, in any way of writing a UUID."""
    with pytest.raises(InvalidRealm, match="UUID"):
        RealmName(name)


def test_a_record_of_realmconf_itself_has_a_name_that_no_realm_has() -> None:
    """It begins with ``_``, which is how what came from a store is told from a realm."""
    assert is_system("_tokens")
    assert not is_system("tokens")
    assert not is_system("X")
    with pytest.raises(InvalidRealm):
        RealmName("_tokens")


def test_a_uuid_with_something_around_it_is_a_name() -> None:
    """Only the whole name counts: ``realm-<uuid>`` is what generated realms are called."""
    assert (
        generated_realm("01890a5d-ac96-774b-bcce-b302099a8057")
        == "realm-01890a5d-ac96-774b-bcce-b302099a8057"
    )


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("/srv/app", "ws-148a99b954e2c46f"),
        ("/home/dev/proj", "ws-eaa3273df6d7b751"),
        ("", "ws-cbf29ce484222325"),
    ],
)
def test_a_folder_gives_the_name_that_meerkat_gives_it(path: str, name: str) -> None:
    """The workspace-derived name is FNV-1a-64 of the canonical path."""
    assert workspace_realm(path) == name


@pytest.mark.parametrize(
    ("path", "displayed"),
    [
        ("/srv/\udcff", "/srv/\ufffd"),
        ("/srv/\udce2\udc82", "/srv/\ufffd"),
        ("/srv/\udce2\udc82\udce2/x", "/srv/\ufffd\ufffd/x"),
        ("C:\\\ud800", "C:\\\ufffd"),
    ],
)
def test_a_path_that_is_not_text_has_the_name_of_the_path_as_displayed(
    path: str, displayed: str
) -> None:
    """Undecodable bytes count as U+FFFD: one for each truncated character, as in Rust's lossy conversion."""
    assert workspace_realm(path) == workspace_realm(displayed)


def test_names_that_differ_by_case_fold_to_one() -> None:
    """Two names that differ by case alone cannot both exist; ``folded`` is what they share."""
    assert RealmName("Team").folded == RealmName("tEAM").folded
    assert RealmName("Team") != RealmName("team")


def test_a_name_pickles_and_copies_to_itself() -> None:
    """A name sent to another process arrives as a name."""
    for other in (pickle.loads(pickle.dumps(GLOBAL)), copy.deepcopy(GLOBAL), RealmName(GLOBAL)):
        assert type(other) is RealmName
        assert other == "global"


def test_the_limits_are_those_of_the_documentation() -> None:
    """The defaults: 1 MiB, depth 64, 50,000 keys, key 512 bytes, message 2,000, author 256, write id 128, …"""
    assert LIMITS.document_bytes == 1_048_576
    assert (LIMITS.depth, LIMITS.keys, LIMITS.key_bytes) == (64, 50_000, 512)
    assert (LIMITS.message_chars, LIMITS.author_chars, LIMITS.write_id_chars) == (2_000, 256, 128)
    assert (LIMITS.history_page, LIMITS.lineage, LIMITS.transaction_realms) == (1_000, 16, 64)
    assert LIMITS.generation == 9_007_199_254_740_991
