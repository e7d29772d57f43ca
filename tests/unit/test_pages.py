"""How much of a history is read at once."""

from __future__ import annotations

import pytest

import realmconf
from realmconf.domain.names import RealmName
from realmconf.runtime import pages

TEXT = "x" * 1_000


@pytest.fixture(autouse=True)
def small_pages(monkeypatch):
    """As if 10 KB were much."""
    monkeypatch.setattr(pages, "PAGE_BYTES", 10_000)


@pytest.fixture
def client():
    with realmconf.connect("memory://") as client:
        yield client


def test_weight_is_about_the_size_as_json():
    """What a document weighs is about its length as JSON."""
    assert pages.weight(None) < 10
    assert 1_000 < pages.weight({"a": {"b": [TEXT, 1, True]}}) < 1_100


def test_a_page_ends_by_size(client):
    """Of large documents fewer are read at once, and none is left out between two pages."""
    realm = client.realm("team")
    for number in range(100):
        realm.set({"n": number, "text": TEXT})
    with client.store.view() as view:
        read, after = [], 0
        while page := pages.revisions(view, RealmName("team"), after=after, before=101):
            assert len(page) <= 10 + pages.PART_MAX
            after = page[-1].generation
            read += page
    assert [one.generation for one in read] == list(range(1, 101))


def test_a_page_of_small_documents_is_full(client):
    """Of small documents as many are read as a page has, and never more."""
    realm = client.realm("team")
    for number in range(100):
        realm.set({"n": number})
    with client.store.view() as view:
        name = RealmName("team")
        assert len(pages.revisions(view, name, after=0, before=101, page=90)) == 90
        assert len(pages.revisions(view, name, after=0, before=101, page=3)) == 3
        assert len(pages.revisions(view, name, after=0, before=51)) == 50


def test_followers_go_through_small_pages(client):
    """A watch tells every step once and in order, however small its pages are, and keeps transactions whole."""
    base, team = client.realm("base"), client.realm("team")
    base.set({"text": TEXT})
    team.set({"realm": {"team": {"parent": "base"}}})
    start = team.get()
    for number in range(40):
        base.patch({"n": number, "text": TEXT * 8})
        client.transaction(
            [("base", {"patch": {"both": number}}), ("team", {"patch": {"both": number}})]
        )
    with team.watch(start, timeout=0) as steps:
        told = [(one.config["n"], one.config.get("both")) for one in steps]
    assert told == [pair for n in range(40) for pair in ((n, n - 1 if n else None), (n, n))]
    with team.watch(start, view="own", timeout=0) as own:
        assert [one.generation for one in own] == list(range(2, 42))
